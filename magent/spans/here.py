"""The span that code at work is in: what goes out to programs and servers names it, and `magent.span` adds to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, NamedTuple, Self

from magent.clock import Clock
from magent.spans.ids import Context, Trace

MOST_SPANS = 1000  # of one attempt; more are not recorded
MOST_VALUES = 64  # of one span, and of one of its events
MOST_EVENTS = 128  # of one span
LONGEST = 4096  # characters of a name or of a value, as JSON

Tell = Callable[[str, Mapping[str, Any]], None]


_NUMBERS = threading.Lock()


class Attempt:
    """The attempt that code works for. `tell` takes an event of its visit, in any thread."""

    __slots__ = ("clock", "made", "tell", "trace")

    def __init__(self, trace: Trace, tell: Tell, clock: Clock) -> None:
        self.trace = trace
        self.tell = tell
        self.clock = clock
        self.made = 0

    def next(self) -> int:
        """The number of a span of one's own; 0 where there are enough."""
        with _NUMBERS:
            if self.made >= MOST_SPANS:
                return 0
            self.made += 1
            return self.made


class Here(NamedTuple):
    """`place` is the number of the event that the span begins with, or its id."""

    attempt: Attempt
    place: int | str

    @property
    def span(self) -> str:
        return self.place if isinstance(self.place, str) else self.attempt.trace.span(self.place)

    @property
    def context(self) -> Context:
        return self.attempt.trace.at(self.span)


_HERE: ContextVar[Here | None] = ContextVar("magent_span", default=None)


def enter(attempt: Attempt, place: int | str) -> None:
    """For the rest of this asyncio task, and what it begins."""
    _HERE.set(Here(attempt, place))


@contextmanager
def within(number: int) -> Iterator[None]:
    """In the span that begins with the event of that number."""
    here = _HERE.get()
    if here is None:
        yield
        return
    token = _HERE.set(Here(here.attempt, number))
    try:
        yield
    finally:
        _HERE.reset(token)


def context() -> Context | None:
    """Where in a trace this code works; None outside of runs."""
    here = _HERE.get()
    return None if here is None else here.context


def environment() -> dict[str, str]:
    """What a child process is told of it: TRACEPARENT, and TRACESTATE where there is one."""
    found = context()
    return {} if found is None else found.environment()


def headers() -> dict[str, str]:
    """What a server is told of it."""
    found = context()
    return {} if found is None else found.headers()


class span:  # noqa: N801 - it is used as a function: `with magent.span("index") as span:`
    """A span of the run's trace, around what a `call` function, a Python tool or a `call` agent does:

        with magent.span("index") as span:
            span.set("rows", 12)
            span.event("half way", left=6)

    It is recorded as it ends; an exception that leaves it is its error. Values are JSON; others are kept as their text,
    long ones cut. Outside of a run it does nothing. Threads and tasks that the code starts keep it only where they are
    given its context (`contextvars.copy_context`, as asyncio does).
    """

    __slots__ = ("_began", "_events", "_here", "_name", "_token", "_values")

    def __init__(self, name: str) -> None:
        self._name = name
        self._here: Here | None = None

    def __enter__(self) -> Self:
        outer = _HERE.get()
        number = 0 if outer is None else outer.attempt.next()
        if outer is None or not number:
            return self
        self._values: dict[str, Any] = {}
        self._events: list[dict[str, Any]] = []
        self._began = outer.attempt.clock.now()
        self._here = Here(outer.attempt, outer.attempt.trace.span(outer.span, number))
        self._token = _HERE.set(self._here)
        return self

    def set(self, name: str, value: Any) -> None:
        """Says something about it; what was said under the name before is forgotten."""
        if self._here is not None and (len(self._values) < MOST_VALUES or name in self._values):
            self._values[_cut(str(name))] = _plain(value)

    def event(self, name: str, /, **values: Any) -> None:
        """Something happened, now."""
        if self._here is None or len(self._events) >= MOST_EVENTS:
            return
        event: dict[str, Any] = {"name": _cut(str(name)), "at": round(self._here.attempt.clock.now(), 3)}
        if values:
            event["values"] = {_cut(key): _plain(value) for key, value in list(values.items())[:MOST_VALUES]}
        self._events.append(event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._here is None:
            return
        here, self._here = self._here, None
        outer = self._token.old_value
        _HERE.reset(self._token)
        data: dict[str, Any] = {"span": here.span, "name": _cut(str(self._name)), "at": round(self._began, 3)}
        if isinstance(outer, Here):
            data["within"] = outer.span
        data["duration"] = round(max(0.0, round(here.attempt.clock.now(), 3) - data["at"]), 3)
        data |= {"values": self._values} if self._values else {}
        data |= {"events": self._events} if self._events else {}
        if kind is not None:
            data["error"] = {"type": kind.__name__, "message": _cut(str(error))}
        here.attempt.tell("span.ended", data)


def _plain(value: Any) -> Any:
    """A value as it is recorded: JSON of bounded length."""
    if isinstance(value, str):
        return _cut(value)
    if value is None or (isinstance(value, (bool, int, float)) and abs(value) < 1e300):
        return value
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _cut(_text(value))
    return json.loads(text) if len(text) <= LONGEST else _cut(text)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - whatever it is: what is traced must not fail by being traced
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
