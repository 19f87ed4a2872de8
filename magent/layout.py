"""The cut of a graph into scopes, and its cycles.

`sketch` reads one node of a document (tolerantly: what is malformed is left out); `layout` cuts a graph of sketches
into regions, the nodes of one scope, and collects what is wrong with it as `Fault`s. Everything is iterative: chains
and nests of any length are fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from magent.model import EdgeKind, Region
from magent.source import Path

END = "end"
_CHUNK = 4096  # loop_back targets looked at in one pass


@dataclass(frozen=True, slots=True)
class Link:
    """A way from a node to `target`. `path` is its place inside the node, the target's name being the value there."""

    kind: EdgeKind
    target: str
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Sketch:
    """A node as the cut into scopes sees it: `links` are its edges of every origin, `opens` its branches or its body.

    `whole` is False where something in the node could not be read, so that edges may be missing.
    """

    name: str
    type: str
    links: tuple[Link, ...] = ()
    opens: tuple[Link, ...] = ()
    whole: bool = True


FaultKind = Literal[
    "starts", "entry", "itself", "opened_twice", "shared", "into", "out", "unreachable", "cycle", "loop_back"
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at `node`, `path` inside it. `other…` is the other place; `names` a cycle, or followers."""

    kind: FaultKind
    node: str
    path: Path = ()
    target: str = ""
    other: str = ""
    other_path: Path = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """`regions` by entry, outer ones first; `region_of` has no entry for nodes that nothing reaches."""

    entry: str
    regions: Mapping[str, Region]
    region_of: Mapping[str, str]
    faults: tuple[Fault, ...] = ()


def sketch(name: str, node: Any) -> Sketch:
    """The sketch of a node as a document has it."""
    if not isinstance(node, Mapping):
        return Sketch(name, "task", whole=False)
    links: list[Link | None] = [*_next_links(node.get("next")), *_error_links(node.get("on_error"))]
    links += _case_links(node)
    opens: list[Link | None] = [*_branch_links(node.get("branches"))]
    if "body" in node:
        opens.append(_named("normal", node["body"], ("body",)))
    kind = node.get("type", "task")
    found, opened = [link for link in links if link], [link for link in opens if link]
    whole = isinstance(kind, str) and len(found) == len(links) and len(opened) == len(opens)
    return Sketch(name, kind if isinstance(kind, str) else "task", tuple(found), tuple(opened), whole)


def _named(kind: EdgeKind, target: Any, path: Path) -> Link | None:
    return Link(kind, str(target), path) if isinstance(target, str) else None


def _edge(data: Any, path: Path) -> Link | None:
    if not isinstance(data, Mapping):
        return _named("normal", data, path)
    if "loop_back" in data:
        return _named("loop_back", data["loop_back"], (*path, "loop_back"))
    return _named("conditional" if "when" in data else "normal", data.get("to"), (*path, "to"))


def _next_links(data: Any) -> Iterator[Link | None]:
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield _edge(item, ("next", index))
    elif data is not None:
        yield _edge(data, ("next",))


def _error_links(data: Any) -> Iterator[Link | None]:
    if isinstance(data, Mapping) and "goto" in data:
        yield _named("conditional", data["goto"], ("on_error", "goto"))
    elif isinstance(data, Mapping):
        yield _named("loop_back", data.get("loop_back"), ("on_error", "loop_back"))


def _case_links(node: Mapping[str, Any]) -> Iterator[Link | None]:
    cases = node.get("cases")
    if isinstance(cases, Mapping):
        for text, case in cases.items():
            link = _edge(case, ("cases", str(text)))
            yield Link("conditional", link.target, link.path) if link and link.kind == "normal" else link
    elif "cases" in node:
        yield None
    if node.get("type") == "condition" and "default" in node:
        yield _edge(node["default"], ("default",))


def _branch_links(data: Any) -> Iterator[Link | None]:
    if isinstance(data, list):
        for index, item in enumerate(data):
            yield _edge(item, ("branches", index))
    elif data is not None:
        yield None


def layout(sketches: Mapping[str, Sketch]) -> Layout:
    """Cuts the graph into regions. Raises ValueError for a graph without nodes."""
    return _Cut(sketches).run()


class _Cut:
    """The work of `layout`: entries are claimed first, then each region is walked from its entry, outer ones first."""

    def __init__(self, sketches: Mapping[str, Sketch]) -> None:
        if not sketches:
            raise ValueError("a graph needs at least one node")
        self.sketches = sketches
        self.faults: list[Fault] = []
        self.region_of: dict[str, str] = {}
        self.opened: dict[str, tuple[str, Link]] = {}  # entry → its owner, and the branch or body that names it
        self.regions: dict[str, Region] = {}
        self.entry = self._choose_entry()

    def run(self) -> Layout:
        self._claim_entries()
        self._walk_regions()
        self.faults += _unreachable(self.sketches, self.entry)
        self.faults += _cycles(self.sketches, self.region_of, self.entry)
        reached = {name: entry for name, entry in self.region_of.items() if entry in self.regions}
        return Layout(self.entry, self.regions, reached, tuple(self.faults))

    def _choose_entry(self) -> str:
        starts = [name for name, node in self.sketches.items() if node.type == "start"]
        for other in starts[1:]:
            self.faults.append(Fault("starts", other, ("type",), other=starts[0], other_path=("type",)))
        return starts[0] if starts else next(iter(self.sketches))

    def _claim_entries(self) -> None:
        self.region_of[self.entry] = self.entry
        for name, node in self.sketches.items():
            for link in node.opens:
                if link.target in self.sketches:
                    self._claim_entry(name, link)

    def _claim_entry(self, owner: str, link: Link) -> None:
        target = link.target
        if target == owner:
            self.faults.append(Fault("itself", owner, link.path, target))
        elif target in self.opened:
            other, first = self.opened[target]
            self.faults.append(Fault("opened_twice", owner, link.path, target, other, first.path))
        elif target == self.entry:
            self.faults.append(Fault("entry", owner, link.path, target))
        else:
            self.opened[target] = (owner, link)
            self.region_of[target] = target

    def _walk_regions(self) -> None:
        waiting: list[tuple[str, str | None]] = [(self.entry, None)]
        for entry, owner in waiting:  # grows as regions are found
            nodes = self._walk(entry)
            self.regions[entry] = Region(entry, owner, tuple(nodes))
            for name in nodes:
                for link in self.sketches[name].opens:
                    if self.opened.get(link.target) == (name, link):
                        waiting.append((link.target, name))

    def _walk(self, entry: str) -> list[str]:
        nodes = [entry]
        for name in nodes:  # grows as nodes are found
            for link in self.sketches[name].links:
                if link.target not in self.sketches:
                    continue
                region = self.region_of.setdefault(link.target, "")
                if not region:
                    self.region_of[link.target] = entry
                    nodes.append(link.target)
                elif region != entry:
                    self.faults.append(self._escape(name, link, entry, region))
        return nodes

    def _escape(self, name: str, link: Link, here: str, there: str) -> Fault:
        """An edge between two regions: out of the inner one, into one, or to a node that two branches share."""
        kind: FaultKind = "shared"
        if there in self._around(here):
            kind = "out"
        elif link.target == there or here in self._around(there):
            kind = "into"
        return Fault(kind, name, link.path, link.target, other=there)

    def _around(self, region: str) -> Iterator[str]:
        """The regions around this one, inner first. Entries that open one another in a circle end the walk."""
        seen: set[str] = set()
        while region in self.opened and region not in seen:
            seen.add(region)
            region = self.region_of.get(self.opened[region][0], "")
            yield region


def _unreachable(sketches: Mapping[str, Sketch], entry: str) -> Iterator[Fault]:
    """One fault for each node that nothing leads to, naming those it alone leads to; a closed circle counts once."""
    reached = set(_closure(sketches, entry, set()))
    lost = [name for name in sketches if name not in reached]
    led_to = {link.target for name in lost for link in _all(sketches[name]) if link.target != name}
    seen = set(reached)
    for head in (*(name for name in lost if name not in led_to), *lost):
        if head not in seen:
            followers = _closure(sketches, head, seen)[1:]
            if sketches[head].type != "start":
                yield Fault("unreachable", head, names=tuple(followers))


def _closure(sketches: Mapping[str, Sketch], entry: str, seen: set[str]) -> list[str]:
    """`entry` and what it leads to, branches and bodies included, but for what was `seen`; marks all as seen."""
    found = [entry]
    seen.add(entry)
    for name in found:  # grows
        for link in _all(sketches[name]):
            if link.target in sketches and link.target not in seen:
                seen.add(link.target)
                found.append(link.target)
    return found


def _all(node: Sketch) -> tuple[Link, ...]:
    return (*node.links, *node.opens)


def _cycles(sketches: Mapping[str, Sketch], region_of: Mapping[str, str], entry: str) -> Iterator[Fault]:
    """Each edge that closes a cycle without being a loop_back, and each loop_back that does not go back."""
    ways = {
        name: [
            link for link in node.links if link.target in sketches and region_of.get(link.target) == region_of.get(name)
        ]
        for name, node in sketches.items()
    }
    search = _Search(ways)
    for name in (entry, *region_of, *sketches):
        yield from search.visit(name)
    yield from _loop_backs(ways, search)


@dataclass(slots=True)
class _Search:
    """A depth-first search along forward edges. `order` is topological once the edges in `closing` are left out."""

    ways: Mapping[str, list[Link]]
    state: dict[str, int] = field(default_factory=dict)  # place on the current trail, -1 when finished
    order: list[str] = field(default_factory=list)  # finished nodes, last first when reversed
    closing: set[tuple[str, Path]] = field(default_factory=set)

    def visit(self, root: str) -> Iterator[Fault]:
        if root in self.state:
            return
        trail, pending = [root], [iter(self.ways[root])]
        self.state[root] = 0
        while trail:
            link = next((link for link in pending[-1] if link.kind != "loop_back"), None)
            if link is None:
                pending.pop()
                self.state[trail[-1]] = -1
                self.order.append(trail.pop())
            elif link.target not in self.state:
                self.state[link.target] = len(trail)
                trail.append(link.target)
                pending.append(iter(self.ways[link.target]))
            elif (place := self.state[link.target]) >= 0:
                self.closing.add((trail[-1], link.path))
                shown = [*trail[place : place + 12], "…", trail[-1]] if len(trail) - place > 13 else trail[place:]
                yield Fault("cycle", trail[-1], link.path, link.target, names=(*shown, link.target))


def _loop_backs(ways: Mapping[str, list[Link]], search: _Search) -> Iterator[Fault]:
    backs = [(name, link) for name, links in ways.items() for link in links if link.kind == "loop_back"]
    order = search.order[::-1]
    targets = list(dict.fromkeys(link.target for _, link in backs))
    for start in range(0, len(targets), _CHUNK):
        bits = {target: 1 << place for place, target in enumerate(targets[start : start + _CHUNK])}
        before = dict(bits)
        for name in order:
            if mask := before.get(name, 0):
                for link in ways[name]:
                    if link.kind != "loop_back" and (name, link.path) not in search.closing:
                        before[link.target] = before.get(link.target, 0) | mask
        for name, link in backs:
            if link.target in bits and not before.get(name, 0) & bits[link.target]:
                yield Fault("loop_back", name, link.path, link.target)
