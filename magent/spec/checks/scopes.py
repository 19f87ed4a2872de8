"""The shape of graphs: scopes, edges, cycles, conditions."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from magent.layout import END, Fault, Link
from magent.source import Path, Problem
from magent.spec.checks.context import Context
from magent.spec.checks.shapes import enum_of
from magent.spec.checks.views import GraphView, Place


def _links(graph: GraphView) -> Iterator[tuple[str, Link]]:
    for name, node in graph.sketches.items():
        for link in (*node.links, *node.opens):
            yield name, link


def check_targets(context: Context) -> Iterator[Problem]:
    """Every edge, branch and body names a node of its graph."""
    for graph in context.graphs:
        for name, link in _links(graph):
            place = graph.at(name, *link.path)
            opens = link.path[0] in ("branches", "body")
            if link.target in graph.nodes or link.target in graph.names:
                continue
            if link.target == END and not opens:
                continue
            if link.target == END:
                message = f"`end` cannot be a {'body' if link.path[0] == 'body' else 'branch'}: it does no work"
                yield place.problem("unknown-node", message)
            else:
                yield _unknown_target(context, graph, place, link.target)


def _unknown_target(context: Context, graph: GraphView, place: Place, target: str) -> Problem:
    message = f"there is no node '{target}'"
    hint = context.hint(target, chain(graph.names, (END,)))
    if hint is None:
        shown = ", ".join(islice(graph.names, 12)) + (", …" if len(graph.names) > 12 else "")
        hint = f"known nodes: {shown}"
    return place.problem("unknown-node", message, hint=hint)


def check_scopes(context: Context) -> Iterator[Problem]:
    """Each node belongs to one scope and is reached, no edge crosses a scope's border, loop_backs close cycles."""
    for graph in context.graphs:
        if graph.layout is None:
            continue
        lost = [fault for fault in graph.layout.faults if fault.kind == "unreachable"]
        excused = _excused(context, graph) if lost else ()
        for fault in lost:
            if not any(name in excused for name in (fault.node, *fault.names)):
                yield _unreachable(graph, fault)
        for fault in graph.layout.faults:
            if fault.kind != "unreachable":
                yield _FAULTS[fault.kind](graph, fault)


def _starts(graph: GraphView, fault: Fault) -> Problem:
    message = f"a graph has one `start`, and '{fault.other}' is one already"
    return graph.at(fault.node).problem("several-starts", message, key=True, related=graph.at(fault.other))


def _entry(graph: GraphView, fault: Fault) -> Problem:
    message = f"'{fault.target}' is where the graph starts, so it cannot be {_part(fault)} of '{fault.node}' too"
    hint = f"the first node is the entry: put '{fault.node}' first, or add a node of type `start`"
    return graph.at(fault.node, *fault.path).problem(
        "scope", message, hint=hint, related=graph.at(fault.target), related_key=True
    )


def _itself(graph: GraphView, fault: Fault) -> Problem:
    message = f"'{fault.node}' cannot be {_part(fault)} of itself"
    return graph.at(fault.node, *fault.path).problem("scope", message)


def _opened_twice(graph: GraphView, fault: Fault) -> Problem:
    other = _part_of(fault.other_path)
    message = f"'{fault.target}' is {other} of '{fault.other}' already, and each node belongs to one scope"
    related = graph.at(fault.other, *fault.other_path)
    return graph.at(fault.node, *fault.path).problem("shared-node", message, hint=_COPY, related=related)


_COPY = "give each its own node; work used twice can be a `subgraph`"


def _part(fault: Fault) -> str:
    return _part_of(fault.path)


def _part_of(path: Path) -> str:
    return "the body" if path[0] == "body" else "a branch"


def scope_name(graph: GraphView, entry: str) -> str:
    """A scope in words: "the body of 'each'"."""
    region = graph.layout.regions.get(entry) if graph.layout else None
    owner = region.owner if region else _owner(graph, entry)
    if owner is None:
        return "the graph itself"
    return f"the body of '{owner}'" if "body" in graph.nodes.get(owner, {}) else f"the branch '{entry}' of '{owner}'"


def _owner(graph: GraphView, entry: str) -> str | None:
    return next((name for name, node in graph.sketches.items() if any(o.target == entry for o in node.opens)), None)


def _region(graph: GraphView, node: str) -> str:
    return graph.layout.region_of.get(node, "") if graph.layout else ""


def _shared(graph: GraphView, fault: Fault) -> Problem:
    here, there = scope_name(graph, _region(graph, fault.node)), scope_name(graph, fault.other)
    message = f"'{fault.target}' is reached from {here} and belongs to {there} too, but a node belongs to one scope"
    hint = "end the branches there, and let the parallel node's own `next` lead on"
    related = graph.at(fault.target)
    return graph.at(fault.node, *fault.path).problem(
        "shared-node", message, hint=hint, related=related, related_key=True
    )


def _into(graph: GraphView, fault: Fault) -> Problem:
    message = f"this edge leads into {scope_name(graph, fault.other)}: what belongs to it is reached through it alone"
    region = graph.layout.regions.get(fault.other) if graph.layout else None
    hint = f"lead to '{region.owner}' instead" if region and region.owner else None
    related = graph.at(fault.target)
    return graph.at(fault.node, *fault.path).problem("scope", message, hint=hint, related=related, related_key=True)


def _out(graph: GraphView, fault: Fault) -> Problem:
    here = _region(graph, fault.node)
    message = f"this edge leads out of {scope_name(graph, here)}, which ends where a node has no `next`"
    region = graph.layout.regions.get(here) if graph.layout else None
    hint = f"leave it out: then '{region.owner}' goes on by itself" if region and region.owner else None
    related = graph.at(fault.target)
    return graph.at(fault.node, *fault.path).problem("scope", message, hint=hint, related=related, related_key=True)


def _cycle(graph: GraphView, fault: Fault) -> Problem:
    message = f"a cycle without a `loop_back` edge: {' → '.join(fault.names)}"
    hint = f"close it with a loop_back edge: `{{loop_back: {fault.target}, max: 3}}`"
    return graph.at(fault.node, *fault.path).problem("cycle", message, hint=hint)


def _loop_back(graph: GraphView, fault: Fault) -> Problem:
    message = (
        f"a `loop_back` goes to the node itself or to one before it, and '{fault.target}' is not before '{fault.node}'"
    )
    hint = None if fault.path[0] == "cases" else f"to go on to '{fault.target}' write `to`"
    if fault.path[0] == "on_error":
        hint = f"to go on to '{fault.target}' write `goto`"
    return graph.at(fault.node, *fault.path).problem("loop-back-target", message, hint=hint)


_FAULTS = {
    "starts": _starts,
    "entry": _entry,
    "itself": _itself,
    "opened_twice": _opened_twice,
    "shared": _shared,
    "into": _into,
    "out": _out,
    "cycle": _cycle,
    "loop_back": _loop_back,
}


def _excused(context: Context, graph: GraphView) -> Container[str]:
    """Nodes that are not reached for another reason: a misspelt target, a malformed edge, a body that is the entry."""
    mistaken = graph.layout and any(other.kind in ("entry", "itself") for other in graph.layout.faults)
    if mistaken or any(not node.whole for node in graph.sketches.values()):
        return graph.names
    unknown = {link.target for _, link in _links(graph) if link.target not in graph.names and link.target != END}
    return {near for target in unknown if (near := context.near(target, graph.names))}


def _unreachable(graph: GraphView, fault: Fault) -> Problem:
    message = f"nothing leads to '{fault.node}'"
    if fault.names:
        shown = ", ".join(f"'{name}'" for name in fault.names[:5]) + (" …" if len(fault.names) > 5 else "")
        message += f", and only through it to {shown}"
    hint = f"name it in a `next`: a node without `next` ends its scope{_end_hint(fault.node)}"
    return graph.at(fault.node).problem("unreachable", message, hint=hint, key=True)


def _end_hint(name: str) -> str:
    return ", and does not go to the node `end` by itself" if name == END else ""


# ---- edges -----------------------------------------------------------------------------------------------------------


def _edges(node: Mapping[str, Any]) -> list[tuple[Path, Any]]:
    """The edges under `next`, each a name or a mapping, with their paths."""
    data = node.get("next")
    if isinstance(data, list):
        return [(("next", index), item) for index, item in enumerate(data)]
    return [] if data is None else [(("next",), data)]


def _always(edge: Any) -> bool:
    """Whether an edge is taken whenever it is tried."""
    if isinstance(edge, str):
        return True
    return isinstance(edge, Mapping) and "to" in edge and edge.get("when", True) is True


def check_edges_that_are_never_tried(context: Context) -> Iterator[Problem]:
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            edges = _edges(node)
            first = next((index for index, (_, edge) in enumerate(edges) if _always(edge)), None)
            if first is None or isinstance(edges[first][1], str):
                continue
            for path, _ in edges[first + 1 :]:
                message = "this edge is never tried: the one before it always holds"
                place = graph.at(name, *edges[first][0])
                yield graph.at(name, *path).warning("edge-never-tried", message, related=place)


def check_default_edges(context: Context) -> Iterator[Problem]:
    """Where conditions or a bounded loop_back come last there may be no way on; a node with `when` must have one."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            edges = _edges(node)
            if not edges or not graph.sketches[name].whole or any(isinstance(edge, str) for _, edge in edges):
                continue
            if any(isinstance(edge, Mapping) and "to" in edge and "when" not in edge for _, edge in edges):
                continue
            yield from _no_default(graph, name, node, edges)


def _no_default(
    graph: GraphView, name: str, node: Mapping[str, Any], edges: list[tuple[Path, Any]]
) -> Iterator[Problem]:
    place = graph.at(name, "next")
    if "when" in node and graph.type_of(name) != "condition":
        message = f"'{name}' has a `when`, so its `next` needs an edge to follow when it is skipped"
        yield place.problem(
            "skipped-needs-edge", message, hint="add `{to: …}` without `when` as the last edge", key=True
        )
    elif not any(_always(edge) for _, edge in edges):
        last = "the `loop_back` is used up" if "loop_back" in edges[-1][1] else "no condition holds"
        message = f"if {last}, '{name}' fails with `no_route`: there is no default edge"
        yield place.warning("no-default-edge", message, hint="add `{to: …}` without `when` as the last edge", key=True)


def check_cases(context: Context) -> Iterator[Problem]:
    """The cases of a `switch` against the values that its node can give, where they are declared."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            if "switch" in node and isinstance(node.get("cases"), Mapping):
                yield from _cases(context, graph, name, node)


def _cases(context: Context, graph: GraphView, name: str, node: Mapping[str, Any]) -> Iterator[Problem]:
    known = enum_of(graph, node["switch"])
    cases = [str(case) for case in node["cases"]]
    for case in cases:
        if known is not None and case not in known:
            message = f"`{node['switch']}` is never '{case}': it is one of {', '.join(known)}"
            place = graph.at(name, "cases", case)
            yield place.warning("unknown-case", message, hint=context.hint(case, known), key=True)
    if "default" in node:
        return
    missing = [value for value in known or () if value not in cases]
    if missing:
        message = f"no case for {', '.join(missing)}: then '{name}' fails with `no_route`"
        yield graph.at(name, "cases").warning("missing-case", message, hint="add the case, or a `default`", key=True)
    elif known is None:
        message = f"if no case fits, '{name}' fails with `no_route`: there is no `default`"
        yield graph.at(name, "cases").warning("no-default-edge", message, hint="add `default: …`", key=True)
