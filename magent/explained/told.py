"""What is told of a visit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.clock import iso


@dataclass(slots=True)
class Test:
    """A condition that was looked at: its text, the `values` of what it reads, by name, and whether it `held`; None
    where it could not be worked out, which `error` tells."""

    source: str
    held: bool | None
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"expression": self.source, "held": self.held, "values": dict(self.values), "error": self.error}


@dataclass(slots=True)
class Way:
    """An edge, as it fared: `state` is taken, refused, passed (not looked at), failed (its condition could not be
    worked out) or open (the visit is not over). `to` None: the end of the scope. `used` of `most`: of a loop_back,
    before that."""

    to: str | None
    kind: str
    state: str
    why: str
    test: Test | None = None
    case: str | None = None
    used: int | None = None
    most: int | None = None

    def as_json(self) -> dict[str, Any]:
        data = {"to": self.to, "kind": self.kind, "state": self.state, "why": self.why, "case": self.case}
        return data | {"used": self.used, "max": self.most, "when": self.test and self.test.as_json()}


@dataclass(slots=True)
class Branch:
    """A branch of a parallel node, and why it was taken or left out."""

    to: str
    taken: bool
    test: Test | None

    def as_json(self) -> dict[str, Any]:
        return {"to": self.to, "taken": self.taken, "when": self.test and self.test.as_json()}


@dataclass(slots=True)
class Round:
    """Whether a loop went on to round `index`, or ended there, and why."""

    index: int
    goes_on: bool
    why: str
    test: Test | None = None

    def as_json(self) -> dict[str, Any]:
        shown = {"index": self.index, "goes_on": self.goes_on, "why": self.why}
        return shown | {"condition": self.test and self.test.as_json()}


@dataclass(slots=True)
class Explained:
    """A visit. `seq` is the event that ended it, else the one that it began with; `notes` are sentences on what else
    had a say: attempts, fallbacks, people, how many branches were waited for; `switched` is what the `switch` gave.
    `missed` are the edges of `next` where `on_error` decided in their stead, and `on_error` says what it decided."""

    seq: int
    time: float
    path: str
    node: str
    type: str
    visit: int
    status: str = "running"
    when: Test | None = None
    branches: list[Branch] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    missed: list[Way] = field(default_factory=list)
    on_error: str | None = None
    switch: Test | None = None
    switched: str | None = None
    next: str | None = None
    exact: bool = True
    error: Mapping[str, Any] | None = None
    decisions: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.status in ("completed", "failed", "skipped", "cancelled")

    @property
    def chose(self) -> bool:
        """Whether there was anything to decide."""
        plain = len(self.ways) <= 1 and all(way.state == "taken" and way.kind == "normal" for way in self.ways)
        told = self.when or self.branches or self.rounds or self.switch or self.decisions or self.error
        return not plain or bool(told) or not self.over

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "time": iso(self.time),
            "path": self.path,
            "node": self.node,
            "type": self.type,
            "visit": self.visit,
            "status": self.status,
            "when": self.when and self.when.as_json(),
            "branches": [each.as_json() for each in self.branches],
            "rounds": [each.as_json() for each in self.rounds],
            "switch": self.switch and {**self.switch.as_json(), "held": None, "gave": self.switched},
            "edges": [each.as_json() for each in self.ways],
            "missed_edges": [each.as_json() for each in self.missed],
            "on_error": self.on_error,
            "next": self.next,
            "exact": self.exact,
            "error": None if self.error is None else dict(self.error),
            "decisions": [dict(each) for each in self.decisions],
            "notes": list(self.notes),
        }
