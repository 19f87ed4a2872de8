"""What a trace is made of. Times are seconds since 1970, to the millisecond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

KINDS = ("life", "visit", "attempt", "model", "tool", "delegation", "wait", "own")
"""life: of a run, from its start or a resume to its end, or until it waits · visit: of a node · attempt: at a visit ·
model: a call of one · tool: a call of one, or a step of a chain · delegation: a subtask · wait: for a person · own: a
span of the workflow's own code."""


class Moment(NamedTuple):
    """Something that happened at a time, within a span."""

    name: str
    time: float
    attributes: Mapping[str, Any]


class Link(NamedTuple):
    """Another span that has to do with this one: `why` is previous, resumed_in or forked_from."""

    trace: str
    span: str
    why: str


@dataclass(slots=True)
class Span:
    """`end` None: it is not over, as far as anybody knows. `status` is a visit's: completed, failed, skipped,
    cancelled, interrupted, waiting, running. `attributes` are plain values; `content` is what was said and given, which
    leaves this machine only where somebody wants that. `tokens` and `cost` were used by calls of models: the one that
    it is, or those in it. `number` is that of the event it began with, or after. `gaps` are the times in it, from when
    to when, in which nobody drove the run: they are nobody's work, but a person who is asked may think then, too, so
    that what waits for an answer has none."""

    id: str
    parent: str | None
    kind: str
    name: str
    path: str
    number: int
    start: float
    end: float | None = None
    status: str = "running"
    error: Mapping[str, Any] | None = None
    tokens: tuple[int, int] | None = None
    cost: float | None = 0.0
    attributes: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)

    @property
    def duration(self) -> float | None:
        """Seconds from its start to its end; None while it goes on."""
        return None if self.end is None else max(0.0, round(self.end - self.start, 3))

    @property
    def worked(self) -> float | None:
        """Seconds of it without its gaps; None while it goes on."""
        rest = sum(end - start for start, end in self.gaps)
        return None if self.end is None else max(0.0, round(self.end - self.start - rest, 3))

    @property
    def waits(self) -> bool:
        """Whether it is a person's time, which passes whoever drives the run."""
        return self.kind == "wait" or self.attributes.get("magent.node.type") == "human_input"

    def spend(self, tokens: Mapping[str, Any], cost: float | None) -> None:
        before = self.tokens or (0, 0)
        self.tokens = (before[0] + int(tokens.get("input", 0)), before[1] + int(tokens.get("output", 0)))
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def moment(self, name: str, time: float, attributes: Mapping[str, Any]) -> None:
        self.moments.append(Moment(name, time, attributes))
