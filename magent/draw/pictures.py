"""What is drawn: the root and each subgraph it uses, with the boxes around branches and bodies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from magent.draw.overlay import Marks, facts
from magent.graph import compile as compile_graph
from magent.model import Chain, Graph, Node, Step, Subgraph, Task, Workflow

if TYPE_CHECKING:
    import networkx

LONGEST_LABEL = 120


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


class StepLabel(NamedTuple):
    """A step of a chain as it is drawn: what it calls, under which name, and when."""

    tool: str
    name: str | None
    when: str | None

    @property
    def title(self) -> str:
        return f"{self.name}: {self.tool}" if self.name else self.tool


def steps_of(node: Node | None, graph: Graph) -> list[StepLabel]:
    """The steps of the chain that a task runs; none where a template names the chain, or it is another task."""
    if not isinstance(node, Task) or not isinstance(node.work, Chain) or not node.work.chain.literal:
        return []
    chain = graph.chains.get(str(node.work.chain.data))
    return [] if chain is None else [StepLabel(str(s.tool.data), s.name, _when(s)) for s in chain.steps]


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
