"""Whatever the graph, the timing and the moment of a crash: the same results give the same path and state."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.snapshot import from_json, to_json
from magent.events import Event, decode, encode
from magent.model import Workflow
from magent.ports import Record
from magent.spec.build import build
from magent.spec.loader import load_data
from tests.build import Lab
from tests.engine.graphs import Chancy, Maker

seeds = st.integers(0, 2**32)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def made(seed: int) -> Workflow:
    return build(load_data(Maker(random.Random(seed)).workflow(), "."))


def run_once(workflow: Workflow, timing: int, width: int = 16) -> tuple[Run, list[Event], Chancy]:
    executor = Chancy(random.Random(timing))
    lab = Lab(workflow, executor=executor, options={"width": width})
    return asyncio.run(lab.start()), lab.journal.events, executor


def summary(run: Run) -> dict[str, Any]:
    failure = None if run.failure is None else (run.failure.type, run.failure.node)
    facts = {
        name: {key: value for key, value in run.root.facts[name].items() if key not in ("duration",)}
        for name in run.root.graph.nodes
    }
    return {
        "status": run.status,
        "failure": failure,
        "path": sorted(run.path),
        "state": run.root.state.as_dict(),
        "facts": facts,
        "outputs": run.outputs,
    }


@pytest.mark.untraced
@quick
@given(seeds, seeds, st.integers(1, 16))
def test_timing_and_concurrency_never_change_the_result(seed: int, timing: int, width: int) -> None:
    workflow = made(seed)
    first, _, _ = run_once(workflow, 0)
    second, _, _ = run_once(workflow, timing, width)
    assert summary(first) == summary(second)


@quick
@given(seeds, st.data())
def test_a_run_cut_anywhere_and_resumed_ends_as_one_left_alone(seed: int, data: st.DataObject) -> None:
    workflow = made(seed)
    alone, events, executor = run_once(workflow, 0)
    cut = data.draw(st.integers(1, len(events)))
    timing = data.draw(seeds)
    kept = [decode(encode(event)) for event in events[:cut]]
    run, again = resumed(workflow, kept, timing)
    assert summary(run) == summary(alone)
    finished = [
        event for event in kept if event.type in ("visit.completed", "visit.failed") and event.data["node"][0] == "r"
    ]
    assert len(executor.done) - len(again.done) >= len(finished), "finished work was done again"


def resumed(workflow: Workflow, kept: list[Event], timing: int) -> tuple[Run, Chancy]:
    executor = Chancy(random.Random(timing))
    lab = Lab(workflow, executor=executor)
    lab.clock.time = max(event.time for event in kept)
    run = lives.refold(workflow, Record({}, {}, None, kept))
    if run.status in ("completed", "failed"):
        return run, executor
    return asyncio.run(lab.resume(kept)), executor


@quick
@given(seeds, st.data())
def test_a_run_cut_twice_is_still_the_same(seed: int, data: st.DataObject) -> None:
    workflow = made(seed)
    alone, events, _ = run_once(workflow, 0)
    cut = data.draw(st.integers(1, len(events)))
    executor = Chancy(random.Random(1))
    lab = Lab(workflow, executor=executor)
    if lives.refold(workflow, Record({}, {}, None, events[:cut])).status != "running":
        return
    asyncio.run(lab.resume(events[:cut]))
    more = lab.journal.events
    second = data.draw(st.integers(cut + 1, len(more)))
    run, _ = resumed(workflow, more[:second], 2)
    assert summary(run) == summary(alone)


@quick
@given(seeds, st.data())
def test_a_checkpoint_is_the_fold_of_the_events_before_it(seed: int, data: st.DataObject) -> None:
    workflow = made(seed)
    alone, events, _ = run_once(workflow, 0)
    cut = data.draw(st.integers(1, len(events)))
    folded = lives.refold(workflow, Record({}, {}, None, events[:cut]))
    checkpoint = json.loads(json.dumps(to_json(folded)))
    again = to_json(from_json(workflow, checkpoint))
    assert json.loads(json.dumps(again)) == checkpoint
    run = lives.refold(workflow, Record({}, {}, (cut, checkpoint), events[cut:]))
    assert summary(run) == summary(alone)
