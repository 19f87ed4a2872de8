"""`magent graph`: a workflow, or a run's path over it, as text, DOT, Mermaid, JSON, SVG or PNG."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from magent import draw, loading, settings
from magent.cli import flags, raster
from magent.cli.console import Console, dump
from magent.engine import run as lives
from magent.errors import UsageError
from magent.keys import GUARD
from magent.model import Workflow
from magent.ports import Record
from magent.source import did_you_mean

SUFFIXES = {
    ".txt": "text", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".json": "json", ".svg": "svg", ".png": "png",
}  # fmt: skip
PICTURES = ("svg", "png")
COLUMNS = 80  # where stdout is no window and COLUMNS says nothing
STYLES: dict[str, tuple[str, ...]] = {
    "title": ("bold",),
    "name": ("bold",),
    "about": ("dim",),
    "label": ("cyan",),
    "target": ("bold",),
    "note": ("cyan", "bold"),
    "person": ("yellow",),
    "condition": ("cyan",),
    "end": ("blue",),
    "taken": ("bold", "green"),
    "untaken": ("dim",),
    "completed": ("green",),
    "failed": ("red",),
    "interrupted": ("yellow",),
    "waiting": ("yellow",),
    "running": ("blue",),
    "skipped": ("dim",),
    "cancelled": ("dim",),
}
"""How what `draw.text` calls its parts looks in a terminal."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn: a workflow, and of a run what it did, and which it is."""

    workflow: Workflow
    overlay: draw.Overlay | None = None
    heading: str | None = None


def graph(
    console: Console,
    *,
    file: str,
    text: bool,
    dot: bool,
    mermaid: bool,
    json: bool,
    width: str | None,
    output: str | None,
) -> int:
    """Draw a workflow, or what a run did of it."""
    given = {"text": text, "dot": dot, "mermaid": mermaid, "json": json}
    default = "text" if console.shares_terminal or width is not None else "dot"
    form = _form([name for name, wanted in given.items() if wanted], output, default)
    columns = flags.whole("--width", width, least=draw.LEAST_COLUMNS)
    if columns is not None and form != "text":
        raise UsageError(f"--width is for --text, not for {form}")
    if not _is_run(file):
        return _put(console, Subject(_load(console, file)), form, columns, output)
    record, run_id, status = asyncio.run(_run(console, file))
    with loading.looked_at(record):
        workflow = loading.workflow_of(record)
        lives.refold(workflow, record)  # so that its events are what they say
        overlay = draw.overlay(workflow, record.events, alive=status in ("running", "waiting"))
        return _put(console, Subject(workflow, overlay, f"run {run_id}, {status}"), form, columns, output)


def _put(console: Console, subject: Subject, form: str, columns: int | None, output: str | None) -> int:
    if output is not None:
        _write(output, _picture(subject, form) if form in PICTURES else _drawn(subject, form, columns).encode())
        console.say(f"{output} is written")
    elif form == "text":
        _show(console, _lines(subject, columns or _columns(console)))
    else:
        console.result(_drawn(subject, form, columns))
    return 0


def _drawn(subject: Subject, form: str, columns: int | None) -> str:
    """The drawing as a file has it."""
    if form == "text":
        lines = _lines(subject, columns or max(_told_columns() or COLUMNS, draw.LEAST_COLUMNS))
        return GUARD.hide("".join(f"{draw.plain(line)}\n" for line in lines))
    if form == "json":
        return GUARD.hide(dump(draw.as_json(subject.workflow, subject.overlay)) + "\n")
    return GUARD.hide((draw.mermaid if form == "mermaid" else draw.dot)(subject.workflow, subject.overlay))


def _lines(subject: Subject, columns: int) -> list[draw.Line]:
    return draw.text(subject.workflow, columns, subject.overlay, subject.heading)


def _show(console: Console, lines: Iterable[draw.Line]) -> None:
    """The text on stdout: in colour, and in ASCII where it takes nothing else."""
    signs = draw.plain if console.unicode else lambda line: draw.to_ascii(draw.plain(line))
    if not console.out_color:
        console.drawn("\n".join(map(signs, lines)))
        return
    shown = ("".join(console.tinted(part, *STYLES.get(style, ())) for style, part in line).rstrip() for line in lines)
    console.drawn("\n".join(shown if console.unicode else map(draw.to_ascii, shown)))


def _columns(console: Console) -> int:
    """COLUMNS, else the window's, else 80; a picture takes some at least."""
    return max(_told_columns() or console.window or COLUMNS, draw.LEAST_COLUMNS)


def _told_columns() -> int:
    told = os.environ.get("COLUMNS", "")
    return int(told) if told.isdecimal() else 0


def _is_run(name: str) -> bool:
    """Whether the name can only be a run's: no file is called so, and none would be."""
    return "/" not in name and not Path(name).suffix and not Path(name).exists()


async def _run(console: Console, name: str) -> tuple[Record, str, str]:
    """A run's record, id and status. Raises UsageError where no run is called so."""
    store = settings.open_store(console.settings.store)
    try:
        run_id = await store.resolve(name)
    except UsageError as error:
        if not error.message.startswith("there is no run"):
            raise
        hint = did_you_mean(name, _files()) or error.hint
        raise UsageError(f"there is neither a file nor a run '{name}'", hint) from error
    return await store.read(run_id, checkpoint=False), run_id, (await store.info(run_id)).status


def _load(console: Console, file: str) -> Workflow:
    """The workflow of a file. Raises UsageError where there is none, InvalidWorkflow."""
    if not os.path.lexists(file):
        hint = did_you_mean(file, _files(os.path.dirname(file)))
        raise UsageError(f"there is no file {file}", hint or "name a workflow file or a run: magent runs list")
    loaded = loading.read(file)
    if not console.settings.quiet:
        console.problems(loaded.problems, loaded.sources)
    return loaded.workflow


def _files(directory: str = "") -> list[str]:
    """The workflow files in a directory, as they would be named."""
    try:
        found = sorted(os.listdir(directory or "."))
    except OSError:
        return []
    return [os.path.join(directory, name) for name in found if name.endswith((".yaml", ".yml"))]


def _form(given: list[str], output: str | None, default: str) -> str:
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} exclude each other")
    if output is None:
        return given[0] if given else default
    suffix = SUFFIXES.get(Path(output).suffix.lower())
    if suffix is None and not given:
        raise UsageError(f"-o {output}: the ending names the form: {', '.join(SUFFIXES)}")
    if suffix and given and suffix != given[0]:
        raise UsageError(f"-o {output} and --{given[0]} name two forms")
    return suffix or given[0]


def _picture(subject: Subject, form: str) -> bytes:
    """The picture as a file has it. Raises UsageError where a png needs what is not there."""
    drawn = GUARD.hide(draw.svg(subject.workflow, subject.overlay, subject.heading))
    return drawn.encode() if form == "svg" else raster.png(drawn)


def _write(path: str, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        lost = isinstance(error, FileNotFoundError)
        why = "there is no such directory" if lost else str(error.strerror or error).lower()
        raise UsageError(f"-o {path} cannot be written: {why}") from error
