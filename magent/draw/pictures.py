"""What is drawn: the root and each subgraph it uses, with the boxes around branches and bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magent.draw.overlay import Marks, facts
from magent.graph import compile as compile_graph
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


def steps_of(node: Node | None, graph: Graph) -> list[StepLabel]:
    """The steps of the chain that a task runs; none where a template names the chain, or it is another task."""
    if not isinstance(node, Task) or not isinstance(node.work, Chain) or not node.work.chain.literal:
        return []
    return _labels(str(node.work.chain.data), graph, "", [MOST_STEPS])


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
