"""The only door to time: everything that asks for the hour or waits takes a `Clock`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

LOOK_EVERY = 10.0  # seconds between two looks at the clock, which may have been set


class Timer(Protocol):
    """A call that was planned; `cancel` takes it back."""

    def cancel(self) -> object: ...


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since 1970, UTC."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls back in the running loop once `now()` has reached `when`."""
        ...


class SystemClock:
    def now(self) -> float:
        return time.time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return _Alarm(when, callback)


class _Alarm:
    """Calls back when the clock says so, or when as much time has passed as it said before: whichever is first. So a
    clock that is set forwards, or a machine that has slept, makes nothing late, and one that is set back neither."""

    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._when = when
        self._callback = callback
        self._end = self._loop.time() + max(0.0, when - time.time())
        self._timer = self._loop.call_later(min(self._left(), LOOK_EVERY), self._look)

    def _left(self) -> float:
        return max(0.0, min(self._when - time.time(), self._end - self._loop.time()))

    def _look(self) -> None:
        if left := self._left():
            self._timer = self._loop.call_later(min(left, LOOK_EVERY), self._look)
        else:
            self._callback()

    def cancel(self) -> None:
        self._timer.cancel()


def iso(seconds: float) -> str:
    """`2026-11-22T14:15:30.123Z`."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{_to_the_second(whole)}.{thousandths:03d}Z"


@lru_cache(maxsize=16)  # events come many to the second
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().removesuffix("+00:00")


def from_iso(text: str) -> float:
    """The inverse of `iso`; takes any ISO 8601 time with an offset. Raises ValueError."""
    return datetime.fromisoformat(text).timestamp()
