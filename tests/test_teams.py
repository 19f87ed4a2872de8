"""Agents with tools, roles, sessions and chains, through the Python API: streams, budgets, and what is known before."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import magent
from magent.errors import UsageError
from magent.events import Event
from magent.ports import Reply, Request, ToolCall, Usage
from magent.streaming import Pending, Writer

HEAD: dict[str, Any] = {"magent": 1, "name": "work", "tools": {"calculator": {"builtin": "calculator"}}}


def text(path: str, said: str) -> Event:
    return Event(0, 0.0, "text", {"path": path, "text": said})


def named(kind: str) -> Event:
    return Event(1, 0.0, kind, {})


async def unread(*events: Event) -> list[tuple[str, Any]]:
    pending = Pending()
    for event in events:
        pending(event)
    pending.end()
    return [(event.type, event.data.get("text")) async for event in pending.read()]


async def test_a_slow_reader_gets_text_in_one_piece_and_every_event_in_order() -> None:
    events = (named("a"), text("x", "1"), text("y", "8"), text("x", "2"), named("b"), text("x", "3"), named("c"))
    assert await unread(*events) == [
        ("a", None), ("text", "12"), ("text", "8"), ("b", None), ("text", "3"), ("c", None),
    ]  # fmt: skip


async def test_what_is_not_read_does_not_pile_up() -> None:
    pending = Pending()
    for number in range(100_000):
        pending(text(f"branch{number % 3}", "x"))
    assert pending.unread == 3


async def test_what_comes_after_a_text_was_read_is_a_text_of_its_own() -> None:
    pending = Pending()
    pending(text("x", "1"))
    reader = pending.read()
    first = await anext(reader)
    pending(text("x", "2"))
    second = await anext(reader)
    assert (first.data["text"], second.data["text"]) == ("1", "2")


class Endless:
    """Says a word and then nothing; knows whether its request was stopped."""

    stopped = False

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        on_text("word")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        raise AssertionError

    async def close(self) -> None:
        return None


async def test_leaving_a_stream_early_stops_the_request() -> None:
    agent = Endless()
    workflow = magent.load({**HEAD, "agents": {"a": {"model": "local"}}, "nodes": {"t": {"prompt": "x", "agent": "a"}}})
    stream = workflow.stream(store=None, agents={"a": agent})
    async for event in stream:
        if event.type == "text":
            break
    await stream.aclose()  # type: ignore[attr-defined]
    assert agent.stopped


class Calling:
    """Calls the calculator so often, then answers; each time it uses 100 tokens."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked = 0

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        self.asked += 1
        usage = Usage(60, 40, 0.01, 1)
        if self.asked > self.times:
            return Reply("done", usage=usage)
        return Reply("", calls=(ToolCall("1", "calculator", {"expression": "6*7"}),), usage=usage)

    async def close(self) -> None:
        return None


BUDGET = {
    **HEAD,
    "agents": {"a": {"model": "local", "max_tokens": 100}},
    "limits": {"budget": {"tokens": 450}},
    "nodes": {"t": {"prompt": "x", "agent": "a", "tools": ["calculator"]}},
}


def test_each_call_of_the_loop_is_within_the_budget_and_a_raised_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    agent = Calling(9)
    result = magent.run(BUDGET, agents={"a": agent})
    assert (result.exit_code, result.status, agent.asked) == (4, "interrupted", 4)
    more = asyncio.run(magent.resume(result.run_id, agents={"a": Calling(2)}, limits={"tokens": 2000}))
    assert (more.status, more.outputs["t"]) == ("completed", "done")
    assert more.as_json()["tokens"]["input"] == 60 * 7


@pytest.mark.parametrize("bound", [{"max_tokens": "{{ inputs.most }}"}, {"settings": {"max_tokens": 100}}])
def test_a_call_reserves_its_max_tokens_however_they_are_written(bound: dict[str, Any]) -> None:
    asked = {**BUDGET, "inputs": {"most": {"type": "integer"}}, "agents": {"a": {"model": "local", **bound}}}
    agent = Calling(9)
    result = magent.run(asked, {"most": 100}, store=None, agents={"a": agent})
    assert (result.exit_code, agent.asked) == (4, 4)


def test_the_events_of_tools_reach_a_sink() -> None:
    seen: list[Event] = []
    magent.run(BUDGET, store=None, agents={"a": Calling(1)}, on_event=seen.append)
    called = next(event for event in seen if event.type == "tool.called")
    assert called.data["arguments"] == {"expression": "6*7"}
    assert [event.data["output"] for event in seen if event.type == "tool.returned"] == [42]


# ---- what is known before the run

TEAM: dict[str, Any] = {
    **HEAD,
    "agents": {"a": {"replies": ["x"]}, "dear": {"model": "openai:unheard-of", "api_key": "k"}},
    "roles": {
        "lead": {"agent": "a", "can_delegate": True, "skills": ["planning"]},
        "coder": {"agent": "dear", "skills": ["python"]},
    },
}


def refusal(nodes: dict[str, Any], **more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        magent.run({**TEAM, **more, "nodes": nodes}, store=None)
    return str(caught.value)


@pytest.mark.parametrize(
    "task",
    [{"role": "coder"}, {"route": {"skills": ["python"]}}, {"role": "lead"}, {"route": {"prefer": "lead"}}],
    ids=["role", "route", "delegates", "route by words"],
)
def test_a_budget_in_dollars_needs_the_price_of_every_agent_that_may_be_asked(task: dict[str, Any]) -> None:
    said = refusal({"t": {"prompt": "x", **task}}, limits={"budget": {"usd": 1}})
    assert "the price of openai:unheard-of (agent 'dear') is not known" in said


def test_an_agent_that_no_role_reaches_needs_none() -> None:
    roles = {"lead": {"agent": "a", "skills": ["planning"]}}
    nodes = {"t": {"prompt": "x", "role": "lead"}}
    result = magent.run({**TEAM, "roles": roles, "limits": {"budget": {"usd": 1}}, "nodes": nodes}, store=None)
    assert result.status == "completed"


@pytest.mark.parametrize(
    ("nodes", "more"),
    [
        ({"t": {"prompt": "x", "agent": "a", "tools": ["broken"]}}, {}),
        ({"t": {"prompt": "x", "role": "lead"}}, {"roles": {"lead": {"agent": "a", "tools": ["broken"]}}}),
        (
            {"t": {"prompt": "x", "agent": "a"}},
            {"agents": {**TEAM["agents"], "a": {"replies": ["x"], "tools": ["broken"]}}},
        ),
        ({"t": {"chain": "c"}}, {"chains": {"c": {"steps": [{"tool": "broken", "with": {"query": "x"}}]}}}),
        (
            {"t": {"prompt": "x", "agent": "a", "tools": ["c"]}},
            {"chains": {"c": {"steps": [{"tool": "broken", "with": {"query": "x"}}]}}},
        ),
    ],
    ids=["task", "role", "agent", "chain", "chain as a tool"],
)
def test_a_tool_that_cannot_be_made_is_told_before_anything_runs(nodes: dict[str, Any], more: dict[str, Any]) -> None:
    tools = {"broken": {"builtin": "web_search", "provider": "brave", "api_key": "{{ secrets.NO_SUCH_KEY }}"}}
    assert "NO_SUCH_KEY is not set" in refusal(nodes, tools=tools, secrets=["NO_SUCH_KEY"], **more)


# ---- secrets

SECRET = 'pass"wörd/+ 0123456789'
LEAKING: dict[str, Any] = {
    **HEAD,
    "secrets": ["TEAM_SECRET"],
    "inputs": {"x": {"type": "string"}},
    "agents": {
        "boss": {
            "replies": [{"call": "delegate", "with": {"task": "math {{ inputs.x }}"}}, {"reply": "{{ inputs.x }}"}]
        },
        "worker": {"replies": [{"call": "echo", "with": {"text": "{{ inputs.x }}"}}, {"reply": "see {{ inputs.x }}"}]},
    },
    "defaults": {"agent": "boss"},
    "tools": {"echo": {"run": ["printf", "%s", "{{ text }}"], "parameters": {"text": {"type": "string"}}}},
    "roles": {
        "lead": {"agent": "boss", "can_delegate": True, "skills": ["planning"]},
        "mathematician": {"agent": "worker", "skills": ["math"], "tools": ["echo"]},
    },
    "chains": {"c": {"inputs": {"x": {}}, "steps": [{"tool": "echo", "with": {"text": "{{ inputs.x }}"}}]}},
    "nodes": {
        "ask": {"prompt": "plan {{ inputs.x }}", "route": {"prefer": "lead"}, "session": "talk", "next": "go"},
        "go": {"chain": "c", "with": {"x": "{{ inputs.x }}"}},
    },
}


def test_no_secret_is_written_whatever_agents_and_tools_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEAM_SECRET", SECRET)
    seen: list[Event] = []
    coded = base64.b64encode(f"user:{SECRET}".encode()).decode()
    result = magent.run(LEAKING, {"x": f"{SECRET} {quote(SECRET)} {coded}"}, on_event=seen.append)
    assert result.status == "completed", result.error
    assert {"tool.called", "delegation.started", "role.routed"} <= {event.type for event in seen}
    told = "".join(capfd.readouterr()) + json.dumps([event.as_json() for event in seen], ensure_ascii=False)
    written = [told, *(file.read_text("utf-8", "replace") for file in tmp_path.rglob("*") if file.is_file())]
    assert len(written) > 4
    for form in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], quote(SECRET), coded):
        assert not any(form in text for text in written), form


def test_a_reader_that_stalls_holds_up_its_writer_alone() -> None:
    """Whoever tells goes on at once; what streams meanwhile is put together; in the end all of it is there."""
    reading, began, written = threading.Event(), threading.Event(), list[tuple[str, Any]]()

    def write(event: Event) -> None:
        began.set()
        reading.wait()
        written.append((event.type, event.data.get("text")))

    writer = Writer(write)
    writer(Event(1, 0.0, "visit.started", {"path": "a"}))
    assert began.wait(5)
    for number in range(1000):
        writer(Event(0, 0.0, "text", {"path": "a", "text": f"{number} "}))
    writer(Event(2, 0.0, "visit.completed", {"path": "a"}))
    assert written == []
    reading.set()
    writer.end()
    text = "".join(f"{number} " for number in range(1000))
    assert written == [("visit.started", None), ("text", text), ("visit.completed", None)]


def test_a_writer_that_was_told_nothing_ends_at_once() -> None:
    Writer(print).end()
