"""`magent runs cancel` and `magent runs rm`: a run is ended for good, and forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from magent import app, settings
from magent.cli import flags
from magent.cli.console import Console, dump, one_line
from magent.cli.people import login, sure
from magent.errors import RunLocked, StoreError, UsageError
from magent.ports import RunInfo, RunStore

OUTPUTS = ("text", "json")


def cancel_run(console: Console, *, id: str | None, reason: str | None, by: str | None, output: str | None) -> int:
    """End a run for good."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if id is None:
        raise UsageError("runs cancel needs the id of a run", f"{console.command('runs', 'list')} shows them")
    store = settings.open_store(console.settings.store)
    run_id = asyncio.run(store.resolve(id))
    untold: list[str] = []
    status, ended = asyncio.run(app.cancel(store, run_id, by=by or login(), reason=reason, untold=untold.append))
    for why in untold:
        console.told(f"magent: warning: nobody was notified: {one_line(why, 400)}", "yellow")
    if form == "json":
        console.result(dump({"run_id": run_id, "status": status, "cancelled": ended}))
    if ended:
        console.say(f"⊘ run {run_id} is cancelled", "yellow")
    elif status == "running":
        console.told(f"run {run_id} was asked to end, but whoever drives it has not obeyed yet", "yellow")
        console.suggest(console.command("runs", "show", run_id), "says how it stands")
        return 1
    else:
        console.told(f"run {run_id} is {status} already: there is nothing to cancel")
    return 0


def remove_runs(console: Console, *, ids: list[str] | None, yes: bool) -> int:
    """Remove runs and all that is kept of them."""
    if not ids:
        raise UsageError("runs rm needs the id of a run", f"{console.command('runs', 'list')} shows them")
    store = settings.open_store(console.settings.store)
    found = asyncio.run(_found(store, ids))
    for info in found:
        if info.status == "running":  # before anything goes
            raise _driven(console, info.id)
    if not yes and not _sure(console, found):
        console.hint("nothing is removed")
        return 1
    for info in found:
        _remove(console, store, info)
    return 0


async def _found(store: RunStore, ids: Sequence[str]) -> list[RunInfo]:
    """The runs that are meant, each once. Raises UsageError where one is unknown."""
    named = dict.fromkeys([await store.resolve(id) for id in ids])
    return [await store.info(run_id) for run_id in named]


def _sure(console: Console, found: Sequence[RunInfo]) -> bool:
    lines = [f"{info.id}  {info.status:<11}  {one_line(info.workflow or '-', 60)}" for info in found]
    what = "this run and the files it made" if len(found) == 1 else f"these {len(found)} runs and the files they made"
    return sure(console, "runs rm", what, lines)


def _remove(console: Console, store: RunStore, info: RunInfo) -> None:
    try:
        asyncio.run(store.remove(info.id))
    except RunLocked as locked:
        raise _driven(console, info.id) from locked
    console.say(f"run {info.id} ({one_line(info.workflow or '-', 60)}, {info.status}) is removed")


def _driven(console: Console, run_id: str) -> StoreError:
    command = console.command("runs", "cancel", run_id)
    return StoreError(f"run {run_id} is being driven: it is not removed", f"{command}   ends it first")
