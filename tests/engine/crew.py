"""Agents and tools for tests: they do as they are told, and keep what they were asked and called with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from magent.events import Event, Failure, WorkFailed
from magent.ports import Message, Reply, Request, ToolCall, ToolContext, Usage
from tests.build import Lab
from tests.engine.language import lab

OBJECT = {"type": "object"}


def calls(*wanted: tuple[str, Any], text: str = "") -> Reply:
    """A reply that calls tools: `calls(("add", {"a": 1}))`."""
    made = tuple(ToolCall(f"id{place}", name, arguments) for place, (name, arguments) in enumerate(wanted))
    return Reply(text, calls=made, usage=Usage(10, 5, 0.001, 1))


def broken(kind: str, message: str = "it broke") -> WorkFailed:
    return WorkFailed(Failure(kind, message))


class Scripted:
    """Gives its replies in order; the last one again and again. A reply is text, data, a Reply, a failure to raise, or
    a function of the request that gives one of these."""

    def __init__(self, *replies: Any) -> None:
        self.replies = replies
        self.requests: list[Request] = []

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        self.requests.append(request)
        reply = self.replies[min(len(self.requests), len(self.replies)) - 1]
        if callable(reply):
            reply = reply(request)
            reply = await reply if inspect.isawaitable(reply) else reply
        if isinstance(reply, WorkFailed):
            raise reply
        if isinstance(reply, Reply):
            return reply
        if isinstance(reply, str):
            on_text(reply)
            return Reply(reply, usage=Usage(10, 5, 0.001, 1))
        return Reply("", reply, True, Usage(10, 5, 0.001, 1))

    async def close(self) -> None:
        return None


class FakeTool:
    """Calls a function with the arguments; keeps them."""

    def __init__(
        self,
        name: str,
        function: Callable[..., Any] = lambda **_: "done",
        parameters: Mapping[str, Any] = OBJECT,
        *,
        external: bool = False,
        confirm: bool = False,
    ) -> None:
        self.name = name
        self.description = f"What {name} does."
        self.parameters = parameters
        self.external = external
        self.confirm = confirm
        self.function = function
        self.seen: list[Mapping[str, Any]] = []

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> Any:
        self.seen.append(arguments)
        result = self.function(**arguments)
        return await result if inspect.isawaitable(result) else result


def crew(text: str, tools: Any = (), *, people: Any = None, **agents: Any) -> Lab:
    """A lab with these agents (by name; a list or text is a script) and tools, which the YAML declares."""
    made = {name: given if hasattr(given, "ask") else Scripted(*_listed(given)) for name, given in agents.items()}
    known = {tool.name: tool for tool in tools}

    def agent(_graph: Any, name: str) -> Any:
        if name not in made:
            raise WorkFailed(Failure("agent", f"no agent is named '{name}'"))
        return made[name]

    async def tool(_graph: Any, name: str) -> Any:
        if name not in known:
            raise WorkFailed(Failure("tool", f"no tool is named '{name}'"))
        return known[name]

    more = {} if people is None else {"human": people}
    return lab(text, agents=agent, tools=tool, **more)


def _listed(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


def told(room: Lab, *types: str) -> list[dict[str, Any]]:
    """The data of the events of these types, or whose types begin so."""
    return [{"type": event.type, **event.data} for event in room.journal.events if event.type.startswith(types)]


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def last(request: Request) -> Message:
    return request.messages[-1]
