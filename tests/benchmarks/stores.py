"""Rows of the stores: an event that is appended and on the disk, beside the bare statement; what a key costs."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from magent import app
from magent.events import Event
from magent.ports import RunStore
from magent.stores import open_store
from magent.stores.codec import RunCodec, plain
from magent.stores.sealed import Keyring
from tests.benchmarks import floors, work
from tests.benchmarks.measure import Effort, directory, in_turn
from tests.benchmarks.table import Line, times
from tests.postgres import Postgres

_OUTPUT = {"exit_code": 0, "stdout": "x" * 120, "stderr": "", "data": "x" * 120}
_DATA = {"scope": 0, "path": "draft", "node": "draft", "output": _OUTPUT}


def _events(count: int) -> list[Event]:
    return [Event(seq, 1.8e9 + seq, "visit.completed", _DATA) for seq in range(1, count + 1)]


def sqlite(effort: Effort) -> list[Line]:
    """Appended one by one, each synced, as `durability: sync` does."""
    count = effort.count(500)
    with directory() as top:
        places = iter(top / f"{n}.db" for n in range(1000))
        floor, magent = in_turn(
            effort,
            lambda: _sqlite_bare(next(places), count),
            lambda: _appended(open_store(f"sqlite:///{next(places)}"), count),
        )
    name = "an event in SQLite, appended and synced"
    return [Line(name, "µs", floor / count * 1e6, magent / count * 1e6, times(2), times(1.3))]


def _sqlite_bare(path: Path, count: int) -> float:
    """The same table, the same bytes, the same promise."""
    lines = [plain("").line(event) for event in _events(count)]
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE event (run, seq, line BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID")
    began = time.perf_counter()
    for seq, line in enumerate(lines, 1):
        connection.execute("INSERT INTO event VALUES (1, ?, ?)", (seq, line))
    spent = time.perf_counter() - began
    connection.close()
    return spent


def _appended(store: RunStore, count: int) -> float:
    spent = 0.0

    async def work() -> None:
        nonlocal spent
        journal = await store.create("a", {"created": 1.0}, {})
        spent = await _timed(journal.append, _events(count))
        await journal.close()

    asyncio.run(work())
    return spent


async def _timed(append: Callable[..., Any], events: Sequence[Event]) -> float:
    began = time.perf_counter()
    for event in events:
        await append([event], sync=True)
    return time.perf_counter() - began


def postgres(effort: Effort) -> list[Line]:
    """The server, on this machine by a socket, does not wait for its disk: what is measured is the way there."""
    count = effort.count(500)
    with _server() as server:
        floor, magent = in_turn(
            effort, lambda: _postgres_bare(server, count), lambda: _appended(open_store(server.url()), count)
        )
    name = "an event in PostgreSQL, appended and committed"
    return [Line(name, "µs", floor / count * 1e6, magent / count * 1e6, times(4), times(2))]


RUNNING: list[Postgres] = []  # a server that there is already


@contextmanager
def _server() -> Iterator[Postgres]:
    if RUNNING:
        yield RUNNING[0]
        return
    server = Postgres()
    try:
        yield server
    finally:
        server.close()


def _postgres_bare(server: Postgres, count: int) -> float:
    import psycopg

    lines = [plain("").line(event) for event in _events(count)]
    host = server.url().partition("host=")[2].partition("&")[0]
    with psycopg.connect(f"postgresql://postgres@/postgres?host={host}", autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bare")
        connection.execute("CREATE TABLE bare (run bigint, seq bigint, line bytea, PRIMARY KEY (run, seq))")
        began = time.perf_counter()
        for seq, line in enumerate(lines, 1):
            connection.execute("INSERT INTO bare VALUES (1, %s, %b)", (seq, line))
        return time.perf_counter() - began


def sealing(effort: Effort) -> list[Line]:
    """What a key adds to each event, written and read: the floor is the same in the clear."""
    count = effort.count(5000)
    events = _events(count)
    lines = []
    for name, side in (("written", _written), ("read", _read)):
        clear, sealed = in_turn(
            effort,
            lambda side=side: side(lambda: plain("a"), events),  # type: ignore[misc]
            lambda side=side: side(lambda: Keyring([secrets.token_bytes(32)])("a"), events),  # type: ignore[misc]
        )
        title = f"an event of {len(plain('').line(events[0]))} bytes under a key, {name}"
        lines.append(Line(title, "µs", clear / count * 1e6, sealed / count * 1e6, times(4), times(2)))
    return lines


def _lines(codec: RunCodec, events: Sequence[Event]) -> list[bytes]:
    found, line = [], b""
    for event in events:
        line = codec.line(event, line)
        found.append(line)
    return found


def _written(make: Callable[[], RunCodec], events: Sequence[Event]) -> float:
    codec = make()
    codec.encode("header", {})
    began = time.perf_counter()
    _lines(codec, events)
    return time.perf_counter() - began


def _read(make: Callable[[], RunCodec], events: Sequence[Event]) -> float:
    codec = make()
    codec.encode("header", {})
    lines = _lines(codec, events)
    began, before = time.perf_counter(), b""
    for line in lines:
        codec.event(line, before)
        before = line
    return time.perf_counter() - began


def sealed_chain(effort: Effort) -> list[Line]:
    """A whole run in files, under a key beside in the clear."""
    length = effort.count(1000)
    loaded = app.load(work.chain(length))
    with directory() as top:
        count = iter(range(10_000))

        def life(keys: list[bytes]) -> float:
            store = open_store(f"file:{top / str(next(count))}", codec=Keyring(keys) if keys else None)

            async def run() -> None:
                result = await loaded.run(store=store)
                assert result.status == "completed", result.error

            return floors.seconds(run)

        clear, sealed = in_turn(effort, lambda: life([]), lambda: life([secrets.token_bytes(32)]))
    name = f"chain of {length:,}, durable, under a key, a node"
    return [Line(name, "µs", clear / length * 1e6, sealed / length * 1e6, times(1.3), times(1.1))]
