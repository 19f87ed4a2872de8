"""Reads a drawing in text as a person would: finds the boxes, and follows each line from the box it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from magent.draw import Line, plain

BOTTOMS = "└╰╘╙╲╚"
RIGHT_CORNERS = "┐╮╱╲╕╖╗"


@dataclass(frozen=True)
class Box:
    """A box or frame; `left` and `right` are the columns of its borders, `top` and `bottom` their rows."""

    name: str
    top: int
    bottom: int
    left: int
    right: int
    framed: bool

    def holds(self, other: Box) -> bool:
        inside = self.left < other.left and other.right < self.right
        return self.framed and self.top < other.top and other.bottom < self.bottom and inside


class Trace:
    """`edges` are `(source, target)` as the lines say, each as often as it is drawn. ASCII names and labels only."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self.rows = [plain(line) for line in lines]
        self.boxes = list(self._boxes(lines))
        self.edges = sorted(self._edges())

    def cell(self, row: int, column: int) -> str:
        inside = 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row])
        return self.rows[row][column] if inside else " "

    def _boxes(self, lines: Sequence[Line]) -> Iterator[Box]:
        for row, line in enumerate(lines):
            column = 0
            for style, text in line:
                if style == "name":
                    yield self._box(row, column, text)
                column += len(text)

    def _box(self, row: int, column: int, text: str) -> Box:
        left = column - 2
        framed = self.cell(row, left) in "╔╭"
        top = row if framed else row - 1
        bottom = next(at for at in range(row + 1, len(self.rows)) if self.cell(at, left) in BOTTOMS)
        right = next(at for at in range(left + 1, 500) if self.cell(bottom, at) in "┘╯╛╜╱╝")
        return Box(text.strip().removeprefix("? "), top, bottom, left, right, framed)

    def _edges(self) -> Iterator[tuple[str, str]]:
        for box in self.boxes:
            if self.cell(box.bottom, box.left + 2) in "┬╤┰":
                for target in self._leaving(box):
                    yield box.name, target
            for inner in self.boxes:
                if (
                    self.cell(inner.top - 1, inner.left + 2) in "▼▽"
                    and self._owner(inner) is box
                    and self._opened(inner)
                ):
                    yield box.name, inner.name

    def _owner(self, box: Box) -> Box | None:
        around = [other for other in self.boxes if other.holds(box)]
        return max(around, key=lambda other: other.top, default=None)

    def _opened(self, box: Box) -> bool:
        """Whether the arrow above comes from the frame around it, and not from a box."""
        return self.cell(box.top - 2, box.left + 2) not in "│╎┃╏├┤┠┫┣┨┬╤┰┼"

    def _leaving(self, box: Box) -> Iterator[str]:
        spine, row = box.left + 2, box.bottom + 1
        while True:
            sign = self.cell(row, spine)
            if sign in "├╰":
                yield self._right(row, spine + 1)
            elif sign in "┤╯":
                yield self._left(row, spine - 1)
            elif sign == "▼":
                yield self._at(lambda other, row=row: other.top == row + 1 and other.left == spine - 2)
                return
            elif sign not in "│╎":
                raise AssertionError(f"the line below {box.name} ends in {sign!r} at {row}, {spine}")
            if sign in "╰╯":
                return
            row += 1

    def _right(self, row: int, column: int) -> str:
        while self.cell(row, column) not in "╮┤▶":
            column += 1
            assert column < 500, f"the line in row {row} leads nowhere: {self.rows[row]}"
        if self.cell(row, column) == "▶":
            if self.cell(row, column + 1) != " ":
                return self._at(lambda other: other.top == row - 1 and other.left == column + 1)
            return self._told(row, column)
        row += 1
        while self.cell(row, column) != "╯":
            assert self.cell(row, column) in "│╎┤┼", f"the lane breaks off at {row}, {column}: {self.rows[row]}"
            row += 1
        while self.cell(row, column) != "◀":
            column -= 1
        return self._at(lambda other: other.top == row - 1 and other.right == column - 1)

    def _told(self, row: int, column: int) -> str:
        words = self.rows[row][column + 1 :].split()
        return words[1] if words[0] in "↺◉" else words[0]

    def _left(self, row: int, column: int) -> str:
        while self.cell(row, column) not in "╰├":
            assert self.cell(row, column) in "┈┼", f"the line in row {row} leads nowhere: {self.rows[row]}"
            column -= 1
        row -= 1
        while self.cell(row, column) != "╭":
            assert self.cell(row, column) in "┊├┼", f"the lane breaks off at {row}, {column}: {self.rows[row]}"
            row -= 1
        while self.cell(row, column) != "▶":
            column += 1
        return self._at(lambda other: other.top == row - 1 and other.left == column + 1)

    def _at(self, fits: object) -> str:
        assert callable(fits)
        found = [box.name for box in self.boxes if fits(box)]
        assert len(found) == 1, found
        return found[0]
