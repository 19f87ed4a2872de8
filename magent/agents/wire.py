"""What a server answers, looked at before its library does: some say 200 and mean an error, or show a page; some are
asked for a stream and give the whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

_ANSWERS = ("choices", "content", "candidates", "output")  # one of them is in every answer that is whole


@dataclass(slots=True)
class Wire:
    """One request as it went: `sent`, and `whole` where JSON came back, which a stream is not, with the tokens that it
    `counted`."""

    sent: bool = False
    whole: bool = False
    counted: tuple[int, int] = (0, 0)


WIRE: ContextVar[Wire | None] = ContextVar("wire", default=None)  # of the request that this task makes


class NoAnswer(Exception):
    """An answer with status 200 that is none: an error in its `body` (with the `code` that it names), or a page."""

    def __init__(self, body: Any, code: int | None) -> None:
        super().__init__("no answer")
        self.body = body
        self.code = code


def listen(provider: Any) -> None:
    """Has the answers of Pydantic AI's provider looked at, where it has a client of its own."""
    client = getattr(provider, "_own_http_client", None)
    if client is not None:
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks.get("request", ()), _sending],
            "response": [*hooks.get("response", ()), _answered],
        }


async def _sending(_request: Any) -> None:
    wire = WIRE.get()
    if wire is not None:
        wire.sent = True


async def _answered(response: Any) -> None:
    """Raises NoAnswer."""
    kind = response.headers.get("content-type", "")
    if not 200 <= response.status_code < 300:
        return
    if "html" in kind:
        await response.aread()
        raise NoAnswer(response.text, 404)
    if "json" not in kind:
        return
    await response.aread()
    body = _parsed(response.text)
    if isinstance(body, Mapping) and body.get("error") and not any(body.get(key) for key in _ANSWERS):
        raise NoAnswer(body, _code(body["error"]))
    wire = WIRE.get()
    if wire is not None:
        wire.whole = True
        wire.counted = _counted(body)


def _parsed(text: str) -> Any:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body[0] if isinstance(body, list) and body else body


def _counted(body: Any) -> tuple[int, int]:
    """What OpenAI's protocol tells of it."""
    usage = body.get("usage") if isinstance(body, Mapping) else None
    found = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")] if isinstance(usage, Mapping) else []
    given, said = (each if isinstance(each, int) else 0 for each in found or (0, 0))
    return given, said


def _code(error: Any) -> int | None:
    """The status that the error would have had, where it says so."""
    found = [error.get(key) for key in ("code", "status")] if isinstance(error, Mapping) else []
    return next((each for each in found if isinstance(each, int) and 400 <= each < 600), None)
