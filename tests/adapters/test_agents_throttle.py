"""Agents that are not asked too often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from magent.agents import make
from magent.agents.base import Unusable
from magent.agents.throttle import Pace, Throttled, throttled
from magent.ports import Message, Reply, Request
from tests.adapters.fake_provider import environment, spec_of

REQUEST = Request("hi", (Message("user", "hi"),))


class Busy:
    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.closed = False

    async def ask(self, request: Request, on_text: Any) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        return Reply("ok")

    async def close(self) -> None:
        self.closed = True


async def asked(agent: Throttled, times: int) -> None:
    await asyncio.gather(*(agent.ask(REQUEST, lambda _: None) for _ in range(times)))


async def test_no_more_than_max_concurrency_are_asked_at_once() -> None:
    busy = Busy()
    await asked(Throttled(busy, Pace(2, None)), 7)
    assert busy.most == 2


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(3, [0, 0, 0, 60, 60, 60, 120]), (2.5, [0, 0, 60, 60, 120, 120, 180]), (0.5, [0, 120, 240, 360, 480, 600, 720])],
)
async def test_no_more_than_requests_per_minute_begin_in_any_minute(rate: float, expected: list[float]) -> None:
    time, starts = [0.0], []

    async def sleep(seconds: float) -> None:
        time[0] += seconds

    class Noting(Busy):
        async def ask(self, request: Request, on_text: Any) -> Reply:
            starts.append(time[0])
            return Reply("ok")

    agent = Throttled(Noting(), Pace(None, rate, now=lambda: time[0], sleep=sleep))
    for _ in range(7):
        await agent.ask(REQUEST, lambda _: None)
    assert starts == expected


async def test_it_is_busy_while_who_comes_now_has_to_wait() -> None:
    now = [0.0]
    narrow, rated = Throttled(Busy(), Pace(1, None)), Throttled(Busy(), Pace(None, 1, now=lambda: now[0]))
    for agent in (narrow, rated):
        assert not agent.busy
        async with agent.turn():
            assert agent.busy
    assert not narrow.busy
    assert rated.busy
    now[0] = 60.0
    assert not rated.busy


async def test_the_rate_holds_also_for_those_who_waited_for_a_place() -> None:
    """The first takes a minute; the others must not all begin in the moment it is done."""
    clock = [0.0]
    begun: list[float] = []

    async def sleep(seconds: float) -> None:
        clock[0] += seconds

    class Slow(Busy):
        async def ask(self, request: Request, on_text: Any) -> Reply:
            begun.append(clock[0])
            if len(begun) == 1:
                await asyncio.sleep(0)
                clock[0] += 60
            return Reply("done")

    agent = Throttled(Slow(), Pace(1, 3, now=lambda: clock[0], sleep=sleep))
    await asked(agent, 8)
    assert len(begun) == 8
    assert all(later - earlier >= 60 for earlier, later in zip(begun, begun[3:], strict=False))


@pytest.mark.parametrize(
    ("key", "text", "number"),
    [
        ("max_concurrency", "2", 2),
        ("requests_per_minute", "2.5", 2.5),
        ("max_tokens", "50", 50),
        ("temperature", "0", 0),
    ],
)
def test_numbers_that_templates_gave_as_text_are_numbers(key: str, text: str, number: float) -> None:
    made: Any = make(*spec_of("replies", replies=["x"], **{key: text}), environment())
    assert getattr(made, "agent", made).settings[key] == number


@pytest.mark.parametrize("value", ["many", "", "0", "1.5", "inf", "nan", "-1", True, [2]])
def test_what_is_no_such_number_says_so_when_the_agent_is_asked(value: Any) -> None:
    made = make(*spec_of("replies", replies=["x"], max_concurrency=value), environment())
    assert isinstance(made, Unusable)
    assert "`max_concurrency` of agent 'someone' must be a whole number from 1" in made.why.failure.message


async def test_an_agent_without_bounds_is_left_as_it_is_and_closing_reaches_the_inner_one() -> None:
    busy = Busy()
    assert throttled(busy, {}, {}) is busy
    await throttled(busy, {"max_concurrency": 1}, {}).close()
    assert busy.closed
