"""The journal of a run as a file, written by one process at its end; and what stands beside it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from magent.errors import StoreError
from magent.events import Event
from magent.stores import checkpoints, disk, tails
from magent.stores.book import NAME, RESULT, Tail
from magent.stores.codec import RunCodec, Unsound, number_of
from magent.stores.locking import Hold

NOTES = "notes"
WORKSPACE = "workspace"
SYNC_EVERY = 0.05  # seconds between background syncs
_datasync = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


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
        self._file = os.open(directory / NAME, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        self._seq, self._last, self._end = tail.seq, tail.last, tail.end
        self._line = tail.line(tail.seq)
        self._point = tail.first  # where the line of the newest checkpoint that is kept begins
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
        offset, line = (self._last, self._line) if newest else self._find(seq)
        tail = tails.taken(self._file, self._point, offset + len(line), tails.OF_CHECKPOINT)
        document = tails.packed({"seq": seq, "offset": offset, "fold": dict(fold)}, tail)
        data = self._codec.encode("checkpoint", document, seq, line)
        if self._saving:
            await self._saving
        self._saving = self._work(self._save, seq, offset, data, keep)

    def _find(self, seq: int) -> tuple[int, bytes]:
        """Where the line of an earlier event begins, and the line."""
        if not 0 < seq < self._seq:
            raise ValueError(f"there is no event {seq} to make a checkpoint of")
        lines = disk.read(self.directory / NAME).split(b"\n", seq)
        return sum(map(len, lines[: seq - 1])) + seq - 1, lines[seq - 1] + b"\n"

    def _save(self, seq: int, offset: int, data: bytes, keep: int) -> None:
        self._sync()  # a checkpoint must not outlive the events it stands for
        if not self._fault:
            with contextlib.suppress(OSError):  # it is only a cache; of a full disk the journal will tell
                checkpoints.save(self.directory, seq, data, keep)
                self._point = offset

    async def finish(self, result: Mapping[str, Any]) -> None:
        if self._closed:
            self._check()
        document = tails.packed(result, tails.taken(self._file, self._point, self._end, tails.OF_RESULT))
        await self._work(self._replace_result, self._codec.encode("result", document, self._seq, self._line))

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
