"""The compiled networkx graph of a workflow: what is drawn, and what `workflow.graph` shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from magent.layout import END
from magent.model import (
    DEFAULT_LOOP_BACK_MAX,
    Choice,
    Edge,
    EdgeKind,
    End,
    Graph,
    HumanInput,
    Loop,
    Node,
    Parallel,
    Task,
    Workflow,
)

if TYPE_CHECKING:
    import networkx


def compile(workflow: Workflow, graph: Graph | None = None) -> networkx.MultiDiGraph[str]:
    """The compiled graph: the root's, or `graph`'s, nodes and edges, and the edges that scopes imply.

    Nodes carry `type`, `label` (what a task does, what a person is asked for), `description`, `region`. Edges carry
    `type`, `when` (text or None), `max` (number or text, loop_backs only) and `implied`. A subgraph is one node. Where
    `to: end` ends a branch or a round, the edge is that to where the end of it leads.
    """
    import networkx

    graph = graph or workflow.graph
    compiled: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(name=workflow.name, entry=graph.entry)
    for name, node in graph.nodes.items():
        compiled.add_node(
            name, type=node.type, label=_label(node), description=node.description, region=node.region or graph.entry
        )
    for name, node in graph.nodes.items():
        inner = (node.region or graph.entry) != graph.entry
        for edge, when in node_edges(node):
            if edge.target != END or END in graph.nodes or not inner:
                _add(compiled, name, edge.target, edge.kind, when, limit_of(edge), implied=False)
    for entry, region in graph.regions.items():
        if region.owner is not None:
            condition = _opening_condition(graph.nodes[region.owner], entry)
            _add(compiled, region.owner, entry, "normal", condition, implied=True)
    for name, ending, way in implied(graph):
        _add(compiled, name, way.target, way.kind, _then(ending.when, way.when), way.limit, implied=True)
    if END in compiled and END not in graph.nodes:
        compiled.add_node(END, type="end", label="", description="", region=graph.entry)
    return compiled


def _label(node: Node) -> str:
    if isinstance(node, Task):
        kind = type(node.work).__name__
        return "set" if kind == "SetOnly" else kind.lower()
    if isinstance(node, HumanInput):
        return node.input
    return node.status if isinstance(node, End) else ""


def limit_of(edge: Edge) -> Any:
    """How often a loop_back may be taken: a number, or the template's text; None of other edges."""
    if edge.kind != "loop_back":
        return None
    return DEFAULT_LOOP_BACK_MAX if edge.max is None else edge.max.data


def _text(source: Any) -> str:
    return str(source).lower() if isinstance(source, bool) else str(source)


def node_edges(node: Node) -> Iterator[tuple[Edge, str | None]]:
    """Every edge of a node with the text of its condition: `next`, cases, default, `on_error`."""
    for edge in node.next:
        yield edge, None if edge.when is None else _text(edge.when.source)
    if isinstance(node, Choice) and node.switch is not None:
        for case in node.cases:
            yield case.edge, f"{_text(node.switch.source)} == {case.text!r}"
    if isinstance(node, Choice) and node.default is not None:
        yield node.default, None
    if node.on_error.edge is not None:
        yield node.on_error.edge, "on error"


def _add(
    compiled: networkx.MultiDiGraph[str],
    source: str,
    target: str,
    kind: EdgeKind,
    when: str | None,
    limit: Any = None,
    *,
    implied: bool,
) -> None:
    shown: EdgeKind = "conditional" if kind == "normal" and when is not None else kind
    compiled.add_edge(source, target, type=shown, when=when, max=limit, implied=implied)


@dataclass(frozen=True, slots=True)
class Onward:
    """Where the end of a scope leads, by edges of the nodes around it: `via`, as (node, target, how many edges between
    the two stand before it)."""

    target: str
    kind: EdgeKind
    when: str | None = None
    limit: Any = None
    via: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a node ends its scope: by an edge to `end`, `number` counting these, or (None) because nothing follows it."""

    number: int | None = None
    when: str | None = None


def implied(graph: Graph) -> Iterator[tuple[str, Ending, Onward]]:
    """The edges that the ends of branches and rounds imply, in the order in which the compiled graph has them."""
    onward: dict[str, tuple[Onward, ...]] = {graph.entry: ()}
    for entry, region in graph.regions.items():  # outer ones first
        if region.owner is not None:
            owner = graph.nodes[region.owner]
            onward[entry] = _after(owner, onward.get(owner.region or graph.entry, ()), graph)
        for name in region.nodes:
            for ending in endings(graph.nodes[name], graph):
                for way in onward.get(entry, ()):
                    yield name, ending, way


def endings(node: Node, graph: Graph) -> list[Ending]:
    """The ways in which the scope can end with this node."""
    conditions = [when for edge, when in node_edges(node) if edge.target == END and END not in graph.nodes]
    found = [Ending(number, when) for number, when in enumerate(conditions)]
    return found + ([Ending()] if not node.next and not isinstance(node, Choice) else [])


def ends_scope(node: Node, graph: Graph) -> bool:
    """Whether the scope can end with this node."""
    return bool(endings(node, graph))


def _after(owner: Node, outer: tuple[Onward, ...], graph: Graph) -> tuple[Onward, ...]:
    if isinstance(owner, Loop):
        return (Onward(owner.name, "loop_back"),)
    if not owner.next:
        return outer
    inside = END not in graph.nodes and (owner.region or graph.entry) != graph.entry
    ways: list[Onward] = []
    numbers: Counter[str] = Counter()
    for edge in owner.next:
        when = None if edge.when is None else _text(edge.when.source)
        step = (owner.name, edge.target, numbers[edge.target])
        numbers[edge.target] += 1
        if edge.target == END and inside:  # it ends the scope around the owner
            ways += [replace(way, when=_then(when, way.when), via=(step, *way.via)) for way in outer]
        else:
            ways.append(Onward(edge.target, edge.kind, when, limit_of(edge), (step,)))
    return tuple(ways)


def _then(*conditions: str | None) -> str | None:
    """Of edges that are taken one after the other."""
    return ", then ".join(filter(None, conditions)) or None


def _opening_condition(owner: Node, entry: str) -> str | None:
    if isinstance(owner, Parallel):
        found = next((branch for branch in owner.branches if branch.to == entry), None)
        return _text(found.when.source) if found and found.when is not None else None
    if isinstance(owner, Loop) and owner.kind == "while" and owner.condition is not None:
        return _text(owner.condition.source)
    return None
