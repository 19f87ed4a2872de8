"""Connections to the one file of an SQLite store: opened, prepared, and their errors told to people."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from magent.errors import RunDamaged, StoreError
from magent.stores import disk, sqlite_mend, sqlite_salvage, sqlite_tables
from magent.stores.rows import Nothing

PATIENCE = 60.0  # seconds that other processes may take to write
_BRIEFLY = 100  # milliseconds that they may be kept from it
_KINDS: dict[str, type] = {
    "id": str, "created": float, "place": str, "name": str, "seq": int,
    "header": bytes, "workflow": bytes, "result": bytes, "line": bytes, "body": bytes,
}  # fmt: skip
"""What the columns hold. SQLite itself lets any of them hold anything, whoever wrote the file."""
_HINTS = {
    sqlite3.SQLITE_FULL: "free some space, then go on with: magent resume",
    sqlite3.SQLITE_READONLY: "you may not write there: mend the permissions, or choose another place with --store",
    sqlite3.SQLITE_CANTOPEN: "mend the permissions, or choose another place with --store sqlite:///some/file.db",
    sqlite3.SQLITE_PERM: "mend the permissions, or choose another place with --store sqlite:///some/file.db",
    sqlite3.SQLITE_IOERR: "the disk reports a fault, or is full: look at the system's log and save a copy",
    sqlite3.SQLITE_BUSY: "another process is writing to it without end: find it, then go on with: magent resume",
}


_whole: set[tuple[Path, int, int, int]] = set()  # files that were looked through before they were read
_COPY_AGAIN = "if it is a copy that was made while runs were at work, copy it again; else put it back from a copy"


class Link:
    """A connection, used by one thread at a time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self.connection = connection

    def all(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        with explained(self._path, "read"):
            found = self.connection.execute(sql, values)
            kinds = [_KINDS.get(column[0]) for column in found.description]
            return [_as_declared(row, kinds) for row in found]

    def run(self, sql: str, *values: Any) -> int:
        """How many rows it changed."""
        return self.connection.execute(sql, values).rowcount

    def run_many(self, sql: str, values: Sequence[tuple[Any, ...]]) -> None:
        self.connection.executemany(sql, values)

    @contextlib.contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        self.connection.execute(f"BEGIN {kind}")
        try:
            yield
            self.connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise

    def move_wal(self, *, shorten: bool = False) -> bool:
        """What is in the WAL goes to the main file: whether that was all. Others that write, and those that read what
        was before, are waited for, but not for long, as nobody can write meanwhile. Raises sqlite3.Error."""
        try:
            self.connection.execute(f"PRAGMA busy_timeout = {_BRIEFLY}")
            mode = "TRUNCATE" if shorten else "FULL"
            busy, there, moved = self.connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
            return not busy and bool(moved == there)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")

    def close(self) -> None:
        self.connection.close()


def _as_declared(row: tuple[Any, ...], kinds: Sequence[type | None]) -> tuple[Any, ...]:
    """The row, with nothing of another kind in it; what stands there instead, whoever reads it finds to be damaged."""
    pairs = list(zip(row, kinds, strict=True))
    if all(kind is None or value is None or type(value) is kind for value, kind in pairs):
        return row
    return tuple(value if kind is None or value is None or type(value) is kind else kind() for value, kind in pairs)


@contextlib.contextmanager
def explained(path: Path, doing: str) -> Iterator[None]:
    """Turns an error of SQLite in the block into a StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise refusal(error, path, doing) from error


def refusal(error: sqlite3.Error, path: Path, doing: str) -> StoreError:
    """What SQLite refused while `doing` as a sentence, with what to do about it."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return StoreError(f"{path} is no SQLite database", "choose another file with --store sqlite:///some/file.db")
    if code == sqlite3.SQLITE_CORRUPT:
        return RunDamaged(f"{path} is damaged: {error}", _COPY_AGAIN)
    return StoreError(f"cannot {doing} {path}: {error}", _HINTS.get(code))


def _connect(path: Path, mode: str, patience: float = PATIENCE) -> sqlite3.Connection:
    uri = f"file:{quote(str(path))}?{mode}"
    return sqlite3.connect(
        uri, timeout=patience, uri=True, isolation_level=None, check_same_thread=False, cached_statements=64
    )


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Link | Nothing]:
    """The file as it is at one moment; changes nothing, and makes nothing. Raises StoreError."""
    link = open_to_read(path)
    if link is None:
        yield Nothing()
        return
    try:
        with explained(path, "read"):
            link.connection.execute("BEGIN")
        yield link
    finally:
        link.close()


def open_to_read(path: Path) -> Link | None:
    """None where there is nothing to read yet. Raises StoreError."""
    mended = sqlite_mend.known_to_read(path)
    try:
        if mended is None:
            return _opened_to_read(path)
    except RunDamaged:
        with explained(path, "read"):
            if (mended := sqlite_mend.to_read(path)) is None:
                raise
    return Link(path, _connect(mended, "immutable=1"))


def _opened_to_read(path: Path) -> Link | None:
    with explained(path, "open"):
        if not path.exists():
            return None
        connection = _connect(path, "mode=rw")
        try:
            if _is_known(connection, path):
                return _looked_through(Link(path, connection), path)
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
                raise
            if (still := _still(path)) is None:
                raise
            return still
        except BaseException:
            connection.close()
            raise
        connection.close()
        return None


def _still(path: Path) -> Link | None:
    """A connection to a file where we may change nothing, such as a copy on a medium that is read-only, and to which
    nobody is writing."""
    if Path(f"{path}-wal").exists():
        return None
    connection = _connect(path, "immutable=1")
    try:
        if _is_known(connection, path):
            return _looked_through(Link(path, connection), path)
    except BaseException:
        connection.close()
        raise
    connection.close()
    return None


def _looked_through(link: Link, path: Path) -> Link:
    """As far as `_recognise` would do so, once in this process. Raises RunDamaged, sqlite3.Error."""
    facts = path.stat()
    seen = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if seen not in _whole and not _is_the_last(link, path) and not sqlite_mend.is_at_work(path):
        _check_whole(link, path)
        _whole.add(seen)
    return link


def _is_known(connection: sqlite3.Connection, path: Path) -> bool:
    """False where the file holds nothing yet. Raises StoreError where it is not ours, sqlite3.Error."""
    with Link(path, connection).transaction("DEFERRED"):  # another process may be making it
        return _is_ours(connection, path)


def _is_ours(connection: sqlite3.Connection, path: Path) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application == 0 and not connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
        return False
    if application != sqlite_tables.APPLICATION:
        hint = "choose another file with --store sqlite:///some/file.db"
        raise StoreError(f"{path} is a database of something else", hint)
    if version > sqlite_tables.VERSION:
        raise StoreError(f"{path} was written by a newer magent", "update this one: pip install -U magent-cli")
    return True


def open_to_write(path: Path) -> Link:
    """Makes the file where it is not there. Raises StoreError."""
    with disk.explained(f"make {path}"):
        disk.make_directory(path.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            disk.sync_directory(path.parent)
    try:
        return _opened_to_write(path)
    except RunDamaged:
        with explained(path, "write to"):
            if not sqlite_mend.to_write(path):
                raise
        return _opened_to_write(path)


def _opened_to_write(path: Path) -> Link:
    with explained(path, "open"):
        connection = _connect(path, "mode=rw")
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return Link(path, connection)


def tidy(path: Path) -> bool:
    """What is in the WAL goes to the file that is there: whether that was all. Raises StoreError."""
    with explained(path, "write to"), contextlib.closing(_connect(path, "mode=rw")) as connection:
        return Link(path, connection).move_wal()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _patiently(lambda: _is_known(connection, path)):
        _patiently(lambda: connection.execute("PRAGMA auto_vacuum = INCREMENTAL"))
    mode = _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
    if mode != "wal":
        hint = "it is a network's, perhaps: choose a place on this machine with --store"
        raise StoreError(f"the file system of {path} cannot share memory", hint)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # `sqlite_pace` says when
    link = Link(path, connection)
    with link.transaction():
        if not _is_ours(connection, path):
            sqlite_tables.make(connection)
        _recognise(link, path)
        sqlite_tables.complete(connection)


def _recognise(link: Link, path: Path) -> None:
    """Looks through a file that is another than the one that was written to last: it may have been copied while runs
    were at work, half of it older than the other half. Which file that was, is a note of no run. Raises RunDamaged."""
    if not _is_the_last(link, path):
        _check_whole(link, path)
        me = sqlite_mend.mark(path)
        link.run("INSERT OR REPLACE INTO note (run, name, body) VALUES (0, 'file', ?)", me)


def _is_the_last(link: Link, path: Path) -> bool:
    known = link.connection.execute("SELECT body FROM note WHERE run = 0 AND name = 'file'").fetchone()
    return bool(known == (sqlite_mend.mark(path),))


def _check_whole(link: Link, path: Path) -> None:
    faults = [said for (said,) in link.connection.execute("PRAGMA integrity_check(1)") if said != "ok"]
    if faults:
        raise RunDamaged(f"{path} is damaged: {faults[0].splitlines()[0]}", _COPY_AGAIN)
    if sqlite_salvage.is_at_odds(link.connection):
        raise RunDamaged(f"{path} is damaged: part of it is older than the rest", _COPY_AGAIN)


def _patiently(job: Any) -> Any:
    """What SQLite refuses at once while another process opens the same file anew, instead of waiting."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return job()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def examine(path: Path) -> str:
    """How the file is, having tried to write to it. Raises StoreError."""
    if not path.exists():
        there = next(each for each in path.parents if each.exists())
        with disk.explained(f"write to {there}"), tempfile.NamedTemporaryFile(dir=there, prefix=".magent-doctor-"):
            return "writable; made when a run begins"
    with reading(path) as link, explained(path, "check"):
        faults = [said for (said,) in link.all("PRAGMA quick_check(1)") if said != "ok"]
    if faults:
        raise RunDamaged(f"{path} is damaged: {faults[0]}", "put it back from a copy")
    with contextlib.closing(_connect(path, "mode=rw", patience=5.0)) as connection, explained(path, "write to"):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    return f"writable, and sound; SQLite {sqlite3.sqlite_version}"
