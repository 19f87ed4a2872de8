"""The record of a life: each event is applied, kept, written in batches and told to the sinks, in this order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.clock import Clock
from magent.engine.fold import Run
from magent.engine.snapshot import to_json
from magent.events import Event
from magent.model import Checkpoints
from magent.ports import Journal, Sink

STRUCTURE = frozenset((  # what holds the record together: names that the workflow gives, numbers, times, places
    "scope", "path", "node", "nodes", "next", "loop", "branches", "caught", "agent", "agents", "role", "chain", "step",
    "as", "by", "delegation", "workflow", "run_id", "run", "cwd", "pid", "signal", "limits", "index", "visit",
    "attempt", "call", "calls", "round", "depth", "at", "deadline", "timeout", "duration", "tokens", "cost", "waited",
    "external", "asked", "cut", "span", "digest", "note", "model_call", "within",
))  # fmt: skip


Mask = Callable[[Any], Any]


def masked(mask: Mask | None, data: Mapping[str, Any]) -> dict[str, Any]:
    """The data of an event as it is recorded: secrets are kept out of all but `STRUCTURE`."""
    return dict(data) if mask is None else {name: _masked(mask, name, value) for name, value in data.items()}


def _masked(mask: Mask, name: str, value: Any) -> Any:
    if name in ("set", "inputs", "env"):
        return {key: mask(item) for key, item in value.items()}
    return value if name in STRUCTURE else mask(value)


@dataclass(slots=True)
class Recorder:
    """Nobody hears of an event before it is on the record, as durably as `durability` says: sync | async | exit."""

    run: Run
    journal: Journal
    clock: Clock
    durability: str = "sync"
    sinks: Sequence[Sink] = ()
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    mask: Mask | None = None
    batch: list[Event] = field(default_factory=list)  # applied, not yet committed
    must_sync: bool = False  # the next commit is synced, whatever the durability
    held: list[Event] = field(default_factory=list)  # committed, not yet written: `exit` writes at the end
    on_demand: bool = False  # somebody said where to stop
    checkpoint_seq: int = 0
    checkpoint_time: float = 0.0

    def __post_init__(self) -> None:
        self.checkpoint_seq, self.checkpoint_time = self.run.seq, self.clock.now()

    def record(self, kind: str, data: dict[str, Any], now: float) -> dict[str, Any]:
        """Gives the data as it is recorded: without secrets."""
        if self.mask is not None:
            data = masked(self.mask, data)
        event = Event(self.run.seq + 1, now, kind, data)
        self.run.apply(event)
        self.batch.append(event)
        return data

    def tell(self, event: Event) -> None:
        for sink in self.sinks:
            sink(event)

    async def commit(self) -> None:
        """Raises StoreError where the record cannot be written."""
        events, self.batch = self.batch, []
        self.held += events
        if self.held and (self.durability != "exit" or self.must_sync):
            held, self.held = self.held, []
            await self.journal.append(held, sync=self.durability == "sync" or self.must_sync)
            self.must_sync = False
        for event in events if self.sinks else ():
            self.tell(event)
        if events and not self.held and self.journal.lasting:
            await self._checkpoint_if_due()

    async def _checkpoint_if_due(self) -> None:
        news, now = self.run.seq - self.checkpoint_seq, self.clock.now()
        if news >= self._enough() or now - self.checkpoint_time >= self.checkpoints.interval:
            await self._checkpoint(now)
            if self.run.status == "running":  # what ends a life stays its last event
                self.record("checkpoint.kept", {"upto": self.checkpoint_seq}, round(now, 3))
                self.checkpoint_seq = self.run.seq

    def _enough(self) -> int:
        """How many events are worth a checkpoint: more, the larger the fold, so that the cost stays in proportion."""
        return max(self.checkpoints.every, 2 * len(self.run.scopes), self.run.steps // 5)

    async def _checkpoint(self, now: float) -> None:
        self.checkpoint_seq, self.checkpoint_time = self.run.seq, now
        await self.journal.checkpoint(self.run.seq, to_json(self.run), keep=self.checkpoints.keep)

    async def close(self) -> None:
        """Writes and syncs all there is; a run that can be resumed gets a checkpoint where it is worth one; one that
        waits for people always, as it may wait for long and be looked at often; one that was stopped on demand, too."""
        self.must_sync = True
        await self.commit()
        over = self.run.status in ("completed", "cancelled")
        wanted = self.run.status == "waiting" or self.on_demand
        enough = 1 if wanted else self.checkpoints.every // 10
        if not over and self.journal.lasting and self.run.seq - self.checkpoint_seq >= enough:
            await self._checkpoint(self.clock.now())
