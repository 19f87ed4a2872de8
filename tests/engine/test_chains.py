"""Chains: their steps, what these see, what is done again, as the work of a task and as a tool of an agent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.build import Lab
from tests.engine.crew import FakeTool, Scripted, broken, calls, crew, last, told, types
from tests.engine.language import People, assert_replayable

HEAD = "agents: {a: {model: local}}\ntools: {one: {call: 'm:f'}, two: {call: 'm:f'}}\n"
CHAIN = """
chains:
  both:
    description: Does both.
    inputs: {x: {type: integer}, y: {type: integer, default: 5}}
    steps:
      - {tool: one, with: {v: "{{ inputs.x }}"}, as: first}
      - {tool: two, with: {v: "{{ previous }}", w: "{{ steps.first + inputs.y }}"}%s}
"""
RUN = "nodes: {t: {chain: both, with: {x: 1}}}\n"


def echo(name: str, function: Any = lambda **given: given, **more: Any) -> FakeTool:
    return FakeTool(name, function, **more)


def plus(name: str = "one") -> FakeTool:
    return FakeTool(name, lambda v: v + 1)


async def done(room: Lab) -> Any:
    run = await room.start()
    assert run.status == "completed", run.failure
    assert_replayable(room, run)
    return run


async def test_steps_see_inputs_with_defaults_the_previous_result_and_named_ones() -> None:
    run = await done(crew(HEAD + CHAIN % "" + RUN, [plus(), echo("two")]))
    assert run.outputs["t"] == {"v": 2, "w": 7}


async def test_each_step_is_recorded() -> None:
    room = crew(HEAD + CHAIN % "" + RUN, [plus(), echo("two")])
    await done(room)
    steps = told(room, "tool.")
    assert [(each["type"], each["tool"], each["step"], each["chain"]) for each in steps] == [
        ("tool.called", "one", 0, "both"),
        ("tool.returned", "one", 0, "both"),
        ("tool.called", "two", 1, "both"),
        ("tool.returned", "two", 1, "both"),
    ]
    assert steps[0]["as"] == "first"


async def test_a_skipped_step_gives_null() -> None:
    chain = CHAIN.replace(", as: first}", ", as: first, when: inputs.x > 9}") % ""
    chain = chain.replace("steps.first + inputs.y", "steps.first")
    room = crew(HEAD + chain + RUN, [plus(), echo("two")])
    assert (await done(room)).outputs["t"] == {"v": None, "w": None}
    assert types(room.journal.events).count("tool.skipped") == 1


async def test_the_result_is_null_where_the_last_step_is_skipped() -> None:
    room = crew(HEAD + CHAIN % ", when: previous > 9" + RUN, [plus(), echo("two")])
    assert (await done(room)).outputs["t"] is None


async def test_inputs_are_checked_and_so_are_the_arguments_of_each_step() -> None:
    text = HEAD + CHAIN % "" + 'nodes: {t: {chain: both, with: {x: "{{ inputs.x }}"}}}\ninputs: {x: {}}'
    run = await crew(text, [plus(), echo("two")]).start({"x": "text"})
    assert run.failure is not None
    assert (run.failure.type, "the inputs of the chain 'both' do not fit" in run.failure.message) == ("tool", True)
    strict = FakeTool("one", parameters={"type": "object", "properties": {"v": {"type": "string"}}})
    run = await crew(text, [strict, echo("two")]).start({"x": 1})
    assert run.failure is not None
    assert (run.failure.type, "the arguments of 'one' do not fit" in run.failure.message) == ("tool", True)


def flaky(times: int) -> Any:
    left = [times]

    def function(**_: Any) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise broken("tool", "not yet")
        return "at last"

    return function


async def test_a_step_is_done_again_as_its_retry_says_and_those_before_it_are_not() -> None:
    first = plus()
    room = crew(HEAD + CHAIN % ", retry: {max_attempts: 3, delay: 1s}" + RUN, [first, echo("two", flaky(2))])
    assert (await done(room)).outputs["t"] == "at last"
    assert len(first.seen) == 1
    assert [each.get("attempt") for each in told(room, "tool.called") if each["step"] == 1] == [None, 2, 3]


async def test_a_step_that_fails_fails_the_chain_or_gives_null() -> None:
    run = await crew(HEAD + CHAIN % "" + RUN, [plus(), echo("two", flaky(9))]).start()
    assert run.failure is not None
    assert (run.failure.type, run.failure.message) == ("tool", "not yet")
    room = crew(HEAD + CHAIN % ", on_error: continue" + RUN, [plus(), echo("two", flaky(9))])
    assert (await done(room)).outputs["t"] is None
    assert told(room, "tool.passed")[0]["error"]["message"] == "not yet"


async def test_a_missing_value_in_a_step_is_an_error_that_names_it() -> None:
    chain = CHAIN.replace("steps.first + inputs.y", "steps.first.no.where") % ""
    run = await crew(HEAD + chain + RUN, [plus(), echo("two")]).start()
    assert run.failure is not None
    assert (run.failure.type, "step 2 of the chain 'both'" in run.failure.message.replace("'step 2'", "step 2")) == (
        "value",
        True,
    )


async def test_a_finished_step_is_not_done_again_on_resume() -> None:
    room = crew(HEAD + CHAIN % "" + RUN, [plus(), echo("two")])
    alone = await done(room)
    for cut in range(2, len(room.journal.events)):
        first = plus()
        again = crew(HEAD + CHAIN % "" + RUN, [first, echo("two")])
        run = await again.resume(room.journal.events[:cut])
        assert run.outputs == alone.outputs
        before = [event for event in room.journal.events[:cut] if event.type == "tool.returned"]
        assert len(first.seen) == (0 if before else 1)


async def test_an_external_step_that_was_cut_is_asked_about_and_one_that_is_done_is_not() -> None:
    text = HEAD + CHAIN % "" + RUN
    room = crew(text, [echo("one", lambda v: v + 1, external=True), echo("two")])
    await done(room)
    called = types(room.journal.events).index("tool.called") + 1
    people = People({"t": {"choice": "again"}})
    for cut, asked in ((called, 1), (called + 1, 0)):
        people.asked.clear()
        tool = echo("one", lambda v: v + 1, external=True)
        again = crew(text, [tool, echo("two")], people=people)
        run = await again.resume(room.journal.events[:cut])
        assert (run.status, len(people.asked), len(tool.seen)) == ("completed", asked, asked)


async def test_a_chain_goes_on_after_an_external_step_that_a_person_says_was_done() -> None:
    text = HEAD + CHAIN % "" + RUN
    room = crew(text, [echo("one", lambda v: v + 1, external=True), echo("two")])
    alone = await done(room)
    called = types(room.journal.events).index("tool.called") + 1
    people = People({"t": {"choice": "done", "form": {"output": 2}}})
    first, second = echo("one", external=True), echo("two")
    again = crew(text, [first, second], people=people)
    run = await again.resume(room.journal.events[:called])
    assert (run.status, run.outputs, len(first.seen), len(second.seen)) == ("completed", alone.outputs, 0, 1)
    assert "'t' was interrupted in step 'first' of the chain 'both'" in people.asked[0].prompt
    events = again.journal.events
    for cut in range(len(events) - 1, called, -1):  # and so whenever a later life is cut off, too
        first, second = echo("one", external=True), echo("two")
        later = await crew(
            text, [first, second], people=People({"t": {"choice": "done", "form": {"output": 2}}})
        ).resume(events[:cut])
        assert (later.status, later.outputs, len(first.seen)) == ("completed", alone.outputs, 0)


async def test_a_retry_of_the_task_does_the_chain_anew_but_not_past_effects_outside_without_consent() -> None:
    for external, retry, times in ((False, "", 2), (True, "", 1), (True, ", retry: {max_attempts: 2}", 2)):
        text = HEAD + CHAIN % "" + "defaults: {retry: {max_attempts: 2}}\n"
        text += f"nodes: {{t: {{chain: both, with: {{x: 1}}{retry}}}}}"
        first = echo("one", lambda v: v + 1)
        await crew(text, [first, echo("two", flaky(1), external=external)]).start()
        assert len(first.seen) == times


@pytest.mark.parametrize("name", ["both", "bth"])
async def test_a_template_may_name_the_chain(name: str) -> None:
    text = HEAD + CHAIN % "" + 'inputs: {name: {type: string}}\nnodes: {t: {chain: "{{ inputs.name }}", with: {x: 1}}}'
    run = await crew(text, [plus(), echo("two")]).start({"name": name})
    if name == "both":
        assert run.status == "completed"
    else:
        assert run.failure is not None
        assert (run.failure.type, run.failure.hint) == ("tool", "did you mean 'both'?")


async def test_a_chain_is_a_tool_of_an_agent() -> None:
    text = HEAD + CHAIN % "" + "nodes: {t: {prompt: Work, agent: a, tools: [both]}}"
    agent = Scripted(calls(("both", {"x": 1}), ("both", {})), lambda r: last(r).text)
    room = crew(text, [plus(), echo("two")], a=agent)
    run = await done(room)
    assert agent.requests[0].tools[0].parameters["required"] == ["x"]
    assert agent.requests[0].tools[0].description == "Does both."
    assert agent.requests[1].messages[-2].text == '{"v": 2, "w": 7}'
    assert "the arguments of 'both' do not fit" in run.outputs["t"]
    inner = [each for each in told(room, "tool.called") if each.get("chain")]
    assert [(each["tool"], each["agent"]) for each in inner] == [("one", "a"), ("two", "a")]


async def test_a_step_that_asks_first_is_asked_for_where_an_agent_calls_the_chain() -> None:
    text = HEAD + CHAIN % "" + "nodes: {t: {prompt: Work, agent: a, tools: [both]}}"
    tools = [echo("one", lambda v: v + 1, confirm=True), echo("two")]
    room = crew(text, tools, people=People(), a=[calls(("both", {"x": 1})), lambda r: last(r).text])
    assert "nobody to ask" in (await done(room)).outputs["t"]
    assert (await done(crew(HEAD + CHAIN % "" + RUN, tools))).outputs["t"] == {"v": 2, "w": 7}


async def test_a_checked_output_of_a_chain() -> None:
    text = HEAD + CHAIN % "" + "nodes: {t: {chain: both, with: {x: 1}, output: {v: {type: string}}}}"
    run = await crew(text, [plus(), echo("two")]).start()
    assert run.failure is not None
    assert run.failure.type == "output"


# ---- chains within chains

NESTED = (
    HEAD
    + """
chains:
  inner:
    inputs: {x: {type: integer}}
    steps: [{tool: one, with: {v: "{{ inputs.x }}"}, as: a}, {tool: two, with: {v: "{{ previous }}"}}]
  outer:
    inputs: {x: {type: integer}}
    steps:
      - {tool: one, with: {v: "{{ inputs.x }}"}}
      - {chain: inner, with: {x: "{{ previous }}"}, as: deep%s}
      - {tool: two, with: {v: "{{ steps.deep }}"}}
"""
)
OUTER = "nodes: {t: {chain: outer, with: {x: 1}}}\n"


async def test_a_step_may_be_a_chain() -> None:
    room = crew(NESTED % "" + OUTER, [plus(), plus("two")])
    assert (await done(room)).outputs["t"] == 5
    assert [(each["chain"], each["step"], each.get("as")) for each in told(room, "tool.called")] == [
        ("outer", 0, None),
        ("inner", "1.0", "a"),
        ("inner", "1.1", None),
        ("outer", 2, None),
    ]


async def test_a_finished_step_of_a_chain_within_a_chain_is_not_done_again_on_resume() -> None:
    room = crew(NESTED % "" + OUTER, [plus(), plus("two")])
    await done(room)
    for cut in range(2, len(room.journal.events)):
        one, two = plus(), plus("two")
        again = crew(NESTED % "" + OUTER, [one, two])
        run = await again.resume(room.journal.events[:cut])
        assert run.outputs["t"] == 5
        returned = types(room.journal.events[:cut]).count("tool.returned")
        assert len(one.seen) + len(two.seen) == 4 - returned


async def test_a_chain_within_a_chain_that_is_done_anew_goes_on_where_it_failed() -> None:
    one, two = plus(), echo("two", flaky(1))
    room = crew(NESTED % ", retry: {max_attempts: 2, delay: 1s}" + OUTER, [one, two])
    assert (await done(room)).outputs["t"] == "at last"
    assert (len(one.seen), len(two.seen)) == (2, 3)


async def test_a_chain_within_a_chain_that_fails_may_give_null() -> None:
    two = echo("two", lambda v: broken_if(v))
    room = crew(NESTED % ", on_error: continue" + OUTER, [plus(), two])
    assert (await done(room)).outputs["t"] == "null it is"
    (passed,) = told(room, "tool.passed")
    assert (passed["tool"], passed["chain"], passed["step"]) == ("inner", "outer", 1)
    cut = types(room.journal.events).index("tool.passed") + 1
    again = crew(NESTED % ", on_error: continue" + OUTER, [plus(), echo("two", lambda v: broken_if(v))])
    assert (await again.resume(room.journal.events[:cut])).outputs["t"] == "null it is"


def broken_if(value: Any) -> str:
    if value is not None:
        raise broken("tool", "no")
    return "null it is"


async def test_an_agent_may_call_a_chain_that_holds_chains() -> None:
    text = NESTED % "" + "nodes: {t: {prompt: Go, agent: a, tools: [outer]}}"
    agent = Scripted(calls(("outer", {"x": 1})), "done")
    people = People({"one": {"approved": True}})
    one = FakeTool("one", lambda v: v + 1, confirm=True)
    room = crew(text, [one, plus("two")], a=agent, people=people)
    await done(room)
    assert last(agent.requests[1]).text == "5"
    assert len(people.asked) == 2  # also for the step within


async def test_a_chain_that_a_template_names_comes_to_itself_in_vain() -> None:
    text = HEAD + 'chains: {c: {inputs: {x: {}}, steps: [{chain: "{{ inputs.x }}", with: {x: c}}]}}\n'
    run = await crew(text + "nodes: {t: {chain: c, with: {x: c}}}").start()
    assert run.failure is not None
    assert (run.failure.type, run.failure.message) == ("tool", "a chain that comes to itself: c → c")
    deep = "chains:\n" + "".join(f"  c{n}: {{steps: [{{chain: \"{{{{ 'c{n + 1}' }}}}\"}}]}}\n" for n in range(20))
    run = await crew(HEAD + deep + "  c20: {steps: [{tool: one}]}\nnodes: {t: {chain: c0}}", [plus()]).start()
    assert run.failure is not None
    assert "deeper than 16" in run.failure.message
