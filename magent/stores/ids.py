"""Names of runs: made, checked, and found again from the part of one that somebody types."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

from magent.errors import UsageError
from magent.source import did_you_mean

LATEST = "latest"
LONGEST = 100
_SHOWN = 8
_MADE = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4,}")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NOTE = re.compile(r"[a-z0-9-]{1,100}")


def new_id(now: float, entropy: bytes) -> str:
    """`20261122-141530-7f3a`: the time in UTC, so that ids sort by it, and two random bytes or more in hexadecimal."""
    return f"{moment(now)}-{entropy.hex()}"


def moment(seconds: float) -> str:
    """`20261122-141530`, in UTC; sorts by time."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H%M%S}"


def begun(text: str) -> str:
    """The time in an id that magent made, as it stands there; "" where somebody else chose the id."""
    return text[:15] if _MADE.fullmatch(text) else ""


def is_id(text: str) -> bool:
    return len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def check_new(text: str) -> str:
    """`text`, where a new run may have that name: it can then never lead out of a directory. Raises UsageError."""
    if text == LATEST:
        raise UsageError(f"'{LATEST}' cannot be the id of a run", f"'{LATEST}' always means the newest one")
    if not is_id(text):
        raise UsageError(
            f"{_shown(text)} cannot be the id of a run",
            f"use letters, digits, '_' and '-', at most {LONGEST} of them, such as 'review-7'",
        )
    return text


def check_note(name: str) -> str:
    """`name`, where a note may have it. Raises ValueError."""
    if _NOTE.fullmatch(name) is None:
        raise ValueError(f"{name!r} cannot be the name of a note")
    return name


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST else text[:LONGEST] + "…")


def unknown(text: str, known: Sequence[str], place: str) -> UsageError:
    """The error for an id that no run has; `known` are the ids there are."""
    if not known:
        hint = "start one with: magent run FILE"
        if text == LATEST:
            return UsageError(f"there are no runs yet: {place} holds no runs", hint)
        return UsageError(f"there is no run {_shown(text)}: {place} holds no runs", hint)
    hint = did_you_mean(text, [*known, LATEST]) or "magent runs list shows those there are"
    if text.endswith((".yaml", ".yml")):
        hint = f"an id is wanted here; a file is run with: magent run {shlex.quote(text)}"
    return UsageError(f"there is no run {_shown(text)} in {place}", hint)


def find(text: str, known: Sequence[str], place: str) -> str:
    """The one id in `known` that is `text`, begins or ends with it. Raises UsageError (candidates, or the nearest)."""
    if text in known:
        return text
    found = [name for name in known if text and (name.startswith(text) or name.endswith(text))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise unknown(text, known, place)
    listed = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
    raise UsageError(f"{text!r} fits {len(found)} runs: {listed}", "type more of the id, or the whole of it")
