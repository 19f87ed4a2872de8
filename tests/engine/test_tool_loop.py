"""The tool loop: what agents call, what they get back, what the record has of it, and what bounds it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from magent.answers import check_document
from magent.engine.snapshot import from_json, to_json
from magent.masks import masker
from magent.ports import Reply, Request, ToolCall, Usage
from magent.spans.reading import read
from tests.engine.crew import FakeTool, Scripted, broken, calls, crew, last, told, types
from tests.engine.language import People, assert_replayable, checked, forever, refolded

HEAD = """
agents: {a: {model: local}, b: {model: local}}
tools: {add: {call: 'm:f'}, pay: {call: 'm:f'}}
"""
ONE = HEAD + "nodes: {t: {prompt: Work, agent: a, tools: [add, pay]}}"
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


def adding(**more: Any) -> FakeTool:
    return FakeTool("add", lambda a, b: a + b, NUMBERS, **more)


def paying(function: Any = lambda **_: "paid") -> FakeTool:
    return FakeTool("pay", function, external=True)


async def done(room: Any) -> Any:
    run = await room.start()
    assert run.status == "completed", run.failure
    assert_replayable(room, run)
    return run


async def test_an_agent_gets_the_results_of_the_tools_it_calls() -> None:
    agent = Scripted(calls(("add", {"a": 1, "b": 2}), text="let me see"), "it is 3")
    room = crew(ONE, [adding(), paying()], a=agent)
    run = await done(room)
    assert run.outputs["t"] == "it is 3"
    assert [offer.name for offer in agent.requests[0].tools] == ["add", "pay"]
    asked, called, result = agent.requests[1].messages
    assert (asked.role, called.role, result.role) == ("user", "assistant", "tool")
    assert (called.text, called.calls[0].name, result.text, result.call_id) == ("let me see", "add", "3", "id0")
    assert run.tokens == [20, 10]


async def test_each_call_is_in_the_record_before_and_after() -> None:
    room = crew(ONE, [adding(), paying()], a=[calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})), "done"])
    await done(room)
    first, again, second, last_ = told(room, "tool.")
    assert (first["type"], first["tool"], first["arguments"], first["agent"]) == (
        "tool.called",
        "add",
        {"a": 1, "b": 2},
        "a",
    )
    assert (again["type"], again["output"], again["call"]) == ("tool.returned", 3, 1)
    assert (second["call"], last_["output"]) == (2, 7)
    (replied,) = told(room, "agent.replied")
    assert (replied["calls"], replied["tokens"]) == (2, {"input": 10, "output": 5})


async def test_a_wrong_call_goes_back_to_the_agent_as_an_error_it_can_mend() -> None:
    agent = Scripted(calls(("add", {"a": "x"}), ("add", "not json"), ("sub", {})), lambda r: " / ".join(_results(r)))
    tool = adding()
    run = await done(crew(ONE, [tool, paying()], a=agent))
    assert tool.seen == []
    misfit, text, unknown = run.outputs["t"].split(" / ")
    assert "the arguments of 'add' do not fit" in misfit
    assert "must be a JSON object" in text
    assert "there is no tool 'sub'" in unknown
    assert "add" in unknown


def _results(request: Request) -> list[str]:
    return [message.text for message in request.messages if message.role == "tool"]


async def test_a_tool_that_fails_is_told_to_the_agent_and_fails_nothing() -> None:
    def fails(**_: Any) -> Any:
        raise broken("tool", "no connection")

    agent = Scripted(calls(("add", {})), lambda r: last(r).text)
    run = await done(crew(ONE, [FakeTool("add", fails), paying()], a=agent))
    assert run.outputs["t"] == "error: no connection"


async def test_a_limit_in_a_tool_travels_outwards() -> None:
    def fails(**_: Any) -> Any:
        raise broken("limit", "the budget is used up")

    room = crew(ONE, [FakeTool("add", fails), paying()], a=[calls(("add", {})), "never"])
    run = await room.start()
    assert run.status == "interrupted"
    assert run.failure is not None
    assert run.failure.type == "limit"


async def test_a_result_that_is_no_json_is_an_error_of_the_call() -> None:
    agent = Scripted(calls(("add", {})), lambda r: last(r).text)
    run = await done(crew(ONE, [FakeTool("add", lambda: {1, 2}), paying()], a=agent))
    assert "no JSON value" in run.outputs["t"]


async def test_fifty_rounds_are_enough() -> None:
    agent = Scripted(calls(("add", {"a": 1, "b": 2})))
    room = crew(ONE, [adding(), paying()], a=agent)
    run = await room.start()
    assert run.failure is not None
    assert (run.failure.type, len(agent.requests)) == ("agent", 51)
    assert "called tools 50 times" in run.failure.message


async def test_a_long_result_is_cut_for_the_agent_and_whole_in_the_record() -> None:
    agent = Scripted(calls(("add", {})), lambda r: str(len(last(r).text)))
    room = crew(ONE, [FakeTool("add", lambda: "x" * 200_000), paying()], a=agent)
    run = await done(room)
    assert 100_000 < int(run.outputs["t"]) < 100_100
    assert len(told(room, "tool.returned")[0]["output"]) == 200_000


async def test_a_structured_answer_comes_after_the_tools_and_is_repaired_as_ever() -> None:
    text = HEAD + "nodes: {t: {prompt: Work, agent: a, tools: [add], output: {sum: {type: integer}}}}"
    agent = Scripted({"sum": "x"}, calls(("add", {"a": 1, "b": 2})), {"sum": 3})
    run = await done(crew(text, [adding()], a=agent))
    assert run.outputs["t"] == {"sum": 3}
    assert [m.role for m in agent.requests[2].messages] == ["user", "assistant", "user", "assistant", "tool"]
    assert agent.requests[0].schema is not None


async def test_the_time_limit_is_for_all_of_the_attempt() -> None:
    text = HEAD + "nodes: {t: {prompt: Work, agent: a, tools: [add], timeout: 30ms}}"
    room = crew(text, [FakeTool("add", forever)], a=[calls(("add", {})), "never"])
    run = await room.start()
    assert run.failure is not None
    assert run.failure.type == "timeout"


async def test_a_second_agent_goes_on_where_the_first_failed_with_what_was_found_out() -> None:
    text = HEAD.replace("a: {model: local}", "a: {model: local, fallback: [b]}") + (
        "nodes: {t: {prompt: Work, agent: a, tools: [pay]}}"
    )
    tool = paying()
    second = Scripted(lambda r: last(r).text)
    room = crew(text, [tool], a=[calls(("pay", {})), broken("rate_limit", "too many")], b=second)
    run = await done(room)
    assert (run.outputs["t"], len(tool.seen)) == ("paid", 1)


async def test_an_agents_own_tools_are_taken_where_the_task_names_none() -> None:
    text = HEAD.replace("a: {model: local}", "a: {model: local, tools: [add]}") + "nodes: {t: {prompt: Work, agent: a}}"
    agent = Scripted("done")
    await done(crew(text, [adding()], a=agent))
    assert [offer.name for offer in agent.requests[0].tools] == ["add"]


async def test_what_a_task_calls_a_tool_with_is_on_the_record_and_what_it_gave_stands_there_once() -> None:
    text = HEAD + "nodes: {t: {tool: add, with: {a: 1, b: '{{ 1 + 1 }}'}, next: f}, f: {tool: pay, with: {sum: 5}}}"

    def fails(**_: Any) -> Any:
        raise broken("tool", "no money")

    room = crew(text, [adding(), FakeTool("pay", fails)])
    await room.start()
    both = {"scope": 0, "path": "t", "call": 1, "tool": "add"}
    assert told(room, "tool.") == [
        {"type": "tool.called", **both, "arguments": {"a": 1, "b": 2}},
        {"type": "tool.returned", **both, "duration": 0.0},
        {"type": "tool.called", **both, "path": "f", "tool": "pay", "arguments": {"sum": 5}},
        {"type": "tool.returned", **both, "path": "f", "tool": "pay", "duration": 0.0, "error": {"type": "tool"}},
    ]


@pytest.mark.parametrize("text", ["{tool: add, with: {a: '{{ \"x\" * 10 }}'}}", "{prompt: p, agent: a, tools: [add]}"])
async def test_of_arguments_the_record_keeps_so_much(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magent.engine.using.KEPT", 12)
    tool = FakeTool("add")
    room = crew(f"{HEAD}nodes: {{t: {text}}}", [tool], a=[calls(("add", {"a": "x" * 10})), "done"])
    await done(room)
    (called,) = told(room, "tool.called")
    assert (called["arguments"], called["cut"]) == ('{"a": "xxxxx', 19)
    assert tool.seen[-1] == {"a": "x" * 10}


async def test_agents_and_chains_go_on_with_what_the_record_says_of_a_result_without_secrets() -> None:
    text = HEAD + (
        "chains: {c: {steps: [{tool: add}, {tool: pay, with: {of: '{{ previous }}'}}]}}\n"
        "nodes: {t: {prompt: Work, agent: a, tools: [add, pay]}, u: {chain: c}}"
    )

    def fails(of: str) -> Any:
        raise broken("tool", f"no account opens with {of or 'sesame'}")

    pay, agent = FakeTool("pay", fails), Scripted(calls(("add", {}), ("pay", {"of": ""})), "done")
    room = crew(text.replace("Work,", "Work, next: u,"), [FakeTool("add", lambda: "open sesame"), pay], a=agent)
    room.recording["mask"] = masker(["sesame"])
    await room.start()
    assert [message.text for message in agent.requests[1].messages[-2:]] == [
        "open ***",
        "error: no account opens with ***",
    ]
    assert pay.seen[-1] == {"of": "open ***"}


async def test_what_a_tasks_tool_gives_is_held_against_its_output_before_secrets_are_taken_out() -> None:
    text = HEAD + "nodes: {t: {tool: add, output: {pin: {type: integer}}}}"
    room = crew(text, [FakeTool("add", lambda: {"pin": 4815162342})])
    room.recording["mask"] = masker(["4815162342"])
    run = await done(room)
    assert run.outputs["t"] == {"pin": "***"}


# ---- confirm


async def test_a_tool_that_asks_first_is_called_when_a_person_agrees() -> None:
    people = People({"pay": {"approved": True}})
    tool = FakeTool("pay", lambda **_: "paid", confirm=True)
    room = crew(ONE, [adding(), tool], people=people, a=[calls(("pay", {"sum": 5})), lambda r: last(r).text])
    assert (await done(room)).outputs["t"] == "paid"
    (question,) = people.asked
    assert (question.input, question.context) == ("approval", {"sum": 5})


@pytest.mark.parametrize(
    ("people", "words"),
    [(People(), "nobody to ask"), (People({"pay": {"approved": False, "comment": "too much"}}), "said no: too much")],
)
async def test_else_it_is_refused_and_the_agent_told(people: People, words: str) -> None:
    tool = FakeTool("pay", external=True, confirm=True)
    room = crew(ONE, [adding(), tool], people=people, a=[calls(("pay", {})), lambda r: last(r).text])
    run = await done(room)
    assert words in run.outputs["t"]
    assert tool.seen == []


async def test_who_agreed_or_said_no_is_on_the_record_with_the_call_and_its_span() -> None:
    ann = {"approved": True, "by": "ann", "via": "terminal", "at": "2026-01-01T00:00:00.000Z", "comment": None}
    for said, status in ((ann, "completed"), ({**ann, "approved": False, "comment": "too much"}, "failed")):
        tool = FakeTool("pay", lambda **_: "paid", confirm=True)
        room = crew(ONE, [adding(), tool], people=People({"pay": said}), a=[calls(("pay", {"sum": 5})), "done"])
        await done(room)
        (event,) = [event for event in room.journal.events if event.type == "tool.called"]
        kept = {name: value for name, value in said.items() if value is not None}
        assert (event.data["asked"], event.data["agreed"]) == (True, kept)
        (span,) = [each for each in read(room.workflow, room.journal.events).spans if each.kind == "tool"]
        told = {name: span.attributes[f"magent.answer.{name}"] for name in ("approved", "by", "via", "at")}
        assert (span.status, {**told, **kept}) == (status, kept)
        assert ("comment" in span.content, "magent.answer.comment" in span.attributes) == ("comment" in kept, False)
    room = crew(ONE, [adding(), FakeTool("pay", confirm=True)], people=People(), a=[calls(("pay", {})), "done"])
    await done(room)
    (event,) = [event for event in room.journal.events if event.type == "tool.called"]
    assert (event.data["asked"], "agreed" in event.data) == (True, False)


async def test_how_often_was_asked_is_counted_over_lives() -> None:
    people = People({"pay": {"approved": True}})
    tool = FakeTool("pay", confirm=True)
    room = crew(ONE, [adding(), tool], people=people, a=[calls(("pay", {}), ("pay", {})), "done"])
    run = await done(room)
    assert [question.ordinal for question in people.asked] == [0, 1]
    assert run.asked["tool pay"] == 2


async def test_the_time_that_a_person_takes_is_not_the_attempts() -> None:
    class Slow(People):
        async def ask(self, question: Any) -> Any:
            await asyncio.sleep(0.2)
            return await super().ask(question)

    text = HEAD + "nodes: {t: {prompt: Work, agent: a, tools: [pay], timeout: 100ms}}"
    tool = FakeTool("pay", lambda **_: "paid", confirm=True)
    people = Slow({"pay": {"approved": True}})
    run = await done(crew(text, [tool], people=people, a=[calls(("pay", {})), lambda r: last(r).text]))
    assert run.outputs["t"] == "paid"


# ---- effects outside


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
async def test_a_call_with_effects_outside_is_on_the_disk_before_it_begins(durability: str) -> None:
    batches: list[Any] = []

    def look(**_: Any) -> str:
        events, synced = batches[-1]
        assert synced
        return types(events)[-1]

    room = crew(ONE, [adding(), paying(look)], a=[calls(("pay", {})), lambda r: last(r).text])
    room.recording["durability"] = durability
    batches = room.journal.batches
    assert (await done(room)).outputs["t"] == "tool.called"


async def test_a_resume_asks_before_it_calls_such_a_tool_again() -> None:
    room = crew(ONE, [adding(), paying()], a=[calls(("pay", {})), "done"])
    await done(room)
    cut = [event.type for event in room.journal.events].index("tool.called") + 1
    for length in (cut, cut + 1):
        tool = paying()
        again = crew(ONE, [adding(), tool], people=People(), a=[calls(("pay", {})), "done"])
        run = await again.resume(room.journal.events[:length])
        assert (run.status, tool.seen) == ("waiting", [])
    people = People({"t": {"choice": "again"}})
    again = crew(ONE, [adding(), tool], people=people, a=[calls(("pay", {})), "done"])
    run = await again.resume(room.journal.events[:cut])
    assert (run.status, run.outputs["t"], len(tool.seen)) == ("completed", "done", 1)
    assert "pay" in people.asked[0].prompt


@pytest.mark.parametrize(("retry", "times"), [("", 1), (", retry: {max_attempts: 2}", 2)])
async def test_only_a_retry_written_on_the_task_calls_it_again(retry: str, times: int) -> None:
    text = HEAD + "defaults: {retry: {max_attempts: 3}}\n"
    text += f"nodes: {{t: {{prompt: Work, agent: a, tools: [pay]{retry}}}}}"
    tool = paying()
    agent = Scripted(calls(("pay", {})), broken("agent"), calls(("pay", {})), "done")
    room = crew(text, [tool], a=agent)
    run = await room.start()
    assert len(tool.seen) == times
    assert run.status == ("completed" if times == 2 else "failed")


async def test_without_effects_outside_a_default_retry_begins_the_conversation_anew() -> None:
    text = HEAD + "defaults: {retry: {max_attempts: 2}}\nnodes: {t: {prompt: Work, agent: a, tools: [add]}}"
    agent = Scripted(calls(("add", {"a": 1, "b": 2})), broken("agent"), lambda r: str(len(r.messages)))
    run = await done(crew(text, [adding()], a=agent))
    assert run.outputs["t"] == "1"
    assert run.tokens == [20, 10]  # that of the failed attempt, too


# ---- the record


async def test_what_was_used_before_a_cut_is_not_forgotten() -> None:
    room = crew(ONE, [adding(), paying()], a=[calls(("add", {"a": 1, "b": 2})), "done"])
    await done(room)
    cut = types(room.journal.events).index("agent.replied") + 1
    again = crew(ONE, [adding(), paying()], a=[calls(("add", {"a": 1, "b": 2})), "done"])
    run = await again.resume(room.journal.events[:cut])
    assert run.tokens == [30, 15]


async def test_a_checkpoint_in_the_middle_of_a_conversation_gives_the_same_run() -> None:
    room = crew(ONE, [adding(), paying()], a=[calls(("add", {"a": 1, "b": 2}), ("pay", {})), "done"])
    await done(room)
    for cut in range(1, len(room.journal.events)):
        folded = refolded(room, room.journal.events[:cut])
        assert to_json(from_json(room.workflow, to_json(folded))) == to_json(folded)


async def test_what_an_agent_spent_before_it_failed_counts() -> None:
    from magent.events import Failure, WorkFailed

    def fails(asked: Request) -> Reply:
        asked.meter.read = lambda: Usage(100, 50, 0.1, 1)
        raise WorkFailed(Failure("agent", "broken off"))

    room = crew(ONE, [adding(), paying()], a=Scripted(fails))
    run = await room.start()
    assert (run.status, run.tokens, run.cost) == ("failed", [100, 50], 0.1)


async def stubborn(**_: Any) -> Any:
    try:
        await forever()
    except asyncio.CancelledError as error:
        raise broken("tool", "ended from outside") from error


async def test_a_tool_that_takes_its_end_for_a_failure_holds_up_nothing() -> None:
    text = (
        HEAD
        + """
nodes:
  fan: {type: parallel, branches: [t, w], wait_for: any}
  t: {prompt: Work, agent: a, tools: [add]}
  w: {wait: 5s}
"""
    )
    run = await asyncio.wait_for(crew(text, [FakeTool("add", stubborn)], a=[calls(("add", {})), "x"]).start(), 10)
    assert (run.status, run.outputs["fan"]) == ("completed", {"t": None, "w": None})


async def test_nor_does_it_where_the_run_is_stopped() -> None:
    room = crew(
        HEAD + "nodes: {t: {prompt: Work, agent: a, tools: [add]}}", [FakeTool("add", stubborn)], a=calls(("add", {}))
    )
    run = await asyncio.wait_for(room.start(limits={"timeout": 5}), 10)
    assert run.status == "interrupted"


def test_the_answers_file_may_say_what_became_of_a_prompt_that_may_call_such_a_tool() -> None:
    outside = ONE.replace("pay: {call: 'm:f'}", "pay: {call: 'm:f', effects: external}")
    assert check_document({"t": "again"}, checked(outside)) == []
    assert [problem.code for problem in check_document({"t": "again"}, checked(ONE))] == ["unknown-node"]


async def test_a_task_whose_tool_says_itself_that_it_has_effects_outside_is_not_done_again_unasked() -> None:
    for text in ("t: {tool: pay}", "t: {tool: \"{{ 'pay' }}\"}"):
        text = f"tools: {{pay: {{call: 'm:f'}}}}\nnodes: {{{text}}}"
        room = crew(text, [paying()])
        await done(room)
        called = types(room.journal.events).index("tool.called") + 1
        people, tool = People({"t": {"choice": "again"}}), paying()
        again = crew(text, [tool], people=people)
        run = await again.resume(room.journal.events[:called])
        assert (run.status, len(people.asked), len(tool.seen)) == ("completed", 1, 1)


async def test_calls_of_one_id_are_told_apart() -> None:
    one = Reply("", calls=tuple(ToolCall("same", "add", {"a": n, "b": n}) for n in (1, 2, 3)))
    agent = Scripted(one, "done")
    await done(crew(ONE, [adding(), paying()], a=agent))
    _, called, *results = agent.requests[1].messages
    assert [call.id for call in called.calls] == [each.call_id for each in results]
    assert len({call.id for call in called.calls}) == 3
    assert [each.text for each in results] == ["2", "4", "6"]


async def test_half_a_character_reaches_neither_tools_nor_agents() -> None:
    tool = FakeTool("add", lambda **given: "\udc00" + given["x"])
    agent = Scripted(calls(("add", {"x": "\ud83d", "y": ["\ud83d\ude00"]}), text="\ud83d"), "done")
    await done(crew(ONE, [tool, paying()], a=agent))
    for message in agent.requests[1].messages:
        assert message.text.encode()
    assert agent.requests[1].messages[1].calls[0].arguments == {"x": "\ufffd", "y": ["\U0001f600"]}


async def test_what_only_a_model_can_read_does_not_go_back_with_other_ids() -> None:
    def twice(*ids: str) -> Reply:
        return Reply("", calls=tuple(ToolCall(id, "add", {"a": 1, "b": 1}) for id in ids), opaque={"signed": True})

    agent = Scripted(twice("one", "two"), twice("same", "same"), "done")
    await done(crew(ONE, [adding(), paying()], a=agent))
    assert [each.opaque for each in agent.requests[2].messages if each.role == "assistant"] == [{"signed": True}, None]
