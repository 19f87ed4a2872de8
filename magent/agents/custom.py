"""Agents of other packages: named by an entry point of the group `magent.agents` (`model: "house:large"` where it is
called `house`), by `module:name`, or handed over by a program.

What is named is a class with the methods of `ports.Agent`, or a function that makes one. It is made with as many as it
takes of: the agent's `AgentSpec`, its settings, an `AgentEnvironment`.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from magent import entries
from magent.agents.base import AgentEnvironment, BaseAgent, OnText, failed, reply_with
from magent.events import WorkFailed
from magent.foreign import called, closed, is_async, raised
from magent.functions import FunctionNotFound, load_function
from magent.model import AgentSpec
from magent.ports import Prepares, Reachable, Remembers, Reply, Request, ToolCall, Usage

_HINT = "magent.ports.Agent says what an agent has"
_UNKNOWN = Usage(requests=1)  # what was spent is not known, unless the agent says so


class CustomAgent(BaseAgent):
    """Somebody else's agent, in the place of one of magent's own: what it raises is a failure of the call, and its
    `timeout` is kept. Raises WorkFailed where it is none."""

    def __init__(
        self, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment, made: Any, *, closes: bool
    ) -> None:
        super().__init__(spec, settings, environment)
        self._agent = made
        self._closes = closes
        if not callable(getattr(made, "ask", None)):
            raise failed(f"agent '{spec.name}' is none: {type(made).__name__} has no `ask`", _HINT)

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        request.meter.read = lambda: _UNKNOWN
        reply = await self._guarded(self._agent.ask, request, on_text)
        return self._sound(reply) if isinstance(reply, Reply) else self._reply(reply, request)

    async def prepare(self) -> None:
        if isinstance(self._agent, Prepares):
            await self._guarded(self._agent.prepare)

    async def reach(self, online: bool) -> str:
        if not isinstance(self._agent, Reachable):
            return "it is made"
        return str(await self._guarded(self._agent.reach, online))

    def recall(self, mark: Any) -> None:
        if isinstance(self._agent, Remembers):
            self._agent.recall(mark)

    async def close(self) -> None:
        if self._closes:
            await closed(self._agent)

    async def _guarded(self, method: Callable[..., Any], *given: Any) -> Any:
        """What the method gives, which need not be async. Raises WorkFailed for whatever it raises."""
        try:
            return await called(method, *(given if is_async(method) else map(_from_a_thread, given)))
        except (WorkFailed, TimeoutError):
            raise
        except (Exception, SystemExit) as error:
            told = raised(f"agent '{self.name}'", error)
            raise failed(told, data={"exception": type(error).__name__}) from error

    def _reply(self, value: Any, request: Request) -> Reply:
        """Of an agent that gives text or plain data."""
        return reply_with(self._json(value, "an answer"), request.schema, _UNKNOWN, self.name)

    def _sound(self, reply: Reply) -> Reply:
        """The reply, if it can be recorded."""
        parts: tuple[tuple[Any, type], ...] = ((reply.text, str), (reply.usage, Usage))
        parts += tuple((call, ToolCall) for call in reply.calls)
        if not all(isinstance(part, kind) for part, kind in parts):
            raise failed(f"agent '{self.name}' gave a Reply that is none: {reply!r:.200}", _HINT)
        for name in ("data", "mark", "opaque"):
            self._json(getattr(reply, name), f"`{name}`")
        return reply

    def _json(self, value: Any, what: str) -> Any:
        try:
            return json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            kind = type(value).__name__
            raise failed(
                f"agent '{self.name}' gave {what} of type {kind} that is not JSON: {error}", "give text or plain data"
            ) from error


def _from_a_thread(given: Any) -> Any:
    """A function that hands text on, as a thread may call it."""
    if not callable(given):
        return given
    loop = asyncio.get_running_loop()
    return lambda text: loop.call_soon_threadsafe(given, text)


def custom(named: Any, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> CustomAgent:
    """The agent that a class or a function makes. Raises WorkFailed."""
    return CustomAgent(spec, settings, environment, _made(named, spec, settings, environment), closes=True)


def handed(made: Any, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> CustomAgent:
    """An agent that a program hands over, which is the program's to close. Raises WorkFailed."""
    return CustomAgent(spec, settings, environment, made, closes=False)


def _made(named: Any, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> Any:
    if not callable(named) or (not inspect.isclass(named) and hasattr(named, "ask")):
        return named
    given = (spec, settings, environment)
    try:
        return named(*given[: _taken(named)])
    except WorkFailed:
        raise
    except Exception as error:
        raise failed(f"agent '{spec.name}' cannot be made: {type(error).__name__}: {error}", _HINT) from error


def _taken(maker: Any) -> int:
    """How many of three things it can be made with, in their order."""
    try:
        signature = inspect.signature(maker)
    except (TypeError, ValueError):
        return 3
    for count in (3, 2, 1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    return 0


def member(target: str, spec: AgentSpec) -> Any:
    """What `module:name` means, seen from the file that says it. Raises WorkFailed."""
    try:
        return load_function(target, spec.home)
    except FunctionNotFound as error:
        raise failed(error.message, error.hint) from error


def entry_point(name: str, spec: AgentSpec) -> Any:
    """What an installed package offers under the name; None where none does. Raises WorkFailed."""
    try:
        return entries.load_entry(entries.AGENTS, name, f"agent '{spec.name}'")
    except FunctionNotFound as error:
        raise failed(error.message, error.hint) from error
