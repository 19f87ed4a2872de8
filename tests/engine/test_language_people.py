"""Questions to people: who is asked, in which order, with which deadline, and what stands still meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from magent.answers.whole import reasons_against
from magent.clock import iso
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.human.chain import Chain, Defaults
from magent.human.file import AnswersFile
from magent.ports import Question
from tests.build import Lab
from tests.engine.crew import FakeTool, calls, crew
from tests.engine.language import People, Programs, assert_replayable, failure, forever, lab, outputs, ran
from tests.fakes import ManualClock

ALL = """
nodes:
  a: {type: human_input, input: approval, next: f}
  f: {type: human_input, input: feedback, next: c}
  c: {type: human_input, input: choice, options: [red, {value: 2, label: Blue}], next: m}
  m: {type: human_input, input: choice, options: [x, y, z], multiple: true, next: r}
  r: {type: human_input, input: rating, next: v}
  v: {type: human_input, input: review, content: "some text", next: w}
  w: {type: human_input, input: validation, content: {n: 1}}
"""


def answered(room: Lab, document: dict[str, Any]) -> Lab:
    room.human = Chain([AnswersFile(document, room.clock)])
    return room


async def test_each_kind_takes_its_short_form_and_gives_a_whole_answer() -> None:
    document = {"a": True, "f": "", "c": 2, "m": ["z", "x"], "r": 4, "v": "request_changes", "w": False}
    room = answered(lab(ALL), document)
    run = await room.start()
    assert run.status == "completed", run.failure
    signed = {"by": None, "at": iso(room.clock.time), "comment": None, "via": "file"}
    assert run.outputs["a"] == {"approved": True, **signed}
    assert run.outputs["f"] == {"text": "", **signed}
    assert run.outputs["c"] == {"choice": 2, **signed}
    assert run.outputs["m"] == {"choice": ["z", "x"], **signed}
    assert run.outputs["r"] == {"rating": 4, **signed}
    assert run.outputs["v"] == {"decision": "request_changes", "comments": None, "content": "some text", **signed}
    assert run.outputs["w"] == {"valid": False, "errors": [], **signed}


async def test_prompt_context_options_form_and_assignee_are_rendered_with_what_the_scope_sees() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: ["x"], body: ask}
  ask:
    type: human_input
    input: choice
    prompt: "Which of {{ item }}?"
    context: {item: "{{ item }}", n: "{{ round.number }}"}
    options: ["{{ item }}1", "{{ item }}2"]
    form: {why: {type: string, description: "Why {{ item }}?"}}
    assignee: "{{ item }}@example.org"
    default: {choice: "{{ item }}2", form: {why: because}}
"""
    people = People()
    run = await ran(text, human=people)
    (question,) = people.asked
    assert run.status == "waiting"
    assert (question.prompt, question.context) == ("Which of x?", {"item": "x", "n": 1})
    assert [option["value"] for option in question.options] == ["x1", "x2"]
    assert question.form["why"]["description"] == "Why x?"
    assert (question.assignee, question.path) == ("x@example.org", "each[0]/ask")
    assert question.default == {"choice": "x2", "form": {"why": "because"}}


async def test_an_answer_list_counts_the_visits_of_the_node_over_the_whole_run_rounds_and_resumes_included() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  l: {type: loop, for_each: [1, 2], body: ask, next: again}
  ask: {type: human_input, input: rating, set: {log: "{{ output.rating }}"}}
  again: {wait: 0, next: [{loop_back: l, max: 1}, {to: s}]}
  s: {type: subgraph, uses: u, next: z}
  z: {set: {log: "{{ state.s.got }}"}}
subgraphs:
  u:
    nodes: {ask: {type: human_input, input: rating}}
    outputs: {got: "{{ state.ask.rating }}"}
"""
    room = answered(lab(text), {"ask": [1, 2, 3]})
    assert (await room.start()).status == "waiting"
    run = await answered(room, {"ask": [5, 5, 5, 4, 2]}).resume()
    assert (run.status, run.outputs["log"]) == ("completed", [1, 2, 3, 4, 2])


async def test_an_answer_list_under_an_address_counts_the_visits_of_that_address() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  l: {type: loop, for_each: [1, 2], body: ask, next: again}
  ask: {type: human_input, input: rating, set: {log: "{{ output.rating }}"}}
  again: {wait: 0, next: [{loop_back: l, max: 1}, {to: end}]}
"""
    run = await answered(lab(text), {"l[0]/ask": [1, 2], "l[1]/ask": [3, 4]}).start()
    assert (run.status, run.outputs["log"]) == ("completed", [1, 3, 2, 4])


async def test_visits_in_branches_are_counted_in_the_order_of_the_items() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [a, b, c], body: ask}
  ask: {type: human_input, input: feedback}
"""
    run = await answered(lab(text), {"ask": ["x", "y", "z"]}).start()
    assert [each["text"] for each in run.outputs["each"]] == ["x", "y", "z"]


async def test_an_answer_that_does_not_fit_when_it_is_reached_fails_the_node_with_value() -> None:
    text = "inputs: {o: {type: array}}\nnodes: {ask: {type: human_input, input: choice, options: '{{ inputs.o }}'}}"
    room = answered(lab(text), {"ask": "green"})
    run = await room.start({"o": ["red"]})
    assert run.failure is not None
    assert (run.failure.type, run.failure.node) == ("value", "ask")
    again = await answered(room, {"ask": "red"}).resume()
    assert again.status == "completed"


async def test_with_use_defaults_the_default_answers_and_says_so() -> None:
    text = """
nodes:
  a: {type: human_input, input: rating, default: 3, next: b}
  b: {type: human_input, input: rating}
"""
    room = lab(text)
    room.human = Chain([Defaults(room.clock)])
    run = await room.start()
    assert run.status == "waiting"
    state = run.root.state.as_dict()
    assert (state["a"]["rating"], state["a"]["via"]) == (3, "default")


async def test_skipped_questions_are_not_asked_and_a_later_visit_is_the_first_that_counts() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [no, yes], body: ask}
  ask: {type: human_input, input: rating, when: item == 'yes'}
"""
    run = await answered(lab(text), {"ask": [4]}).start()
    assert run.status == "completed"
    assert run.outputs["l"][1]["rating"] == 4


NESTED = """
nodes:
  fan: {type: parallel, branches: [one, l], next: z}
  one: {type: human_input, input: approval}
  l: {type: loop, for_each: [1, 2], body: s}
  s: {type: subgraph, uses: u, with: {n: "{{ item }}"}}
  z: {set: {all: "{{ state.fan.one.approved }} {{ state.fan.l }}"}}
subgraphs:
  u:
    inputs: {n: {type: integer}}
    nodes:
      each: {type: parallel, for_each: [a, b], body: ask}
      ask: {type: human_input, input: rating}
    outputs: {sum: "{{ state.each | map(attribute='rating') | sum }}"}
"""


@pytest.mark.parametrize("order", ["forwards", "backwards"])
async def test_several_questions_in_nested_scopes_can_be_answered_in_any_order(order: str) -> None:
    room = lab(NESTED)
    run = await room.start()
    given: dict[str, Any] = {}
    for _ in range(9):
        if run.status != "waiting":
            break
        asked = [question.path for question in lives.open_questions(run)]
        path = asked[0] if order == "forwards" else asked[-1]
        given[path] = {"approved": True} if path == "one" else {"rating": len(given) + 1}
        room.human = People({path: given[path]})
        run = await room.resume()
        assert_replayable(room, run)
    assert run.status == "completed", run.failure
    assert set(given) == {"one", *(f"l[{n}]/s/each[{i}]/ask" for n in (0, 1) for i in (0, 1))}
    sums = [sum(given[f"l[{n}]/s/each[{i}]/ask"]["rating"] for i in (0, 1)) for n in (0, 1)]
    assert run.outputs["fan"]["l"] == [{"sum": each} for each in sums]


async def test_the_run_waits_only_once_nothing_else_can_go_on() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [ask, a]}
  ask: {type: human_input, input: approval}
  a: {run: [flaky, "2"], retry: {max_attempts: 2, delay: 1m}, next: b}
  b: {wait: 1h, next: c}
  c: {type: parallel, for_each: [1, 2], body: d}
  d: {run: [say]}
"""
    programs = Programs()
    run = await ran(text, executor=programs)
    assert run.status == "waiting"
    assert "c" in run.path
    assert len(programs.begun) == 4


async def test_any_goes_on_without_the_person_and_the_question_is_gone() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [ask, work], wait_for: any, next: z}
  ask: {type: human_input, input: approval}
  work: {wait: 5s, next: w2}
  w2: {run: [say]}
  z: {set: {s: "{{ nodes.ask.status }}"}}
"""
    run = await ran(text)
    assert (run.status, run.outputs["s"], lives.open_questions(run)) == ("completed", "cancelled", [])


# ---- deadlines


async def test_a_deadline_is_absolute_and_a_late_resume_takes_the_default_at_once() -> None:
    text = """
nodes:
  ask: {type: human_input, input: choice, options: [a, b], timeout: 1h, default: b, on_timeout: default, next: z}
  z: {set: {got: "{{ state.ask.choice }} {{ state.ask.via }}"}}
"""
    room = lab(text)
    begun = room.clock.time
    assert (await room.start()).status == "waiting"
    room.clock.time = begun + 3000
    people = People()
    room.human = people
    assert (await room.resume()).status == "waiting"
    assert [question.deadline for question in people.asked] == [begun + 3600]
    room.clock.time = begun + 3600
    people = People({"ask": {"choice": "a"}})
    room.human = people
    run = await room.resume()
    assert (run.outputs["got"], people.asked) == ("b timeout", [])


async def test_a_deadline_that_passes_while_a_branch_works_is_seen_there_and_then() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [ask, work]}
  ask: {type: human_input, input: approval, timeout: 10s, on_error: {goto: late}}
  late: {set: {why: "{{ error.type }} {{ error.node }}"}}
  work: {wait: 1h}
"""
    room = lab(text)
    room.human = Waiting()
    run = await room.start()
    assert run.status == "completed"
    assert run.outputs["why"] == "timeout ask"
    late = next(event for event in room.journal.events if event.type == "visit.failed")
    assert late.time == room.journal.events[0].time + 10


class Waiting(People):
    """A terminal where nobody types."""

    async def ask(self, question: Any) -> Any:
        await forever()


async def test_a_timeout_may_be_a_template_and_a_wrong_default_is_of_type_value_when_its_time_comes() -> None:
    text = """
inputs: {t: {}, d: {}}
nodes:
  ask: {type: human_input, input: rating, timeout: "{{ inputs.t }}", default: "{{ inputs.d }}", on_timeout: default}
"""
    room = lab(text)
    await room.start({"t": "1s", "d": 5})
    room.clock.time += 2
    run = await room.resume()
    assert run.outputs["ask"]["rating"] == 5
    assert (await failure(text, {"t": "soon", "d": 5})).type == "value"
    assert (await failure(text, {"t": "1s", "d": 99})).type == "value"


async def test_time_spent_waiting_for_people_does_not_count_as_running_time() -> None:
    text = "nodes: {a: {wait: 40s, next: ask}, ask: {type: human_input, input: approval, next: b}, b: {wait: 15s}}"
    room = lab(text)
    assert (await room.start(limits={"timeout": 60})).status == "waiting"
    room.clock.time += 100_000
    room.human = People({"ask": {"approved": True}})
    assert (await room.resume()).status == "completed"


class Slow(People):
    """Takes 100 seconds for an answer."""

    clock: ManualClock

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        answered = asyncio.Event()
        self.clock.call_at(self.clock.now() + 100, answered.set)
        await answered.wait()
        return await super().ask(question)


async def test_nor_does_the_time_that_somebody_at_the_terminal_takes() -> None:
    text = "nodes: {a: {wait: 40s, next: ask}, ask: {type: human_input, input: approval, next: b}, b: {wait: %s}}"
    for seconds, status in ((15, "completed"), (25, "interrupted")):
        people = Slow({"ask": {"approved": True}})
        room = lab(text % seconds, human=people)
        people.clock = room.clock
        assert (await room.start(limits={"timeout": 60})).status == status


async def test_nor_that_for_consent_to_a_call_of_a_tool() -> None:
    text = "agents: {a: {model: local}}\ntools: {pay: {call: 'm:f'}}\n"
    text += "nodes: {t: {prompt: Pay, agent: a, tools: [pay]}}"
    people = Slow({"pay": {"approved": True}})
    room = crew(text, [FakeTool("pay", confirm=True)], people=people, a=[calls(("pay", {})), "paid"])
    people.clock = room.clock
    assert (await room.start(limits={"timeout": 60})).status == "completed"


# ---- work with effects outside that a crash left unfinished

WORKS = {
    "run": "pay: {run: [pay], effects: external, %s next: z}",
    "call": "pay: {call: 'tests.engine.functions:given', with: {value: 1}, effects: external, %s next: z}",
}


async def crashed(work: str, more: str = "") -> Lab:
    """A run that was killed while `pay` was at work."""
    text = f"nodes:\n  {WORKS[work] % more}\n  z: {{set: {{got: '{{{{ state.pay }}}}'}}}}"
    room = lab(text)
    await room.start()
    events = room.journal.events
    begun = next(index for index, event in enumerate(events) if event.type == "visit.started")
    room.journal.events = events[: begun + 1]
    room.executor = Programs()
    return room


@pytest.mark.parametrize("work", WORKS)
@pytest.mark.parametrize("more", ["", "retry: {max_attempts: 3},"])
async def test_unfinished_external_work_is_not_done_again_but_asked_about(work: str, more: str) -> None:
    room = await crashed(work, more)
    run = await room.resume()
    (question,) = lives.open_questions(run)
    assert (run.status, question.node, question.input) == ("waiting", "pay", "choice")
    assert [option["value"] for option in question.options] == ["done", "again", "fail"]
    assert room.executor.begun == []  # type: ignore[attr-defined]
    again = await room.resume()
    assert (again.status, len(lives.open_questions(again))) == ("waiting", 1)
    assert_replayable(room, again)


async def test_done_takes_the_output_that_the_person_gives() -> None:
    room = await crashed("run")
    room.human = People({"pay": {"choice": "done", "form": {"output": {"paid": 3}}}})
    run = await room.resume()
    assert (run.status, run.outputs["got"], run.path) == ("completed", {"paid": 3}, ["pay", "z"])
    assert room.executor.begun == []  # type: ignore[attr-defined]


DECLARED = "output: {id: {type: string}, note: {type: string, default: none}},"


@pytest.mark.parametrize("work", WORKS)
async def test_done_takes_an_output_that_fits_what_the_task_declares_with_its_defaults(work: str) -> None:
    room = await crashed(work, DECLARED)
    room.human = People({"pay": {"choice": "done", "form": {"output": {"id": "x"}}}})
    run = await room.resume()
    whole = {"id": "x", "note": "none"}
    told = {"exit_code": 0, "stdout": "", "stderr": "", "data": whole} if work == "run" else whole
    assert (run.status, run.outputs["got"]) == ("completed", told)
    assert_replayable(room, run)


async def test_the_question_whether_it_was_done_refuses_an_output_of_another_shape() -> None:
    room = await crashed("run", DECLARED)
    (question,) = lives.open_questions(await room.resume())
    wrong: dict[str, Any] = {"choice": "done", "form": {"output": {"id": 3}}}
    assert any("id" in reason for reason in reasons_against(question, wrong))
    for right in ({"id": "x"}, None):
        assert reasons_against(question, {"choice": "done", "form": {"output": right}}) == []
    assert reasons_against(question, {"choice": "again", "form": {"output": None}}) == []


async def test_done_without_the_declared_output_fails_and_a_resume_asks_again_instead_of_doing_it_again() -> None:
    room = await crashed("run", DECLARED)
    room.human = People({"pay": {"choice": "done", "form": {"output": None}}})
    run = await room.resume()
    assert run.failure is not None
    assert (run.status, run.failure.type) == ("failed", "output")
    assert "does not fit `output`" in run.failure.message
    room.human = People()
    again = await room.resume()
    assert (again.status, [question.node for question in lives.open_questions(again)]) == ("waiting", ["pay"])
    room.human = People({"pay": {"choice": "done", "form": {"output": {"id": "x"}}}})
    last = await room.resume()
    assert (last.status, last.outputs["got"]["data"]["id"]) == ("completed", "x")
    assert room.executor.begun == []  # type: ignore[attr-defined]
    assert_replayable(room, last)


async def test_again_does_it_again_under_the_same_key() -> None:
    room = await crashed("run")
    room.human = People({"pay": {"choice": "again", "form": {"output": None}}})
    run = await room.resume()
    assert run.status == "completed"
    assert room.executor.keys == ["test/pay#1"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("more", ["", "retry: {max_attempts: 3, delay: 1s},"])
async def test_fail_fails_the_visit_and_is_not_retried(more: str) -> None:
    room = await crashed("run", more)
    room.human = People({"pay": {"choice": "fail", "form": {"output": None}}})
    run = await room.resume()
    assert run.failure is not None
    assert (run.status, run.failure.type, run.failure.node) == ("failed", "exit", "pay")
    assert room.executor.begun == []  # type: ignore[attr-defined]


async def test_a_crash_after_again_asks_again() -> None:
    room = await crashed("run")
    room.human = People({"pay": {"choice": "again", "form": {"output": None}}})
    await room.resume()
    events = room.journal.events
    last = max(
        index for index, event in enumerate(events) if event.type == "visit.started" and event.data["node"] == "pay"
    )
    room.executor, room.human = Programs(), People()
    run = await room.resume(events[: last + 1])
    assert (run.status, room.executor.begun) == ("waiting", [])


async def test_external_work_has_no_default_retry_but_one_that_is_written() -> None:
    text = """
defaults: {retry: {max_attempts: 3, delay: 1s}}
nodes:
  a: {run: [fail, "1"], effects: external, on_error: continue, next: b}
  b: {run: [fail, "2"], effects: external, retry: {max_attempts: 2, delay: 1s}, on_error: continue}
"""
    programs = Programs()
    await outputs(text, executor=programs)
    assert programs.begun == [["fail", "1"], ["fail", "2"], ["fail", "2"]]


async def test_doubt_leaves_its_place_to_other_items() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [1, 2], body: pay, max_concurrency: 1}
  pay: {run: [say, "{{ item }}"], effects: external}
"""
    room = lab(text)
    await room.start()
    events = room.journal.events
    begun = next(
        index for index, event in enumerate(events) if event.type == "visit.started" and "pay" in event.data["path"]
    )
    programs = Programs()
    room.executor = programs
    run = await room.resume(events[: begun + 1])
    assert (run.status, programs.begun) == ("waiting", [["say", "2"]])
    assert_replayable(room, run)


async def test_questions_of_a_run_that_is_not_waiting_are_none() -> None:
    run: Run = await ran("nodes: {a: {wait: 0}}")
    assert lives.open_questions(run) == []
