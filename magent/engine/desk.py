"""What an attempt at one visit tells the run and asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from magent.engine.driver import Driver
from magent.engine.scopes import Scope, Visit
from magent.events import Event
from magent.ports import Question


@dataclass(frozen=True, slots=True)
class Desk:
    """All goes through the driver's inbox: only the driver records, and only between its own steps."""

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

        driver.soon(record)
        return int(await done)

    def note_soon(self, kind: str, data: Mapping[str, Any]) -> None:
        driver = self.driver

        def record() -> None:
            if driver.at_work(self.scope, self.visit) and not driver.leaving:
                driver.record(kind, {"scope": self.scope.id, "path": self.visit.path, **data})

        if self.loop is _running():
            driver.soon(record)
        else:
            with suppress(RuntimeError):  # the loop has ended before the thread
                self.loop.call_soon_threadsafe(driver.soon, record)

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
