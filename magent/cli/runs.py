"""`magent runs list` and `magent runs show`: what the store holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from magent import app, durations, plain, records
from magent.cli import flags, progress, results
from magent.cli.console import Console, dump, one_line
from magent.clock import iso
from magent.errors import UsageError
from magent.ports import RunInfo

STATUSES = ("running", "waiting", "completed", "failed", "cancelled", "interrupted", "damaged")
OUTPUTS = ("text", "json")


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
    begun = _moment(since) if since is not None else 0.0
    most = flags.whole("--limit", limit)
    store = app.open_store(console.settings.store)
    found = [
        info
        for info in asyncio.run(store.list())
        if info.created >= begun and status in (None, info.status) and workflow in (None, info.workflow)
    ][:most]
    if form == "json":
        console.result(dump([_as_json(info) for info in found]))
    elif found:
        console.result(_table([_row(info) for info in found], ("RUN", "WORKFLOW", "STATUS", "BEGUN", "WAITS AT")))
    else:
        console.hint("no runs")
    return 0


def _moment(text: str) -> float:
    """Seconds since 1970 of `7d` (ago) or a date. Raises UsageError."""
    try:
        return time.time() - durations.parse(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise UsageError(f"--since takes 7d, 2h or a date such as 2026-11-22, not '{text}'") from None


def _as_json(info: RunInfo) -> dict[str, Any]:
    times = {"created": iso(info.created), "updated": iso(info.updated)}
    facts = {"run_id": info.id, "workflow": info.workflow, "status": info.status, "file": info.file}
    return facts | times | {"waiting": list(info.waiting)}


def _row(info: RunInfo) -> tuple[str, ...]:
    begun = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(info.created)) if info.created else "-"
    waits = ", ".join(info.waiting[:3]) + (" …" if len(info.waiting) > 3 else "")
    return (info.id, info.workflow, info.status, begun, waits)


def _table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> str:
    cells = [head, *(tuple(one_line(cell, 60) for cell in row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells)
    return "\n".join(lines)


def show_run(
    console: Console,
    *,
    id: str,
    output: str | None,
) -> int:
    """Show one run: status, visits, cost, result."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    shown = asyncio.run(_show(console, id))
    console.result(dump(shown) if form == "json" else _told(shown))
    return 0


async def _show(console: Console, id: str) -> dict[str, Any]:
    store = app.open_store(console.settings.store)
    return await records.show(store, await store.resolve(id))


def _told(shown: Mapping[str, Any]) -> str:
    facts = [
        str(shown.get("status", "")),
        results.steps(shown.get("steps", 0)),
        durations.show(shown.get("duration") or 0.0),
    ]
    facts += results.spent(shown.get("tokens"), shown.get("cost_usd"))
    blocks = [f"run {shown.get('run_id')} of {shown.get('workflow')}: {', '.join(facts)}"]
    if shown.get("error"):
        blocks.append(f"error: {progress.describe_error(shown['error'])}")
    visits = [_visit(visit) for visit in shown.get("visits") or ()]
    if visits:
        blocks.append(_table(visits, ("NODE", "TYPE", "STATUS", "TIME", "TOKENS", "ERROR")))
    blocks += [f"{item.get('path')} waits\n  {item.get('command')}" for item in shown.get("waiting") or ()]
    if shown.get("outputs") is not None:
        blocks.append(f"outputs:\n{plain.show(shown['outputs'])}")
    return "\n\n".join(blocks)


def _visit(visit: Mapping[str, Any]) -> tuple[str, ...]:
    number = visit.get("visit") or 1
    took = durations.show(visit["duration"]) if visit.get("duration") is not None else ""
    tokens = progress.total(visit.get("tokens"))
    error = progress.describe_error(visit["error"]) if visit.get("error") else ""
    name = f"{visit.get('path')}#{number}" if number > 1 else str(visit.get("path"))
    return (
        name,
        str(visit.get("type", "")),
        str(visit.get("status", "")),
        took,
        f"{tokens:,}" if tokens else "",
        error,
    )
