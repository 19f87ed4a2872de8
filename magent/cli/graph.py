"""`magent graph`: a workflow as DOT, Mermaid, JSON or, where Graphviz is installed, a picture."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from pathlib import Path

from magent import app, draw, records
from magent.cli.console import Console, dump
from magent.cli.run import load
from magent.errors import MagentError, UsageError
from magent.model import Workflow

FORMS: dict[str, Callable[[Workflow], str]] = {
    "dot": draw.dot,
    "mermaid": draw.mermaid,
    "json": lambda workflow: dump(draw.as_json(workflow)) + "\n",
}
SUFFIXES = {".dot": "dot", ".gv": "dot", ".mmd": "mermaid", ".json": "json", ".svg": "svg", ".png": "png"}
PICTURES = ("svg", "png")


def graph(
    console: Console,
    *,
    file: str,
    dot: bool,
    mermaid: bool,
    json: bool,
    output: str | None,
) -> int:
    """Draw a workflow as DOT, Mermaid, JSON or a picture."""
    form = _form([name for name, given in (("dot", dot), ("mermaid", mermaid), ("json", json)) if given], output)
    workflow = asyncio.run(_frozen(console, file)) if _is_run(file) else load(console, file).workflow
    if output is None:
        console.result(FORMS[form](workflow))
    else:
        _write(output, _picture(workflow, form) if form in PICTURES else FORMS[form](workflow).encode())
        console.say(f"{output} is written")
    return 0


def _is_run(name: str) -> bool:
    """Whether the name can only be a run's: no file is called so, and none would be."""
    return "/" not in name and not Path(name).suffix and not Path(name).exists()


async def _frozen(console: Console, name: str) -> Workflow:
    """The workflow that a run started with. Raises UsageError where no run is called so."""
    store = app.open_store(console.settings.store)
    try:
        run_id = await store.resolve(name)
    except UsageError as error:
        raise UsageError(f"there is neither a file nor a run '{name}'", error.hint) from error
    return records.workflow_of(await store.read(run_id))


def _form(given: list[str], output: str | None) -> str:
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} exclude each other")
    if output is None:
        return given[0] if given else "dot"
    suffix = SUFFIXES.get(Path(output).suffix.lower())
    if suffix is None and not given:
        raise UsageError(f"-o {output}: the ending names the form: {', '.join(SUFFIXES)}")
    if suffix and given and suffix != given[0]:
        raise UsageError(f"-o {output} and --{given[0]} name two forms")
    return suffix or given[0]


def _picture(workflow: Workflow, form: str) -> bytes:
    """The picture that Graphviz makes. Raises UsageError where it is not installed, MagentError where it fails."""
    try:
        done = subprocess.run(["dot", f"-T{form}"], input=draw.dot(workflow).encode(), capture_output=True, check=False)
    except FileNotFoundError:
        hint = "install Graphviz, or write the graph as -o FILE.dot or FILE.mmd"
        raise UsageError(f"a {form} picture needs the program `dot`, which is not on the PATH", hint) from None
    if done.returncode != 0:
        raise MagentError(f"dot ended with {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return done.stdout


def _write(path: str, data: bytes) -> None:
    try:
        Path(path).write_bytes(data)
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}") from error
