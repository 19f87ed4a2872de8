"""How long a life lasts while nothing is at hand: what is worth waiting for, and the run's own time limit."""

from __future__ import annotations

from magent import durations
from magent.engine.driver import Driver, Stop
from magent.events import Failure

_LIMIT = (-1, "limit")  # the timer that is no scope's


def busy(driver: Driver) -> bool:
    """Whether something will come back for which this life lasts, and nothing has yet."""
    if driver.stop is not None:
        return bool(driver.tasks) and not driver.inbox
    return not driver.inbox and bool(driver.tasks or driver.asking or _worth_waiting(driver))


def _worth_waiting(driver: Driver) -> bool:
    """Whether this life lasts until something goes on whose time has not come yet."""
    latest = driver.clock.now() + driver.linger
    for scope_id, kind in driver.timers:
        visit = driver.run.scopes[scope_id].current if kind in ("wait", "retry") else None
        if visit is not None and (kind == "retry" or (visit.deadline or 0.0) <= latest):
            return True
    return False


def rests(driver: Driver) -> bool:
    """Whether something goes on of itself when its time has come."""
    return any(kind in ("wait", "retry") for _, kind in driver.timers)


async def pause(driver: Driver) -> None:
    """Waits until something comes back. While only people are awaited, the run's time limit stands still."""
    began = driver.clock.now()
    only_people = len(driver.tasks) <= driver.consulting and not rests(driver) and not driver.dying
    if only_people and (timer := driver.timers.pop(_LIMIT, None)) is not None:
        timer.cancel()
    await driver.wake.wait()
    driver.wake.clear()
    if only_people:
        driver.waited += max(0.0, driver.clock.now() - began)
        limit_time(driver)


def limit_time(driver: Driver) -> None:
    """Plans the end of this life for when the run has used up its `limits.timeout`."""
    limit = driver.run.limits.get("timeout")
    if limit is None:
        return
    when = driver.run.life_started + driver.waited + limit - driver.run.spent
    message = f"the run has worked for {durations.show(limit)}, its limit"
    error = Failure("limit", message, hint=f"raise it with --limit timeout={max(1, round(2 * limit))}s")
    if _LIMIT in driver.timers:
        driver.timers.pop(_LIMIT).cancel()
    driver.timers[_LIMIT] = driver.clock.call_at(when, lambda: driver.halt(Stop("limit", error)))
