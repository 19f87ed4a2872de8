"""Two runs, held against each other: what they were given, where they went, what came out, and the first decision or
result that differs, with why.

Visits are the same that have the same address and number. What ran beside something else may stand in another order
in the two records, which is no difference: given the same results, a run goes the same way whatever the timing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from magent.events import Event
from magent.explained import Explained, explain
from magent.figures import Figures
from magent.history import Change, difference
from magent.model import Workflow
from magent.spans.reading import read

_PERSONAL = ("at", "via", "took", "by")  # of an answer: who gave it when does not matter here
_SILENT = ("start", "end")


@dataclass(slots=True)
class Told:
    """A run as it is compared: `visits` in the order of the events that ended them, `results` by the numbers of these
    events: `{output, set, error, next}`, as far as they have them; `used`: by agent, and by node, what they came to."""

    run_id: str
    status: str
    inputs: Any
    outputs: Any
    error: Any
    path: Sequence[str]
    duration: float
    steps: int
    tokens: Mapping[str, int]
    cost: float | None
    visits: Sequence[Explained]
    results: Mapping[int, Mapping[str, Any]]
    used: Figures = field(default_factory=Figures)


class Divergence(NamedTuple):
    """The first visit that differs: `kind` is result, decision or path (one of the two runs did not come there).
    `why` calls them A and B. `changes` of its result; what each of the two visits saw, None where there is none."""

    kind: str
    path: str
    visit: int
    why: str
    changes: list[Change]
    first: Explained | None
    second: Explained | None

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "path": self.path,
            "visit": self.visit,
            "why": self.why,
            "changes": [change.as_json() for change in self.changes],
            "a": self.first and self.first.as_json(),
            "b": self.second and self.second.as_json(),
        }


@dataclass(slots=True)
class Compared:
    """`path` are the visits that one of the two alone made, as `-` of the first and `+` of the second, in order."""

    first: Told
    second: Told
    inputs: list[Change] = field(default_factory=list)
    outputs: list[Change] = field(default_factory=list)
    path: list[tuple[str, str]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    divergence: Divergence | None = None

    @property
    def same(self) -> bool:
        """Whether they went the same way to the same end; time, tokens and cost may differ."""
        differs = self.inputs or self.outputs or self.path or self.results or self.divergence
        return not differs and self.first.status == self.second.status

    def as_json(self) -> dict[str, Any]:
        return {
            "same": self.same,
            "a": _facts(self.first),
            "b": _facts(self.second),
            "inputs": [change.as_json() for change in self.inputs],
            "outputs": [change.as_json() for change in self.outputs],
            "path": [{"in": "a" if sign == "-" else "b", "visit": visit} for sign, visit in self.path],
            "results": list(self.results),
            "first_divergence": self.divergence and self.divergence.as_json(),
        }


def _facts(told: Told) -> dict[str, Any]:
    shown = {"run_id": told.run_id, "status": told.status, "duration": told.duration, "steps": told.steps}
    shown |= {"tokens": dict(told.tokens), "cost_usd": told.cost, "path": list(told.path), "error": told.error}
    used = told.used.as_json()
    return shown | {"agents": used["agents"], "nodes": used["nodes"]}


def told_of(shown: Mapping[str, Any], workflow: Workflow, events: Sequence[Event]) -> Told:
    """Of what `records.story` shows of a run, and its events. Raises RunDamaged."""
    run_id = str(shown["run_id"])
    results = {event.seq: event.data for event in events if event.type in ("visit.completed", "visit.failed")}
    names = ("run_id", "status", "inputs", "outputs", "error", "path", "duration", "steps", "tokens")
    known = {name: shown[name] for name in names}
    used = Figures()
    used.add(workflow.name, str(shown["status"]), read(workflow, events, alive=False).spans)
    return Told(**known, cost=shown["cost_usd"], visits=explain(workflow, events, run_id), results=results, used=used)


def compare(first: Told, second: Told) -> Compared:
    """What makes `second` of `first`."""
    found = Compared(first, second)
    found.inputs = difference("inputs", first.inputs, second.inputs)
    found.outputs = difference("outputs", first.outputs, second.outputs)
    ones, others = _named(first), _named(second)
    found.path = [("-", name) for name in ones if name not in others] + [
        ("+", name) for name in others if name not in ones
    ]
    pairs = {name: (ones.get(name), others.get(name)) for name in [*ones, *others]}
    apart = [each for pair in pairs.values() if (each := _apart(first, second, *pair)) is not None]
    found.results = [f"{each.path}#{each.visit}" for each in apart if each.kind == "result"]
    found.divergence = min(apart, key=_moment, default=None)
    return found


def _moment(each: Divergence) -> tuple[int, int]:
    """When it was to be seen, by the record of the first run. That a run did not come somewhere follows from what it
    found before, where there is such a thing."""
    there = each.first or each.second
    assert there is not None
    return int(each.kind == "path"), there.seq


def _named(told: Told) -> dict[str, Explained]:
    """The visits by address and number, in the order in which they ended; of one that was tried anew the last."""
    seen: dict[str, Explained] = {}
    counts: dict[tuple[str, int], int] = {}
    for each in sorted(told.visits, key=lambda each: each.seq):
        if each.type in _SILENT:
            continue
        again = counts[each.path, each.visit] = counts.get((each.path, each.visit), 0) + 1
        seen[f"{each.path}#{each.visit}" + (f" (again {again - 1})" if again > 1 else "")] = each
    return seen


def _apart(first: Told, second: Told, one: Explained | None, other: Explained | None) -> Divergence | None:
    there = one or other
    assert there is not None
    if one is None or other is None:
        return Divergence(
            "path", there.path, there.visit, f"only {'B' if one is None else 'A'} came to it", [], one, other
        )
    changes = list(_results(first.results.get(one.seq, {}), second.results.get(other.seq, {}), one.type))
    if changes or one.status != other.status:
        why = f"it {_ended(one)} in A, and {_ended(other)} in B"
        why = "it came to another result" if one.status == other.status else why
        return Divergence("result", one.path, one.visit, why, changes, one, other)
    if one.next != other.next or [each.goes_on for each in one.rounds] != [each.goes_on for each in other.rounds]:
        went = [each.next or "the end" for each in (one, other)]
        why = f"it went on to {went[0]} in A, and to {went[1]} in B"
        return Divergence("decision", one.path, one.visit, why, [], one, other)
    if [each.taken for each in one.branches] != [each.taken for each in other.branches]:
        return Divergence("decision", one.path, one.visit, "it took other branches", [], one, other)
    if [_chosen(each) for each in one.decisions] != [_chosen(each) for each in other.decisions]:
        return Divergence("decision", one.path, one.visit, "another role was chosen", [], one, other)
    return None


def _ended(told: Explained) -> str:
    return {"failed": "failed", "completed": "completed"}.get(told.status, f"was {told.status}")


def _chosen(decision: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    return decision.get("what"), decision.get("role"), decision.get("agent")


def _results(before: Mapping[str, Any], after: Mapping[str, Any], kind: str) -> Iterator[Change]:
    names = ("set", "error") if kind == "condition" else ("output", "set", "error")  # its output is where it went
    for name in names:
        old, new = before.get(name), after.get(name)
        if kind == "human_input" and name == "output":
            old, new = _impersonal(old), _impersonal(new)
        yield from difference(name, old, new)


def _impersonal(answer: Any) -> Any:
    if not isinstance(answer, Mapping):
        return answer
    return {name: value for name, value in answer.items() if name not in _PERSONAL}
