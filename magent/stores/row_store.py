"""What the stores on databases have in common: `ports.RunStore` and `ports.Journal`, in terms of rows and a hold."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from magent.errors import RunLocked, StoreError, UsageError
from magent.events import Event
from magent.ports import CheckpointInfo, Kept, Record, RunInfo
from magent.stores import disk, ids, places, rows
from magent.stores.batches import settled
from magent.stores.codec import Codec, RunCodec, gathered, number_of
from magent.stores.rows import Row, Rows
from magent.stores.whole import Whole, written

KEEP = 5


class Hold(Protocol):
    """A run that this process alone may write to. What it hands to its thread is done in this order. All raise
    StoreError, also when the hold was lost."""

    async def append(self, first: int, lines: Sequence[bytes], *, sync: bool) -> None:
        """Lines of events, of which the first has that number."""
        ...

    def save(self, seq: int, body: bytes, keep: int) -> Future[None]:
        """A checkpoint; none of events that are not written is ever seen."""
        ...

    def finish(self, body: bytes) -> Future[None]: ...

    def move(self, place: str) -> Future[None]:
        """Where its workspace is from now on."""
        ...

    def cut(self, seq: int) -> Future[None]:
        """Drops checkpoints of events after that number."""
        ...

    def notes(self) -> Mapping[str, bytes]:
        """What others left, as far as it is known here; costs next to nothing."""
        ...

    def on_notice(self, heard: Callable[[], None]) -> None:
        """`heard` is called, in any thread, when there is something new in `notes`, where that can be told."""
        ...

    async def release(self) -> None:
        """Syncs and lets the run go. Idempotent."""
        ...


class RowJournal:
    """Fills `ports.Journal`. Made by the store, which has the hold and has read what is there."""

    lasting = True

    def __init__(self, run_id: str, codec: RunCodec, hold: Hold, seq: int, line: bytes, workspace: Path) -> None:
        self.run_id = run_id
        self.directory = self.workspace = workspace
        self._codec = codec
        self._hold = hold
        self._seq = seq
        self._line = line  # of the last event
        self._fault: StoreError | None = None  # after the first, what is in the database is not known any more
        self._saving: Future[None] | None = None
        self._closed = False

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:
        self._check()
        if not events:
            return
        first = self._seq + 1
        if events[0].seq != first or events[-1].seq != self._seq + len(events):
            raise ValueError(f"event {first} must come next, not {events[0].seq}")
        lines, line = [], self._line
        for event in events:
            line = self._codec.line(event, line)
            lines.append(line)
        self._seq += len(lines)
        self._line = line
        try:
            await self._hold.append(first, lines, sync=sync)
        except StoreError as fault:
            self._fault = fault
            raise

    def _check(self) -> None:
        if self._fault:
            raise self._fault
        if self._closed:
            raise StoreError(f"the journal of run {self.run_id} is closed")

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = KEEP) -> None:
        """Nobody has to wait: what the fold holds is taken now, and written before the journal closes."""
        self._check()
        if not 0 < seq <= self._seq:
            raise ValueError(f"there is no event {seq} to make a checkpoint of")
        line = self._line if seq == self._seq else b""
        body = self._codec.encode("checkpoint", {"seq": seq, "fold": dict(fold)}, seq, line)
        await self._saved()
        self._saving = self._hold.save(seq, body, max(keep, 1))

    async def _saved(self) -> None:
        """A checkpoint is only a cache; of what is wrong the journal will tell."""
        saving, self._saving = self._saving, None
        if saving is not None:
            with contextlib.suppress(StoreError):
                await settled(saving)

    async def finish(self, result: Mapping[str, Any]) -> None:
        if self._closed:
            self._check()
        await settled(self._hold.finish(self._codec.encode("result", result, self._seq, self._line)))

    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        return rows.notes(self._codec, self._hold.notes())

    def on_notice(self, heard: Callable[[], None]) -> None:
        """Fills `ports.Hears`."""
        self._hold.on_notice(heard)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            try:
                await self._saved()
            finally:
                await self._hold.release()


Held = TypeVar("Held", bound=Hold)


def _created(header: Mapping[str, Any]) -> float:
    made = header.get("created")
    return float(made) if isinstance(made, (int, float)) else 0.0


class RowStore(ABC, Generic[Held]):
    """Fills `ports.RunStore`."""

    url: str

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    @abstractmethod
    def _rows(self) -> AbstractContextManager[Rows]:
        """The database as it is now; called in any thread. Raises StoreError."""

    @abstractmethod
    async def _insert(self, row: Row, workflow: bytes) -> Held:
        """A new run (its number is given here), and held at once. Raises UsageError where the id exists."""

    @abstractmethod
    async def _take(self, run_id: str) -> tuple[Row, Held]:
        """Holds a run that is there. Raises UsageError (it went meanwhile), RunLocked, StoreError."""

    @abstractmethod
    def _held(self, found: Rows, row: Row) -> bool:
        """Whether anybody holds the run just now."""

    @abstractmethod
    async def _leave(self, row: Row, name: str, body: bytes) -> bytes:
        """Puts a note there for whoever holds the run, unless one is there already; the one that is there then."""

    @abstractmethod
    async def _take_away(self, row: Row, name: str) -> None: ...

    @abstractmethod
    async def _forget(self, row: Row, seqs: Sequence[int]) -> None: ...

    @abstractmethod
    async def _put(self, row: Row, whole: Whole) -> None:
        """A new run, in one transaction, which nobody holds. Raises UsageError where the id exists."""

    @abstractmethod
    async def _delete(self, row: Row, hold: Held) -> None:
        """Every row of the run."""

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> RowJournal:
        codec = self._codec(ids.check_new(run_id))
        data, frozen = codec.encode("header", header), codec.encode("workflow", workflow)
        if await asyncio.to_thread(self._look, run_id) is not None:
            raise self._exists(run_id)
        place = places.make_workspace(run_id, None)
        try:
            hold = await self._insert(Row(0, run_id, _created(header), data, str(place)), frozen)
        except RunLocked:
            raise self._exists(run_id) from None  # another process is at it just now
        return RowJournal(run_id, codec, hold, 0, b"", place)

    def _exists(self, run_id: str) -> UsageError:
        return UsageError(f"there is a run {run_id!r} already", f"choose another id, or go on: magent resume {run_id}")

    async def open(self, run_id: str) -> tuple[RowJournal, Record]:
        await asyncio.to_thread(self._known, run_id)
        row, hold = await self._take(run_id)
        try:
            codec = self._codec(run_id)
            record, seq, line, overtaken = await asyncio.to_thread(self._opened, run_id, codec)
            codec.check_writable()
            if overtaken:
                await settled(hold.cut(seq))
            place = places.make_workspace(run_id, row.place)
            if str(place) != row.place:
                await settled(hold.move(str(place)))
            return RowJournal(run_id, codec, hold, seq, line, place), record
        except BaseException:
            await hold.release()
            raise

    async def read(self, run_id: str, *, checkpoint: bool = True) -> Record:
        return await asyncio.to_thread(self._record, run_id, checkpoint)

    async def events(
        self, run_ids: Sequence[str], types: Collection[str], having: str
    ) -> Mapping[str, Sequence[Event] | StoreError]:
        return await asyncio.to_thread(self._events, run_ids, types, having)

    async def list(self) -> Iterable[RunInfo]:
        found = await asyncio.to_thread(self._infos, None)
        return sorted(found, key=lambda info: (info.created, info.id), reverse=True)

    async def info(self, run_id: str) -> RunInfo:
        found = await asyncio.to_thread(self._infos, run_id)
        return found[0]

    async def resolve(self, text: str) -> str:
        return await asyncio.to_thread(self._resolve, text)

    async def result(self, run_id: str) -> Mapping[str, Any] | None:
        return await asyncio.to_thread(self._result, run_id)

    async def workspace(self, run_id: str) -> Path:
        row = await asyncio.to_thread(self._known, run_id)
        return places.workspace(run_id, row.place)

    async def leave(self, run_id: str, name: str, note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        row = await asyncio.to_thread(self._known, run_id)
        codec = self._begun(row)
        body = codec.encode("note", note, number_of(name))
        there = await self._leave(row, ids.check_note(name), body)
        return None if there == body else rows.note(codec, name, there)

    async def take_away(self, run_id: str, name: str) -> None:
        await self._take_away(await asyncio.to_thread(self._known, run_id), ids.check_note(name))

    async def notes(self, run_id: str) -> Mapping[str, Mapping[str, Any]]:
        return await asyncio.to_thread(self._notes, run_id)

    async def checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        return await asyncio.to_thread(self._checkpoints, run_id)

    async def checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        return await asyncio.to_thread(self._checkpoint, run_id, seq)

    async def forget(self, run_id: str, seqs: Sequence[int]) -> None:
        await self._forget(await asyncio.to_thread(self._known, run_id), seqs)

    async def remove(self, run_id: str, *, updated: float | None = None) -> bool:
        await asyncio.to_thread(self._known, run_id)
        row, hold = await self._take(run_id)
        try:
            if updated is not None and (await self.info(run_id)).updated != updated:
                return False
            await self._delete(row, hold)
            places.erase(run_id, row.place)
            return True
        finally:
            await hold.release()

    def _begun(self, row: Row) -> RunCodec:
        """The run's codec, which has seen the header. Raises RunDamaged, StoreError."""
        codec = self._codec(row.id)
        rows.document(row.id, codec, "header", row.header)
        return codec

    async def put(self, run_id: str, kept: Kept, fill: Callable[[Path, Path], None]) -> None:
        """Fills `ports.Puts`."""
        whole = written(self._codec(ids.check_new(run_id)), kept)
        if await asyncio.to_thread(self._look, run_id) is not None:
            raise self._exists(run_id)
        place = places.new_workspace(run_id)
        try:
            await asyncio.to_thread(fill, place, place)
            await self._put(Row(0, run_id, _created(kept.header), whole.header, str(place)), whole)
        except BaseException:
            places.erase(run_id, str(place))
            raise

    async def size(self, run_id: str) -> int:
        """Fills `ports.Tended`."""
        return await asyncio.to_thread(self._size, run_id)

    async def older(self, before: float, keep: int) -> Sequence[str]:
        return await asyncio.to_thread(self._older, before, keep)

    # ---- in a thread

    def _size(self, run_id: str) -> int:
        with self._rows() as found:
            row = self._find(found, run_id)
            return rows.size(found, row) + disk.usage(places.workspace(run_id, row.place))

    def _older(self, before: float, keep: int) -> Sequence[str]:
        with self._rows() as found:
            return rows.older(found, before, keep)

    def _look(self, run_id: str) -> Row | None:
        with self._rows() as found:
            return rows.row(found, run_id)

    def _known(self, run_id: str) -> Row:
        with self._rows() as found:
            return self._find(found, run_id)

    def _find(self, found: Rows, run_id: str) -> Row:
        """Raises UsageError."""
        row = rows.row(found, run_id) if ids.is_id(run_id) else None
        if row is None:
            raise ids.unknown(run_id, rows.names(found), self.url)
        return row

    def _record(self, run_id: str, checkpoint: bool) -> Record:
        with self._rows() as found:
            return rows.record(found, self._find(found, run_id), self._codec(run_id), checkpoint=checkpoint)

    def _opened(self, run_id: str, codec: RunCodec) -> tuple[Record, int, bytes, bool]:
        """The record, its last event's number and line, and whether there are checkpoints of later ones: other events
        will take these numbers."""
        with self._rows() as found:
            row = self._find(found, run_id)
            record = rows.record(found, row, codec, checkpoint=True)
            seq = record.events[-1].seq if record.events else record.checkpoint[0] if record.checkpoint else 0
            return record, seq, rows.last_line(found, row), rows.newest_checkpoint(found, row) > seq

    def _events(
        self, run_ids: Sequence[str], types: Collection[str], having: str
    ) -> dict[str, Sequence[Event] | StoreError]:
        with self._rows() as found:
            lines = rows.some_lines(found, run_ids)
        ids = {row.id: row for row in lines}
        return gathered(
            list(ids), lambda run_id: rows.some_events(ids[run_id], lines[ids[run_id]], self._codec, types, having)
        )

    def _infos(self, run_id: str | None) -> Sequence[RunInfo]:
        with self._rows() as found:
            if run_id is not None:
                self._find(found, run_id)
            latest = rows.latest(found, run_id)
            return [rows.info(found, each, self._codec, partial(self._held, found, each.row)) for each in latest]

    def _resolve(self, text: str) -> str:
        with self._rows() as found:
            newest = rows.newest(found) if text == ids.LATEST else None
            return newest or ids.find(text, rows.names(found), self.url)

    def _result(self, run_id: str) -> dict[str, Any] | None:
        with self._rows() as found:
            return rows.result(found, self._find(found, run_id), self._codec(run_id))

    def _notes(self, run_id: str) -> dict[str, Mapping[str, Any]]:
        with self._rows() as found:
            row = self._find(found, run_id)
            return rows.notes(self._begun(row), rows.read_notes(found, row.number))

    def _checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        with self._rows() as found:
            row = self._find(found, run_id)
            return rows.checkpoints(found, row, self._begun(row))

    def _checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        with self._rows() as found:
            row = self._find(found, run_id)
            codec = self._begun(row)
            fold = rows.read_fold(found, row, codec, seq)
            return None if fold is None or rows.event_at(found, row, codec, seq) is None else fold
