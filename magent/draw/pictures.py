"""What is drawn: the root and each subgraph it uses, with the boxes around branches and bodies, and their ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from magent.draw.marks import Marks, facts
from magent.draw.overlay import Overlay
from magent.graph import Ending, endings, limit_of, node_edges
from magent.graph import compile as compile_graph
from magent.layout import END
from magent.model import Chain, EdgeKind, Graph, Node, Parallel, Step, Subgraph, Task, Workflow

if TYPE_CHECKING:
    import networkx

LONGEST_LABEL = 120
MOST_STEPS = 200  # of one task's chains, that are drawn


@dataclass(frozen=True, slots=True)
class Picture:
    """One graph to draw. `prefix` keeps the ids of different graphs apart; the root's is empty."""

    prefix: str
    title: str
    graph: Graph
    compiled: networkx.MultiDiGraph[str]

    def children(self) -> dict[str | None, list[str]]:
        """Which regions stand directly inside which, by entry; the graph's own stands in None."""
        inside: dict[str | None, list[str]] = {}
        for entry, region in self.graph.regions.items():
            owner = self.graph.nodes[region.owner].region or self.graph.entry if region.owner else None
            inside.setdefault(owner, []).append(entry)
        return inside

    def members(self, entry: str) -> list[str]:
        return [name for name, data in self.compiled.nodes(data=True) if data["region"] == entry]

    def walk(self) -> Iterator[tuple[int, str | None, str]]:
        """(depth, box title or None, node): boxes as they open, nodes as they stand; depth falls where boxes end."""
        children = self.children()
        stack = [(0, entry) for entry in reversed(children.get(None, []))]
        while stack:
            depth, entry = stack.pop()
            owner = self.graph.regions[entry].owner
            if owner is not None:
                yield depth, f"{owner}: {entry}", entry
            for name in self.members(entry):
                yield depth + (owner is not None), None, name
            stack += [(depth + (owner is not None), inner) for inner in reversed(children.get(entry, []))]

    def ends_at_point(self, entry: str) -> bool:
        """Whether a `to: end` stands in a branch or body: it leads to the end of that, which is drawn as a point."""
        if self.graph.regions[entry].owner is None:
            return False
        return any(
            ending.number is not None
            for name in self.graph.regions[entry].nodes
            for ending in endings(self.graph.nodes[name], self.graph)
        )

    def meets(self, name: str) -> bool:
        """Whether branches meet behind a node: that is drawn as a point, from which its `next` leads on."""
        return isinstance(self.graph.nodes.get(name), Parallel)

    def lines(self, overlay: Overlay | None) -> Iterator[Line]:
        """The edges as they are drawn: branches lead to where they meet, rounds back to their loop, each from its point
        if it has one."""
        for entry, region in self.graph.regions.items():
            point = self.ends_at_point(entry)
            if region.owner is not None:
                yield self._opening(region.owner, entry, overlay)
            for name in region.nodes:
                yield from self._edges(name, entry, overlay)
                if Ending() in endings(self.graph.nodes[name], self.graph):
                    whole = Port(name, "meeting" if self.meets(name) else "node")
                    yield from self._end(entry, whole, self._ended(overlay, name), point)
            if point:
                counts = [self._ended(overlay, name) for name in region.nodes]
                total = None if overlay is None else sum(count or 0 for count in counts)
                yield from self._end(entry, Port(entry, "end"), total, False)

    def _opening(self, owner: str, entry: str, overlay: Overlay | None) -> Line:
        edge = next(edge for edge in self.compiled[owner][entry].values() if edge["implied"])
        count = None if overlay is None else overlay.taken(self.graph.key, owner, entry, 0)
        return Line(Port(owner), Port(entry), edge["type"], edge["when"], None, count, implied=True)

    def _edges(self, name: str, entry: str, overlay: Overlay | None) -> Iterator[Line]:
        """The edges of the file."""
        node = self.graph.nodes[name]
        numbers: Counter[str] = Counter()
        for edge, when in node_edges(node):
            count = None if overlay is None else overlay.taken(self.graph.key, name, edge.target, numbers[edge.target])
            numbers[edge.target] += 1
            inner = edge.target == END and END not in self.graph.nodes and self.graph.regions[entry].owner is not None
            target = Port(entry, "end") if inner else Port(edge.target)
            caught = edge is node.on_error.edge
            kind = "conditional" if edge.kind == "normal" and when is not None else edge.kind
            out: Part = "whole" if caught else "meeting" if self.meets(name) else "node"
            yield Line(Port(name, out), target, kind, when, limit_of(edge), count)

    def _end(self, entry: str, source: Port, count: int | None, point: bool) -> Iterator[Line]:
        """From where a branch or round ends to its point, or on from there."""
        owner = self.graph.regions[entry].owner
        if owner is None:
            return
        kind: EdgeKind = "normal" if point or self.meets(owner) else "loop_back"
        target = Port(entry, "end") if point else Port(owner, "meeting" if self.meets(owner) else "node")
        yield Line(source, target, kind, None, None, count, implied=True)

    def _ended(self, overlay: Overlay | None, name: str) -> int | None:
        return None if overlay is None else overlay.ended(self.graph.key, name)


Part = Literal["node", "whole", "meeting", "end"]


@dataclass(frozen=True, slots=True)
class Port:
    """Where a line begins or ends: at a node, of a chain at its last step; at a node as a `whole`; where branches of
    the node of that name are `meeting`; or at the `end` of the branch or body that begins with the node."""

    name: str
    part: Part = "node"


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as it is drawn, `count` how often it was taken, None where no run is told."""

    source: Port
    target: Port
    kind: EdgeKind
    when: str | None
    limit: Any
    count: int | None
    implied: bool = False


def graphs_of(workflow: Workflow) -> list[str]:
    """The keys of the root and of every subgraph that it uses, directly or not, in the order of their first use."""
    keys = [workflow.root]
    for key in keys:  # grows
        for node in workflow.graphs[key].nodes.values():
            if isinstance(node, Subgraph) and node.uses in workflow.graphs and node.uses not in keys:
                keys.append(node.uses)
    return keys


def pictures(workflow: Workflow) -> list[Picture]:
    """The root and every subgraph that it uses, directly or not, in the order of their first use."""
    pictures = []
    for number, key in enumerate(graphs_of(workflow)):
        graph = workflow.graphs[key]
        title = title_of(key, workflow) if number else workflow.name
        pictures.append(Picture(f"g{number}_" if number else "", title, graph, compile_graph(workflow, graph)))
    return pictures


def title_of(key: str, workflow: Workflow) -> str:
    """The key of a graph as people know it: by its name in the file, or its file's path from the workflow's own."""
    return key.removeprefix(f"{workflow.root}#").removeprefix(workflow.home.rstrip("/") + "/")


@dataclass(frozen=True, slots=True)
class StepLabel:
    """A step of a chain as it is drawn: what it calls, under which name, and when; where it is a chain, its steps.
    `place` is unique in the task: `0`, `1.0`."""

    place: str
    callee: str
    is_chain: bool
    name: str | None
    when: str | None
    steps: Sequence[StepLabel] = ()

    @property
    def title(self) -> str:
        called = f"chain {self.callee}" if self.is_chain else self.callee
        return f"{self.name}: {called}" if self.name else called

    def as_json(self) -> dict[str, Any]:
        called: dict[str, Any] = {"chain" if self.is_chain else "tool": self.callee, "name": self.name}
        return {**called, "when": self.when}

    def walk(self, depth: int = 0) -> Iterator[tuple[int, StepLabel]]:
        """The step and those in it, in order, with how deep they stand."""
        yield depth, self
        for step in self.steps:
            yield from step.walk(depth + 1)

    @property
    def last(self) -> StepLabel:
        """The step that is done last: itself, or one in it."""
        return self.steps[-1].last if self.steps else self


def steps_of(node: Node | None, graph: Graph) -> list[StepLabel]:
    """The steps of the chain that a task runs; none where a template names the chain, or it is another task."""
    if not isinstance(node, Task) or not isinstance(node.work, Chain) or not node.work.chain.literal:
        return []
    return _labels(str(node.work.chain.data), graph, "", [MOST_STEPS])


def last_step(node: Node | None, graph: Graph) -> StepLabel | None:
    """The step after which a task with a chain goes on; None where none is drawn."""
    steps = steps_of(node, graph)
    return steps[-1].last if steps else None


def _labels(name: str, graph: Graph, place: str, left: list[int]) -> list[StepLabel]:
    """Of chains within chains only so many steps are drawn: twice two, twice, ten deep, are a thousand."""
    chain = graph.chains.get(name)
    labels = []
    for index, step in enumerate(chain.steps if chain is not None and left[0] > 0 else ()):
        left[0] -= 1
        own, callee = f"{place}{index}", str(step.callee.data)
        inner = _labels(callee, graph, f"{own}.", left) if step.is_chain else ()
        labels.append(StepLabel(own, callee, step.is_chain, step.name, _when(step), inner))
    return labels


def step_lines(step: StepLabel, marks: Marks | None) -> list[str]:
    return [short(step.title), *([facts(marks)] if marks is not None else [])]


def passed(marks: Marks | None) -> int:
    """How often a run came into a step, and did it."""
    return 0 if marks is None else marks.visits - marks.statuses["skipped"]


def chain_of(node: Node | None) -> str:
    """The name of the chain that a task runs."""
    return str(node.work.chain.data) if isinstance(node, Task) and isinstance(node.work, Chain) else ""


def _when(step: Step) -> str | None:
    if step.when is None:
        return None
    source = step.when.source
    return str(source).lower() if isinstance(source, bool) else str(source)


def pad(depth: int) -> str:
    """The space before a line of DOT or Mermaid; what is nested by the hundred goes no further to the right."""
    return "  " * min(depth, 40)


def short(text: Any) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"


def edge_label(line: Line) -> str:
    """The condition, the bound, and how often a run took it."""
    parts = [short(line.when)] if line.when is not None else []
    if line.limit is not None:
        parts.append(f"max {short(line.limit)}")
    times = f"×{line.count}" if line.count and line.count > 1 else ""
    return " ".join(part for part in (", ".join(parts), times) if part)


def node_lines(name: str, data: Mapping[str, Any], marks: Marks | None = None) -> list[str]:
    lines = [name, short(data["label"])] if data["label"] else [name]
    return [*lines, facts(marks)] if marks is not None else lines
