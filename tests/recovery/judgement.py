"""What must hold of a record and of what is kept beside it, at any moment, whatever was done to the run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magent.answering import PREFIX
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.scopes import Facts, Scope, Visit
from magent.engine.snapshot import to_json
from magent.errors import UsageError
from magent.events import Event, Failure
from magent.loading import workflow_of
from magent.model import Task
from magent.outcome import result_of
from magent.ports import Record, RunStore
from magent.state import State

MOST = 100  # folds of a run that are looked at
_PASSING = frozenset((  # of a fold: what is only worked with, or found anew by whoever goes on
    "workflow", "ready", "queued", "names", "next_child", "event", "parent", "keys", "node", "nodes", "scope", "graph",
))  # fmt: skip
_SUMS = ("steps", "tokens", "path", "outputs")  # of a result: what the record adds up to


def portrait(run: Run) -> Any:
    """All that a fold holds, as JSON: two that are alike go on alike. That a branch was given a place, in which it has
    done nothing yet, is no part of that."""
    scopes = {str(scope.id): _shown(scope) for scope in run.scopes.values()}
    rest = {name: _plain(value) for name, value in vars(run).items() if name not in (*_PASSING, "scopes", "root")}
    return json.loads(json.dumps({**rest, "scopes": scopes}))


def _shown(thing: Scope | Visit | State | Facts) -> dict[str, Any]:
    shown = {name: _plain(getattr(thing, name)) for name in thing.__slots__ if name not in _PASSING}
    if isinstance(thing, Visit):
        shown["at"] = thing.node.name
        shown["begun"] -= sum(map(_only_placed, thing.children))
    if isinstance(thing, Scope):
        shown["begun"] = thing.begun and not _only_placed(thing)
        shown["current"] = None if thing.current is None else _shown(thing.current)
    return shown


def _only_placed(scope: Scope) -> bool:
    fresh = scope.status == "open" and scope.current is None and not scope.facts.own and not scope.counters
    return scope.begun and scope.kind in ("branch", "item") and fresh


def _plain(value: Any) -> Any:
    if isinstance(value, Failure):
        return value.as_json()
    if isinstance(value, (State, Facts)):
        return _shown(value)
    if isinstance(value, (Scope, Visit)):
        return value.id if isinstance(value, Scope) else value.path
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two values of JSON are not the same, and what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted({*one, *other}):
            yield from differences(one.get(name), other.get(name), f"{place}.{name}")
    elif one != other:
        yield f"{place[1:]} is {one!r}, by the events {other!r}"


def checkpoints_fit(store: RunStore, run_id: str, record: Record) -> None:
    """Every checkpoint is what the events before it add up to."""
    for info in asyncio.run(store.checkpoints(run_id)):
        fold = asyncio.run(store.checkpoint(run_id, info.seq))
        if fold is None or info.seq > len(record.events):  # it is dropped when the run is opened
            continue
        workflow, beside = workflow_of(record), Record(record.header, record.workflow, (info.seq, fold), ())
        kept, told = lives.refold(workflow, beside), Run(workflow)
        lives.apply_all(told, record.events[: info.seq], run_id)
        faults = [*differences(portrait(kept), portrait(told))]
        assert not faults, f"the checkpoint of event {info.seq} is not what happened: {'; '.join(faults[:5])}"


def every_fold_can_be_kept(record: Record) -> None:
    """A checkpoint of whichever event would hold all that the events before it add up to."""
    workflow = workflow_of(record)
    run = Run(workflow)
    step = 1 + len(record.events) // MOST
    for event in record.events:
        run.apply(event)
        run.clear_ready()
        if event.seq % step == 0:
            fold = json.loads(json.dumps(to_json(run)))
            kept = lives.refold(workflow, Record(record.header, record.workflow, (event.seq, fold), ()))
            faults = [*differences(portrait(kept), portrait(run))]
            assert not faults, f"a checkpoint of event {event.seq} would not hold all: {'; '.join(faults[:5])}"


def attempts_are_counted(record: Record) -> None:
    """No attempt begins twice in a life, or is one that was made before; none follows the last one that is allowed."""
    run = Run(workflow_of(record))
    life, begun = 0, dict[tuple[str, int], tuple[int, int]]()
    for event in record.events:
        data = event.data
        if event.type in ("run.started", "run.resumed"):
            life += 1
        scope = run.scopes.get(data.get("scope", -1))
        visit = None if scope is None else scope.current
        if event.type == "visit.started" and "ask" not in data:
            place = data["path"], data["visit"]
            attempt = data.get("attempt", 1)
            before = begun.get(place, (0, 0))
            again = visit is not None and visit.status in ("again", "uncertain")
            assert visit is None or attempt >= before[1], f"event {event.seq} begins attempt {attempt} again: {data}"
            assert again or before != (life, attempt) or visit is None, f"event {event.seq} begins it twice: {data}"
            begun[place] = life, attempt
        if event.type == "visit.retry" and visit is not None and isinstance(visit.node, Task):
            most = visit.node.retry.max_attempts
            assert data["attempt"] < most, f"event {event.seq} lets attempt {data['attempt'] + 1} of {most} follow"
        run.apply(event)
        run.clear_ready()


def result_is_sum(result: Mapping[str, Any], record: Record, store: RunStore) -> None:
    """The result of a run that is over is what its events add up to, tokens counted one by one."""
    run = lives.refold(workflow_of(record), record)
    told = result_of(run, "", store).as_json()
    assert {name: result[name] for name in _SUMS} == {name: told[name] for name in _SUMS}
    used = [event.data["tokens"] for event in record.events if event.data.get("tokens")]
    counted = {name: sum(each[name] for each in used) for name in ("input", "output")}
    assert result["tokens"] == counted, f"{counted} were used, and the result says {result['tokens']}"


def used_notes(store: RunStore, run_id: str, events: Sequence[Event]) -> list[str]:
    """Notes that are there though their answers are on the record."""
    taken = {event.data["note"] for event in events if event.type == "visit.answered" and "note" in event.data}
    notes = asyncio.run(store.notes(run_id))
    return [name for name, note in notes.items() if name.startswith(PREFIX) and note.get("note") in taken]


def result_of_run(store: RunStore, run_id: str) -> Mapping[str, Any] | None:
    """None also where there is no such run."""
    try:
        return asyncio.run(store.result(run_id))
    except UsageError:
        return None
