"""Where loop_backs go up: in lanes beside all that stands between, one for all that go back to the same item on the
same side. Where what is between stands in several columns, a lane goes over the top of these, as under a roof."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from magent.draw.layers import Cell, Layers, Link

_ASIDE = 13.0  # between a lane and what stands beside it


@dataclass(slots=True)
class Lane:
    """`lows`: the layers below which lines come into it; `high` the one of its target; `right`: on which side. Lines
    run across in tracks: below a layer in that of `leaves`, above the target in `arrives`, under the roof in `roof`.
    `x` by column."""

    high: int
    right: bool
    lows: list[int] = field(default_factory=list)
    leaves: dict[int, int] = field(default_factory=dict)
    arrives: int = 0
    roof: int = 0
    x: dict[int, float] = field(default_factory=dict)

    @property
    def first(self) -> int:
        return min(self.high, *self.lows)

    @property
    def last(self) -> int:
        return max(self.high, *self.lows)


Borders = tuple[list[float], list[float]]


def borders(rows: Sequence[Sequence[Cell]]) -> Borders:
    """How far each layer reaches to the left and to the right."""
    return [min(cell.x - cell.left for cell in row) for row in rows], [
        max(cell.x + cell.right for cell in row) for row in rows
    ]


def lanes(made: Layers, links: Sequence[Link]) -> dict[int, Lane]:
    """The lane of each loop_back, the shortest first; where they are is still open."""
    lefts, rights = borders(made.rows)
    shared: dict[tuple[int, bool], Lane] = {}
    found: dict[int, Lane] = {}
    for number, link in enumerate(links):
        if not link.back:
            continue
        source = [*made.passing[number], made.of_item[link.source]][0]  # its label, if it has one
        high = made.of_item[link.target].layer
        between = range(min(source.layer, high), max(source.layer, high) + 1)
        left, right = min(lefts[row] for row in between), max(rights[row] for row in between)
        side = right - source.x <= source.x - left + 1
        lane = shared.setdefault((link.target, side), Lane(high, side))
        lane.lows.append(source.layer)
        found[number] = lane
    _number(shared.values())
    return dict(sorted(found.items(), key=lambda each: each[1].last - each[1].first))


def _number(found: Iterable[Lane]) -> None:
    """The tracks: those of short lanes are next to what they lead around."""
    leaves: Counter[int] = Counter()
    arrives: Counter[int] = Counter()
    for lane in sorted(found, key=lambda lane: lane.last - lane.first):
        lane.arrives = arrives[lane.high]
        arrives[lane.high] += 1
        for low in dict.fromkeys(lane.lows):
            lane.leaves[low] = leaves[low]
            leaves[low] += 1


def settle(found: Iterable[Lane], rows: Sequence[Sequence[Cell]], starts: Sequence[int]) -> Borders:
    """Gives each lane its `x` in each column where it is, and its place under the roof; `starts` are the layers that
    begin a column. Gives the borders of the layers with the lanes beside them."""
    left, right = borders(rows)
    lefts, rights = list(left), list(right)
    roofs = 0
    for lane in found:
        lane.x = {}
        home, ends = bisect(starts, lane.high) - 1, [*starts[1:], len(rows)]
        by_column: dict[int, list[int]] = {home: [lane.high]}
        for low in lane.lows:
            by_column.setdefault(bisect(starts, low) - 1, []).append(low)
        if len(by_column) > 1:
            lane.roof, roofs = roofs, roofs + 1
            by_column = {column: [*lows, starts[column]] for column, lows in by_column.items()}
        for column, lows in by_column.items():
            rows_beside = range(min(lows), max(lows) + 1)
            # Its lines run across in the gaps above and below these, too: there, boxes are all that it goes around.
            gaps = (max(starts[column], min(lows) - 1), min(max(lows) + 1, ends[column] - 1))
            if lane.right:
                x = max(*(rights[row] for row in rows_beside), *(right[row] for row in gaps)) + _ASIDE
            else:
                x = min(*(lefts[row] for row in rows_beside), *(left[row] for row in gaps)) - _ASIDE
            lane.x[column] = x
            for row in rows_beside:
                lefts[row], rights[row] = min(lefts[row], x), max(rights[row], x)
    return lefts, rights
