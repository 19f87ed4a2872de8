"""Sessions: conversations that are kept over visits and tasks, and survive a resume."""

from __future__ import annotations

from typing import Any

from magent.engine import sessions
from magent.engine.snapshot import from_json, to_json
from magent.ports import Request
from tests.build import Lab
from tests.engine.crew import FakeTool, Scripted, broken, calls, crew, last
from tests.engine.language import People, assert_replayable, refolded

HEAD = "agents: {a: {model: local}, b: {model: local}}\ntools: {add: {call: 'm:f'}}\n"


async def done(room: Lab) -> Any:
    run = await room.start()
    assert run.status == "completed", run.failure
    assert_replayable(room, run)
    return run


def seen(request: Request) -> list[str]:
    return [f"{message.role[0]}:{message.text}" for message in request.messages]


TWO = (
    HEAD
    + """
nodes:
  t: {prompt: First, agent: a, session: talk, tools: [add], next: u}
  u: {prompt: Second, agent: b, session: talk}
"""
)


async def test_a_later_task_goes_on_with_the_conversation_whoever_speaks_in_it() -> None:
    second = Scripted("two")
    await done(crew(TWO, [FakeTool("add")], a="one", b=second))
    assert seen(second.requests[0]) == ["u:First", "a:one", "u:Second"]


async def test_an_agent_without_tools_is_not_shown_the_calls_of_others() -> None:
    second = Scripted("two")
    room = crew(TWO, [FakeTool("add", lambda: 3)], a=[calls(("add", {}), text="let me"), "one"], b=second)
    run = await done(room)
    assert seen(second.requests[0]) == ["u:First", "a:let me\n\none", "u:Second"]
    assert [each["role"] for each in run.root.sessions["talk"]] == [
        "user", "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip


async def test_one_with_tools_sees_them_with_their_results() -> None:
    text = TWO.replace("session: talk}", "session: talk, tools: [add]}")
    second = Scripted("two")
    await done(crew(text, [FakeTool("add", lambda: 3)], a=[calls(("add", {})), "one"], b=second))
    assert seen(second.requests[0]) == ["u:First", "a:", "t:3", "a:one", "u:Second"]
    assert second.requests[0].messages[1].calls[0].name == "add"


async def test_the_rounds_of_a_loop_go_on_with_one_conversation() -> None:
    text = (
        HEAD
        + """
nodes:
  each: {type: loop, for_each: [x, y], body: say, next: after}
  say: {prompt: "{{ item }}", agent: a, session: talk}
  after: {prompt: z, agent: a, session: talk}
"""
    )
    agent = Scripted(lambda r: last(r).text.upper())
    await done(crew(text, a=agent))
    assert seen(agent.requests[-1]) == ["u:x", "a:X", "u:y", "a:Y", "u:z"]


async def test_a_branch_goes_on_from_the_fork_and_keeps_what_it_adds_to_itself() -> None:
    text = (
        HEAD
        + """
nodes:
  first: {prompt: f, agent: a, session: talk, next: fan}
  fan: {type: parallel, branches: [l, r], next: after}
  l: {prompt: l, agent: a, session: talk}
  r: {prompt: r, agent: a, session: talk}
  after: {prompt: z, agent: a, session: talk}
"""
    )
    agent = Scripted(lambda r: last(r).text.upper())
    await done(crew(text, a=agent))
    asked = {seen(request)[-1]: seen(request)[:-1] for request in agent.requests}
    assert asked == {"u:f": [], "u:l": ["u:f", "a:F"], "u:r": ["u:f", "a:F"], "u:z": ["u:f", "a:F"]}


async def test_a_subgraph_has_its_own() -> None:
    text = (
        HEAD
        + """
nodes:
  first: {prompt: f, agent: a, session: talk, next: sub}
  sub: {type: subgraph, uses: inner}
subgraphs: {inner: {nodes: {i: {prompt: i, agent: a, session: talk}}}}
"""
    )
    agent = Scripted("x")
    await done(crew(text, a=agent))
    assert seen(agent.requests[1]) == ["u:i"]


async def test_a_failed_attempt_and_a_failed_visit_leave_no_trace() -> None:
    text = (
        HEAD
        + """
nodes:
  t: {prompt: First, agent: a, session: talk, retry: {max_attempts: 2, delay: 0}, next: u}
  u: {prompt: Second, agent: a, session: talk, on_error: continue, next: v}
  v: {prompt: Third, agent: b, session: talk}
"""
    )
    third = Scripted("three")
    first = Scripted(broken("agent"), "one", broken("agent"))
    await done(crew(text, a=first, b=third))
    assert seen(third.requests[0]) == ["u:First", "a:one", "u:Third"]


async def test_repairs_are_not_kept() -> None:
    text = TWO.replace("tools: [add]", "output: {n: {type: integer}}")
    second = Scripted("two")
    await done(crew(text, a=[{"n": "x"}, {"n": 1}], b=second))
    assert seen(second.requests[0]) == ["u:First", 'a:{"n": 1}', "u:Second"]


async def test_a_conversation_survives_resume_and_checkpoints() -> None:
    room = crew(TWO, [FakeTool("add")], a="one", b="two")
    alone = await done(room)
    for cut in range(2, len(room.journal.events)):
        kept = room.journal.events[:cut]
        again = crew(TWO, [FakeTool("add")], a="one", b="two")
        run = await again.resume(kept)
        assert run.root.sessions == alone.root.sessions
        folded = to_json(refolded(room, kept))
        assert to_json(from_json(room.workflow, folded)) == folded


async def test_a_chat_over_visits_with_a_person() -> None:
    text = (
        HEAD
        + """
nodes:
  ask: {type: human_input, input: feedback, prompt: You?, next: say}
  say: {prompt: "{{ state.ask.text }}", agent: a, session: chat, next: [{loop_back: ask, max: 2}, {to: end}]}
"""
    )
    agent = Scripted(lambda r: str(len(r.messages)))
    people = People({"ask": [{"text": "one"}, {"text": "two"}, {"text": "three"}]})
    run = await done(crew(text, people=people, a=agent))
    assert seen(agent.requests[-1]) == ["u:one", "a:1", "u:two", "a:3", "u:three"]
    assert run.outputs["say"] == "5"


async def test_an_agent_that_fails_with_a_long_session_says_so() -> None:
    room = crew(TWO, [FakeTool("add")], a="one", b=broken("agent", "too long"))
    run = await room.start()
    assert run.failure is not None
    assert run.failure.message == "too long (the session 'talk' went before: 2 messages, 8 characters)"


async def test_a_session_does_not_grow_without_end() -> None:
    room = crew(TWO, [FakeTool("add")], a="x" * (sessions.LONGEST + 1), b="two")
    run = await room.start()
    assert run.failure is not None
    assert "has grown to" in run.failure.message
