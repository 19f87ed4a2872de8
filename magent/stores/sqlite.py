"""Runs in one SQLite file, which can be copied: `sqlite:///runs.db`, `sqlite:////srv/runs.db`.

    runs.db         all that is kept: while nobody is at work, this is the only file
    runs.db-wal     the newest of it, while somebody is: `sqlite_pace` says when it goes to runs.db
    runs.db-shm     SQLite's own, of no use in a copy
    runs.db-locks/  one empty file for each run that somebody holds; of no use in a copy

Who holds a run is the kernel's affair, as with files: SQLite's WAL binds a file to one machine anyway, and a lock of
the kernel goes with the process that has it, however that ends. Beyond it, an event's number can be written once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TypeVar

from magent.errors import StoreError, UsageError
from magent.stores import disk, locking, rows, sqlite_link, sqlite_pace
from magent.stores.batches import Append, Batches, Shared, common, settled
from magent.stores.codec import Codec, plain
from magent.stores.row_store import RowStore
from magent.stores.rows import Nothing, Row, Rows
from magent.stores.sqlite_link import Link, explained, refusal
from magent.stores.sqlite_pace import AT_LEAST, QUIET, Turn
from magent.stores.whole import Whole

_OLD_CHECKPOINTS = (
    "DELETE FROM checkpoint WHERE run = ? AND seq NOT IN"
    " (SELECT seq FROM checkpoint WHERE run = ? ORDER BY seq DESC LIMIT ?)"
)
_TRIES = 100
Found = TypeVar("Found")


def locate(url: str) -> Path:
    """The file that `sqlite:…` names: `///` before a relative path, `////` before an absolute one, or no slashes but
    the path's own. Raises UsageError."""
    text = url.removeprefix("sqlite:")
    if text.startswith("//"):
        if not text.startswith("///"):
            raise UsageError(f"{url!r} names another machine", "write sqlite:///file.db or sqlite:////absolute/file.db")
        text = text[3:]
    if text in ("", ":memory:") or text.endswith("/") or "\0" in text or "?" in text:
        raise UsageError(f"{url!r} names no file", "write sqlite:///file.db, or memory: to keep nothing")
    path = Path(os.path.expanduser(text))
    with disk.explained("find the current directory"):
        return Path(os.path.realpath(path))


class Writer:
    """The thread and the connection of all that this process writes to one file, from the first use to the end of the
    last; and a connection that looks for notes meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches: Batches[SqliteHold] = Batches(self._append)
        self._made: Link | None = None
        self._full = True  # whether commits are synced just now
        self._synced = True  # whether all of them were
        self._dirty = False  # whether the main file lacks some
        self._over = threading.Event()
        self.append = self._batches.append
        self._notes: Link | None = None
        self._looking = threading.Lock()

    @property
    def _link(self) -> Link:
        if self._made is None:
            self._made = sqlite_link.open_to_write(self._path)
        return self._made

    def do(self, job: Callable[[Link], Found]) -> Future[Found]:
        """In a transaction of its own; synced."""

        def whole() -> Found:
            with explained(self._path, "write to"):
                link = self._to_write(sync=True)
                with link.transaction():
                    return job(link)

        return self._batches.do(whole)

    def _to_write(self, *, sync: bool) -> Link:
        link = self._link
        if sync != self._full:
            link.run(f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}")
            self._full = sync
        self._synced = sync
        self._lacks()
        return link

    def _append(self, batch: list[Append[SqliteHold]]) -> None:
        try:
            self._write(batch)
        except (StoreError, sqlite3.Error) as error:
            if len(batch) > 1:  # one of them must not fail the others
                for each in batch:
                    self._append([each])
                return
            told = error if isinstance(error, StoreError) else refusal(error, self._path, "write to")
            batch[0].done.set_exception(told)

    def _write(self, batch: list[Append[SqliteHold]]) -> None:
        link = self._to_write(sync=any(each.sync for each in batch))
        found = [(each.hold.number, seq, line) for each in batch for seq, line in enumerate(each.lines, each.first)]
        with link.transaction():
            try:
                link.run_many("INSERT INTO event (run, seq, line) VALUES (?, ?, ?)", found)
            except sqlite3.IntegrityError as error:
                run = batch[0].hold.run_id
                hint = f"look what it did: magent runs show {run}"
                raise StoreError(f"another process has gone on with run {run}", hint) from error

    def notes(self, number: int) -> Mapping[str, bytes]:
        """What others left for a run. Raises StoreError."""
        with self._looking:
            if self._notes is None:
                self._notes = sqlite_link.open_to_read(self._path)
            return rows.read_notes(self._notes, number) if self._notes else {}

    # ---- what was committed goes to the main file

    def _lacks(self) -> None:
        if not self._dirty:
            self._dirty = True
            threading.Thread(target=self._see_to_it, name="magent-tidy", daemon=True).start()

    def _see_to_it(self) -> None:
        """In a thread of its own, until the main file lacks nothing."""
        wait = QUIET
        while not self._over.wait(wait):
            turn = self._turn()
            wait = turn.wait
            if not wait:
                with contextlib.suppress(RuntimeError):  # the end has come just now
                    if self._batches.do(partial(self._tidy, turn)).result():
                        return
                wait = AT_LEAST if turn.shorten else QUIET

    def _turn(self) -> Turn:
        with contextlib.suppress(OSError):
            return sqlite_pace.turn(self._path)
        return Turn(AT_LEAST)  # the file was put away

    def _tidy(self, turn: Turn) -> bool:
        """As far as readers let it; what is in the WAL is safe there."""
        with contextlib.suppress(sqlite3.Error):
            self._dirty = not self._link.move_wal(shorten=turn.shorten)
        return not self._dirty

    def sync(self) -> Future[None]:
        """Puts what was written on the disk."""
        return self._batches.do(self._sync)

    def _sync(self) -> None:
        if not self._synced:
            with disk.explained(f"write to {self._path}"):
                disk.sync(Path(f"{self._path}-wal"))
            self._synced = True

    def shrink(self) -> Future[None]:
        """Gives the disk back what removed runs took."""

        def job() -> None:
            with explained(self._path, "write to"):
                self._link.connection.executescript("PRAGMA incremental_vacuum")  # `execute` goes one page far
            self._lacks()

        return self._batches.do(job)

    def end(self) -> Future[None]:
        return self._batches.end(self._end)

    def _end(self) -> None:
        try:
            self._sync()
        finally:
            self._over.set()
            for link in (self._notes, self._made):
                if link is not None:
                    link.close()
        if self._dirty:
            self._tidy_behind()

    def _tidy_behind(self) -> None:
        """SQLite has done so, unless other processes are at the file. Of these whoever writes last will; where that
        was this one, nobody else does."""
        with contextlib.suppress(OSError, StoreError):
            last, end = sqlite_pace.written(self._path), time.monotonic() + AT_LEAST
            while wait := sqlite_pace.turn(self._path).wait:
                time.sleep(min(wait, QUIET / 10))
                if sqlite_pace.written(self._path) != last:
                    return
            while not sqlite_link.tidy(self._path) and time.monotonic() < end:
                time.sleep(QUIET)


def _writers(path: Path) -> Shared[Writer]:
    """All stores of this process that name one file write through one connection; not to one that was put away, where
    another has taken its place."""
    there = None
    with contextlib.suppress(OSError):
        there = path.stat().st_ino
    return common((path, there), lambda: Shared(lambda: Writer(path)))


class SqliteHold:
    """Fills `row_store.Hold`."""

    def __init__(self, store: SqliteStore, run_id: str, lock: locking.Hold, writer: Writer) -> None:
        self.run_id = run_id
        self.number = 0
        self._store = store
        self._lock = lock
        self.writer = writer
        self._released = False

    async def append(self, first: int, lines: Sequence[bytes], *, sync: bool) -> None:
        await self.writer.append(self, first, lines, sync=sync)

    def save(self, seq: int, body: bytes, keep: int) -> Future[None]:
        def job(link: Link) -> None:
            link.run("INSERT OR REPLACE INTO checkpoint (run, seq, body) VALUES (?, ?, ?)", self.number, seq, body)
            link.run(_OLD_CHECKPOINTS, self.number, self.number, keep)

        return self.writer.do(job)

    def finish(self, body: bytes) -> Future[None]:
        return self._run("UPDATE run SET result = ? WHERE number = ?", body, self.number)

    def move(self, place: str) -> Future[None]:
        return self._run("UPDATE run SET place = ? WHERE number = ?", place, self.number)

    def cut(self, seq: int) -> Future[None]:
        return self._run("DELETE FROM checkpoint WHERE run = ? AND seq > ?", self.number, seq)

    def _run(self, sql: str, *values: object) -> Future[None]:
        def job(link: Link) -> None:
            link.run(sql, *values)

        return self.writer.do(job)

    def on_notice(self, heard: Callable[[], None]) -> None:
        """Nothing tells of it: one has to look."""

    def notes(self) -> Mapping[str, bytes]:
        with contextlib.suppress(StoreError):
            return self.writer.notes(self.number)
        return {}

    async def release(self) -> None:
        if self._released:
            return
        self._released = True
        try:
            await self._store.let_go()
        finally:
            self._store.unlock(self.run_id, self._lock)


class SqliteStore(RowStore[SqliteHold]):
    """Fills `ports.RunStore`."""

    def __init__(self, url: str, codec: Codec = plain) -> None:
        super().__init__(codec)
        self.path = locate(url)
        self.url = f"sqlite:///{self.path}"
        self._locks = Path(f"{self.path}-locks")
        self._writers = _writers(self.path)

    async def examine(self) -> str:
        return await asyncio.to_thread(sqlite_link.examine, self.path)

    def _rows(self) -> AbstractContextManager[Link | Nothing]:
        return sqlite_link.reading(self.path)

    async def let_go(self) -> None:
        """The opposite of `self._writers.use`: what was written is on the disk when this is done."""
        writer, last = self._writers.leave()
        await settled(writer.end() if last else writer.sync())

    # ---- holding

    def _lock(self, run_id: str) -> locking.Hold:
        """Raises RunLocked, StoreError."""
        with disk.explained(f"lock run {run_id}"):
            disk.make_directory(self.path.parent)
            for _ in range(_TRIES):
                with contextlib.suppress(FileNotFoundError):  # who had it before has just taken it away
                    self._locks.mkdir(mode=0o700, exist_ok=True)
                    return locking.take(self._locks / run_id, run_id)
        raise StoreError(f"cannot lock run {run_id}: {self._locks} is made and removed without end")

    def unlock(self, run_id: str, lock: locking.Hold) -> None:
        with contextlib.suppress(OSError):
            (self._locks / run_id).unlink()
        lock.release()
        with contextlib.suppress(OSError):  # others have theirs in it
            self._locks.rmdir()

    def _held(self, found: Rows, row: Row) -> bool:  # noqa: ARG002
        return locking.held(self._locks / row.id)

    async def _insert(self, row: Row, workflow: bytes) -> SqliteHold:
        hold = SqliteHold(self, row.id, self._lock(row.id), self._writers.use())
        try:
            hold.number = await settled(hold.writer.do(lambda link: self._number(link, row, workflow)))
            return hold
        except BaseException:
            await hold.release()
            raise

    def _number(self, link: Link, row: Row, workflow: bytes) -> int:
        """Of a new run. Raises UsageError where the id exists."""
        sql = "INSERT INTO run (id, created, header, workflow, place) VALUES (?, ?, ?, ?, ?)"
        try:
            cursor = link.connection.execute(sql, (row.id, row.created, row.header, workflow, row.place))
        except sqlite3.IntegrityError:
            raise self._exists(row.id) from None
        number = cursor.lastrowid or 0
        link.run(
            "INSERT INTO begun VALUES (?, ?, ?, ?, ?, ?)", number, row.id, row.created, row.header, workflow, row.place
        )
        return number

    async def _put(self, row: Row, whole: Whole) -> None:
        def job(link: Link) -> None:
            run = self._number(link, row, whole.workflow)
            link.run("UPDATE run SET result = ? WHERE number = ?", whole.result, run)
            link.run_many("INSERT INTO event VALUES (?, ?, ?)", [(run, *each) for each in enumerate(whole.lines, 1)])
            link.run_many(
                "INSERT INTO checkpoint VALUES (?, ?, ?)", [(run, *each) for each in whole.checkpoints.items()]
            )
            link.run_many("INSERT INTO note VALUES (?, ?, ?)", [(run, *each) for each in whole.notes.items()])

        await self._write(job)

    async def _forget(self, row: Row, seqs: Sequence[int]) -> None:
        def job(link: Link) -> None:
            link.run_many("DELETE FROM checkpoint WHERE run = ? AND seq = ?", [(row.number, seq) for seq in seqs])

        await self._write(job)

    async def _take(self, run_id: str) -> tuple[Row, SqliteHold]:
        hold = SqliteHold(self, run_id, self._lock(run_id), self._writers.use())
        try:
            row = await asyncio.to_thread(self._known, run_id)
            hold.number = row.number
            return row, hold
        except BaseException:
            await hold.release()
            raise

    async def _leave(self, row: Row, name: str, body: bytes) -> bytes:
        def job(link: Link) -> bytes:
            link.run("INSERT OR IGNORE INTO note (run, name, body) VALUES (?, ?, ?)", row.number, name, body)
            return rows.read_notes(link, row.number)[name]

        return await self._write(job)

    async def _take_away(self, row: Row, name: str) -> None:
        def job(link: Link) -> None:
            link.run("DELETE FROM note WHERE run = ? AND name = ?", row.number, name)

        await self._write(job)

    async def _write(self, job: Callable[[Link], Found]) -> Found:
        writer = self._writers.use()
        try:
            return await settled(writer.do(job))
        finally:
            await self.let_go()

    async def _delete(self, row: Row, hold: SqliteHold) -> None:
        def job(link: Link) -> None:
            for table in ("event", "checkpoint", "note"):
                link.run(f"DELETE FROM {table} WHERE run = ?", row.number)  # noqa: S608
            link.run("DELETE FROM run WHERE number = ?", row.number)
            link.run("DELETE FROM begun WHERE number = ?", row.number)

        await settled(hold.writer.do(job))
        await settled(hold.writer.shrink())
