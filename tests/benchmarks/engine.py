"""Rows that run in this process: through `load(…).run(…)`, as the Python API's users do."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magent import app
from magent.engine import run as lives
from magent.engine.snapshot import to_json
from magent.events import Event
from magent.loading import workflow_of
from magent.ports import Question
from magent.stores.file import FileStore
from magent.tools.calculator import calculate
from tests.benchmarks import floors, work
from tests.benchmarks.measure import MB, Effort, directory, in_turn, journal_size, whole_size
from tests.benchmarks.table import Bound, Line, most, times

Place = Callable[[], Path]
RAISED = 100_000  # a `limits.max_concurrency` that nothing here reaches


def life(loaded: app.LoadedWorkflow, store: Path | None, **options: Any) -> float:
    """Seconds of one run, from the call to its result."""

    async def run() -> None:
        result = await loaded.run(store=None if store is None else f"file:{store}", **options)
        assert result.status == "completed", result.error

    return floors.seconds(run)


@contextmanager
def places() -> Iterator[Place]:
    """A function that names another new path each time."""
    with directory() as top:
        count = itertools.count()
        yield lambda: top / str(next(count))


def nowhere() -> None:
    """In memory, nothing is written."""


def chain_in_memory(effort: Effort) -> list[Line]:
    return _flat([_chain(effort, length, None) for length in effort.counts(1000, 5000)])


def _chain(effort: Effort, length: int, place: Place | None) -> Line:
    loaded = app.load(work.chain(length))
    new: Callable[[], Path | None] = place or nowhere
    floor, magent = in_turn(
        effort, lambda: floors.seconds(lambda: floors.chain(length, new())), lambda: life(loaded, new())
    )
    bounds = (times(6), times(3)) if place is None else (times(1.8), times(1.3))
    name = f"chain of {length:,}, {'in memory' if place is None else 'durable'}, a node"
    return Line(name, "µs", floor / length * 1e6, magent / length * 1e6, *bounds)


def _flat(lines: list[Line]) -> list[Line]:
    """Adds the line that says whether the cost of one, counted in floors, grows with their number."""
    small, large = (line.ratio or 0.0 for line in (lines[0], lines[-1]))
    return [*lines, Line("  flat: floors of the longest beside those of the shortest", "×", small, large, times(1.25))]


def chain_durable(effort: Effort) -> list[Line]:
    with places() as place:
        lines = _flat([_chain(effort, length, place) for length in effort.counts(1000, 5000)])
        return [*lines, *(line for length in effort.counts(1000, 5000) for line in _bytes(length, place()))]


def _bytes(length: int, store: Path) -> list[Line]:
    life(app.load(work.chain(length)), store)
    floor = len('{"seq":100,"node":"n100","output":{"ok":true,"score":7}}\n')
    name = f"  bytes on disk a node, {length:,}"
    return [
        Line(f"{name}: journal", "B", floor, journal_size(store) / length, most(400), most(200)),
        Line(f"{name}: all files", "B", floor, whole_size(store) / length),
    ]


def fan_in_memory(effort: Effort) -> list[Line]:
    bounds, counts = (times(8), times(4)), effort.counts(1000, 10_000)
    lines = [_fan(effort, count, None, None, bounds) for count in counts]
    return [*_flat(lines), *(_fan(effort, count, RAISED, None, bounds) for count in counts)]


def fan_durable(effort: Effort) -> list[Line]:
    bounds, counts = (times(10), times(5)), effort.counts(1000, 10_000)
    with places() as place:
        return [_fan(effort, count, width, place, bounds) for width in (None, RAISED) for count in counts]


def _fan(effort: Effort, branches: int, width: int | None, place: Place | None, bounds: tuple[Bound, Bound]) -> Line:
    loaded = app.load(work.fan(branches, width))
    new: Callable[[], Path | None] = place or nowhere
    floor, magent = in_turn(
        effort, lambda: floors.seconds(lambda: floors.fan(branches, new())), lambda: life(loaded, new())
    )
    how = "16 at a time" if width is None else "all at once"
    name = f"fan-out of {branches:,}, {'in memory' if place is None else 'durable'}, {how}, a branch"
    return Line(name, "µs", floor / branches * 1e6, magent / branches * 1e6, *bounds)


def loop_durable(effort: Effort) -> list[Line]:
    with places() as place:
        timed, sized = zip(*(_loop(effort, rounds, place) for rounds in effort.counts(1000, 10_000)), strict=True)
    return [*_flat(list(timed)), *sized]


def _loop(effort: Effort, rounds: int, place: Place) -> tuple[Line, Line]:
    loaded = app.load(work.loop(rounds))
    sizes: list[float] = []

    def magent() -> float:
        store = place()
        spent = life(loaded, store)
        sizes.append(journal_size(store) / rounds)
        return spent

    floor, spent = in_turn(effort, lambda: floors.seconds(lambda: floors.loop(rounds, place())), magent)
    name = f"loop of {rounds:,} with a growing list, durable, a round"
    line = Line(name, "µs", floor / rounds * 1e6, spent / rounds * 1e6, times(1.8), times(1.3))
    return line, Line(f"  bytes on disk a round, {rounds:,}", "B", None, statistics.median(sizes), most(500))


def shell_jobs(effort: Effort) -> list[Line]:
    count = effort.count(1000)
    loaded = app.load(work.fan(count, work={"run": ["true"]}, max_concurrency=2))
    with places() as place:
        floor, magent = in_turn(effort, lambda: floors.jobs(count, place()), lambda: life(loaded, place()))
    name = f"shell job `true`, {count:,}, two at a time, durable"
    return [Line(name, "ms", floor / count * 1e3, magent / count * 1e3, times(2), times(1.5))]


class Prompt:
    """A person who answers at once, and how long after each node was reached the question came."""

    def __init__(self) -> None:
        self.reached: dict[str, float] = {}
        self.delays: list[float] = []

    def __call__(self, event: Event) -> None:
        if event.type == "visit.started" and "ask" in event.data:
            self.reached[event.data["path"]] = event.time

    async def ask(self, question: Question) -> Mapping[str, Any]:
        self.delays.append(time.time() - self.reached[question.path])
        return {"approved": True, "comment": None, "by": "benchmark", "via": "terminal", "at": None}


def human_input(effort: Effort) -> list[Line]:
    questions = effort.count(100)
    loop = {"type": "loop", "while": True, "max_iterations": questions, "on_exhausted": "continue", "body": "sign_off"}
    loaded = app.load(work.workflow({"loop": loop, "sign_off": {"type": "human_input", "input": "approval"}}))

    def magent(store: Path) -> float:
        prompt = Prompt()
        life(loaded, store, human=prompt, on_event=prompt)
        return statistics.median(prompt.delays)

    with places() as place:
        floor, delay = in_turn(
            effort,
            lambda: floors.seconds(lambda: floors.chain(questions, place())) / questions,
            lambda: magent(place()),
        )
    return [Line("human input, from the node reached to the question put", "ms", floor * 1e3, delay * 1e3, most(20))]


def checkpoint(effort: Effort) -> list[Line]:
    """The fold of a run of some 10,000 events, with 1 MB of state, kept; its writing goes on beside the run."""
    nodes = work.loop(effort.count(3300))["nodes"]
    grow = {**nodes["grow"], "next": "fill"}
    data = work.workflow(
        {**nodes, "grow": grow, "fill": {"set": {"text": f"{{{{ 'x' * {effort.count(MB)} }}}}"}}},
        state={
            "found": {"type": "array", "default": [], "reduce": "append"},
            "text": {"type": "string", "default": ""},
        },
    )
    with places() as place:
        store = place()
        life(app.load(data), store)
        taken: list[float] = []
        floor, whole = in_turn(
            effort,
            lambda: floors.replace(place(), b"x" * effort.count(MB)),
            lambda: asyncio.run(_checkpoint(FileStore(f"file:{store}"), taken)),
        )
    name = "checkpoint of 10,000 events, 1 MB of state"
    return [
        Line(f"{name}, written and synced", "ms", floor * 1e3, whole * 1e3, most(15)),
        Line("  of that, on the critical path", "ms", None, statistics.median(taken) * 1e3),
    ]


async def _checkpoint(store: FileStore, taken: list[float]) -> float:
    """Seconds until it is on the disk; `taken` gets those until the run could go on."""
    journal, record = await store.open(await store.resolve("latest"))
    run = lives.refold(workflow_of(record), record)
    began = time.perf_counter()
    await journal.checkpoint(run.seq, to_json(run))
    taken.append(time.perf_counter() - began)
    await journal.close()
    return time.perf_counter() - began


def tool_call(effort: Effort) -> list[Line]:
    """A chain of calls of the calculator: all that a node costs, so the call's own share is less."""
    length = effort.count(1000)
    tool = {"tool": "calculator", "with": {"expression": "(12.5 * 3 - 1) / 2"}}
    loaded = app.load(work.chain(length, tool, tools={"calculator": {"builtin": "calculator"}}))

    async def bare() -> int | float:
        return calculate("(12.5 * 3 - 1) / 2")

    floor, magent = in_turn(
        effort,
        lambda: floors.seconds(lambda: floors.chain(length, None, bare)),
        lambda: life(loaded, None),
    )
    bound = most(round(floor / length * 1e3 + 0.2, 3))
    return [Line("tool call, the calculator, the whole node", "ms", floor / length * 1e3, magent / length * 1e3, bound)]
