"""What is written to a PostgreSQL database, by one thread over one connection for all runs of a process in one place.

Nobody waits there for long for a lock that somebody else has: what a statement has to wait for is given up soon, and
tried again; appends then pass over a run whose lease is locked, which waits while others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from magent.errors import StoreError
from magent.stores import postgres_link
from magent.stores.batches import Append, Batches
from magent.stores.postgres_link import Blocked, Link, Place
from magent.stores.postgres_tables import migrate

if TYPE_CHECKING:
    from psycopg import Connection

Found = TypeVar("Found")
_LOCK_TIMEOUT = 100  # milliseconds
_PAUSE = 0.2  # seconds until what was given up for a lock is tried again
_DUE = """
unnest(%(runs)b::bigint[], %(tokens)b::bigint[], %(firsts)b::bigint[], %(lasts)b::bigint[])
    AS due (run, token, first, last)"""
_WRITTEN = """
  RETURNING lease.run
), written AS (
  INSERT INTO event (run, seq, line)
  SELECT new.run, new.seq, new.line
  FROM unnest(%(of)b::bigint[], %(seqs)b::bigint[], %(lines)b::bytea[]) AS new (run, seq, line) JOIN held USING (run)
)
SELECT run FROM held
"""
_APPEND = f"""
WITH held AS (
  UPDATE lease SET seq = due.last, beat = clock_timestamp() FROM {_DUE}
  WHERE lease.run = due.run AND lease.token = due.token AND lease.seq = due.first - 1
  {_WRITTEN}"""  # noqa: S608
_APPEND_TO_FREE = f"""
WITH free AS MATERIALIZED (
  SELECT lease.run, due.last FROM lease JOIN {_DUE}
    ON lease.run = due.run AND lease.token = due.token AND lease.seq = due.first - 1
  FOR NO KEY UPDATE OF lease SKIP LOCKED
), held AS (
  UPDATE lease SET seq = free.last, beat = clock_timestamp() FROM free WHERE lease.run = free.run
  {_WRITTEN}"""  # noqa: S608
"""The same, past what is locked. It takes twice as long."""


class Writes(Protocol):
    """A hold, as its events are written."""

    run_id: str
    number: int
    token: int

    def taken(self, holder: str | None) -> StoreError:
        """That the run is another's."""
        ...


class Writer:
    """The thread and the connection of all that is written to one place, from the first use to the end of the last."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._link = Link(place, self._prepare)
        self._batches: Batches[Writes] = Batches(self._append)
        self._full = True  # whether a commit waits for the server's disk
        self._blocked: dict[int, float] = {}  # runs that somebody has locked, and since when
        self._wary = False  # whether there may be such
        self.append = self._batches.append

    def _prepare(self, connection: Connection[Any]) -> None:
        migrate(connection, self._place.schema)
        connection.execute(f"SET lock_timeout TO {_LOCK_TIMEOUT}")
        self._full = True

    def do(self, job: Callable[[Connection[Any]], Found]) -> Future[Found]:
        """In a transaction of its own. It may be done again where the connection was lost, or a lock was in its way."""

        def whole(connection: Connection[Any]) -> Found:
            self._sync(connection, True)
            with connection.transaction():
                return job(connection)

        def once() -> None:
            try:
                done.set_result(self._link.do(whole, "write to", asked))
            except Blocked as blocked:
                if time.monotonic() - asked < postgres_link.PATIENCE:
                    self._batches.do_later(once, _PAUSE)
                else:
                    done.set_exception(blocked)
            except BaseException as error:  # noqa: BLE001
                done.set_exception(error)

        asked, done = time.monotonic(), Future[Found]()
        self._batches.do(once)
        return done

    def _sync(self, connection: Connection[Any], wanted: bool) -> None:
        if wanted != self._full:
            connection.execute(f"SET synchronous_commit TO {'on' if wanted else 'off'}")
            self._full = wanted

    def _append(self, batch: list[Append[Writes]]) -> None:
        turn = {each.hold.number: each for each in reversed(batch)}  # of each run the first
        later = [each for each in batch if turn[each.hold.number] is not each]
        now = list(turn.values())
        try:
            written = self._link.do(lambda connection: self._write(connection, now), "write to")
            left = [each for each in now if each.hold.number not in written]
            leases = self._link.do(partial(_leases, left), "read") if left else {}
        except Blocked:
            if not self._wary:
                self._wary = True
                self._append(batch)
                return
            for each in now:  # one of them must not stop the others
                self._append([each]) if len(now) > 1 else self._wait(each)
        except StoreError as error:
            for each in now:
                each.done.set_exception(error)
        else:
            for each in now:
                self._settle(each, each.hold.number in written, *leases.get(each.hold.number, (0, 0, None)))
        self._wary = bool(self._blocked)
        for each in later:  # which come after those that wait
            if each.hold.number in self._blocked:
                self._batches.put_off(each)
        if free := [each for each in later if each.hold.number not in self._blocked]:
            self._append(free)

    def _write(self, connection: Connection[Any], batch: list[Append[Writes]]) -> set[int]:
        """The runs of which the token and the number were right."""
        self._sync(connection, any(each.sync for each in batch))
        sql = _APPEND_TO_FREE if self._wary else _APPEND
        values = {
            "runs": [each.hold.number for each in batch],
            "tokens": [each.hold.token for each in batch],
            "firsts": [each.first for each in batch],
            "lasts": [each.first + len(each.lines) - 1 for each in batch],
            "of": [each.hold.number for each in batch for _ in each.lines],
            "seqs": [seq for each in batch for seq, _ in enumerate(each.lines, each.first)],
            "lines": [line for each in batch for line in each.lines],
        }
        return {run for (run,) in connection.execute(sql, values, binary=True)}

    def _settle(self, append: Append[Writes], written: bool, token: int, seq: int, holder: str | None) -> None:
        """Where it was not written, it was before the connection was lost, or the run is another's now, or locked."""
        if not written and token == append.hold.token and seq == append.first - 1:
            self._wait(append)
            return
        self._blocked.pop(append.hold.number, None)
        if not written and token != append.hold.token:
            append.done.set_exception(append.hold.taken(holder))
        elif not written and seq != append.first + len(append.lines) - 1:
            message = f"run {append.hold.run_id} has {seq} events, and event {append.first} was to come next"
            append.done.set_exception(StoreError(message, "the database was changed by hand: open the run again"))

    def _wait(self, append: Append[Writes]) -> None:
        """For whoever has locked the run. Those after it of the same run wait as well."""
        since = self._blocked.setdefault(append.hold.number, time.monotonic())
        if time.monotonic() - since < postgres_link.PATIENCE:
            self._batches.put_off(append)
        else:
            del self._blocked[append.hold.number]
            append.done.set_exception(postgres_link.blocked(self._place, "write to", f"run {append.hold.run_id}"))

    def end(self) -> Future[None]:
        return self._batches.end(self._link.close)


def _leases(appends: list[Append[Writes]], connection: Connection[Any]) -> dict[int, tuple[int, int, str | None]]:
    """Token, last event and holder of each of their runs that is there."""
    sql = "SELECT run, token, seq, holder FROM lease WHERE run = ANY(%s)"
    found = connection.execute(sql, ([each.hold.number for each in appends],))
    return {run: (token, seq, holder) for run, token, seq, holder in found}
