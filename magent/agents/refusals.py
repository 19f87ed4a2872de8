"""What a provider's refusal means, and what to do: errors of Pydantic AI made into failures for people."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from magent.agents.base import failed
from magent.agents.wire import NoAnswer
from magent.events import WorkFailed
from magent.keys import GUARD

_SAID = 600  # characters of what a server said that are shown
_PASSES = frozenset((408, 409, 425, 429))  # of the refusals: what may be granted when asked again
_BUSY = (502, 503, 529)
_IN = re.compile(r"(?i)(?:try again|retry)(?: your request)? (?:in|after) ((?:[\d.]+ ?(?:ms|h|m|s)[a-z]* ?)+)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PIECE = re.compile(r"([\d.]+) ?(ms|h|m|s)")
_RESETS = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_LEFT = ("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens")
_UNTIL = ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-tokens-reset")
_UNWILLING = (400, 405, 406, 415, 422, 501)
_STREAM = re.compile(r"(?i)\bstream(s|ed|ing)?\b")
_TOOLS = re.compile(r"(?i)\btools?\b.*\b(un|not )support|\bnot support\b.*\btool|\btool.choice\b.*\brequires\b")
_FORM = re.compile(r"(?i)response.?(format|schema)|json.?schema|structured.?output|output.?(format|config|schema)")
_TAG = re.compile(r"(?s)<(script|style|head)\b.*?</\1>|<[^>]*>")
_NEVER = ("insufficient_quota", "billing_hard_limit_reached", "credit balance is too low")


def explain(error: Exception, agent: str, model_id: str, place: str, key: str) -> WorkFailed:
    """The failure that stands for `error`. The key never shows in it."""
    chain = _chain(error)
    odd = next((each for each in chain if isinstance(each, NoAnswer)), None)
    said = _said(odd or error)
    said = GUARD.hide(said.replace(key, "***") if len(key) > 3 else said)[:_SAID]
    status = odd.code if odd is not None else getattr(error, "status_code", None)
    if isinstance(status, int):
        return _by_status(status, said, error, agent, model_id, place)
    names = [type(each).__name__ for each in chain]
    where = address(place)
    if odd is not None:
        return failed(f"{where} answered with an error: {said}", "the fault is the server's: try again later")
    if any("Timeout" in name for name in names):
        return failed(f"{where} did not answer in time ({model_id})", "raise `timeout`, or try again", kind="timeout")
    if any("ConnectError" in name for name in names) or getattr(error, "phase", None) == "connect":
        return failed(f"{where} cannot be reached: {_root(error)}", f"is it running? see `base_url` of agent '{agent}'")
    if any(sign in name for name in names for sign in ("Connection", "Protocol", "ReadError", "Transport")):
        return failed(f"{where} broke off in the middle of an answer: {said}", "try again")
    if "JSONDecodeError" in names or "UnicodeDecodeError" in names:
        return failed(f"{where} sent an answer that is garbled: {_root(error)}", "try again")
    return failed(f"{model_id} gave no answer that can be read: {said}", "try again; does it speak this protocol?")


def was_refused(error: Exception) -> bool:
    """Whether the request came to nothing before the model began: nothing was spent on it."""
    known = isinstance(getattr(error, "status_code", None), int) and not getattr(error, "in_stream", False)
    unsent = getattr(error, "phase", None) in ("connect", "pool", "write")
    return known or unsent or any(isinstance(each, NoAnswer) for each in _chain(error))


def refuses_to_stream(error: Exception) -> bool:
    """Whether the server says that it does not stream, or not this."""
    return getattr(error, "status_code", None) in _UNWILLING and _STREAM.search(_said(error)) is not None


def refuses_form(error: Exception) -> bool:
    """Whether the server says that it takes no schema for its answer."""
    return getattr(error, "status_code", None) in _UNWILLING and _FORM.search(_said(error)) is not None


def refuses_tools(error: Exception) -> bool:
    """Whether the server says that its model calls no tools, or that it was started without."""
    return getattr(error, "status_code", None) in _UNWILLING and _TOOLS.search(_said(error)) is not None


def _by_status(status: int, said: str, error: Exception, agent: str, model_id: str, place: str) -> WorkFailed:
    """By the status of an answer, whether it came with it or in the middle of a stream."""
    who = f"{address(place)} refused the request of agent '{agent}' ({status}): {said}"
    wait = _retry_after(error)
    if 400 <= status < 500 and _is_spent(error, said):
        kind = "rate_limit" if status == 429 else "agent"
        return failed(who, "no waiting helps: see the account's credit and limits", kind=kind, final=True)
    if status == 429:
        hint = "wait, or ask less at once (`max_concurrency`)" if wait is None else f"it asks to wait {wait:g} seconds"
        return failed(who, hint, kind="rate_limit", retry_after=wait)
    if _is_a(error, "ModelContextWindowExceededError"):
        hint = "shorten the prompt (its session and what tools gave count too), or name a model with a longer context"
        return failed(who, hint, final=True)
    if status in (401, 403):
        hint = "the key is missing, wrong, or may not use this model: see `api_key`, or the key's variable"
        return failed(who, hint, final=True)
    if status == 404:
        near = getattr(error, "suggested_model_id", None)
        hint = f"is '{model_id.partition(':')[2]}' the model's name there, and `base_url` right (it often ends in /v1)?"
        hint = f"did you mean '{near}'?" if near else hint
        return failed(who, hint, final=True)
    if status in (408, 504):
        return failed(who, "try again, or raise `timeout`", kind="timeout", retry_after=wait)
    if status >= 500:
        hint = "it is overloaded: try again later" if status in _BUSY else "the fault is the server's: try again later"
        return failed(f"{address(place)} failed ({status}): {said}", hint, retry_after=wait)
    hint = "the request itself is not to its liking: see the agent's settings, the prompt and `output`"
    return failed(who, hint, final=status not in _PASSES, retry_after=wait)


def _is_a(error: Exception, name: str) -> bool:
    """Whether Pydantic AI sorts it so."""
    return any(each.__name__ == name for each in type(error).__mro__)


def _is_spent(error: Exception, said: str) -> bool:
    """An account without credit gets the same status as one that asks too often, but no patience helps it."""
    if _is_a(error, "ModelQuotaExceededError"):
        return True
    code = str(getattr(error, "provider_error_code", "") or "")
    told = f"{code} {said} {getattr(error, 'body', '')}".lower()
    return any(sign in told for sign in _NEVER)


def _said(error: Exception) -> str:
    """The server's own sentence, found in the body where there is one; of a page, its words."""
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
        return " ".join(_TAG.sub(" ", body).split()) if "<" in body else body.strip()
    return str(getattr(error, "message", "") or error).partition("\n")[0]


def _retry_after(error: Exception) -> float | None:
    """Seconds that the server asks to wait: in the header made for it (seconds, milliseconds, a date), in those of
    OpenAI and Anthropic that tell when a bound is lifted, in Google's details, or in the sentence."""
    headers = {str(name).lower(): str(value) for name, value in (getattr(error, "headers", None) or {}).items()}
    known = getattr(error, "retry_after", None)
    found = (
        float(known) if isinstance(known, (int, float)) else None,
        _number(headers.get("retry-after-ms"), 0.001),
        _seconds_or_date(headers.get("retry-after")),
        _google_delay(getattr(error, "body", None)),
        _told(_said(error)),
        _reset(headers),
    )
    return next((max(0.0, round(each, 3)) for each in found if each is not None), None)


def _number(text: str | None, unit: float = 1.0) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number * unit if 0 <= number < float("inf") else None


def _seconds_or_date(text: str | None) -> float | None:
    if not text or (seconds := _number(text)) is not None:
        return seconds if text else None
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _google_delay(body: Any) -> float | None:
    """`{"error": {"details": [{"@type": "…RetryInfo", "retryDelay": "34.5s"}]}}`"""
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error", body) if isinstance(body, Mapping) else None
    details = error.get("details") if isinstance(error, Mapping) else None
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, Mapping) and "retryDelay" in detail:
            return _span(str(detail["retryDelay"]))
    return None


def _told(sentence: str) -> float | None:
    """`… Please try again in 1m2.5s.`"""
    match = _IN.search(sentence)
    return _span(match[1]) if match else None


def _reset(headers: Mapping[str, str]) -> float | None:
    """When the bound that was hit is lifted: of those that have nothing left, the last."""
    spans = [
        _span(headers[reset])
        for reset, left in zip(_RESETS, _LEFT, strict=True)
        if headers.get(left, "").strip() == "0" and headers.get(reset)
    ]
    for name in _UNTIL:
        if headers.get(name.replace("-reset", "-remaining"), "").strip() == "0" and headers.get(name):
            spans.append(_until(headers[name]))
    return max((span for span in spans if span is not None), default=None)


def _span(text: str) -> float | None:
    """`6m0s`, `20ms`, `34.5s` in seconds."""
    pieces = _PIECE.findall(text)
    try:
        return sum(float(number) * _UNITS[unit] for number, unit in pieces) if pieces else None
    except ValueError:
        return None


def _until(text: str) -> float | None:
    try:
        return max(0.0, datetime.fromisoformat(text.strip()).timestamp() - time.time())
    except ValueError:
        return None


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


def address(place: str) -> str:
    """`host:port` of a URL; other text as it is."""
    return urlsplit(place).netloc.rpartition("@")[2] or place
