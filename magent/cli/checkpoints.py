"""`magent checkpoints list` and `show`: the folds that are kept of a run, and how it stood at one of its events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from magent import plain, records, settings
from magent.cli import flags, results
from magent.cli.console import Console, dump
from magent.cli.tables import STATUSES, Column, Part, Sheet, local, size
from magent.clock import from_iso, iso
from magent.engine.fold import Run
from magent.errors import UsageError
from magent.ports import CheckpointInfo, RunStore

OUTPUTS = ("text", "json")
LATEST = "latest"
_STATE_LINES = 60


def list_checkpoints(console: Console, *, id: str, output: str | None) -> int:
    """List what is kept of a run for a quick resume."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    store = settings.open_store(console.settings.store)
    run_id, kept = asyncio.run(_kept(store, id))
    if form == "json":
        console.result(dump([_as_json(info) for info in kept]))
    elif kept:
        sheet = Sheet(console)
        columns = (Column("SEQ", right=True), Column("TIME"), Column("SIZE", right=True), Column("STATE"))
        sheet.table(columns, [(str(each.seq), local(each.time), size(each.size), _sound(each)) for each in kept])
        sheet.print()
        if not console.settings.quiet:
            console.suggest(console.command("checkpoints", "show", run_id, str(kept[-1].seq)), "shows the newest")
    else:
        console.told(f"run {run_id} has no checkpoints: it is short, or they were dropped")
        console.suggest(console.command("checkpoints", "show", run_id), "shows how it stands")
    return 0


async def _kept(store: RunStore, id: str) -> tuple[str, list[CheckpointInfo]]:
    run_id = await store.resolve(id)
    kept = list(await store.checkpoints(run_id))
    if not kept:
        await store.read(run_id)  # one that is damaged is not called short
    return run_id, kept


def _as_json(info: CheckpointInfo) -> dict[str, Any]:
    return {"seq": info.seq, "time": iso(info.time), "size": info.size, "sound": info.sound}


def _sound(info: CheckpointInfo) -> Part:
    return Part("sound", "green") if info.sound else Part("damaged: not used", "red")


def show_checkpoint(console: Console, *, id: str, seq: str, output: str | None) -> int:
    """Show how a run stood at an event."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    number = None if seq == LATEST else _number(seq)
    store = settings.open_store(console.settings.store)
    shown = asyncio.run(_past(store, id, number))
    if form == "json":
        console.result(dump(shown))
        return 0
    sheet = Sheet(console)
    _tell(sheet, shown, console.settings.verbose)
    sheet.print()
    return 0


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"SEQ is the number of an event or {LATEST}, not '{text}'") from None


async def _past(store: RunStore, id: str, seq: int | None) -> dict[str, Any]:
    run_id = await store.resolve(id)
    run, record, kept = await records.past(store, run_id, seq)
    event = record.events[run.seq - 1]
    return {
        "run_id": run_id,
        "workflow": run.workflow.name,
        "seq": run.seq,
        "time": iso(event.time),
        "event": event.type,
        "events": record.events[-1].seq,
        "checkpoint": kept,
        "status": run.status,
        "steps": run.steps,
        "tokens": {"input": run.tokens[0], "output": run.tokens[1]},
        "cost_usd": None if run.cost_unknown else round(run.cost, 6),
        "duration": round(run.spent, 3),
        "position": _position(run),
        "path": list(run.path),
        "state": run.root.state.as_dict(),
    }


def _position(run: Run) -> list[dict[str, Any]]:
    """Where the run stood: every open scope that has come somewhere, by its address."""
    found = []
    for scope in run.scopes.values():
        if scope.status == "open" and scope.current is not None:
            visit = scope.current
            status = "waiting" if visit.question is not None and visit.answer is None else visit.status
            found.append({"path": visit.path, "status": status, "attempt": visit.attempt, "visit": visit.number})
        elif scope.status == "open" and scope.pending is not None and (scope.begun or scope.owner is None):
            found.append({"path": scope.prefix + scope.pending, "status": "pending", "attempt": 0, "visit": 0})
    return found


def _tell(sheet: Sheet, shown: Mapping[str, Any], everything: bool) -> None:
    count = f"event {shown['seq']:,} of {shown['events']:,}"
    sheet.heading(Part(count, "bold"), "  ", Part(shown["workflow"], "bold"), id=shown["run_id"])
    kept = "a checkpoint of it is kept" if shown["checkpoint"] else "no checkpoint of it: worked out from the events"
    spent = results.spent(shown["tokens"], shown["cost_usd"])
    sheet.facts([local(from_iso(shown["time"])), shown["event"], results.steps(shown["steps"]), *spent, kept])
    _stands(sheet, shown, everything)
    sheet.title("State")
    state = {name: value for name, value in shown["state"].items() if value is not None}
    brief = sheet.signs and not everything
    said = plain.show(plain.lean(state) if brief else state) if state else "nothing is written yet"
    sheet.text(said, most=_STATE_LINES if brief else None)


def _stands(sheet: Sheet, shown: Mapping[str, Any], everything: bool) -> None:
    sheet.title("Where it stood")
    places = shown["position"]
    if not places:
        sheet.line("  ", sheet.status(shown["status"]))
    for place in places if everything else places[:20]:
        sign, style = STATUSES.get(place["status"], ("●", "blue"))
        lead = [Part(f"{sign} ", style)] if sheet.signs else []
        attempt = f", attempt {place['attempt']}" if place["attempt"] > 1 else ""
        sheet.line("  ", *lead, place["path"], Part(f"  {place['status']}{attempt}", "dim"))
    if len(places) > 20 and not everything:
        sheet.line("  ", Part(f"… {len(places) - 20} more (-v)", "dim"))
