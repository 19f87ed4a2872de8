"""The things that a fold is made of: scopes, the visits in them, and the facts of nodes as expressions see them.

A `Scope` is the run, a branch, an item, a round or a subgraph; a `Visit` is one node at work in it. Composite visits
hold the scopes they opened. Nothing recurses: scopes know their owner, visits their scope.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.events import Failure
from magent.model import Graph, Node
from magent.state import State

PENDING_FACTS: Mapping[str, Any] = {"status": "pending", "visits": 0, "attempts": 0, "error": None}


class Visit:
    """One node at work in one scope."""

    __slots__ = (
        "answer", "attempt", "begun", "branches", "children", "cost", "deadline", "doubted", "early", "event",
        "failed_first", "failure", "failures", "index",
        "items", "last", "limit", "need", "next_child", "node", "number", "path", "question", "released", "results",
        "role", "scope", "started", "status", "steps", "successes", "timeout", "tokens", "touched", "width",
    )  # fmt: skip

    def __init__(self, scope: Scope, node: Node, number: int, started: float) -> None:
        self.scope = scope
        self.node = node
        self.number = number
        self.path = scope.prefix + node.name
        self.status = "running"  # running | retrying | waiting | uncertain | again
        self.attempt = 1
        self.event = 0  # the number of the event that the attempt began with
        self.early = False  # failed before it began: at its `when`, at what it works out when it is reached
        self.started = started
        self.tokens = [0, 0]
        self.cost: float | None = 0.0
        self.deadline: float | None = None
        self.timeout: float | None = None
        self.question: Mapping[str, Any] | None = None
        self.answer: Mapping[str, Any] | None = None
        self.role: str | None = None  # that its `route` led to
        self.steps: dict[str, Any] = {}  # of its chain: the results of those that are done, by place
        self.touched: list[str] = []  # tools with effects outside that this attempt has called
        self.doubted: Mapping[str, Any] | None = None  # the call of the step of its chain that is one of them, not over
        # composites
        self.children: list[Scope] = []
        self.items: list[Any] | None = None
        self.branches: list[int] = []  # the indexes of those that are taken
        self.next_child = 0  # where to look for a branch that has not begun
        self.begun = 0
        self.released = 0  # branches that wait for a person and so leave their place to others
        self.width: int | None = None  # max_concurrency
        self.need = 0
        self.successes = 0
        self.failures = 0
        self.failed_first: Failure | None = None
        self.failure: Failure | None = None
        self.index = -1  # of the loop's round
        self.limit: int | None = None
        self.last: Any = None
        self.results: list[Any] = []


class Scope:
    """One scope. `pending` is the node it will enter next; `current` the visit at work (kept where it failed)."""

    __slots__ = (
        "begun", "counters", "current", "depth", "error", "facts", "failure", "graph", "id",
        "index", "inputs", "kind", "locals",
        "names", "output", "outputs", "owner", "pending", "prefix", "queued", "released", "sessions", "state", "status",
        "via",
    )  # fmt: skip

    def __init__(self, id_: int, kind: str, graph: Graph, prefix: str, owner: Visit | None, index: int = 0) -> None:
        self.id = id_
        self.kind = kind  # run | branch | item | round | graph
        self.graph = graph
        self.prefix = prefix
        self.owner = owner
        self.index = index
        self.status = "open"
        self.pending: str | None = None
        self.via = "normal"
        self.current: Visit | None = None
        self.state: State
        self.facts: Facts
        self.inputs: Mapping[str, Any] = {}
        self.locals: Mapping[str, Any] = {}
        self.counters: Mapping[str, int] = {}  # of loop_backs: replaced, never changed in place
        self.output: Any = None
        self.outputs: Any = None  # of the `end` reached
        self.error: Mapping[str, Any] | None = None
        self.failure: Failure | None = None
        self.depth: int = 0 if owner is None else owner.scope.depth + (kind == "graph")
        self.begun = False
        self.queued = False
        self.released = False
        self.sessions: dict[str, list[Mapping[str, Any]]] = {}  # conversations by name; lists are replaced
        self.names: dict[str, Any] | None = None  # cache of what expressions see

    def file_inputs(self) -> Mapping[str, Any]:
        """The inputs of the file in which the graph of this scope stands, be it under `subgraphs`."""
        scope = self
        while "#" in scope.graph.key and scope.owner is not None:
            scope = scope.owner.scope
        return scope.inputs

    def ancestry(self) -> list[int]:
        """The numbers of the visits around this scope, outer ones first."""
        numbers: list[int] = []
        owner = self.owner
        while owner is not None:
            numbers.append(owner.number)
            owner = owner.scope.owner
        return numbers[::-1]

    def __repr__(self) -> str:
        return f"<Scope {self.id} {self.kind} {self.prefix!r} {self.status}>"


class Facts(Mapping[str, Any]):
    """`nodes` as expressions see it: the facts of each node, own ones over the enclosing scope's."""

    __slots__ = ("nodes", "own", "parent")

    def __init__(self, nodes: Mapping[str, Node], parent: Facts | None = None) -> None:
        self.nodes = nodes
        self.parent = parent
        self.own: dict[str, Mapping[str, Any]] = {}

    def __getitem__(self, name: str) -> Any:
        layer: Facts | None = self
        while layer is not None:
            if name in layer.own:
                return layer.own[name]
            layer = layer.parent
        if name in self.nodes:
            return PENDING_FACTS
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)
