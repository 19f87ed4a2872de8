"""A recorded run as a trace: read from its journal, with what the whole of it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from magent.clock import SystemClock, iso
from magent.errors import RunDamaged
from magent.events import Event
from magent.loading import workflow_of
from magent.model import Workflow
from magent.ports import RunStore
from magent.said import Listener
from magent.spans.ids import Trace
from magent.spans.path import children, critical
from magent.spans.reading import read
from magent.spans.span import KINDS, Span

_GOES_ON = ("running", "waiting")


@dataclass(frozen=True, slots=True)
class Traced:
    """`status` is the run's, `now` when its last span ends, or, where it goes on, this moment; `finished` are the spans
    that are over, `critical` the ids of those that its time depended on, `driven` from when to when somebody
    drove the run."""

    run_id: str
    workflow: Workflow
    status: str
    trace: Trace
    spans: list[Span]
    now: float
    within: Mapping[str | None, list[Span]]
    critical: frozenset[str]
    driven: tuple[tuple[float, float], ...]

    @property
    def finished(self) -> list[Span]:
        return [span for span in self.spans if span.end is not None]

    @property
    def lives(self) -> list[Span]:
        return [span for span in self.spans if span.kind == "life"]

    @property
    def begun(self) -> float:
        return min((span.start for span in self.spans), default=self.now)

    @property
    def worked(self) -> float:
        """Seconds in which somebody drove the run."""
        return self.between(self.begun, self.now)

    def between(self, start: float, end: float) -> float:
        """Seconds from then to then in which somebody drove the run."""
        return sum(max(0.0, min(end, left) - max(start, came)) for came, left in self.driven)

    def took(self, span: Span) -> float:
        """A person's time counts as it passes, the run's only while somebody drives it."""
        end = self.now if span.end is None else span.end
        return max(0.0, end - span.start) if span.waits else self.between(span.start, end)

    def totals(self) -> tuple[tuple[int, int], float | None]:
        """Tokens, and dollars (None: unknown)."""
        tokens, cost = (0, 0), 0.0
        unknown = False
        for life in self.lives:
            used = life.tokens or (0, 0)
            tokens = (tokens[0] + used[0], tokens[1] + used[1])
            unknown = unknown or life.cost is None
            cost += life.cost or 0.0
        return tokens, None if unknown else cost

    def as_json(self) -> dict[str, Any]:
        tokens, cost = self.totals()
        return {
            "run_id": self.run_id,
            "workflow": self.workflow.name,
            "status": self.status,
            "trace_id": self.trace.id,
            "parent_id": self.trace.parent,
            "sampled": self.trace.sampled,
            "started": iso(self.begun),
            "duration": round(self.now - self.begun, 3),
            "worked": round(self.worked, 3),
            "tokens": {"input": tokens[0], "output": tokens[1]},
            "cost_usd": cost if cost is None else round(cost, 6),
            "spans": [self._span(span) for span in sorted(self.spans, key=_order)],
        }

    def _span(self, span: Span) -> dict[str, Any]:
        tokens = None if span.tokens is None else {"input": span.tokens[0], "output": span.tokens[1]}
        return {
            "span_id": span.id,
            "parent_id": span.parent,
            "kind": span.kind,
            "name": span.name,
            "path": span.path or None,
            "status": span.status,
            "started": iso(span.start),
            "ended": None if span.end is None else iso(span.end),
            "duration": span.duration,
            "worked": span.worked,
            "gaps": [{"from": iso(gone), "to": iso(back)} for gone, back in span.gaps],
            "critical": span.id in self.critical,
            "tokens": tokens,
            "cost_usd": None if span.tokens is None or span.cost is None else round(span.cost, 6),
            "error": None if span.error is None else dict(span.error),
            "attributes": span.attributes,
            "events": [
                {"name": each.name, "time": iso(each.time), "attributes": dict(each.attributes)}
                for each in span.moments
            ],
            "links": [{"trace_id": each.trace, "span_id": each.span, "why": each.why} for each in span.links],
            "content": {name: value for name, value in span.content.items() if value is not None},
        }


def _order(span: Span) -> tuple[float, int, int]:
    return span.start, span.number, KINDS.index(span.kind)


async def traced(store: RunStore, run_id: str, *, prompts: bool = False) -> Traced:
    """With `prompts` their contents have what agents were asked, too. Raises UsageError, StoreError."""
    record = await store.read(run_id, checkpoint=False)
    status = (await store.info(run_id)).status
    return trace_of(run_id, workflow_of(record), record.events, status, prompts=prompts)


def trace_of(run_id: str, workflow: Workflow, events: Iterable[Event], status: str, *, prompts: bool = False) -> Traced:
    """`status` is as `RunStore.info` has it. Raises RunDamaged where the events are none of a run's."""
    try:
        asked = Listener(workflow, run_id).asked if prompts else None
        reading = read(workflow, events, alive=status in _GOES_ON, asked=asked)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        hint = "the journal was changed, or written by another version of magent"
        raise RunDamaged(f"the events of run {run_id} do not fit one another ({error!r})", hint) from error
    spans = reading.spans
    if not spans:
        raise RunDamaged(f"run {run_id} was ended before anything of it was recorded", "start a new one")
    last = max((span.end if span.end is not None else span.start for span in spans), default=0.0)
    now = max(last, SystemClock().now()) if status in _GOES_ON else last
    for span in reading.open:
        if span.status == "running" and status != "running":
            span.status = "waiting" if status == "waiting" else "interrupted"
    within = children(spans)
    driven = tuple((life.start, now if life.end is None else life.end) for life in spans if life.kind == "life")
    path = frozenset(critical(within, now))
    return Traced(run_id, workflow, status, reading.trace, spans, now, within, path, driven)
