"""The floors: the least that the same work costs in Python, with no product around it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.benchmarks import work

_sync = getattr(os, "fdatasync", os.fsync)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Lines:
    """A file to which JSON lines are appended; without a path, nothing happens."""

    def __init__(self, path: Path | None) -> None:
        self.handle = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, *values: Any) -> None:
        if self.handle is not None:
            os.write(self.handle, "".join(_encode(value) + "\n" for value in values).encode())
            _sync(self.handle)

    def close(self) -> None:
        if self.handle is not None:
            os.close(self.handle)


def seconds(work: Callable[[], Coroutine[Any, Any, Any]]) -> float:
    """How long a coroutine takes in a loop of its own, the loop's making not counted."""

    async def timed() -> float:
        began = time.perf_counter()
        await work()
        return time.perf_counter() - began

    return asyncio.run(timed())


async def chain(length: int, path: Path | None = None, task: Callable[[], Awaitable[Any]] = work.nothing) -> None:
    """A task a node, one after the other; durable, a line and a sync a node."""
    lines = Lines(path)
    state: dict[str, Any] = {}
    for index in range(length):
        output = await asyncio.ensure_future(task())
        state[f"n{index}"] = output
        lines.write({"seq": index, "node": f"n{index}", "output": output})
    lines.close()


async def fan(branches: int, path: Path | None = None) -> None:
    """A task a branch, all at once; durable, one write and one sync for all."""
    lines = Lines(path)
    outputs = await asyncio.gather(*[asyncio.ensure_future(work.nothing()) for _ in range(branches)])
    lines.write(*({"seq": index, "branch": index, "output": output} for index, output in enumerate(outputs)))
    lines.close()


async def loop(rounds: int, path: Path) -> None:
    """A task a round, what it found appended to a list; a line and a sync a round."""
    lines = Lines(path)
    found: list[Any] = []
    for index in range(rounds):
        output = await asyncio.ensure_future(work.nothing())
        found.append(output["score"])
        lines.write({"seq": index, "round": index, "output": output, "set": {"found": output["score"]}})
    lines.close()


def jobs(count: int, path: Path) -> float:
    """Seconds for `true` so many times, two at a time, a line and a sync for each."""
    lines, left, began = Lines(path), iter(range(count)), time.perf_counter()

    def worker() -> None:
        for index in left:
            done = subprocess.run(["true"], stdin=subprocess.DEVNULL, capture_output=True, check=True)
            lines.write({"seq": index, "exit_code": done.returncode})

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.close()
    return time.perf_counter() - began


def replace(path: Path, data: bytes) -> float:
    """Seconds to put a file on the disk: written beside it, synced, renamed."""
    began = time.perf_counter()
    beside = path.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.write(handle, data)
    os.fsync(handle)
    os.close(handle)
    os.rename(beside, path)
    return time.perf_counter() - began
