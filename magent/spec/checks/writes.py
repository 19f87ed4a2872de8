"""What is written to the state, by whom, and names that are taken."""

from __future__ import annotations

from collections.abc import Iterator

from magent.expressions import RESERVED
from magent.layout import END
from magent.source import Problem
from magent.spec.checks.context import Context
from magent.spec.checks.views import GraphView, Place, mapping
from magent.spec.takes import takes


def check_item_names(context: Context) -> Iterator[Problem]:
    """The name that `as` gives is free: not one of the language's own."""
    for graph in context.graphs:
        for name, node in graph.nodes.items():
            item = node.get("as")
            if isinstance(item, str) and item in RESERVED:
                message = f"'{item}' is a name of the language; choose another for the item"
                yield graph.at(name, "as").problem("reserved-name", message)
    for _, document in context.all_documents():
        for name, tool in mapping(mapping(document.data).get("tools")).items():
            taken = takes(tool)
            if taken is None or "run" not in mapping(tool):
                continue
            for parameter in taken.fields:
                if parameter in RESERVED:
                    place = Place(document, ("tools", name, *taken.path, parameter))
                    message = f"'{parameter}' is a name of the language; choose another for the parameter"
                    yield place.problem("reserved-name", message, key=True)


def check_end(context: Context) -> Iterator[Problem]:
    """`end` always exists: a node of that name is one of that type."""
    for graph in context.graphs:
        if END in graph.nodes and graph.type_of(END) != "end":
            message = f"`end` is where every scope ends; a node of type `{graph.type_of(END)}` cannot have this name"
            yield graph.at(END).problem("reserved-name", message, hint="give it another name", key=True)


def check_state_keys(context: Context) -> Iterator[Problem]:
    """A state key does not have a node's name: there the node's output is."""
    for graph in context.graphs:
        for key in graph.declared:
            if key in graph.names:
                yield _taken(graph, graph.place / ("state", key), key)
        for key, writers in graph.written.items():
            if key in graph.names:
                for writer in writers:
                    yield _taken(graph, graph.at(writer, "set", key), key)


def _taken(graph: GraphView, place: Place, key: str) -> Problem:
    message = f"'{key}' is a node, and `state.{key}` its output: a state key cannot have its name"
    return place.problem(
        "name-taken", message, hint="give the key another name", key=True, related=graph.at(key), related_key=True
    )


def check_conflicting_writes(context: Context) -> Iterator[Problem]:
    """Two branches that `set` one key without a reducer: which value would stay is nobody's choice."""
    for graph in context.graphs:
        if graph.layout is None:
            continue
        for key, writers in graph.written.items():
            if len(writers) > 1 and "reduce" not in mapping(graph.declared.get(key)):
                yield from _conflicts(graph, key, writers)


def _conflicts(graph: GraphView, key: str, writers: list[str]) -> Iterator[Problem]:
    assert graph.layout is not None
    first: dict[str, tuple[str, str]] = {}  # parallel node → its branch that was seen first, and the writer there
    seen: set[str] = set()
    for writer in writers:
        entry = graph.layout.region_of.get(writer, "")
        while entry not in seen and (region := graph.layout.regions.get(entry)) is not None and region.owner:
            seen.add(entry)
            owner = region.owner
            branches = "branches" in graph.nodes.get(owner, {})
            if branches and owner in first and first[owner][0] != entry:
                yield _conflict(graph, key, owner, writer, first[owner][1])
                break
            first.setdefault(owner, (entry, writer))
            if not branches and graph.type_of(owner) == "parallel" and key not in graph.declared:
                break  # out of a `for_each` come only writes to declared keys
            entry = graph.layout.region_of.get(owner, "")


def _conflict(graph: GraphView, key: str, owner: str, writer: str, other: str) -> Problem:
    message = f"'{writer}' and '{other}' set '{key}' in two branches of '{owner}', and the key has no reducer"
    hint = f"declare how they are merged: `state: {{{key}: {{type: array, default: [], reduce: append}}}}`"
    related = graph.at(other, "set", key)
    return graph.at(writer, "set", key).problem(
        "conflicting-writes", message, hint=hint, key=True, related=related, related_key=True
    )
