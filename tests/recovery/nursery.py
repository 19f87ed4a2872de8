"""Lives of magent as real processes, started in a moment: forks of a zygote that has imported everything."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from tests.recovery.tracing import Death, Traced

ROOT = Path(__file__).parents[2]
LONG = 60.0  # seconds after which a life that should have ended hangs


class Ended(NamedTuple):
    """How a life ended, and what it said. `code` is minus the number of the signal that ended it."""

    args: Sequence[str]
    code: int
    out: str
    err: str
    writes: int = 0
    last: str = ""

    def __str__(self) -> str:
        died = f", died {self.last}" if self.last else ""
        return f"magent {' '.join(self.args)} → {self.code}{died}\n{self.out}{self.err}"


class Hangs(AssertionError):
    """A life that should have ended did not."""


class Life:
    """One that has begun."""

    def __init__(self, nursery: Nursery, pid: int, args: Sequence[str], out: Path, *, traced: bool) -> None:
        self.nursery = nursery
        self.pid = pid
        self.args = args
        self._out = out
        self._traced = traced

    def signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.lives():
            os.kill(self.pid, number)

    def lives(self, seconds: float = 0.0) -> bool:
        """Whether it still does after so long."""
        return self.nursery.wait(self.pid, seconds) is None

    def said(self) -> str:
        """What it has told people so far."""
        return _read(self._out, "err")

    def end(self, seconds: float = LONG) -> Ended:
        """Waits for its end. Raises Hangs."""
        code = self.nursery.wait(self.pid, seconds)
        if code is None:
            self.signal(signal.SIGKILL)
            self.nursery.wait(self.pid, LONG)
            raise Hangs(f"magent {' '.join(self.args)} did not end within {seconds:g} seconds\n{self.said()}")
        traced = Traced(*json.loads(_read(self._out, "traced"))) if self._traced else Traced(code, 0, "")
        return Ended(self.args, traced.code, _read(self._out, "out"), self.said(), traced.writes, traced.last)

    def kill(self) -> Ended:
        self.signal(signal.SIGKILL)
        return self.end()


def _read(path: Path, what: str) -> str:
    file = Path(f"{path}.{what}")
    return file.read_text("utf-8", "replace") if file.exists() else ""


class Nursery:
    """`notes` is a directory for what lives say."""

    def __init__(self, notes: Path) -> None:
        self.notes = notes
        self._count = itertools.count(1)
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.recovery.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
        )

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        self._zygote.communicate()

    def start(
        self,
        *args: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        death: Death | None = None,
        **more: Any,
    ) -> Life:
        """A life of `magent args`. `more` are the other members of a zygote's life."""
        out = self.notes / f"{next(self._count):04d}"
        life = {"args": args, "cwd": str(cwd), "env": dict(env or {}), "out": str(out), **more}
        if death is not None:
            life["death"] = asdict(death)
        pid = self._ask(do="start", life=life)["pid"]
        return Life(self, pid, args, out, traced=death is not None)

    def do(self, *args: str, **how: Any) -> Ended:
        return self.start(*args, **how).end()

    def wait(self, pid: int, seconds: float) -> int | None:
        code: int | None = self._ask(do="wait", pid=pid, **{"for": seconds})["code"]
        return code

    def settle(self) -> None:
        """Waits until all that lives have started has ended, those left behind included."""
        self._ask(do="settle")

    def _ask(self, **command: Any) -> dict[str, Any]:
        assert self._zygote.stdin
        assert self._zygote.stdout
        print(json.dumps(command), file=self._zygote.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._zygote.stdout.readline())
        return answer
