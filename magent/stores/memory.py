"""Runs in memory, for `store=None`: the same behaviour, as fast as can be, gone with the process."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from magent.errors import RunLocked, StoreError, UsageError
from magent.events import Event
from magent.ports import CheckpointInfo, Record, RunInfo
from magent.stores import ids
from magent.stores.codec import Codec, plain
from magent.stores.summary import created, summarise


class _Run:
    def __init__(self, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> None:
        self.header = dict(header)
        self.workflow = dict(workflow)
        self.events: list[Event] = []
        self.checkpoint: tuple[int, Mapping[str, Any]] | None = None
        self.result: Mapping[str, Any] | None = None
        self.held = False
        self.notes: dict[str, Mapping[str, Any]] = {}

    @cached_property
    def directory(self) -> Path:
        """Made when first asked for, as most runs in memory never touch a file; goes when the run does."""
        path = Path(tempfile.mkdtemp(prefix="magent-"))
        (path / "workspace").mkdir()
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)
        return path

    def record(self, checkpoint: bool) -> Record:
        kept = self.checkpoint if checkpoint else None
        return Record(self.header, self.workflow, kept, self.events[kept[0] if kept else 0 :])


class MemoryJournal:
    """Fills `ports.Journal`. Events are kept as they are: what they hold must not be changed afterwards."""

    lasting = False

    def __init__(self, run_id: str, run: _Run) -> None:
        self.run_id = run_id
        self._run = run
        self._events = run.events
        self._closed = False
        run.held = True

    @cached_property
    def directory(self) -> Path:
        return self._run.directory

    @cached_property
    def workspace(self) -> Path:
        return self.directory / "workspace"

    def _check(self) -> None:
        if self._closed:
            raise StoreError(f"the journal of run {self.run_id} is closed")

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:  # noqa: ARG002
        self._check()
        if events and events[0].seq != len(self._events) + 1:
            raise ValueError(f"event {len(self._events) + 1} must come next, not {events[0].seq}")
        self._events.extend(events)

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = 1) -> None:  # noqa: ARG002
        self._check()
        if not 0 < seq <= len(self._events):
            raise ValueError(f"there is no event {seq} to make a checkpoint of")
        self._run.checkpoint = (seq, fold)

    async def finish(self, result: Mapping[str, Any]) -> None:
        self._check()
        self._run.result = result

    def notes(self) -> Mapping[str, Mapping[str, Any]]:
        return dict(self._run.notes)

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._run.held = False


class MemoryStore:
    """Fills `ports.RunStore`. Each has its own runs. No bytes are kept: there is nothing that a codec could seal."""

    def __init__(self, url: str = "memory:", codec: Codec = plain) -> None:  # noqa: ARG002
        self.url = url
        self._runs: dict[str, _Run] = {}

    def _find(self, run_id: str) -> _Run:
        if run_id not in self._runs:
            raise ids.unknown(run_id, list(self._runs), self.url)
        return self._runs[run_id]

    def _free(self, run_id: str) -> _Run:
        run = self._find(run_id)
        if run.held:
            raise RunLocked(run_id, "this process")
        return run

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> MemoryJournal:
        if ids.check_new(run_id) in self._runs:
            raise UsageError(f"there is a run {run_id!r} already", "choose another id")
        self._runs[run_id] = run = _Run(header, workflow)
        return MemoryJournal(run_id, run)

    async def open(self, run_id: str) -> tuple[MemoryJournal, Record]:
        run = self._free(run_id)
        return MemoryJournal(run_id, run), run.record(True)

    async def read(self, run_id: str, *, checkpoint: bool = True) -> Record:
        return self._find(run_id).record(checkpoint)

    async def events(
        self, run_ids: Sequence[str], types: Collection[str], having: str
    ) -> Mapping[str, Sequence[Event] | StoreError]:
        runs = {run_id: self._runs[run_id].events for run_id in run_ids if run_id in self._runs}
        found = {run_id: [event for event in events if event.type in types] for run_id, events in runs.items()}
        return {run_id: those for run_id, those in found.items() if any(having in event.data for event in those)}

    async def list(self) -> Iterable[RunInfo]:
        found = [self._info(run_id, run) for run_id, run in self._runs.items()]
        return sorted(found, key=lambda info: (info.created, info.id), reverse=True)

    async def info(self, run_id: str) -> RunInfo:
        return self._info(run_id, self._find(run_id))

    def _info(self, run_id: str, run: _Run) -> RunInfo:
        return summarise(run_id, run.header, reversed(run.events), lambda: run.held)

    async def resolve(self, text: str) -> str:
        if text == ids.LATEST and self._runs:
            return max((created(run.header), run_id) for run_id, run in self._runs.items())[1]
        return ids.find(text, list(self._runs), self.url)

    async def result(self, run_id: str) -> Mapping[str, Any] | None:
        return self._find(run_id).result

    async def workspace(self, run_id: str) -> Path:
        return self._find(run_id).directory / "workspace"

    async def leave(self, run_id: str, name: str, note: Mapping[str, Any]) -> Mapping[str, Any] | None:
        kept = self._find(run_id).notes.setdefault(ids.check_note(name), note)
        return None if kept is note else kept

    async def take_away(self, run_id: str, name: str) -> None:
        self._find(run_id).notes.pop(name, None)

    async def notes(self, run_id: str) -> Mapping[str, Mapping[str, Any]]:
        return dict(self._find(run_id).notes)

    async def checkpoints(self, run_id: str) -> Sequence[CheckpointInfo]:
        run = self._find(run_id)
        if run.checkpoint is None:
            return []
        seq, fold = run.checkpoint
        return [CheckpointInfo(seq, run.events[seq - 1].time, len(plain(run_id).encode("checkpoint", fold, seq)), True)]

    async def checkpoint(self, run_id: str, seq: int) -> Mapping[str, Any] | None:
        kept = self._find(run_id).checkpoint
        return kept[1] if kept is not None and kept[0] == seq else None

    async def examine(self) -> str:
        return "nothing is kept"

    async def forget(self, run_id: str, seqs: Sequence[int]) -> None:
        run = self._find(run_id)
        if run.checkpoint is not None and run.checkpoint[0] in seqs:
            run.checkpoint = None

    async def remove(self, run_id: str, *, updated: float | None = None) -> bool:
        run = self._free(run_id)
        if updated is not None and self._info(run_id, run).updated != updated:
            return False
        del self._runs[run_id]
        return True
