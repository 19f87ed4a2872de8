"""When an SQLite file changes: at once where nobody writes, seldom where writing never pauses; its WAL has an end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from magent.events import Event
from magent.stores import sqlite_pace
from magent.stores.sqlite import SqliteStore
from magent.stores.sqlite_pace import AT_LEAST, LONGEST_WAL, QUIET, Turn, decide
from tests.adapters.storing import ROOT, events, header, write


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.chdir(tmp_path)
    return SqliteStore("sqlite:///runs.db")


@pytest.mark.parametrize(
    ("sizes", "wal", "moved", "written", "wait"),
    [
        (5_000, 1_000, 0.5, QUIET, 0),  # nobody is at work
        (5_000, 1_000, 0.2, 0.0, QUIET),  # to see whether anybody is
        (5_000, 1_000, 0.97, 0.0, 0.03),  # somebody is: once a second
        (5_000, 1_000, AT_LEAST, 0.0, 0),
        (400_000_000, 1_000, 39.98, 0.0, 0.02),  # a copy of so much takes half a second or more
        (400_000_000, 1_000, 1.0, QUIET, 0),
        (400_000_000, LONGEST_WAL + 1, 0.0, 0.0, 0),
        (5_000, 1_000, -3600.0, 0.0, 0),  # the clock was set back
        (5_000, 1_000, 0.0, -3600.0, 0),
    ],
)
def test_how_long_to_wait(sizes: int, wal: int, moved: float, written: float, wait: float) -> None:
    turn = decide(sizes, wal, since_moved=moved, since_written=written)
    assert turn.wait == pytest.approx(wait)
    assert turn.shorten == (wal > LONGEST_WAL)


async def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def _append_much(store: SqliteStore, run_id: str, size: int) -> None:
    """Stays open."""
    journal = await store.create(run_id, header(run_id), {})
    for seq in range(1, 41):
        await journal.append([Event(seq, 1.0, "x", {"text": "x" * (size // 40)})], sync=True)


async def test_nothing_else_changes_the_file(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself would move what is in the WAL at every commit from 4 MB on."""
    await write(store, "a")
    before = store.path.read_bytes()
    monkeypatch.setattr(sqlite_pace, "turn", lambda path: Turn(0.01))
    await _append_much(store, "b", 12_000_000)
    copy = store.path.with_name("copy.db")
    subprocess.run(["cp", store.path, copy], check=True)
    assert copy.read_bytes() == before
    monkeypatch.setattr(sqlite_pace, "turn", lambda path: Turn(0.0))
    await until(lambda: store.path.stat().st_size > 12_000_000)


async def test_a_wal_that_has_become_too_long_is_shortened(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_pace, "LONGEST_WAL", 1_000_000)
    await _append_much(store, "a", 4_000_000)
    await until(lambda: os.stat(f"{store.path}-wal").st_size <= 1_000_000)


async def test_who_reads_what_was_before_holds_it_up_and_no_longer(store: SqliteStore) -> None:
    await write(store, "a")
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM event").fetchall()
    await _append_much(store, "b", 2_000_000)
    assert store.path.stat().st_size < 1_000_000
    reader.close()
    await until(lambda: store.path.stat().st_size > 2_000_000)


WAIT = """
import asyncio, sys
from magent.stores.sqlite import SqliteStore
async def main():
    await SqliteStore(sys.argv[1]).create("b", {"created": 1.0}, {})
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


def _copied(store: SqliteStore, name: str) -> bool:
    copy = store.path.with_name("copy.db")
    subprocess.run(["cp", store.path, copy], check=True)
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        return bool(connection.execute("SELECT 1 FROM run WHERE id = ?", (name,)).fetchall())


async def test_who_leaves_a_file_that_others_only_hold_leaves_it_in_order(store: SqliteStore) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, store.url], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        for name in ("c", "d", "e"):
            await write(store, name)
            await until(partial(_copied, store, name))
        other.communicate(b"\n")
    assert {info.id for info in await store.list()} == {"b", "c", "d", "e"}


async def test_what_was_written_unsynced_is_on_the_disk_when_its_run_is_let_go(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where others of this process go on, and the file is not due."""
    monkeypatch.setattr(sqlite_pace, "turn", lambda path: Turn(0.01))
    synced: list[Path] = []
    monkeypatch.setattr("magent.stores.disk.sync", synced.append)
    other = await store.create("a", header("a"), {})
    journal = await store.create("b", header("b"), {})
    await journal.append(events(1, 2), sync=True)
    await journal.append(events(3, 4), sync=False)
    assert not synced
    await journal.close()
    assert synced == [Path(f"{store.path}-wal")]
    monkeypatch.undo()
    await other.close()
