"""An SQLite file that was copied while runs were at work, and is half older than the other half, is put in order: what
is whole in it (see `sqlite_salvage`) goes to a new file, which takes its place where it is to be written to.

A file that somebody is at work on is left alone, and so is the one that was written to last: what is wrong with that is
the disk's doing, and not a copy's.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import logging
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from magent.stores import disk, sqlite_tables
from magent.stores.sqlite_pages import Pages, Unreadable
from magent.stores.sqlite_salvage import Lost, Salvaged, salvage

_SHOWN = 20  # runs that a message names
_NAME = "runs.db"
_KEPT = 4  # files in order that are kept to be read
_log = logging.getLogger("magent.stores")
_one = threading.Lock()
_Mark = tuple[str, int, int, int]
_told: set[tuple[Path, int]] = set()
_readable: dict[_Mark, Path] = {}  # directories of this process


def mark(path: Path) -> bytes:
    """Which file it is: a copy is another."""
    return f"{path.stat().st_ino} {path}".encode()


def is_at_work(path: Path) -> bool:
    """Whether a process has not ended what it wrote there, or was killed at it."""
    with contextlib.suppress(OSError):
        return os.stat(f"{path}-wal").st_size > 0
    return False


def known_to_read(path: Path) -> Path | None:
    """What `to_read` gave before in this process, of the same file."""
    with _one, contextlib.suppress(OSError):
        place = _readable.get(_mark(path))
        return place / _NAME if place else None
    return None


def to_read(path: Path) -> Path | None:
    """Another file that has what is whole in this one, which stays as it is; None where it is not one to be put in
    order. Raises StoreError, sqlite3.Error."""
    with _one, disk.explained(f"read {path}"):
        facts, known = path.stat(), _mark(path)
        place = Path(tempfile.mkdtemp(prefix="magent-"))
        try:
            found = _build(path, place / _NAME)
        except BaseException:
            disk.erase(place)
            raise
        if found is None:
            disk.erase(place)
            return None
        _tell(path, facts, found, "It is read as if it were put in order, and stays as it is.")
        _readable[known] = place
        if len(_readable) > _KEPT:
            disk.erase(_readable.pop(next(iter(_readable))))
        return place / _NAME


def _mark(path: Path) -> _Mark:
    facts = path.stat()
    return str(path), facts.st_ino, facts.st_size, facts.st_mtime_ns


@atexit.register
def _forget() -> None:
    while _readable:
        with contextlib.suppress(OSError):
            disk.erase(_readable.popitem()[1])


os.register_at_fork(after_in_child=_readable.clear)


def to_write(path: Path) -> bool:
    """Puts a file in order that takes the place of this one, which is kept beside it; False where it is not one to be
    put in order. Raises StoreError, sqlite3.Error."""
    with _one, disk.explained(f"put {path} in order"), _alone(path) as is_there:
        if not is_there:
            return True
        facts = path.stat()
        new = path.with_name(f"{path.name}-new-{os.urandom(4).hex()}")
        try:
            found = _build(path, new)
            if found is None:
                return False
            torn = _keep(path)
            os.rename(new, path)
            disk.sync_directory(path.parent)
        finally:
            new.unlink(missing_ok=True)
    _tell(path, facts, found, f"It was put in order; as it was it is kept as {torn}.")
    return True


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """One process at a time; False where another has put a new file there meanwhile."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield os.fstat(handle).st_ino == path.stat().st_ino
    finally:
        os.close(handle)


def _build(path: Path, new: Path) -> Salvaged | None:
    """None, and no file, where there is nothing to be put in order."""
    if is_at_work(path):
        return None
    with open(path, "rb", buffering=0) as file, contextlib.suppress(Unreadable):
        handle = file.fileno()
        pages = Pages(lambda size, place: os.pread(handle, size, place), os.fstat(handle).st_size)
        disk.write_new(new, b"")
        found = _fill(new, pages, path)
        if found.runs and mark(path) not in found.files:
            disk.sync(new)
            return found
    new.unlink(missing_ok=True)
    return None


def _fill(new: Path, pages: Pages, path: Path) -> Salvaged:
    """Nobody sees it yet, so it need not be safe at each moment."""
    with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as connection:
        for setting in ("auto_vacuum = INCREMENTAL", "journal_mode = OFF", "synchronous = OFF", "secure_delete = ON"):
            connection.execute(f"PRAGMA {setting}")
        connection.execute("BEGIN")
        sqlite_tables.make(connection)
        sqlite_tables.complete(connection)
        found = salvage(pages, connection)
        body = f"{new.stat().st_ino} {path}".encode()
        connection.execute("INSERT INTO note (run, name, body) VALUES (0, 'file', ?)", (body,))
        connection.execute("COMMIT")
    return found


def _keep(path: Path) -> Path:
    """Under another name too, where nothing else is, and for nobody else to read."""
    for number in range(1, 1000):
        torn = path.with_name(f"{path.name}-torn{'' if number == 1 else f'-{number}'}")
        with contextlib.suppress(FileExistsError):
            os.link(path, torn)
            os.chmod(torn, 0o600)
            return torn
    raise FileExistsError(17, "there are a thousand such files", str(torn))


def _tell(path: Path, facts: os.stat_result, found: Salvaged, what: str) -> None:
    """What is missing, once of each file."""
    said = [f"{path} was copied while runs were at work: part of it is older than the rest. {what}"]
    if (path, facts.st_ino) not in _told:
        _told.add((path, facts.st_ino))
        if not found.lost:
            said.append("Nothing that it knows of is missing.")
        said += [_lack(lost) for lost in found.lost[:_SHOWN]]
        if len(found.lost) > _SHOWN:
            said.append(f"So do {len(found.lost) - _SHOWN} more runs.")
    _log.warning("magent: warning: %s", " ".join(said))


def _lack(lost: Lost) -> str:
    if lost.whole:
        return f"Run {lost.run} is missing: nothing says what it was, unless it was removed just then."
    many = "an event" if lost.missing == 1 else f"{lost.missing} events"
    return f"Run {lost.run} lacks {many} or more after event {lost.kept}: magent resume {lost.run} goes on from there."
