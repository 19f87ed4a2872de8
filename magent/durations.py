"""Durations as the language writes them: `500ms`, `30s`, `5m`, `2h`, `1d`, or a plain number of seconds."""

from __future__ import annotations

import math
import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)(ms|s|m|h|d)?")
LONGEST = 100 * 365 * 86400.0


def parse(value: object) -> float:
    """Seconds. Raises ValueError, with a sentence for people, where `value` is no duration."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _FORM.fullmatch(value.strip())):
        seconds = float(match[1]) * _UNITS[match[2] or "s"]
    else:
        raise ValueError(f"{value!r} is not a duration: write 500ms, 30s, 5m, 2h, 1d or a number of seconds")
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError(f"a duration cannot be {value!r}: it is at least 0")
    if seconds > LONGEST:
        raise ValueError(f"{value!r} is longer than a hundred years")
    return seconds


def show(seconds: float) -> str:
    """`0.35s`, `12.1s`, `3m 04s`, `2h 05m`, for people."""
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02d}m"
