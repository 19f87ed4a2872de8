"""An agent that is a Python function: `(prompt, context)` → text or a mapping, sync (in a thread) or async.

`context` holds the `tools` that it may call (name, description, parameters), `results`, the texts that its calls gave,
and all `messages`. It calls tools by giving `{"call": "calculator", "with": {"expression": "6*7"}}`, or several in a
list under `calls`, with a `text` beside them if it likes; it is then asked again, with the results.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from magent.agents.base import BaseAgent, OnText, failed, reply_with
from magent.agents.calls import results, tool_calls, written_calls
from magent.events import WorkFailed
from magent.foreign import called
from magent.functions import FunctionNotFound, load_function
from magent.ports import Message, Reply, Request, Usage

_FREE = Usage(cost=0.0, requests=1)
_CALL = {"call", "with", "text"}


class FunctionAgent(BaseAgent):
    """`prompt` is the latest message (a repair says what was wrong); `context` holds what else is known."""

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        target = self.settings["call"]
        function = await asyncio.to_thread(self._load, target)
        try:
            value = await called(function, request.messages[-1].text, context_of(request))
        except WorkFailed:
            raise
        except (Exception, SystemExit) as error:
            raise failed(f"{target} failed: {type(error).__name__}: {error}") from error
        reply = self._reply(target, value, request)
        if reply.text:
            on_text(reply.text)
        return reply

    async def reach(self, online: bool) -> str:  # noqa: ARG002
        await asyncio.to_thread(self._load, self.settings["call"])
        return "the function is there"

    def _load(self, target: str) -> Callable[..., Any]:
        try:
            return load_function(target, self.home)
        except FunctionNotFound as error:
            raise failed(error.message, error.hint, final=True) from error

    def _reply(self, target: str, value: Any, request: Request) -> Reply:
        try:
            plain = value if isinstance(value, str) else json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            kind = type(value).__name__
            raise failed(
                f"{target} returned a {kind} that is not JSON: {error}", "return text or plain data"
            ) from error
        return _calling(target, plain, request) or reply_with(plain, request.schema, _FREE, target)


def _calling(target: str, value: Any, request: Request) -> Reply | None:
    """The reply that calls tools. None where the value is an answer: without tools every mapping is one."""
    if not request.tools or not isinstance(value, dict):
        return None
    if not (("calls" in value and value.keys() <= {"calls", "text"}) or ("call" in value and value.keys() <= _CALL)):
        return None
    try:
        written = written_calls(value)
    except ValueError as error:
        raise failed(f"{target} returned a call that is none: {error}") from error
    calls = tool_calls(written or (), request.tools, request.messages)
    return Reply(str(value.get("text") or ""), usage=_FREE, model=target, calls=calls)


def context_of(request: Request) -> dict[str, Any]:
    return {
        **request.context,
        "prompt": request.prompt,
        "system": request.system,
        "schema": request.schema,
        "messages": [_shown(message) for message in request.messages],
        "tools": [
            {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
            for tool in request.tools
        ],
        "results": results(request.messages),
        "path": request.path,
        "key": request.key,
    }


def _shown(message: Message) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message.role, "text": message.text}
    if message.calls:
        shown["calls"] = [{"id": call.id, "call": call.name, "with": call.arguments} for call in message.calls]
    if message.role == "tool":
        shown |= {"id": message.call_id, "call": message.name}
    return shown
