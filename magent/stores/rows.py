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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from magent.errors import RunDamaged, StoreError
from magent.events import BadLine, Event
from magent.ports import CheckpointInfo, Record, RunInfo
from magent.stores.codec import Codec, Kind, RunCodec, Unsound, number_of, picked, sound
from magent.stores.summary import summarise, unreadable

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
    ends = _ends(rows, row, codec)
    for seq, fold in _folds(rows, row, codec) if checkpoint else ():
        events, lines = read_events(rows, row, codec, seq)
        if events and events[0].seq == seq:
            _check_end(row, codec, lines, seq, ends)
            return Record(header, frozen, (seq, fold), events[1:])
    events, lines = read_events(rows, row, codec, 1)
    _check_end(row, codec, lines, 1, ends)
    return Record(header, frozen, None, events)


def _ends(rows: Rows, row: Row, codec: RunCodec) -> list[tuple[str, bytes]]:
    """What says how far the events go at least, where that is kept: its kind, and its bytes."""
    if not codec.pins:
        return []
    found = []
    newest = "SELECT seq, body FROM checkpoint WHERE run = :run ORDER BY seq DESC LIMIT 1"
    for seq, body in rows.all(newest, run=row.number):
        with contextlib.suppress(Unsound):
            codec.decode("checkpoint", body, seq)
            found.append(("newest checkpoint", body))
    for (body,) in rows.all("SELECT result FROM run WHERE number = :run AND result IS NOT NULL", run=row.number):
        with contextlib.suppress(Unsound):
            codec.decode("result", body, None)
            found.append(("result", body))
    return found


def _check_end(
    row: Row, codec: RunCodec, lines: Sequence[bytes], first: int, ends: Sequence[tuple[str, bytes]]
) -> None:
    """Raises RunDamaged where the events are not, or not as they were, what others say they were."""
    last = first + len(lines) - 1
    for kind, data in ends:
        seq = codec.pinned(data)
        if seq > last or (seq >= first and not codec.fits(data, lines[seq - first])):
            message = f"the end of run {row.id} is missing, or another's: it has {last} events, and its {kind} was "
            hint = (
                "if it is a copy that was made while runs were at work, copy it again; else put it back from a copy, "
            )
            raise RunDamaged(
                f"{message}written after event {seq}", f"{hint}or give up what is missing: {_cut(row, last)}"
            )


def last_line(rows: Rows, row: Row) -> bytes:
    """b"" where there is none."""
    found = rows.all("SELECT line FROM event WHERE run = :run ORDER BY seq DESC LIMIT 1", run=row.number)
    return found[0][0] if found else b""


def document(run_id: str, codec: RunCodec, kind: Kind, data: bytes, seq: int | None = 0) -> dict[str, Any]:
    try:
        return sound(kind, codec.decode(kind, data, seq))
    except Unsound as error:
        raise RunDamaged(f"the {kind} of run {run_id} is damaged: {error}", _gone(run_id)) from error


def _gone(run_id: str) -> str:
    return f"put it back from a copy, or remove the run: magent runs rm {run_id}"


def read_events(rows: Rows, row: Row, codec: RunCodec, first: int) -> tuple[list[Event], list[bytes]]:
    """Those from number `first` on, and their lines. Raises RunDamaged."""
    sql = "SELECT seq, line FROM event WHERE run = :run AND seq >= :first ORDER BY seq"
    events, lines, before = [], [], b"" if first == 1 else None
    for number, (seq, line) in enumerate(rows.all(sql, run=row.number, first=first), first):
        if seq != number:
            raise _broken(row, number, "it is missing")
        try:
            event, before = codec.event(line, before), line
        except BadLine as bad:
            raise _broken(row, number, str(bad)) from bad
        if event.seq != number:
            raise _broken(row, number, f"event {event.seq} is in its place")
        events.append(event)
        lines.append(line)
    return events, lines


def some_lines(rows: Rows, run_ids: Sequence[str]) -> dict[Row, list[bytes]]:
    """The lines of several runs, as far as these are there, in two looks."""
    if not run_ids:
        return {}
    ids = {f"r{at}": run_id for at, run_id in enumerate(run_ids)}
    sql = f"SELECT number, id, created, header, place FROM run WHERE id IN ({_names(ids)})"  # noqa: S608
    runs = {row.number: row for row in (Row(*each) for each in rows.all(sql, **ids))}
    lines: dict[Row, list[bytes]] = {row: [] for row in runs.values()}
    numbers = {f"r{at}": number for at, number in enumerate(runs)}
    sql = f"SELECT run, line FROM event WHERE run IN ({_names(numbers)}) ORDER BY run, seq"  # noqa: S608
    for number, line in rows.all(sql, **numbers) if numbers else ():
        lines[runs[number]].append(line)
    return lines


def _names(values: Mapping[str, Any]) -> str:
    return ", ".join(f":{name}" for name in values)


def some_events(row: Row, lines: Sequence[bytes], codec: Codec, types: Collection[str], having: str) -> list[Event]:
    """Those of these types, as `codec.picked` picks them. Raises RunDamaged, StoreError."""
    read = codec(row.id)
    document(row.id, read, "header", row.header)  # which may say how the rest is to be read
    try:
        return picked(read, lines, types, having)
    except BadLine as bad:
        raise RunDamaged(f"run {row.id} cannot be read: {bad}", _gone(row.id)) from bad


def _broken(row: Row, number: int, why: str) -> RunDamaged:
    return RunDamaged(
        f"event {number} of run {row.id} cannot be read: {why}",
        f"make a copy of the database first; to give up what happened from there: {_cut(row, number - 1)}",
    )


def _cut(row: Row, last: int) -> str:
    """The statements after which event `last` is the last one, and nothing that is kept says that there were more."""
    rows = f"WHERE run = {row.number} AND seq > {last}"
    ends = f"DELETE FROM checkpoint {rows}; UPDATE run SET result = NULL WHERE number = {row.number}"  # noqa: S608
    return f"DELETE FROM event {rows}; {ends}"  # noqa: S608


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
    sql = "SELECT body, line FROM checkpoint JOIN event USING (run, seq) WHERE run = :run AND seq = :seq"
    for body, line in rows.all(sql, run=row.number, seq=seq):
        with contextlib.suppress(Unsound, KeyError, BadLine):
            fold: Mapping[str, Any] = codec.decode("checkpoint", body, seq)["fold"]
            return fold if codec.fits(body, line) else None
    return None


def size(rows: Rows, row: Row) -> int:
    """The bytes that are kept of a run."""
    sums = (
        "SELECT length(header) + length(workflow) + coalesce(length(result), 0) FROM run WHERE number = :run",
        "SELECT sum(length(line)) FROM event WHERE run = :run",
        "SELECT sum(length(body)) FROM checkpoint WHERE run = :run",
        "SELECT sum(length(body)) FROM note WHERE run = :run",
    )
    return sum(int(count or 0) for sql in sums for (count,) in rows.all(sql, run=row.number))


def older(rows: Rows, before: float, keep: int) -> list[str]:
    """All but the newest `keep` that were created before that moment."""
    found = rows.all(_OLDER, before=before, keep=keep)
    return [name for (name,) in found]


_OLDER = f"""
SELECT id FROM (SELECT id, created FROM run ORDER BY created DESC, id DESC LIMIT {2**63 - 1} OFFSET :keep) AS every
WHERE created < :before ORDER BY created
"""  # noqa: S608


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
    if data is None:
        return None
    document(row.id, codec, "header", row.header)
    return document(row.id, codec, "result", data, None)


def notes(codec: RunCodec, bodies: Mapping[str, bytes]) -> dict[str, Mapping[str, Any]]:
    """What they say; of one that cannot be read, nothing."""
    return {name: note(codec, name, body) for name, body in bodies.items()}


def note(codec: RunCodec, name: str, body: bytes) -> Mapping[str, Any]:
    with contextlib.suppress(Unsound):
        return codec.decode("note", body, number_of(name))
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
    except StoreError as error:
        return RunInfo(row.id, "", unreadable(error), row.created, row.created)


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
