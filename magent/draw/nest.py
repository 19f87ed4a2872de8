"""A workflow as a picture: each scope laid out by itself, from the inside out, and set into the frame of what opens it.

So frames never overlap, and no edge crosses a frame's border but where the frame is entered and left. A subgraph that
one node alone uses stands inside that node; others stand below, each in a frame of its own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from magent.draw.canvas import visible
from magent.draw.frames import HEAD, PAD, chained, framed, linked, put_together
from magent.draw.layers import Item, Link, ranks_of
from magent.draw.marks import Marks, in_lines
from magent.draw.overlay import Overlay
from magent.draw.pictures import graphs_of, steps_of, title_of
from magent.draw.routes import place
from magent.draw.sheet import Block, Frame, Line, Sheet, card, pill
from magent.draw.words import branch_label, conditions, does, frame_title, ways
from magent.graph import ends_scope
from magent.layout import END
from magent.model import Choice, Graph, Node, Parallel, Region, Subgraph, Task, Workflow

_PANEL = 12.0
_CAPTION = 22.0
_APART = 44.0  # between graphs
_TALLEST = 1500.0  # of a scope, before it goes on in another column
_LONGEST = 2000  # characters of what a node does, that its title tells
_MOST_PASSED = 12_000  # layers that the edges of a scope pass, together
_PILE = 8.0  # what stands out behind a body that is done for each item


def sheet(workflow: Workflow, overlay: Overlay | None = None) -> Sheet:
    """The picture of the root and the subgraphs it uses, with what a run did."""
    keys = graphs_of(workflow)
    users = _users(workflow, keys)
    done: dict[str, Block] = {}
    for key in reversed(keys):  # a graph that stands inside another comes behind it
        inside = {name: done[used] for name, used in users.get(key, {}).items() if used in done}
        done[key] = _Scopes(workflow, workflow.graphs[key], overlay, inside).drawn()
    nested = {used for names in users.values() for used in names.values()}
    others = [
        _section(done[key].sheet, f"subgraph {visible(title_of(key, workflow))}")
        for key in keys[1:]
        if key not in nested
    ]
    return _beside(done[workflow.root].sheet, others).flat()


def _users(workflow: Workflow, keys: Sequence[str]) -> dict[str, dict[str, str]]:
    """By graph, the nodes that stand around the graph that they alone use."""
    uses: dict[str, list[tuple[str, str]]] = {}
    for key in keys:
        for name, node in workflow.graphs[key].nodes.items():
            if isinstance(node, Subgraph):
                uses.setdefault(node.uses, []).append((key, name))
    found: dict[str, dict[str, str]] = {}
    for used, by in uses.items():
        if len(by) == 1 and used != workflow.root and keys.index(by[0][0]) < keys.index(used):
            found.setdefault(by[0][0], {})[by[0][1]] = used
    return found


def _section(inner: Sheet, caption: str) -> Sheet:
    width, height = max(inner.width + 2 * PAD, 7.5 * len(caption)), inner.height + _CAPTION + PAD + HEAD
    made = Sheet(width, height, frames=[Frame("section", 0.0, 0.0, width, height, caption)])
    made.parts.append((inner, PAD, _CAPTION + HEAD))
    return made


def _beside(whole: Sheet, others: Sequence[Sheet]) -> Sheet:
    """The graphs in rows as wide as the first, or as makes a picture that is not too tall."""
    area = sum((each.width + _APART) * (each.height + _APART) for each in (whole, *others))
    room = max(whole.width, math.sqrt(area * 1.4), *(other.width for other in others), 0.0)
    made = Sheet()
    x = y = tall = 0.0
    for each in (whole, *others):
        if x and x + each.width > room:
            x, y, tall = 0.0, y + tall + _APART, 0.0
        made.parts.append((each, x, y))
        made.width, made.height = max(made.width, x + each.width), max(made.height, y + each.height)
        x, tall = x + each.width + _APART, max(tall, each.height)
    return made


@dataclass(slots=True)
class _Edge:
    """A line of a scope before it is laid out; `target` None: the end of the scope; `whole`: it leaves its source as a
    whole, not where that goes on."""

    source: str
    target: str | None
    look: str
    label: str
    count: int | None
    implied: bool = False
    whole: bool = False


@dataclass(slots=True)
class _Scopes:
    """One graph. `inside` has the blocks of subgraphs by the node that they stand in."""

    workflow: Workflow
    graph: Graph
    overlay: Overlay | None
    inside: Mapping[str, Block]
    blocks: dict[str, Block] = field(default_factory=dict)
    opened: dict[str, list[str]] = field(default_factory=dict)  # by owner, the entries of the scopes it opens
    bodies: dict[str, Block] = field(default_factory=dict)  # by entry

    def drawn(self) -> Block:
        for entry, region in self.graph.regions.items():
            if region.owner is not None:
                self.opened.setdefault(region.owner, []).append(entry)
        for region in reversed(list(self.graph.regions.values())):
            for name in region.nodes:
                self.blocks[name] = self._block(name)
            if region.owner is not None:
                self.bodies[region.entry] = self._body(region)
        return self._scope(self.graph.regions[self.graph.entry])

    def _block(self, name: str) -> Block:
        node = self.graph.nodes[name]
        head = self._card(node)
        if name in self.opened:
            return self._frame(node, head)
        if name in self.inside:
            marks = head.sheet.boxes[0].marks
            count = None if self.overlay is None else marks.visits if marks is not None else 0
            into = (Link(0, 1), Line("normal", (), count=count, implied=True))
            return framed("subgraph", head, [self.inside[name]], [into])
        steps = steps_of(node, self.graph)
        key, run = self.graph.key, self.overlay
        return chained(head, steps, None if run is None else lambda step: run.step(key, name, step)) if steps else head

    def _card(self, node: Node) -> Block:
        marks = self.overlay.node(self.graph.key, node.name) if self.overlay else None
        opens = node.name in self.opened
        lines = [frame_title(node) if opens else does(node, self.graph, self.workflow)]
        lines = [line[:_LONGEST] for line in (*lines, *([] if opens else conditions(node))) if line]
        return card(
            node.type,
            node.name,
            lines,
            in_lines(marks) if marks else (),
            title=_title(node, lines, marks),
            node=(self.graph.key, node.name),
            marks=marks,
            told=self.overlay is not None,
            icon=type(node.work).__name__.lower().replace("setonly", "set") if isinstance(node, Task) else node.type,
        )

    def _frame(self, node: Node, head: Block) -> Block:
        """A parallel or loop around what it opens."""
        bodies = [self.bodies[entry] for entry in self.opened[node.name]]
        links = [self._opening(node, entry, 1 + number) for number, entry in enumerate(self.opened[node.name])]
        parts = list(bodies)
        ended = [self._ended(entry) for entry in self.opened[node.name]]
        if isinstance(node, Parallel):
            parts.append(pill("join", _meeting(node)))
            for number, body in enumerate(bodies, 1):
                if body.item.outlet >= 0:
                    links.append((Link(number, len(parts)), Line("normal", (), count=ended[number - 1], implied=True)))
        elif bodies[0].item.outlet >= 0:
            links.append((Link(1, 0, back=True), Line("loop_back", (), count=ended[0], implied=True)))
        kind = "parallel" if isinstance(node, Parallel) else "loop"
        return framed(kind, head, parts, links, joined=isinstance(node, Parallel))

    def _opening(self, node: Node, entry: str, to: int) -> tuple[Link, Line]:
        count = self.overlay.taken(self.graph.key, node.name, entry, 0) if self.overlay else None
        label = branch_label(node, entry)
        look = "conditional" if label else "normal"
        return linked(0, to, look, label, count, f"{node.name} → {entry}", implied=True)

    def _ended(self, entry: str) -> int | None:
        if self.overlay is None:
            return None
        return sum(self.overlay.ended(self.graph.key, name) for name in self.graph.regions[entry].nodes)

    def _body(self, region: Region) -> Block:
        """A branch or body on a panel; a single node needs none, unless there is one for each item."""
        inner = self._scope(region)
        owner = self.graph.nodes[region.owner or ""]
        pile = getattr(owner, "for_each", None) is not None
        if len(region.nodes) == 1 and not pile:
            return inner
        item, extra = inner.item, _PILE if pile else 0.0
        width, height = item.width + 2 * _PANEL, item.height + 2 * _PANEL
        made = Sheet(width + extra, height + extra)
        made.frames.append(Frame("pile" if pile else "panel", 0.0, 0.0, width, height))
        made.parts.append((inner.sheet, _PANEL, _PANEL))
        inlet = (item.width / 2 if item.inlet < 0 else item.inlet) + _PANEL
        outlet = item.outlet + _PANEL if item.outlet >= 0 else -1.0
        return Block(made, Item(made.width, made.height, inlet, outlet, item.deep + _PANEL, item.high + _PANEL + extra))

    def _scope(self, region: Region) -> Block:
        """The nodes of a scope and the edges between them. Where it can end by one way only, at its bottom, edges
        leave from there; else from a dot in which the ways meet."""
        names = [region.entry, *(name for name in region.nodes if name != region.entry)]
        edges = [edge for name in names for edge in self._edges(name, region)]
        blocks = [self.blocks[name] for name in names]
        ends = [edge for edge in edges if edge.target is None]
        if region.owner is None:
            if ends:
                blocks.append(self._end(sum(edge.count or 0 for edge in ends)))
            return _laid(blocks, names, edges, _TALLEST)
        if len(ends) == 1 and not ends[0].label and ends[0].look != "conditional":
            made = _laid(blocks, names, [edge for edge in edges if edge.target is not None], _TALLEST)
            last = names.index(ends[0].source)
            if made.item.height - made.bottoms[last] < 1.0:
                own = blocks[last].item
                outlet = made.lefts[last] + (own.width / 2 if own.outlet < 0 else own.outlet)
                return Block(made.sheet, replace(made.item, outlet=outlet, high=own.high))
        if ends:
            blocks.append(pill("dot", ""))
            made = _laid(blocks, names, edges, _TALLEST)
            return Block(made.sheet, replace(made.item, outlet=made.lefts[len(names)] + blocks[-1].item.width / 2))
        return _laid(blocks, names, edges, _TALLEST)

    def _end(self, reached: int) -> Block:
        """The end that always exists, where the file does not declare it."""
        marks = Marks(Counter(completed=reached)) if reached else None
        told = self.overlay is not None
        return card("end", END, (), title=END, told=told, node=(self.graph.key, END), marks=marks, icon="end")

    def _edges(self, name: str, region: Region) -> list[_Edge]:
        node, key = self.graph.nodes[name], self.graph.key
        found = []
        for way in ways(node):
            target = way.target if way.target in region.nodes else None
            look = "loop_back" if way.back else "conditional" if way.label not in ("", "else") else "normal"
            count = None if self.overlay is None else self.overlay.taken(key, name, way.target, way.number)
            found.append(_Edge(name, target, look, way.label, count, whole=way.edge is node.on_error.edge))
        led = any(edge.target is None for edge in found) or region.owner is None or isinstance(node, Choice)
        if not led and ends_scope(node, self.graph):
            count = None if self.overlay is None else self.overlay.ended(key, name)
            found.append(_Edge(name, None, "normal", "", count, implied=True))
        return found


def _told(links: list[tuple[Link, Line]], count: int, names: Sequence[str]) -> list[Block]:
    """Where lines would be too many and too long, the longest end below their source, in a box that names their
    target. Replaces those links, and gives the boxes."""
    ranks = ranks_of(count, [link for link, _ in links])
    spans = [abs(ranks[link.source] - ranks[link.target]) for link, _ in links]
    left, boxes = sum(spans), list[Block]()
    for at in sorted(range(len(links)), key=lambda at: -spans[at]):
        if left <= _MOST_PASSED or spans[at] < 2:
            break
        link, line = links[at]
        boxes.append(pill("join", f"→ {names[link.target] if link.target < len(names) else END}"))
        links[at] = replace(link, target=count + len(boxes) - 1, back=False), line
        left -= spans[at]
    return boxes


@dataclass(slots=True)
class _Laid(Block):
    """With where the items stand: their left sides and their bottoms."""

    lefts: list[float] = field(default_factory=list)
    bottoms: list[float] = field(default_factory=list)


def _laid(blocks: Sequence[Block], names: Sequence[str], edges: Sequence[_Edge], tallest: float) -> _Laid:
    number = {name: at for at, name in enumerate(names)}
    links = []
    for edge in edges:
        target = len(names) if edge.target is None else number[edge.target]
        title = f"{edge.source} → {edge.target or END}"
        link, line = linked(number[edge.source], target, edge.look, edge.label, edge.count, title, edge.implied)
        links.append((replace(link, whole=edge.whole), line))
    blocks = [*blocks, *_told(links, len(blocks), names)]
    placed = place([block.item for block in blocks], [link for link, _ in links], tallest)
    made = put_together(blocks, links, placed)
    (left, top), entry = placed.corners[0], blocks[0].item
    inlet = left + (entry.width / 2 if entry.inlet < 0 else entry.inlet)
    item = Item(placed.width, placed.height, inlet, -1.0, top + entry.deep, 0.0)
    corners = list(zip(placed.corners, blocks, strict=True))
    return _Laid(made, item, [x for (x, _), _ in corners], [y + block.item.height for (_, y), block in corners])


def _meeting(node: Parallel) -> str:
    if node.collect:
        return "collect all"
    return f"wait for {visible(node.wait_for.data) if node.wait_for is not None else 'all'}"


def _title(node: Node, lines: Sequence[str], marks: Marks | None) -> str:
    """All that is known of a node, for whoever points at it."""
    parts = [f"{node.name} ({node.type})", node.description, *lines]
    if marks is not None:
        parts += in_lines(marks) + ([f"error: {marks.error}"] if marks.error else [])
    return "\n".join(part for part in parts if part)
