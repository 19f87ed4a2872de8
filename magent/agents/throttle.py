"""An agent that is not asked too often: `max_concurrency` and `requests_per_minute` wrap whatever agent it is.

Waiting is no part of a call: whoever asks waits for a turn, and asks the agent itself within it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from magent.agents.base import OnText
from magent.ports import Agent, Prepares, Reachable, Remembers, Reply, Request

MINUTE = 60.0


class Pace:
    """At most `width` turns at once (None: no bound), and `rate` begin in any minute (None: no bound; less than one: in
    so many minutes). `span`: for how many seconds one that began counts."""

    def __init__(
        self,
        width: int | None,
        rate: float | None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.span = None if rate is None else MINUTE / min(1.0, rate)
        self._places = asyncio.Semaphore(width) if width else None
        self._starts: deque[float] = deque(maxlen=max(1, int(rate or 1)))
        self._recalled = False
        self._now, self._sleep = now, sleep
        self._queue = asyncio.Lock()

    @property
    def busy(self) -> bool:
        full = len(self._starts) == self._starts.maxlen and self._starts[0] + (self.span or 0.0) > self._now()
        return full or self._queue.locked() or (self._places is not None and self._places.locked())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A place first, then the rate: whoever has waited for a place has not begun."""
        async with self._places or nullcontext():
            if self.span is not None:
                await self._wait(self.span)
            yield

    async def _wait(self, span: float) -> None:
        async with self._queue:
            if len(self._starts) == self._starts.maxlen:
                await self._sleep(max(0.0, self._starts[0] + span - self._now()))
            self._starts.append(self._now())

    def recall(self, ages: Sequence[float]) -> None:
        """So many seconds ago turns began, the earliest first; heard once."""
        now, heard, self._recalled = self._now(), self._recalled, True
        if not heard:
            earlier = [now - max(0.0, age) for age in ages]
            self._starts = deque([*earlier, *self._starts], self._starts.maxlen)


class Throttled:
    """Asks `agent` at this pace."""

    def __init__(self, agent: Agent, pace: Pace) -> None:
        self.agent = agent
        self.pace = pace

    @property
    def span(self) -> float | None:
        return self.pace.span

    @property
    def busy(self) -> bool:
        return self.pace.busy

    async def ask(self, request: Request, on_text: OnText) -> Reply:
        async with self.turn() as agent:
            return await agent.ask(request, on_text)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Agent]:
        async with self.pace.turn():
            yield self.agent

    def recall_turns(self, ages: Sequence[float]) -> None:
        self.pace.recall(ages)

    async def prepare(self) -> None:
        if isinstance(self.agent, Prepares):
            await self.agent.prepare()

    async def reach(self, online: bool) -> str:
        return await self.agent.reach(online) if isinstance(self.agent, Reachable) else ""

    def recall(self, mark: Any) -> None:
        if isinstance(self.agent, Remembers):
            self.agent.recall(mark)

    async def close(self) -> None:
        await self.agent.close()


def throttled(agent: Agent, settings: Mapping[str, Any], paces: dict[Any, Pace]) -> Agent:
    """The agent within the bounds that its settings name, or as it is where they name none. `paces` are those that are
    known, by their bounds."""
    width, rate = settings.get("max_concurrency"), settings.get("requests_per_minute")
    if not (width or rate):
        return agent
    return Throttled(agent, paces.setdefault((width, rate), Pace(width, rate)))
