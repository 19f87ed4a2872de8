"""What is told of a decision is what the planner decided: the same edge, by the same values, whatever the graph."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from magent.engine import run as lives
from magent.events import Event
from magent.explained import LONGEST, Explained, Reader, explain
from magent.spec.build import build
from magent.spec.loader import load_data
from tests.build import Lab, workflow
from tests.engine.crew import FakeTool, Scripted, crew
from tests.engine.graphs import Maker
from tests.engine.test_properties import made, run_once, seeds
from tests.engine.test_roles_and_delegation import LED, handing

_NEXT = ("visit.completed", "visit.skipped", "visit.failed")
_FACTS = {
    "state.n % 2 == 0": lambda n: n % 2 == 0,
    "state.n > 5": lambda n: n > 5,
    "state.n % 3 != 1": lambda n: n % 3 != 1,
}


class Deciding(Maker):
    """Graphs with more to decide: edges by what a node has just written, branches that are left out, failures that
    `on_error` takes back."""

    def inner(self) -> Maker:
        return Deciding(self.chance, self.deepest)

    def connect(self, this: str, following: str, before: Sequence[str]) -> None:
        super().connect(this, following, before)
        node = self.nodes[this]
        if node.get("type") == "condition" or self.chance.random() < 0.4:
            return
        asked = ["state.n % 2 == 0", "state.log | length > 2", f"nodes.{this}.visits % 2 == 1", f"state.{this} is none"]
        asked += [f"nodes.{this}.status == 'completed'", "state.n > 3 and error is none"]
        edges = node["next"] if isinstance(node["next"], list) else [{"to": node["next"]}]
        back = {"loop_back": this, "max": self.chance.randint(1, 3), "when": self.chance.choice(asked)}
        node["next"] = [back, *edges]

    def run(self, depth: int, shared: bool) -> str:
        name = super().run(depth, shared)
        if self.chance.random() < 0.4:
            self.nodes[name]["on_error"] = {"loop_back": name, "max": 2}
        return name

    def branches(self, depth: int, shared: bool) -> str:
        name = super().branches(depth, shared)
        entries = self.nodes[name]["branches"]
        self.nodes[name]["branches"] = [
            {"to": entry, "when": "state.n % 2 == 1"} if self.chance.random() < 0.4 else entry for entry in entries
        ]
        return name


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seeds, seeds)
def test_the_edge_that_is_told_is_the_one_that_was_taken(seed: int, timing: int) -> None:
    flow = build(load_data(Deciding(random.Random(seed)).workflow(), "."))
    _, events, _ = run_once(flow, timing)
    told = {each.seq: each for each in explain(flow, events, "test")}
    for event in events:
        if event.type in _NEXT and "next" in event.data:
            each = told[event.seq]
            assert each.exact
            (taken,) = [way for way in each.ways if way.state == "taken"]
            assert (taken.to, taken.kind == "loop_back") == (event.data["next"], "loop" in event.data)
            assert each.path == event.data["path"]
    opened = [event.data["branches"] for event in events if "branches" in event.data]
    fans = [each.branches for each in told.values() if each.branches]
    assert sorted([at for at, each in enumerate(fan) if each.taken] for fan in fans) == sorted(opened)
    assert all(each.test is None or each.test.held is each.taken for fan in fans for each in fan)
    starts = [event for event in events if event.type == "round.started"]
    assert sum(way.goes_on for each in told.values() for way in each.rounds) == len(starts)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seeds)
def test_the_values_that_are_told_bear_the_outcome_out(seed: int) -> None:
    flow = made(seed)
    _, events, _ = run_once(flow, 0)
    for each in explain(flow, events, "test"):
        tests = [each.when, *(way.test for way in each.ways if way.state in ("taken", "refused"))]
        for asked in tests:
            if asked is not None and asked.source in _FACTS:
                assert asked.held is _FACTS[asked.source](asked.values["state.n"])


def told(text: str, inputs: dict[str, Any] | None = None, until: int | None = None) -> dict[str, Explained]:
    """What is told of a run, by `node#visit`; with `until` as it stood after so many events."""
    flow = workflow(text)
    lab = Lab(flow)
    asyncio.run(lab.start(inputs))
    return {f"{each.node}#{each.visit}": each for each in explain(flow, lab.journal.events[:until], "test")}


FLOW = """
    inputs: {deep: {type: boolean}, kind: {type: string}}
    nodes:
      one:
        set: {n: "{{ (state.n or 0) + 1 }}"}
        next: [{when: "state.n < inputs.kind | length", loop_back: one, max: 1}, {to: two}]
      two: {type: condition, switch: inputs.kind, cases: {bug: fan, ask: end}, default: fan}
      fan: {type: parallel, branches: [{to: a, when: inputs.deep}, b], wait_for: any, next: three}
      a: {set: {x: 1}}
      b: {set: {y: 1}}
      three: {set: {z: 1}, when: inputs.deep, next: [{loop_back: one, max: 1}, {to: four}]}
      four: {type: loop, while: "(state.k or 0) < 2", max_iterations: 5, body: five, next: six}
      five: {set: {k: "{{ (state.k or 0) + 1 }}"}}
      six: {type: loop, until: "false", max_iterations: 2, on_exhausted: continue, body: seven, next: eight}
      seven: {set: {m: 1}}
      eight: {set: {w: "{{ error.type }}"}, on_error: {goto: nine}}
      nine: {set: {q: 1}, next: [{to: end, when: "state.n == 7"}]}
"""


@pytest.fixture(scope="module")
def flow() -> dict[str, Explained]:
    return told(FLOW, {"deep": False, "kind": "bug"})


def test_a_loop_back_counts_its_uses_and_is_used_up(flow: dict[str, Explained]) -> None:
    first, second = flow["one#1"].ways, flow["one#2"].ways
    assert [(way.state, way.used, way.most) for way in first] == [("taken", 0, 1), ("passed", None, None)]
    assert [(way.state, way.why) for way in second] == [
        ("refused", "used up: 1 of 1"),
        ("taken", "none before it held"),
    ]
    assert first[0].test is not None
    assert first[0].test.values == {"state.n": 1, "inputs.kind": "bug"}


def test_a_switch_says_what_it_gave_and_which_cases_had_something_else(flow: dict[str, Explained]) -> None:
    two = flow["two#1"]
    assert two.switched == "bug"
    assert [(way.case, way.state) for way in two.ways] == [("bug", "taken"), ("ask", "refused"), (None, "passed")]


def test_a_branch_that_was_left_out_says_why(flow: dict[str, Explained]) -> None:
    left, taken = flow["fan#1"].branches
    assert (left.taken, left.test and left.test.values) == (False, {"inputs.deep": False})
    assert (taken.taken, taken.test) == (True, None)
    assert flow["fan#1"].notes == ["waits for 1 of 1 to end well (wait_for: any)", "1 ended well"]


def test_what_was_skipped_follows_the_plain_edge(flow: dict[str, Explained]) -> None:
    three = flow["three#1"]
    assert (three.status, three.when and three.when.held, three.next) == ("skipped", False, "four")
    assert [(way.to, way.state) for way in three.ways] == [("one", "passed"), ("four", "taken")]
    assert three.ways[0].why == "a skipped node follows the edge without `when`"


def test_a_loop_says_before_each_round_what_its_condition_saw(flow: dict[str, Explained]) -> None:
    rounds = flow["four#1"].rounds
    assert [(each.goes_on, each.test and each.test.values["state.k"]) for each in rounds] == [
        (True, None),
        (True, 1),
        (False, 2),
    ]
    assert (
        told("nodes: {a: {type: loop, while: '[] | first > 1', max_iterations: 2, body: b}, b: {set: {x: 1}}}")["a#1"]
        .rounds[0]
        .why
        == "`while` could not be worked out"
    )
    assert flow["six#1"].rounds[-1].why == "it has made its 2 rounds (max_iterations)"


def test_a_failure_that_was_caught_and_a_node_without_a_way_say_so(flow: dict[str, Explained]) -> None:
    eight, nine = flow["eight#1"], flow["nine#1"]
    assert (eight.status, eight.next, eight.exact) == ("failed", "nine", True)
    assert "`on_error: goto` took the failure" in eight.notes
    assert nine.error is not None
    assert nine.error["type"] == "no_route"
    assert [way.state for way in nine.ways] == ["refused"]


def test_what_is_not_over_has_its_edges_open() -> None:
    flow = told(FLOW, {"deep": True, "kind": "ab"}, until=5)
    last = [each for each in flow.values() if not each.over]
    assert [each.status for each in last] == ["running"]
    assert all(way.state == "open" for way in last[0].ways)


def test_a_large_value_is_cut_and_what_a_secret_decided_is_told_as_recorded() -> None:
    flow = workflow(
        "inputs: {text: {type: array}}\n"
        "nodes: {a: {type: condition, next: [{when: \"'x' in inputs.text\", to: b}, {to: end}]}, b: {set: {x: 1}}}"
    )
    lab = Lab(flow)
    asyncio.run(lab.start({"text": ["x", "y" * 100_000]}))
    events = list(lab.journal.events)
    (way, _) = explain(flow, events, "test")[0].ways
    assert way.test is not None
    assert len(way.test.values["inputs.text"]) == LONGEST
    data = {**events[0].data, "inputs": {"text": ["***"]}}
    events[0] = Event(events[0].seq, events[0].time, events[0].type, data)
    masked = explain(flow, events, "test")[0]
    assert (masked.exact, masked.next, [each.state for each in masked.ways]) == (False, "b", ["taken", "passed"])
    kept = masked.ways[0].test
    assert kept is not None
    assert (kept.source, kept.held, kept.values) == ("'x' in inputs.text", None, {"inputs.text": ["***"]})


async def test_each_delegation_is_told_with_its_candidates() -> None:
    lead = Scripted(handing("Write it", "python"), "led")
    room = crew(LED, [FakeTool("add")], a=lead, b=Scripted("coded"), c="tested")
    await room.start()
    (visit,) = [each for each in explain(room.workflow, room.journal.events, "test") if each.node == "t"]
    (decision,) = visit.decisions
    assert (decision["what"], decision["by"], decision["role"]) == ("delegation", "lead", "coder")
    candidates = [(each["role"], each["fits"]) for each in decision["decision"]["candidates"]]
    assert candidates == [("coder", True), ("tester", False)]


def test_a_failed_visit_that_is_tried_anew_is_told_twice() -> None:
    flow = workflow("nodes: {a: {set: {w: '{{ error.type }}'}, next: b}, b: {set: {x: 1}}}")
    lab = Lab(flow)
    run = asyncio.run(lab.start())
    assert run.status == "failed"
    asyncio.run(lab.resume())
    visits = explain(flow, lab.journal.events, "test")
    assert [(each.node, each.status) for each in visits] == [("a", "failed"), ("a", "failed")]
    reader = Reader(flow, "test")
    for event in lab.journal.events:
        reader.take(event)
    assert lives.visits(lab.journal.events)[0]["path"] == reader.finish()[0].path
