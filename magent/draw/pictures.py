"""What is drawn: the root and each subgraph it uses, with the boxes around branches and bodies, and their ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from magent.draw.overlay import Marks, Overlay, facts
from magent.graph import compile as compile_graph
from magent.graph import ends_scope
from magent.layout import END
from magent.model import Chain, Graph, Node, Step, Subgraph, Task, Workflow

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
        names = [name for name, data in self.compiled.nodes(data=True) if data["region"] == entry]
        return [name for name in names if name != END or self._is_led_to_end()]

    def _is_led_to_end(self) -> bool:
        """Whether `end` is declared, or anything outside of branches and bodies goes there."""
        before = (self.compiled.nodes[name]["region"] for name in self.compiled.predecessors(END))
        return END in self.graph.nodes or any(self.graph.regions[entry].owner is None for entry in before)

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
        if END in self.graph.nodes or self.graph.regions[entry].owner is None:
            return False
        return any(self.compiled.has_edge(name, END) for name in self.graph.regions[entry].nodes)

    def lines(self, overlay: Overlay | None) -> Iterator[Line]:
        """The edges as they are drawn: what ends a branch or body that has a point leads there, and from there once
        to where the scopes around it go on."""
        onward: dict[tuple[str, str, int], Line] = {}
        points = {entry for entry in self.graph.regions if self.ends_at_point(entry)}
        for source, target, key, data in self.compiled.edges(data=True, keys=True):
            count = None if overlay is None else overlay.taken(self.graph.key, source, target, key)
            entry = self.compiled.nodes[source]["region"]
            line = Line(source, target, data, count)
            if entry not in points:
                yield line
            elif target == END:
                yield replace(line, target=entry, to_point=True)
            elif not self._leaves(source, target, data):
                yield line
            else:
                before = onward.get((entry, target, key))
                total = count if before is None or count is None else count + (before.count or 0)
                onward[entry, target, key] = Line(entry, target, data, total, from_point=True)
        yield from self._last_lines(points, overlay)
        yield from onward.values()

    def _leaves(self, source: str, target: str, data: Mapping[str, Any]) -> bool:
        """Whether an edge is implied by the end of a scope, and not by a node that opens one."""
        inside = self.graph.regions.get(self.compiled.nodes[target]["region"])
        return data["implied"] and (inside is None or inside.owner != source)

    def _last_lines(self, points: set[str], overlay: Overlay | None) -> Iterator[Line]:
        """From the nodes without `next` to the point of their branch or body."""
        for name, node in self.graph.nodes.items():
            entry = node.region or self.graph.entry
            if entry in points and ends_scope(node, self.graph) and not self.compiled.has_edge(name, END):
                count = None if overlay is None else overlay.ended(self.graph.key, name)
                yield Line(name, entry, {"type": "normal", "when": None, "max": None, "implied": True}, count, True)


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as it is drawn, `data` as the compiled graph has it, and how often it was taken. An end of it that is
    the point where a branch or body ends bears the name of that one's entry."""

    source: str
    target: str
    data: Mapping[str, Any]
    count: int | None
    to_point: bool = False
    from_point: bool = False


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
        inner = {"steps": [step.as_json() for step in self.steps]} if self.is_chain else {}
        return {**called, "when": self.when, **inner}

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


def chain_of(node: Node | None) -> str:
    """The name of the chain that a task runs."""
    return str(node.work.chain.data) if isinstance(node, Task) and isinstance(node.work, Chain) else ""


def _when(step: Step) -> str | None:
    if step.when is None:
        return None
    source = step.when.source
    return str(source).lower() if isinstance(source, bool) else str(source)


def short(text: Any) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"


def edge_label(data: Mapping[str, Any], count: int | None = None) -> str:
    """The condition, the bound, and how often a run took it."""
    parts = [short(data["when"])] if data["when"] is not None else []
    if data["max"] is not None:
        parts.append(f"max {short(data['max'])}")
    return " ".join([", ".join(parts), f"×{count}"] if count and count > 1 else [", ".join(parts)]).strip()


def node_lines(name: str, data: Mapping[str, Any], marks: Marks | None = None) -> list[str]:
    lines = [name, short(data["label"])] if data["label"] else [name]
    return [*lines, facts(marks)] if marks is not None else lines
