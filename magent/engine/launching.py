"""From a leaf that may start to work that has begun: asked about, waited for, given a place, recorded, started."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from magent.engine import plan, settle
from magent.engine.attempt import Outcome, attempt_once
from magent.engine.desk import Desk
from magent.engine.driver import Driver, Stop
from magent.engine.outcomes import finished, try_again
from magent.engine.people import ask_person
from magent.engine.repeats import repeated
from magent.engine.scopes import Scope, Visit
from magent.engine.uncertain import doubt
from magent.engine.view import names
from magent.engine.work import Attempt, Before
from magent.model import HumanInput, Task, Wait
from magent.ports import Question
from magent.spans import here
from magent.spans.ids import Trace


def launch(driver: Driver, scope: Scope) -> None:
    if scope in driver.launched:
        return
    driver.launched.add(scope)
    visit = scope.current
    if visit is not None:
        _go_on(driver, scope, visit)
    elif before := repeated(driver.run, scope, driver.services.companies):
        driver.record(*plan.started(scope))
        assert scope.current is not None
        _doubt(driver, scope, scope.current, before)
    else:
        driver.waiting_for_place.append(scope)


def _go_on(driver: Driver, scope: Scope, visit: Visit) -> None:
    """With a visit that has begun: just now, or in an earlier life."""
    node = visit.node
    if isinstance(node, HumanInput):
        ask_person(driver, scope, visit, Question.from_json(visit.question or {}))
    elif isinstance(node, Task) and isinstance(node.work, Wait):
        over = Outcome(None, None, {})
        driver.at(scope, "wait", driver.due(visit), lambda: finished(driver, scope, visit, over))
    elif visit.status == "retrying":
        try_again(driver, scope, visit)
    elif _is_doubtful(visit):
        _doubt(driver, scope, visit)
    else:
        driver.waiting_for_place.append(scope)


def _is_doubtful(visit: Visit) -> bool:
    """Whether it may have had effects outside in an earlier life, or in the run that this one was forked from."""
    node = visit.node
    touching = isinstance(node, Task) and bool(node.external or visit.touched)
    return touching and visit.status in ("running", "uncertain")


def _doubt(driver: Driver, scope: Scope, visit: Visit, before: Mapping[str, Any] | None = None) -> None:
    if visit.status == "uncertain":
        question = Question.from_json(visit.question or {})
    else:
        before = before or repeated(driver.run, scope, driver.services.companies)
        question = doubt(visit, before)
        known = {} if before is None else {"repeats": before["visit"]}
        driver.record("visit.waiting", {"scope": scope.id, "path": visit.path, "ask": question.as_json(), **known})
    ask_person(driver, scope, visit, question)


def dispatch(driver: Driver) -> None:
    """Gives places to work that waits for one; its start is recorded before it begins."""
    if driver.stop is not None:
        return
    while driver.waiting_for_place and len(driver.tasks) + len(driver.starting) < driver.width:
        scope = driver.waiting_for_place.popleft()
        if scope.status != "open" or scope.id not in driver.run.scopes:
            continue
        if limit := settle.no_step_left(driver.run, scope):
            driver.halt(Stop("limit", limit, drain=True))
            return
        kind, data = plan.started(scope)
        driver.record(kind, data)
        assert scope.current is not None
        assert isinstance(scope.current.node, Task)
        driver.recorder.must_sync = driver.recorder.must_sync or scope.current.node.external
        driver.starting.append(scope)


def begin(driver: Driver) -> None:
    for scope in driver.starting:
        visit = scope.current
        if visit is not None and scope.status == "open" and (driver.stop is None or driver.stop.drain):
            driver.tasks[scope] = asyncio.get_running_loop().create_task(_work(driver, scope, visit))
    driver.starting = []


async def _work(driver: Driver, scope: Scope, visit: Visit) -> None:
    assert isinstance(visit.node, Task)
    before = Before(visit.role, visit.steps, scope.sessions)
    desk = Desk(driver, scope, visit, asyncio.get_running_loop())
    seen, inputs = names(driver.run, scope), scope.file_inputs()
    attempt = Attempt(scope.graph, visit.node, visit.path, seen, driver.services, desk, before, inputs)
    driver.attempts[scope.id] = attempt
    if driver.trace is None:
        driver.trace = Trace.of(driver.run.id, driver.run.created, driver.run.trace)
    here.enter(here.Attempt(driver.trace, desk.note_soon, driver.clock), visit.event)
    try:
        outcome = await attempt_once(attempt)
    except Exception as error:  # noqa: BLE001
        driver.broken(error)
    else:
        driver.inbox.append(lambda: finished(driver, scope, visit, outcome))
    driver.tasks.pop(scope, None)
    driver.wake.set()
