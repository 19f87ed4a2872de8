"""The loop that acts on what the planner says: plan → record → start → wait, until nothing is left to do.

Every batch of finished work is recorded (and synced, by the durability chosen) before what depends on it starts.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from magent import durations
from magent.answers import digest, normalise
from magent.clock import Clock, Timer, from_iso, iso
from magent.engine import conclude, plan, settle
from magent.engine.attempt import Outcome, attempt_once
from magent.engine.collecting import seldom_collecting
from magent.engine.conclude import Fact
from magent.engine.fold import Run
from magent.engine.recorder import Recorder
from magent.engine.repeats import repeated
from magent.engine.retrying import retry_at
from magent.engine.scopes import Scope, Visit
from magent.engine.uncertain import decide, doubt
from magent.engine.view import names
from magent.engine.work import ASKED, SPENT, Attempt, Before, Services
from magent.errors import AnswerRefused
from magent.events import Event, Failure, WorkFailed
from magent.model import HumanInput, Task, Wait
from magent.ports import CannotAsk, Human, Question
from magent.spans import here
from magent.spans.ids import Trace

BATCH = 512
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
    """Drives one life of one run. `drive` returns when the run is over, waits for people, or was stopped."""

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

    async def drive(self) -> None:
        """Raises StoreError where the record cannot be written, and what an adapter raised against its contract."""
        try:
            with seldom_collecting():
                await self._until_over()
            await self.leave()
        finally:
            await self.quiet()
        if self.fault is not None:
            raise self.fault

    async def _until_over(self) -> None:
        while not self.over():
            self.plan()
            self.dispatch()
            await self.recorder.commit()
            self.begin()
            self.tell_noted()
            if self.run.ready and not self.stop:
                await asyncio.sleep(0)
            elif self.busy():
                await self.pause()
            elif not self.inbox:
                break
            self.collect()

    async def pause(self) -> None:
        """Waits until something comes back. While only people are awaited, the run's time limit stands still."""
        began = self.clock.now()
        only_people = len(self.tasks) <= self.consulting and not self._working_timers() and not self.dying
        if only_people and (timer := self.timers.pop((-1, "limit"), None)) is not None:
            timer.cancel()
        await self.wake.wait()
        self.wake.clear()
        if only_people:
            self.waited += max(0.0, self.clock.now() - began)
            self.limit_time()

    def limit_time(self) -> None:
        """Plans the end of this life for when the run has used up its `limits.timeout`."""
        limit = self.run.limits.get("timeout")
        if limit is None:
            return
        when = self.run.life_started + self.waited + limit - self.run.spent
        message = f"the run has worked for {durations.show(limit)}, its limit"
        error = Failure("limit", message, hint=f"raise it with --limit timeout={max(1, round(2 * limit))}s")
        if (-1, "limit") in self.timers:
            self.timers.pop((-1, "limit")).cancel()
        self.timers[-1, "limit"] = self.clock.call_at(when, lambda: self.halt(Stop("limit", error)))

    def over(self) -> bool:
        if self.stop is not None and not (self.stop.drain and self.tasks):
            return True
        return self.run.status != "running"

    def busy(self) -> bool:
        if self.stop is not None:
            return bool(self.tasks) and not self.inbox
        return not self.inbox and bool(self.tasks or self.asking or self._worth_waiting())

    def _working_timers(self) -> bool:
        return any(kind in ("wait", "retry") for _, kind in self.timers)

    def _worth_waiting(self) -> bool:
        """Whether this life lasts until something goes on whose time has not come yet."""
        latest = self.clock.now() + self.linger
        for scope_id, kind in self.timers:
            visit = self.run.scopes[scope_id].current if kind in ("wait", "retry") else None
            if visit is not None and (kind == "retry" or (visit.deadline or 0.0) <= latest):
                return True
        return False

    # ---- deciding and recording

    def plan(self) -> None:
        run, now = self.run, self.now()
        while run.ready and self.stop is None and len(self.recorder.batch) < BATCH:
            scope = run.next_ready()
            decision = plan.step(run, scope, now)
            for kind, data in decision.facts:
                self.record(kind, data, now)
            if decision.limit is not None:
                self.halt(Stop("limit", decision.limit, drain=True))
            elif decision.launch is not None:
                self.launch(decision.launch)

    def record(self, kind: str, data: dict[str, Any], now: float | None = None) -> None:
        if kind == "visit.cancelled":
            self._spent_on(data["scope"])
        if kind in ("run.completed", "run.failed") and self.waited:
            data = {**data, "waited": round(self.waited, 3)}
        data = self.recorder.record(kind, data, self.now() if now is None else now)
        if "tokens" in data:
            self.services.budget.recorded(data)
        hook = _HOOKS.get(kind)
        if hook is not None:
            hook(self, data)

    def _visit_started(self, data: dict[str, Any]) -> None:
        if "timeout" in data:
            self.time_limit(self.run.scopes[data["scope"]])

    def time_limit(self, scope: Scope) -> None:
        """A composite visit's time counts from now, in this life: waiting for a resume costs it nothing."""
        visit = scope.current
        if visit is not None and visit.timeout is not None:
            self.at(scope, "timeout", self.clock.now() + visit.timeout, lambda: self.timed_out(scope, visit))

    def _visit_over(self, data: dict[str, Any]) -> None:
        self.drop(data["scope"])
        if data.get("node") == self.stop_after and self.run.status == "running":
            self.recorder.on_demand = True
            self.halt(Stop("stop-after", drain=True))

    def _spent_on(self, scope_id: int) -> None:
        """What an attempt has used that is called off now is recorded, or it would look free."""
        attempt = self.attempts.pop(scope_id, None)
        used = {} if attempt is None else attempt.spent_so_far()
        if attempt is not None and "tokens" in used:
            who: dict[str, Any] = {name: attempt.used[name] for name in ("agent", "model") if name in attempt.used}
            self.record("visit.spent", {"scope": scope_id, "path": attempt.path} | who | used)

    def _cancelled(self, data: dict[str, Any]) -> None:
        self.drop(data["scope"])

    def drop(self, scope_id: int) -> None:
        """Ends timers and work of a scope whose visit is over."""
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

    def text(self, path: str, text: str, structured: bool = False) -> None:
        """A chunk of text as it arrives: told at once, never recorded. `structured`: it is a piece of JSON."""
        data = {"path": path, "text": text} | ({"structured": True} if structured else {})
        self.recorder.tell(Event(0, self.clock.now(), "text", data))

    # ---- starting

    def launch(self, scope: Scope) -> None:
        if scope in self.launched:
            return
        self.launched.add(scope)
        visit = scope.current
        node = scope.graph.nodes[scope.pending or ""] if visit is None else visit.node
        if visit is not None and isinstance(node, HumanInput):
            self.ask_person(scope, visit, Question.from_json(visit.question or {}))
        elif visit is not None and isinstance(node, Task) and isinstance(node.work, Wait):
            self.at(scope, "wait", self.due(visit), lambda: self.finished(scope, visit, Outcome(None, None, {})))
        elif visit is not None and visit.status == "retrying":
            self.at(scope, "retry", self.due(visit), lambda: self.waiting_for_place.append(scope))
        elif (
            visit is not None
            and isinstance(node, Task)
            and (node.external or visit.touched)
            and visit.status in ("running", "uncertain")
        ):
            self.doubt(scope, visit)
        elif visit is None and (before := repeated(self.run, scope, self.services.companies)):
            self.record(*plan.started(scope))
            assert scope.current is not None
            self.doubt(scope, scope.current, before)
        else:
            self.waiting_for_place.append(scope)

    def due(self, visit: Visit) -> float:
        """When a visit goes on. Where it has not even begun yet, by a clock that was set back since, the time that it
        was to take counts from now."""
        due, now = visit.deadline or 0.0, self.clock.now()
        return due if now >= visit.started else now + due - visit.started

    def doubt(self, scope: Scope, visit: Visit, before: Mapping[str, Any] | None = None) -> None:
        if visit.status == "uncertain":
            question = Question.from_json(visit.question or {})
        else:
            before = before or repeated(self.run, scope, self.services.companies)
            question = doubt(visit, before)
            known = {} if before is None else {"repeats": before["visit"]}
            self.record("visit.waiting", {"scope": scope.id, "path": visit.path, "ask": question.as_json(), **known})
        self.ask_person(scope, visit, question)

    def dispatch(self) -> None:
        """Gives places to work that waits for one; its start is recorded before it begins."""
        if self.stop is not None:
            return
        while self.waiting_for_place and len(self.tasks) + len(self.starting) < self.width:
            scope = self.waiting_for_place.popleft()
            if scope.status != "open" or scope.id not in self.run.scopes:
                continue
            if limit := settle.no_step_left(self.run, scope):
                self.halt(Stop("limit", limit, drain=True))
                return
            kind, data = plan.started(scope)
            self.record(kind, data)
            assert scope.current is not None
            assert isinstance(scope.current.node, Task)
            self.recorder.must_sync = self.recorder.must_sync or scope.current.node.external
            self.starting.append(scope)

    def begin(self) -> None:
        for scope in self.starting:
            visit = scope.current
            if visit is not None and scope.status == "open" and (self.stop is None or self.stop.drain):
                self.tasks[scope] = asyncio.get_running_loop().create_task(self.work(scope, visit))
        self.starting = []

    async def work(self, scope: Scope, visit: Visit) -> None:
        assert isinstance(visit.node, Task)
        before = Before(visit.role, visit.steps, scope.sessions)
        desk = Desk(self, scope, visit, asyncio.get_running_loop())
        seen, inputs = names(self.run, scope), scope.file_inputs()
        attempt = Attempt(scope.graph, visit.node, visit.path, seen, self.services, desk, before, inputs)
        self.attempts[scope.id] = attempt
        if self.trace is None:
            self.trace = Trace.of(self.run.id, self.run.created, self.run.trace)
        here.enter(here.Attempt(self.trace, desk.note_soon, self.clock), visit.event)
        try:
            outcome = await attempt_once(attempt)
        except Exception as error:  # noqa: BLE001
            self.broken(error)
        else:
            self.inbox.append(lambda: self.finished(scope, visit, outcome))
        self.tasks.pop(scope, None)
        self.wake.set()

    def tell_noted(self) -> None:
        """What they told is on the record: they go on."""
        noted, self.noted = self.noted, []
        for future, number in noted:
            if not future.done():
                future.set_result(number)

    def broken(self, error: Exception) -> None:
        """What an adapter raises against its contract ends this life, in good order, and is then raised."""
        self.fault = self.fault or error
        self.halt(Stop("internal error"))

    # ---- people

    def ask_person(self, scope: Scope, visit: Visit, question: Question) -> None:
        if visit.answer is not None:
            answer = visit.answer
            self.inbox.append(lambda: self.answered(scope, visit, answer))
            self.wake.set()
            return
        if question.deadline is not None and question.deadline <= self.clock.now():
            self.inbox.append(lambda: self.too_late(scope, visit, question))
            self.wake.set()
            return
        if question.deadline is not None:
            self.at(scope, "deadline", question.deadline, lambda: self.too_late(scope, visit, question))
        self.asking[scope] = asyncio.get_running_loop().create_task(self.question(scope, visit, question))

    async def question(self, scope: Scope, visit: Visit, question: Question) -> None:
        try:
            answer = await self.human.ask(question)
            self.inbox.append(lambda: self.answered(scope, visit, answer))
        except WorkFailed as error:
            failure = error.failure
            self.inbox.append(lambda: self.finished(scope, visit, Outcome(None, failure, {})))
        except CannotAsk as why:
            told = str(why)
            self.inbox.append(lambda: self.unasked(scope, visit, told))
        except Exception as error:  # noqa: BLE001
            self.broken(error)
        self.asking.pop(scope, None)
        self.wake.set()

    def unasked(self, scope: Scope, visit: Visit, why: str) -> None:
        """Whoever should have asked could not: nothing is lost, the question stays open."""
        if self.at_work(scope, visit):
            self.record("visit.waiting", {"scope": scope.id, "path": visit.path, "why": why})

    def answered(self, scope: Scope, visit: Visit, answer: Any) -> None:
        if not self.at_work(scope, visit):
            return
        if answer is None:
            if visit.status in ("running", "again"):
                self.record("visit.waiting", {"scope": scope.id, "path": visit.path})
        elif isinstance(visit.node, HumanInput):
            self.finished(scope, visit, Outcome(dict(answer), None, self._beside(visit, answer)))
        else:
            self.decided(scope, visit, answer)

    def _beside(self, visit: Visit, answer: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept with an answer: what was shown, and how long it took."""
        at = answer.get("at")
        took = (from_iso(at) if isinstance(at, str) else self.now()) - visit.started
        return {"digest": digest(Question.from_json(visit.question or {})), "took": round(max(0.0, took), 3)}

    def heard(self, data: Mapping[str, Any]) -> asyncio.Future[int]:
        """An answer from elsewhere, as the data of `visit.answered`: whoever is asked here is asked no longer. To be
        called through the inbox. What it returns is done once the answer is on the record for good."""
        scope = self.run.scopes[data["scope"]]
        visit = scope.current
        assert visit is not None
        self.recorder.must_sync = True
        self.record("visit.answered", dict(data))
        answer = visit.answer or {}
        self.let_go(scope, f"answered by {answer.get('by') or 'somebody'} ({answer.get('via')})")
        self.answered(scope, visit, answer)
        recorded: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.noted.append((recorded, self.run.seq))
        return recorded

    def decided(self, scope: Scope, visit: Visit, answer: Any) -> None:
        outcome = decide(visit, answer)
        if outcome is None:
            visit.status = "again"
            self.waiting_for_place.append(scope)
        else:
            self.finished(scope, visit, outcome, final=True)

    def too_late(self, scope: Scope, visit: Visit, question: Question) -> None:
        assert isinstance(visit.node, HumanInput)
        if visit.node.on_timeout == "default" and question.has_default:
            try:
                answer = {**normalise(question, question.default), "via": "timeout", "at": iso(self.clock.now())}
                self.answered(scope, visit, answer)
                return
            except AnswerRefused as refused:
                failure = Failure("value", refused.message)
        else:
            failure = Failure("timeout", f"nobody answered '{visit.node.name}' in time")
        self.finished(scope, visit, Outcome(None, failure, {}))

    # ---- what comes back

    def at(self, scope: Scope, kind: str, when: float, then: Callable[[], None]) -> None:
        def fire() -> None:
            self.timers.pop((scope.id, kind), None)
            self.inbox.append(then)
            self.wake.set()

        old = self.timers.pop((scope.id, kind), None)
        if old is not None:
            old.cancel()
        self.timers[scope.id, kind] = self.clock.call_at(when, fire)

    def collect(self) -> None:
        while self.inbox:
            self.inbox.popleft()()

    @staticmethod
    def at_work(scope: Scope, visit: Visit) -> bool:
        return scope.status == "open" and scope.current is visit

    def finished(self, scope: Scope, visit: Visit, outcome: Outcome, *, final: bool = False) -> None:
        """Records how an attempt ended. `final`: a person said so, no further attempt follows."""
        if not self.at_work(scope, visit):
            return
        self.attempts.pop(scope.id, None)
        now, node = self.now(), visit.node
        if outcome.failure is None:
            kind, data = conclude.completed(self.run, scope, node, now, outcome.output, outcome.used)
        elif outcome.failure.type == "limit":
            used: dict[str, Any] = {name: outcome.used[name] for name in (*SPENT, ASKED) if name in outcome.used}
            if "tokens" in used:
                self.record("visit.spent", {"scope": scope.id, "path": visit.path, **used}, now)
            self.halt(Stop("limit", outcome.failure._replace(node=node.name), drain=True))
            return
        elif not final and (at := self._retry_at(visit, outcome.failure, now)) is not None:
            failure = outcome.failure._replace(node=node.name, attempts=visit.attempt)
            data = {"scope": scope.id, "path": visit.path, "attempt": visit.attempt, "at": at}
            self.record("visit.retry", {**data, "error": failure.as_json(), **outcome.used}, now)
            self.launched.discard(scope)
            self.launch(scope)
            return
        else:
            kind, data = conclude.failed(self.run, scope, node, outcome.failure, now, outcome.used)
        self.record(kind, data, now)

    def _retry_at(self, visit: Visit, failure: Failure, now: float) -> float | None:
        if not isinstance(visit.node, Task) or (visit.touched and not visit.node.consents):
            return None
        key = f"{visit.path}#{visit.number}"
        return retry_at(visit.node.retry, failure, visit.attempt, key, now)

    def timed_out(self, scope: Scope, visit: Visit) -> None:
        if self.at_work(scope, visit):
            now = self.now()
            for kind, data in settle.timed_out(self.run, visit, now).facts:
                self.record(kind, data, now)

    # ---- ending a life

    def halt(self, stop: Stop) -> None:
        """Ends this life; the first reason counts, but what drains can be ended at once."""
        if self.stop is None or (self.stop.drain and not stop.drain):
            self.stop = stop
        self.wake.set()

    async def leave(self) -> None:
        """Records how this life ended, once nothing is at work any more."""
        for scope_id in [*self.attempts] if self.run.status == "running" else ():
            self._spent_on(scope_id)
        resting = self._working_timers()
        await self.quiet()
        if self.run.status == "running":
            self.record(*self._last_event(resting))
        await self.recorder.close()
        self.tell_noted()

    def _last_event(self, resting: bool) -> Fact:
        if self.stop is not None:
            data: dict[str, Any] = {"reason": self.stop.reason, "waited": round(self.waited, 3)}
            if self.stop.error is not None:
                data["error"] = self.stop.error.as_json()
            if self.stop.signal:
                data["signal"] = self.stop.signal
            return "run.cancelled" if self.stop.final else "run.interrupted", data
        waiting = [scope.current.path for scope in self.run.scopes.values() if asks(scope) and scope.current]
        if waiting:
            return "run.waiting", {"nodes": waiting, "waited": round(self.waited, 3)}
        if resting:
            return "run.interrupted", {"reason": "not yet", "waited": round(self.waited, 3)}
        raise AssertionError("the run stands still, with nothing at work and nothing to wait for")

    async def quiet(self) -> None:
        """Cancels what is at work and waits until it has ended."""
        self.leaving = True
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()
        tasks = [*self.tasks.values(), *self.asking.values(), *self.dying]
        self.tasks.clear()
        self.asking.clear()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Desk:
    """What an attempt at one visit tells the run and asks of it. All goes through the driver's inbox: only the driver
    records, and only between its own steps."""

    driver: Driver
    scope: Scope
    visit: Visit
    loop: asyncio.AbstractEventLoop

    async def note(self, kind: str, data: Mapping[str, Any], *, sync: bool) -> int:
        driver, done = self.driver, asyncio.get_running_loop().create_future()
        if driver.leaving:
            raise asyncio.CancelledError  # for those that took the first for a failure of their own

        def record() -> None:
            if not driver.at_work(self.scope, self.visit):
                done.cancel()
            else:
                driver.recorder.must_sync = driver.recorder.must_sync or sync
                driver.record(kind, {"scope": self.scope.id, "path": self.visit.path, **data})
                driver.noted.append((done, driver.run.seq))

        driver.inbox.append(record)
        driver.wake.set()
        return int(await done)

    def note_soon(self, kind: str, data: Mapping[str, Any]) -> None:
        driver = self.driver

        def record() -> None:
            if driver.at_work(self.scope, self.visit) and not driver.leaving:
                driver.record(kind, {"scope": self.scope.id, "path": self.visit.path, **data})

        def hand_in() -> None:
            driver.inbox.append(record)
            driver.wake.set()

        if self.loop is _running():
            hand_in()
        else:
            with suppress(RuntimeError):  # the loop has ended before the thread
                self.loop.call_soon_threadsafe(hand_in)

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        self.driver.recorder.tell(Event(0, self.driver.clock.now(), kind, data))

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        driver = self.driver
        driver.consulting += 1
        driver.wake.set()
        try:
            return await driver.human.ask(question)
        finally:
            driver.consulting -= 1
            driver.wake.set()

    async def sleep(self, seconds: float) -> None:
        done = asyncio.Event()
        timer = self.driver.clock.call_at(self.driver.clock.now() + seconds, done.set)
        try:
            await done.wait()
        finally:
            timer.cancel()

    def now(self) -> float:
        return self.driver.clock.now()

    def asked(self, name: str) -> int:
        asked = self.driver.run.asked
        if "." in name:
            return asked.get(f"tool {name}", 0)
        return sum(times for key, times in asked.items() if key.partition(".")[0] == f"tool {name}")


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def asks(scope: Scope) -> bool:
    """Whether a person must answer before the scope goes on."""
    visit = scope.current
    return scope.status == "open" and visit is not None and visit.question is not None and visit.answer is None


_HOOKS: dict[str, Callable[[Driver, dict[str, Any]], None]] = {
    "visit.started": Driver._visit_started,
    "visit.completed": Driver._visit_over,
    "visit.skipped": Driver._visit_over,
    "visit.failed": Driver._visit_over,
    "visit.cancelled": Driver._cancelled,
}
