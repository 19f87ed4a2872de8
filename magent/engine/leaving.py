"""How a life of a run ends: what is at work is let go, and why it ended is the last that is recorded of it."""

from __future__ import annotations

import asyncio
from typing import Any

from magent.engine.conclude import Fact
from magent.engine.driver import Driver
from magent.engine.patience import rests
from magent.engine.scopes import Scope


async def leave(driver: Driver) -> None:
    """Records how this life ended, once nothing is at work any more."""
    for scope_id in [*driver.attempts] if driver.run.status == "running" else ():
        driver.spent_on(scope_id)
    resting = rests(driver)
    await quiet(driver)
    if driver.run.status == "running":
        driver.record(*_last_event(driver, resting))
    await driver.recorder.close()
    driver.tell_noted()


def _last_event(driver: Driver, resting: bool) -> Fact:
    stop, waited = driver.stop, round(driver.waited, 3)
    if stop is not None:
        data: dict[str, Any] = {"reason": stop.reason, "waited": waited}
        if stop.error is not None:
            data["error"] = stop.error.as_json()
        if stop.signal:
            data["signal"] = stop.signal
        return "run.cancelled" if stop.final else "run.interrupted", data
    waiting = [scope.current.path for scope in driver.run.scopes.values() if _asks(scope) and scope.current]
    if waiting:
        return "run.waiting", {"nodes": waiting, "waited": waited}
    if resting:
        return "run.interrupted", {"reason": "not yet", "waited": waited}
    raise AssertionError("the run stands still, with nothing at work and nothing to wait for")


def _asks(scope: Scope) -> bool:
    """Whether a person must answer before the scope goes on."""
    visit = scope.current
    return scope.status == "open" and visit is not None and visit.question is not None and visit.answer is None


async def quiet(driver: Driver) -> None:
    """Cancels what is at work and waits until it has ended."""
    driver.leaving = True
    for timer in driver.timers.values():
        timer.cancel()
    driver.timers.clear()
    tasks = [*driver.tasks.values(), *driver.asking.values(), *driver.dying]
    driver.tasks.clear()
    driver.asking.clear()
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.gather(*tasks, return_exceptions=True)
