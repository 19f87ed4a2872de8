"""What is whole in an SQLite file that was copied while runs were at work, half of it older than the other half.

Rows do not change, but for a run's result and place, and stay where they are (see `sqlite_tables`); so what both halves
have is the same, and each row that is sound is taken wherever it stands. Of each run the events are kept from the first
one on as far as they go without a gap; what was written after later ones is dropped with them. Under a key, which is
not at hand here, what has the form of a line or a document counts as sound: whoever reads the run sees whether it is.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import itertools
import re
import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from magent import events
from magent.events import BadLine, Event
from magent.stores import ids
from magent.stores.codec import SEALED, SEALED_LINE, Kind, Plain, Unsound, sound
from magent.stores.sqlite_pages import Pages, Record, records
from magent.stores.summary import BESIDE, ENDS

_FOUND = (
    "CREATE TEMP TABLE found (number INTEGER, id TEXT, created REAL, header BLOB, workflow BLOB, result BLOB,"
    " place TEXT, first INTEGER)"
)
_VERSION = "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_RUN = "INSERT OR IGNORE INTO run (number, id, created, header, workflow, result, place) VALUES (?, ?, ?, ?, ?, ?, ?)"
_BEGINNINGS = "SELECT run.number, run.header, run.workflow, run.result, {} FROM run"
_TWICE = _BEGINNINGS.format("begun.header, begun.workflow") + " LEFT JOIN begun ON begun.number = run.number"
_ONCE = _BEGINNINGS.format("NULL, NULL")  # in files of before
_SEALED = re.compile(rb"(?:magent-sealed |~([1-9]\d{0,18}) )([A-Za-z0-9+/]+={0,2})\n")


class Lost(NamedTuple):
    """A run of which events after `kept` are missing, `missing` or more of them; `whole`: all of it, as nothing says
    what it was."""

    run: str
    kept: int
    missing: int
    whole: bool = False


class Salvaged(NamedTuple):
    """How many runs there are; what is missing of some; which files were this one, as it says itself."""

    runs: int
    lost: Sequence[Lost]
    files: frozenset[bytes]


def salvage(pages: Pages, into: sqlite3.Connection) -> Salvaged:
    """Puts what is whole into a file whose tables are empty. Raises sqlite_pages.Unreadable, sqlite3.Error."""
    into.execute(_FOUND)
    files: set[bytes] = set()
    last: dict[int, int] = {}  # the last event that anything tells of, by the number of its run
    for record in records(pages):
        _take(record, into, files, last)
    kept = _without_gaps(into)
    lost = list(_choose(into, kept, last))
    runs = {number for (number,) in into.execute("SELECT number FROM run")}
    lost += [_unknown(into, number, last[number]) for number in sorted(last) if number not in runs]
    for table in ("event", "checkpoint", "note"):
        into.execute(f"DELETE FROM {table} WHERE run > 0 AND run NOT IN (SELECT number FROM run)")  # noqa: S608
    into.execute("INSERT INTO begun SELECT number, id, created, header, workflow, place FROM run")
    into.execute("DROP TABLE found")
    return Salvaged(len(runs), lost, frozenset(files))


def is_at_odds(connection: sqlite3.Connection) -> bool:
    """Whether in a file whose trees are whole something was written after an event that is not there, as far as it says
    so, or a row is of two halves itself. Raises sqlite3.Error."""
    sql = "SELECT run, max(seq) FROM {} WHERE typeof(seq) = 'integer' GROUP BY run"
    last = dict(connection.execute(sql.format("event")))
    if any(seq > last.get(run, 0) for run, seq in connection.execute(sql.format("checkpoint"))):
        return True
    twice = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'begun'").fetchone()
    if any(_is_mixed(row, last.get(row[0], 0)) for row in connection.execute(_TWICE if twice else _ONCE)):
        return True
    lines = connection.execute("SELECT line, seq FROM event WHERE run > 0")
    return not all(isinstance(line, bytes) and isinstance(seq, int) and _is_line(line, seq) for line, seq in lines)


def _is_mixed(row: tuple[Any, ...], last: int) -> bool:
    _, header, workflow, result, first_header, first_workflow = row
    if not isinstance(header, bytes) or not isinstance(workflow, bytes) or not isinstance(result, bytes | None):
        return True
    said = _document("result", result) if result is not None else {}
    sound = said is not None and _document("header", header) and _document("workflow", workflow) is not None
    if not sound or first_header not in (None, header) or first_workflow not in (None, workflow):
        return True
    return bool(said and said.get("sealed", 0) > last)


# ---- rows, told apart by their shape


def _take(record: Record, into: sqlite3.Connection, files: set[bytes], last: dict[int, int]) -> None:
    match record.values:
        case (0, "file", bytes(body)):
            files.add(body)
        case (int(run), int(seq), bytes(body)) if run > 0 and seq > 0:
            table = "event" if _is_line(body, seq) else "checkpoint" if _document("checkpoint", body, seq) else None
            if table:
                into.execute(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)", (run, seq, body))  # noqa: S608
                last[run] = max(last.get(run, 0), seq)
        case (int(run), str(), bytes(body)) if run > 0:
            if _document("note", body):
                into.execute("INSERT OR IGNORE INTO note VALUES (?, ?, ?)", record.values)
        case (None, str(), float() | int(), bytes(), bytes(), bytes() | None, str()) if record.rowid > 0:
            into.execute(_VERSION, (record.rowid, *record.values[1:], 0))
            last.setdefault(record.rowid, 0)
        case (None, str(), float() | int(), bytes(), bytes(), str() as place) if record.rowid > 0:
            into.execute(_VERSION, (record.rowid, *record.values[1:5], None, place, 1))
            last.setdefault(record.rowid, 0)


def _is_line(body: bytes, seq: int) -> bool:
    """By its form and its checksum: its JSON is not parsed."""
    if body.startswith(SEALED_LINE):
        found = _SEALED.fullmatch(body)
        return found is not None and found[1] == b"%d" % seq and _is_base64(found[2])
    if not body.startswith(b'{"seq":%d,"time":' % seq) or not body.endswith(b"\n"):
        return False
    with contextlib.suppress(BadLine):
        return bool(events.checked(body))
    return False


def _document(kind: Kind, body: bytes, seq: int | None = None) -> dict[str, Any] | None:
    """What it says; under a key, `seq` alone; None where it is not sound."""
    if body.startswith(SEALED):
        found = _SEALED.fullmatch(body)
        if found is None or not _is_base64(found[2]):
            return None
        return {"sealed": int.from_bytes(base64.b64decode(found[2][:12])[:8])}
    with contextlib.suppress(Unsound):
        return {"clear": sound(kind, Plain().decode(kind, body, seq))}
    return None


def _is_base64(text: bytes) -> bool:
    with contextlib.suppress(binascii.Error):
        return bool(binascii.a2b_base64(text, strict_mode=True))
    return False


# ---- what goes together


def _without_gaps(into: sqlite3.Connection) -> dict[int, int]:
    """The last event of each run, by its number, before the first that is missing; what comes behind is dropped."""
    kept: dict[int, int] = {}
    for run, seq in into.execute("SELECT run, seq FROM event ORDER BY run, seq"):
        if seq == kept.setdefault(run, 0) + 1:
            kept[run] = seq
    into.executemany("DELETE FROM event WHERE run = ? AND seq > ?", list(kept.items()))
    return {run: seq for run, seq in kept.items() if seq}


class _Version(NamedTuple):
    """What a run's row would hold, and the status of a result that is of events that are missing."""

    row: tuple[Any, ...]
    ended: str | None


def _choose(into: sqlite3.Connection, kept: dict[int, int], last: dict[int, int]) -> Iterator[Lost]:
    """Of each run the version that fits its events; the newest first, as of two with one name the older was removed."""
    rows = into.execute("SELECT * FROM found ORDER BY number DESC, first DESC")
    for number, versions in itertools.groupby(rows, key=lambda row: row[0]):
        upto, status = kept.get(number, 0), _status(into, number)
        good = [each for row in versions if (each := _version(row, upto, status))]
        if not good:
            continue
        newest = max(good, key=lambda each: each.row[5] is not None)  # what it began with, the first knows best
        if not into.execute(_RUN, (*good[0].row[:5], *newest.row[5:])).rowcount:
            del last[number]
            continue
        into.execute("DELETE FROM checkpoint WHERE run = ? AND seq > ?", (number, upto))
        known = max(last[number], *(upto + 1 for each in good if _is_missing(into, number, each.ended)), 0)
        if known > upto:
            yield Lost(newest.row[1], upto, known - upto)


def _version(row: tuple[Any, ...], upto: int, status: str | None) -> _Version | None:
    """None where the run cannot be read without what is not sound."""
    _, run_id, _, header, workflow, result, place, _ = row
    if not ids.is_id(run_id) or not _document("header", header) or not _document("workflow", workflow):
        return None
    said = _document("result", result) if result is not None else None
    if said is None:
        return _Version((*row[:5], None, place), None)
    if "sealed" in said:
        fits, ended = said["sealed"] <= upto, None
    else:
        ended = said["clear"].get("status", status)
        fits = ended == status
    return _Version(row[:7], None) if fits else _Version((*row[:5], None, place), str(ended))


def _status(into: sqlite3.Connection, number: int) -> str | None:
    """What the last of the events says became of the run."""
    for (line,) in into.execute("SELECT line FROM event WHERE run = ? ORDER BY seq DESC", (number,)):
        event = _event(line)
        if event is None or event.type not in BESIDE:
            return ENDS.get(event.type) if event else None
    return None


def _event(line: bytes) -> Event | None:
    """None where it is sealed, or not what it looks like."""
    with contextlib.suppress(BadLine):
        return None if line.startswith(SEALED_LINE) else events.decode(line)
    return None


def _is_missing(into: sqlite3.Connection, number: int, ended: str | None) -> bool:
    """Whether no event is there of what a result tells."""
    sql = "SELECT 1 FROM event WHERE run = ? AND instr(line, ?) LIMIT 1"
    return ended is not None and not into.execute(sql, (number, b'"type":"run.%b"' % ended.encode())).fetchone()


def _unknown(into: sqlite3.Connection, number: int, last: int) -> Lost:
    """A run that nothing is left of but events; its name, as far as anything has it."""
    for (name,) in into.execute("SELECT id FROM found WHERE number = ?", (number,)):
        if ids.is_id(name):
            return Lost(name, 0, last, whole=True)
    for (line,) in into.execute("SELECT line FROM event WHERE run = ? AND seq = 1", (number,)):
        name = event.data.get("run_id") if (event := _event(line)) else None
        if isinstance(name, str) and ids.is_id(name):
            return Lost(name, 0, last, whole=True)
    return Lost(f"number {number}", 0, last, whole=True)
