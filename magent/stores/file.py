"""The default store: one directory a run, under `.magent/runs/`.

    run.json  workflow.json  journal.jsonl  checkpoints/  result.json  notes/  workspace/  lock

A run is made beside the others (`runs/.tmp/`) and moved to its place when it is whole, and removed the same way back,
so that whatever happens it is either there or not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from magent.clock import SystemClock
from magent.errors import RunDamaged, StoreError, UsageError
from magent.events import BadLine, Event
from magent.ports import CheckpointInfo, Kept, Record, RunInfo
from magent.stores import book, checkpoints, disk, ids, journal, locking
from magent.stores.book import Book, Tail
from magent.stores.codec import Codec, RunCodec, gathered, number_of, picked, plain
from magent.stores.journal import FileJournal
from magent.stores.places import HOME, find_home, make_home
from magent.stores.summary import created, summarise, unreadable
from magent.stores.tails import unpacked
from magent.stores.whole import Whole, written

_HEADER, _WORKFLOW, _LOCK, _TEMPORARY = "run.json", "workflow.json", "lock", ".tmp"
_SETTLED = ("running", "completed", "cancelled")  # in somebody's hands, or over for good: nobody else knows more
_LEFT_OVER = 60.0  # seconds after which what nobody holds is not in the making any more


def locate(url: str) -> Path:
    """The directory that `file:…` names. Raises UsageError."""
    text = url.removeprefix("file:")
    if text.startswith("//"):
        if not text.startswith("///"):
            raise UsageError(f"{url!r} names another machine", "write file:/absolute/directory or file:directory")
        text = text[2:]
    if "\0" in text:
        raise UsageError(f"{url!r} is no name of a directory")
    path = Path(os.path.expanduser(text))
    if path.is_absolute():
        return path
    with disk.explained("find the current directory"):
        return find_home(Path.cwd()) if text in ("", HOME) else Path.cwd() / path


class FileStore:
    """Fills `ports.RunStore`. What takes a lock stays in its thread: cancelled halfway, it would never let go."""

    def __init__(self, url: str = f"file:{HOME}", codec: Codec = plain) -> None:
        self.home = locate(url)
        self.runs = self.home / "runs"
        self.url = f"file:{self.home}"
        self._codec = codec

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> FileJournal:
        codec = self._codec(ids.check_new(run_id))
        return self._create(run_id, codec, codec.encode("header", header), codec.encode("workflow", workflow))

    async def open(self, run_id: str) -> tuple[FileJournal, Record]:
        return self._open(run_id)

    async def read(self, run_id: str, *, checkpoint: bool = True) -> Record:
        return await asyncio.to_thread(lambda: self._read(self._directory(run_id), checkpoint, self._codec(run_id))[0])

    async def events(
        self, run_ids: Sequence[str], types: Collection[str], having: str
    ) -> Mapping[str, Sequence[Event] | StoreError]:
        return await asyncio.to_thread(gathered, run_ids, lambda run_id: self._events(run_id, types, having))

    async def list(self) -> Iterable[RunInfo]:
        return await asyncio.to_thread(self._list)

    async def info(self, run_id: str) -> RunInfo:
        return await asyncio.to_thread(self._one, run_id)

    async def resolve(self, text: str) -> str:
        return await asyncio.to_thread(self._resolve, text)

    async def result(self, run_id: str) -> Mapping[str, Any] | None:
        return await asyncio.to_thread(self._result, run_id)

    async def workspace(self, run_id: str) -> Path:
        return self._directory(run_id) / journal.WORKSPACE

    async def leave(self, run_id: str, name: str, note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return await asyncio.to_thread(self._leave, run_id, ids.check_note(name), note)

    async def take_away(self, run_id: str, name: str) -> None:
        await asyncio.to_thread(self._take_away, run_id, ids.check_note(name))

    async def notes(self, run_id: str) -> Mapping[str, Mapping[str, Any]]:
        return await asyncio.to_thread(lambda: journal.read_notes(*self._begun(run_id)))

    async def checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        return await asyncio.to_thread(self._checkpoints, run_id)

    async def checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        return await asyncio.to_thread(self._checkpoint, run_id, seq)

    async def forget(self, run_id: str, seqs: Sequence[int]) -> None:
        directory = self._directory(run_id)
        with disk.explained(f"drop checkpoints of run {run_id}"):
            await asyncio.to_thread(checkpoints.drop, directory, seqs)

    async def remove(self, run_id: str, *, updated: float | None = None) -> bool:
        return await asyncio.to_thread(self._remove, run_id, updated)

    async def put(self, run_id: str, kept: Kept, fill: Callable[[Path, Path], None]) -> None:
        """Fills `ports.Puts`."""
        whole = written(self._codec(ids.check_new(run_id)), kept)
        await asyncio.to_thread(self._put, run_id, whole, fill)

    async def size(self, run_id: str) -> int:
        """Fills `ports.Tended`."""
        return await asyncio.to_thread(disk.usage, self._directory(run_id))

    async def older(self, before: float, keep: int) -> Sequence[str]:
        return await asyncio.to_thread(self._older, before, keep)

    async def examine(self) -> str:
        """A file is written where the store is, or would be, and taken away again."""
        there = next(each for each in (self.home, *self.home.parents) if each.exists())
        with disk.explained(f"write to {self.home}"), tempfile.NamedTemporaryFile(dir=there, prefix=".magent-doctor-"):
            return "writable" if there == self.home else "writable; made when a run begins"

    def _create(self, run_id: str, codec: RunCodec, header: bytes, workflow: bytes) -> FileJournal:
        directory = self.runs / run_id
        with self._making(run_id) as (fresh, hold):
            self._fill(fresh, header, workflow, b"")
            self._move_in(fresh, directory)
            return FileJournal(run_id, codec, directory, hold, book.NOTHING)

    def _put(self, run_id: str, whole: Whole, fill: Callable[[Path, Path], None]) -> None:
        directory = self.runs / run_id
        with self._making(run_id) as (fresh, hold):
            self._fill(fresh, whole.header, whole.workflow, b"".join(whole.lines))
            checkpoints.write(fresh, whole.checkpoints)
            journal.write_beside(fresh, whole.result, whole.notes)
            fill(fresh / journal.WORKSPACE, directory / journal.WORKSPACE)
            self._move_in(fresh, directory)
            hold.release()

    @contextlib.contextmanager
    def _making(self, run_id: str) -> Iterator[tuple[Path, locking.Hold]]:
        """A directory in which a run is made, and the lock in it. Where making it fails, nothing is left."""
        with disk.explained(f"make a run in {self.home}"):
            if os.path.lexists(self.runs / run_id):
                raise self._exists(run_id)
            self._prepare()
            fresh = self._temporary(run_id)
            hold = locking.take(fresh / _LOCK, run_id)
            try:
                yield fresh, hold
            except BaseException:
                hold.release()
                with contextlib.suppress(OSError):
                    disk.erase(fresh)
                raise

    def _exists(self, run_id: str) -> UsageError:
        return UsageError(f"there is a run {run_id!r} already", f"choose another id, or go on: magent resume {run_id}")

    def _prepare(self) -> None:
        make_home(self.home)
        disk.make_directory(self.runs / _TEMPORARY)
        self._sweep()

    def _sweep(self) -> None:
        """Removes what a crash left half made or half removed."""
        for path in (self.runs / _TEMPORARY).iterdir():
            with contextlib.suppress(OSError):
                age = SystemClock().now() - path.lstat().st_mtime
                if age > _LEFT_OVER and not locking.held(path / _LOCK):
                    disk.erase(path)

    def _temporary(self, run_id: str) -> Path:
        path = self.runs / _TEMPORARY / f"{run_id}-{os.urandom(4).hex()}"
        path.mkdir(mode=0o700)
        return path

    def _fill(self, fresh: Path, header: bytes, workflow: bytes, lines: bytes) -> None:
        disk.write_new(fresh / _HEADER, header)
        disk.write_new(fresh / _WORKFLOW, workflow)
        (fresh / checkpoints.DIRECTORY).mkdir(mode=0o700)  # before the journal: `cp` takes what is older first
        disk.write_new(fresh / book.NAME, lines)
        (fresh / journal.WORKSPACE).mkdir(mode=0o700)
        disk.sync_directory(fresh)

    def _move_in(self, fresh: Path, directory: Path) -> None:
        try:
            fresh.rename(directory)
        except OSError:
            if os.path.lexists(directory):  # another process was quicker
                raise self._exists(directory.name) from None
            raise
        disk.sync_directory(self.runs)

    def _directory(self, run_id: str) -> Path:
        """Where the run is. Raises UsageError where there is none."""
        if ids.is_id(run_id):
            with disk.explained(f"read run {run_id}"), contextlib.suppress(FileNotFoundError, NotADirectoryError):
                if stat.S_ISDIR((self.runs / run_id).lstat().st_mode):
                    return self.runs / run_id
        raise ids.unknown(run_id, self._names(), self.url)

    def _begun(self, run_id: str) -> tuple[Path, RunCodec]:
        """The run's directory, and its codec, which has seen the header. Raises UsageError, StoreError."""
        directory, codec = self._directory(run_id), self._codec(run_id)
        disk.read_document(directory / _HEADER, codec, "header")
        return directory, codec

    def _names(self) -> Sequence[str]:
        try:
            with os.scandir(self.runs) as entries:
                return [
                    entry.name for entry in entries if ids.is_id(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise disk.refusal(error, f"list {self.runs}") from error

    def _take(self, run_id: str) -> tuple[Path, locking.Hold]:
        directory = self._directory(run_id)
        try:
            return directory, locking.take(directory / _LOCK, run_id)
        except FileNotFoundError:
            raise ids.unknown(run_id, self._names(), self.url) from None
        except OSError as error:
            raise disk.refusal(error, f"lock run {run_id}") from error

    def _open(self, run_id: str) -> tuple[FileJournal, Record]:
        directory, hold = self._take(run_id)
        try:
            codec = self._codec(run_id)
            record, there, tail = self._read(directory, True, codec)
            codec.check_writable()
            with disk.explained(f"open run {run_id}"):
                there.mend(tail.end)
                checkpoints.forget_after(directory, tail.seq)
                return FileJournal(run_id, codec, directory, hold, tail), record
        except BaseException:
            hold.release()
            raise

    def _read(self, directory: Path, checkpoint: bool, codec: RunCodec) -> tuple[Record, Book, Tail]:
        header = disk.read_document(directory / _HEADER, codec, "header")
        workflow = disk.read_document(directory / _WORKFLOW, codec, "workflow")
        with book.reading(directory):
            there = book.opened(directory, codec)
            for point in checkpoints.sound(directory, codec) if checkpoint else ():
                if tail := book.read_after(there, codec, point):
                    book.check_end(there, codec, tail)
                    return Record(header, workflow, (point.seq, point.fold), tail.events), there, tail
            tail = book.read_tail(there, codec)
            book.check_end(there, codec, tail)
            return Record(header, workflow, None, tail.events), there, tail

    def _events(self, run_id: str, types: Collection[str], having: str) -> Sequence[Event]:
        directory, codec = self._begun(run_id)
        with book.reading(directory):
            lines = book.opened(directory, codec).read().split(b"\n")[:-1]
        try:
            return picked(codec, lines, types, having)
        except BadLine as bad:
            raise RunDamaged(f"{directory / book.NAME}: {bad}") from bad

    def _list(self) -> Sequence[RunInfo]:
        found = [info for name in self._names() if (info := self._info(name))]
        return sorted(found, key=lambda info: (info.created, info.id), reverse=True)

    def _one(self, run_id: str) -> RunInfo:
        self._directory(run_id)
        info = self._info(run_id)
        if info is None:
            raise ids.unknown(run_id, self._names(), self.url)
        return info

    def _info(self, run_id: str) -> RunInfo | None:
        """None where the run was removed meanwhile."""
        directory = f"{self.runs}/{run_id}"
        try:
            codec = self._codec(run_id)
            header = disk.read_document(f"{directory}/{_HEADER}", codec, "header")
            held = partial(locking.held, f"{directory}/{_LOCK}")
            info = summarise(run_id, header, book.backwards(f"{directory}/{book.NAME}", codec), held)
            if info.status not in _SETTLED and (there := book.opened(Path(directory), codec)).missing:
                info = summarise(run_id, header, book.backwards(there.path, codec, there.missing), held)
            return info
        except (StoreError, OSError) as error:
            with contextlib.suppress(OSError):
                made = os.lstat(directory).st_mtime
                return RunInfo(run_id, "", unreadable(error), made, made)
            return None

    def _resolve(self, text: str) -> str:
        if text == ids.LATEST:
            return self._latest()
        return ids.find(text, self._names(), self.url)

    def _latest(self) -> str:
        names = self._names()
        made = groupby(sorted(filter(ids.begun, names), reverse=True), ids.begun)
        newest_made = next((found for _, group in made if (found := [*self._ages(group)])), [])
        chosen = self._ages(name for name in names if not ids.begun(name))  # these do not tell when
        newest = max([*newest_made, *chosen], default=None)
        if newest is not None:
            return newest[1]
        if not names:
            raise ids.unknown(ids.LATEST, names, self.url)
        return max(names, key=lambda name: (ids.begun(name), name))  # whoever reads it will be told why it cannot be

    def _ages(self, names: Iterable[str]) -> Iterator[tuple[float, str]]:
        for name in names:
            with contextlib.suppress(StoreError):  # a damaged run has no age
                yield created(disk.read_document(f"{self.runs}/{name}/{_HEADER}", self._codec(name), "header")), name

    def _result(self, run_id: str) -> dict[str, Any] | None:
        directory, codec = self._begun(run_id)
        if not os.path.lexists(directory / book.RESULT):
            return None
        found = disk.read_document(directory / book.RESULT, codec, "result", None)
        unpacked(found)
        return found

    def _leave(self, run_id: str, name: str, note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        directory, codec = self._begun(run_id)
        notes = directory / journal.NOTES
        fresh = notes / f".{name}-{os.urandom(4).hex()}"
        with disk.explained(f"leave a note for run {run_id}"):
            disk.make_directory(notes)
            disk.write_new(fresh, codec.encode("note", note, number_of(name)))
            try:
                os.link(fresh, notes / f"{name}.json")  # whole or not at all, and never over another
            except FileExistsError:
                return journal.read_notes(directory, codec).get(name, {})
            finally:
                fresh.unlink()
            disk.sync_directory(notes)
        return None

    def _take_away(self, run_id: str, name: str) -> None:
        notes = self._directory(run_id) / journal.NOTES
        with disk.explained(f"take a note away from run {run_id}"), contextlib.suppress(FileNotFoundError):
            (notes / f"{name}.json").unlink()
            disk.sync_directory(notes)

    def _checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        directory, codec = self._begun(run_id)
        with book.reading(directory):
            there = book.opened(directory, codec)
            return [book.info_of(there, codec, each) for each in checkpoints.kept(directory, codec)]

    def _checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        directory, codec = self._begun(run_id)
        found = checkpoints.one(directory, codec, seq)
        with contextlib.suppress(OSError):
            if found is not None and book.event_of(book.opened(directory, codec), codec, found) is not None:
                return found.fold
        return None

    def _older(self, before: float, keep: int) -> Sequence[str]:
        aged = sorted((when, name) for name in self._names() if (when := self._when(name)))
        end, last = len(aged) - keep, ids.moment(before)
        return [name for when, name in aged[: max(end, 0)] if when <= last]

    def _when(self, name: str) -> str:
        """When the run was begun, such that it sorts; "" where it is gone."""
        with contextlib.suppress(OSError):
            return ids.begun(name) or ids.moment(os.lstat(self.runs / name / _HEADER).st_mtime)
        return ""

    def _remove(self, run_id: str, updated: float | None) -> bool:
        directory, hold = self._take(run_id)
        gone = self.runs / _TEMPORARY / f"{run_id}-{os.urandom(4).hex()}"
        try:
            if updated is not None and self._one(run_id).updated != updated:
                return False
            with disk.explained(f"remove run {run_id}"):
                disk.make_directory(gone.parent)
                directory.rename(gone)
                disk.sync_directory(self.runs)
                disk.erase(gone)
            return True
        finally:
            hold.release()
