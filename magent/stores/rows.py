"""Runs as rows of a database: the tables that every such store has, and how they are read.

    run         number, id, created, header, workflow, result, place
    event       run, seq, line        a line as a journal's file has it
    checkpoint  run, seq, body
    note        run, name, body       what others leave for whoever holds the run

`run` in the others is the number. Bytes are what the codec made of them. What is written here is SQL that SQLite and
PostgreSQL both read, with values named `:run`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from magent.errors import RunDamaged, StoreError
from magent.events import BadLine, Event
from magent.ports import CheckpointInfo, Record, RunInfo
from magent.stores.codec import Codec, Kind, RunCodec, Unsound
from magent.stores.summary import summarise

_BACK = 50  # events that are read at once from the newest back


class Rows(Protocol):
    """A database as it is at one moment."""

    def all(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Raises StoreError."""
        ...


class Nothing:
    """A database that is not there yet."""

    def all(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:  # noqa: ARG002
        return []


class Row(NamedTuple):
    """What is read first of a run; `place` is its workspace."""

    number: int
    id: str
    created: float
    header: bytes
    place: str


def names(rows: Rows) -> list[str]:
    return [name for (name,) in rows.all("SELECT id FROM run")]


def newest(rows: Rows) -> str | None:
    found = rows.all("SELECT id FROM run ORDER BY created DESC, id DESC LIMIT 1")
    return found[0][0] if found else None


def row(rows: Rows, run_id: str) -> Row | None:
    found = rows.all("SELECT number, id, created, header, place FROM run WHERE id = :id", id=run_id)
    return Row(*found[0]) if found else None


def record(rows: Rows, row: Row, codec: RunCodec, *, checkpoint: bool) -> Record:
    """Raises RunDamaged, StoreError."""
    header = document(row.id, codec, "header", row.header)
    ((workflow,),) = rows.all("SELECT workflow FROM run WHERE number = :run", run=row.number)
    frozen = document(row.id, codec, "workflow", workflow)
    for seq, fold in _folds(rows, row, codec) if checkpoint else ():
        events = read_events(rows, row, codec, seq)
        if events and events[0].seq == seq:
            return Record(header, frozen, (seq, fold), events[1:])
    return Record(header, frozen, None, read_events(rows, row, codec, 1))


def document(run_id: str, codec: RunCodec, kind: Kind, data: bytes) -> dict[str, Any]:
    try:
        return codec.decode(kind, data)
    except Unsound as error:
        raise RunDamaged(f"the {kind} of run {run_id} is damaged: {error}", _gone(run_id)) from error


def _gone(run_id: str) -> str:
    return f"put it back from a copy, or remove the run: magent runs rm {run_id}"


def read_events(rows: Rows, row: Row, codec: RunCodec, first: int) -> list[Event]:
    """Those from number `first` on. Raises RunDamaged."""
    sql = "SELECT seq, line FROM event WHERE run = :run AND seq >= :first ORDER BY seq"
    events = []
    for number, (seq, line) in enumerate(rows.all(sql, run=row.number, first=first), first):
        if seq != number:
            raise _broken(row, number, "it is missing")
        try:
            event = codec.event(line)
        except BadLine as bad:
            raise _broken(row, number, str(bad)) from bad
        if event.seq != number:
            raise _broken(row, number, f"event {event.seq} is in its place")
        events.append(event)
    return events


def _broken(row: Row, number: int, why: str) -> RunDamaged:
    cut = f"DELETE FROM event WHERE run = {row.number} AND seq >= {number}"  # noqa: S608
    return RunDamaged(
        f"event {number} of run {row.id} cannot be read: {why}",
        f"make a copy of the database first; to give up what happened from there: {cut}",
    )


def _folds(rows: Rows, row: Row, codec: RunCodec) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The sound ones, the newest first."""
    for (seq,) in rows.all("SELECT seq FROM checkpoint WHERE run = :run ORDER BY seq DESC", run=row.number):
        if (fold := read_fold(rows, row, codec, seq)) is not None:
            yield seq, fold


def newest_checkpoint(rows: Rows, row: Row) -> int:
    """Its number, sound or not; 0 where there is none."""
    found = rows.all("SELECT max(seq) FROM checkpoint WHERE run = :run", run=row.number)
    return (found[0][0] if found else None) or 0


def read_fold(rows: Rows, row: Row, codec: RunCodec, seq: int) -> Mapping[str, Any] | None:
    """None where it is not kept, or not sound."""
    for (body,) in rows.all("SELECT body FROM checkpoint WHERE run = :run AND seq = :seq", run=row.number, seq=seq):
        with contextlib.suppress(Unsound, KeyError):
            fold: Mapping[str, Any] = codec.decode("checkpoint", body, seq)["fold"]
            return fold
    return None


def event_at(rows: Rows, row: Row, codec: RunCodec, seq: int) -> Event | None:
    for (line,) in rows.all("SELECT line FROM event WHERE run = :run AND seq = :seq", run=row.number, seq=seq):
        with contextlib.suppress(BadLine):
            event = codec.event(line)
            return event if event.seq == seq else None
    return None


def checkpoints(rows: Rows, row: Row, codec: RunCodec) -> list[CheckpointInfo]:
    found = []
    sql = "SELECT seq, length(body) FROM checkpoint WHERE run = :run ORDER BY seq"
    for seq, size in rows.all(sql, run=row.number):
        event = event_at(rows, row, codec, seq)
        sound = event is not None and read_fold(rows, row, codec, seq) is not None
        found.append(CheckpointInfo(seq, event.time if event else row.created, size, sound))
    return found


def result(rows: Rows, row: Row, codec: RunCodec) -> dict[str, Any] | None:
    ((data,),) = rows.all("SELECT result FROM run WHERE number = :run", run=row.number)
    return None if data is None else document(row.id, codec, "result", data)


def notes(codec: RunCodec, bodies: Mapping[str, bytes]) -> dict[str, Mapping[str, Any]]:
    """What they say; of one that cannot be read, nothing."""
    return {name: note(codec, body) for name, body in bodies.items()}


def note(codec: RunCodec, body: bytes) -> Mapping[str, Any]:
    with contextlib.suppress(Unsound):
        return codec.decode("note", body)
    return {}


def read_notes(rows: Rows, number: int) -> dict[str, bytes]:
    return dict(rows.all("SELECT name, body FROM note WHERE run = :run", run=number))


class Latest(NamedTuple):
    """A run with its last event."""

    row: Row
    line: bytes | None


_LATEST = """
SELECT run.number, run.id, run.created, run.header, run.place, event.line FROM run LEFT JOIN event
ON event.run = run.number AND event.seq = (SELECT max(seq) FROM event AS other WHERE other.run = run.number)
"""


def latest(rows: Rows, run_id: str | None = None) -> list[Latest]:
    """Of every run, or of one."""
    found = rows.all(_LATEST) if run_id is None else rows.all(f"{_LATEST} WHERE run.id = :id", id=run_id)
    return [Latest(Row(*each[:5]), each[5]) for each in found]


def info(rows: Rows, found: Latest, codec: Codec, held: Callable[[], bool]) -> RunInfo:
    """A run as a listing shows it; `held` says whether somebody holds it."""
    row = found.row
    read = codec(row.id)
    try:
        header = document(row.id, read, "header", row.header)
        return summarise(row.id, header, _backwards(rows, found, read), held)
    except StoreError:
        return RunInfo(row.id, "", "damaged", row.created, row.created)


def _backwards(rows: Rows, found: Latest, codec: RunCodec) -> Iterator[Event]:
    """The events from the newest back; the first one is known already, and most often enough."""
    lines: Sequence[tuple[bytes, ...]] = [] if found.line is None else [(found.line,)]
    sql = "SELECT line FROM event WHERE run = :run AND seq < :seq ORDER BY seq DESC LIMIT :many"
    while lines:
        for (line,) in lines:
            try:
                event = codec.event(line)
            except BadLine as bad:
                raise RunDamaged(str(bad)) from bad
            yield event
        lines = rows.all(sql, run=found.row.number, seq=event.seq, many=_BACK)
