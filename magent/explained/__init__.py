"""Why a run went as it did: for each visit the edges it had, the conditions with the values they saw, and the roles
that were looked at. Read from its events alone.

What the planner decided is not guessed: it is asked again, with the fold as it stood at the event, by the functions
that decided then. Where the answer is another one now (a secret that is not in the record had a say), the record counts
and the visit says so: `exact` is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from magent.engine import conclude
from magent.engine.fold import Run
from magent.engine.run import apply_all
from magent.engine.scopes import Scope, Visit
from magent.engine.view import names
from magent.errors import RunDamaged
from magent.events import Event
from magent.explained.begins import round_of, starts
from magent.explained.edges import edges_of, way_of
from magent.explained.ends import ENDINGS, answered, said
from magent.explained.told import Branch, Explained, Round, Test, Way
from magent.explained.values import LONGEST, test
from magent.model import HumanInput, Loop, Node, Workflow
from magent.shapes import fault

__all__ = ["LONGEST", "Branch", "Explained", "Reader", "Round", "Test", "Way", "explain"]
_DECISIONS = ("role.routed", "delegation.started")


def explain(workflow: Workflow, events: Iterable[Event], run_id: str) -> list[Explained]:
    """Every visit, in the order in which they began. Raises RunDamaged where the events do not fit one another."""
    reader = Reader(workflow, run_id)
    for event in events:
        reader.take(event)
    return reader.finish()


class Reader:
    """Takes a run's events one by one."""

    def __init__(self, workflow: Workflow, run_id: str = "") -> None:
        self.run = Run(workflow)
        self._run_id = run_id
        self._found: list[Explained] = []
        self._open: dict[int, Explained] = {}

    def take(self, event: Event) -> None:
        """Raises RunDamaged where it does not fit those before it."""
        if fault(event) is None:
            try:
                self._look(event)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                told = f"event {event.seq} of run {self._run_id} does not fit what stands before it ({error!r})"
                hint = "the journal was changed, or written by another version of magent"
                raise RunDamaged(told, hint) from error
        apply_all(self.run, (event,), self._run_id)

    def finish(self) -> list[Explained]:
        """What is not over has the edges that it may take."""
        for scope_id, told in self._open.items():
            scope = self.run.scopes.get(scope_id)
            visit = scope.current if scope is not None else None
            if scope is None or visit is None or visit.node.name != told.node:
                told.status = "cancelled"
                continue
            waits = visit.answer is None and (visit.status in ("waiting", "uncertain") or _asks(visit))
            told.status = "waiting" if waits else "running"
            if isinstance(visit.answer, Mapping):
                told.notes.append(f"{answered(visit.answer)}, which the run has not taken up yet")
            told.ways = [way_of(edge, "open", "not decided yet") for edge in edges_of(visit.node)]
        return self._found

    # ---- before an event is applied

    def _look(self, event: Event) -> None:
        scope = self.run.scopes.get(event.data.get("scope", -1))
        if scope is None:
            return
        told = self._open.get(scope.id)
        if event.type == "visit.started":
            if told is None:
                told = self._begin(event, scope, self._node(event, scope))
                starts(self.run, told, scope, scope.graph.nodes[told.node], event.data)
        elif event.type == "round.started":
            self._round(told, scope, event.data["index"])
        elif event.type in ENDINGS:
            told = told or self._begin(event, scope, self._node(event, scope))
            del self._open[scope.id]
            told.seq, told.time, told.status = event.seq, event.time, event.type.partition(".")[2]
            ENDINGS[event.type](self.run, told, scope, scope.graph.nodes[told.node], event)
        elif told is not None:
            self._within(told, scope, event)

    @staticmethod
    def _node(event: Event, scope: Scope) -> Node:
        return scope.graph.nodes[event.data["node"]]

    def _begin(self, event: Event, scope: Scope, node: Node) -> Explained:
        number, path = conclude.visit_number(scope, node), scope.prefix + node.name
        told = Explained(event.seq, event.time, path, node.name, node.type, number)
        if node.when is not None and scope.current is None:
            told.when = test(node.when, names(self.run, scope))
        self._found.append(told)
        self._open[scope.id] = told
        return told

    def _round(self, told: Explained | None, scope: Scope, index: int) -> None:
        visit = scope.current
        if told is not None and visit is not None and isinstance(visit.node, Loop):
            told.rounds.append(round_of(self.run, visit, visit.node, index, goes_on=True))

    def _within(self, told: Explained, scope: Scope, event: Event) -> None:
        data = event.data
        if event.type == "visit.cancelled":
            told.seq, told.time, told.status = event.seq, event.time, "cancelled"
            told.notes.append("its result was not needed any more, or the node around it ended")
            self._open.pop(scope.id)
        elif event.type in _DECISIONS:
            told.decisions.append(_decision(event))
        elif event.type == "visit.retry":
            told.notes.append(f"attempt {data['attempt']} failed ({said(data['error'])}), another followed")
        elif event.type == "agent.fallback":
            told.notes.append(f"agent {data['agent']} could not answer ({said(data['error'])}): {data['to']} was asked")


def _asks(visit: Visit) -> bool:
    return isinstance(visit.node, HumanInput)


def _decision(event: Event) -> dict[str, Any]:
    """Whom a `route` or a delegation led to: with the candidates as they were recorded."""
    data = event.data
    told = {name: data.get(name) for name in ("role", "agent", "by", "task", "skills")}
    found = data.get("decision")
    return {"what": "route" if event.type == "role.routed" else "delegation", **told, "decision": found or {}}
