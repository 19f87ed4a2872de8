"""Two workflows, held against each other as their files say them, includes and subgraphs taken in: nodes, edges,
inputs, agents, roles, tools and the rest. What a template would come to does not matter here, only its text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from magent.graph import limit_of, node_edges
from magent.history import Change, difference
from magent.model import Edge, Graph, Node, Workflow

_NAMED = ("inputs", "state", "outputs")  # of each graph
_TEAM = ("agents", "roles", "tools", "chains")  # of each file, with those of its libraries
_OF_GRAPHS = (*_NAMED, *_TEAM, "nodes", "subgraphs", "include", "defaults", "magent")
_OF_EDGES = ("next", "switch", "cases", "default", "on_error")  # told as edges, where a node is a condition; see _keys


class Item(NamedTuple):
    """`what` is add, change or remove; of a change, `changes` say which parts of it are others."""

    what: str
    name: str
    changes: list[Change]

    def as_json(self) -> dict[str, Any]:
        return {"what": self.what, "name": self.name, "changes": [change.as_json() for change in self.changes]}


class Section(NamedTuple):
    """What differs of one sort: `title` is nodes, edges, agents …, `place` the subgraph or file, "" for the whole."""

    title: str
    place: str
    items: list[Item]

    def as_json(self) -> dict[str, Any]:
        return {"of": self.title, "in": self.place or None, "items": [item.as_json() for item in self.items]}


def compare(old: Workflow, new: Workflow) -> list[Section]:
    """What makes `new` of `old`, section by section; empty where nothing differs."""
    return [section for section in _sections(old, new) if section.items]


def _sections(old: Workflow, new: Workflow) -> Iterator[Section]:
    first, second = _graphs(old), _graphs(new)
    yield Section("settings", "", _settings(_document(old, old.graph), _document(new, new.graph)))
    yield Section("defaults", "", _entries(_team(old, old.root, "defaults"), _team(new, new.root, "defaults")))
    for place in [*{**first, **second}]:
        yield from _of_graph(place, old, first.get(place), new, second.get(place))


def _of_graph(place: str, old: Workflow, first: Graph | None, new: Workflow, second: Graph | None) -> Iterator[Section]:
    if first is None or second is None:
        yield Section("subgraphs", "", [Item("add" if first is None else "remove", place, [])])
        return
    before, after = _document(old, first), _document(new, second)
    yield Section("nodes", place, _nodes(first, second, before, after))
    yield Section("edges", place, _edges(first, second))
    for name in _NAMED:
        yield Section(name, place, _entries(_mapping(before.get(name)), _mapping(after.get(name))))
    if "#" not in first.key:
        for name in _TEAM:
            yield Section(name, place, _entries(_team(old, first.key, name), _team(new, second.key, name)))


# ---- where things stand


def _graphs(workflow: Workflow) -> dict[str, Graph]:
    """Every graph by a name that is the same wherever the files are: "" is the whole."""
    found = {}
    for key, graph in workflow.graphs.items():
        file, _, inner = key.partition("#")
        place = "" if file == workflow.root else os.path.relpath(file, workflow.home or ".")
        found[f"{place}#{inner}" if inner and place else inner or place] = graph
    return found


def _document(workflow: Workflow, graph: Graph) -> Mapping[str, Any]:
    """The graph as its file says it."""
    file, _, inner = graph.key.partition("#")
    data: Mapping[str, Any] = workflow.frozen["documents"][file]["data"]
    return _mapping(data["subgraphs"][inner]) if inner else data


def _team(workflow: Workflow, file: str, section: str) -> dict[str, Any]:
    """What the file has in a section, and what its libraries have there; its own counts."""
    frozen, found, work, seen = workflow.frozen, [], [file], set()
    while work:
        key = work.pop()
        if key not in seen:
            seen.add(key)
            home = frozen["documents"].get(key) or frozen.get("libraries", {}).get(key) or {"data": {}}
            found.append(_mapping(home["data"].get(section)))
            work += reversed(frozen.get("includes", {}).get(key, ()))
    return {name: value for each in reversed(found) for name, value in each.items()}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {} if value is None else {"": value}


# ---- what differs


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Item]:
    def own(document: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name not in _OF_GRAPHS and name[:2] != "x-"}

    return _entries(own(before), own(after))


def _entries(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Item]:
    """By name what was added, taken away, and changed."""
    found = [Item("remove", name, []) for name in before if name not in after]
    for name, value in after.items():
        if name not in before:
            found.append(Item("add", name, []))
        elif changes := _changes(before[name], value):
            found.append(Item("change", name, changes))
    return found


def _changes(before: Any, after: Any) -> list[Change]:
    """The paths begin within the entry; "" is all of it."""
    whole = [] if before == after and type(before) is type(after) else [Change("change", "", before, after)]
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return whole
    found = difference("", {**before}, {**after}, nulls=True)
    return [change._replace(path=change.path.removeprefix(".")) for change in found]


def _nodes(first: Graph, second: Graph, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Item]:
    old = {name: _keys(before["nodes"][name]) for name in first.nodes if name in before["nodes"]}
    new = {name: _keys(after["nodes"][name]) for name in second.nodes if name in after["nodes"]}
    items = _entries(old, new)
    if first.entry != second.entry:
        items.append(Item("change", "(entry)", [Change("change", "", first.entry, second.entry)]))
    return items


def _keys(node: Any) -> dict[str, Any]:
    """What a node says beside its edges."""
    edges = _OF_EDGES if isinstance(node, Mapping) and node.get("type") == "condition" else ("next", "on_error")
    return {name: value for name, value in _mapping(node).items() if name not in edges}


def _edges(first: Graph, second: Graph) -> list[Item]:
    """An edge is the same where it leads from the same node to the same one; of several, in their order."""
    old, new = _ways(first), _ways(second)
    return _entries(old, new) + _order(first, second)


def _ways(graph: Graph) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, node in graph.nodes.items():
        for edge, when in node_edges(node):
            text = f"{name} → {edge.target}"
            number = 1
            while (key := text + (f" ({number})" if number > 1 else "")) in found:
                number += 1
            found[key] = _edge(node, edge, when)
        if node.on_error.action == "continue":
            found[f"{name} (on_error: continue)"] = {}
    return found


def _edge(node: Node, edge: Edge, when: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": edge.kind} | ({"when": when} if when is not None else {})
    if edge.kind == "loop_back":
        told["max"] = limit_of(edge)
    return told | ({"on_error": True} if node.on_error.edge is edge else {})


def _order(first: Graph, second: Graph) -> list[Item]:
    """Edges are tried in order: of a node that has the same ones in another, that is told."""
    found = []
    for name in first.nodes:
        if name in second.nodes:
            before, after = ([edge.target for edge, _ in node_edges(graph.nodes[name])] for graph in (first, second))
            if before != after and sorted(before) == sorted(after):
                found.append(Item("change", f"{name}: the order", [Change("change", "", before, after)]))
    return found
