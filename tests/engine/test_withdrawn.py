"""What has streamed of an answer that turns out to be none is withdrawn, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from magent.events import WorkFailed
from magent.ports import Reply, Request
from tests.engine.crew import Scripted, broken, calls, crew
from tests.engine.test_turns import Hours
from tests.fakes import ListSink

ONE = "agents: {a: {replies: [x], fallback: [b]}, b: {replies: [y]}}\nnodes: {n: {prompt: hi, agent: a%s}}\n"


class Breaks(Scripted):
    """Says something, and then does not answer."""

    def __init__(self, text: str, error: WorkFailed | Callable[[], Any]) -> None:
        super().__init__("")
        self.text, self.error = text, error

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        if self.text:
            on_text(self.text)
        if isinstance(self.error, WorkFailed):
            raise self.error
        await self.error()
        return await super().ask(request, on_text)


async def seen(text: str, **agents: Any) -> list[dict[str, Any]]:
    sink = ListSink()
    room = crew(text, **agents)
    room.recording["sinks"] = (sink,)
    driver = room.driver

    def with_text(run: Any) -> Any:
        made = driver(run)
        made.services.on_text = made.text
        return made

    room.driver = with_text  # type: ignore[method-assign]
    await room.start()
    return [
        {"type": event.type, **event.data} for event in sink if event.type.startswith(("text", "agent.", "visit.r"))
    ]


async def test_before_the_next_agent_is_asked() -> None:
    told = await seen(ONE % "", a=Breaks("Hel", broken("agent")), b="Hello")
    assert [(each["type"], each.get("text")) for each in told] == [
        ("text", "Hel"),
        ("text.withdrawn", None),
        ("agent.fallback", None),
        ("text", "Hello"),
    ]
    assert told[1] == {"type": "text.withdrawn", "path": "n", "agent": "a"}


async def test_nothing_is_withdrawn_where_nothing_was_shown_or_tools_are_called() -> None:
    told = await seen(ONE % "", a=Breaks("", broken("agent")), b=[calls(("nobody", {}), text="Well."), "Hello"])
    assert "text.withdrawn" not in [each["type"] for each in told]


async def test_an_answer_that_does_not_fit_is_told_as_json() -> None:
    told = await seen(ONE % ", output: {score: {type: integer}}", a=["none", '{"score": 1}'], b="")
    assert [each["type"] for each in told] == ["text", "text.withdrawn", "agent.replied", "text"]
    assert told[1]["structured"] is True


async def test_also_where_the_tasks_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours(monkeypatch)
    text = (ONE % ", timeout: 5s, retry: {max_attempts: 2}").replace(", fallback: [b]", "")
    told = await seen(text, a=Breaks("Hel", hours.later))
    assert [each["type"] for each in told] == ["text", "text.withdrawn", "visit.retry", "text", "text.withdrawn"]
