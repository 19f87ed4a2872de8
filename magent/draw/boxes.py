"""Boxes and frames on a canvas: a look for each type of node, the marks of a run inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from magent.cells import cut, width
from magent.draw.canvas import Canvas
from magent.draw.marks import Marks, facts
from magent.draw.words import LONGEST_ABOUT
from magent.model import Choice, End, HumanInput, Loop, Node, Parallel, Start, Subgraph

SPINE = 2  # the column of a box where lines leave and arrive
PORT = 1  # its row where lanes arrive
NARROWEST = 10  # columns of a box

# Corners from the upper left, clockwise; above and below; left; right.
_BORDERS: dict[type[Node], str] = {
    Start: "╭╮╯╰─││",
    End: "╭╮╯╰─││",
    Choice: "╱╲╱╲─<>",
    HumanInput: "╒╕╛╘═││",
    Subgraph: "╓╖╜╙─║║",
    Parallel: "╔╗╝╚═║║",
    Loop: "╭╮╯╰┈┊┊",
}
_PLAIN = "┌┐┘└─││"
_PORTS = {"─": "┬", "═": "╤", "┈": "┬"}
_TAKEN_PORTS = {"─": "┰", "═": "╤", "┈": "┰"}


@dataclass(slots=True)
class Notes:
    """What was cut, told in full below the picture. A mark is one sign wide; they are numbered when all is drawn."""

    texts: list[str] = field(default_factory=list)

    def fit(self, text: str, columns: int, of: str = "") -> tuple[str, str]:
        """The text, or its beginning and the style of the note that has it whole, with the name `of` what it tells."""
        if width(text) <= columns:
            return text, ""
        self.texts.append(f"{of}: {text.strip()}" if of else text)
        return cut(text, columns - len("[*]")), f"note {len(self.texts) - 1}"


def put(
    canvas: Canvas, row: int, column: int, text: str, columns: int, notes: Notes, style: str = "", of: str = ""
) -> int:
    """Writes text into so many columns; what is cut becomes a note `of` a node. Gives the column behind it."""
    shown, note = notes.fit(text, columns, of)
    column = canvas.text(row, column, shown, style)
    if note:
        column = canvas.text(row, column, "[", style)
        column = canvas.text(row, column, "*", note)
        column = canvas.text(row, column, "]", style)
    return column


@dataclass(frozen=True, slots=True)
class Card:
    """What is written in a box; what does not fit of `conditions` becomes a note. `told`: a run is laid over it, and
    `marks` are what it did there. `style` is that of the border, after type or status."""

    node: Node
    lines: tuple[str, ...]
    conditions: tuple[str, ...] = ()
    marks: Marks | None = None
    told: bool = False
    most: int = LONGEST_ABOUT  # columns that conditions ask for

    @property
    def style(self) -> str:
        if self.told:
            return self.marks.status if self.marks is not None else "untaken"
        return type_style(self.node)

    @property
    def name(self) -> str:
        return f"? {self.node.name}" if isinstance(self.node, HumanInput) else self.node.name

    @property
    def facts(self) -> str:
        return facts(self.marks) if self.marks is not None else ""

    def columns(self) -> int:
        """How wide its box would like to be."""
        wanted = [width(line) for line in (self.name, self.facts, *self.lines)]
        return max(NARROWEST, 4 + max(*wanted, *(min(self.most, width(line)) for line in self.conditions), 0))


def type_style(node: Node) -> str:
    return {HumanInput: "person", Choice: "condition", Start: "end", End: "end"}.get(type(node), "box")


def box(card: Card, columns: int, notes: Notes) -> Canvas:
    """The box of a node, exactly `columns` wide."""
    canvas, inner = Canvas(), columns - 4
    border = _BORDERS.get(type(card.node), _PLAIN)
    if isinstance(card.node, (Parallel, Loop)):
        border = _PLAIN  # it is drawn elsewhere; this stands for it
    rows = [(card.name, "name"), *((line, "about") for line in card.lines)]
    rows += [(line, "label") for line in card.conditions]
    rows += [(card.facts, card.style)] if card.facts else []
    edge = border[4] * (columns - 2)
    diamond = isinstance(card.node, Choice)
    canvas.text(0, 0, f"{border[0]}{edge}{border[1]}", card.style)
    for row, (text, style) in enumerate(rows, 1):
        sides = border[5:7] if not diamond or row == 1 else "││"
        canvas.text(row, 0, f"{sides[0]}{' ' * (columns - 2)}{sides[1]}", card.style)
        if style == "about":
            canvas.text(row, 2, cut(text, inner), style)
        else:
            put(canvas, row, 2, text, inner, notes, style, "" if style == "name" else card.node.name)
    canvas.text(len(rows) + 1, 0, f"{border[3]}{edge}{border[2]}", card.style)
    return canvas


def frame(card: Card, title: str, inner: Canvas, columns: int, notes: Notes) -> Canvas:
    """A parallel or loop around what it opens, at most `columns` wide."""
    border = _BORDERS[type(card.node)]
    wanted = max(inner.columns + 4, width(card.name) + 2 + width(title) + 8, width(card.facts) + 8)
    wide = min(columns, wanted)
    canvas = Canvas()
    edge = border[4] * (wide - 2)
    canvas.text(0, 0, f"{border[0]}{edge}{border[1]}", card.style)
    behind = put(canvas, 0, 2, f" {card.name}", wide - 6 - len(": [*]"), notes, "name")
    behind = canvas.text(0, behind, ": ", "about")
    behind = put(canvas, 0, behind, title, wide - 3 - behind, notes, "about", card.node.name)
    canvas.text(0, behind, " ", card.style)
    for row in range(1, inner.height + 1):
        canvas.text(row, 0, border[5], card.style)
        canvas.text(row, wide - 1, border[6], card.style)
    canvas.paste(inner, 1, 2)
    last = inner.height + 1
    canvas.text(last, 0, f"{border[3]}{edge}{border[2]}", card.style)
    if card.facts:
        put(canvas, last, 4, f" {card.facts} ", wide - 6, notes, card.style, card.node.name)
    elif isinstance(card.node, Loop):
        canvas.text(last, 4, " ↺ ", card.style)
    return canvas


def open_port(canvas: Canvas, row: int, column: int, border: str, taken: bool, style: str) -> None:
    """Where a line leaves a box downwards."""
    canvas.text(row, column, (_TAKEN_PORTS if taken else _PORTS)[border], style)


def border_of(node: Node, framed: bool) -> str:
    """The sign of the border below a node."""
    if isinstance(node, (Parallel, Loop)) and not framed:
        return "─"
    return _BORDERS.get(type(node), _PLAIN)[4]


def flow(parts: Sequence[Canvas], columns: int) -> Canvas:
    """Canvases side by side where there is room, in as many rows as it takes."""
    whole = Canvas()
    row = column = height = 0
    for part in parts:
        if column and column + part.columns > columns:
            row, column, height = row + height + 1, 0, 0
        whole.paste(part, row, column)
        column += part.columns + 2
        height = max(height, part.height)
    return whole
