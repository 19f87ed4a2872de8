"""What the tests of stores record, and second processes that hold it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magent.events import Event
from magent.ports import RunStore
from magent.stores.codec import Codec, Kind, plain

ROOT = Path(__file__).parents[2]
HOLD = """
import asyncio, os, sys
from magent.stores import open_store
async def main():
    journal, record = await open_store(sys.argv[1]).open("a")
    print("held", flush=True)
    sys.stdin.read()
    await journal.close()
asyncio.run(main())
"""
FORK = "if not os.fork(): print('held', flush=True); sys.stdin.read(); os._exit(0)\n    os.wait()"
HOLD_AND_FORK = HOLD.replace('print("held", flush=True)', FORK)
Start = Callable[[str, str], "subprocess.Popen[str]"]


def header(run_id: str, created: float = 100.0) -> dict[str, Any]:
    return {"run_id": run_id, "workflow": "tides", "file": "tides.yaml", "created": created}


def events(first: int, last: int, **data: Any) -> list[Event]:
    return [Event(seq, 1000.0 + seq, "visit.completed", data or {"n": seq}) for seq in range(first, last + 1)]


async def write(store: RunStore, run_id: str, count: int = 3, **data: Any) -> Path:
    """A run that is not over. Gives its directory."""
    journal = await store.create(run_id, header(run_id), {"name": "tides"})
    await journal.append(events(1, count, **data), sync=True)
    await journal.close()
    return journal.directory


def forget_tails(directory: Path, codec: Codec = plain) -> None:
    """Checkpoints and result of a run become what they were when they kept no lines of the journal."""
    run, lines = codec(directory.name), [b"", *(directory / "journal.jsonl").read_bytes().splitlines(keepends=True)]
    run.decode("header", (directory / "run.json").read_bytes())
    kinds: dict[Path, Kind] = dict.fromkeys((directory / "checkpoints").glob("*.json"), "checkpoint")
    kinds |= dict.fromkeys(directory.glob("result.json"), "result")
    for path, kind in kinds.items():
        document = run.decode(kind, path.read_bytes(), None)
        del document["tail"]
        seq = document.get("seq", len(lines) - 1)
        path.write_bytes(run.encode(kind, document, seq, lines[seq]))


def python(script: str, *arguments: str) -> str:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@contextmanager
def processes() -> Iterator[Start]:
    """Starts processes, each of a script and a store's URL. It says "held" first; in the end it is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(script: str, url: str) -> subprocess.Popen[str]:
        command, pipe = [sys.executable, "-c", script, url], subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
