"""The journal of a run as a file: read line by line, written by one process at its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from magent.errors import RunDamaged, StoreError
from magent.events import BadLine, Event
from magent.stores import checkpoints, disk
from magent.stores.checkpoints import Checkpoint
from magent.stores.codec import RunCodec, Unsound, number_of
from magent.stores.locking import Hold

NAME = "journal.jsonl"
RESULT = "result.json"
NOTES = "notes"
WORKSPACE = "workspace"
SYNC_EVERY = 0.05  # seconds between background syncs
_BLOCK = 4096
_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class Tail(NamedTuple):
    """Events that were read, with their lines, and where the sound part of the file is: `seq` and start of its last
    line, and its end."""

    events: list[Event]
    lines: list[bytes]
    seq: int
    last: int
    end: int

    def line(self, seq: int) -> bytes:
        """That of event `seq`; b"" where it was not read."""
        place = seq - self.seq - 1 + len(self.lines)
        return self.lines[place] if 0 <= place < len(self.lines) else b""


def damaged(path: Path, line: int, why: str) -> RunDamaged:
    place = shlex.quote(str(path.parent))
    return RunDamaged(
        f"{path}:{line}: {why}",
        f"copy {place} first; to give up what happened from there and go on from line {line - 1}: "
        f"(cd {place} && head -n {line - 1} {NAME} > cut && mv cut {NAME})",
    )


def read_tail(path: Path, codec: RunCodec, offset: int = 0, first: int = 1) -> Tail:
    """The events from byte `offset` on, where line `first` begins. What follows the last line feed was never finished
    and does not count. Raises RunDamaged, OSError."""
    data = disk.read(path, offset)
    lines = data.split(b"\n")
    unfinished = lines.pop()
    events, before = [], b"" if first == 1 else None
    for number, line in enumerate(lines, first):
        try:
            event, before = codec.event(line, before), line
        except BadLine as bad:
            raise damaged(path, number, str(bad)) from bad
        if event.seq != number:
            raise damaged(path, number, f"event {number} should be here, but event {event.seq} is")
        events.append(event)
    end = offset + len(data) - len(unfinished)
    last = end - len(lines[-1]) - 1 if lines else offset
    return Tail(events, lines, first - 1 + len(lines), last, end)


def read_after(path: Path, codec: RunCodec, checkpoint: Checkpoint) -> Tail | None:
    """The events after the checkpoint's; None where the journal does not have its line where it should be."""
    if event_of(path, codec, checkpoint) is None:
        return None
    tail = read_tail(path, codec, checkpoint.offset, checkpoint.seq)
    return tail._replace(events=tail.events[1:])


def event_of(path: Path, codec: RunCodec, checkpoint: Checkpoint) -> Event | None:
    """The last event that the checkpoint stands for, where its line is where it should be. Raises OSError."""
    with open(path, "rb") as file:
        file.seek(checkpoint.offset)
        line = file.readline()
    with contextlib.suppress(BadLine):
        event = codec.event(line)
        if line.endswith(b"\n") and event.seq == checkpoint.seq and codec.fits(checkpoint.data, line):
            return event
    return None


class End(NamedTuple):
    """A document that says how many events there were when it was written."""

    path: Path
    data: bytes
    seq: int


def ends(directory: Path, codec: RunCodec) -> list[End]:
    """What says how far the journal goes at least, where that is kept; read before the journal, which only grows."""
    if not codec.pins:
        return []
    found = [End(point.path, point.data, point.seq) for point in islice(checkpoints.sound(directory, codec), 1)]
    with contextlib.suppress(OSError, Unsound):
        data = disk.read(directory / RESULT)
        codec.decode("result", data, None)
        found.append(End(directory / RESULT, data, codec.pinned(data)))
    return found


def check_end(path: Path, codec: RunCodec, tail: Tail, ends: list[End]) -> None:
    """Raises RunDamaged where the journal has not got, or not as it was, what others say it had."""
    for end in ends:
        line = tail.line(end.seq)
        if end.seq <= tail.seq and (not line or codec.fits(end.data, line)):
            continue
        what = f"its end is missing: it goes to event {tail.seq}" if end.seq > tail.seq else "its end is another's"
        names = " ".join(shlex.quote(str(each.path)) for each in ends)
        raise RunDamaged(
            f"{path}: {what}, and {end.path.name} was written after event {end.seq}",
            "put the run back from a copy; if this is a copy that was made while the run was at work, make it again, "
            f"or give up what is missing: rm {names}",
        )


def cut(path: Path, end: int) -> None:
    """Removes an unfinished last line. Raises OSError."""
    if path.stat().st_size != end:
        os.truncate(path, end)


def backwards(path: Path | str, codec: RunCodec) -> Iterator[Event]:
    """The events from the newest back, read in blocks from the end. Raises RunDamaged, OSError."""
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


def write_beside(directory: Path, result: bytes | None, notes: Mapping[str, bytes]) -> None:
    """Into a run that nobody can see yet. Raises OSError."""
    if result is not None:
        disk.write_new(directory / RESULT, result)
    if notes:
        disk.make_directory(directory / NOTES)
        for name, data in notes.items():
            disk.write_new(directory / NOTES / f"{name}.json", data)
        disk.sync_directory(directory / NOTES)
    disk.sync_directory(directory)


def read_notes(directory: Path, codec: RunCodec) -> dict[str, Mapping[str, Any]]:
    """An empty or unreadable file is a note too: somebody put it there."""
    found: dict[str, Mapping[str, Any]] = {}
    with contextlib.suppress(OSError):
        for entry in os.listdir(directory / NOTES):
            name, _, ending = entry.rpartition(".")
            if ending == "json" and name:
                with contextlib.suppress(FileNotFoundError):  # it was taken away just now
                    found[name] = _read_note(directory / NOTES / entry, name, codec)
    return found


def _read_note(path: Path, name: str, codec: RunCodec) -> Mapping[str, Any]:
    """Raises FileNotFoundError, StoreError."""
    try:
        return codec.decode("note", disk.read(path), number_of(name))
    except FileNotFoundError:
        raise
    except (OSError, Unsound):
        return {}


class FileJournal:
    """Fills `ports.Journal`. Made by the store, which has taken the lock and read what is there.

    What is awaited for long is done by one worker thread, one thing after the other; `append` writes and syncs at once,
    as changing threads would cost half as much as the sync itself.
    """

    lasting = True

    def __init__(self, run_id: str, codec: RunCodec, directory: Path, hold: Hold, tail: Tail) -> None:
        self.run_id = run_id
        self.directory = directory
        self.workspace = directory / WORKSPACE
        self._codec = codec
        self._hold = hold
        self._file = os.open(directory / NAME, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._seq, self._last, self._end = tail.seq, tail.last, tail.end
        self._line = tail.line(tail.seq)
        self._synced = 0  # an earlier life may not have synced what it wrote
        self._fault: StoreError | None = None  # after the first, what is on the disk is not known any more
        self._told = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Future[None] | None = None
        self._worker = ThreadPoolExecutor(1, "magent-journal")

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:
        self._check()
        if events:
            self._write(events)
        if sync:
            self._sync()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SYNC_EVERY, self._sync_in_thread)
        if self._fault:
            self._check()

    def _check(self) -> None:
        if self._fault:
            self._told = True
            raise self._fault
        if self._closed:
            raise StoreError(f"the journal of run {self.run_id} is closed")

    def _write(self, events: Sequence[Event]) -> None:
        if events[0].seq != self._seq + 1 or events[-1].seq != self._seq + len(events):
            raise ValueError(f"event {self._seq + 1} must come next, not {events[0].seq}")
        lines, line = [], self._line
        for event in events:
            line = self._codec.line(event, line)
            lines.append(line)
        data = b"".join(lines)
        try:
            self._write_all(data)
        except OSError as error:
            self._fault = disk.refusal(error, f"write to {self.directory / NAME}")
            with contextlib.suppress(OSError):  # else whoever opens it next leaves the unfinished line out
                os.ftruncate(self._file, self._end)
            return
        self._end += len(data)
        self._last = self._end - len(lines[-1])
        self._seq += len(lines)
        self._line = line

    def _write_all(self, data: bytes) -> None:
        written = os.write(self._file, data)
        while written < len(data):
            written += os.write(self._file, data[written:])

    def _sync(self) -> None:
        """Also called in the worker thread, so it keeps the fault for whoever comes next."""
        end = self._end
        if end == self._synced or self._fault:
            return
        try:
            _datasync(self._file)
        except OSError as error:
            self._fault = disk.refusal(error, f"put {self.directory / NAME} on the disk")
        else:
            self._synced = end

    def _sync_in_thread(self) -> None:
        self._timer = None
        self._worker.submit(self._sync)

    def _work(self, job: Callable[..., None], *arguments: Any) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._worker, job, *arguments)

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = checkpoints.KEEP) -> None:
        """Nobody has to wait for the disk: what the fold holds is taken now, and written before the journal closes."""
        self._check()
        newest = seq == self._seq and seq > 0
        offset, line = (self._last, self._line) if newest else (self._start_of(seq), b"")
        data = self._codec.encode("checkpoint", {"seq": seq, "offset": offset, "fold": dict(fold)}, seq, line)
        if self._saving:
            await self._saving
        self._saving = self._work(self._save, seq, data, keep)

    def _start_of(self, seq: int) -> int:
        if not 0 < seq < self._seq:
            raise ValueError(f"there is no event {seq} to make a checkpoint of")
        lines = disk.read(self.directory / NAME).split(b"\n", seq)
        return sum(map(len, lines[: seq - 1])) + seq - 1

    def _save(self, seq: int, data: bytes, keep: int) -> None:
        self._sync()  # a checkpoint must not outlive the events it stands for
        if not self._fault:
            with contextlib.suppress(OSError):  # it is only a cache; of a full disk the journal will tell
                checkpoints.save(self.directory, seq, data, keep)

    async def finish(self, result: Mapping[str, Any]) -> None:
        if self._closed:
            self._check()
        await self._work(self._replace_result, self._codec.encode("result", result, self._seq, self._line))

    def _replace_result(self, data: bytes) -> None:
        self._sync()  # a result may say how many events there are
        with disk.explained(f"write {self.directory / RESULT}"):
            disk.replace(self.directory / RESULT, self.directory / ".result.json", data)
            disk.sync_directory(self.directory)

    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        return read_notes(self.directory, self._codec)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._timer:
            self._timer.cancel()
        closing = self._work(self._let_go)
        self._worker.shutdown(wait=False)
        await closing
        if self._fault and not self._told:
            raise self._fault

    def _let_go(self) -> None:
        self._sync()
        os.close(self._file)
        self._hold.release()
