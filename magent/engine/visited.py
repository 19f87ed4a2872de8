"""The visits of a journal, one by one: where each began and ended, what it came to, what it touched outside. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.engine.fold import Run
from magent.engine.scopes import Scope
from magent.events import Event
from magent.model import Node, Parallel, Task, Workflow

ENDS = ("visit.completed", "visit.failed", "visit.skipped")
SETTLED = ("completed", "skipped")


@dataclass(slots=True)
class Visited:
    """One visit. `begin` and `end` are the numbers of the events with which it began and ended (0: it has not);
    `ordinal` says the how manyth it is at its address; `around` is the `begin` of the visit whose scope it is in (0:
    the run's own). `fate` and `why` are what a resume makes of it: kept | again | invalidated | waiting | open."""

    begin: int
    path: str
    node: str
    type: str
    scope: int
    ordinal: int
    around: int
    started: float
    end: int = 0
    ended: float = 0.0
    status: str = "running"
    caught: bool = False
    error: Mapping[str, Any] | None = None
    outside: bool = False  # has effects outside, by itself or by tools that it called
    tools: list[str] = field(default_factory=list)  # with effects outside
    output: Any = None  # of a visit with effects outside
    tokens: list[int] = field(default_factory=lambda: [0, 0])
    cost: float | None = 0.0
    digest: str = ""
    fate: str = ""
    why: str = ""

    @property
    def failed(self) -> bool:
        """Whether it failed, and nothing took the failure."""
        return self.status == "failed" and not self.caught


@dataclass(slots=True)
class Survey:
    """What a journal tells of its visits. `labels`: for items and rounds, by address (`each[2]`), the numbers of the
    events they began with. `collected`: those with which parallel nodes ended that went on without failed branches;
    `refused`: those with which branches began that ended at an `end` with `failed`; `failures`: how many branches."""

    visits: list[Visited] = field(default_factory=list)
    begun: dict[int, Visited] = field(default_factory=dict)
    labels: dict[str, list[int]] = field(default_factory=dict)
    collected: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    failures: int = 0


def survey(workflow: Workflow, events: Iterable[Event]) -> Survey:
    """Takes events that fit one another."""
    reader = _Reader(workflow)
    for event in events:
        reader.take(event)
    return reader.finish()


class _Reader:
    def __init__(self, workflow: Workflow) -> None:
        self.run = Run(workflow)
        self.found = Survey()
        self.at_work: dict[int, Visited] = {}
        self.numbers: dict[int, int] = {}  # of the visit at work, by scope
        self.ordinals: dict[str, int] = {}
        self.first: dict[int, int] = {}  # of a scope's events, by scope
        self.again: set[int] = set()  # `begin` of visits that failed before they began, and were begun anew

    def take(self, event: Event) -> None:
        scope = self.run.scopes.get(event.data.get("scope", -1))
        if event.type == "round.started":
            self.found.labels.setdefault(event.data["path"], []).append(event.seq)
        elif scope is not None:
            self._in_scope(event, scope)
        self.run.apply(event)
        self.run.clear_ready()

    def _in_scope(self, event: Event, scope: Scope) -> None:
        data = event.data
        if scope.id not in self.first:
            self.first[scope.id] = event.seq
            if scope.kind == "item":
                self.found.labels.setdefault(scope.prefix[:-1], []).append(event.seq)
        if "node" in data and scope.current is None:
            self._begin(event, scope, scope.graph.nodes[data["node"]])
        visit = self.at_work.get(scope.id)
        if visit is None:
            return
        if event.type == "visit.started" and visit.end:  # it had failed, or was cancelled, and is tried anew
            visit.end, visit.status, visit.error = 0, "running", None
        elif event.type in ENDS:
            self._end(event, scope, visit)
        else:
            _tell(event, visit)
        _spend(visit, data)

    def _begin(self, event: Event, scope: Scope, node: Node) -> None:
        path = scope.prefix + node.name
        number = int(scope.facts[node.name]["visits"]) + 1
        before = self.at_work.get(scope.id)
        if before is not None and before.node == node.name and before.failed and self.numbers[scope.id] == number:
            self.again.add(before.begin)
            self.ordinals[path] -= 1
        ordinal = self.ordinals[path] = self.ordinals.get(path, 0) + 1
        owner = scope.owner
        around = 0 if owner is None else self.at_work[owner.scope.id].begin
        visit = Visited(event.seq, path, node.name, node.type, scope.id, ordinal, around, event.time)
        visit.outside = isinstance(node, Task) and node.external
        self.at_work[scope.id] = self.found.begun[event.seq] = visit
        self.numbers[scope.id] = number

    def _end(self, event: Event, scope: Scope, visit: Visited) -> None:
        data = event.data
        visit.end, visit.ended = event.seq, event.time
        visit.status = event.type.removeprefix("visit.")
        visit.error, visit.caught = data.get("error"), "caught" in data
        if visit.outside:
            visit.output = data.get("output")
        if scope.current is not None and isinstance(scope.current.node, Parallel) and scope.current.node.collect:
            failed = self._failed_branches(scope)
            if failed or "timed_out" in data:
                self.found.collected.add(event.seq)

    def _failed_branches(self, scope: Scope) -> int:
        assert scope.current is not None
        failures = [child for child in scope.current.children if child.status == "failed"]
        for child in failures:
            if child.failure is not None and child.failure.type == "end" and child.id in self.first:
                self.found.refused.add(self.first[child.id])
        self.found.failures += len(failures)
        return len(failures)

    def finish(self) -> Survey:
        for scope in self.run.scopes.values():
            visit = scope.current
            if visit is not None and isinstance(visit.node, Parallel) and visit.node.collect and visit.children:
                self._failed_branches(scope)
        self.found.visits = [
            visit
            for visit in self.found.begun.values()
            if visit.begin not in self.again and visit.type not in ("start", "end")
        ]
        return self.found


def _tell(event: Event, visit: Visited) -> None:
    if event.type == "visit.cancelled":
        visit.status, visit.end, visit.ended = "cancelled", event.seq, event.time
    elif event.type == "visit.waiting":
        visit.status = "waiting"
    elif event.type == "visit.answered":
        visit.status = "answered"
    elif event.type == "tool.called" and "external" in event.data:
        visit.outside = True
        if event.data["tool"] not in visit.tools:
            visit.tools.append(event.data["tool"])


def _spend(visit: Visited, data: Mapping[str, Any]) -> None:
    tokens = data.get("tokens")
    if tokens:
        visit.tokens[0] += tokens["input"]
        visit.tokens[1] += tokens["output"]
        cost = data.get("cost")
        visit.cost = None if cost is None or visit.cost is None else visit.cost + cost
