"""What a picture is made of, before it is SVG: boxes, frames around them, and lines, each where it stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from magent.draw.layers import Item
from magent.draw.letters import fit, length, wrap
from magent.draw.marks import Marks
from magent.draw.routes import Piece, moved

NAME, SMALL = 13.0, 11.0  # sizes of letters
_ROW, _HEAD = 15.0, 18.0  # heights of their lines
_SIDE, _ICON, _BADGE = 12.0, 22.0, 20.0
WIDEST = 236.0  # of the text in a box
_NARROWEST = 64.0
CHIP = 186.0  # of the text on a line
_CHIP_ROWS = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A line of a box. `whole` where it was cut."""

    shown: str
    style: str  # name, about, fact
    whole: str = ""


@dataclass(frozen=True, slots=True)
class Box:
    """A node, a step of a chain, the meeting of branches: its look is that of its `kind`. `node`: the graph's key and
    the name, where it is one; `told`: a run is laid over it."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    texts: tuple[Text, ...] = ()
    title: str = ""
    node: tuple[str, str] | None = None
    marks: Marks | None = None
    told: bool = False
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A border around what a node opens. `kind`: parallel, loop, subgraph, chain; panel and pile (one for each item)
    for a scope in it; section for a graph of its own."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    caption: str = ""
    taken: bool | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An edge. `look`: normal, conditional, loop_back; `count` how often a run took it, None where none is told;
    `chip`: the lines of its label around `middle`. `implied`: no edge of the file, but where a scope ends. `fanned`: it
    shares its way with others from its source on, and not into its target."""

    look: str
    way: tuple[Piece, ...]
    chip: tuple[str, ...] = ()
    middle: tuple[float, float] | None = None
    size: tuple[float, float] = (0.0, 0.0)
    title: str = ""
    count: int | None = None
    implied: bool = False
    fanned: bool = False


@dataclass(slots=True)
class Sheet:
    """`frames` from the outside in. `parts` are other sheets, and where their corners are; a `flat` one has none."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Box] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    parts: list[tuple[Sheet, float, float]] = field(default_factory=list)

    def flat(self) -> Sheet:
        """Everything of all parts, where it stands on this sheet."""
        made = Sheet(self.width, self.height)
        stack = [(self, 0.0, 0.0)]
        while stack:
            part, x, y = stack.pop()
            made.boxes += [replace(box, x=box.x + x, y=box.y + y) for box in part.boxes]
            made.frames += [replace(frame, x=frame.x + x, y=frame.y + y) for frame in part.frames]
            made.lines += [_moved(line, x, y) for line in part.lines]
            stack += [(inner, x + across, y + down) for inner, across, down in reversed(part.parts)]
        return made


def _moved(line: Line, x: float, y: float) -> Line:
    middle = line.middle and (line.middle[0] + x, line.middle[1] + y)
    return replace(line, way=tuple(moved(piece, x, y) for piece in line.way), middle=middle)


@dataclass(slots=True)
class Block:
    """A sheet that stands in another as one item."""

    sheet: Sheet
    item: Item


def card(
    kind: str,
    name: str,
    about: Iterable[str],
    facts: Iterable[str] = (),
    *,
    title: str = "",
    node: tuple[str, str] | None = None,
    marks: Marks | None = None,
    told: bool = False,
    icon: str = "",
) -> Block:
    """A box as wide as what it says. A diamond, and what leans, takes more at its sides."""
    texts = [_text(name, "name"), *(_text(line, "about") for line in about), *(_text(line, "fact") for line in facts)]
    widths = [length(text.shown, NAME if text.style == "name" else SMALL, bold=text.style == "name") for text in texts]
    widths[0] += _BADGE if marks is not None else 0.0
    side = {"condition": 24.0, "start": 16.0, "end": 16.0, "human_input": 16.0, "subgraph": 18.0}.get(kind, _SIDE)
    width = round(max(_NARROWEST, _ICON + max(widths) + 2 * side))
    height = round(_HEAD + _ROW * (len(texts) - 1) + 16.0)
    box = Box(kind, 0.0, 0.0, width, height, tuple(texts), title, node, marks, told, icon)
    return Block(Sheet(width, height, [box]), Item(width, height))


def _text(line: str, style: str) -> Text:
    size, bold = (NAME, True) if style == "name" else (SMALL, False)
    shown = fit(line, WIDEST, size, bold=bold)
    return Text(shown, style, line if shown != line else "")


def pill(kind: str, text: str) -> Block:
    """A small box of one line; without a text, a dot."""
    width = round(length(text, SMALL) + 20.0) if text else 9.0
    height = 20.0 if text else 9.0
    texts = (Text(text, "about"),) if text else ()
    return Block(Sheet(width, height, [Box(kind, 0.0, 0.0, width, height, texts)]), Item(width, height))


def chip(label: str) -> tuple[tuple[str, ...], tuple[float, float]]:
    """The lines of a label, and the size they take."""
    if not label:
        return (), (0.0, 0.0)
    rows = tuple(wrap(label, CHIP, SMALL, _CHIP_ROWS))
    return rows, (round(max(length(row, SMALL) for row in rows) + 14.0), 5.0 + 13.0 * len(rows))
