"""Failures of every kind, and what a resume makes of them (section 4 of the language page)."""

from __future__ import annotations

from typing import Any

import pytest

from magent.engine.fold import Run
from magent.ports import ProcessResult
from tests.build import Lab
from tests.engine.language import People, Programs, assert_replayable, code, failure, forever, lab, ran


async def again(room: Lab, executor: Programs | None = None, **more: Any) -> Run:
    room.executor = executor or Programs()
    run = await room.resume(**more)
    assert_replayable(room, run)
    return run


# ---- what failed before it began is begun anew

BEFORE_WORK = {
    "set": "a: {set: {x: '{{ env.GONE }}'}}",
    "no_route of set": "a: {set: {x: 1}, next: [{to: end, when: run.id == 'other'}]}",
    "condition": "a: {type: condition, next: [{to: end, when: run.id == 'other'}]}",
    "switch": "a: {type: condition, switch: run.id, cases: {other: end}}",
    "items of parallel": "a: {type: parallel, for_each: env.HOME, body: b}\n  b: {run: [say]}",
    "items of loop": "a: {type: loop, for_each: env.HOME, body: b}\n  b: {run: [say]}",
    "when": "a: {run: [say], when: env.HOME}",
    "wait": "a: {wait: '{{ env.HOME }}'}",
    "options": "a: {type: human_input, input: choice, options: '{{ env.HOME }}'}",
    "end": "a: {type: end, outputs: {x: '{{ env.GONE }}'}}",
    "with": "a: {type: subgraph, uses: s, with: {n: '{{ env.HOME }}'}}",
}
SUBGRAPH = "subgraphs: {s: {inputs: {n: {type: integer}}, nodes: {z: {set: {n: 1}}}}}"


@pytest.mark.parametrize("what", BEFORE_WORK)
async def test_what_failed_without_work_fails_again_in_the_same_words_when_nothing_has_changed(what: str) -> None:
    head = f"env: [HOME, GONE]\n{SUBGRAPH if what == 'with' else ''}\nnodes:\n  {BEFORE_WORK[what]}\n"
    room = lab(head)
    first = await room.start(env={"HOME": "/home/me"})
    assert first.status == "failed"
    second = await again(room)
    assert (second.status, second.failure) == ("failed", first.failure)
    assert second.root.facts["a"]["visits"] == 1
    assert second.steps == first.steps
    assert room.executor.begun == []  # type: ignore[attr-defined]


async def test_no_route_runs_the_task_again_and_what_was_before_is_kept() -> None:
    text = """
nodes:
  before: {run: [say], next: ask}
  ask: {run: [answer], parse: json, next: [{to: done, when: output.data > 5}]}
  done: {set: {x: "{{ state.ask.data }}", visits: "{{ nodes.ask.visits }}"}}
"""
    room = lab(text, executor=Programs(answer=lambda: 1))
    first = await room.start()
    assert first.failure is not None
    assert first.failure.type == "no_route"
    assert "output.data = 1" in first.failure.message
    executor = Programs(answer=lambda: 9)
    run = await again(room, executor)
    assert (run.status, run.path, run.outputs["x"], run.outputs["visits"]) == (
        "completed",
        ["before", "ask", "done"],
        9,
        1,
    )
    assert executor.begun == [["answer"]]


async def test_no_route_of_a_condition_inside_a_branch_is_tried_again_there() -> None:
    text = """
nodes:
  flag: {run: [flag], parse: json, next: fan}
  fan: {type: parallel, branches: [a, b], next: z}
  a: {run: [say]}
  b: {run: [flag], parse: json, next: c}
  c: {type: condition, next: [{to: d, when: state.b.data == 2}]}
  d: {set: {went: d}}
  z: {set: {got: "{{ state.went }}"}}
"""
    room = lab(text, executor=Programs(flag=lambda: 1))
    first = await room.start()
    assert first.failure is not None
    assert (first.failure.type, first.failure.node) == ("no_route", "c")
    executor = Programs(flag=lambda: 2)
    second = await again(room, executor)
    assert second.status == "failed"
    assert executor.begun == []


async def test_an_exhausted_loop_is_run_anew_from_its_first_round() -> None:
    text = """
nodes:
  l: {type: loop, until: output.data, max_iterations: 2, body: poll, next: z}
  poll: {run: [poll], parse: json}
  z: {set: {x: done}}
"""
    room = lab(text, executor=Programs(poll=lambda: False))
    first = await room.start()
    assert first.failure is not None
    assert (first.failure.type, first.failure.node) == ("exhausted", "l")
    executor = Programs(poll=lambda: True)
    run = await again(room, executor)
    assert run.status == "completed"
    assert run.path == ["l[0]/poll", "l[1]/poll", "l[0]/poll", "l", "z"]
    assert len(executor.begun) == 1
    assert len({*executor.keys}) == 1
    assert not {*executor.keys} & {"test/l[0]/poll#1", "test/l[1]/poll#2"}


async def test_a_loop_over_a_list_whose_next_had_no_route_keeps_its_items() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [1, 2], body: b, next: [{to: z, when: run.id == 'other'}]}
  b: {run: [say]}
  z: {set: {x: 1}}
"""
    room = lab(text)
    assert (await room.start()).status == "failed"
    executor = Programs()
    run = await again(room, executor)
    assert (run.status, executor.begun) == ("failed", [])


async def test_a_subgraph_whose_next_had_no_route_is_run_anew() -> None:
    text = """
nodes:
  s: {type: subgraph, uses: inner, next: [{to: z, when: output.n > 5}]}
  z: {set: {x: "{{ state.s.n }}"}}
subgraphs:
  inner: {nodes: {a: {run: [answer], parse: json}}, outputs: {n: "{{ state.a.data }}"}}
"""
    room = lab(text, executor=Programs(answer=lambda: 1))
    assert (await room.start()).status == "failed"
    run = await again(room, Programs(answer=lambda: 7))
    assert (run.status, run.outputs["x"]) == ("completed", 7)


async def test_a_failed_round_goes_on_in_that_round() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [a, b, c], as: letter, body: first}
  first: {run: [say, "{{ letter }}"], next: second}
  second: {run: [work, "{{ letter }}"]}
"""
    room = lab(text, executor=Programs(work=lambda letter: code(1) if letter == "b" else letter))
    assert (await room.start()).status == "failed"
    executor = Programs(work=lambda letter: letter)
    run = await again(room, executor)
    assert run.status == "completed"
    assert executor.begun == [["work", "b"], ["say", "c"], ["work", "c"]]


async def test_failed_items_are_tried_anew_and_finished_ones_kept() -> None:
    text = """
state: {sum: {type: integer, default: 0, reduce: sum}}
nodes:
  each: {type: parallel, for_each: [1, 2, 3], body: b}
  b: {run: [work, "{{ item }}"], parse: json, set: {sum: "{{ output.data }}"}}
"""
    room = lab(text, executor=Programs(work=lambda n: code(1) if n == "2" else int(n)), options={"width": 1})
    assert (await room.start()).status == "failed"
    executor = Programs(work=lambda n: int(n))
    run = await again(room, executor)
    assert run.outputs["sum"] == 6
    assert executor.begun == [["work", "2"], ["work", "3"]]


async def test_a_failure_inside_a_subgraph_inside_an_item_is_tried_anew_there() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [1, 2], body: s}
  s: {type: subgraph, uses: inner, with: {n: "{{ item }}"}}
subgraphs:
  inner:
    inputs: {n: {type: integer}}
    nodes:
      a: {run: [say, "{{ inputs.n }}"], next: b}
      b: {run: [work, "{{ inputs.n }}"]}
    outputs: {n: "{{ state.b.stdout }}"}
"""
    room = lab(text, executor=Programs(work=lambda n: code(1) if n == "1" else n))
    assert (await room.start()).status == "failed"
    executor = Programs(work=lambda n: n)
    run = await again(room, executor)
    assert run.status == "completed"
    assert ["say", "1"] not in executor.begun
    assert run.outputs["each"] == [{"n": '"1"'}, {"n": '"2"'}]


async def test_a_failed_end_is_final_beside_a_failure_that_can_be_tried_anew() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [bad, stop], wait_for: any}
  bad: {run: [work]}
  stop: {wait: 1s, next: no}
  no: {type: end, status: failed, reason: not today}
"""
    room = lab(text, executor=Programs(work=lambda: code(1)))
    first = await room.start()
    assert first.failure is not None
    assert (first.status, first.failure.type) == ("failed", "exit")
    second = await again(room, Programs(work=lambda: code(1)))
    assert second.status == "failed"
    third = await again(room, Programs(work=lambda: "fine"))
    assert third.status == "completed"


async def test_a_composite_that_was_not_done_in_time_goes_on_with_what_was_unfinished() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], timeout: 10s, next: z}
  a: {run: [say], next: a2}
  a2: {run: [work]}
  b: {run: [say]}
  z: {set: {x: 1}}
"""
    room = lab(text, executor=Programs(work=forever))
    first = await room.start()
    assert first.failure is not None
    assert (first.failure.type, first.failure.node) == ("timeout", "fan")
    executor = Programs(work=lambda: "ok")
    second = await again(room, executor)
    assert (second.status, executor.begun) == ("completed", [["work"]])


async def test_a_collecting_parallel_that_failed_itself_tries_its_failed_branches_anew() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], on_branch_error: collect,
        next: [{to: z, when: nodes.fan.errors | length == 0}]}
  a: {run: [say]}
  b: {run: [work]}
  z: {set: {x: fine}}
"""
    room = lab(text, executor=Programs(work=lambda: code(1)))
    first = await room.start()
    assert first.failure is not None
    assert first.failure.type == "no_route"
    executor = Programs(work=lambda: "ok")
    run = await again(room, executor)
    assert (run.status, run.outputs["x"], executor.begun) == ("completed", "fine", [["work"]])


async def test_branches_that_were_too_late_for_a_collecting_parallel_are_done_when_it_is_tried_anew() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], on_branch_error: collect, timeout: 10s,
        next: [{to: z, when: nodes.fan.errors | length == 0}]}
  a: {run: [say]}
  b: {run: [work]}
  z: {set: {x: fine}}
"""
    room = lab(text, executor=Programs(work=forever))
    assert (await room.start()).status == "failed"
    run = await again(room)
    assert (run.status, run.outputs["x"]) == ("completed", "fine")


async def test_branches_whose_failure_was_collected_are_left_alone_when_something_else_failed() -> None:
    text = """
nodes:
  outer: {type: parallel, branches: [fan, c]}
  fan: {type: parallel, branches: [a, b], on_branch_error: collect}
  a: {run: [fail]}
  b: {wait: 5s}
  c: {wait: 1s, next: c2}
  c2: {run: [work]}
"""
    room = lab(text, executor=Programs(work=lambda: code(1)))
    assert (await room.start()).status == "failed"
    executor = Programs(work=lambda: "ok")
    run = await again(room, executor)
    assert (run.status, executor.begun) == ("completed", [["work"]])


async def test_a_question_that_nobody_answered_in_time_is_asked_anew_with_as_much_time() -> None:
    text = "nodes: {ask: {type: human_input, input: approval, timeout: 1h}}"
    room = lab(text)
    start = room.clock.time
    assert (await room.start()).status == "waiting"
    room.clock.time = start + 3601
    assert (await again(room)).status == "failed"
    room.clock.time = start + 10_000
    run = await again(room)
    assert run.status == "waiting"
    question = run.root.current and run.root.current.question
    assert question
    assert question["deadline"] == start + 13_600
    room.clock.time = start + 13_601
    assert (await again(room)).status == "failed"


async def test_a_question_whose_answer_led_nowhere_is_asked_again() -> None:
    text = """
nodes:
  ask: {type: human_input, input: rating, next: [{to: z, when: output.rating > 3}]}
  z: {set: {x: "{{ state.ask.rating }}"}}
"""
    room = lab(text, human=People({"ask": {"rating": 1}}))
    first = await room.start()
    assert first.failure is not None
    assert first.failure.type == "no_route"
    room.human = People()
    assert (await again(room)).status == "waiting"
    people = People({"ask": {"rating": 5}})
    room.human = people
    run = await again(room)
    assert (run.status, run.outputs["x"]) == ("completed", 5)
    assert [question.ordinal for question in people.asked] == [0]


async def test_a_failed_attempt_series_starts_again_from_the_first_attempt() -> None:
    text = "nodes: {a: {run: [work], retry: {max_attempts: 2, delay: 1s}, set: {n: '{{ nodes.a.attempts }}'}}}"
    room = lab(text, executor=Programs(work=lambda: code(1)))
    first = await room.start()
    assert first.failure is not None
    assert first.failure.attempts == 2
    executor = Programs(work=lambda: "ok")
    run = await again(room, executor)
    assert run.outputs["n"] == 1
    assert len(executor.begun) == 1


async def test_a_wrong_value_at_the_join_is_tried_anew_with_the_finished_branches_kept() -> None:
    text = """
state: {n: {type: integer, maximum: 10, default: 0, reduce: sum}}
nodes:
  each: {type: parallel, for_each: [6, 6], body: b}
  b: {run: [say], set: {n: "{{ item }}"}}
"""
    found = await failure(text)
    assert (found.type, found.node) == ("value", "each")
    assert "state.n" in found.message


# ---- what nothing can be made of must not hang


class Broken(Programs):
    async def run(self, argv: Any, **_: Any) -> ProcessResult:
        raise ZeroDivisionError("a bug")


async def test_an_adapter_that_raises_what_it_must_not_is_shown_and_the_run_can_be_resumed() -> None:
    room = lab("nodes: {a: {run: [say], next: b}, b: {set: {x: 1}}}", executor=Broken())
    with pytest.raises(ZeroDivisionError):
        await room.start()
    assert (await again(room)).status == "completed"


class BrokenPeople(People):
    async def ask(self, question: Any) -> Any:
        raise ZeroDivisionError("a bug")


async def test_a_human_handler_that_raises_what_it_must_not_is_shown() -> None:
    with pytest.raises(ZeroDivisionError):
        await ran("nodes: {a: {type: human_input, input: approval}}", human=BrokenPeople())
