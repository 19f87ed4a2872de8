"""The loop that acts on what the planner says: plan → record → start → wait, until nothing is left to do.

Every batch of finished work is recorded (and synced, by the durability chosen) before what depends on it starts.
"""

from __future__ import annotations

import asyncio

from magent.engine import plan
from magent.engine.collecting import seldom_collecting
from magent.engine.driver import Driver, Stop
from magent.engine.launching import begin, dispatch, launch
from magent.engine.leaving import leave, quiet
from magent.engine.patience import busy, pause

BATCH = 512


async def drive(driver: Driver) -> None:
    """Returns when the run is over, waits for people, or was stopped. Raises StoreError where the record cannot be
    written, and what an adapter raised against its contract."""
    try:
        with seldom_collecting():
            await _until_over(driver)
        await leave(driver)
    finally:
        await quiet(driver)
    if driver.fault is not None:
        raise driver.fault


async def _until_over(driver: Driver) -> None:
    while not _over(driver):
        _plan(driver)
        dispatch(driver)
        await driver.recorder.commit()
        begin(driver)
        driver.tell_noted()
        if driver.run.ready and not driver.stop:
            await asyncio.sleep(0)
        elif busy(driver):
            await pause(driver)
        elif not driver.inbox:
            break
        driver.collect()


def _over(driver: Driver) -> bool:
    if driver.stop is not None and not (driver.stop.drain and driver.tasks):
        return True
    return driver.run.status != "running"


def _plan(driver: Driver) -> None:
    run, now = driver.run, driver.now()
    while run.ready and driver.stop is None and len(driver.recorder.batch) < BATCH:
        scope = run.next_ready()
        decision = plan.step(run, scope, now)
        for kind, data in decision.facts:
            driver.record(kind, data, now)
        if decision.limit is not None:
            driver.halt(Stop("limit", decision.limit, drain=True))
        elif decision.launch is not None:
            launch(driver, decision.launch)
