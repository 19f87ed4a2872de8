"""Limits, stops, durability and checkpoints: how a life of a run ends, and what the next one starts from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

from magent.engine import run as lives
from magent.engine.budget import RunBudget
from magent.engine.driver import Driver, Stop
from magent.engine.fold import Run
from magent.engine.snapshot import from_json, to_json
from magent.errors import RunDamaged
from magent.events import Event, decode, encode
from magent.model import Checkpoints
from magent.ports import Record, Reply, Request, Usage
from tests.build import Lab
from tests.engine.language import People, Programs, assert_replayable, checked, code, lab, outputs, ran
from tests.fakes import MemoryJournal

# ---- steps


async def test_every_visit_but_those_of_start_and_end_and_skipped_ones_is_one_step() -> None:
    text = """
nodes:
  s: {type: start, next: a}
  a: {set: {x: 1}, next: b}
  b: {run: [say], when: "false", next: c}
  c: {type: condition, next: [{to: fan, when: "true"}, {to: fan}]}
  fan: {type: parallel, branches: [d, l], next: u}
  d: {run: [flaky, "2"], retry: {max_attempts: 2, delay: 1s}}
  l: {type: loop, for_each: [1, 2], body: e}
  e: {wait: 0}
  u: {type: subgraph, uses: sub, next: f}
  f: {run: [fail], on_error: continue, next: stop}
  stop: {type: end}
subgraphs: {sub: {nodes: {g: {set: {x: 1}}}}}
"""
    run = await ran(text)
    assert run.path == ["a", "c", "l[0]/e", "l[1]/e", "l", "d", "fan", "u/g", "u"]
    assert run.steps == len(run.path) + 1  # f failed: it made a step, but is not in the path


@pytest.mark.parametrize("width", [1, 4, 16])
async def test_no_more_work_is_begun_than_the_step_limit_allows_however_wide_the_run_is(width: int) -> None:
    text = "nodes: {e: {type: parallel, for_each: 'range(50)', body: b}, b: {run: [say]}}"
    programs = Programs()
    room = lab(text, executor=programs, options={"width": width})
    run = await room.start(limits={"steps": 10})
    assert (run.status, run.steps, len(programs.begun)) == ("interrupted", 10, 9)
    assert run.failure is not None
    assert (run.failure.type, "--limit steps=" in str(run.failure.hint)) == ("limit", True)
    assert len(run.path) == 9  # what had begun was let finish
    again = await room.resume(limits={"steps": 60})
    assert (again.status, len(programs.begun), again.steps) == ("completed", 50, 51)


async def test_a_limit_at_any_number_of_steps_and_a_resume_give_the_same_as_no_limit() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  a: {set: {log: a}, next: e}
  e: {type: parallel, for_each: [1, 2, 3], body: b, next: l}
  b: {run: [say], set: {log: "b{{ item }}"}}
  l: {type: loop, for_each: [x, y], body: s, next: c}
  s: {type: subgraph, uses: u, set: {log: "{{ output.k }}"}}
  c: {type: condition, next: [{to: z, when: "true"}, {to: end}]}
  z: {set: {log: z}}
subgraphs: {u: {nodes: {i: {set: {k: 1}}}, outputs: {k: "{{ state.k }}"}}}
"""
    alone = await ran(text)
    for limit in range(1, alone.steps):
        room = lab(text)
        run = await room.start(limits={"steps": limit})
        assert (run.status, run.steps) == ("interrupted", limit)
        again = await room.resume(limits={"steps": 100})
        assert_replayable(room, again)
        assert (again.status, again.outputs, again.steps) == ("completed", alone.outputs, alone.steps)
        assert sorted(again.path) == sorted(alone.path)


async def test_a_limit_inside_a_subgraph_names_the_node_that_could_not_begin() -> None:
    text = "nodes: {s: {type: subgraph, uses: u}}\nsubgraphs: {u: {nodes: {a: {wait: 0, next: b}, b: {wait: 0}}}}"
    run = await lab(text).start(limits={"steps": 2})
    assert run.failure is not None
    assert run.failure.node == "b"


# ---- time


async def test_running_time_adds_up_over_resumes_and_a_raised_limit_goes_on() -> None:
    text = "nodes: {a: {wait: 40s, next: ask}, ask: {type: human_input, input: approval, next: b}, b: {wait: 40s}}"
    room = lab(text)
    await room.start(limits={"timeout": 60})
    room.human = People({"ask": {"approved": True}})
    run = await room.resume()
    assert (run.status, run.failure and run.failure.type) == ("interrupted", "limit")
    assert run.failure is not None
    assert "--limit timeout=" in str(run.failure.hint)
    again = await room.resume(limits={"timeout": 100})
    assert again.status == "completed"


# ---- money


class Talker:
    """An agent whose first answer never fits; every answer takes 10 tokens and a cent."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, request: Request, on_text: Any) -> Reply:
        self.asked += 1
        text = '{"n": 1}' if len(request.messages) > 1 else "no"
        return Reply(text, usage=Usage(4, 6, 0.01))

    async def close(self) -> None:
        return None


class Budgeted(Lab):
    def driver(self, run: Run) -> Driver:
        made = super().driver(run)
        made.services.budget = RunBudget(run)
        return made


async def test_what_an_attempt_used_before_a_budget_ended_it_is_counted_over_the_resume() -> None:
    text = """
agents: {t: {call: "x:y"}}
nodes: {a: {prompt: "?", agent: t, output: {n: {type: integer}}, set: {used: "{{ nodes.a.tokens.output }}"}}}
"""
    talker = Talker()
    room = Budgeted(checked(text), executor=Programs(), agents=lambda _graph, _name: talker)
    run = await room.start(limits={"tokens": 10})
    assert run.failure is not None
    assert (run.status, run.failure.type, run.tokens) == ("interrupted", "limit", [4, 6])
    assert "--limit tokens=" in str(run.failure.hint)
    again = await room.resume(limits={"tokens": 100})
    assert (again.status, again.tokens, talker.asked, again.outputs["used"]) == ("completed", [12, 18], 3, 18)
    assert round(again.cost, 6) == 0.03
    assert_replayable(room, again)


# ---- stop after


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("a", ["a"]),
        ("b", ["a", "l[0]/b"]),
        ("l", ["a", "l[0]/b", "l[1]/b", "l"]),
        ("i", ["a", "l[0]/b", "l[1]/b", "l", "s/i"]),
        ("z", ["a", "l[0]/b", "l[1]/b", "l", "s/i", "s", "z"]),
    ],
)
async def test_stop_after_a_node_leaves_the_run_interrupted_there_and_resume_goes_on(
    node: str, path: list[str]
) -> None:
    text = """
nodes:
  a: {run: [say], next: l}
  l: {type: loop, for_each: [1, 2], body: b, next: s}
  b: {run: [say]}
  s: {type: subgraph, uses: u, next: z}
  z: {set: {x: 1}}
subgraphs: {u: {nodes: {i: {set: {k: 1}}}}}
"""
    room = lab(text, options={"stop_after": node})
    run = await room.start()
    assert (run.status, run.path, run.failure) == ("interrupted", path, None)
    room.options = {}
    again = await room.resume()
    assert (again.status, again.outputs["x"]) == ("completed", 1)
    assert_replayable(room, again)


async def test_what_is_at_work_beside_a_node_to_stop_after_is_let_finish() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], next: z}
  a: {run: [say, a]}
  b: {run: [slow]}
  z: {run: [say, z]}
"""

    async def slow() -> Any:
        for _ in range(20):
            await asyncio.sleep(0)
        return code(0)

    run = await ran(text, executor=Programs(slow=slow), options={"stop_after": "a"})
    assert (run.status, run.path) == ("interrupted", ["a", "b"])


# ---- durability

WORK = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  a: {run: [say, a], set: {log: a}, next: e}
  e: {type: parallel, for_each: [1, 2, 3], body: b, next: pay}
  b: {run: [say, "{{ item }}"], set: {log: "{{ item }}"}}
  pay: {run: [say, pay], effects: external, next: ask}
  ask: {type: human_input, input: approval, next: z}
  z: {set: {log: "{{ state.ask.approved }}"}}
"""


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_the_record_is_whole_and_synced_at_the_end_of_every_life_in_every_durability(durability: str) -> None:
    room = lab(WORK, recording={"durability": durability})
    run = await room.start()
    assert run.status == "waiting"
    assert room.journal.batches[-1][1]
    assert [event.seq for event in room.journal.events] == list(range(1, run.seq + 1))
    assert_replayable(room, run)
    room.human = People({"ask": {"approved": True}})
    again = await room.resume()
    assert (again.status, again.outputs["log"]) == ("completed", ["a", 1, 2, 3, True])
    assert_replayable(room, again)


class Crash(Exception):
    pass


class Fragile(MemoryJournal):
    """Dies at the n-th append, as a killed process would: what was written before stays."""

    def __init__(self, appends: int) -> None:
        super().__init__()
        self.left = appends

    async def append(self, events: Any, *, sync: bool) -> None:
        if self.left <= 0:
            raise Crash
        self.left -= 1
        await super().append(events, sync=sync)


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_crash_at_any_append_loses_no_external_work_and_resumes_to_the_same_end(durability: str) -> None:
    for appends in range(1, 30):
        room = lab(WORK, recording={"durability": durability}, journal=Fragile(appends))
        try:
            await room.start()
        except Crash:
            kept = room.journal.events
            programs = Programs()
            room.executor = programs
            people = People({"ask": {"approved": True}, "pay": {"choice": "again", "form": {"output": None}}})
            room.human = people
            run = await room.resume(kept)
            assert (run.status, run.outputs["log"]) == ("completed", ["a", 1, 2, 3, True])
            started = any(event.type == "visit.started" and event.data["node"] == "pay" for event in kept)
            done = any(event.type == "visit.completed" and event.data["node"] == "pay" for event in kept)
            assert [question.node for question in people.asked] == (["pay"] if started and not done else []) + ["ask"]
        else:
            return
    raise AssertionError


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_the_start_of_a_run_is_on_the_disk_before_its_first_task_in_every_durability(durability: str) -> None:
    seen: list[Any] = []
    programs = Programs(look=lambda: seen.append([event.type for event in room.journal.events]))
    room = lab("nodes: {a: {run: [look]}}", executor=programs, recording={"durability": durability})
    await room.start()
    assert seen == [["run.started", "visit.started"]]


def test_a_record_without_events_is_told_as_damaged() -> None:
    with pytest.raises(RunDamaged, match="before anything of it was recorded"):
        lives.refold(checked("nodes: {a: {wait: 0}}"), Record({"run_id": "x"}, {}, None, []))


# ---- checkpoints

BIG = """
state: {log: {type: array, default: [], reduce: append}, m: {type: object, default: {}, reduce: merge}}
nodes:
  a: {run: [fail], on_error: continue, next: b}
  b: {set: {log: "{{ error.type }}"}, next: [{loop_back: b, max: 2}, {to: fan}]}
  fan: {type: parallel, branches: [c, each, ask], next: l, max_concurrency: 2}
  c: {wait: 5s, next: c2}
  c2: {set: {m: {c: 1}}}
  each: {type: parallel, for_each: [3, 1, 2], as: n, body: d, on_branch_error: collect}
  d: {run: [work, "{{ n }}"], retry: {max_attempts: 2, delay: 1s}, set: {log: "{{ n }}{{ round.number }}"}, next: d2}
  d2: {wait: "{{ n }}s"}
  ask: {type: human_input, input: rating, timeout: 1d}
  l: {type: loop, until: output.n >= 3, max_iterations: 5, body: s, next: z}
  s: {type: subgraph, uses: u, with: {n: "{{ round.number }}"}, set: {m: {"r": "{{ output.n }}"}}}
  z: {set: {log: "{{ nodes.d.visits }} {{ nodes.fan.duration > 0 }} {{ state.each | length }}"}}
subgraphs:
  u:
    inputs: {n: {type: integer}}
    nodes: {i: {run: [say], next: [{loop_back: i, max: 1}, {to: e}]}, e: {type: end, outputs: {n: "{{ inputs.n }}"}}}
""".replace(' c: "{{ round is defined }}"', " c: 1").replace('{c: "{{ round is defined }}"}', "{c: 1}")


def work(number: str) -> Any:
    return code(1) if number == "2" else code(0)


def room_of(text: str, **more: Any) -> Lab:
    return lab(text, executor=Programs(work=work), human=People({"ask": {"rating": 4}}), **more)


async def test_a_resume_from_a_checkpoint_of_any_moment_ends_as_one_from_the_whole_journal() -> None:
    room = room_of(BIG, recording={"checkpoints": Checkpoints(every=1)})
    alone = await room.start()
    assert alone.status == "completed", alone.failure
    events = list(room.journal.events)
    assert len(room.journal.checkpoints) > 5
    for seq, fold in room.journal.checkpoints:
        stored = json.loads(json.dumps(fold))
        run = lives.refold(room.workflow, Record({}, {}, (seq, stored), events[seq:]))
        assert summary(run) == summary(alone)
        whole = lives.refold(room.workflow, Record({}, {}, None, events[:seq]))
        assert to_json(from_json(room.workflow, stored)) == to_json(whole)
        if whole.status == "running":
            again = await resumed(seq, stored, events[:seq])
            assert summary(again) == summary(alone)


async def resumed(seq: int, fold: Any, events: list[Event]) -> Run:
    room = room_of(BIG)
    room.clock.time = events[-1].time
    run = lives.refold(room.workflow, Record({}, {}, (seq, fold), []))
    await lives.resume(room.driver(run), {"limits": {}})
    assert next(event.seq for event in room.journal.events) == seq + 1
    return run


def summary(run: Run) -> Any:
    facts = {name: {**run.root.facts[name], "duration": 0} for name in run.root.graph.nodes}
    return run.status, run.failure, sorted(run.path), run.root.state.as_dict(), facts, run.outputs, run.steps


async def test_a_run_cut_after_every_event_and_resumed_ends_as_one_left_alone() -> None:
    room = room_of(BIG)
    alone = await room.start()
    events = [decode(encode(event)) for event in room.journal.events]
    for cut in range(1, len(events)):
        again = room_of(BIG)
        again.clock.time = events[cut - 1].time
        run = await again.resume(events[:cut])
        assert summary(run) == summary(alone)
        assert_replayable(again, run)


@dataclass
class StopAt:
    """A sink that stops the run at its n-th event."""

    moment: int
    seen: int = 0
    driver: Driver | None = None

    def __call__(self, event: Event) -> None:
        self.seen += 1
        if self.seen == self.moment and self.driver is not None:
            self.driver.halt(Stop("interrupted", signal=2))


class Stoppable(Lab):
    def driver(self, run: Run) -> Driver:
        made = super().driver(run)
        for sink in made.recorder.sinks:
            assert isinstance(sink, StopAt)
            sink.driver = made
        return made


async def test_a_stop_at_any_moment_leaves_a_record_that_resumes_to_the_same_end() -> None:
    alone = await room_of(BIG).start()
    workflow = checked(BIG)
    for moment in range(1, 200):
        people, recording = People({"ask": {"rating": 4}}), {"sinks": (StopAt(moment),)}
        room = Stoppable(workflow, executor=Programs(work=work), human=people, recording=recording)
        run = await room.start()
        if run.status == "completed":
            assert moment > 40
            return
        assert run.status == "interrupted"
        room.recording = {}
        assert summary(await room.resume()) == summary(alone)
    raise AssertionError


async def test_width_and_durability_never_change_the_result() -> None:
    found = [
        await outputs(BIG, executor=Programs(work=work), human=People({"ask": {"rating": 4}}), **options)
        for options in (
            {"options": {"width": 1}},
            {"options": {"width": 3}},
            {"recording": {"durability": "exit"}},
            {"recording": {"durability": "async"}},
        )
    ]
    assert all(each == found[0] for each in found)
