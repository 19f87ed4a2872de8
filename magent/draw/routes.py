"""A scope laid out: where its items stand, and which ways its edges go.

Between two layers there is a gap that no item reaches into; edges bend there and nowhere else, and pass a layer in a
cell of their own, so that none runs through an item. A loop_back leaves below its source, goes up in a lane beside
all that stands between, and comes down on its target. What is much higher than wide goes on in another column.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from magent.draw.align import align
from magent.draw.layers import SPACE, Cell, Item, Layers, Link, layers

_GAP = 34.0  # between two layers of items
_LABEL_GAP = 15.0  # between items and labels
_TRACK = 9.0  # between two lines that run across in a gap
_LANE = 13.0  # between a lane and what stands beside it
_SLOPE, _STEEPEST = 0.07, 70.0  # what a gap grows by for each unit that a line goes across in it, and how far
_ASIDE = 14.0  # how far from the middle of an item a line may meet it
_ARROW = 16.0  # straight before an item that a loop_back comes down on
_ASPECT = 1.6  # width to height that columns aim at
_MOST_ON = 4  # lines that go on from column to column
_LEAST = 0.6  # of the height they aim at, that they have at least, to be cut where few lines go on
_WORTH = 0.75  # of its height, that what is cut into columns may have at most


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a way. `curved`: it leaves and arrives upright; else it is a straight line, upright or level."""

    x1: float
    y1: float
    x2: float
    y2: float
    curved: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """The upper left corner of each item; the way of each link from its source on; the middle of its label."""

    width: float
    height: float
    corners: list[tuple[float, float]]
    ways: list[list[Piece]]
    labels: list[tuple[float, float] | None]


@dataclass(slots=True)
class _Lane:
    """Where a loop_back goes up: in `x`, from below layer `low`, its source's, to above layer `high`, its target's.
    `leaves` and `arrives` count the lines that run across in the same gaps; `right`: on which side."""

    low: int
    high: int
    right: bool
    x: float = 0.0
    leaves: int = 0
    arrives: int = 0

    @property
    def first(self) -> int:
        return min(self.low, self.high)

    @property
    def last(self) -> int:
        return max(self.low, self.high)


def place(items: Sequence[Item], links: Sequence[Link], tallest: float = math.inf) -> Placed:
    """The first item is where the scope is entered. What is taller than `tallest` is laid out in columns, if it can."""
    made = layers(items, links)
    align(made.rows)
    return _Ground(items, links, made).placed(tallest)


@dataclass(slots=True)
class _Ground:
    items: Sequence[Item]
    links: Sequence[Link]
    made: Layers
    lanes: dict[int, _Lane] = field(default_factory=dict)
    tops: list[float] = field(default_factory=list)  # of the layers
    heights: list[float] = field(default_factory=list)
    shifts: list[float] = field(default_factory=list)  # of the layers, to the right
    cuts: dict[int, tuple[float, float, float]] = field(default_factory=dict)  # gap → lowest, gutter, highest

    def placed(self, tallest: float) -> Placed:
        self._make_lanes()
        self._stack()
        self._columns(tallest)
        ways = [self._way(number, link) for number, link in enumerate(self.links)]
        corners = [(self._x(cell) - cell.left, self.tops[cell.layer]) for cell in self.made.of_item]
        labels = [self._label(number) for number in range(len(self.links))]
        return _framed(self.items, self.links, corners, ways, labels)

    def _make_lanes(self) -> None:
        """The short ones stand inside the long ones."""
        backs = [(number, link) for number, link in enumerate(self.links) if link.back]
        spans = {number: self._span(number, link) for number, link in backs}
        leaves: Counter[int] = Counter()
        arrives: Counter[int] = Counter()
        lefts = [min(cell.x - cell.left for cell in row) for row in self.made.rows]
        rights = [max(cell.x + cell.right for cell in row) for row in self.made.rows]
        for number, link in sorted(backs, key=lambda each: (abs(spans[each[0]][0] - spans[each[0]][1]), each[0])):
            low, high = spans[number]
            first, last = min(low, high), max(low, high)
            rows = range(max(0, first - 1), min(last + 2, len(lefts)))  # with those whose gaps its lines run across in
            left, right = min(lefts[row] for row in rows), max(rights[row] for row in rows)
            source = [*self.made.passing[number], self.made.of_item[link.source]][0]  # its label, if it has one
            lane = _Lane(low, high, right - source.x <= source.x - left + 1)
            lane.x = right + _LANE if lane.right else left - _LANE
            lane.leaves, lane.arrives = leaves[low], arrives[high]
            leaves[low] += 1
            arrives[high] += 1
            for row in range(first, last + 1):
                lefts[row], rights[row] = min(lefts[row], lane.x), max(rights[row], lane.x)
            self.lanes[number] = lane

    def _span(self, number: int, link: Link) -> tuple[int, int]:
        passing = self.made.passing[number]
        source = passing[0] if passing else self.made.of_item[link.source]
        return source.layer, self.made.of_item[link.target].layer

    def _stack(self) -> None:
        rows, y = self.made.rows, 0.0
        across = self._across()
        leaves = Counter(lane.low for lane in self.lanes.values())
        arrives = Counter(lane.high for lane in self.lanes.values())
        for number, row in enumerate(rows):
            tracks = _TRACK * (arrives[number] + (leaves[number - 1]))
            base = 0.0 if not number else _LABEL_GAP if self._is_labels(number - 1, number) else _GAP
            arrow = _ARROW if arrives[number] else 0.0
            y += base + tracks + arrow + min(_STEEPEST, _SLOPE * across[number])
            self.tops.append(y)
            self.heights.append(max(cell.height for cell in row))
            y += self.heights[-1]
        self.shifts = [0.0] * len(rows)

    def _is_labels(self, *rows: int) -> bool:
        return any(cell.item is None and cell.height for row in rows for cell in self.made.rows[row])

    def _across(self) -> list[float]:
        """How far the line that goes furthest across in the gap above each layer does so."""
        return [
            max((abs(self._leaving(up) - cell.x) for cell in row for up in cell.up), default=0.0)
            for row in self.made.rows
        ]

    def _leaving(self, cell: Cell) -> float:
        """Where lines leave a cell downwards, before layers are shifted."""
        if cell.item is None:
            return cell.x
        item = self.items[cell.item]
        return cell.x - cell.left + (item.width / 2 if item.outlet < 0 else item.outlet)

    def _x(self, cell: Cell) -> float:
        return cell.x + self.shifts[cell.layer]

    def _bottom(self, row: int) -> float:
        return self.tops[row] + self.heights[row]

    def _columns(self, tallest: float) -> None:
        """Cuts the layers into columns, where a single line goes on, and sets these side by side."""
        rows = self.made.rows
        total = self._bottom(len(rows) - 1)
        if total <= tallest:
            return
        lefts, rights = self._borders()
        wide = max(rights) - min(lefts) + 3 * SPACE
        starts = self._starts(max(tallest, math.sqrt(total * wide / _ASPECT)))
        spans = list(zip(starts, [*starts[1:], len(rows)], strict=True))
        if max(self._bottom(end - 1) - self.tops[start] for start, end in spans) > total * _WORTH:
            return
        x = 0.0
        for start, end in spans:
            left = min(lefts[start:end])
            above = self.tops[start]
            for row in range(start, end):
                self.shifts[row] = x - left
                self.tops[row] -= above
            if start:
                self.cuts[start] = (self._bottom(start - 1) + _ARROW, x - 2.5 * SPACE, -1.5 * _ARROW)
            x += max(rights[start:end]) - left + 4.5 * SPACE

    def _borders(self) -> tuple[list[float], list[float]]:
        """Of each layer, with the lanes beside it."""
        lefts = [min(cell.x - cell.left for cell in row) for row in self.made.rows]
        rights = [max(cell.x + cell.right for cell in row) for row in self.made.rows]
        for lane in self.lanes.values():
            for row in range(lane.first, lane.last + 1):
                lefts[row], rights[row] = min(lefts[row], lane.x), max(rights[row], lane.x)
        return lefts, rights

    def _starts(self, height: float) -> list[int]:
        """The layers that begin a column, for columns about so high."""
        held = {row for lane in self.lanes.values() for row in range(lane.first, lane.last + 2)}
        rows = self.made.rows
        free = [(row, sum(len(cell.down) for cell in rows[row - 1])) for row in range(1, len(rows))]
        free = [(row, on) for row, on in free if row not in held and on <= _MOST_ON and not self._is_labels(row)]
        starts = [0]
        while self._bottom(len(rows) - 1) - self.tops[starts[-1]] > height:
            top = self.tops[starts[-1]]
            near = [(on, -row) for row, on in free if _LEAST * height < self._bottom(row - 1) - top <= height]
            later = [row for row, _ in free if self._bottom(row - 1) - top > height]
            if not near and not later:
                break
            starts.append(-min(near)[1] if near else later[0])
        return starts

    def _way(self, number: int, link: Link) -> list[Piece]:
        source, target = self.made.of_item[link.source], self.made.of_item[link.target]
        y = self.tops[source.layer] + source.height
        high = self.items[link.source].high
        x = self._leaving(source) + self.shifts[source.layer]
        if link.back:
            return list(self._back(number, link, x, y, high))
        cells = [*self.made.passing[number], target]
        if not high:
            x = self._straightened(x, self._x(cells[0]), source, cells[0])
        pieces = [_straight(x, y - high, x, self._bottom(source.layer))]
        before = source
        for cell in cells:
            pieces += self._onward(pieces[-1], before, cell)
            before = cell
            if cell is not target:
                pieces.append(_straight(self._x(cell), self.tops[cell.layer], self._x(cell), self._bottom(cell.layer)))
        x, end = pieces[-1].x2, self.tops[target.layer]
        pieces.append(_straight(x, end, x, end + self.items[link.target].deep))
        return [piece for piece in pieces if (piece.x1, piece.y1) != (piece.x2, piece.y2)]

    def _straightened(self, own: float, other: float, item: Cell, cell: Cell) -> float:
        """Where a line meets an item: a little aside of its middle, where it runs straight then."""
        near = abs(own - other) <= min(_ASIDE, item.left / 2, item.right / 2)
        return other if near and max(item.layer, cell.layer) not in self.cuts else own

    def _onward(self, last: Piece, before: Cell, cell: Cell) -> Iterator[Piece]:
        """Through the gap above a cell; where a column ends, around to the top of the next."""
        x, y = self._x(cell), self.tops[cell.layer]
        cut = self.cuts.get(cell.layer)
        if cut is None:
            if cell.item is not None and len(cell.up) == 1 and not self.items[cell.item].deep:
                x = self._straightened(x, last.x2, cell, before)
            same = abs(x - last.x2) < 0.01
            yield Piece(last.x2, last.y2, x, y, not same) if not same else _straight(last.x2, last.y2, last.x2, y)
            return
        lines = [(up, each) for each in self.made.rows[cell.layer] for up in each.up]
        by = _TRACK * lines.index((before, cell))
        lowest, gutter, highest = cut[0] + _TRACK * (len(lines) - 1) - by, cut[1] + by, cut[2] - by
        yield from _through(
            (last.x2, last.y2), (last.x2, lowest), (gutter, lowest), (gutter, highest), (x, highest), (x, y)
        )

    def _back(self, number: int, link: Link, x: float, y: float, high: float) -> Iterator[Piece]:
        lane, source, target = self.lanes[number], self.made.of_item[link.source], self.made.of_item[link.target]
        side = 1.0 if lane.right else -1.0
        shift = self.shifts[source.layer]
        track = self._bottom(lane.low) + _TRACK * (lane.leaves + 0.9)
        passing = self.made.passing[number]
        y -= high
        if passing:
            label = passing[0]
            yield _straight(x, y, x, self._bottom(source.layer))
            yield Piece(x, self._bottom(source.layer), self._x(label), self.tops[label.layer], True)
            x, y = self._x(label), self.tops[label.layer]
        else:
            x += 0.0 if high else side * min(14.0, source.left / 3, source.right / 3)
        end_x = self._x(target) + side * min(20.0, target.left / 2, target.right / 2)
        end_y = self.tops[target.layer]
        over = end_y - _ARROW - _TRACK * lane.arrives
        end = end_y + self.items[link.target].deep
        yield from _through(
            (x, y), (x, track), (lane.x + shift, track), (lane.x + shift, over), (end_x, over), (end_x, end)
        )

    def _label(self, number: int) -> tuple[float, float] | None:
        for cell in self.made.passing[number]:
            if cell.height:
                return self._x(cell), (self.tops[cell.layer] + self._bottom(cell.layer)) / 2
        return None


def _straight(x1: float, y1: float, x2: float, y2: float) -> Piece:
    return Piece(x1, y1, x2, y2)


def _through(*points: tuple[float, float]) -> Iterator[Piece]:
    for (x1, y1), (x2, y2) in pairwise(points):
        yield _straight(x1, y1, x2, y2)


def _framed(
    items: Sequence[Item],
    links: Sequence[Link],
    corners: list[tuple[float, float]],
    ways: list[list[Piece]],
    labels: list[tuple[float, float] | None],
) -> Placed:
    """Everything moved so that it begins at (0, 0)."""
    xs = [x for x, _ in corners] + [x + item.width for (x, _), item in zip(corners, items, strict=True)]
    ys = [y for _, y in corners] + [y + item.height for (_, y), item in zip(corners, items, strict=True)]
    for way in ways:
        xs += [x for piece in way for x in (piece.x1, piece.x2)]
        ys += [y for piece in way for y in (piece.y1, piece.y2)]
    for link, label in zip(links, labels, strict=True):
        if label is not None:
            xs += [label[0] - link.label[0] / 2, label[0] + link.label[0] / 2]
            ys += [label[1] - link.label[1] / 2, label[1] + link.label[1] / 2]
    left, top = min(xs), min(ys)
    return Placed(
        max(xs) - left,
        max(ys) - top,
        [(x - left, y - top) for x, y in corners],
        [[moved(piece, -left, -top) for piece in way] for way in ways],
        [label and (label[0] - left, label[1] - top) for label in labels],
    )


def moved(piece: Piece, x: float, y: float) -> Piece:
    return Piece(piece.x1 + x, piece.y1 + y, piece.x2 + x, piece.y2 + y, piece.curved)
