"""Runs in a PostgreSQL database, which many machines may share: `postgresql://user@host/database?schema=magent`.

Who holds a run has its lease: a row with a token that counts the holders there were. The lease is kept alive by a
thread, and is anybody's who asks once nothing was heard for `lease` seconds; at once where the holder was a process of
the same machine that is gone. All that a holder writes is on condition of its token: a process that was paused for too
long writes nothing more. An append is on condition of the last event's number as well: so it can be tried again after
the connection was lost, and nothing is written twice.

All stores of a process that are in one place have their connections together (`Lines`), so that it is three however
many runs there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from magent.errors import RunLocked, StoreError
from magent.stores import holders, rows
from magent.stores.batches import Shared, common, settled
from magent.stores.codec import Codec, plain
from magent.stores.postgres_link import Link, Place, parse
from magent.stores.postgres_tables import applied, is_behind, migrate
from magent.stores.postgres_watch import Watch, channel
from magent.stores.postgres_writer import Writer
from magent.stores.row_store import RowStore
from magent.stores.rows import Nothing, Row, Rows
from magent.stores.whole import Whole

if TYPE_CHECKING:
    from psycopg import Connection

Found = TypeVar("Found")
_TAKE = """
UPDATE lease SET token = token + 1, holder = %(me)s, beat = clock_timestamp(), term = %(term)s * interval '1 second'
WHERE run = %(run)s AND (holder IS NULL OR beat + term < clock_timestamp() OR token = %(gone)s OR holder = %(me)s)
RETURNING token
"""
_LAST = """
UPDATE lease SET seq = (SELECT coalesce(max(seq), 0) FROM event WHERE event.run = lease.run)
WHERE run = %(run)s AND token = %(token)s
"""
_HELD = "SELECT token, holder, beat + term >= clock_timestamp() FROM lease WHERE run = :run AND holder IS NOT NULL"
_SAVE = """
INSERT INTO checkpoint (run, seq, body) SELECT run, %(seq)b, %(body)b FROM lease
WHERE run = %(run)s AND token = %(token)s ON CONFLICT (run, seq) DO UPDATE SET body = excluded.body
"""
_OLD = """
DELETE FROM checkpoint WHERE run = %(run)s AND seq NOT IN
  (SELECT seq FROM checkpoint WHERE run = %(run)s ORDER BY seq DESC LIMIT %(keep)s)
"""
_OURS = "EXISTS (SELECT FROM lease WHERE run = %(run)s AND token = %(token)s)"
_RESULT = f"UPDATE run SET result = %(body)b WHERE number = %(run)s AND {_OURS}"  # noqa: S608
_MOVE = f"UPDATE run SET place = %(place)s WHERE number = %(run)s AND {_OURS}"  # noqa: S608
_CUT = f"DELETE FROM checkpoint WHERE run = %(run)s AND seq > %(seq)s AND {_OURS}"  # noqa: S608
_INSERT = """
INSERT INTO run (id, created, header, workflow, place)
VALUES (%(id)s, %(created)s, %(header)b, %(workflow)b, %(place)s) ON CONFLICT (id) DO NOTHING RETURNING number
"""
_LEASE = """
INSERT INTO lease (run, seq, token, holder, beat, term)
VALUES (%(run)s, 0, 1, %(me)s, clock_timestamp(), %(term)s * interval '1 second')
"""
_PUT = """
INSERT INTO run (id, created, header, workflow, place, result)
VALUES (%(id)s, %(created)s, %(header)b, %(workflow)b, %(place)s, %(result)b) ON CONFLICT (id) DO NOTHING
RETURNING number
"""
_IS_PUT = "SELECT FROM run WHERE id = %(id)s AND header = %(header)b AND place = %(place)s"
_PUT_LEASE = """
INSERT INTO lease (run, seq, token, holder, beat, term)
VALUES (%(run)s, %(seq)s, 0, NULL, clock_timestamp(), %(term)s * interval '1 second')
"""
_INSERTED = "SELECT number FROM run JOIN lease ON run = number WHERE id = %(id)s AND holder = %(me)s"
_LEAVE = """
INSERT INTO note (run, name, body) SELECT number, %(name)s, %(body)b FROM run WHERE number = %(run)s
ON CONFLICT (run, name) DO NOTHING
"""
_TAKE_BACK = "DELETE FROM note WHERE run = %(run)s AND name = %(name)s"
_DELETE = (
    "DELETE FROM event WHERE run = %(run)s",
    "DELETE FROM checkpoint WHERE run = %(run)s",
    "DELETE FROM note WHERE run = %(run)s",
    "DELETE FROM lease WHERE run = %(run)s",
    "DELETE FROM run WHERE number = %(run)s",
)
_LOCK = "SELECT token FROM lease WHERE run = %(run)s AND token = %(token)s FOR UPDATE"
_FREE = "UPDATE lease SET holder = NULL WHERE run = %(run)s AND token = %(token)s"


@cache
def _named(sql: str) -> str:
    """Values are `:run` in what all databases read, and `%(run)s` here."""
    return re.sub(r":(\w+)", r"%(\1)s", sql)


class _Rows:
    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def all(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(_named(sql), values, binary=True).fetchall()


_let_go: set[str] = set()  # holds of this process that have ended, though the server may not know


class Tables:
    """Those of the store, as its reader finds them."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self.made = False  # whether they are known to be there

    def prepare(self, connection: Connection[Any]) -> None:
        done = applied(connection, self._schema)
        if is_behind(done):
            migrate(connection, self._schema)
        self.made = done > 0


class Lines:
    """The connections of one place: one that writes while anybody holds a run, one that listens then, and one that
    reads while there is a store."""

    def __init__(self, place: Place) -> None:
        self.watch = Watch(place)
        self.writers = Shared(lambda: Writer(place))
        self.tables = Tables(place.schema)
        self.reader = Link(place, self.tables.prepare)


def _lines(place: Place) -> Lines:
    """What libpq takes from the environment belongs to the place."""
    around = sorted((name, value) for name, value in os.environ.items() if name.startswith("PG"))
    return common((place, *around), lambda: Lines(place))


class PostgresHold:
    """Fills `row_store.Hold`, and `postgres_watch.Watched`."""

    def __init__(self, store: PostgresStore, run_id: str, writer: Writer) -> None:
        self.run_id = run_id
        self.number = 0
        self.token = 0
        self.me = json.dumps({**holders.me(), "take": os.urandom(8).hex()})  # a take that is tried again knows itself
        self.writer = writer
        self._store = store
        self.left: Mapping[str, bytes] = {}
        self._fault: StoreError | None = None
        self._released = False
        self._heard: Callable[[], None] = lambda: None

    def begin(self, number: int, token: int, notes: Mapping[str, bytes]) -> None:
        """It is held."""
        self.number, self.token, self.left = number, token, notes
        self._store.watch.add(self)

    def taken(self, holder: str | None) -> StoreError:
        """That the run is another's."""
        who = _said(holder) if holder else "another process, which has let it go again"
        message = f"run {self.run_id} was taken over by {who}: this one was not heard from for too long"
        self._fault = StoreError(message, f"nothing of it was written; see magent runs show {self.run_id}")
        return self._fault

    async def append(self, first: int, lines: Sequence[bytes], *, sync: bool) -> None:
        if self._fault is not None:
            raise self._fault
        await self.writer.append(self, first, lines, sync=sync)

    def save(self, seq: int, body: bytes, keep: int) -> Future[None]:
        def job(connection: Connection[Any]) -> None:
            values = {"run": self.number, "token": self.token, "seq": seq, "body": body}
            connection.execute(_SAVE, values)
            connection.execute(_OLD, {"run": self.number, "keep": keep})

        return self.writer.do(job)

    def finish(self, body: bytes) -> Future[None]:
        return self._change(_RESULT, body=body)

    def move(self, place: str) -> Future[None]:
        return self._change(_MOVE, place=place)

    def cut(self, seq: int) -> Future[None]:
        return self._change(_CUT, seq=seq)

    def _change(self, sql: str, **values: Any) -> Future[None]:
        def job(connection: Connection[Any]) -> None:
            known = {"run": self.number, "token": self.token}
            connection.execute(sql, {**values, **known})
            held = connection.execute("SELECT holder FROM lease WHERE run = %(run)s AND token = %(token)s", known)
            if held.fetchone() is None:
                raise self.taken(None)

        return self.writer.do(job)

    def notes(self) -> Mapping[str, bytes]:
        if self._fault is not None:
            raise self._fault
        return self.left

    def on_notice(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def told(self, notes: Mapping[str, bytes]) -> None:
        if notes != self.left:
            self.left = notes
            self._heard()

    def lost(self) -> None:
        if self._fault is None and not self._released:
            self.taken(self._store.holder_of(self.number))
            self._heard()

    async def release(self) -> None:
        if self._released:
            return
        self._released = True

        def free(connection: Connection[Any]) -> None:
            connection.execute(_FREE, {"run": self.number, "token": self.token})

        try:
            if self.token:
                await asyncio.to_thread(self._store.watch.remove, self)
                _let_go.add(self.me)  # even where the server is not there to be told
                await settled(self.writer.do(free))
                _let_go.discard(self.me)
        finally:
            await self._store.let_go()


def _said(holder: str) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return holders.said(json.loads(holder))
    return "another process"


def _is_gone(holder: str) -> bool:
    if holder in _let_go:
        return True
    with contextlib.suppress(ValueError, AttributeError):
        return holders.is_gone(json.loads(holder))
    return False


class PostgresStore(RowStore[PostgresHold]):
    """Fills `ports.RunStore`."""

    def __init__(self, url: str, codec: Codec = plain) -> None:
        super().__init__(codec)
        self.place = parse(url)
        self.url = self.place.shown
        self._lines = _lines(self.place)
        self.watch = self._lines.watch
        self._writers = self._lines.writers
        self._reader = self._lines.reader

    async def examine(self) -> str:
        return await asyncio.to_thread(self._reader.do, self._examine, "reach")

    def _examine(self, connection: Connection[Any]) -> str:
        """A table that is gone with its session says whether one may write."""
        connection.execute("CREATE TEMPORARY TABLE magent_doctor ()")
        connection.execute("DROP TABLE magent_doctor")
        version = connection.info.parameter_status("server_version")
        made = "" if applied(connection, self.place.schema) else "; made when a run begins"
        return f"PostgreSQL {version}, schema {self.place.schema}{made}"

    @contextlib.contextmanager
    def _rows(self) -> Iterator[Rows]:
        tables = self._lines.tables
        if not tables.made:  # somebody may have made them since
            self._reader.do(tables.prepare, "read")
        if not tables.made:
            yield Nothing()
            return
        with self._reader.snapshot("read") as connection:
            yield _Rows(connection)

    def _held(self, found: Rows, row: Row) -> bool:
        return any(alive and not _is_gone(holder) for _, holder, alive in found.all(_HELD, run=row.number))

    def holder_of(self, number: int) -> str | None:
        with contextlib.suppress(StoreError), self._rows() as found:
            for _, holder, _ in found.all(_HELD, run=number):
                text: str = holder
                return text
        return None

    async def let_go(self) -> None:
        """The opposite of `self._writers.use`."""
        writer, last = self._writers.leave()
        if last:
            await settled(writer.end())

    async def _insert(self, row: Row, workflow: bytes) -> PostgresHold:
        def job(connection: Connection[Any]) -> int:
            values = {**row._asdict(), "workflow": workflow, "me": hold.me, "term": self.place.lease}
            for (number,) in connection.execute(_INSERT, values):
                connection.execute(_LEASE, {**values, "run": number})
                return int(number)
            for (number,) in connection.execute(_INSERTED, values):
                return int(number)
            raise self._exists(row.id)

        hold = PostgresHold(self, row.id, self._writers.use())
        try:
            hold.begin(await settled(hold.writer.do(job)), 1, {})
            return hold
        except BaseException:
            await hold.release()
            raise

    async def _take(self, run_id: str) -> tuple[Row, PostgresHold]:
        def job(connection: Connection[Any]) -> tuple[Row, int, dict[str, bytes]]:
            row = self._find(_Rows(connection), run_id)
            token = self._token(connection, row, hold.me)
            connection.execute(_LAST, {"run": row.number, "token": token})
            return row, token, rows.read_notes(_Rows(connection), row.number)

        hold = PostgresHold(self, run_id, self._writers.use())
        try:
            row, token, notes = await settled(hold.writer.do(job))
            hold.begin(row.number, token, notes)
            return row, hold
        except BaseException:
            await hold.release()
            raise

    def _token(self, connection: Connection[Any], row: Row, me: str) -> int:
        """Of a lease that is ours now. Raises RunLocked."""
        values = {"run": row.number, "me": me, "term": self.place.lease, "gone": 0}
        holder = "another process"
        for _ in range(3):
            for (token,) in connection.execute(_TAKE, values):
                return int(token)
            for token, text, alive in _Rows(connection).all(_HELD, run=row.number):
                if alive and not _is_gone(text):
                    raise RunLocked(row.id, _said(text))
                holder, values["gone"] = _said(text), token
        raise RunLocked(row.id, holder)  # others take it each time before us

    async def _put(self, row: Row, whole: Whole) -> None:
        def job(connection: Connection[Any]) -> None:
            values = {**row._asdict(), "workflow": whole.workflow, "result": whole.result}
            for (run,) in connection.execute(_PUT, values):
                values = {"run": run, "term": self.place.lease, "seq": len(whole.lines)}
                connection.execute(_PUT_LEASE, values)
                for table, column, found in (
                    ("event", "seq, line", [*enumerate(whole.lines, 1)]),
                    ("checkpoint", "seq, body", [*whole.checkpoints.items()]),
                    ("note", "name, body", [*whole.notes.items()]),
                ):
                    sql = f"INSERT INTO {table} (run, {column}) VALUES (%s, %s, %b)"  # noqa: S608
                    connection.cursor().executemany(sql, [(run, *each) for each in found])
                return
            if connection.execute(_IS_PUT, values).fetchone() is None:  # else it was before the connection was lost
                raise self._exists(row.id)

        await self._written(job)

    async def _forget(self, row: Row, seqs: Sequence[int]) -> None:
        def job(connection: Connection[Any]) -> None:
            sql = "DELETE FROM checkpoint WHERE run = %s AND seq = ANY(%s)"
            connection.execute(sql, (row.number, [*seqs]))

        await self._written(job)

    async def _written(self, job: Callable[[Connection[Any]], Found]) -> Found:
        writer = self._writers.use()
        try:
            return await settled(writer.do(job))
        finally:
            await self.let_go()

    async def _leave(self, row: Row, name: str, body: bytes) -> bytes:
        there = await self._noted(row, _LEAVE, name, body)
        return there.get(name, body)

    async def _take_away(self, row: Row, name: str) -> None:
        await self._noted(row, _TAKE_BACK, name)

    async def _noted(self, row: Row, sql: str, name: str, body: bytes | None = None) -> dict[str, bytes]:
        """The notes that are there when that is done; whoever holds the run is told."""

        def job(connection: Connection[Any]) -> dict[str, bytes]:
            connection.execute(sql, {"run": row.number, "name": name, "body": body})
            connection.execute("SELECT pg_notify(%s, %s)", (channel(self.place.schema), str(row.number)))
            return rows.read_notes(_Rows(connection), row.number)

        there = await self._written(job)
        self.watch.look_now(row.number, there)
        return there

    async def _delete(self, row: Row, hold: PostgresHold) -> None:
        def job(connection: Connection[Any]) -> None:
            known = {"run": row.number, "token": hold.token}
            if connection.execute(_LOCK, known).fetchone() is None and self._find(_Rows(connection), row.id):
                raise hold.taken(None)
            for statement in _DELETE:
                connection.execute(statement, known)

        await settled(hold.writer.do(job))
