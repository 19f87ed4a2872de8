"""A journal held against an edited workflow: what the planner decides now must be what is recorded. Pure.

Work whose parts are the same keeps its result; what is decided from results (`set`, `next`, joins) is decided anew; a
scope goes on by itself from the first visit that is another one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.engine import conclude, plan, settle
from magent.engine.company import Companies
from magent.engine.conclude import Fact
from magent.engine.likeness import Part, Parts, difference, kind_of, parts_of, raw_node
from magent.engine.origin import where
from magent.engine.replay import Cut, Replay
from magent.engine.scopes import Scope, Visit
from magent.engine.visited import ENDS, Survey, Visited
from magent.events import Event, Failure
from magent.model import HumanInput, Loop, Parallel, Subgraph, Workflow

_ASKED = (
    "input", "prompt", "context", "content", "options", "multiple", "multiline", "scale", "form", "assignee",
)  # fmt: skip
_RESULTS = ("output", "set", "next", "loop", "error", "caught")
_DECIDED = ("scope", "node", "path", *_RESULTS)
_COMPOSITES = (Parallel, Loop, Subgraph)
Recorded = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Edited(Replay):
    """`given` replaces what `run.started` says: inputs and the like. `recorded` makes of an event's data what a record
    keeps of it: without secrets. With `cut.failed`, all that completed is kept, whatever was edited."""

    def __init__(
        self, old: Workflow, survey: Survey, cut: Cut, new: Workflow, given: Mapping[str, Any], recorded: Recorded
    ) -> None:
        super().__init__(old, survey, cut, new)
        self.old, self.given, self.recorded = old, given, recorded
        self.new_companies = Companies()
        self.hollow: set[int] = set()  # scopes around those that are stopped

    def keep(self, kind: str, data: Mapping[str, Any], time: float) -> None:
        super().keep(kind, self.recorded(data), time)

    def life_data(self, event: Event) -> Mapping[str, Any]:
        """Without limits: what was done was within them."""
        given = self.given if event.type == "run.started" else {}
        return {**event.data, **given, "limits": {}} if "limits" in event.data or given else event.data

    def stop(self, twin: Scope, cause: str) -> None:
        super().stop(twin, cause)
        self.hollow |= {outer.id for outer in self.around(twin)}

    def holds(self, event: Event, scope: Scope, twin: Scope, visit: Visited, _cancelled: list[Fact]) -> Sequence[Fact]:
        if event.type == "visit.cancelled":
            return ()  # the planner says so itself, with the end of the node around it
        if event.seq == visit.begin:
            return self._begun(event, scope, twin, visit)
        if twin.current is None or twin.current.node.name != visit.node:
            return self._refuse(twin, visit, "comes out otherwise now")
        if event.type == "round.started":
            facts = plan.step(self.after, twin, event.time).facts
            return facts if _goes_on(facts, event) else self._leave(twin, visit)
        return self._ended(event, scope, twin, visit) if event.type in ENDS else [_translated(event, twin)]

    def _refuse(self, twin: Scope, visit: Visited, why: str, fate: str = "again") -> Sequence[Fact]:
        visit.fate, visit.why = fate, why
        return self._leave(twin, visit)

    def _leave(self, twin: Scope, visit: Visited) -> Sequence[Fact]:
        self.stop(twin, where(visit))
        return ()

    # ---- a visit begins

    def _begun(self, event: Event, scope: Scope, twin: Scope, visit: Visited) -> Sequence[Fact]:
        if twin.pending != visit.node:
            place = f"'{twin.pending}'" if twin.pending else "the end"
            return self._refuse(twin, visit, f"the path leads to {place} now", "invalidated")
        old, new = scope.graph.nodes[visit.node], twin.graph.nodes[visit.node]
        if kind_of(old) != kind_of(new):
            return self._refuse(twin, visit, "another kind of work stands there now")
        decision = plan.step(self.after, twin, event.time)
        facts = decision.facts
        as_before = facts[-1][0] == event.type if facts else decision.launch is not None and event.type not in ENDS
        if not as_before:
            return self._refuse(twin, visit, "comes out otherwise now")
        if event.type in ENDS:
            return self._pure(event, visit, facts)
        why = self._difference(event, scope, twin, visit, facts)
        if why and not (self.cut.failed and visit.status == "completed"):
            return self._refuse(twin, visit, why)
        return facts if isinstance(new, _COMPOSITES) else [_translated(event, twin)]

    @staticmethod
    def _pure(event: Event, visit: Visited, facts: Sequence[Fact]) -> Sequence[Fact]:
        """What is decided from results alone is decided anew, at no cost."""
        if _result(facts[-1][1]) != _result(event.data):
            visit.why = "is worked out anew"
        return facts

    def _difference(self, event: Event, scope: Scope, twin: Scope, visit: Visited, facts: Sequence[Fact]) -> str:
        old, new = scope.graph.nodes[visit.node], twin.graph.nodes[visit.node]
        if visit.status == "failed" and not self._same_text(scope, twin, visit.node):
            return "its definition has changed"  # whatever was edited may mend it, or take its failure otherwise
        if isinstance(old, HumanInput):
            names = _ASKED if visit.status == "completed" else (*_ASKED, "default", "has_default")
            return difference(_question(event.data, names), _question(facts[-1][1], names))
        mine, theirs = self.companies, self.new_companies
        return difference(parts_of(self.before, scope, old, mine), parts_of(self.after, twin, new, theirs))

    def _same_text(self, scope: Scope, twin: Scope, name: str) -> bool:
        return bool(raw_node(self.old, scope.graph, name) == raw_node(self.after.workflow, twin.graph, name))

    # ---- a visit ends

    def _ended(self, event: Event, scope: Scope, twin: Scope, visit: Visited) -> Sequence[Fact]:
        at_work = twin.current
        assert at_work is not None
        if isinstance(at_work.node, _COMPOSITES):
            facts = self._composite_end(event, scope, twin, at_work)
            return facts if facts and facts[-1][0] == event.type else self._leave(twin, visit)
        fact = self._leaf_end(event, twin, at_work)
        if fact[0] != event.type:
            return self._refuse(twin, visit, "its `set` or `next` fails now")
        if event.seq == visit.end and _result(fact[1]) != _result(event.data):
            visit.why = "its `set` or `next` is worked out anew"
        return [fact]

    def _leaf_end(self, event: Event, twin: Scope, visit: Visit) -> Fact:
        data, node = event.data, visit.node
        extra = {name: value for name, value in data.items() if name not in _DECIDED}
        if event.type == "visit.completed":
            return conclude.completed(self.after, twin, node, event.time, data.get("output"), extra)
        extra |= {name: data[name] for name in ("output", "set") if name in data}  # it failed at what it had made
        return conclude.failed(self.after, twin, node, Failure.from_json(data["error"]), event.time, extra)

    def _composite_end(self, event: Event, scope: Scope, twin: Scope, visit: Visit) -> Sequence[Fact]:
        """That its time was up holds where nothing of it has changed; all else the planner says."""
        error = event.data.get("error") or {}
        by_time = error.get("type") == "timeout" and error.get("node") == visit.node.name
        if not by_time and "timed_out" not in event.data:
            return plan.step(self.after, twin, event.time).facts
        if twin.id in self.hollow or not self._same_text(scope, twin, visit.node.name):
            return ()
        return settle.timed_out(self.after, visit, event.time).facts


def _goes_on(facts: Sequence[Fact], event: Event) -> bool:
    return bool(facts) and facts[-1][0] == event.type and facts[-1][1]["index"] == event.data["index"]


def _translated(event: Event, twin: Scope) -> Fact:
    """The event as it is at the address of its scope's twin."""
    data = {**event.data, "scope": twin.id}
    name = twin.current.node.name if twin.current is not None else data.get("node", "")
    path = f"{twin.prefix}{name}"
    if "path" in data and data["path"] != path:
        if "delegation" in data:
            data["delegation"] = path + str(data["delegation"]).removeprefix(data["path"])
        if "ask" in data:
            data["ask"] = {**data["ask"], "path": path}
        data["path"] = path
    return event.type, data


def _result(data: Mapping[str, Any]) -> str:
    return json.dumps({name: data.get(name) for name in _RESULTS}, sort_keys=True, default=str)


def _question(data: Mapping[str, Any], names: Sequence[str]) -> Parts:
    return {f"its `{name}`": Part(data["ask"][name], data["ask"][name]) for name in names}
