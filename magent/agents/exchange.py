"""One question to a model, and what comes back: streamed where the server streams, counted also where it breaks off."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.agents.base import OnText, failed
from magent.agents.parts import text_of
from magent.agents.wire import WIRE, Wire
from magent.ports import Request, Usage

Cost = Callable[[int, int, Any], "float | None"]  # of so many tokens; with the response, as far as it has come
_BYTES = 4  # of text in a token, roughly


@dataclass(slots=True)
class Exchange:
    """`place` is the server as people know it; `cost` tells dollars."""

    model: Any  # Pydantic AI's
    request: Request
    on_text: OnText
    messages: Sequence[Any]
    asked: Mapping[str, Any]
    place: str
    cost: Cost
    wire: Wire = field(default_factory=Wire)
    _stream: Any = None
    _whole: Any = None
    _before: tuple[int, int] = (0, 0)  # what the question took that was answered whole, though it asked for a stream

    def __post_init__(self) -> None:
        self.request.meter.read = self.usage
        WIRE.set(self.wire)

    async def streamed(self) -> Any:
        """The response, its text handed on as it came; None where the server does not stream. Raises what Pydantic AI
        does, and WorkFailed where it breaks off without a word."""
        from pydantic_ai import direct
        from pydantic_ai.exceptions import UnexpectedModelBehavior

        try:
            async with direct.model_request_stream(self.model, self.messages, **self.asked) as self._stream:
                async for event in self._stream:
                    if text := _text(event):
                        self.on_text(text)
        except UnexpectedModelBehavior:
            if not self.wire.whole:
                raise
        if self.wire.whole:
            self._before = self.wire.counted
            return None
        response = self._stream.get()
        if not _ended(response, self.model):
            raise failed(f"{self.place} broke off in the middle of an answer", "try again")
        return response

    async def whole(self) -> Any:
        """The response, asked for in one piece."""
        from pydantic_ai import direct

        self._whole = await direct.model_request(self.model, self.messages, **self.asked)
        if text := text_of(self._whole):
            self.on_text(text)
        return self._whole

    def usage(self) -> Usage | None:
        """What was used up to now; reckoned from the text where nobody has counted. None: nothing that is known of."""
        response = self._whole if self._whole is not None else None if self._stream is None else self._stream.get()
        if response is None and not self.wire.sent:
            return None
        given, said = (0, 0) if response is None else (response.usage.input_tokens, response.usage.output_tokens)
        counted = (given, said)
        given = given or _tokens(_asked(self.request))
        if response is not None and (response.state != "complete" or not any(counted)):
            said = max(said, _tokens("".join(_words(part) for part in response.parts)))
        estimated, requests = (given, said) != counted, 1 + any(self._before)
        given, said = given + self._before[0], said + self._before[1]
        return Usage(given, said, self.cost(given, said, response), requests, estimated)

    def refused(self) -> None:
        """The server did not take the request: nothing was spent on it."""
        self.wire.sent = False


def _text(event: Any) -> str:
    """What an event of the stream adds to the text of the answer."""
    from pydantic_ai import messages as parts

    if isinstance(event, parts.PartStartEvent) and isinstance(event.part, parts.TextPart):
        return event.part.content
    if isinstance(event, parts.PartDeltaEvent) and isinstance(event.delta, parts.TextPartDelta):
        return event.delta.content_delta
    return ""


def _ended(response: Any, model: Any) -> bool:
    """The server said that it was done. For OpenAI's protocol Pydantic AI fills in a `stop` of its own, but not in what
    the provider said; servers that never say why they stop may count tokens in the end."""
    if "finish_reason" in (response.provider_details or {}) or response.finish_reason == "content_filter":
        return True
    if any(each.__name__ == "OpenAIChatModel" for each in type(model).__mro__):
        return bool(response.usage.output_tokens)
    return response.finish_reason is not None


def _asked(request: Request) -> str:
    """All that the model is sent."""
    said = [request.system or "", *(message.text for message in request.messages)]
    said += [json.dumps(call.arguments) for message in request.messages for call in message.calls]
    said += [json.dumps([tool.name, tool.description, dict(tool.parameters)]) for tool in request.tools]
    return "".join(said) + (json.dumps(dict(request.schema)) if request.schema is not None else "")


def _words(part: Any) -> str:
    """What a part of an answer says: text, thoughts, the arguments of a call."""
    said = getattr(part, "content", None) or getattr(part, "args", None) or ""
    return said if isinstance(said, str) else json.dumps(said, default=str)


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // _BYTES)
