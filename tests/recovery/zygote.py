"""The process that all lives are forks of: it has imported what they need. Linux alone has what that takes (a reaper of
orphans, /proc). Commands come as lines of JSON.

    {"do": "start", "life": {…}}            → {"pid": 4711}
    {"do": "wait", "pid": …, "for": 2.5}    → {"code": -9}, null where it still lives
    {"do": "settle"}                        → {}: also what the dead have left behind has ended

A life is `{call, args, cwd, env, out, death, vanish, clock, largest, weak, patience, looks}`; see `_live`. Where it has
a `death`, its pid is that of the tracer, and `out`.traced says how it ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import itertools
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from magent import life as lives
from magent.stores import postgres_link
from tests.recovery.tracing import Death, Tracer, be_traced

_SUBREAPER, _DROP = 36, 24  # prctl
_OVERRIDE, _SEARCH = 1, 2  # what lets root write where it may not
_LINGER = 10.0  # seconds that what a dead process had started may take to end

IMPORTED = (
    "magent.cli.parser", "magent.cli.run", "magent.cli.resume", "magent.cli.respond", "magent.cli.runs",
    "magent.cli.runs_show", "magent.cli.runs_history", "magent.cli.runs_end", "magent.stores.file",
    "magent.stores.sqlite", "magent.stores.postgres", "magent.human.file", "magent.agents.choice",
    "magent.agents.custom", "magent.cli.sweep", "psycopg", "tests.recovery.crowd",
)  # fmt: skip
Life = Mapping[str, Any]


def main() -> None:
    for name in IMPORTED:
        importlib.import_module(name)
    _warm_up()
    ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    ended: dict[int, int] = {}
    while line := sys.stdin.readline():
        command = json.loads(line)
        if command["do"] == "start":
            answer: dict[str, Any] = {"pid": (pid := _start(command["life"]))}
            ended.pop(pid, None)  # an earlier life may have had the same number
        elif command["do"] == "wait":
            answer = {"code": _wait(command["pid"], command["for"], ended)}
        else:
            _settle(ended)
            answer = {}
        print(json.dumps(answer), flush=True)
    for child in _children():  # of a round that failed
        os.kill(child, signal.SIGKILL)


def _warm_up() -> None:
    """What is imported and compiled only when something runs."""
    import magent

    magent.run({"name": "warm", "nodes": {"a": {"run": ["true"], "set": {"x": "{{ output.data }}"}}}}, store=None)


def _wait(pid: int, seconds: float, ended: dict[int, int]) -> int | None:
    end = time.monotonic() + seconds
    while pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended[pid] = os.waitstatus_to_exitcode(status)
        elif time.monotonic() > end:
            return None
        else:
            time.sleep(0.002)
    return ended[pid]


def _settle(ended: dict[int, int]) -> None:
    """Waits for what the dead have started; ends it where it takes too long."""
    end = time.monotonic() + _LINGER
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid:
                ended[pid] = os.waitstatus_to_exitcode(status)
                continue
            if time.monotonic() > end:
                for child in _children():
                    os.kill(child, signal.SIGKILL)
            time.sleep(0.002)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(word) for word in file.read().split()]


# ---- a life


def _start(life: Life) -> int:
    pid = os.fork()
    if pid:
        return pid
    death = life.get("death")
    if death is None or not (child := os.fork()):
        if death is not None:
            be_traced()
        _live(life)
    traced = Tracer(child, Death(**death)).follow()
    with open(f"{life['out']}.traced", "w") as file:
        json.dump(traced, file)
    os._exit(0)


def _live(life: Life) -> NoReturn:
    """Does what a process of its own would: `call` (`module:function`) is given `args`, and gives the exit code."""
    code = 70
    try:
        _settle_in(life)
        module, _, name = life.get("call", "magent.cli.main:main").partition(":")
        code = getattr(importlib.import_module(module), name)(life["args"])
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does at its end
    except BaseException:  # noqa: BLE001
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)  # taking the interpreter apart costs ten times the life


def _settle_in(life: Life) -> None:
    os.setsid()
    streams = (os.open(os.devnull, os.O_RDONLY), _to(f"{life['out']}.out"), _to(f"{life['out']}.err"))
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    os.chdir(life["cwd"])
    os.environ.update(life.get("env", {}))
    if life.get("vanish"):
        shutil.rmtree(life["cwd"])
    if "largest" in life:
        resource.setrlimit(resource.RLIMIT_FSIZE, (life["largest"], resource.RLIM_INFINITY))
    if life.get("weak"):
        be_weak()
    if "clock" in life:
        time.time = _jumping(life["clock"])
    if "patience" in life:
        postgres_link.PATIENCE = life["patience"]
    if "looks" in life:
        lives.LOOK_EVERY = life["looks"]


def _to(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def be_weak() -> None:
    """Root, too, is bound by the modes of files from now on."""
    libc = ctypes.CDLL(None)
    for capability in (_OVERRIDE, _SEARCH):
        libc.prctl(_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    for word in (0, 1):  # what is effective, and what may be
        data[word] &= ~(1 << _OVERRIDE | 1 << _SEARCH)
    libc.capset(header, data)


def _jumping(jumps: list[tuple[int, float]]) -> Callable[[], float]:
    """The hour of a clock that is set to another time by so many seconds after so many looks at it."""
    real, looks = time.time, itertools.count()

    def now() -> float:
        seen = next(looks)
        return real() + sum(seconds for after, seconds in jumps if seen >= after)

    return now


if __name__ == "__main__":
    main()
