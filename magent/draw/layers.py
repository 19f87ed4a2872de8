"""A scope in layers, after Sugiyama: which layer each item is in, and in which order they stand there.

Items stand in some ranks, labels in others, so that no label meets an item; ranks without anything are left out. An
edge that passes a layer has a cell there, as an item has, or shares one: edges into one item share a trunk behind their
labels, and those out of one item share one before their labels. So what a layer holds grows with the items that lines
lead to, not with the lines. A loop_back has a cell only for its label.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Item:
    """A box. Edges arrive at `inlet` from its left, and `deep` below its top; they leave at `outlet`, `high` above its
    bottom. Without, in the middle."""

    width: float
    height: float
    inlet: float = -1.0
    outlet: float = -1.0
    deep: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Link:
    """An edge between two items by number, the size of its label, (0, 0) where it has none. `whole`: it leaves its
    source at the border, not at its outlet."""

    source: int
    target: int
    label: tuple[float, float] = (0.0, 0.0)
    back: bool = False
    whole: bool = False

    @property
    def labelled(self) -> bool:
        return self.label[0] > 0


@dataclass(slots=True, eq=False)
class Cell:
    """A place in a layer: of an item, of a label, or of the links that pass there. `left` and `right` are how far it
    reaches from where its line is; `main` is the cell above that is of the same trunk, so that its line is straight,
    `onward` the one below."""

    layer: int
    item: int | None = None
    left: float = 0.0
    right: float = 0.0
    height: float = 0.0
    up: list[Cell] = field(default_factory=list)
    down: list[Cell] = field(default_factory=list)
    main: Cell | None = None
    onward: Cell | None = None
    at: int = 0  # in its layer
    x: float = 0.0

    @property
    def is_back(self) -> bool:
        """Whether it is the label of a loop_back, whose line goes around all that is below."""
        return self.item is None and not self.down


@dataclass(slots=True)
class Layers:
    """`of_item` has the cell of each item; `passing` those of each link, from its source on; `fanned`: the links that
    share what they pass with others out of their source, and not with others into their target."""

    rows: list[list[Cell]]
    of_item: list[Cell]
    passing: list[list[Cell]]
    fanned: set[int]


SPACE = 22.0  # between two of a layer, at least
_RANKS = 4  # from one rank of items to the next; labels of what leaves the one, and of what enters the other, between
_LANE = 7.0  # on each side of a line that passes a layer
_WIDEST = 1500.0  # of a layer, before what it holds is spread over several
_ROW, _ASPECT = 60.0, 1.6  # between the rows that it is spread over; the width to height that they aim at
_SWEEPS = 12
_MANY = 6000  # cells, from which on fewer sweeps must do


def layers(items: Sequence[Item], links: Sequence[Link]) -> Layers:
    """The first item is where the scope is entered. Links that would make a cycle are loop_backs."""
    steps = ranks_of(len(items), links)
    ranks = _spread(items, steps)
    label_ranks = _label_ranks(links, steps, ranks)
    used = sorted({_RANKS * rank for rank in ranks} | set(label_ranks.values()))
    row_of = {rank: row for row, rank in enumerate(used)}
    made = Layers([[] for _ in used], [], [], set())
    for item, rank in zip(items, ranks, strict=True):
        inlet = item.width / 2 if item.inlet < 0 else item.inlet
        made.of_item.append(Cell(row_of[_RANKS * rank], len(made.of_item), inlet, item.width - inlet, item.height))
    rows = {link: row_of[rank] for link, rank in label_ranks.items()}
    made.fanned = _fanned(made, links, rows)
    _Threads(made, links, rows).tie()
    _fill(made)
    _order(made)
    return made


def ranks_of(count: int, links: Sequence[Link]) -> list[int]:
    """The length of the longest way to each item; one that has but ways out stands near where they lead."""
    out: list[list[int]] = [[] for _ in range(count)]
    into = [0] * count
    for link in links:
        if not link.back:
            out[link.source].append(link.target)
            into[link.target] += 1
    ranks, left = [0] * count, list(into)
    ready = [item for item in range(count) if not into[item]]
    for item in ready:  # grows
        for target in out[item]:
            ranks[target] = max(ranks[target], ranks[item] + 1)
            left[target] -= 1
            if not left[target]:
                ready.append(target)
    for item in reversed(ready):
        if item and out[item] and into[item] < len(out[item]):
            ranks[item] = max(ranks[item], min(ranks[target] for target in out[item]) - 1)
    return ranks


def _spread(items: Sequence[Item], ranks: list[int]) -> list[int]:
    """What is too wide together is spread over several ranks, in its order; all that follows moves down."""
    members: dict[int, list[int]] = {}
    for item, rank in enumerate(ranks):
        members.setdefault(rank, []).append(item)
    spread, below = list(ranks), 0
    for rank in sorted(members):
        there = members[rank]
        parts = _parts([items[item] for item in there])
        for at, item in enumerate(there):
            spread[item] = rank + below + at * parts // len(there)
        below += parts - 1
    return spread


def _parts(items: Sequence[Item]) -> int:
    """Over how many ranks items are spread, so that they are not too wide, and not too high either."""
    wide = sum(item.width + SPACE for item in items)
    high = sum(item.height for item in items) / len(items) + _ROW
    return min(len(items), math.ceil(wide / _WIDEST), max(1, round(math.sqrt(wide / high / _ASPECT))))


def _label_ranks(links: Sequence[Link], steps: Sequence[int], ranks: Sequence[int]) -> dict[int, int]:
    """By link, the rank of its label: behind the source, or, where there is no room for all, before the target. `steps`
    are the ranks before they were spread: what is a step behind its source may be in any of several rows."""
    wide: dict[int, float] = {}
    spread: dict[int, set[int]] = {}
    for link in links:
        wide[ranks[link.source]] = wide.get(ranks[link.source], 0.0) + link.label[0] + SPACE
        spread.setdefault(steps[link.target], set()).add(ranks[link.target])
    found = {}
    for number, link in enumerate(links):
        if link.labelled:
            rows = len(spread[steps[link.target]]) > 1 and steps[link.target] == steps[link.source] + 1
            late = (wide[ranks[link.source]] > _WIDEST or rows) and not link.back
            found[number] = _RANKS * ranks[link.target] - 1 if late else _RANKS * ranks[link.source] + 1
    return found


def _fanned(made: Layers, links: Sequence[Link], label_rows: Mapping[int, int]) -> set[int]:
    """The links that pass layers before their labels, or have none, where their source has several of that kind."""
    by_source: dict[int, list[int]] = {}
    for number, link in enumerate(links):
        first = made.of_item[link.source].layer + 1
        free = label_rows.get(number, made.of_item[link.target].layer)
        if not link.back and free > first:
            by_source.setdefault(link.source, []).append(number)
    late = {number for number, row in label_rows.items() if row > made.of_item[links[number].source].layer + 1}
    return {number for found in by_source.values() for number in found if len(found) > 1 or number in late}


@dataclass(slots=True)
class _Threads:
    """Ties items together by cells for what is between them. `trunks` by whether they lead into an item, which one,
    and the layer."""

    made: Layers
    links: Sequence[Link]
    label_rows: Mapping[int, int]
    trunks: dict[tuple[bool, int, int], Cell] = field(default_factory=dict)
    tied: set[tuple[int, int]] = field(default_factory=set)

    def tie(self) -> None:
        self.made.passing += [self._passing(number, link) for number, link in enumerate(self.links)]
        self._straighten()

    def _passing(self, number: int, link: Link) -> list[Cell]:
        """The cells of a link between its ends, tied to them and to one another."""
        source, target = self.made.of_item[link.source], self.made.of_item[link.target]
        label_row = self.label_rows.get(number, -1)
        rows = ([label_row] if link.labelled else []) if link.back else range(source.layer + 1, target.layer)
        cells = [self._label(link, row) if row == label_row else self._trunk(number, link, row) for row in rows]
        for above, below in pairwise([source, *cells, *([] if link.back else [target])]):
            if (id(above), id(below)) not in self.tied:
                self.tied.add((id(above), id(below)))
                above.down.append(below)
                below.up.append(above)
        return cells

    @staticmethod
    def _label(link: Link, row: int) -> Cell:
        return Cell(row, None, link.label[0] / 2, link.label[0] / 2, link.label[1])

    def _trunk(self, number: int, link: Link, row: int) -> Cell:
        into = number not in self.made.fanned
        item = link.target if into else link.source
        return self.trunks.setdefault((into, item, row), Cell(row, None, _LANE, _LANE))

    def _straighten(self) -> None:
        for (into, item, row), cell in self.trunks.items():
            _go_on(self.trunks.get((into, item, row - 1)), cell)
        for cell in (cell for cells in self.made.passing for cell in cells):
            above = cell.up[0]
            if len(cell.up) == 1 and above.item is None and len(above.down) == 1:
                _go_on(above, cell)


def _go_on(above: Cell | None, cell: Cell) -> None:
    if above is not None:
        cell.main, above.onward = above, cell


def _fill(made: Layers) -> None:
    """The rows in the order in which the cells are met from the entry on, the first way first."""
    seen: set[int] = set()
    stack = [cell for cell in reversed(made.of_item) if not cell.up]
    while stack:
        cell = stack.pop()
        if id(cell) in seen:
            continue
        seen.add(id(cell))
        made.rows[cell.layer].append(cell)
        stack += reversed(_outside(cell.down))
    _number(made.rows)


def _outside(cells: Sequence[Cell]) -> list[Cell]:
    """The labels of loop_backs on both sides of the others: their lines go around these."""
    backs = [cell for cell in cells if cell.is_back]
    others = [cell for cell in cells if not cell.is_back]
    half = len(backs) // 2
    return [*backs[:half], *others, *backs[half:]]


def _number(rows: list[list[Cell]]) -> None:
    for row in rows:
        for at, cell in enumerate(row):
            cell.at = at


def _order(made: Layers) -> None:
    """Sweeps down and up, each cell to the middle of its neighbours, until nothing crosses or nothing gets better."""
    rows = made.rows
    best, least = [list(row) for row in rows], _crossings(rows)
    sweeps = _SWEEPS if sum(map(len, rows)) < _MANY else 2
    worse = 0
    for sweep in range(sweeps):
        if not least or worse > 3:
            break
        down = sweep % 2 == 0
        for row in rows[1:] if down else reversed(rows[:-1]):
            _by_middle(row, down)
        _swap(rows)
        crossings = _crossings(rows)
        worse = 0 if crossings < least else worse + 1
        if crossings < least:
            best, least = [list(row) for row in rows], crossings
    made.rows = best
    _number(best)


def _by_middle(row: list[Cell], down: bool) -> None:
    """Cells that have no neighbours on that side keep their places."""
    keyed = []
    for cell in row:
        near = cell.up if down else cell.down
        if near:
            keyed.append((sum(each.at for each in near) / len(near), cell.at, cell))
    keyed.sort(key=lambda each: each[:2])
    sorted_cells = iter(keyed)
    row[:] = [next(sorted_cells)[2] if (cell.up if down else cell.down) else cell for cell in row]
    for at, cell in enumerate(row):
        cell.at = at


def _swap(rows: list[list[Cell]]) -> None:
    """Neighbours change places where fewer lines cross then."""
    for row in rows:
        for at in range(len(row) - 1):
            one, other = row[at], row[at + 1]
            if len(one.up) + len(one.down) + len(other.up) + len(other.down) > 64:
                continue
            now = _between(one.up, other.up) + _between(one.down, other.down)
            then = _between(other.up, one.up) + _between(other.down, one.down)
            if then < now:
                row[at], row[at + 1] = other, one
                one.at, other.at = at + 1, at


def _between(left: Sequence[Cell], right: Sequence[Cell]) -> int:
    """How many lines of a cell cross those of the one right of it."""
    return sum(one.at > other.at for one in left for other in right)


def _crossings(rows: list[list[Cell]]) -> int:
    """How many pairs of lines cross, counted with a tree of sums."""
    found = 0
    for above, below in pairwise(rows):
        ends = [at for cell in above for at in sorted(each.at for each in cell.down)]
        tree, size = [0] * (len(below) + 1), len(below)
        for count, end in enumerate(ends):
            at, before = end + 1, 0
            while at:
                before += tree[at]
                at &= at - 1
            found += count - before
            at = end + 1
            while at <= size:
                tree[at] += 1
                at += at & -at
    return found
