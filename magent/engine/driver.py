"""One life of a run under way: what waits for a place, what is at work, who is asked, whose time will come.

Others act on it; what they decide comes back through its inbox, and what happens is recorded here alone.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from magent.clock import Clock, Timer
from magent.engine import settle
from magent.engine.fold import Run
from magent.engine.recorder import Recorder
from magent.engine.scopes import Scope, Visit
from magent.engine.work import Attempt, Services
from magent.events import Event, Failure
from magent.ports import Human
from magent.spans.ids import Trace

TIMERS = ("timeout", "wait", "retry", "deadline")


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a life of a run ends before the run does. With `drain`, what is at work is let finish first; with `final`,
    no other life follows."""

    reason: str
    error: Failure | None = None
    drain: bool = False
    signal: int = 0
    final: bool = False


@dataclass(slots=True)
class Driver:
    """What drives one life of one run."""

    run: Run
    recorder: Recorder
    services: Services
    human: Human
    clock: Clock
    width: int = 16
    stop_after: str | None = None
    linger: float = math.inf  # seconds that a `wait` may still take for this life to last until then
    stop: Stop | None = None
    waiting_for_place: deque[Scope] = field(default_factory=deque)
    launched: set[Scope] = field(default_factory=set)  # leaves that wait for a place, a time, a person, or are at work
    starting: list[Scope] = field(default_factory=list)
    tasks: dict[Scope, asyncio.Task[None]] = field(default_factory=dict)
    attempts: dict[int, Attempt] = field(default_factory=dict)  # by scope: those whose outcome is not recorded yet
    asking: dict[Scope, asyncio.Task[None]] = field(default_factory=dict)
    timers: dict[tuple[int, str], Timer] = field(default_factory=dict)
    dying: set[asyncio.Task[None]] = field(default_factory=set)
    inbox: deque[Callable[[], None]] = field(default_factory=deque)
    noted: list[tuple[asyncio.Future[int], int]] = field(
        default_factory=list
    )  # wait for that event to be on the record
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    trace: Trace | None = None  # that the run is in, as soon as work has begun
    leaving: bool = False  # nothing is recorded any more for what is still at work
    consulting: int = 0  # attempts at work that wait for a person's consent
    waited: float = 0.0  # seconds of this life in which only people were awaited
    fault: BaseException | None = None  # a bug of an adapter: this life ends in good order, then it is raised

    def now(self) -> float:
        """The time as the record keeps it, to the millisecond: what is decided now is decided so again from there."""
        return round(self.clock.now(), 3)

    @staticmethod
    def at_work(scope: Scope, visit: Visit) -> bool:
        return scope.status == "open" and scope.current is visit

    # ---- what comes back

    def soon(self, then: Callable[[], None]) -> None:
        """To be done between two steps of the loop, which wakes up for it."""
        self.inbox.append(then)
        self.wake.set()

    def collect(self) -> None:
        while self.inbox:
            self.inbox.popleft()()

    def at(self, scope: Scope, kind: str, when: float, then: Callable[[], None]) -> None:
        def fire() -> None:
            self.timers.pop((scope.id, kind), None)
            self.soon(then)

        old = self.timers.pop((scope.id, kind), None)
        if old is not None:
            old.cancel()
        self.timers[scope.id, kind] = self.clock.call_at(when, fire)

    def due(self, visit: Visit) -> float:
        """When a visit goes on. Where it has not even begun yet, by a clock that was set back since, the time that it
        was to take counts from now."""
        due, now = visit.deadline or 0.0, self.clock.now()
        return due if now >= visit.started else now + due - visit.started

    # ---- the record

    def record(self, kind: str, data: dict[str, Any], now: float | None = None) -> None:
        if kind == "visit.cancelled":
            self.spent_on(data["scope"])
        if kind in ("run.completed", "run.failed") and self.waited:
            data = {**data, "waited": round(self.waited, 3)}
        data = self.recorder.record(kind, data, self.now() if now is None else now)
        if "tokens" in data:
            self.services.budget.recorded(data)
        hook = _HOOKS.get(kind)
        if hook is not None:
            hook(self, data)

    def spent_on(self, scope_id: int) -> None:
        """What an attempt has used that is called off now is recorded, or it would look free."""
        attempt = self.attempts.pop(scope_id, None)
        used = {} if attempt is None else attempt.spent_so_far()
        if attempt is not None and "tokens" in used:
            who: dict[str, Any] = {name: attempt.used[name] for name in ("agent", "model") if name in attempt.used}
            self.record("visit.spent", {"scope": scope_id, "path": attempt.path} | who | used)

    def text(self, path: str, text: str, structured: bool = False) -> None:
        """A chunk of text as it arrives: told at once, never recorded. `structured`: it is a piece of JSON."""
        data = {"path": path, "text": text} | ({"structured": True} if structured else {})
        self.recorder.tell(Event(0, self.clock.now(), "text", data))

    def tell_noted(self) -> None:
        """What they told is on the record: they go on."""
        noted, self.noted = self.noted, []
        for future, number in noted:
            if not future.done():
                future.set_result(number)

    # ---- as a visit starts, and as it is over

    def _visit_started(self, data: dict[str, Any]) -> None:
        if "timeout" in data:
            self.time_limit(self.run.scopes[data["scope"]])

    def time_limit(self, scope: Scope) -> None:
        """A composite visit's time counts from now, in this life: waiting for a resume costs it nothing."""
        visit = scope.current
        if visit is not None and visit.timeout is not None:
            self.at(scope, "timeout", self.clock.now() + visit.timeout, lambda: self._timed_out(scope, visit))

    def _timed_out(self, scope: Scope, visit: Visit) -> None:
        if self.at_work(scope, visit):
            now = self.now()
            for kind, data in settle.timed_out(self.run, visit, now).facts:
                self.record(kind, data, now)

    def _visit_over(self, data: dict[str, Any]) -> None:
        self._drop(data)
        if data.get("node") == self.stop_after and self.run.status == "running":
            self.recorder.on_demand = True
            self.halt(Stop("stop-after", drain=True))

    def _drop(self, data: dict[str, Any]) -> None:
        """Ends timers and work of a scope whose visit is over."""
        scope_id = data["scope"]
        for kind in TIMERS if self.timers else ():
            timer = self.timers.pop((scope_id, kind), None)
            if timer is not None:
                timer.cancel()
        scope = self.run.scopes.get(scope_id)
        if scope is not None:
            self.launched.discard(scope)
            self.let_go(scope)

    def let_go(self, scope: Scope, why: str | None = None) -> None:
        for table in (self.tasks, self.asking):
            task = table.pop(scope, None)
            if task is not None and not task.done():
                task.cancel(why)
                self.dying.add(task)
                task.add_done_callback(self.dying.discard)

    # ---- ending this life

    def halt(self, stop: Stop) -> None:
        """Ends this life; the first reason counts, but what drains can be ended at once."""
        if self.stop is None or (self.stop.drain and not stop.drain):
            self.stop = stop
        self.wake.set()

    def broken(self, error: Exception) -> None:
        """What an adapter raises against its contract ends this life, in good order, and is then raised."""
        self.fault = self.fault or error
        self.halt(Stop("internal error"))


_HOOKS: dict[str, Callable[[Driver, dict[str, Any]], None]] = {
    "visit.started": Driver._visit_started,
    "visit.completed": Driver._visit_over,
    "visit.skipped": Driver._visit_over,
    "visit.failed": Driver._visit_over,
    "visit.cancelled": Driver._drop,
}
