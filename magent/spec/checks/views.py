"""What the checks look at: documents, their graphs, what names mean there, and how a problem gets its place."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from magent.layout import Layout, Sketch, layout, sketch
from magent.source import Path, Position, Problem, dotted, locate, nearest
from magent.spec.loader import Bundle, Document, is_file

WORKS = ("prompt", "run", "call", "tool", "chain")


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` where it is a mapping, else an empty one: the schema has told what is malformed."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


@dataclass(frozen=True, slots=True)
class Place:
    """A document and a path in it."""

    document: Document
    path: Path

    def __truediv__(self, step: str | int | Path) -> Place:
        return Place(self.document, (*self.path, *step) if isinstance(step, tuple) else (*self.path, step))

    def position(self, *, key: bool = False) -> Position:
        start = Position(self.document.file, 1, 1)
        return locate(self.document.data, self.path, key=key, fallback=start)

    def problem(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        key: bool = False,
        related: Place | None = None,
        related_key: bool = False,
    ) -> Problem:
        other = related.position(key=related_key) if related else None
        return Problem(code, message, self.position(key=key), dotted(self.path), hint, related=other)

    def warning(
        self, code: str, message: str, *, hint: str | None = None, key: bool = False, related: Place | None = None
    ) -> Problem:
        other = related.position() if related else None
        return Problem(code, message, self.position(key=key), dotted(self.path), hint, "warning", other)


@dataclass(eq=False)
class GraphView:
    """One graph of a document: the document's own, or one under `subgraphs`. Malformed nodes keep only their names."""

    document: Document
    path: Path
    data: Mapping[str, Any]
    key: str = ""
    names: dict[str, None] = field(init=False)
    nodes: dict[str, Mapping[str, Any]] = field(init=False)
    sees: dict[tuple[str, str], bool] = field(default_factory=dict)  # kept by `names`

    def __post_init__(self) -> None:
        table = mapping(self.data.get("nodes"))
        self.names = dict.fromkeys(table)
        self.nodes = {name: table[name] for name in self.names if isinstance(table[name], dict)}

    @property
    def place(self) -> Place:
        return Place(self.document, self.path)

    def at(self, node: str, *steps: str | int) -> Place:
        return Place(self.document, (*self.path, "nodes", node, *steps))

    @cached_property
    def inputs(self) -> Mapping[str, Any]:
        return mapping(self.data.get("inputs"))

    @cached_property
    def declared(self) -> Mapping[str, Any]:
        return mapping(self.data.get("state"))

    @cached_property
    def sketches(self) -> dict[str, Sketch]:
        table = mapping(self.data.get("nodes"))
        return {name: sketch(name, table[name]) for name in self.names}

    @cached_property
    def layout(self) -> Layout | None:
        return layout(self.sketches) if self.sketches else None

    @cached_property
    def written(self) -> dict[str, list[str]]:
        """Keys that some `set` writes, each with the nodes that do."""
        found: dict[str, list[str]] = {}
        for name, node in self.nodes.items():
            for key in mapping(node.get("set")):
                found.setdefault(key, []).append(name)
        return found

    @cached_property
    def state_names(self) -> dict[str, None]:
        return dict.fromkeys((*self.names, *self.declared, *self.written))

    @cached_property
    def items(self) -> dict[str, str]:
        """The names that `as` gives to items, each with a node that does."""
        nodes = self.nodes.items()
        return {str(node.get("as", "item")): name for name, node in nodes if "for_each" in node}

    def type_of(self, node: str) -> str:
        kind = self.nodes.get(node, {}).get("type", "task")
        return kind if isinstance(kind, str) else "task"


_COMPARISONS = 60_000  # of names that are looked for with names that are known, in one check


class Names:
    """The graphs of a bundle, and what names mean in each document."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.graphs = [graph for key, document in bundle.documents.items() for graph in _graphs(key, document)]
        self._named = {(graph.key, graph.path[1:2]): graph for graph in self.graphs}
        self._tables: dict[tuple[str, str], Mapping[str, tuple[Any, Document]]] = {}
        self._comparisons = _COMPARISONS

    def near(self, word: str, known: Iterable[str]) -> str | None:
        """The known name most like `word`; after thousands of problems nobody is helped by looking further."""
        if self._comparisons <= 0:
            return None
        names = list(itertools.islice(known, 5000))
        self._comparisons -= len(names)
        return nearest(word, names)

    def hint(self, word: str, known: Iterable[str]) -> str | None:
        near = self.near(word, known)
        return f"did you mean '{near}'?" if near else None

    @property
    def root(self) -> Document | None:
        return self.bundle.documents.get(self.bundle.root)

    def all_documents(self) -> Iterator[tuple[str, Document]]:
        yield from self.bundle.documents.items()
        yield from self.bundle.libraries.items()

    def owners(self) -> Iterator[tuple[str, Document]]:
        """Each document with the key under which its names are looked up: a library's with those of its first user."""
        yield from self.bundle.documents.items()
        for library, document in self.bundle.libraries.items():
            yield self._first_users.get(library, library), document

    @cached_property
    def _first_users(self) -> dict[str, str]:
        """Of each library the first workflow that includes it, or, where there is none, the first library."""
        found: dict[str, str] = {}
        users = sorted(self.bundle.includes, key=lambda key: key not in self.bundle.documents)
        for key in users:
            for library in self.bundle.includes[key]:
                found.setdefault(library, key)
        return found

    def serves(self, document: Document) -> list[GraphView]:
        """The graphs of the files that know what the document defines: of itself, or of those that include it."""
        keys = [key for key, each in self.bundle.documents.items() if each is document]
        libraries = {key for key, each in self.bundle.libraries.items() if each is document}
        keys += [key for key, seen in self.bundle.includes.items() if libraries.intersection(seen)]
        return [graph for graph in self.graphs if graph.key in keys]

    def definitions(self, key: str, section: str) -> Mapping[str, tuple[Any, Document]]:
        """The names that a document knows in a section: its own and those of its libraries."""
        if (key, section) not in self._tables:
            self._tables[key, section] = self.bundle.definitions(key, section)
        return self._tables[key, section]

    def default_agent(self, key: str) -> Any:
        found = self.definitions(key, "defaults").get("agent")
        return found[0] if found else None

    def subgraph(self, graph: GraphView, uses: Any) -> GraphView | None:
        """The graph that `uses` names: one under `subgraphs` of the same file, or a file's own."""
        if not isinstance(uses, str):
            return None
        if is_file(uses):
            return self._named.get((self.bundle.target(graph.key, uses) or "", ()))
        return self._named.get((graph.key, (uses,)))


def _graphs(key: str, document: Document) -> Iterator[GraphView]:
    if not isinstance(document.data, Mapping):
        return
    if "nodes" in document.data:
        yield GraphView(document, (), document.data, key)
    for name, data in mapping(document.data.get("subgraphs")).items():
        if isinstance(data, Mapping):
            yield GraphView(document, ("subgraphs", name), data, key)
