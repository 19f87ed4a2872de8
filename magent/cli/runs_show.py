"""`magent runs show`: what happened in a run, what it made, what it cost, what it waits for, what to type next."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import Any

from magent import durations, plain, records, settings
from magent.cli import flags, questions, results, visits
from magent.cli.console import Console, dump
from magent.cli.tables import Cell, Column, Part, Sheet, ago, local, size
from magent.outcome import Asked, asked
from magent.ports import RunStore

OUTPUTS = ("text", "json")
_MAY_ASK = ("waiting", "running", "interrupted")  # who left at a question left it open
_OUTPUT_LINES = 16
_LONG = 24  # lines, after which how the run stands is told again at the end
_FILES = 10


def show_run(console: Console, *, id: str, output: str | None) -> int:
    """Show one run."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    store = settings.open_store(console.settings.store)
    story, waiting = asyncio.run(_read(store, id))
    if form == "json":
        console.result(dump(story.shown))
        return 0
    sheet = Sheet(console)
    _head(sheet, story.shown)
    visits.show(sheet, story.shown["visits"], everything=console.settings.verbose)
    _made(sheet, story.shown, console.settings.verbose)
    _failed(sheet, story.shown)
    for each in waiting:
        sheet.blank()
        questions.head(sheet, each)
        driven = story.shown["status"] == "running"
        questions.whole(sheet, each, everything=console.settings.verbose, driven=driven)
    _next(sheet, console, story.shown)
    sheet.print()
    return 0


async def _read(store: RunStore, id: str) -> tuple[records.Story, list[Asked]]:
    story = await records.story(store, await store.resolve(id))
    return story, asked(story.run, store) if story.shown["status"] in _MAY_ASK else []


def _head(sheet: Sheet, shown: Mapping[str, Any]) -> None:
    status = sheet.status(shown["status"])
    name = Part(shown["workflow"], "bold")
    sheet.heading(Part(status.text, f"bold {status.style}".strip()), "  ", name, id=shown["run_id"])
    begun = local(shown["created"]) + (f" ({ago(shown['created'])})" if sheet.signs else "")
    facts = [f"begun {begun}", f"worked {durations.show(shown['duration'])}", results.steps(shown["steps"])]
    sheet.facts([*facts, *results.spent(shown["tokens"], shown["cost_usd"])])
    if shown.get("file"):
        sheet.line(Part(f"file {shown['file']}", "dim"))
    if shown["unsealed"]:
        sheet.line(Part("in the clear, though there is a key: anybody may have written it", "yellow"))
    if shown.get("parent"):
        sheet.text(_forked(shown["parent"]), indent=0, style="dim")


def _forked(parent: Mapping[str, Any]) -> str:
    """Where the run comes from: `forked from run r1, at draft`."""
    place, edited = parent.get("from"), parent.get("file")
    facts = [f"at {'event ' if str(place).isdigit() else ''}{place}"] if place else []
    facts += [f"with {edited}"] if edited else []
    facts += ["to try again what failed"] if parent.get("only_failed") else []
    return ", ".join([f"forked from run {parent['run_id']}", *facts])


def _made(sheet: Sheet, shown: Mapping[str, Any], everything: bool) -> None:
    if shown.get("outputs") is not None:
        sheet.title("Outputs")
        outputs = shown["outputs"] if everything or not sheet.signs else plain.lean(shown["outputs"])
        sheet.text(plain.show(outputs), most=None if everything or not sheet.signs else _OUTPUT_LINES)
    files = shown.get("files") or []
    if not files:
        return
    sheet.title("Files")
    few = files if everything or not sheet.signs else files[:_FILES]
    rows: list[Sequence[Cell]] = [(each["path"], Part(size(each["size"]), "dim")) for each in few]
    sheet.table((Column("", least=16), Column("", right=True)), rows, head=False, indent=2)
    if len(few) < len(files):
        sheet.line("  ", Part(f"… {len(files) - len(few)} more (-v)", "dim"))
    sheet.line("  ", Part(f"in {_near(shown['workspace'])}", "dim"), whole=True)


def _near(path: str) -> str:
    """The path as it is from here, where it is below."""
    here = os.getcwd()
    return os.path.relpath(path, here) if path.startswith(f"{here}/") else path


def _failed(sheet: Sheet, shown: Mapping[str, Any]) -> None:
    error = shown.get("error")
    if error:
        place = f" at {error['node']}" if error.get("node") else ""
        sheet.title("Error")
        sheet.text(f"{error.get('type', 'error')}{place}: {error.get('message', '')}", style="red")
        if error.get("hint"):
            sheet.text(error["hint"], indent=4)


def _next(sheet: Sheet, console: Console, shown: Mapping[str, Any]) -> None:
    run, error = shown["run_id"], shown.get("error")
    steps: list[tuple[str, str]] = []
    if shown["status"] == "running":
        steps.append((console.command("runs", "cancel", run), "ends it"))
    elif step := results.next_step(shown["status"], error, len(shown["waiting"])):
        limit = results.flag_of(error) if shown["status"] == "interrupted" else []
        steps.append((console.command("resume", run, *limit), step))
    steps.append((console.command("runs", "history", run), "shows its state, step by step"))
    if sheet.signs and sheet.height > _LONG:
        sheet.blank()
        status = sheet.status(shown["status"])
        sheet.line(Part(status.text, f"bold {status.style}".strip()), "  ", run, whole=True)
    sheet.title("Next")
    for command, what in steps:
        sheet.next(command, what)
