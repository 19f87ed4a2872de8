"""The journal of a run as its readers see it: the file, line by line, and what stands beside it that knows its end."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from magent.errors import RunDamaged
from magent.events import BadLine, Event
from magent.ports import CheckpointInfo
from magent.stores import checkpoints, disk
from magent.stores.checkpoints import Checkpoint, Found
from magent.stores.codec import RunCodec, Unsound
from magent.stores.tails import Piece, joined, unpacked

NAME = "journal.jsonl"
RESULT = "result.json"
_BLOCK = 4096


class End(NamedTuple):
    """A document that says how many events there were when it was written, as far as the codec pins it, and what the
    newest of them were, as far as it has kept them."""

    path: Path
    data: bytes
    seq: int
    tail: Piece | None


class Book(NamedTuple):
    """`missing`: whole lines that others know behind byte `end` of the file, its last whole line; most often none.
    `ends` are those who know, which were read before the file, which only grows."""

    path: Path
    ends: list[End]
    end: int = 0
    missing: bytes = b""

    def read(self, offset: int = 0) -> bytes:
        """All from that byte on. Raises OSError."""
        if not self.missing:
            return disk.read(self.path, offset)
        return (disk.read(self.path)[: self.end] + self.missing)[offset:]

    def line(self, offset: int) -> bytes:
        """That which begins at this byte; without its line feed, it was never finished. Raises OSError."""
        if self.missing:
            return self.read(offset).partition(b"\n")[0] + b"\n"
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.readline()

    def mend(self, end: int) -> None:
        """Makes the file what was read of it, up to byte `end`: without an unfinished last line, and with what was
        missing, on the disk. Raises OSError."""
        kept = self.end if self.missing else end
        if self.path.stat().st_size != kept:
            os.truncate(self.path, kept)
        if self.missing:
            disk.append(self.path, self.missing)


@contextlib.contextmanager
def reading(directory: Path) -> Iterator[None]:
    """Turns an OSError of the block, in which the journal there is read, into a RunDamaged or another StoreError."""
    path = directory / NAME
    try:
        yield
    except FileNotFoundError:
        raise RunDamaged(f"{path} is missing", disk.gone(path)) from None
    except OSError as error:
        raise disk.refusal(error, f"read {path}") from error


def opened(directory: Path, codec: RunCodec) -> Book:
    """The journal of a run whose header was read. Raises StoreError, OSError."""
    path, newest, ends = directory / NAME, checkpoints.newest(directory), _ends(directory, codec)
    last, size = _last(path, codec), path.stat().st_size
    pieces = [end.tail for end in ends if end.tail and end.tail.at + len(end.tail.lines) > size]
    if last is not None and newest > last:
        pieces += [point.tail for point in checkpoints.sound(directory, codec) if point.seq > last and point.tail]
    if last is None or not pieces:
        return Book(path, ends)
    data = disk.read(path)
    there = data[: data.rfind(b"\n") + 1]
    return Book(path, ends, len(there), joined(codec, there, pieces)[len(there) :])


def _ends(directory: Path, codec: RunCodec) -> list[End]:
    found = []
    for point in islice(checkpoints.sound(directory, codec), 1) if codec.pins else ():
        found.append(End(point.path, point.data, point.seq, point.tail))
    with contextlib.suppress(OSError, Unsound):
        data = disk.read(f"{directory}/{RESULT}")
        tail = unpacked(codec.decode("result", data, None))
        found.append(End(directory / RESULT, data, codec.pinned(data), tail))
    return found


def _last(path: Path, codec: RunCodec) -> int | None:
    """The number of the last whole line; 0 where there is none, None where it cannot be read."""
    with contextlib.suppress(BadLine):
        return next((codec.event(line).seq for line in _lines_backwards(path)), 0)
    return None


class Tail(NamedTuple):
    """Events that were read, with their lines, and where they are in the journal: `seq` of the last line, the bytes
    where the first and the last begin, and where the sound part ends."""

    events: list[Event]
    lines: list[bytes]
    seq: int
    first: int
    last: int
    end: int

    def line(self, seq: int) -> bytes:
        """That of event `seq`; b"" where it was not read."""
        place = seq - self.seq - 1 + len(self.lines)
        return self.lines[place] if 0 <= place < len(self.lines) else b""


NOTHING = Tail([], [], 0, 0, 0, 0)


def damaged(path: Path, line: int, why: str) -> RunDamaged:
    place = shlex.quote(str(path.parent))
    return RunDamaged(
        f"{path}:{line}: {why}",
        f"copy {place} first; to give up what happened from there and go on from line {line - 1}: "
        f"(cd {place} && head -n {line - 1} {NAME} > cut && mv cut {NAME})",
    )


def read_tail(book: Book, codec: RunCodec, offset: int = 0, first: int = 1) -> Tail:
    """The events from byte `offset` on, where line `first` begins. What follows the last line feed was never finished
    and does not count. Raises RunDamaged, OSError."""
    data = book.read(offset)
    lines = data.split(b"\n")
    unfinished = lines.pop()
    events, before = [], b"" if first == 1 else None
    for number, line in enumerate(lines, first):
        try:
            event, before = codec.event(line, before), line
        except BadLine as bad:
            raise damaged(book.path, number, str(bad)) from bad
        if event.seq != number:
            raise damaged(book.path, number, f"event {number} should be here, but event {event.seq} is")
        events.append(event)
    end = offset + len(data) - len(unfinished)
    last = end - len(lines[-1]) - 1 if lines else offset
    return Tail(events, lines, first - 1 + len(lines), offset, last, end)


def read_after(book: Book, codec: RunCodec, checkpoint: Checkpoint) -> Tail | None:
    """The events after the checkpoint's; None where the journal does not have its line where it should be."""
    if event_of(book, codec, checkpoint) is None:
        return None
    tail = read_tail(book, codec, checkpoint.offset, checkpoint.seq)
    return tail._replace(events=tail.events[1:])


def event_of(book: Book, codec: RunCodec, checkpoint: Checkpoint) -> Event | None:
    """The last event that the checkpoint stands for, where its line is where it should be. Raises OSError."""
    line = book.line(checkpoint.offset)
    with contextlib.suppress(BadLine):
        event = codec.event(line)
        if line.endswith(b"\n") and event.seq == checkpoint.seq and codec.fits(checkpoint.data, line):
            return event
    return None


def info_of(book: Book, codec: RunCodec, kept: Found) -> CheckpointInfo:
    event = None
    if kept.found is not None:
        with contextlib.suppress(OSError):
            event = event_of(book, codec, kept.found)
    return CheckpointInfo(kept.seq, event.time if event else kept.written, kept.size, event is not None)


def check_end(book: Book, codec: RunCodec, tail: Tail) -> None:
    """Raises RunDamaged where the journal has not got, or not as it was, what others say it had."""
    for end in book.ends:
        line = tail.line(end.seq)
        if end.seq <= tail.seq and (not line or codec.fits(end.data, line)):
            continue
        what = f"its end is missing: it goes to event {tail.seq}" if end.seq > tail.seq else "its end is another's"
        names = " ".join(shlex.quote(str(each.path)) for each in book.ends)
        raise RunDamaged(
            f"{book.path}: {what}, and {end.path.name} was written after event {end.seq}",
            "put the run back from a copy; if this is a copy that was made while the run was at work, make it again, "
            f"or give up what is missing: rm {names}",
        )


def backwards(path: Path | str, codec: RunCodec, missing: bytes = b"") -> Iterator[Event]:
    """The events from the newest back, read in blocks from the end. Raises RunDamaged, OSError."""
    yield from (codec.event(line) for line in reversed(missing.split(b"\n")[:-1]))  # which were read before
    for line in _lines_backwards(path):
        try:
            yield codec.event(line)
        except BadLine as bad:
            raise RunDamaged(f"{path}: {bad}") from bad


def _lines_backwards(path: Path | str) -> Iterator[bytes]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        position, block, rest = os.fstat(handle).st_size, _BLOCK, b""
        finished = False  # whether a line feed was seen behind `rest`
        while position:
            start = max(0, position - block)
            first, *lines = (os.pread(handle, position - start, start) + rest).split(b"\n")
            if lines and not finished:
                lines.pop()
                finished = True
            yield from reversed(lines)
            position, block, rest = start, block * 2, first
        if finished:
            yield rest
    finally:
        os.close(handle)
