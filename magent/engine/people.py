"""Questions of a run to people: asked here, answered here or elsewhere, or too late."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from magent.answers import digest, normalise
from magent.clock import from_iso, iso
from magent.engine.attempt import Outcome
from magent.engine.driver import Driver
from magent.engine.outcomes import finished
from magent.engine.scopes import Scope, Visit
from magent.engine.uncertain import decide, done_step
from magent.errors import AnswerRefused
from magent.events import Failure, WorkFailed
from magent.model import HumanInput
from magent.ports import CannotAsk, Question


def ask_person(driver: Driver, scope: Scope, visit: Visit, question: Question) -> None:
    if visit.answer is not None:
        answer = visit.answer
        driver.soon(lambda: _answered(driver, scope, visit, answer))
        return
    if question.deadline is not None and question.deadline <= driver.clock.now():
        driver.soon(lambda: _too_late(driver, scope, visit, question))
        return
    if question.deadline is not None:
        driver.at(scope, "deadline", question.deadline, lambda: _too_late(driver, scope, visit, question))
    driver.asking[scope] = asyncio.get_running_loop().create_task(_question(driver, scope, visit, question))


async def _question(driver: Driver, scope: Scope, visit: Visit, question: Question) -> None:
    try:
        answer = await driver.human.ask(question)
        driver.soon(lambda: _answered(driver, scope, visit, answer))
    except WorkFailed as error:
        failure = error.failure
        driver.soon(lambda: finished(driver, scope, visit, Outcome(None, failure, {})))
    except CannotAsk as why:
        told = str(why)
        driver.soon(lambda: _unasked(driver, scope, visit, told))
    except Exception as error:  # noqa: BLE001
        driver.broken(error)
    driver.asking.pop(scope, None)
    driver.wake.set()


def _unasked(driver: Driver, scope: Scope, visit: Visit, why: str) -> None:
    """Whoever should have asked could not: nothing is lost, the question stays open."""
    if driver.at_work(scope, visit):
        driver.record("visit.waiting", {"scope": scope.id, "path": visit.path, "why": why})


def heard(driver: Driver, data: Mapping[str, Any]) -> asyncio.Future[int]:
    """An answer from elsewhere, as the data of `visit.answered`: whoever is asked here is asked no longer. To be
    called through the inbox. What it returns is done once the answer is on the record for good."""
    scope = driver.run.scopes[data["scope"]]
    visit = scope.current
    assert visit is not None
    driver.recorder.must_sync = True
    driver.record("visit.answered", dict(data))
    answer = visit.answer or {}
    driver.let_go(scope, f"answered by {answer.get('by') or 'somebody'} ({answer.get('via')})")
    _answered(driver, scope, visit, answer)
    recorded: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    driver.noted.append((recorded, driver.run.seq))
    return recorded


def _answered(driver: Driver, scope: Scope, visit: Visit, answer: Any) -> None:
    if not driver.at_work(scope, visit):
        return
    if answer is None:
        if visit.status in ("running", "again"):
            driver.record("visit.waiting", {"scope": scope.id, "path": visit.path})
    elif isinstance(visit.node, HumanInput):
        finished(driver, scope, visit, Outcome(dict(answer), None, _beside(driver, visit, answer)))
    else:
        _decided(driver, scope, visit, answer)


def _beside(driver: Driver, visit: Visit, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept with an answer: what was shown, and how long it took."""
    at = answer.get("at")
    took = (from_iso(at) if isinstance(at, str) else driver.now()) - visit.started
    return {"digest": digest(Question.from_json(visit.question or {})), "took": round(max(0.0, took), 3)}


def _decided(driver: Driver, scope: Scope, visit: Visit, answer: Any) -> None:
    """What became of work that was in doubt."""
    step = done_step(visit, answer)
    if step is not None:
        driver.record("tool.returned", step)
    outcome = None if step is not None else decide(visit, answer)
    if outcome is None:
        visit.status = "again"
        driver.waiting_for_place.append(scope)
    else:
        finished(driver, scope, visit, outcome, final=True)


def _too_late(driver: Driver, scope: Scope, visit: Visit, question: Question) -> None:
    assert isinstance(visit.node, HumanInput)
    if visit.node.on_timeout == "default" and question.has_default:
        try:
            answer = {**normalise(question, question.default), "via": "timeout", "at": iso(driver.clock.now())}
            _answered(driver, scope, visit, answer)
            return
        except AnswerRefused as refused:
            failure = Failure("value", refused.message)
    else:
        failure = Failure("timeout", f"nobody answered '{visit.node.name}' in time")
    finished(driver, scope, visit, Outcome(None, failure, {}))
