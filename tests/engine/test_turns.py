"""Agents that may not be asked whenever one likes: waiting for them is no part of the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from magent.agents.throttle import Pace, Throttled
from magent.engine.snapshot import from_json, to_json
from magent.ports import Reply, Request
from tests.engine.crew import Scripted, broken, crew, told
from tests.engine.language import assert_replayable, refolded
from tests.fakes import ListSink

LATE = 60.0  # seconds, of more than any `timeout` here


class Hours:
    """The loop's own clock, put forward by hand: what is due by then happens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        real, self.ahead = loop.time, 0.0
        monkeypatch.setattr(loop, "time", lambda: real() + self.ahead)

    async def later(self, seconds: float = LATE) -> None:
        self.ahead += seconds
        for _ in range(3):
            await asyncio.sleep(0)


class Slow(Scripted):
    """Takes its time before it is ready (`prepares`), before it may be asked (`waits`), and while it answers."""

    def __init__(self, *replies: Any, hours: Hours, prepares: bool = False, waits: bool = False, works: bool = False):
        super().__init__(*replies)
        self.hours, self.prepares, self.waits, self.works = hours, prepares, waits, works
        self.span, self.busy = None, waits
        self.on_wait: Callable[[], None] = lambda: None

    async def prepare(self) -> None:
        if self.prepares:
            await self.hours.later()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Slow]:
        if self.waits:
            self.on_wait()
            await self.hours.later()
        yield self

    def recall_turns(self, ages: Sequence[float]) -> None:
        raise AssertionError

    async def ask(self, request: Request, on_text: Callable[[str], None]) -> Reply:
        if self.works:
            await self.hours.later()
        return await super().ask(request, on_text)


TIMED = "agents: {a: {replies: [x]}}\nnodes: {n: {prompt: hi, agent: a, timeout: 5s}}\n"


@pytest.mark.parametrize("slow", ["prepares", "waits"])
async def test_what_comes_before_a_call_is_not_of_the_tasks_time(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    room = crew(TIMED, a=Slow("fine", hours=Hours(monkeypatch), **{slow: True}))
    assert (await room.start()).status == "completed"


@pytest.mark.parametrize("waits", [True, False])
async def test_whoever_watches_learns_that_an_agent_is_waited_for(waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    room = crew(TIMED, a=Slow("fine", hours=Hours(monkeypatch), waits=waits))
    sink = ListSink()
    room.recording["sinks"] = (sink,)
    await room.start()
    assert [event.data for event in sink if event.type == "agent.waits"] == [{"path": "n", "agent": "a"}] * waits


async def test_the_call_itself_is(monkeypatch: pytest.MonkeyPatch) -> None:
    room = crew(TIMED, a=Slow("fine", hours=Hours(monkeypatch), waits=True, works=True))
    run = await room.start()
    assert run.failure is not None
    assert run.failure.type == "timeout"


async def test_making_the_first_agent_ready_is_not_of_the_seconds_time(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours(monkeypatch)
    text = TIMED.replace("{replies: [x]}", "{replies: [x], fallback: [b]}, b: {replies: [y]}")
    room = crew(text, a=Slow(broken("agent"), hours=hours, prepares=True), b=Slow("fine", hours=hours, prepares=True))
    run = await room.start()
    assert run.outputs == {"n": "fine"}


async def test_nothing_is_reserved_for_a_call_that_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Slow("fine", hours=Hours(monkeypatch), waits=True)
    room = crew(TIMED, a=agent)
    budget = room_budget = Counting()
    agent.on_wait = lambda: budget.seen.append(budget.reserved)
    driver = room.driver

    def with_budget(run: Any) -> Any:
        made = driver(run)
        made.services.budget = room_budget
        return made

    monkeypatch.setattr(room, "driver", with_budget)
    await room.start()
    assert budget.seen == [0]
    assert budget.most == 1


class Counting:
    def __init__(self) -> None:
        self.reserved = self.most = 0
        self.seen: list[int] = []

    def reserve(self, *_: Any) -> Any:
        self.reserved += 1
        self.most = max(self.most, self.reserved)

    def settle(self, *_: Any) -> None:
        self.reserved -= 1

    def recorded(self, _: Any) -> None:
        return None


# ---- over a resume

RATED = """
agents: {a: {replies: [x]}, b: {replies: [y]}}
nodes:
  one: {prompt: hi, agent: a, next: two}
  two: {prompt: hi, agent: a, next: three}
  three: {prompt: hi, agent: b}
"""


async def test_when_calls_began_is_on_the_record_for_as_long_as_it_counts() -> None:
    room = crew(RATED, a=Throttled(Scripted("fine"), Pace(None, 9)), b=Throttled(Scripted("fine"), Pace(1, None)))
    run = await room.start()
    assert [(each["path"], each["agent"], each["span"]) for each in told(room, "agent.asked")] == [
        ("one", "a", 60),
        ("two", "a", 60),
    ]  # and nothing of b, which has no rate
    began = [event.time for event in room.journal.events if event.type == "agent.asked"]
    place = f"{run.workflow.root}|a"
    assert run.turns == {place: began}
    assert from_json(run.workflow, to_json(run)).turns == run.turns
    assert refolded(room).turns == run.turns
    assert_replayable(room, run)
    late = room.journal.events[-1]._replace(
        time=began[-1] + 60, type="agent.asked", data={"scope": 0, "agent": "a", "span": 60}
    )
    run.apply(late)
    assert run.turns == {place: [late.time]}


async def test_a_call_waits_for_its_place_among_those_of_earlier_lives() -> None:
    time = [500.0]

    async def sleep(seconds: float) -> None:
        time[0] += seconds

    pace = Pace(None, 2, now=lambda: time[0], sleep=sleep)
    agent = Throttled(Scripted("fine"), pace)
    agent.recall_turns([50, 10])
    agent.recall_turns([50, 10])  # another agent of the same pace heard the same
    started = []
    for _ in range(3):
        async with agent.turn():
            started.append(time[0])
    assert started == [510, 550, 570]
