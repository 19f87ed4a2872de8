"""Boxes and lines in the cells of a terminal, no wider than it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from magent.cells import cut, width
from magent.draw import scopes, spine
from magent.draw.boxes import Card, Notes, flow, frame, put
from magent.draw.canvas import Canvas, Line, Span, visible
from magent.draw.overlay import Overlay
from magent.draw.pictures import graphs_of, title_of
from magent.draw.words import about, branch_label, conditions, frame_title
from magent.model import Graph, Region, Workflow

LEAST_COLUMNS = 24  # columns; in less than this nothing is drawn
_LEAST_FRAME = 22  # columns inside a frame; where there are fewer, it is drawn below on its own
_LEGEND = "▼ ┃ the way it took   ▽ │ not taken"
_SIGNS = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def text(
    workflow: Workflow, columns: int = 80, overlay: Overlay | None = None, heading: str | None = None
) -> list[Line]:
    """The picture as lines of `(style, text)`, with what was cut in notes below it. `heading` stands behind the
    workflow's name, else its description.

    Styles: `name target label about title note`, `box person condition end` for nodes, `taken untaken` for edges, and a
    status for what a run visited.
    """
    columns = max(LEAST_COLUMNS, columns)
    notes = Notes()
    lines = [_head(workflow, columns, heading)]
    lines += [(("about", cut(_LEGEND, columns)),)] if overlay is not None else []
    for number, key in enumerate(graphs_of(workflow)):
        if number:
            lines += [(), _heading(f"subgraph {title_of(key, workflow)}", columns)]
        for title, canvas in _Sheet(workflow, key, columns, notes, overlay).sections():
            lines += [(), _heading(title, columns)] if title else []
            lines += [(), *canvas.lines()]
    return [*_numbered(lines, notes, columns)]


def _head(workflow: Workflow, columns: int, heading: str | None) -> Line:
    """The name, and what the workflow is for."""
    behind = workflow.description if heading is None else heading
    about = f": {visible(behind)}" if behind else ""
    room = columns - width(workflow.name)
    return (("title", cut(workflow.name, columns)), ("about", cut(about, room) if room > 12 else ""))


def _heading(title: str, columns: int) -> Line:
    return (("title", cut(visible(title), columns)),)


def _numbered(lines: list[Line], notes: Notes, columns: int) -> Iterator[Line]:
    """The lines with the marks of notes numbered from the top, and the notes."""
    order: dict[str, str] = {}
    for line in lines:
        spans: list[Span] = []
        for style, shown in line:
            if style.startswith("note "):
                order.setdefault(style, _SIGNS[len(order)] if len(order) < len(_SIGNS) else "*")
                spans.append(("note", order[style]))
            else:
                spans.append((style, shown))
        yield tuple(spans)
    if order:
        yield ()
    for style, sign in order.items():
        yield from _note(sign, notes.texts[int(style.split()[1])], columns)


def _note(sign: str, whole: str, columns: int) -> Iterator[Line]:
    head, left = f"[{sign}] ", whole.strip()
    while left:
        part = cut(left, columns - len(head), mark="")
        rest = left[len(part) :]
        space = part.rfind(" ")
        if rest and not rest.startswith(" ") and space > len(part) // 4:
            part = part[:space]
        yield (("note", head), ("label", part))
        head, left = " " * len(head), left[len(part) :].lstrip()


@dataclass(frozen=True, slots=True)
class _Room:
    """What a scope may take: columns in all, and columns for what a box says beside its name."""

    columns: int
    about: int


class _Sheet:
    """One graph: the room of each scope from the outside in, then canvases from the inside out."""

    def __init__(self, workflow: Workflow, key: str, columns: int, notes: Notes, overlay: Overlay | None) -> None:
        self.workflow, self.graph, self.key = workflow, workflow.graphs[key], key
        self.columns, self.notes, self.overlay = columns, notes, overlay
        self.inside = _opened(self.graph)
        self.cards = {name: self._card(name) for name in self.graph.nodes}
        self.plans: dict[str, spine.Plan] = {}
        self.rooms = {self.graph.entry: _Room(columns, columns)}
        self.apart: list[str] = []  # frames that have no room where they belong
        self.frames: dict[str, Canvas] = {}

    def _card(self, name: str) -> Card:
        node = self.graph.nodes[name]
        marks = self.overlay.node(self.key, name) if self.overlay else None
        told = self.overlay is not None
        asked = () if name in self.inside else tuple(conditions(node))
        return Card(node, tuple(about(node, self.graph, self.workflow, self.overlay)), asked, marks, told)

    def sections(self) -> list[tuple[str, Canvas]]:
        """The graph's own scope, then each frame that is drawn apart, with its heading."""
        for region in self.graph.regions.values():
            self._plan(region)
        for region in reversed(list(self.graph.regions.values())):
            if region.owner is not None and self._first(region):
                self.frames[region.owner] = self._frame(region.owner)
        main = self._scope(self.graph.entry)
        return [("", main), *((f"{name}, from above", self.frames[name]) for name in self.apart)]

    def _first(self, region: Region) -> bool:
        """Whether all other scopes that the same node opens are drawn when this one is reached, from the inside."""
        return region.owner is not None and self.inside[region.owner][0] == region.entry

    def _plan(self, region: Region) -> None:
        room = self.rooms[region.entry]
        for name in region.nodes:
            self.cards[name] = self._narrowed(self.cards[name], room.about)
        framed = frozenset(name for name in region.nodes if name in self.inside)
        sizes = {name: self.cards[name].columns() for name in region.nodes}
        made = self.plans[region.entry] = spine.plan(self.graph, region, room.columns, sizes, framed)
        for name in region.nodes:
            if name in self.inside:
                self._make_room(name, made.columns - 4, room.about)

    def _make_room(self, owner: str, columns: int, about_columns: int) -> None:
        if columns < _LEAST_FRAME:
            self.apart.append(owner)
            node = self.graph.nodes[owner]
            self.cards[owner] = replace(self.cards[owner], lines=(frame_title(node), "drawn below"))
            columns, about_columns = self.columns - 4, self.columns
        entries = self.inside[owner]
        if len(entries) > 1:
            beside = min(len(entries), max(1, columns // 24))
            about_columns = min(about_columns, max(14, columns // beside - 6))
        for entry in entries:
            self.rooms[entry] = _Room(columns, about_columns)

    @staticmethod
    def _narrowed(card: Card, columns: int) -> Card:
        return replace(card, lines=tuple(cut(line, columns) for line in card.lines), most=min(card.most, columns))

    def _frame(self, owner: str) -> Canvas:
        node = self.graph.nodes[owner]
        rooms = [self.rooms[entry] for entry in self.inside[owner]]
        parts = [self._branch(owner, entry) for entry in self.inside[owner]]
        inner = flow(parts, rooms[0].columns)
        return frame(self.cards[owner], frame_title(node), inner, rooms[0].columns + 4, self.notes)

    def _branch(self, owner: str, entry: str) -> Canvas:
        """A branch or body below the arrow that enters it."""
        node, canvas = self.graph.nodes[owner], Canvas()
        column = self.plans[entry].gutter + 2
        count = self.overlay.taken(self.key, owner, entry, 0) if self.overlay else None
        style = "" if count is None else "taken" if count else "untaken"
        canvas.text(0, column, "▽" if count == 0 else "▼", style)
        times = f"×{count}" if count and count > 1 else ""
        label = " ".join(part for part in (branch_label(node, entry), times) if part)
        body = self._scope(entry)
        if label:
            room = min(self.rooms[entry].columns, max(body.columns, column + 32)) - column - 2
            put(canvas, 0, column + 2, label, room, self.notes, "label", f"{owner} to {entry}")
        canvas.paste(body, 1, 0)
        return canvas

    def _scope(self, entry: str) -> Canvas:
        made = self.plans[entry]
        frames = {name: self.frames[name] for name in made.order if name in self.frames and name not in self.apart}
        drawn = scopes.draw(scopes.Scope(self.key, made, self.cards, frames, self.notes, self.overlay))
        while drawn.rows and not drawn.rows[-1]:
            drawn.rows.pop()
        return drawn


def _opened(graph: Graph) -> Mapping[str, list[str]]:
    """The scopes that each composite opens, in their order."""
    found: dict[str, list[str]] = {}
    for entry, region in graph.regions.items():
        if region.owner is not None:
            found.setdefault(region.owner, []).append(entry)
    return found
