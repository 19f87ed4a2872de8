"""What a run did with the steps of chains that are the work of tasks: how often each was done, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.draw.marks import SIGNS, Marks

StepId = tuple[str, str, str]
"""The graph's key, the node, and the place of the step: `0`; in a chain that is a step, `1.0`."""


@dataclass(slots=True)
class _Pass:
    """A step in one visit of its task. `caught`: it failed, and its chain went on."""

    status: str
    seconds: float = 0.0
    timed: bool = False
    caught: bool = False


@dataclass(slots=True)
class Passes:
    """Passes by graph's key, node and visit, then by place."""

    made: dict[tuple[str, str, int], dict[str, _Pass]] = field(default_factory=dict)

    def take(self, key: str, name: str, visit: int, what: str, data: Mapping[str, Any]) -> None:
        """An event `tool.…` of a step."""
        steps, place = self.made.setdefault((key, name, visit), {}), str(data["step"])
        found = steps.setdefault(place, _Pass("running"))
        if what == "called":
            found.status, found.caught = "running", False
        elif what == "returned":
            found.status = "failed" if "error" in data else "completed"
            found.seconds, found.timed = found.seconds + data.get("duration", 0.0), True
        elif what == "skipped":
            found.status = "skipped"
        elif what == "passed":
            found.status, found.caught = "failed", True

    def leave(self, key: str, name: str, visit: int, status: str) -> None:
        """The visit ended, or the life that it ran in did: what was at work is what that was."""
        for found in self.made.get((key, name, visit), {}).values():
            if found.status == "running":
                found.status = status

    def marks(self) -> dict[StepId, Marks]:
        told: dict[StepId, Marks] = {}
        for (key, name, _), steps in self.made.items():
            for place, found in _with_chains(steps).items():
                marks = told.setdefault((key, name, place), Marks())
                marks.statuses[found.status] += 1
                marks.seconds += found.seconds
                marks.timed = marks.timed or found.timed
        return told


def _with_chains(steps: Mapping[str, _Pass]) -> dict[str, _Pass]:
    """With the steps that are chains, of which only their own steps are on the record, where they were not skipped."""
    found = dict(steps)
    for place in sorted(steps, key=lambda each: -each.count(".")):
        above = place.rpartition(".")[0]
        while above and above not in found:
            inner = [each for at, each in steps.items() if at.startswith(f"{above}.")]
            bad = [each.status for each in inner if each.status not in ("skipped", "completed") and not each.caught]
            status = next((each for each in SIGNS if each in bad), "completed")
            found[above] = _Pass(status, sum(each.seconds for each in inner), any(each.timed for each in inner))
            above = above.rpartition(".")[0]
    return found
