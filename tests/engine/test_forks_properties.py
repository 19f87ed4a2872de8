"""Random graphs, forked anywhere and edited anyhow: what comes out is what a run left alone comes to."""

from __future__ import annotations

import asyncio
import copy
import json
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.engine.fold import Run
from magent.engine.replay import Cut
from magent.engine.visited import survey
from magent.events import Event
from magent.model import Workflow
from magent.spec.build import build
from magent.spec.checks import check
from magent.spec.loader import load_data
from tests.build import Lab
from tests.engine.forking import Decided, Echo, driven, fates, journal_of, stored, taken_over
from tests.engine.test_language_properties import Early, Whole, first_life, made, room_of
from tests.engine.test_language_properties import summary as end_of

seeds = st.integers(0, 2**32)
some = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Reading(Whole):
    """Commands that read: what they are given depends on what was before."""

    def run(self, depth: int, shared: bool) -> str:
        return self.reading(super().run(depth, shared))

    def bare(self, depth: int, shared: bool) -> str:
        return self.reading(super().bare(depth, shared))

    def reading(self, name: str) -> str:
        if self.chance.random() < 0.5:
            self.nodes[name]["run"] = [name, "{{ state.n }}"]
        return name


def data_of(seed: int) -> dict[str, Any]:
    return Reading(random.Random(seed), deepest=2).workflow()


def workflow_of(data: dict[str, Any]) -> Workflow | None:
    """None where it is none any more."""
    bundle = load_data(copy.deepcopy(data), ".")
    if any(problem.severity == "error" for problem in (*bundle.problems, *check(bundle))):
        return None
    return build(bundle)


def room_for(workflow: Workflow) -> Lab:
    return Lab(workflow, executor=Echo(), human=Decided())


def left_alone(workflow: Workflow) -> tuple[Run, list[Event], Lab]:
    room = room_for(workflow)
    run = asyncio.run(room.start())
    return run, stored(room.journal.events), room


def edited(data: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """The same workflow with something changed."""
    new = copy.deepcopy(data)
    graphs = [new, *new.get("subgraphs", {}).values()]
    nodes = [(graph["nodes"], name) for graph in graphs for name in graph["nodes"]]
    for _ in range(chance.randint(1, 2)):
        among, name = chance.choice(nodes)
        node = among.get(name)
        if node is not None:
            _edit(among, name, node, chance)
    return new


def _edit(among: dict[str, Any], name: str, node: dict[str, Any], chance: random.Random) -> None:
    if "run" in node:
        what = chance.choice(["run", "set", "on_error"])
        if what == "run":
            node["run"] = [*node["run"], "more"]
        elif what == "set":
            node["set"] = {"n": 2}
        else:
            node["on_error"] = "fail"
    elif "set" in node and "type" not in node:
        node["set"] = {"n": 3}
    elif isinstance(node.get("for_each"), list):
        node["for_each"] = [7, *node["for_each"]] if chance.random() < 0.5 else node["for_each"][1:]
    elif "until" in node:
        node["until"] = "round.number >= 2"
    elif "next" in node and isinstance(node["next"], str):
        among[f"{name}_more"] = {"set": {"n": 1}, "next": node["next"]}
        node["next"] = f"{name}_more"
    else:
        node["description"] = "edited"


def summary(run: Run) -> dict[str, Any]:
    done = run.status == "completed"
    return {"status": run.status, "outputs": run.outputs, "state": run.root.state.as_dict() if done else None}


@some
@given(seeds)
def test_with_its_own_workflow_all_that_a_run_has_done_is_kept(seed: int) -> None:
    data = data_of(seed)
    workflow, again = workflow_of(data), workflow_of(data)
    assert workflow is not None
    run, events, _ = left_alone(workflow)
    found = taken_over(workflow, events, again)
    assert "invalidated" not in fates(found).values(), json.dumps(data)
    room = room_for(again or workflow)
    assert summary(driven(room, journal_of(found))) == summary(run)
    if run.status == "completed":
        assert (fates(found), room.executor.done) == ({}, []), json.dumps(data)  # type: ignore[attr-defined]


@some
@given(seeds, st.data())
def test_from_any_event_the_end_is_that_of_a_run_left_alone(seed: int, data: st.DataObject) -> None:
    workflow = made(seed)
    alone, events, _ = first_life(workflow, 0)
    cut = data.draw(st.integers(1, len(events)))
    found = taken_over(workflow, stored(events), cut=Cut(until=cut))
    room = room_of(workflow, data.draw(seeds))
    assert end_of(driven(room, journal_of(found)), room.journal.events) == end_of(alone, events)


@some
@given(seeds, st.data())
def test_from_any_visit_the_end_is_the_same_and_what_does_not_follow_from_it_is_kept(
    seed: int, data: st.DataObject
) -> None:
    early = data.draw(st.booleans())
    workflow = made(seed, Early if early else Whole)
    alone, events, _ = first_life(workflow, 0)
    begins = list(survey(workflow, events).begun)
    at = data.draw(st.sampled_from(begins))
    found = taken_over(workflow, stored(events), cut=Cut(frozenset({at})))
    room = room_of(workflow, data.draw(seeds))
    run = driven(room, journal_of(found))
    if not early:  # which of several came first is another race then
        assert end_of(run, room.journal.events) == end_of(alone, events)
    addresses = {visit.path for visit in found.visits if visit.fate == "kept" and visit.end and visit.ordinal == 1}
    lost = {visit.path for visit in found.visits if visit.fate != "kept" or visit.ordinal > 1}
    again = {key.partition("/")[2].partition("#")[0] for key in room.executor.done}  # type: ignore[attr-defined]
    assert not again & (addresses - lost)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seeds, seeds)
def test_an_edited_workflow_ends_as_if_it_had_been_run_from_the_start(seed: int, change: int) -> None:
    data = data_of(seed)
    changed = edited(data, random.Random(change))
    old, new = workflow_of(data), workflow_of(changed)
    assert old is not None
    if new is None:
        return
    _, events, _ = left_alone(old)
    fresh, _, first = left_alone(new)
    found = taken_over(old, events, new)
    room = room_for(new)
    run = driven(room, journal_of(found))
    assert summary(run) == summary(fresh), f"{json.dumps(data)}\n{json.dumps(changed)}"
    kept = sum(visit.fate == "kept" and visit.node[0] == "r" and visit.status == "completed" for visit in found.visits)
    if fresh.status == "completed" and kept:
        assert len(room.executor.done) < len(first.executor.done)  # type: ignore[attr-defined]
