"""What the page tells, read from the record of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent import draw, history, records, said, traces
from magent.events import Event
from magent.history import Step
from magent.loading import workflow_of
from magent.model import Workflow
from magent.outcome import Asked, asked
from magent.ports import RunStore
from magent.said import Given, Said
from magent.spans.span import Span
from magent.traces import Traced

_MAY_ASK = ("waiting", "running", "interrupted")
_GAP = 0.03  # of the width: a time between two lives, however long
_LEAST_LIFE = 0.001


@dataclass(frozen=True, slots=True)
class Axis:
    """Times on a line from 0 to 1000. While nobody drove the run, time goes by at once: `marks` says where, and for how
    many seconds."""

    spans: tuple[tuple[float, float, float, float], ...]  # from, to, in seconds; from, to, on the line
    marks: tuple[tuple[float, float], ...] = ()

    def at(self, time: float) -> float:
        for begun, ended, left, right in self.spans:
            if time <= ended:
                return left + (right - left) * max(0.0, time - begun) / max(_LEAST_LIFE, ended - begun)
        return 1000.0


@dataclass(frozen=True, slots=True)
class Facts:
    """`shown` is what `runs show` tells of the run; `asked` are its open questions; `given` is what agents were asked
    and other work was given, by the number of the event with which a visit began; `routes` are the decisions of
    `route`, by address and number of the visit, and of delegations, by the number of their event."""

    run_id: str
    workflow: Workflow
    shown: Mapping[str, Any]
    traced: Traced
    overlay: draw.Overlay
    steps: list[Step]
    given: Mapping[int, Said | Given]
    routes: Mapping[tuple[str, int], Mapping[str, Any]]
    asked: list[Asked]
    axis: Axis
    inputs: Any = None
    limits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return str(self.shown["status"])

    def offset(self, time: float) -> float:
        """Seconds since the run began."""
        return max(0.0, time - self.traced.begun)


async def facts_of(store: RunStore, run_id: str) -> Facts:
    """Raises UsageError, StoreError."""
    story = await records.story(store, run_id)
    record = await store.read(run_id, checkpoint=False)
    workflow = workflow_of(record)
    status = str(story.shown["status"])
    traced = traces.trace_of(run_id, workflow, record.events, status)
    return Facts(
        run_id,
        workflow,
        story.shown,
        traced,
        draw.overlay(workflow, record.events, alive=status in ("running", "waiting")),
        list(history.steps(workflow, record.events, run_id)),
        said.given(workflow, record.events, run_id),
        _routes(record.events),
        asked(story.run, store) if status in _MAY_ASK else [],
        axis_of(traced.lives, traced.now),
        record.events[0].data.get("inputs"),
        record.events[0].data.get("limits") or {},
    )


def _routes(events: Iterable[Event]) -> dict[tuple[str, int], Mapping[str, Any]]:
    visits: dict[str, int] = {}
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for event in events:
        data = event.data
        if event.type == "visit.started":
            visits[data["path"]] = data["visit"]
        elif event.type == "role.routed":
            found[data["path"], visits.get(data["path"], 1)] = data
        elif event.type == "delegation.started":
            found["", event.seq] = data
    return found


def axis_of(lives: list[Span], now: float) -> Axis:
    """The lives one after another, as long as they were; between them a gap that is always as wide."""
    ends = [(life.start, max(life.start, now if life.end is None else life.end)) for life in lives]
    ends.sort()
    worked = sum(max(_LEAST_LIFE, end - start) for start, end in ends) or 1.0
    gap = 1000 * min(_GAP, 0.4 / len(ends))
    scale = (1000 - gap * (len(ends) - 1)) / worked
    spans: list[tuple[float, float, float, float]] = []
    marks: list[tuple[float, float]] = []
    x = 0.0
    for start, end in ends:
        if spans:
            before = spans[-1][1]
            spans.append((before, start, x, x + gap))
            marks.append((x + gap / 2, start - before))
            x += gap
        right = x + scale * max(_LEAST_LIFE, end - start)
        spans.append((start, end, x, right))
        x = right
    return Axis(tuple(spans), tuple(marks))
