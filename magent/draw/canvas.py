"""A grid of a terminal's cells: texts, and lines that join where they meet and cross where they pass.

Lines are kept as weights towards the four sides, so that the sign of each cell follows from what goes through it.
`┼` is always a crossing: lines that belong together meet as `┤ ├ ┴ ┬`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Literal

from magent.cells import width

Look = Literal["solid", "dashed", "dotted"]
Span = tuple[str, str]  # style, text
Line = tuple[Span, ...]

LIGHT, HEAVY = 1, 2
# By the weights up, right, down, left, as the digits of a number to the base of 3.
_JOINTS = " ╴╸╷╮┑╻┒┓╶─╾╭┬┭┎┰┱╺╼━┍┮┯┏┲┳╵╯┙│┤┥╽┧┪╰┴┵├┼┽┟╁╅┕┶┷┝┾┿┢╆╈╹┚┛╿┦┩┃┨┫┖┸┹┞╀╃┠╂╉┗┺┻┡╄╇┣╊╋"
_STRAIGHT: dict[Look, tuple[str, str]] = {"solid": ("─│", "━┃"), "dashed": ("╌╎", "╍╏"), "dotted": ("┈┊", "┉┋")}
_ACROSS, _DOWN = (1, 3), (0, 2)

_SAME = {
    "─╌╴╶╼╾·⊘": "-", "━╍═╸╺": "=", "│╎╵╷": "|", "┃╏║╹╻╽╿": "H", "┈┉": ".", "┊┋": ":", "╱": "/", "╲": "\\",
    "▼": "V", "▽↓": "v", "▶▷→": ">", "◀◁": "<", "…": "~", "\N{MULTIPLICATION SIGN}✘": "x", "↺": "@", "◉○": "o",
    "✔": "+", "⏸": "?", "■": "#",
}  # fmt: skip
_CORNERS = "".join(map(chr, range(0x250C, 0x254C))) + "╔╗╚╝╤╭╮╰╯╒╕╘╛╓╖╙╜"
_ASCII = str.maketrans({**dict.fromkeys(_CORNERS, "+"), **{sign: to for signs, to in _SAME.items() for sign in signs}})


def visible(text: object) -> str:
    """Text of a file on one line, with nothing left that a terminal obeys."""
    line = " ".join(str(text).split())
    return line if line.isascii() and line.isprintable() else "".join(c if c.isprintable() else "�" for c in line)


def to_ascii(text: str) -> str:
    """The text where only ASCII can be shown: as many columns wide."""
    if text.isascii():
        return text
    signs = text.translate(_ASCII)
    return signs if signs.isascii() else "".join(c if c.isascii() else "?" * width(c) for c in signs)


_columns_of = lru_cache(maxsize=4096)(width)


Sides = tuple[int, int, int, int]  # weights: up, right, down, left


@dataclass(slots=True)
class _Cell:
    text: str = ""  # "" for a line, and behind a wide character
    sides: Sides | None = None
    look: Look = "solid"
    style: str = ""

    def shown(self) -> str:
        return self.text if self.sides is None else _sign(self.sides, self.look)


@cache
def _sign(sides: Sides, look: Look) -> str:
    up, right, down, left = sides
    for index, (one, other, blank) in enumerate(((right, left, up + down), (up, down, right + left))):
        if one and one == other and not blank:
            return _STRAIGHT[look][one - 1][index]
    return _JOINTS[27 * up + 9 * right + 3 * down + left]


@dataclass(slots=True)
class Canvas:
    """Rows of cells by column; `columns` is how wide it has become."""

    rows: list[dict[int, _Cell]] = field(default_factory=list)
    columns: int = 0

    @property
    def height(self) -> int:
        return len(self.rows)

    def _row(self, row: int, end: int) -> dict[int, _Cell]:
        while len(self.rows) <= row:
            self.rows.append({})
        self.columns = max(self.columns, end)
        return self.rows[row]

    def text(self, row: int, column: int, text: str, style: str = "") -> int:
        """Writes visible text; gives the column behind it. Combining characters join the one before them."""
        start = column
        cells = self._row(row, column)
        for char in text:
            wide = _columns_of(char)
            if not wide and column > start:
                before = cells[column - 1] if cells[column - 1].text else cells[column - 2]
                before.text += char
                continue
            cells[column] = _Cell(char if wide else " " + char, style=style)
            for behind in range(column + 1, column + max(1, wide)):
                cells[behind] = _Cell(style=style)
            column += max(1, wide)
        self.columns = max(self.columns, column)
        return column

    def across(
        self, row: int, start: int, end: int, look: Look = "solid", weight: int = LIGHT, style: str = ""
    ) -> None:
        """A line from the middle of one cell to the middle of another in the same row, whichever is left."""
        start, end = min(start, end), max(start, end)
        cells = self._row(row, end + 1)
        for column in range(start, end + 1):
            right, left = weight * (column < end), weight * (column > start)
            _join(cells, column, (0, right, 0, left), look, style)

    def down(
        self, column: int, start: int, end: int, look: Look = "solid", weight: int = LIGHT, style: str = ""
    ) -> None:
        """The same from row to row."""
        start, end = min(start, end), max(start, end)
        for row in range(start, end + 1):
            up, down = weight * (row > start), weight * (row < end)
            _join(self._row(row, column + 1), column, (up, 0, down, 0), look, style)

    def paste(self, other: Canvas, row: int, column: int) -> None:
        """The cells of another canvas, with its corner at that place."""
        for down, cells in enumerate(other.rows):
            target = self._row(row + down, column)
            target.update({column + across: cell for across, cell in cells.items()})
        self.columns = max(self.columns, column + other.columns)

    def lines(self) -> Iterator[Line]:
        """Each row as spans of one style, without blanks at its end."""
        for cells in self.rows:
            spans: list[tuple[str, list[str]]] = []
            behind = 0
            for column in sorted(cells):
                cell = cells[column]
                if column > behind:
                    spans.append(("", [" " * (column - behind)]))
                if not spans or spans[-1][0] != cell.style:
                    spans.append((cell.style, []))
                spans[-1][1].append(cell.shown())
                behind = column + 1
            yield tuple((style, "".join(parts)) for style, parts in spans)


def _join(cells: dict[int, _Cell], column: int, sides: Sides, look: Look, style: str) -> None:
    """Adds a piece of a line to what goes through a cell."""
    cell = cells.get(column)
    if cell is None or cell.sides is None:
        cells[column] = _Cell("", sides, look, style)
        return
    if cell.sides != sides:
        (up, right, down, left), (up_too, right_too, down_too, left_too) = cell.sides, sides
        cell.sides = (max(up, up_too), max(right, right_too), max(down, down_too), max(left, left_too))
    cell.style = cell.style if cell.style == "taken" else style or cell.style
    cell.look = look if cell.look == look else "solid"


def plain(line: Line) -> str:
    """A line without its styles."""
    return "".join(text for _, text in line).rstrip()
