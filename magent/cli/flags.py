"""What the values of options mean. Each function raises UsageError with the flag's name and what to write instead."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from magent import durations
from magent.errors import UsageError
from magent.source import did_you_mean

LIMITS = ("steps", "tokens", "usd", "timeout")


def whole(flag: str, text: str | None, *, least: int = 1) -> int | None:
    """A whole number of at least `least`; None where the flag was not given."""
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError:
        raise UsageError(f"{flag} takes a whole number, not '{text}'") from None
    if number < least:
        raise UsageError(f"{flag} takes a whole number of at least {least}, not {number}")
    return number


def one_of(flag: str, text: str | None, known: Sequence[str]) -> str | None:
    """One of the known words; None where the flag was not given."""
    if text is None or text in known:
        return text
    raise UsageError(f"{flag} takes {', '.join(known[:-1])} or {known[-1]}, not '{text}'", did_you_mean(text, known))


def moment(flag: str, text: str | None) -> float:
    """Seconds since 1970 of `7d` (ago) or a date; 0 where the flag was not given."""
    if text is None:
        return 0.0
    try:
        return time.time() - durations.parse(text)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise UsageError(f"{flag} takes 7d, 2h or a date such as 2026-11-22, not '{text}'") from None


def pairs(flag: str, words: Iterable[str] | None, form: str) -> list[tuple[str, str]]:
    """`["a=b"]` → `[("a", "b")]`; `form` shows how one is written."""
    found = []
    for word in words or ():
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{flag} takes {form}, not '{word}'")
        found.append((key.strip(), value))
    return found


def limits(words: Iterable[str] | None) -> dict[str, float]:
    """`["usd=5", "timeout=2h", "steps=3"]` → `{usd: 5.0, timeout: 7200.0, steps: 3}`."""
    found: dict[str, float] = {}
    for key, text in pairs("--limit", words, "NAME=NUMBER, such as usd=5"):
        if key not in LIMITS:
            raise UsageError(f"--limit knows {', '.join(LIMITS)}, not '{key}'", did_you_mean(key, LIMITS))
        found[key] = _limit(key, text)
    return found


def _limit(key: str, text: str) -> float:
    try:
        value: float = durations.parse(text) if key == "timeout" else float(text) if key == "usd" else int(text)
    except ValueError as error:
        wanted = str(error) if key == "timeout" else f"'{text}' is not a {'' if key == 'usd' else 'whole '}number"
        raise UsageError(f"--limit {key}: {wanted}") from None
    if not 0 < value < float("inf"):
        raise UsageError(f"--limit {key} takes a number above 0, not '{text}'")
    return value


def agents(words: Iterable[str] | None) -> dict[str, str]:
    """`["writer=local"]` → `{writer: local}`."""
    found = {name: who.strip() for name, who in pairs("--agent", words, "NAME=WHO, such as writer=local")}
    for name, who in found.items():
        if not who:
            raise UsageError(f"--agent {name} needs an agent or a model: --agent {name}=local")
    return found
