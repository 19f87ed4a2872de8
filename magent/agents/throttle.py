"""An agent that is not asked too often: `max_concurrency` and `requests_per_minute` wrap whatever agent it is."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from typing import Any

from magent.agents.base import OnText
from magent.ports import Agent, Prepares, Reachable, Remembers, Reply, Request

MINUTE = 60.0


class Throttled:
    """Asks `agent` at most `width` times at once (None: no bound) and `rate` times in any minute (None: no bound; less
    than one: in so many minutes)."""

    def __init__(
        self,
        agent: Agent,
        width: int | None,
        rate: float | None,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.agent = agent
        self._places = asyncio.Semaphore(width) if width else None
        self._rate = None if rate is None else max(1, int(rate))
        self._span = MINUTE / min(1.0, rate or 1.0)
        self._starts: deque[float] = deque(maxlen=self._rate)
        self._now, self._sleep = now, sleep
        self._turn = asyncio.Lock()

    async def ask(self, request: Request, on_text: OnText) -> Reply:
        """A place first, then a turn: whoever has waited for a place has not begun."""
        async with self._places or nullcontext():
            await self._wait_for_turn()
            return await self.agent.ask(request, on_text)

    async def _wait_for_turn(self) -> None:
        if self._rate is None:
            return
        async with self._turn:
            if len(self._starts) == self._rate:
                await self._sleep(max(0.0, self._starts[0] + self._span - self._now()))
            self._starts.append(self._now())

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


def throttled(agent: Agent, settings: Mapping[str, Any]) -> Agent:
    """The agent within the bounds that its settings name, or as it is where they name none."""
    width, rate = settings.get("max_concurrency"), settings.get("requests_per_minute")
    return Throttled(agent, width, rate) if width or rate else agent
