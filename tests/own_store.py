"""A store of somebody's own, as another package might bring it: each run is one JSON document, written anew at each
change. Slow, and whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from magent.errors import RunDamaged, StoreError, UsageError
from magent.events import BadLine, Event
from magent.ports import CheckpointInfo, Record, RunInfo
from magent.stores import ids, locking
from magent.stores.codec import Codec, RunCodec, Unsound, gathered, number_of, plain
from magent.stores.summary import summarise, unreadable
from tests import packages


def distribution(site: Path) -> Path:
    """What an installer leaves of a package that brings this store: `shelf:DIRECTORY` is known where Python looks
    there."""
    return packages.distribution(site, "shelf", "[magent.stores]\nshelf = tests.own_store:Shelf\n")


class Document:
    """A run as it is kept: bytes as text, in which each byte is a character."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}

    def write(self) -> None:
        fresh = self.path.with_suffix(f".{os.urandom(4).hex()}")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(self.data, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.path)

    @property
    def lines(self) -> list[bytes]:
        return [line.encode("latin-1") for line in self.data["lines"]]

    def doc(self, kind: Any, codec: RunCodec, seq: int | None = 0) -> dict[str, Any]:
        try:
            return codec.decode(kind, self.data[kind].encode("latin-1"), seq)
        except Unsound as error:
            raise RunDamaged(f"{kind} in {self.path}: {error}") from error

    def events(self, codec: RunCodec, first: int = 1) -> list[Event]:
        found, before = [], b"" if first == 1 else None
        for number, line in enumerate(self.lines[first - 1 :], first):
            try:
                event, before = codec.event(line, before), line
            except BadLine as bad:
                raise RunDamaged(f"event {number} in {self.path}: {bad}") from bad
            if event.seq != number:
                raise RunDamaged(f"event {number} in {self.path} is another")
            found.append(event)
        return found

    def fold(self, codec: RunCodec, seq: int) -> Any:
        data = self.data["checkpoints"].get(str(seq), "").encode("latin-1")
        try:
            known = seq <= len(self.lines) and codec.fits(data, self.lines[seq - 1])
            return codec.decode("checkpoint", data, seq)["fold"] if data and known else None
        except (Unsound, BadLine):
            return None

    def notes(self, codec: RunCodec) -> dict[str, Mapping[str, Any]]:
        return {
            name: codec.decode("note", note.encode("latin-1"), number_of(name))
            for name, note in self.data["notes"].items()
        }


class ShelfJournal:
    lasting = True

    def __init__(self, store: Shelf, run_id: str, codec: RunCodec, hold: locking.Hold) -> None:
        self.run_id, self.directory = run_id, store.home / run_id
        self.workspace = self.directory / "workspace"
        self._codec, self._hold, self._closed = codec, hold, False
        self._path = self.directory / "run.json"

    def _document(self) -> Document:
        if self._closed:
            raise StoreError("the journal is closed")
        return Document(self._path)

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:
        document = self._document()
        lines = document.lines
        for event in events:
            if event.seq != len(lines) + 1 or events[-1].seq - events[0].seq != len(events) - 1:
                raise ValueError(f"event {len(document.lines) + 1} must come next, not {event.seq}")
            lines.append(self._codec.line(event, lines[-1] if lines else b""))
        document.data["lines"] = [line.decode("latin-1") for line in lines]
        document.write()

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = 5) -> None:
        document = self._document()
        if not 0 < seq <= len(document.lines):
            raise ValueError(f"there is no event {seq} to make a checkpoint of")
        data = self._codec.encode("checkpoint", {"seq": seq, "fold": dict(fold)}, seq, document.lines[seq - 1])
        points = {**document.data["checkpoints"], str(seq): data.decode("latin-1")}
        document.data["checkpoints"] = {each: points[each] for each in sorted(points, key=int)[-keep:]}
        document.write()

    async def finish(self, result: Mapping[str, Any]) -> None:
        document = self._document()
        last = document.lines[-1] if document.lines else b""
        document.data["result"] = self._codec.encode("result", result, len(document.lines), last).decode("latin-1")
        document.write()

    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        return self._document().notes(self._codec)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._hold.release()


class Shelf:
    def __init__(self, url: str, codec: Codec = plain) -> None:
        self.home = Path(url.partition(":")[2]).absolute()
        self.url = f"shelf:{self.home}"
        self._codec = codec

    def _names(self) -> list[str]:
        return [path.parent.name for path in self.home.glob("*/run.json")]

    def _read(self, run_id: str) -> tuple[Document, RunCodec]:
        """A run that is there, and its codec, which has seen the header."""
        document, codec = self._find(run_id), self._codec(run_id)
        document.doc("header", codec)
        return document, codec

    def _find(self, run_id: str) -> Document:
        if not ids.is_id(run_id) or not (self.home / run_id / "run.json").exists():
            raise ids.unknown(run_id, self._names(), self.url)
        return Document(self.home / run_id / "run.json")

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> ShelfJournal:
        codec, place = self._codec(ids.check_new(run_id)), self.home / run_id
        if place.exists():
            raise UsageError(f"there is a run {run_id!r} already")
        document = Document(place / "run.json")
        document.data = {"lines": [], "checkpoints": {}, "notes": {}}
        document.data["header"] = codec.encode("header", header).decode("latin-1")
        document.data["workflow"] = codec.encode("workflow", workflow).decode("latin-1")
        (place / "workspace").mkdir(parents=True)
        hold = locking.take(place / "lock", run_id)
        document.write()
        return ShelfJournal(self, run_id, codec, hold)

    async def open(self, run_id: str) -> tuple[ShelfJournal, Record]:
        self._find(run_id)
        hold = locking.take(self.home / run_id / "lock", run_id)
        try:
            _, codec = self._read(run_id)
            codec.check_writable()
            return ShelfJournal(self, run_id, codec, hold), await self.read(run_id)
        except BaseException:
            hold.release()
            raise

    async def read(self, run_id: str, *, checkpoint: bool = True) -> Record:
        document, codec = self._read(run_id)
        header, workflow = document.doc("header", codec), document.doc("workflow", codec)
        for seq in sorted(map(int, document.data["checkpoints"]), reverse=True) if checkpoint else ():
            if (fold := document.fold(codec, seq)) is not None:
                return Record(header, workflow, (seq, fold), document.events(codec, seq)[1:])
        return Record(header, workflow, None, document.events(codec))

    async def events(
        self, run_ids: Sequence[str], types: Collection[str], having: str
    ) -> Mapping[str, Sequence[Event] | StoreError]:
        def read(run_id: str) -> Sequence[Event]:
            document, codec = self._read(run_id)
            found = [event for event in document.events(codec) if event.type in types]
            return found if any(having in event.data for event in found) else []

        return gathered(run_ids, read)

    async def list(self) -> Iterable[RunInfo]:
        found = [await self.info(name) for name in self._names()]
        return sorted(found, key=lambda info: (info.created, info.id), reverse=True)

    async def info(self, run_id: str) -> RunInfo:
        self._find(run_id)
        try:
            document, codec = self._read(run_id)
            held = locking.held(self.home / run_id / "lock")
            return summarise(run_id, document.doc("header", codec), document.events(codec)[::-1], lambda: held)
        except StoreError as error:
            return RunInfo(run_id, "", unreadable(error), 0.0, 0.0)

    async def resolve(self, text: str) -> str:
        if text == ids.LATEST and self._names():
            return max((info.created, info.id) for info in await self.list())[1]
        return ids.find(text, self._names(), self.url)

    async def result(self, run_id: str) -> Mapping[str, Any] | None:
        document, codec = self._read(run_id)
        return document.doc("result", codec, None) if "result" in document.data else None

    async def workspace(self, run_id: str) -> Path:
        return self._find(run_id).path.parent / "workspace"

    async def leave(self, run_id: str, name: str, note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        document, codec = self._read(run_id)
        if ids.check_note(name) in document.data["notes"]:
            return document.notes(codec)[name]
        document.data["notes"][name] = codec.encode("note", note, number_of(name)).decode("latin-1")
        document.write()
        return None

    async def take_away(self, run_id: str, name: str) -> None:
        document = self._find(run_id)
        document.data["notes"].pop(ids.check_note(name), None)
        document.write()

    async def notes(self, run_id: str) -> Mapping[str, Mapping[str, Any]]:
        document, codec = self._read(run_id)
        return document.notes(codec)

    async def checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        document, codec = self._read(run_id)
        return [
            CheckpointInfo(int(seq), codec.event(document.lines[int(seq) - 1]).time, len(data), True)
            for seq, data in document.data["checkpoints"].items()
        ]

    async def checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        document, codec = self._read(run_id)
        fold: Mapping[str, Any] | None = document.fold(codec, seq)
        return fold

    async def forget(self, run_id: str, seqs: Sequence[int]) -> None:
        document = self._find(run_id)
        for seq in seqs:
            document.data["checkpoints"].pop(str(seq), None)
        document.write()

    async def remove(self, run_id: str, *, updated: float | None = None) -> bool:
        place = self._find(run_id).path.parent
        hold = locking.take(place / "lock", run_id)
        try:
            if updated is not None and (await self.info(run_id)).updated != updated:
                return False
            shutil.rmtree(place)
            return True
        finally:
            hold.release()
