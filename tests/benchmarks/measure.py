"""Medians of a few repeats, floor and magent in turn; and whole processes, started by a small one."""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parent.parent.parent
MB = 1024 * 1024
Case = TypeVar("Case")

# The peak that a process is charged with includes that of the one it was forked from: so a small one starts it.
_LAUNCHER = """
import json, os, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
spent = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
error = done.stderr[-2000:].decode("utf-8", "replace")
print(json.dumps({"began": began, "spent": spent, "peak": peak, "code": done.returncode, "error": error}))
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: `scale` shrinks the counts of a row, `repeats` is how often each side is run.

    `warm_up` is how often before that, uncounted: what is installed has its bytecode, and disks their directories.
    """

    scale: float = 1.0
    repeats: int = 3
    warm_up: int = 1

    def count(self, full: int) -> int:
        return max(2, round(full * self.scale))

    def counts(self, *full: int) -> list[int]:
        """Each of them once."""
        return self.some(list(dict.fromkeys(map(self.count, full))))

    def some(self, cases: list[Case]) -> list[Case]:
        """All of them; the first, where the effort is only to see that a row runs at all."""
        return cases[:1] if self.scale < 0.001 else cases


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended: `began` on the machine's monotonic clock, `spent` seconds, `peak` bytes."""

    began: float
    spent: float
    peak: int


def in_turn(effort: Effort, *sides: Callable[[], float]) -> list[float]:
    """The median of each side, which are run in turn so that a busy machine is busy for all of them."""
    found: list[list[float]] = [[] for _ in sides]
    for turn in range(effort.warm_up + effort.repeats):
        for side, values in zip(sides, found, strict=True):
            gc.collect()
            value = side()
            if turn >= effort.warm_up:
                values.append(value)
    return [statistics.median(values) for values in found]


def process(command: Sequence[str], cwd: Path = ROOT, env: Mapping[str, str] | None = None, expected: int = 0) -> Done:
    """Runs a command to its end. Raises RuntimeError where it does not end with the code expected."""
    launcher = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    told = subprocess.run(launcher, cwd=cwd, env=env, capture_output=True, check=True)
    facts = json.loads(told.stdout)
    if facts["code"] != expected:
        raise RuntimeError(f"{' '.join(command)} ended with {facts['code']}: {facts['error']}")
    return Done(facts["began"], facts["spent"], facts["peak"])


def magent(*words: str) -> list[str]:
    """The command that users type, where it is installed beside this interpreter."""
    script = Path(sys.executable).with_name("magent")
    return [*([str(script)] if script.exists() else [sys.executable, "-m", "magent"]), *words]


@contextmanager
def directory() -> Iterator[Path]:
    """A directory on a real disk (wherever temporary files go), removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="magent-benchmark-") as path:
        yield Path(path).resolve()


def journal_size(store: Path) -> int:
    """Bytes of the journals of all runs of a file store."""
    return sum(path.stat().st_size for path in (store / "runs").glob("*/journal.jsonl"))


def whole_size(store: Path) -> int:
    """Bytes of everything in a file store."""
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
