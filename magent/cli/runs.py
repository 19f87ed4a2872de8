"""`magent runs list`: what the store holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from magent import durations, settings
from magent.cli import flags
from magent.cli.console import Console, dump
from magent.cli.declared import STATUSES
from magent.cli.tables import Cell, Column, Part, Sheet, ago, local
from magent.clock import iso
from magent.ports import RunInfo
from magent.source import did_you_mean

OUTPUTS = ("text", "json")
_SHOWN = 50  # runs that a terminal is given where nothing says how many
_COLUMNS = (
    Column("RUN"),
    Column("STATUS", least=1, rank=0),
    Column("WORKFLOW", least=12, rank=1),
    Column("BEGUN", rank=3),
    Column("TOOK", rank=4, right=True),
    Column("WAITS AT", least=12, rank=2),
)


def list_runs(
    console: Console,
    *,
    status: str | None,
    workflow: str | None,
    since: str | None,
    limit: str | None,
    output: str | None,
) -> int:
    """List the runs in the store, the newest first."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    flags.one_of("--status", status, STATUSES)
    begun = flags.moment("--since", since)
    most = flags.whole("--limit", limit)
    store = settings.open_store(console.settings.store)
    every = list(asyncio.run(store.list()))
    found = [
        info
        for info in every
        if info.created >= begun and status in (None, info.status) and workflow in (None, info.workflow)
    ]
    if form == "json":
        console.result(dump([_as_json(info) for info in found[:most]]))
    elif found:
        _show(console, found, most)
    elif every:
        known = {info.workflow for info in every}
        near = did_you_mean(workflow, known) if workflow is not None and workflow not in known else None
        none = "the only run is not" if len(every) == 1 else f"none of the {len(every):,} runs is"
        console.told(f"{none} such a one{f': {near}' if near else ''}")
        console.suggest(console.command("runs", "list"), "shows them all")
    else:
        console.told(f"there are no runs in {store.url} yet")
        console.suggest(console.command("run"), "runs the workflow.yaml that is here")
    return 0


def _as_json(info: RunInfo) -> dict[str, Any]:
    times = {"created": iso(info.created), "updated": iso(info.updated)}
    facts = {"run_id": info.id, "workflow": info.workflow, "status": info.status, "file": info.file}
    return facts | times | {"waiting": list(info.waiting)}


def _show(console: Console, found: Sequence[RunInfo], most: int | None) -> None:
    sheet = Sheet(console)
    shown = found[: most or (_SHOWN if sheet.signs else None)]
    sheet.table(_COLUMNS, [_row(sheet, info) for info in shown])
    sheet.print()
    if console.settings.quiet or not sheet.signs:
        return
    if most is None and len(shown) < len(found):
        more = console.command("runs", "list", "--limit", str(len(found)))
        console.suggest(more, f"shows the {len(found) - len(shown):,} older ones, too")
    if any(info.waiting for info in found):
        console.suggest(console.command("respond", "--list"), "shows what waits, to answer it")


def _row(sheet: Sheet, info: RunInfo) -> Sequence[Cell]:
    damaged = info.status in ("damaged", "sealed")
    begun = "" if damaged else ago(info.created) if sheet.signs else local(info.created)
    over = info.status in ("completed", "failed", "cancelled")
    took = durations.show(max(0.0, info.updated - info.created)) if over else ""
    waits = ", ".join(info.waiting[:3]) + (f" and {len(info.waiting) - 3} more" if len(info.waiting) > 3 else "")
    name = info.workflow or ("-" if damaged else "")
    return (info.id, sheet.status(info.status), name, Part(begun, "dim"), Part(took, "dim"), Part(waits, "yellow"))
