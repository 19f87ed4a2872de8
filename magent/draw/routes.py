"""A scope laid out: where its items stand, and which ways its edges go.

Between two layers there is a gap that no item reaches into; edges bend there and nowhere else, and pass a layer in a
cell, so that none runs through an item. Where many come together in a trunk, or leave it, they run across in one track.
A loop_back leaves below its source, goes up in a lane beside all that stands between, and comes down on its target.
What is much higher than wide goes on in another column.
"""

from __future__ import annotations

import math
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from magent.draw.align import align
from magent.draw.lanes import Lane, lanes, settle
from magent.draw.layers import SPACE, Cell, Item, Layers, Link, layers

_GAP = 34.0  # between two layers of items
_LABEL_GAP = 15.0  # between items and labels
_TRACK = 9.0  # between two lines that run across in a gap
_SLOPE, _STEEPEST = 0.07, 70.0  # what a gap grows by for each unit that a line goes across in it, and how far
_BESIDE = 20.0  # from where lines leave an item to where those do that leave it as a whole
_ASIDE = 14.0  # how far from the middle of an item a line may meet it
_ARROW = 16.0  # straight before an item that a loop_back comes down on
_ASPECT = 1.6  # width to height that columns aim at
_MOST_ON, _MOST_BACK = 5, 8  # lines that go on from column to column, and lanes that go back
_BUS = 4  # lines that come together in a trunk, or leave it, from which on they run across in one track
_LEAST = 0.6  # of the height they aim at, that they have at least, to be cut where few lines go on
_EVEN = 1.1  # times its share of the whole, that a column may be high
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
    fanned: set[int]  # the links that share their way with others from their source on, and not into their target


def place(items: Sequence[Item], links: Sequence[Link], tallest: float = math.inf) -> Placed:
    """The first item is where the scope is entered. What is taller than `tallest` is laid out in columns, if it can."""
    made = layers(items, links)
    align(made.rows)
    return _Ground(items, links, made).placed(tallest)


@dataclass(frozen=True, slots=True)
class _Cut:
    """How lines go on to the next column: so many, the lowest below this one, the first in the gutter, the lowest
    above the next."""

    lines: int
    lowest: float
    gutter: float
    highest: float


@dataclass(slots=True)
class _Ground:
    items: Sequence[Item]
    links: Sequence[Link]
    made: Layers
    lanes: dict[int, Lane] = field(default_factory=dict)
    leaves: Counter[int] = field(default_factory=Counter)  # of lanes, tracks below each layer
    arrives: Counter[int] = field(default_factory=Counter)  # the same above it
    # The track of a trunk in its gap, by the id of its cell and whether lines come together there.
    buses: dict[tuple[int, bool], int] = field(default_factory=dict)
    tops: list[float] = field(default_factory=list)  # of the layers
    heights: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])  # the layers that begin a column
    shifts: list[float] = field(default_factory=list)  # of the layers, to the right
    cuts: dict[int, _Cut] = field(default_factory=dict)  # by the layer behind it
    roof: float = 0.0

    def placed(self, tallest: float) -> Placed:
        self.lanes = lanes(self.made, self.links)
        found = list({id(lane): lane for lane in self.lanes.values()}.values())
        for lane in found:
            self.arrives[lane.high] += 1
            self.leaves.update(lane.leaves)
        self._stack()
        self._columns(tallest, found)
        ways = [self._way(number, link) for number, link in enumerate(self.links)]
        corners = [(self._x(cell) - cell.left, self.tops[cell.layer]) for cell in self.made.of_item]
        labels = [self._label(number) for number in range(len(self.links))]
        return _framed(self.items, self.links, corners, ways, labels, self.made.fanned)

    def _stack(self) -> None:
        rows, y = self.made.rows, 0.0
        for number, row in enumerate(rows):
            tracks = _TRACK * (self.arrives[number] + self.leaves[number - 1] + self._make_buses(number))
            base = 0.0 if not number else _LABEL_GAP if self._is_labels(number - 1, number) else _GAP
            arrow = _ARROW if self.arrives[number] else 0.0
            y += base + tracks + arrow + min(_STEEPEST, _SLOPE * self._across(row))
            self.tops.append(y)
            self.heights.append(max(cell.height for cell in row))
            y += self.heights[-1]

    def _make_buses(self, row: int) -> int:
        """How many tracks the trunks take above a layer: those that lines come together in, then those they leave."""
        above = self.made.rows[row - 1] if row else []
        joins = [(cell, cell.up) for cell in self.made.rows[row] if cell.item is None and len(cell.up) >= _BUS]
        fans = [(cell, cell.down) for cell in above if cell.item is None and len(cell.down) >= _BUS]
        count = 0
        for trunks in (joins, fans):
            ends: list[float] = []  # how far to the right each track is taken
            for cell, others in sorted(trunks, key=lambda each: each[0].at):
                xs = [cell.x, *(each.x for each in others)]
                track = next((at for at, end in enumerate(ends) if end < min(xs) - _TRACK), len(ends))
                ends[track:] = [max(xs)] if track == len(ends) else [max(xs), *ends[track + 1 :]]
                self.buses[id(cell), trunks is joins] = count + track
            count += len(ends)
        return count

    def _is_labels(self, *rows: int) -> bool:
        return any(cell.item is None and cell.height for row in rows for cell in self.made.rows[row])

    def _across(self, row: Sequence[Cell]) -> float:
        """How far the line that goes furthest across in the gap above a layer does so, but in no track of a trunk."""
        lines = [(up, cell) for cell in row for up in cell.up if self._bus(up, cell) is None]
        return max((abs(self._leaving(up) - cell.x) for up, cell in lines), default=0.0)

    def _bus(self, above: Cell, below: Cell) -> int | None:
        """The track in which a line goes across between two cells, where it does so in one."""
        return self.buses.get((id(below), True), self.buses.get((id(above), False)))

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

    def _columns(self, tallest: float, found: Sequence[Lane]) -> None:
        """Cuts the layers into columns, where few lines go on, and sets these side by side."""
        rows = self.made.rows
        self.shifts = [0.0] * len(rows)
        total = self._bottom(len(rows) - 1)
        lefts, rights = settle(found, rows, [0])
        if total <= tallest:
            return
        wide = max(rights) - min(lefts) + 3 * SPACE
        count = math.ceil(total / max(tallest, math.sqrt(total * wide / _ASPECT)))
        starts = self._starts(min(total, total / count * _EVEN), found)
        spans = list(zip(starts, [*starts[1:], len(rows)], strict=True))
        if max(self._bottom(end - 1) - self.tops[start] for start, end in spans) > total * _WORTH:
            return
        self.starts = starts
        lefts, rights = settle(found, rows, starts)
        x = 0.0
        for start, end in spans:
            left, above = min(lefts[start:end]), self.tops[start]
            if start:
                lines = sum(len(cell.up) for cell in rows[start])
                gutter = x + 2 * SPACE
                x = gutter + _TRACK * (lines - 1) + 2.5 * SPACE
                lowest = self._bottom(start - 1) + _ARROW + _TRACK * self.leaves[start - 1]
                highest = -1.5 * _ARROW - _TRACK * self.arrives[start]
                self.cuts[start] = _Cut(lines, lowest, gutter, highest)
                self.roof = min(self.roof, highest - _TRACK * lines)
            for row in range(start, end):
                self.shifts[row] = x - left
                self.tops[row] -= above
            x += max(rights[start:end]) - left

    def _starts(self, height: float, found: Sequence[Lane]) -> list[int]:
        """The layers that begin a column, for columns about so high."""
        rows = self.made.rows
        on, back = [sum(len(cell.up) for cell in row) for row in rows], [0] * len(rows)
        for lane in found:
            for row in range(lane.first + 1, lane.last + 1):
                back[row] += 1
        free = [
            (row, on[row] + back[row])
            for row in range(1, len(rows))
            if on[row] <= _MOST_ON and back[row] <= _MOST_BACK and not self._is_labels(row)
        ]
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
        cells = [*self.made.passing[number], target]
        if link.whole and high:  # beside where the others leave it
            x, high = x + (_BESIDE if self._x(cells[0]) >= x else -_BESIDE), 0.0
        if link.back:
            return list(self._back(number, link, x, y, high))
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
            track = None if same else self._bus(before, cell)
            if track is not None:
                level = self._bottom(cell.layer - 1) + _TRACK * (self.leaves[cell.layer - 1] + track + 1.4)
                yield from _through((last.x2, last.y2), (last.x2, level), (x, level), (x, y))
                return
            yield Piece(last.x2, last.y2, x, y, not same) if not same else _straight(last.x2, last.y2, last.x2, y)
            return
        lines = [(up, each) for each in self.made.rows[cell.layer] for up in each.up]
        by = _TRACK * lines.index((before, cell))
        lowest, gutter, highest = cut.lowest + _TRACK * (cut.lines - 1) - by, cut.gutter + by, cut.highest - by
        yield from _through(
            (last.x2, last.y2), (last.x2, lowest), (gutter, lowest), (gutter, highest), (x, highest), (x, y)
        )

    def _back(self, number: int, link: Link, x: float, y: float, high: float) -> Iterator[Piece]:
        lane, source, target = self.lanes[number], self.made.of_item[link.source], self.made.of_item[link.target]
        side = 1.0 if lane.right else -1.0
        passing = self.made.passing[number]
        low = (passing or [source])[0].layer
        track = self._bottom(low) + _TRACK * (lane.leaves[low] + 0.9)
        y -= high
        if passing:
            label = passing[0]
            yield _straight(x, y, x, self._bottom(source.layer))
            yield Piece(x, self._bottom(source.layer), self._x(label), self.tops[label.layer], True)
            x, y = self._x(label), self.tops[label.layer]
        else:
            x += 0.0 if high else side * min(14.0, source.left / 3, source.right / 3)
        end_x = self._x(target) + side * min(20.0, target.left / 2, target.right / 2)
        over = self.tops[target.layer] - _ARROW - _TRACK * lane.arrives
        end = self.tops[target.layer] + self.items[link.target].deep
        here, there = self._lane_x(lane, low), self._lane_x(lane, lane.high)
        roof = self.roof - _TRACK * (lane.roof + 1)
        around = [] if here == there else [(here, roof), (there, roof)]
        yield from _through((x, y), (x, track), (here, track), *around, (there, over), (end_x, over), (end_x, end))

    def _lane_x(self, lane: Lane, row: int) -> float:
        """Where a lane is in the column of a layer."""
        return lane.x[bisect(self.starts, row) - 1] + self.shifts[row]

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
    fanned: set[int],
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
        fanned,
    )


def moved(piece: Piece, x: float, y: float) -> Piece:
    return Piece(piece.x1 + x, piece.y1 + y, piece.x2 + x, piece.y2 + y, piece.curved)
