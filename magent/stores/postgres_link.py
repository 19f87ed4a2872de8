"""Connections to a PostgreSQL server: where it is, made again when they were lost, and errors told to people."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from magent import durations, urls
from magent.errors import StoreError, UsageError
from magent.keys import GUARD

if TYPE_CHECKING:
    from psycopg import Connection

Found = TypeVar("Found")
SCHEMA = "magent"
LEASE = 5.0  # seconds for which a process that is not heard from still holds its runs
PATIENCE = 30.0  # seconds in which a server that went away may come back
_SHORT = 10.0  # seconds in which one that begins, or is full, may take us in
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,50}")
_DEFAULTS = {  # what the URL does not say: a server that vanished without a word is noticed within half a minute
    "connect_timeout": "10",
    "application_name": "magent",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}
_BEGINS = ("57P03", "53300")  # it starts, or has no place for us just now
_PASSING = (  # what a server says that is there, but not for us just now
    "too many clients",
    "starting up",
    "shutting down",
    "remaining connection slots",
    "server closed the connection unexpectedly",
)
_ENDS = ("57P01", "57P02", "57P05")  # an administrator, a crash, an idle session that was ended


class Place(NamedTuple):
    """Where a store is: for libpq, the schema of its tables, and for people."""

    conninfo: str
    schema: str
    lease: float
    shown: str


def parse(url: str) -> Place:
    """Of `postgresql://user@host:port/database?schema=magent&lease=5s`, where all other options are libpq's. Raises
    UsageError."""
    for password in urls.passwords(url):
        if password not in urls.shown(url):  # such as that of a server for tests, whose all is `postgres`
            GUARD.learn(password)
    before, _, query = url.partition("?")
    own, others = {"schema": SCHEMA, "lease": ""}, []
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name in own:
            own[name] = value
        else:
            others.append(pair)
    if not _NAME.fullmatch(own["schema"]):
        hint = "write ?schema=NAME with small letters, digits and '_', at most 51 of them"
        raise UsageError(f"'{own['schema']}' cannot be the schema of a store", hint)
    conninfo = before + (f"?{'&'.join(others)}" if others else "")
    return Place(conninfo, own["schema"], _lease(own["lease"]), urls.shown(url))


def _lease(text: str) -> float:
    try:
        found = durations.parse(text) if text else LEASE
    except ValueError as error:
        raise UsageError(f"'{text}' cannot be the lease of a store: {error}", "write ?lease=5s") from error
    if not 0.2 <= found <= 3600:
        raise UsageError(f"'{text}' cannot be the lease of a store", "it is between 0.2s and 1h: write ?lease=5s")
    return found


def psycopg() -> Any:
    """The library. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        message = f"a store on PostgreSQL needs psycopg, which cannot be loaded: {error}"
        raise UsageError(message, "pip install 'magent-cli[postgres]'") from error


class Blocked(StoreError):
    """Somebody else has locked what was to be written, and did not let go in time."""


_reached: set[Place] = set()  # where a server has been while this process lives: it may come back


class Link:
    """One connection, used by one thread at a time: made when first needed, and again when it was lost."""

    def __init__(self, place: Place, prepare: Callable[[Connection[Any]], None]) -> None:
        self._place = place
        self._prepare = prepare
        self._guard = threading.RLock()
        self._kept: list[Connection[Any]] = []
        self._ready = False  # whether the connection that is kept is prepared
        self._gave_up = 0.0  # when somebody last waited for the server in vain
        weakref.finalize(self, _close, self._kept, os.getpid())

    def close(self) -> None:
        with self._guard:
            _close(self._kept, os.getpid())

    def connection(self) -> Connection[Any]:
        """Raises psycopg.Error, StoreError, UsageError."""
        if self._kept and (self._kept[0].closed or self._kept[0].broken or not self._ready):
            self.close()
        if not self._kept:
            self._ready = False
            self._kept.append(connect(self._place))
            _reached.add(self._place)
            self._prepare(self._kept[0])
            self._ready = True
        return self._kept[0]

    def do(self, job: Callable[[Connection[Any]], Found], doing: str, asked: float | None = None) -> Found:
        """What the job gives. It is done again where the connection is lost in the middle: so it must see for itself
        what of it is done. `asked` is when it began to wait for its turn, of `time.monotonic()`: where one before it
        found that the server stays away, it has waited as well. Raises StoreError."""
        library = psycopg()
        asked, pause = time.monotonic() if asked is None else asked, 0.05
        with self._guard:
            begun = asked if asked < self._gave_up else time.monotonic()
            while True:
                try:
                    return job(self.connection())
                except library.Error as error:
                    passes = self._passes(error)
                    if time.monotonic() - begun + pause > passes:
                        self._gave_up = time.monotonic()
                        raise refusal(error, self._place, doing, passes) from error
                    time.sleep(pause)
                    pause = min(pause * 2, 1.0)

    def _passes(self, error: Any) -> float:
        """In how many seconds this may be over; 0: it never will."""
        lost = bool(self._kept) and (self._kept[0].closed or self._kept[0].broken or error.sqlstate in _ENDS)
        if lost:
            self.close()
        elif self._kept:
            return 0.0
        if self._place in _reached:
            return PATIENCE
        known = error.sqlstate in _BEGINS or any(words in str(error) for words in _PASSING)
        return _SHORT if known else 0.0

    @contextlib.contextmanager
    def snapshot(self, doing: str) -> Iterator[Connection[Any]]:
        """The connection, in a transaction that sees the database as it is now and changes nothing."""

        def begin(connection: Connection[Any]) -> Connection[Any]:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return connection

        with self._guard:
            connection = self.do(begin, doing)
            try:
                with explained(self._place, doing):
                    yield connection
            finally:
                with contextlib.suppress(psycopg().Error):
                    connection.execute("ROLLBACK")


def _close(kept: list[Any], pid: int) -> None:
    """A child that was forked has the same connection: it is not the child's to end."""
    while kept:
        connection = kept.pop()
        if pid == os.getpid():
            connection.close()


def connect(place: Place) -> Connection[Any]:
    """Raises psycopg.Error, UsageError."""
    library = psycopg()
    try:
        known = library.conninfo.conninfo_to_dict(place.conninfo)
    except library.ProgrammingError as error:
        hint = "write postgresql://user@host:5432/database; what is special in a password is escaped, such as %40 for @"
        said = "" if urls.passwords(place.conninfo) else f": {_plain(error, place)}"  # it may quote a part of one
        raise UsageError(f"{place.shown} is no URL of a database{said}", hint) from None
    made: Connection[Any] = library.connect(**{**_DEFAULTS, **known}, autocommit=True)
    return made


@contextlib.contextmanager
def explained(place: Place, doing: str) -> Iterator[None]:
    """Turns an error of psycopg in the block into a StoreError."""
    library = psycopg()
    try:
        yield
    except library.Error as error:
        raise refusal(error, place, doing, 0.0) from error


_CONNECTING: tuple[tuple[str, str, str], ...] = (
    (
        "password authentication failed|no password supplied|28P01",
        "the server does not accept the password",
        "give it in PGPASSWORD, in ~/.pgpass, or in the URL of MAGENT_STORE",
    ),
    (
        r'database "[^"]*" does not exist|3D000',
        "there is no such database",
        "make it (createdb NAME), or name another",
    ),
    (
        r'role "[^"]*" does not exist|no pg_hba.conf entry|28000|authentication failed',
        "the server does not let this user in",
        "name another user in the URL, or see the server's pg_hba.conf",
    ),
    (
        "Connection refused|No such file or directory|could not translate host name|resolve|timeout expired|"
        "No route to host|Network is unreachable",
        "the server cannot be reached",
        "is it running, and are host and port right?",
    ),
    (
        "too many clients|remaining connection slots|53300",
        "the server takes no more connections",
        "raise its max_connections, or run less at once",
    ),
    ("starting up|shutting down|57P03", "the server is not ready", "wait a moment, then try again"),
)
_WORKING = {
    "42501": "the user may not do this: let somebody who may make the schema, or name another with ?schema=NAME",
    "53100": "free some space on the server, then go on with: magent resume",
    "25006": "this server is read-only, a standby perhaps: name the one that is written to",
}


def refusal(error: Any, place: Place, doing: str, waited: float) -> StoreError:
    """What the server refused while `doing` as a sentence, with what to do about it; no password is in it."""
    said, state = _plain(error, place), error.sqlstate or ""
    if state == "55P03":
        return blocked(place, doing, "tables")
    long = f" (for {durations.show(waited)})" if waited >= PATIENCE else ""
    for pattern, meaning, hint in _CONNECTING:
        if re.search(pattern, f"{state} {said}"):
            return StoreError(f"cannot {doing} {place.shown}: {meaning}{long}: {said}", hint)
    if waited or not state:
        hint = "see how the server is, then go on with: magent resume"
        return StoreError(f"cannot {doing} {place.shown}: the connection was lost{long}: {said}", hint)
    return StoreError(f"cannot {doing} {place.shown}: {said}", _WORKING.get(state))


def blocked(place: Place, doing: str, what: str) -> Blocked:
    return Blocked(
        f"cannot {doing} {place.shown}: another session has locked its {what} (for {durations.show(PATIENCE)})",
        "end what it does, then go on with: magent resume; to see it: "
        "SELECT pid, usename, query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
    )


def _plain(error: Any, place: Place) -> str:
    """The error's own words on one line, without passwords."""
    said = " ".join(str(error).split())
    said = re.sub(r"^connection failed: ", "", said)
    for password in urls.passwords(place.conninfo):
        said = said.replace(password, "***")
    return GUARD.hide(said)
