"""What a provider's refusal means, and what to do: errors of Pydantic AI made into failures for people."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from magent.agents.base import failed
from magent.events import WorkFailed

_SAID = 600  # characters of what a server said that are shown


def explain(error: Exception, agent: str, model_id: str, place: str, key: str) -> WorkFailed:
    """The failure that stands for `error`. The key never shows in it."""
    said = _said(error)
    said = said.replace(key, "***") if len(key) > 3 else said
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(status, said[:_SAID], error, agent, model_id, place)
    names = [type(each).__name__ for each in _chain(error)]
    where = _address(place)
    if any("Timeout" in name for name in names):
        return failed(f"{where} did not answer in time ({model_id})", "raise `timeout`, or try again", kind="timeout")
    if any("ConnectError" in name for name in names) or getattr(error, "phase", None) == "connect":
        return failed(f"{where} cannot be reached: {_root(error)}", f"is it running? see `base_url` of agent '{agent}'")
    if any(sign in name for name in names for sign in ("Connection", "Protocol", "ReadError", "Transport")):
        return failed(f"{where} broke off in the middle of an answer: {said[:_SAID]}", "try again")
    return failed(f"{model_id} gave no answer that can be read: {type(error).__name__}: {said[:_SAID]}")


def _by_status(status: int, said: str, error: Exception, agent: str, model_id: str, place: str) -> WorkFailed:
    who = f"{_address(place)} refused the request of agent '{agent}' ({status}): {said}"
    if status == 429:
        wait = _retry_after(error)
        hint = "wait, or ask less at once (`max_concurrency`)" if wait is None else f"it asks to wait {wait:g} seconds"
        return failed(who, hint, kind="rate_limit", retry_after=wait)
    if status in (401, 403):
        return failed(who, "the key is missing, wrong, or may not use this model: see `api_key`, or the key's variable")
    if status == 404:
        return failed(
            who,
            f"is '{model_id.partition(':')[2]}' the model's name there, and `base_url` right (it often ends in /v1)?",
        )
    if status in (408, 504):
        return failed(who, "try again, or raise `timeout`", kind="timeout")
    if status >= 500:
        return failed(f"{_address(place)} failed ({status}): {said}", "the fault is the server's: try again later")
    return failed(who, "the request itself is not to its liking: see the agent's settings, the prompt and `output`")


def _said(error: Exception) -> str:
    """The server's own sentence, found in the body where there is one."""
    body: Any = getattr(error, "body", None)
    for _ in range(3):
        if isinstance(body, list) and body:
            body = body[0]
        if not isinstance(body, Mapping):
            break
        if isinstance(body.get("message"), str):
            return str(body["message"])
        body = body.get("error", body.get("detail"))
    if isinstance(body, str) and body.strip():
        return body.strip()
    return str(getattr(error, "message", "") or error)


def _retry_after(error: Exception) -> float | None:
    """Seconds, from the error or the header, which may hold a date."""
    known = getattr(error, "retry_after", None)
    if isinstance(known, (int, float)):
        return float(known)
    given = (getattr(error, "headers", None) or {}).get("retry-after", "")
    try:
        return max(0.0, float(given))
    except ValueError:
        parsed = email.utils.parsedate_to_datetime(given) if given else None
        return max(0.0, parsed.timestamp() - time.time()) if parsed else None


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in found:
        found.append(at)
        at = at.__cause__ or at.__context__
    return found


def _root(error: BaseException) -> str:
    """What the system said of it: without its number, and without the address, which is told already."""
    said = re.sub(r"^\[Errno -?\d+\] ", "", str(_chain(error)[-1]))
    return "connection refused" if said.startswith("Connect call failed") else said or type(error).__name__


def _address(place: str) -> str:
    """`host:port` of a URL; other text as it is."""
    return urlsplit(place).netloc.rpartition("@")[2] or place
