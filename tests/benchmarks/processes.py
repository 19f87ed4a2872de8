"""Rows that are whole processes, as users of the command line meet them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import work
from tests.benchmarks.engine import RAISED
from tests.benchmarks.measure import MB, ROOT, Done, Effort, directory, in_turn, magent, process
from tests.benchmarks.table import Line, most

_EVENTS = """
import sys
from _ruamel_yaml import CParser
parser = CParser(open(sys.argv[1], "rb"))
while parser.get_event() is not None:
    pass
"""
_READER = """
import asyncio, json, os, sys, time
state = {}
for line in open(sys.argv[1], "rb"):
    event = json.loads(line)
    state[event.get("node")] = event.get("output")
async def node():
    with open(os.environ["BENCHMARK_TOLD"], "w") as file:
        file.write(repr(time.monotonic()))
asyncio.run(node())
"""


def python(*words: str) -> list[str]:
    return [sys.executable, *words]


def startup(effort: Effort) -> list[Line]:
    lines = []
    for words, target, dream in effort.some([("--version", 100, 60), ("--help", 160, 60), ("run --help", 160, 60)]):
        floor, found = in_turn(effort, _spent(python("-c", "pass")), _spent(magent(*words.split())))
        name = f"`magent {words}`, whole process"
        lines.append(Line(name, "ms", floor * 1e3, found * 1e3, most(target), most(dream)))
    return lines


def _spent(command: Sequence[str], cwd: Path = ROOT) -> Callable[[], float]:
    return lambda: process(command, cwd).spent


def run_of_one(effort: Effort) -> list[Line]:
    with directory() as here:
        (here / "workflow.yaml").write_text("magent: 1\nname: one\nnodes:\n  mark: {set: {stage: drafted}}\n")
        command = magent("run", "--no-input", "--store", f"file:{here / 'store'}")
        floors: list[Done] = []
        found: list[Done] = []
        in_turn(
            effort,
            lambda: _kept(floors, process(python("-c", "import asyncio, json"), here)),
            lambda: _kept(found, process(command, here)),
        )
    spent, peak = (
        [statistics.median(getattr(done, name) for done in side) for side in (floors, found)]
        for name in ("spent", "peak")
    )
    name = "`magent run` of one `set` node, whole process, durable"
    return [
        Line(name, "s", spent[0], spent[1], most(0.5), most(0.3)),
        Line("  its peak memory", "MB", peak[0] / MB, peak[1] / MB, most(70)),
    ]


def _kept(all_of_them: list[Done], done: Done) -> float:
    all_of_them.append(done)
    return done.spent


def validate(effort: Effort) -> list[Line]:
    lines = []
    with directory() as here:
        for length in effort.counts(1000, 10_000):
            (here / "long.yaml").write_text(work.file_of_prompts(length))
            floor, found = in_turn(
                effort,
                _spent(python("-c", _EVENTS, "long.yaml"), here),
                _spent(magent("validate", "long.yaml"), here),
            )
            bounds = (most(4), most(1.5)) if length == effort.count(10_000) else (None, None)
            lines.append(Line(f"`magent validate` of {length:,} nodes, whole process", "s", floor, found, *bounds))
    return lines


def memory(effort: Effort) -> list[Line]:
    count = effort.count(10_000)
    floor = _peak(f"asyncio.run(floors.fan({count}))", "import asyncio; from tests.benchmarks import floors")
    imports = "from magent import app; from tests.benchmarks import engine, work"
    lines = []
    for width, how in effort.some([(None, "16 at a time"), (RAISED, "all at once")]):
        found = _peak(f"engine.life(app.load(work.fan({count}, {width})), None)", imports)
        name = f"peak memory of a fan-out of {count:,} in memory, {how}"
        lines.append(Line(name, "MB", floor, found, most(150)))
    return lines


def _peak(statement: str, imports: str) -> float:
    return process(python("-c", f"{imports}; {statement}")).peak / MB


def resume(effort: Effort) -> list[Line]:
    target = "tests.benchmarks.work:mortal"
    long, rounds = effort.count(1000), effort.count(3334)
    cut = effort.count(900)
    cases = [
        (work.chain(long, {"call": target}), cut, f"resume of a chain of {long:,} killed at {cut:,}", 0.45),
        (work.loop(rounds + 1, target), rounds, f"resume after {3 * rounds:,} events", 0.6),
    ]
    return [_resume(effort, *case) for case in effort.some(cases)]


def _resume(effort: Effort, data: dict[str, Any], killed_at: int, name: str, bound: float) -> Line:
    """From the start of the process to its first new node, each time from the same killed run."""
    with directory() as here:
        store = here / "store"
        environ = {**os.environ, "PYTHONPATH": str(ROOT), "BENCHMARK_KILL_AT": str(killed_at)}
        (here / "workflow.yaml").write_text(json.dumps(data))
        begin = magent("run", "workflow.yaml", "--no-input", "-q", "--id", "killed", "--store", f"file:{store}")
        process(begin, here, environ, expected=-signal.SIGKILL)
        del environ["BENCHMARK_KILL_AT"]

        def side(command: Sequence[str], at: Path, told: Path) -> float:
            done = process(command, here, {**environ, "BENCHMARK_TOLD": str(told)})
            return float(told.read_text()) - done.began

        def again() -> float:
            copy = here / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(store, copy)
            return side(magent("resume", "killed", "--no-input", "-q", "--store", f"file:{copy}"), copy, here / "told")

        journal = str(store / "runs" / "killed" / "journal.jsonl")
        floor, found = in_turn(effort, lambda: side(python("-c", _READER, journal), here, here / "told"), again)
    dream = most(0.25) if bound < 0.5 else None
    return Line(f"{name}, to the first new node", "s", floor, found, most(bound), dream)
