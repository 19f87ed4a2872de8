"""Fakes for tests: a clock that is moved by hand, scripted people, a sink that lists. No mocks."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from magent.engine.work import Home, Reserved
from magent.events import Event, Failure, WorkFailed
from magent.ports import ProcessResult, Question
from magent.shapes import fault

PATIENCE = 50  # turns of the loop


class FakeTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Time stands still until `advance`. With `auto`, it jumps to the next timer when nothing else happens: one timer
    at a time, with patience for what follows from each."""

    def __init__(self, start: float = 1_000_000.0, *, auto: bool = False) -> None:
        self.time = start
        self.auto = auto
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._count = itertools.count()
        self._waits = 0

    def now(self) -> float:
        return self.time

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (when, next(self._count), timer))
        if self.auto:
            self._wait_for_quiet()
        return timer

    def _wait_for_quiet(self) -> None:
        self._waits += 1
        asyncio.get_running_loop().call_soon(self._jump, PATIENCE, self._waits)

    def _jump(self, turns: int, wait: int) -> None:
        """Lets the loop turn a while, so that work which needs no time is done first. A newer wait replaces it."""
        if wait != self._waits:
            return
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if turns:
            asyncio.get_running_loop().call_soon(self._jump, turns - 1, wait)
        elif self._timers:
            self.advance(max(0.0, self._timers[0][0] - self.time))
            self._wait_for_quiet()

    def advance(self, seconds: float) -> None:
        self.time += seconds
        while self._timers and self._timers[0][0] <= self.time:
            _, _, timer = heapq.heappop(self._timers)
            if timer.callback is not None:
                timer.callback()


class ListSink(list[Event]):
    def __call__(self, event: Event) -> None:
        self.append(event)

    def types(self) -> list[str]:
        return [event.type for event in self]


class Nobody:
    """No person answers."""

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        return None


class ScriptedPeople:
    """Answers by node name; an unknown node is nobody's."""

    def __init__(self, answers: Mapping[str, Mapping[str, Any]]) -> None:
        self.answers = answers
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        self.asked.append(question)
        return self.answers.get(question.node)


class FakeExecutor:
    """Gives scripted results by the last word of the command; keeps what it was given."""

    def __init__(self, results: Mapping[str, ProcessResult] | None = None) -> None:
        self.results = results or {}
        self.seen: list[Sequence[str]] = []

    async def run(self, argv: Sequence[str], **_: Any) -> ProcessResult:
        self.seen.append(argv)
        return self.results.get(argv[-1], ProcessResult(0, "", ""))


class MemoryJournal:
    """Keeps events; can fail after a number of them, as a full disk would."""

    lasting = True

    def __init__(self, directory: Path = Path()) -> None:
        self.run_id = "test"
        self.directory = directory
        self.workspace = directory
        self.events: list[Event] = []
        self.batches: list[tuple[list[Event], bool]] = []
        self.checkpoints: list[tuple[int, Mapping[str, Any]]] = []
        self.result: Mapping[str, Any] | None = None

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:
        assert [f"{event.type}: {wrong}" for event in events if (wrong := fault(event))] == []  # none is ever damage
        self.events.extend(events)
        self.batches.append((list(events), sync))

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = 5) -> None:
        self.checkpoints.append((seq, fold))

    async def finish(self, result: Mapping[str, Any]) -> None:
        self.result = result

    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        return {}

    async def close(self) -> None:
        return None


class NoBudget:
    def reserve(self, home: Home, agent: str, max_tokens: int | None) -> Reserved:
        return Reserved(0)

    def settle(self, reserved: Reserved, usage: Any) -> None:
        return None

    def recorded(self, data: Mapping[str, Any]) -> None:
        return None


def missing(kind: str) -> Callable[..., Any]:
    def lookup(_graph: Any, name: str) -> Any:
        raise WorkFailed(Failure(kind, f"no {kind} is named '{name}'"))

    return lookup
