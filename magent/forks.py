"""Runs that begin where another had come to: from a place in it, with an edited workflow, with what failed anew.

The run they come from stays as it is, whoever holds it. What of it is taken over, `engine.replay` says; here it becomes
a record of its own, with a workspace of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from magent.clock import SystemClock
from magent.engine import run as lives
from magent.engine.fates import FATES, entrances
from magent.engine.fold import Run
from magent.engine.origin import is_number, origins
from magent.engine.recorder import masked
from magent.engine.redecide import Edited
from magent.engine.replay import Cut, Replay, Replayed
from magent.engine.snapshot import to_json
from magent.engine.visited import Survey, Visited, survey
from magent.errors import UsageError
from magent.events import Event
from magent.life import Options, lead
from magent.loading import check_kept, workflow_of
from magent.masks import frozen_of, mask_of, words_of
from magent.model import Workflow
from magent.moving import copy_files, moved
from magent.opening import by_name, create, limits_of, prepare, traced, workspace_of
from magent.outcome import Result, over, result_of
from magent.outfit import Outfit
from magent.ports import Journal, Record, RunStore
from magent.records import no_event
from magent.spec.build import build
from magent.spec.loader import Bundle
from magent.spec.schema import check_value, field_schema, fill
from magent.stores.codec import check_sealed

_LONGEST = 18  # digits of the number of an event


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and how a run is gone on with, if not simply from where it stood. `place`: a node, an address, the number
    of an event; `workflow`: an edited one; `failed`: branches that failed are tried anew, what completed is kept."""

    place: str | None = None
    workflow: Workflow | None = None
    failed: bool = False

    @property
    def forks(self) -> bool:
        """Whether that makes a new run."""
        return self.place is not None or self.workflow is not None or self.failed


WHERE_IT_STOOD = Origin()


@dataclass(frozen=True, slots=True)
class Plan:
    """What a resume would do. `status` is as a listing has it; `visits` are those of the run as it is recorded, each
    with its fate and why; `next` are the addresses at which it goes on; `repeats` what a person is asked about before
    it is done again."""

    run: Run
    status: str
    origin: Origin
    visits: Sequence[Visited]
    next: Sequence[str]
    repeats: Sequence[Mapping[str, Any]]
    note: str | None = None  # why there is nothing to do

    def counts(self) -> dict[str, int]:
        """How many visits have each fate."""
        return {fate: sum(visit.fate == fate for visit in self.visits) for fate in FATES}

    def as_json(self) -> dict[str, Any]:
        edited = self.origin.workflow
        return {
            "run_id": self.run.id,
            "workflow": self.run.workflow.name,
            "status": self.status,
            "forks": self.origin.forks,
            "from": self.origin.place,
            "file": None if edited is None else edited.file,
            "only_failed": self.origin.failed,
            "note": self.note,
            "counts": self.counts(),
            "next": list(self.next),
            "asks": [{name: each.get(name) for name in ("path", "run", "done", "tools")} for each in self.repeats],
            "visits": [_visit(visit) for visit in self.visits],
        }


def _visit(visit: Visited) -> dict[str, Any]:
    return {
        "path": visit.path,
        "visit": visit.ordinal,
        "node": visit.node,
        "type": visit.type,
        "fate": visit.fate,
        "why": visit.why or None,
        "status": visit.status,
        "tokens": {"input": visit.tokens[0], "output": visit.tokens[1]},
        "cost_usd": visit.cost,
    }


# ---- what would be done


async def plan(store: RunStore, run_id: str, origin: Origin) -> Plan:
    """What a resume would do; nothing is done, and nothing is held. Raises UsageError, StoreError."""
    record = await store.read(run_id, checkpoint=False)
    status = (await store.info(run_id)).status
    return _plan(await asyncio.to_thread(_trace, record, origin), status, origin)


def _plan(trace: Trace, status: str, origin: Origin) -> Plan:
    found = trace.replayed
    note = trace.idle or (None if origin.forks else over(trace.run))
    repeats = found.repeats if origin.forks else ()
    return Plan(trace.run, status, origin, found.visits, entrances(found.run), repeats, note)


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded run, and what of it would be taken over. `idle`: why there is nothing that would be done anew."""

    run: Run
    replayed: Replayed
    workflow: Workflow
    given: Mapping[str, Any]
    idle: str | None = None


def _trace(record: Record, origin: Origin) -> Trace:
    check_kept(record)
    old = workflow_of(record)
    run = lives.refold(old, record)
    found = survey(old, record.events)
    cut = _cut(found, old, origin, run)
    new, given = origin.workflow, {}
    if new is None:
        machine = Replay(old, found, cut)
    else:
        given = _given(run, new)
        mask = mask_of(words) if (words := words_of(new)) else None
        machine = Edited(old, found, cut, _as_kept(new), given, partial(masked, mask))
    for event in record.events:
        machine.take(event)
    return Trace(run, machine.finish(forks=origin.forks), new or old, given, _idle(run, found, origin))


def _idle(run: Run, found: Survey, origin: Origin) -> str | None:
    only = origin.failed and origin.place is None and origin.workflow is None
    if only and not found.failures and not found.collected and run.status == "completed":
        return f"no branch of run {run.id} failed: there is nothing to try anew"
    return None


def _cut(found: Survey, workflow: Workflow, origin: Origin, run: Run) -> Cut:
    """Raises UsageError where the place is not one of the run's."""
    place = origin.place
    if place is None:
        return Cut(failed=origin.failed)
    if not is_number(place):
        return Cut(frozenset(origins(found, workflow, place, run.id)), None, origin.failed)
    if len(place) > _LONGEST or not 1 <= int(place) <= run.seq:
        raise no_event(run.id, place, run.seq)
    return Cut(until=int(place), failed=origin.failed)


def _as_kept(workflow: Workflow) -> Workflow:
    """The workflow as its run would keep it: the old one is known only so."""
    kept = frozen_of(workflow, words_of(workflow))
    return workflow if kept is workflow.frozen else build(Bundle.from_json(kept))


def _given(run: Run, new: Workflow) -> dict[str, Any]:
    """What an edited workflow is given of the run's inputs and environment. Raises UsageError where it asks for other
    inputs than there are, or is another workflow."""
    old, fields = run.workflow, new.graph.inputs
    if old.name != new.name:
        message = f"run {run.id} is one of '{old.name}', but {new.file or 'the file'} is '{new.name}'"
        raise UsageError(message, "give the edited file of the same workflow, or start a new run of the other")
    inputs = {name: value for name, value in run.inputs.items() if name in fields}
    missing = [name for name, schema in fields.items() if name not in inputs and "default" not in schema]
    if missing:
        named = ", ".join(f"'{name}'" for name in missing)
        message = f"run {run.id} has no input {named}, which {new.file or 'the edited workflow'} asks for"
        raise UsageError(message, "give it a `default` in the file, or start a new run")
    if faults := check_value(field_schema(fields), inputs):
        message = f"an input of run {run.id} does not fit {new.file or 'the edited workflow'}: {'; '.join(faults)}"
        raise UsageError(message, "start a new run with inputs that do")
    env = {name: run.env[name] if name in run.env else os.environ.get(name) for name in new.env}
    return {"inputs": fill(fields, inputs), "env": env}


# ---- doing it


async def fork(store: RunStore, run_id: str, origin: Origin, options: Options) -> Result:
    """Begins a new run with what of another still holds, and drives it. Raises UsageError, StoreError."""
    record = await store.read(run_id, checkpoint=False)
    check_sealed(run_id, record.unsealed)
    trace = await asyncio.to_thread(_trace, record, origin)
    if trace.idle is not None:
        return result_of(trace.run, str(trace.run.facts.get("dir", "")), store, note=trace.idle)
    run, workflow = trace.run, trace.workflow
    agents = {**run.agents, **options.agents}
    limits = _limits(run, workflow)
    inputs = trace.given.get("inputs", run.inputs)
    seen = {"inputs": inputs, "env": trace.given.get("env", run.env)}
    usd = options.limits.get("usd", limits.get("usd"))
    outfit = prepare(workflow, replace(options, agents=agents), seen, usd, record.header.get("cwd"))
    parent = _parent(run, origin)
    journal = await create(store, workflow, inputs, SystemClock().now(), outfit, options.run_id, parent)
    try:
        more = {"limits": limits, "agents": by_name(agents), **traced()}
        events = await _events(store, journal, trace, outfit, more)
        await journal.append(events, sync=True)
        forked = lives.refold(workflow, Record({}, {}, None, events))
        if journal.lasting and len(events) >= workflow.checkpoints.every:
            await journal.checkpoint(forked.seq, to_json(forked))
    except BaseException:
        await journal.close()
        await store.remove(journal.run_id)
        raise
    kept = sum(visit.fate == "kept" for visit in trace.replayed.visits)
    named = {"run_id": journal.run_id, "workflow": workflow.name, "forked": {"run_id": run.id, "kept": kept}}
    data = {**named, "agents": by_name(agents), "limits": dict(options.limits), "pid": os.getpid()}
    return await lead(forked, store, journal, outfit, options, lambda driver: lives.resume(driver, data))


def _parent(run: Run, origin: Origin) -> dict[str, Any]:
    """What the header of the new run says of the one that it comes from."""
    edited = None if origin.workflow is None else origin.workflow.file
    return {"run_id": run.id, "events": run.seq, "from": origin.place, "file": edited, "only_failed": origin.failed}


def _limits(run: Run, workflow: Workflow) -> dict[str, Any]:
    """Those of the run; where the file was edited, what it says, unless the run had been given something else."""
    before, now = limits_of(run.workflow, Options()), limits_of(workflow, Options())
    return {name: now[name] if run.limits.get(name) == before[name] else run.limits[name] for name in now}


async def _events(
    store: RunStore, journal: Journal, trace: Trace, outfit: Outfit, more: Mapping[str, Any]
) -> list[Event]:
    """The beginning of the new record: what is taken over, at home there, and the event that says so."""
    run, found, workflow = trace.run, trace.replayed, trace.workflow
    here = {"dir": str(journal.directory), "workspace": workspace_of(workflow, journal)}
    facts = {"id": journal.run_id, "name": workflow.name, "home": workflow.home, **here}
    move: dict[str, str] = {}
    if here["workspace"] == str(journal.workspace):
        source = await store.workspace(run.id)
        await asyncio.to_thread(copy_files, source, journal.workspace)
        places = (found.events[0].data["run"], run.facts)  # where it began, and where it was moved to
        move = {str(each.get(name)): here[name] for each in places for name in ("dir", "workspace")}
        move[str(source)] = here["workspace"]
    first, *rest = found.events
    kept = {name: value for name, value in first.data.items() if name != "trace"}
    data = {**moved(kept, move), **more, "run_id": journal.run_id, "run": facts, "pid": os.getpid()}
    data |= {"workflow": workflow.name}
    events = [first._replace(data=data), *(each._replace(data=moved(each.data, move)) for each in rest)]
    last = {"parent": run.id, "reopens": found.reopens, "repeats": moved(found.repeats, move), "waited": found.waited}
    last |= {"trace": run.trace} if run.trace else {}
    events.append(Event(len(events) + 1, found.ended, "run.forked", last))
    return [each._replace(data=masked(outfit.mask, each.data)) for each in events]
