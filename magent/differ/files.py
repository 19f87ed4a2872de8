"""Two workflows, held against each other as their files say them, includes and subgraphs taken in: nodes, edges,
inputs, agents, roles, tools and the rest. What a template would come to does not matter here, only its text."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from magent.differ import renames
from magent.graph import limit_of, node_edges
from magent.history import Change, difference
from magent.model import Edge, Graph, Node, Workflow

_NAMED = ("inputs", "state", "outputs")  # of each graph
_TEAM = ("agents", "roles", "tools", "chains")  # of each file, with those of its libraries
_OF_GRAPHS = (*_NAMED, *_TEAM, "nodes", "subgraphs", "include", "defaults", "magent")
_OF_EDGES = ("next", "switch", "cases", "default", "on_error")  # told as edges, where a node is a condition; see _keys


class Item(NamedTuple):
    """`what` is add, change, remove or rename; of a change, `changes` say which parts of it are others; `was` is what
    it was called before it was renamed."""

    what: str
    name: str
    changes: list[Change]
    was: str | None = None

    def as_json(self) -> dict[str, Any]:
        told = {"what": self.what, "name": self.name, "changes": [change.as_json() for change in self.changes]}
        return told | ({"was": self.was} if self.was is not None else {})


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
    mine, theirs = _own(first, before), _own(second, after)
    names = renames.renamed(first, second, mine, theirs)
    yield Section("nodes", place, _nodes(first, second, mine, theirs, names))
    yield Section("edges", place, _edges(first, second, names))
    rename = renames.renamer(names)
    for name in _NAMED:
        yield Section(name, place, _entries(_mapping(rename(before.get(name))), _mapping(after.get(name))))
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


def _own(graph: Graph, document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What each node says beside its edges, by name."""
    return {name: _keys(document["nodes"][name]) for name in graph.nodes if name in document["nodes"]}


def _nodes(
    first: Graph, second: Graph, old: Mapping[str, Any], new: Mapping[str, Any], names: Mapping[str, str]
) -> list[Item]:
    rename = renames.renamer(names)
    items = [Item("rename", after, [], before) for before, after in names.items()]
    items += _entries({names.get(name, name): rename(said) for name, said in old.items()}, new)
    if names.get(first.entry, first.entry) != second.entry:
        items.append(Item("change", "(entry)", [Change("change", "", first.entry, second.entry)]))
    return items


def _keys(node: Any) -> dict[str, Any]:
    """What a node says beside its edges."""
    edges = _OF_EDGES if isinstance(node, Mapping) and node.get("type") == "condition" else ("next", "on_error")
    return {name: value for name, value in _mapping(node).items() if name not in edges}


def _edges(first: Graph, second: Graph, names: Mapping[str, str]) -> list[Item]:
    """An edge is the same where it leads from the same node to the same one; of several, in their order."""
    old, new = _ways(first, names), _ways(second, {})
    return _entries(old, new) + _order(first, second, names)


def _ways(graph: Graph, names: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    rename = renames.renamer(names)
    for old, node in graph.nodes.items():
        name = names.get(old, old)
        for edge, when in node_edges(node):
            text = f"{name} → {names.get(edge.target, edge.target)}"
            number = 1
            while (key := text + (f" ({number})" if number > 1 else "")) in found:
                number += 1
            found[key] = _edge(node, edge, rename(when))
        if node.on_error.action == "continue":
            found[f"{name} (on_error: continue)"] = {}
    return found


def _edge(node: Node, edge: Edge, when: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {"type": edge.kind} | ({"when": when} if when is not None else {})
    if edge.kind == "loop_back":
        told["max"] = limit_of(edge)
    return told | ({"on_error": True} if node.on_error.edge is edge else {})


def _order(first: Graph, second: Graph, names: Mapping[str, str]) -> list[Item]:
    """Edges are tried in order: of a node that has the same ones in another, that is told."""
    found = []
    for old in first.nodes:
        name = names.get(old, old)
        if name in second.nodes:
            before = [names.get(edge.target, edge.target) for edge, _ in node_edges(first.nodes[old])]
            after = [edge.target for edge, _ in node_edges(second.nodes[name])]
            if before != after and sorted(before) == sorted(after):
                found.append(Item("change", f"{name}: the order", [Change("change", "", before, after)]))
    return found
