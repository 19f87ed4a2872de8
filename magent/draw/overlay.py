"""What a run did to its graph, from its events: visits, times and costs of each node, how often each edge was taken.

Nodes are `(graph's key, name)`, edges `(graph's key, source, target, key)` as the compiled graph counts parallel ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.draw.marks import Marks
from magent.draw.passes import Passes, StepId
from magent.events import Event
from magent.graph import Ending, endings, implied, node_edges
from magent.layout import END
from magent.model import Chain, Graph, HumanInput, Loop, Node, Parallel, Subgraph, Task, Workflow

NodeId = tuple[str, str]
EdgeId = tuple[str, str, str, int]

_LIFE_ENDS = {
    "run.waiting": "waiting",
    "run.interrupted": "interrupted",
    "run.forked": "interrupted",
    "run.failed": "cancelled",
    "run.cancelled": "cancelled",
    "run.completed": "cancelled",
}
_OVER = ("completed", "failed", "skipped", "cancelled")
_AT_WORK = {"started": "running", "retry": "running", "spent": "running", "answered": "running", "waiting": "waiting"}


@dataclass(frozen=True, slots=True)
class Overlay:
    """The marks of the nodes that were reached and of the steps of their chains, how often each edge was taken, and how
    often a scope ended with each node."""

    nodes: Mapping[NodeId, Marks]
    edges: Mapping[EdgeId, int]
    ends: Mapping[NodeId, int] = field(default_factory=dict)
    steps: Mapping[StepId, Marks] = field(default_factory=dict)

    def node(self, graph: str, name: str) -> Marks | None:
        return self.nodes.get((graph, name))

    def step(self, graph: str, name: str, place: str) -> Marks | None:
        return self.steps.get((graph, name, place))

    def taken(self, graph: str, source: str, target: str, key: int) -> int:
        return self.edges.get((graph, source, target, key), 0)

    def ended(self, graph: str, name: str) -> int:
        return self.ends.get((graph, name), 0)


@dataclass(slots=True)
class _Visit:
    """`lasting`: its beginning was recorded; what is over at once has an end alone. `started` is when it was begun or
    gone on with last, `before` the seconds that it had worked by then. `held`: the life ended that it ran in."""

    node: NodeId
    status: str
    started: float
    before: float = 0.0
    ended: float | None = None
    held: bool = False
    lasting: bool = False
    opened: bool = False  # the scopes that it opens are counted


def overlay(workflow: Workflow, events: Iterable[Event], *, alive: bool = True) -> Overlay:
    """Reads the events of one run. `alive` False: nobody drives it and nothing waits, so what seems
    to run was interrupted."""
    reading = _Reading(workflow)
    for event in events:
        reading.take(event)
    if not alive:
        reading.end_life("interrupted")
    return reading.result()


class _Reading:
    """A visit is known by scope, address and number: a later life goes on with it under the same."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.places: dict[str, tuple[str, Graph]] = {}  # address → graph's key and graph
        self.visits: list[_Visit] = []
        self.known: dict[tuple[int, str, int], _Visit] = {}
        self.open: dict[tuple[int, str], _Visit] = {}
        self.marks: dict[NodeId, Marks] = {}
        self.passes = Passes()
        self.edges: Counter[EdgeId] = Counter()
        self.ends: Counter[NodeId] = Counter()  # how often a scope ended with the node
        self.last = 0.0  # when somebody was seen at work last

    def take(self, event: Event) -> None:
        kind, _, what = event.type.partition(".")
        if event.type == "run.resumed":
            self._go_on(event.time)
        if event.type != "visit.answered":  # which can come while nobody drives the run
            self.last = event.time
        if kind == "visit":
            self._visit(event, what)
        elif kind == "tool" and "step" in event.data:
            self._step(what, event.data)
        elif event.type == "round.started":
            key, graph = self._graph(event.data["path"])
            node = graph.nodes.get(_last(event.data["path"]).partition("[")[0])
            if isinstance(node, Loop):
                self.edges[key, node.name, node.body, 0] += 1
        elif event.type in _LIFE_ENDS:
            self.end_life(_LIFE_ENDS[event.type])

    def _visit(self, event: Event, what: str) -> None:
        data = event.data
        path, scope = data["path"], data["scope"]
        if what == "completed" and data.get("status") == "failed":  # an `end` that fails its scope
            what = "failed"
        key, graph = self._graph(path)
        name = _last(path)
        visit = self._known(event, what, (key, name), scope, path)
        visit.status, visit.held = _AT_WORK.get(what, what), False
        marks = self.marks.setdefault(visit.node, Marks())
        _spend(marks, data)
        if what == "failed":
            marks.error = str((data.get("error") or {}).get("message", ""))
        node = graph.nodes.get(name)
        if node is None:
            return
        if what == "started" and not visit.opened:
            visit.opened = True
            self._opened(key, node, marks, data)
        elif what in _OVER:
            visit.ended = event.time
            self.open.pop((scope, path), None)
            self.passes.leave(*visit.node, id(visit), what)
            if what == "completed" or "caught" in data or what == "skipped":
                self._left(key, node, what, data)

    def _step(self, what: str, data: Mapping[str, Any]) -> None:
        """A step of the chain that is a visit's own work, not of one that an agent called."""
        visit = self.open.get((data["scope"], data["path"]))
        key, graph = self._graph(data["path"])
        node = graph.nodes.get(_last(data["path"]))
        if visit is not None and isinstance(node, Task) and isinstance(node.work, Chain):
            self.passes.take(key, node.name, id(visit), what, data)

    def _known(self, event: Event, what: str, node: NodeId, scope: int, path: str) -> _Visit:
        number = event.data.get("visit")
        if what == "started" and number is not None:
            visit = self.known.get((scope, path, number))
            if visit is None:
                visit = self.known[scope, path, number] = self._new(node, event.time)
            elif visit.ended is not None:  # it failed, and is tried again
                visit.before += max(0.0, visit.ended - visit.started)
                visit.started = event.time
            visit.ended, visit.lasting = None, True
            self.open[scope, path] = visit
            return visit
        found = self.open.get((scope, path))
        return found if found is not None else self._new(node, event.time)

    def _new(self, node: NodeId, time: float) -> _Visit:
        visit = _Visit(node, "running", time)
        self.visits.append(visit)
        return visit

    def _opened(self, key: str, node: Node, marks: Marks, data: Mapping[str, Any]) -> None:
        if isinstance(data.get("items"), list):
            marks.items += len(data["items"])
            if isinstance(node, Parallel) and node.body:
                self.edges[key, node.name, node.body, 0] += len(data["items"])
        if isinstance(node, Parallel):
            for index in data.get("branches", ()):
                self.edges[key, node.name, node.branches[index].to, 0] += 1

    def _left(self, key: str, node: Node, what: str, data: Mapping[str, Any]) -> None:
        target = data.get("next")
        if target is None:
            self.ends[key, node.name] += 1
            return
        self.ends[key, node.name] += target == "end" and target not in self.workflow.graphs[key].nodes
        numbers: Counter[str] = Counter()
        for edge, _ in node_edges(node):
            number = numbers[edge.target]
            numbers[edge.target] += 1
            back = f"{node.name}:{edge.index}>{edge.target}" if edge.kind == "loop_back" else None
            caught = (edge is node.on_error.edge) == (data.get("caught") == "go")
            skipping = what != "skipped" or edge.kind == "normal"
            if edge.target == target and data.get("loop") == back and caught and skipping:
                self.edges[key, node.name, target, number] += 1
                return

    def _graph(self, path: str) -> tuple[str, Graph]:
        """The graph that holds the node at an address, and its key."""
        above = path.rpartition("/")[0]
        if above in self.places:
            return self.places[above]
        key = self.workflow.root
        for step in above.split("/") if above else ():
            node = self.workflow.graphs[key].nodes.get(step.partition("[")[0])
            if isinstance(node, Subgraph):
                key = node.uses
        self.places[above] = key, self.workflow.graphs[key]
        return self.places[above]

    def end_life(self, status: str) -> None:
        for visit in self.open.values():
            if visit.status == "running" or visit.held:
                visit.status, visit.held = status, True
                self.passes.leave(*visit.node, id(visit), status)

    def _go_on(self, now: float) -> None:
        """A new life: what ran in the one before runs again. While nobody was there nobody worked; a person's time
        counts as it passes."""
        for visit in self.open.values():
            key, name = visit.node
            if visit.held:
                visit.status, visit.held = "running", False
            if not isinstance(self.workflow.graphs[key].nodes.get(name), HumanInput):
                visit.before += max(0.0, self.last - visit.started)
                visit.started = now

    def result(self) -> Overlay:
        for visit in self.visits:
            marks = self.marks[visit.node]
            marks.statuses[visit.status] += 1
            if visit.ended is not None and visit.lasting:
                marks.seconds += visit.before + max(0.0, visit.ended - visit.started)
                marks.timed = True
        self._count_items()
        self._imply()
        return Overlay(self.marks, dict(self.edges), dict(self.ends), self.passes.marks())

    def _count_items(self) -> None:
        """An item is done when a scope ended well with it, and failed when a visit failed that nothing caught."""
        for key, graph in self.workflow.graphs.items():
            for entry, region in graph.regions.items():
                owner = self.marks.get((key, region.owner)) if region.owner else None
                if owner is not None and owner.items:
                    owner.done += sum(self.ends[key, name] for name in region.nodes)
                    owner.failed += self._failures(key, graph, entry)

    def _failures(self, key: str, graph: Graph, entry: str) -> int:
        count = 0
        for name in graph.regions[entry].nodes:
            marks = self.marks.get((key, name))
            count += marks.statuses["failed"] if marks and graph.nodes[name].on_error.action == "fail" else 0
        return count

    def _imply(self) -> None:
        """The edges that the end of a scope implies: taken as often as a scope ended so, where it led there."""
        for key, graph in self.workflow.graphs.items():
            numbers: Counter[tuple[str, str]] = Counter()
            for name, ending, way in implied(graph):
                number = numbers[name, way.target]
                numbers[name, way.target] += 1
                if all(self.edges[key, *step] for step in way.via):
                    self.edges[key, name, way.target, number] += self._endings(key, name, ending, graph)

    def _endings(self, key: str, name: str, ending: Ending, graph: Graph) -> int:
        if ending.number is not None:
            return self.edges[key, name, END, ending.number]
        by_edges = sum(self.edges[key, name, END, at] for at in range(len(endings(graph.nodes[name], graph)) - 1))
        return self.ends[key, name] - by_edges


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _spend(marks: Marks, data: Mapping[str, Any]) -> None:
    if tokens := data.get("tokens"):
        marks.tokens += tokens["input"] + tokens["output"]
        cost = data.get("cost")
        marks.cost = None if cost is None or marks.cost is None else marks.cost + cost
