"""A backup is a copy: what `cp` makes of a store while a real process writes to it opens, and its runs go on."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import magent
from magent.events import Event
from magent.ports import RunStore
from magent.stores import open_store
from magent.stores.sealed import Keyring
from magent.stores.sqlite import SqliteStore
from magent.stores.sqlite_pace import QUIET
from tests.cli.helpers import ROOT

KEY = bytes(range(100, 132))
WORK = """
import asyncio, sys
import magent
from magent.stores import open_store
from magent.stores.sealed import Keyring

async def work(url, key):
    nodes = {f"n{i}": {"run": "true", "next": f"n{i + 1}"} for i in range(8)} | {"n8": {"set": {"done": True}}}
    workflow = magent.load({"magent": 1, "name": "w", "nodes": nodes, "checkpoints": {"every": 2},
                            "outputs": {"done": "{{ state.done }}"}})
    store = open_store(url, codec=Keyring([bytes.fromhex(key)]) if key else None)

    async def one_after_another(name):  # so that at any moment some are at work
        n = 0
        while True:
            await workflow.run(store=store, run_id=f"{name}{n}")
            n += 1
            print(n, flush=True)

    await asyncio.gather(*map(one_after_another, "abc"))

asyncio.run(work(*sys.argv[1:]))
"""


@contextmanager
def working(url: str, key: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORK, url, key]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ROOT}
    ) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


async def _goes_on(store: RunStore, seen: dict[str, int]) -> None:
    """Every run can be read, whole from the first event on, and the newest ones, which were at work, are completed."""
    for info in await store.list():
        record = await store.read(info.id, checkpoint=False)
        assert [event.seq for event in record.events] == [*range(1, len(record.events) + 1)]
        seen[info.status] = seen.get(info.status, 0) + 1
        if info.status == "interrupted" and record.events:  # else it had only just been made
            result = await magent.resume(info.id, store=store)
            assert (result.status, result.outputs) == ("completed", {"done": True})


@pytest.mark.parametrize("key", ["", KEY.hex()])
@pytest.mark.parametrize("kind", ["file", "sqlite"])
async def test_a_copy_of_a_live_store_opens_and_its_runs_go_on(kind: str, key: str, here: Path) -> None:
    codec = Keyring([KEY]) if key else None
    url = {"file": "file:live", "sqlite": "sqlite:///live.db"}[kind]
    seen: dict[str, int] = {}
    end = time.monotonic() + 60
    with working(url, key):
        for n in itertools.count():
            copy = await asyncio.to_thread(_copied, kind, n)
            await _goes_on(open_store(copy, codec=codec), seen)
            if n >= 8 and seen.get("completed") and seen.get("interrupted"):
                break
            assert time.monotonic() < end, seen


def _copied(kind: str, n: int) -> str:
    """The URL of a copy of what is in `live` just now."""
    source, target = ("live", f"copy{n}") if kind == "file" else ("live.db", f"copy{n}.db")
    subprocess.run(["cp", "-r", source, target], check=False, capture_output=True)  # a file may go meanwhile
    return f"file:{target}" if kind == "file" else f"sqlite:///{target}"


async def _events_of_a(copy: RunStore) -> int:
    """0 where it is not there yet."""
    there = [info.id for info in await copy.list()]
    return len((await copy.read("a")).events) if there else 0


async def test_a_copy_of_a_quiet_file_has_all_of_it(here: Path) -> None:
    store = open_store("sqlite:///live.db")
    assert isinstance(store, SqliteStore)
    journal = await store.create("a", {"created": 1.0}, {})
    for seq in (1, 2, 3):
        await journal.append([Event(seq, float(seq), "x", {})], sync=True)
        copy, end = here / f"copy{seq}.db", time.monotonic() + 30
        while await _events_of_a(open_store(f"sqlite:///{copy}")) < seq:
            assert time.monotonic() < end
            await asyncio.sleep(QUIET)
            copy.write_bytes(store.path.read_bytes())
    await journal.close()


async def test_half_of_a_file_older_than_the_other_half_is_put_in_order_before_it_is_written_to(here: Path) -> None:
    async def fill(store: RunStore, run_id: str, count: int) -> None:
        journal = await store.create(run_id, {"created": 1.0}, {})
        await journal.append([Event(seq, 1.0, "x", {"text": "x" * 300}) for seq in range(1, count + 1)], sync=True)
        await journal.close()

    store = open_store("sqlite:///live.db")
    await fill(store, "a", 100)
    before = (here / "live.db").read_bytes()
    await fill(store, "b", 200)
    after = (here / "live.db").read_bytes()
    torn = before[: len(before) // 2] + after[len(before) // 2 :]
    (here / "copy.db").write_bytes(torn)
    copy = open_store("sqlite:///copy.db")
    await fill(copy, "c", 1)
    assert (here / "copy.db-torn").read_bytes() == torn
    counts = {info.id: len((await copy.read(info.id)).events) for info in await copy.list()}
    assert counts["a"] == 100
    assert counts["c"] == 1
    (here / "copy.db").write_bytes(after)
    await fill(open_store("sqlite:///copy.db"), "d", 1)
