"""An agent that is a Python function: `(prompt, context)` → text or a mapping, sync (in a thread) or async."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

from magent.agents.base import BaseAgent, OnText, failed, reply_with
from magent.events import WorkFailed
from magent.functions import FunctionNotFound, load_function
from magent.ports import Reply, Request, Usage

_FREE = Usage(cost=0.0, requests=1)


class FunctionAgent(BaseAgent):
    """`prompt` is the latest message (a repair says what was wrong); `context` holds what else is known."""

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        target = self.settings["call"]
        function = await asyncio.to_thread(self._load, target)
        try:
            value = await _call(function, request.messages[-1].text, context_of(request))
        except WorkFailed:
            raise
        except (Exception, SystemExit) as error:
            raise failed(f"{target} failed: {type(error).__name__}: {error}") from error
        reply = self._reply(target, value, request)
        on_text(reply.text)
        return reply

    def _load(self, target: str) -> Callable[..., Any]:
        try:
            return load_function(target, self.home)
        except FunctionNotFound as error:
            raise failed(error.message, error.hint) from error

    def _reply(self, target: str, value: Any, request: Request) -> Reply:
        try:
            plain = value if isinstance(value, str) else json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            kind = type(value).__name__
            raise failed(
                f"{target} returned a {kind} that is not JSON: {error}", "return text or plain data"
            ) from error
        return reply_with(plain, request.schema, _FREE, target)


def context_of(request: Request) -> dict[str, Any]:
    return {
        **request.context,
        "prompt": request.prompt,
        "system": request.system,
        "schema": request.schema,
        "messages": [{"role": message.role, "text": message.text} for message in request.messages],
        "path": request.path,
        "key": request.key,
    }


async def _call(function: Callable[..., Any], prompt: str, context: dict[str, Any]) -> Any:
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return await function(prompt, context)
    value = await asyncio.to_thread(function, prompt, context)
    return await value if inspect.isawaitable(value) else value
