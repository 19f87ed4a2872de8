"""Recorded runs, looked at and answered without being driven: what they wait for, what they have come to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from magent.clock import SystemClock, iso
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.errors import RunLocked, UsageError
from magent.events import Event, Failure
from magent.loading import looked_at, workflow_of
from magent.masks import mask_of, words_of
from magent.outcome import Result, result_of
from magent.ports import CANCEL, Journal, Question, Record, RunStore
from magent.source import did_you_mean

CANCELLED = "cancelled"
MOST_FILES = 1000
LOOK_EVERY = 0.25  # seconds between two looks at a run whose holder was asked to end it


async def look(store: RunStore, run_id: str) -> Run:
    """The run as it stands. Raises UsageError, StoreError."""
    record = await store.read(run_id)
    return lives.refold(workflow_of(record), record)


def masked(run: Run, data: dict[str, Any]) -> dict[str, Any]:
    """The data without the secrets that the run's workflow lists."""
    hidden: dict[str, Any] = mask_of(words_of(run.workflow))(data)
    return hidden


After = Callable[[Run, Result, Journal, Record], Awaitable[None]]


async def _nothing(*_: Any) -> None:
    return


async def cancel(
    store: RunStore, run_id: str, *, by: str, reason: str | None = None, patience: float = 10.0, after: After = _nothing
) -> tuple[str, bool]:
    """Ends a run for good: at once where nobody holds it (then `after` is done), else by asking its holder, who is
    waited for `patience` seconds. Returns the status it has then, and whether that is our doing. Raises UsageError,
    StoreError."""
    clock = SystemClock()
    request = {"by": by, "at": iso(clock.now()), "reason": reason}
    end, asked = clock.now() + patience, False
    while True:
        try:
            return await _end(store, run_id, request, asked, after)
        except RunLocked:
            if not asked:
                await store.leave(run_id, CANCEL, request)
            asked = True
            if clock.now() > end:
                return "running", False
            await asyncio.sleep(LOOK_EVERY)


async def _end(store: RunStore, run_id: str, request: Mapping[str, Any], asked: bool, after: After) -> tuple[str, bool]:
    """Records the end of a run that nobody holds. Raises RunLocked where somebody does."""
    journal, record = await store.open(run_id)
    try:
        run = lives.refold(workflow_of(record), record)
        if run.status in ("completed", "failed", "cancelled"):
            if asked:
                await store.take_away(run_id, CANCEL)  # what it asked for is over: no later life is to obey it
            return run.status, asked and run.status == "cancelled"
        data = masked(run, {"reason": CANCELLED, "error": cancellation(request).as_json()})
        event = Event(run.seq + 1, SystemClock().now(), "run.cancelled", data)
        await journal.append([event], sync=True)
        run.apply(event)
        result = result_of(run, str(journal.directory), store)
        await journal.finish(result.as_json())
        await after(run, result, journal, record)
        return run.status, True
    finally:
        await journal.close()


def cancellation(request: Mapping[str, Any]) -> Failure:
    """Why a run was ended, as its record and its users are told: who asked for it, and the reason given."""
    said = f"{request.get('by') or 'somebody'} asked for it"
    return Failure(CANCELLED, f"{said}: {request['reason']}" if request.get("reason") else said)


def pick(run: Run, node: str | None) -> Question:
    """The open question that a node's name or an address means; with None, the only one. Raises UsageError."""
    waiting = lives.open_questions(run)
    if not waiting:
        raise UsageError(*nobody(run))
    found = [each for each in waiting if node in (None, each.path)] or [each for each in waiting if node == each.node]
    if len(found) == 1:
        return found[0]
    if found:
        paths = _listed(each.path for each in found)
        like = f"magent respond {run.id} {shlex.quote(found[0].path)}"
        raise UsageError(f"run {run.id} waits for {len(found)} answers: {paths}", f"name the one you mean: {like} …")
    hint = did_you_mean(str(node), [each.path for each in waiting])
    paths = _listed(each.path for each in waiting)
    raise UsageError(f"run {run.id} does not wait at '{node}'", hint or f"it waits at {paths}")


def nobody(run: Run) -> tuple[str, str]:
    """That a run waits for no answer, and what to do."""
    if run.status == "waiting":
        return f"run {run.id} has all its answers", f"magent resume {run.id}   goes on"
    return f"run {run.id} waits for no answer: it is {run.status}", f"magent runs show {run.id} says how it stands"


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    return ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")


class Story(NamedTuple):
    """A run as it stands, and what can be told of it: the result's object, its header, visits, files."""

    run: Run
    shown: dict[str, Any]


async def story(store: RunStore, run_id: str) -> Story:
    """What a run has come to. Raises UsageError, StoreError."""
    record = await store.read(run_id, checkpoint=False)
    status, place = (await store.info(run_id)).status, await store.workspace(run_id)
    with looked_at(record):
        return _story(record, store, run_id, status, place)


def _story(record: Record, store: RunStore, run_id: str, status: str, place: Path) -> Story:
    """`place` is the run's own workspace, wherever the run was moved to since it was recorded."""
    run = lives.refold(workflow_of(record), record)
    alone = Path(str(run.facts.get("workspace", ""))).parts[-2:] in ((run_id, "workspace"), ("workspaces", run_id))
    directory = place.parent if place.parts[-2:] == (run_id, "workspace") else place
    shown = result_of(run, str(directory), store).as_json()
    if run.status in ("running", "waiting"):  # whether anybody drives it now, only the store knows
        shown |= {"status": status, "exit_code": {"waiting": 3, "interrupted": 130}.get(status)}
    if shown["status"] == "running":
        shown["duration"] = round(run.spent + max(0.0, SystemClock().now() - run.life_started), 3)
    types = {name: node.type for graph in run.workflow.graphs.values() for name, node in graph.nodes.items()}
    kept = ("file", "digest", "inputs", "created", "versions", "parent", "cwd")
    header = {name: record.header.get(name) for name in kept} | {"unsealed": record.unsealed}
    ended = record.events[-1].time
    idle = _idle(record.events)
    if run.status == "running" and shown["status"] != "running":  # killed: it has worked until its last event
        shown["duration"] = round(run.spent + max(0.0, ended - run.life_started), 3)
    visits = [_visit(each, types, shown["status"], idle) for each in lives.visits(record.events)]
    lists = {"visits": visits, "files": _files(place) if alone else []}
    workspace = str(place) if alone else run.facts.get("workspace")
    return Story(run, {**shown, **header, "updated": ended, "workspace": workspace, **lists})


def _files(place: Path) -> list[dict[str, Any]]:
    """What the run made in a workspace of its own: `{path, size}`, by path."""
    if place.is_symlink():
        return []
    found = []
    for parent, names, files in os.walk(place):
        names.sort()
        for name in sorted(files):
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):
                found.append({"path": os.path.relpath(path, place), "size": os.lstat(path).st_size})
        if len(found) >= MOST_FILES:
            break
    return found[:MOST_FILES]


async def past(store: RunStore, run_id: str, seq: int | None = None) -> tuple[Run, Record, bool]:
    """The run as it stood after event `seq` (None: after the last), its record, and whether a checkpoint of it was
    kept, which was used then. Raises UsageError where there is no such event."""
    record = await store.read(run_id, checkpoint=False)
    last = record.events[-1].seq if record.events else 0
    seq = last if seq is None else seq
    if not 1 <= seq <= last:
        known = [each.seq for each in await store.checkpoints(run_id)]
        raise no_event(run_id, seq, last, f"there are checkpoints of {_listed(map(str, known))}" if known else None)
    fold = await store.checkpoint(run_id, seq)
    kept = None if fold is None else (seq, fold)
    events = () if kept else record.events[:seq]
    run = lives.refold(workflow_of(record), Record(record.header, record.workflow, kept, events))
    return run, record, kept is not None


def no_event(run_id: str, seq: int | str, last: int, hint: str | None = None) -> UsageError:
    """That a run has no event of this number."""
    there = f"they go from 1 to {last}" if last else "nothing of it was recorded"
    return UsageError(f"run {run_id} has no event {str(seq)[:40]}: {there}", hint or f"magent runs history {run_id}")


def _idle(events: Iterable[Event]) -> list[tuple[float, float]]:
    """From when to when nobody drove the run, between two lives of it."""
    found, last = [], 0.0
    for event in events:
        if event.type == "run.resumed":
            found.append((last, event.time))
        if event.type != "visit.answered":  # which can come while nobody drives it
            last = event.time
    return found


def _visit(
    data: dict[str, Any], types: Mapping[str, str], status: str, idle: Sequence[tuple[float, float]]
) -> dict[str, Any]:
    """`status` is the run's: what nobody is at work on any more is not running, and what holds a question waits.
    A person's time counts as it passes, other work only while somebody drives the run."""
    ended, began, type = data.pop("ended"), data.pop("started"), types.get(data["node"], "task")
    duration = None
    if ended is not None:
        gaps = [] if type == "human_input" else idle
        rest = sum(max(0.0, min(ended, until) - max(began, since)) for since, until in gaps)
        duration = round(max(0.0, ended - began - rest), 3)
    if ended is None and status == CANCELLED:
        data["status"] = CANCELLED
    elif data["status"] == "running" and status != "running":
        data["status"] = "waiting" if status == "waiting" else "interrupted"
    if status != "running":
        lives.abandon(data)
    return {**data, "type": type, "started": iso(began), "duration": duration}
