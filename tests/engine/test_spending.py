"""What calls of models use is on the record, however they end; and so is who answered in whose stead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from magent.engine.run import visits
from magent.engine.work import Home
from magent.events import Failure, WorkFailed
from magent.ports import Reply, Request, Usage
from tests.engine.crew import Scripted, broken, crew, told
from tests.engine.language import assert_replayable, forever, refolded

HEAD = "agents: {a: {model: local, fallback: [b, c]}, b: {model: local}, c: {model: local}}\n"
ONE = HEAD + "nodes: {t: {prompt: Work, agent: a, output: {n: {type: integer}}}}"
FAN = """
nodes:
  fan: {type: parallel, branches: [t, w], wait_for: any}
  t: {prompt: Work, agent: a}
  w: {wait: 5s}
"""


def counted(text: str) -> Reply:
    return Reply(text, usage=Usage(10, 5, 0.5, 1), model="test:one")


async def begun(asked: Request) -> Reply:
    """A call that has used something when it is ended."""
    asked.meter.read = lambda: Usage(30, 7, None, 1, estimated=True)
    await forever()
    raise AssertionError


async def test_an_answer_that_is_sent_back_is_on_the_record_with_what_it_took() -> None:
    room = crew(ONE, a=Scripted(counted('{"n": "x"}'), counted("no"), counted('{"n": 1}')))
    run = await room.start()
    assert_replayable(room, run)
    first, second = told(room, "agent.replied")
    assert first["faults"] == ["n: must be an integer, found text ('x')"]
    assert (first["text"], first["tokens"], first["cost"]) == ('{"n": "x"}', {"input": 10, "output": 5}, 0.5)
    assert second["faults"] == ["it is not JSON"]
    assert (run.tokens, run.cost) == ([30, 15], 1.5)
    cut = [event.type for event in room.journal.events].index("agent.replied") + 1
    again = crew(ONE, a=Scripted(counted('{"n": 1}')))
    assert (await again.resume(room.journal.events[:cut])).tokens == [20, 10]


async def test_who_answers_without_json_is_told_the_schema_as_it_may_never_have_reached_the_model() -> None:
    agent = Scripted(counted('{"n": "x"}'), counted("no"), counted('{"n": 1}'))
    await crew(ONE, a=agent).start()
    faulty, worded = (request.messages[-1].text for request in agent.requests[1:])
    assert "JSON Schema" not in faulty
    assert '"properties": {"n": {"type": "integer"}}' in worded
    assert all("JSON Schema" not in message.text for message in agent.requests[2].messages[:-1])


async def test_who_stands_in_is_told_when_it_happens_and_with_the_visit() -> None:
    def fails(asked: Request) -> Reply:
        asked.meter.read = lambda: Usage(4, 0, 0.25, 1)
        raise WorkFailed(Failure("rate_limit", "too often"))

    room = crew(ONE, a=Scripted(fails), b=broken("timeout", "too slow"), c=Scripted(counted('{"n": 1}')))
    run = await room.start()
    assert_replayable(room, run)
    first, second = told(room, "agent.fallback")
    assert (first["agent"], first["to"], first["error"]) == ("a", "b", {"type": "rate_limit", "message": "too often"})
    assert (first["tokens"], first["cost"]) == ({"input": 4, "output": 0}, 0.25)
    assert (second["agent"], second["to"], "tokens" in second) == ("b", "c", False)
    (visit,) = visits(room.journal.events)
    assert (visit["agent"], [each["agent"] for each in visit["fallback"]]) == ("c", ["a", "b"])
    assert [(step["agent"], step["to"], step["status"]) for step in visit["steps"]] == [
        ("a", "b", "failed"),
        ("b", "c", "failed"),
    ]
    assert (run.tokens, run.cost) == ([14, 5], 0.75)


async def test_a_branch_that_is_called_off_has_cost_what_it_has() -> None:
    room = crew(HEAD + FAN, a=Scripted(begun))
    run = await room.start()
    assert_replayable(room, run)
    (spent,) = told(room, "visit.spent")
    assert (spent["path"], spent["agent"], spent["tokens"]) == ("t", "a", {"input": 30, "output": 7})
    assert (spent["cost"], spent["estimated"]) == (None, True)
    assert (run.status, run.tokens, run.cost_unknown) == ("completed", [30, 7], True)
    order = [event.type for event in room.journal.events]
    assert order.index("visit.spent") < order.index("visit.cancelled") < order.index("run.completed")


async def test_so_has_one_that_answered_in_the_moment_it_was_called_off() -> None:
    """Its answer is not recorded any more, but was paid for."""
    answered = asyncio.Event()

    async def late(_asked: Request) -> Reply:
        await answered.wait()
        return counted("too late")

    def first(_asked: Request) -> Reply:
        answered.set()
        return counted("first")

    text = HEAD + FAN.replace("w: {wait: 5s}", "w: {prompt: Work, agent: b}")
    run = await crew(text, a=Scripted(late), b=Scripted(first)).start()
    assert (run.status, run.tokens) == ("completed", [20, 10])


async def test_a_run_that_is_stopped_has_cost_what_it_has() -> None:
    room = crew(HEAD + "nodes: {t: {prompt: Work, agent: a}}", a=Scripted(begun))
    run = await room.start(limits={"timeout": 5})
    assert (run.status, run.tokens) == ("interrupted", [30, 7])
    assert refolded(room).tokens == [30, 7]


@pytest.mark.parametrize(("retry", "tokens"), [("", [30, 7]), (", retry: {max_attempts: 2}", [40, 12])])
async def test_so_has_an_attempt_that_takes_too_long(retry: str, tokens: list[int]) -> None:
    text = f"agents: {{a: {{model: local}}}}\nnodes: {{t: {{prompt: Work, agent: a, timeout: 10ms{retry}}}}}"
    run = await crew(text, a=Scripted(begun, counted("done"))).start()
    assert (run.status, run.tokens) == ("completed" if retry else "failed", tokens)


async def test_an_answer_that_was_cut_off_says_so() -> None:
    room = crew(HEAD + "nodes: {t: {prompt: Work, agent: a}}", a=Scripted(Reply("Hello wor", cut=True)))
    run = await room.start()
    (visit,) = visits(room.journal.events)
    assert (run.outputs["t"], visit["cut"]) == ("Hello wor", True)


def test_nothing_is_counted_twice_where_the_call_ends_after_it_was_accounted_for() -> None:
    from magent.engine.budget import RunBudget
    from magent.engine.fold import Run
    from tests.build import workflow

    run = Run(workflow("nodes: {t: {set: {x: 1}}}"))
    run.limits = {"tokens": 100}
    budget = RunBudget(run)
    reserved = budget.reserve(Home(run.workflow.graph), "a", 50)
    used: dict[str, Any] = {"tokens": {"input": 30, "output": 7}, "cost": None}
    run._spend(None, used)  # it is called off: what it has used is recorded …
    budget.recorded(used)
    budget.settle(reserved, Usage(30, 7))  # … and then it ends
    assert (budget.loose_tokens, budget.reserved_tokens, run.tokens) == (0, 0, [30, 7])
