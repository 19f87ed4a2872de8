"""What is told of a decision is what the planner decided: the same edge, by the same values, whatever the graph."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from magent.engine import run as lives
from magent.engine.conclude import MOST_MADE
from magent.events import Event
from magent.explained import LONGEST, Explained, Reader, Way, explain
from magent.ports import ProcessResult
from magent.spec.build import build
from magent.spec.loader import load_data
from tests.build import Lab, workflow
from tests.engine.crew import FakeTool, Scripted, crew
from tests.engine.graphs import Maker
from tests.engine.test_properties import made, run_once, seeds
from tests.engine.test_roles_and_delegation import LED, handing
from tests.fakes import FakeExecutor, ScriptedPeople

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
    assert eight.on_error == "`on_error: goto` took the failure"
    assert ([way.state for way in eight.missed], [way.to for way in eight.ways]) == ([], ["nine"])
    assert nine.error is not None
    assert nine.error["type"] == "no_route"
    assert [way.state for way in nine.ways] == ["refused"]


STUCK = """
    inputs: {n: {type: integer, default: 3}}
    nodes:
      work:
        run: [look]
        set: {doubled: "{{ output.exit_code * 2 + 4 }}"}
        on_error: {goto: ask}
        next: [{to: z, when: output.exit_code > 5 and state.doubled > 9}, {to: z, when: state.work.stdout == 'bye'}]
      ask:
        {type: human_input, input: rating, on_error: {goto: pick}, next: [{to: z, when: output.rating > 3}]}
      pick: {type: condition, on_error: {goto: sort}, next: [{to: z, when: inputs.n > 5}, {to: z, when: inputs.n == 4}]}
      sort: {type: condition, switch: inputs.n, cases: {"7": z}, on_error: {goto: fan}}
      fan: {type: parallel, branches: [b], on_error: {goto: walk}, next: [{to: z, when: output.b.exit_code > 5}]}
      b: {run: [look]}
      walk: {type: loop, for_each: [1, 2], body: c, on_error: {goto: sub}, next: [{to: z, when: output | length > 5}]}
      c: {run: [look]}
      sub: {type: subgraph, uses: inner, on_error: {goto: pause}, next: [{to: z, when: output.v > 5}]}
      pause: {wait: 1s, set: {k: 3}, on_error: {goto: note}, next: [{to: z, when: state.k > 5}]}
      note: {set: {q: "{{ state.k | default(1) }}"}, on_error: {goto: odd}, next: [{to: z, when: state.q > 5}]}
      odd: {run: [look], on_error: {goto: open}, next: [{to: z, when: output.exit_code}, {to: z}]}
      open: {type: parallel, branches: [{to: d, when: inputs.n}], on_error: {goto: back}, next: z}
      d: {set: {w: 1}}
      back: {run: [look], on_error: {loop_back: back, max: 1}, next: [{to: z, when: output.exit_code > 5}]}
      z: {set: {x: 1}}
    subgraphs:
      inner: {nodes: {m: {run: [look]}}, outputs: {v: "{{ state.m.exit_code }}"}}
"""


@pytest.fixture(scope="module")
def stuck() -> Lab:
    lab = Lab(workflow(STUCK), human=ScriptedPeople({"ask": {"rating": 2}}))
    asyncio.run(lab.start({"n": 3}))
    return lab


def by_visit(visits: Sequence[Explained]) -> dict[str, Explained]:
    return {f"{each.node}#{each.visit}": each for each in visits}


def saw(ways: Sequence[Way]) -> list[tuple[str, dict[str, Any]]]:
    return [(way.state, {} if way.test is None else dict(way.test.values)) for way in ways]


NO_WAY_ON = {
    "work#1": [
        ("refused", {"output.exit_code": 0, "state.doubled": 4}),
        ("refused", {"state.work.stdout": ""}),
    ],
    "ask#1": [("refused", {"output.rating": 2})],
    "pick#1": [("refused", {"inputs.n": 3}), ("refused", {"inputs.n": 3})],
    "fan#1": [("refused", {"output.b.exit_code": 0})],
    "walk#1": [("refused", {"output": [{"exit_code": 0, "stdout": "", "stderr": "", "data": ""}] * 2})],
    "sub#1": [("refused", {"output.v": 0})],
    "pause#1": [("refused", {"state.k": 3})],
    "note#1": [("refused", {"state.q": 1})],
    "odd#1": [("failed", {"output.exit_code": 0}), ("passed", {})],
    "back#1": [("refused", {"output.exit_code": 0})],
    "back#2": [("refused", {"output.exit_code": 0})],
}


def test_where_no_edge_holds_each_is_told_with_what_it_saw_whatever_the_node(stuck: Lab) -> None:
    visits = by_visit(explain(stuck.workflow, stuck.journal.events, "test"))
    assert {name: saw(visits[name].missed) for name in NO_WAY_ON} == NO_WAY_ON
    assert all(visits[name].exact for name in NO_WAY_ON)
    assert "answered (unknown)" in visits["ask#1"].notes
    shown = json.loads(json.dumps(visits["work#1"].as_json()))["missed_edges"][0]
    assert shown["when"]["values"] == {"output.exit_code": 0, "state.doubled": 4}


def test_a_switch_without_a_case_and_a_branch_that_cannot_be_told_say_what_they_saw(stuck: Lab) -> None:
    visits = by_visit(explain(stuck.workflow, stuck.journal.events, "test"))
    sort = visits["sort#1"]
    assert (sort.switched, sort.switch and sort.switch.values) == ("3", {"inputs.n": 3})
    assert [(way.case, way.state, way.why) for way in sort.missed] == [("7", "refused", 'the switch gave "3"')]
    (branch,) = visits["open#1"].branches
    assert (branch.taken, branch.test and branch.test.values) == (False, {"inputs.n": 3})


def test_what_on_error_decided_is_told_beside_the_edges_that_it_stood_in_for(stuck: Lab) -> None:
    visits = by_visit(explain(stuck.workflow, stuck.journal.events, "test"))
    first, second = visits["back#1"], visits["back#2"]
    assert [(way.to, way.state, way.why) for way in first.ways] == [("back", "taken", "use 1 of 1")]
    assert first.on_error == "`on_error: loop_back` took the failure"
    assert [(way.to, way.state, way.why) for way in second.ways] == [("back", "refused", "used up: 1 of 1")]
    assert second.on_error == "`on_error: loop_back` could not take the failure"


def test_where_going_on_fails_too_both_decisions_are_told() -> None:
    visit = told("nodes: {a: {run: [look], on_error: continue, next: [{to: b, when: output == 1}]}, b: {set: {x: 1}}}")
    a = visit["a#1"]
    assert saw(a.missed) == [("refused", {"output": {"exit_code": 0, "stdout": "", "stderr": "", "data": ""}})]
    assert saw(a.ways) == [("refused", {"output": None})]
    assert a.on_error is not None
    assert a.on_error.startswith("`on_error: continue` took the failure (no_route: ")


def test_what_an_older_journal_does_not_have_is_left_to_its_error(stuck: Lab) -> None:
    left = ("output", "set")
    events = [
        event._replace(data={name: value for name, value in event.data.items() if name not in left})
        if event.type == "visit.failed"
        else event
        for event in stuck.journal.events
    ]
    work = by_visit(explain(stuck.workflow, events, "test"))["work#1"]
    assert {way.why for way in work.missed} == {"did not hold: the error has the values"}
    assert (work.next, [way.state for way in work.ways]) == ("ask", ["taken"])


def test_what_a_secret_refused_is_told_as_recorded() -> None:
    flow = workflow(
        "inputs: {text: {type: string}}\n"
        "nodes: {a: {type: condition, next: [{when: inputs.text == '***', to: b}]}, b: {set: {x: 1}}}"
    )
    lab = Lab(flow)
    asyncio.run(lab.start({"text": "hush"}))
    first = lab.journal.events[0]
    events = [first._replace(data={**first.data, "inputs": {"text": "***"}}), *lab.journal.events[1:]]
    (a,) = explain(flow, events, "test")
    assert (a.exact, [(way.state, way.why) for way in a.ways]) == (
        False,
        [("refused", "did not hold: the error has the values")],
    )


def test_much_that_a_failed_visit_had_made_is_not_recorded() -> None:
    flow = workflow("nodes: {a: {run: [look], next: [{to: b, when: output.exit_code > 5}]}, b: {set: {x: 1}}}")
    lab = Lab(flow, executor=FakeExecutor({"look": ProcessResult(0, "x" * MOST_MADE, "")}))
    asyncio.run(lab.start())
    (failed,) = [event for event in lab.journal.events if event.type == "visit.failed"]
    assert "output" not in failed.data


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
