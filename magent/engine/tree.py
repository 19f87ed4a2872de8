"""The tree of a run's scopes, and how they open, go on and end. Only the fold works on it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from magent.engine.joins import enough, rests, round_facts
from magent.engine.scopes import Facts, Scope, Visit
from magent.events import Failure
from magent.model import Graph, Loop, Parallel, Subgraph, Workflow
from magent.state import State


class Tree:
    """The scopes that are there, by number, and those that the planner must look at."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.scopes: dict[int, Scope] = {}
        self.opened = 0  # how many scopes were ever opened
        self.ready: deque[Scope] = deque()  # scopes the planner must look at
        self.root: Scope

    def open_scope(self, kind: str, graph: Graph, prefix: str, owner: Visit | None, index: int = 0) -> Scope:
        scope = Scope(self.opened, kind, graph, prefix, owner, index)
        self.opened += 1
        self.scopes[scope.id] = scope
        if owner is None or kind == "graph":
            scope.state, scope.facts = State(graph.state), Facts(graph.nodes)
            return scope
        outer = owner.scope
        scope.inputs, scope.locals = outer.inputs, outer.locals
        if kind == "round":
            scope.state, scope.facts, scope.sessions = outer.state, outer.facts, outer.sessions
        else:
            scope.sessions = dict(outer.sessions)  # as it stood at the fork: what a branch adds stays in it
            scope.state = State(graph.state, outer.state, logged=True)
            scope.facts = Facts(graph.nodes, outer.facts)
        return scope

    def queue(self, scope: Scope) -> None:
        if not scope.queued:
            scope.queued = True
            self.ready.append(scope)

    def next_ready(self) -> Scope:
        scope = self.ready.popleft()
        scope.queued = False
        return scope

    def clear_ready(self) -> None:
        while self.ready:
            self.next_ready()

    def enter(self, scope: Scope, node: str | None, via: str = "normal") -> None:
        """The scope goes on at `node`, or ends where that is None."""
        scope.current = None
        scope.pending, scope.via = node, via
        if node is None or (node == "end" and "end" not in scope.graph.nodes):
            self.end_scope(scope, "completed")
        else:
            if via != "loop_back":
                self.reset_counters(scope, node)
            self.queue(scope)

    @staticmethod
    def reset_counters(scope: Scope, target: str) -> None:
        if scope.counters:
            ending = f">{target}"
            scope.counters = {name: count for name, count in scope.counters.items() if not name.endswith(ending)}

    def end_scope(self, scope: Scope, status: str, failure: Failure | None = None) -> None:
        owner = scope.owner
        if status == "completed" and owner is not None and enough(owner):
            status = "cancelled"  # so many were waited for, and this one came later
        scope.status, scope.failure, scope.pending, scope.names = status, failure, None, None
        if owner is None:
            self.queue(scope)
            return
        if isinstance(owner.node, Loop) and status == "completed":
            owner.last = scope.output
            if owner.items is not None:
                owner.results.append(scope.output)
        elif isinstance(owner.node, Parallel):
            if status == "completed":
                owner.successes += 1
            elif status == "failed":
                owner.failures += 1
                owner.failed_first = owner.failed_first or failure
            if rests(owner):
                self.release(owner.scope, True)
        self.queue(owner.scope)

    @staticmethod
    def begin(scope: Scope) -> None:
        """A branch takes its place among those of its parallel node."""
        owner = scope.owner
        if not scope.begun and owner is not None:
            scope.begun = True
            owner.begun += 1

    def release(self, scope: Scope, released: bool) -> None:
        """A person is asked (or is no longer) in `scope`: the branch it is in leaves (or takes) its place to others.

        So does the branch around a parallel node that only waits for people.
        """
        while True:
            while scope.owner is not None and not isinstance(scope.owner.node, Parallel):
                scope = scope.owner.scope
            owner = scope.owner
            if owner is None or scope.released == released:
                return
            scope.released = released
            owner.released += 1 if released else -1
            self.queue(owner.scope)
            scope, released = owner.scope, rests(owner)

    def open_inner(self, visit: Visit, node: Subgraph, inputs: Mapping[str, Any]) -> None:
        graph = self.workflow.graphs[node.uses]
        child = self.open_scope("graph", graph, f"{visit.path}/", visit)
        child.inputs = inputs
        visit.children.append(child)
        self.enter(child, graph.entry)

    def open_branch(self, visit: Visit, node: Parallel, index: int) -> None:
        scope = visit.scope
        if node.body:
            child = self.open_scope("item", scope.graph, f"{visit.path}[{index}]/", visit, index)
            child.pending = node.body
            assert visit.items is not None
            child.locals = {**scope.locals, "round": round_facts(index), node.item: visit.items[index]}
        else:
            child = self.open_scope("branch", scope.graph, scope.prefix, visit, index)
            child.pending = node.branches[index].to
        visit.children.append(child)

    @staticmethod
    def close_children(visit: Visit) -> None:
        """What is still open under a failed visit is cancelled, but kept: a later life may open it again."""
        work = list(visit.children)
        while work:
            child = work.pop()
            if child.status == "open":
                child.status = "cancelled"
                if child.current is not None:
                    work.extend(child.current.children)

    def drop_children(self, visit: Visit) -> None:
        work = list(visit.children)
        visit.children = []
        while work:
            child = work.pop()
            if child.status == "open":
                child.status = "cancelled"
            self.scopes.pop(child.id, None)
            if child.current is not None:
                work.extend(child.current.children)
