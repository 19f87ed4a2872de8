"""Where in its layer each cell stands, after Brandes and Köpf: four times as far to one side as it goes with lines as
straight as they can be, then the middle of the four. Long edges come out straight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from magent.draw.layers import SPACE, Cell

_LABELS, _LINES = 12.0, 4.0  # between labels and what passes, between two lines that pass
_FEW = 2  # lines that a trunk is to be in the middle of

Rows = Sequence[Sequence[Cell]]


def align(rows: Rows) -> None:
    """Gives every cell its `x`: where its line is."""
    crossed = _crossed(rows)
    found = []
    for down in (True, False):
        for right in (False, True):
            ordered = [list(reversed(row)) if right else list(row) for row in (rows if down else reversed(rows))]
            near = _above if down else _below
            root = _blocks(ordered, near, crossed, right)
            places = _packed(ordered, root, right)
            found.append({cell: -x for cell, x in places.items()} if right else places)
    _to_narrowest(found)
    for row in rows:
        for cell in row:
            four = sorted(places[cell] for places in found)
            cell.x = (four[1] + four[2]) / 2


def _above(cell: Cell) -> list[Cell]:
    """What a cell would like to stand below: no trunk that leads to others too, and of what comes together in a trunk
    nothing, where it is much; nor does the label of a loop_back, where its source has other ways."""
    if cell.main is not None:
        return [cell.main]
    if cell.item is None and (len(cell.up) > _FEW or (cell.is_back and not all(e.is_back for e in cell.up[0].down))):
        return []
    return [each for each in cell.up if each.item is not None or len(each.down) == 1]


def _below(cell: Cell) -> list[Cell]:
    """The same from below."""
    if cell.onward is not None:
        return [cell.onward]
    forward = [each for each in cell.down if not each.is_back] or cell.down
    if cell.item is None and len(forward) > _FEW:
        return []
    return [each for each in forward if each.item is not None or len(each.up) == 1]


def _crossed(rows: Rows) -> set[tuple[int, int]]:
    """Lines that cross one that is to be straight."""
    found: set[tuple[int, int]] = set()
    for above, below in pairwise(rows):
        inner = [(cell.main.at, cell.at) for cell in below if cell.main is not None]
        if not inner:
            continue
        first = 0  # the next inner line; those to its left are `before`
        before = -1
        for cell in below:
            while first < len(inner) and inner[first][1] < cell.at:
                before = max(before, inner[first][0])
                first += 1
            own = first < len(inner) and inner[first][1] == cell.at
            behind = inner[first][0] if first < len(inner) else len(above)
            if not own:
                found |= {(id(up), id(cell)) for up in cell.up if up.at < before or up.at > behind}
    return found


def _blocks(
    rows: Rows, near: Callable[[Cell], list[Cell]], crossed: set[tuple[int, int]], right: bool
) -> dict[Cell, Cell]:
    """Cells one below another that shall have the same x, by the first of them."""
    root = {cell: cell for row in rows for cell in row}
    taken = set()
    for row in rows:
        last = -1
        for cell in row:
            others = sorted(near(cell), key=lambda each: -each.at if right else each.at)
            middle = (len(others) - 1) // 2, len(others) // 2
            for index in dict.fromkeys(middle) if others else ():
                other = others[index]
                at = -other.at + 1_000_000 if right else other.at
                clash = (id(other), id(cell)) in crossed or (id(cell), id(other)) in crossed
                if root[cell] is cell and cell not in taken and last < at and not clash:
                    root[cell] = root[other]
                    taken.add(cell)
                    last = at
    return root


def _packed(rows: Rows, root: dict[Cell, Cell], right: bool) -> dict[Cell, float]:
    """Blocks as far to the left as they go, and then those that have room as far to the right as their neighbours."""
    after: dict[Cell, dict[Cell, float]] = {}
    into: dict[Cell, dict[Cell, float]] = {}
    for row in rows:
        for one, other in pairwise(row):
            apart = _apart(one, other, right)
            left, behind = root[one], root[other]
            if apart > after.setdefault(left, {}).get(behind, 0.0):
                after[left][behind] = into.setdefault(behind, {})[left] = apart
    order = _sorted([cell for cell, head in root.items() if cell is head], after, into)
    x: dict[Cell, float] = {}
    for cell in order:
        x[cell] = max((x[left] + apart for left, apart in into.get(cell, {}).items()), default=0.0)
    for cell in reversed(order):
        room = min((x[behind] - apart for behind, apart in after.get(cell, {}).items()), default=None)
        if room is not None:
            x[cell] = max(x[cell], room)
    return {cell: x[head] for cell, head in root.items()}


def _sorted(
    heads: Sequence[Cell], after: dict[Cell, dict[Cell, float]], into: dict[Cell, dict[Cell, float]]
) -> list[Cell]:
    """Each block behind those left of it."""
    left = {cell: len(into.get(cell, {})) for cell in heads}
    order = [cell for cell in heads if not left[cell]]
    for cell in order:  # grows
        for behind in after.get(cell, {}):
            left[behind] -= 1
            if not left[behind]:
                order.append(behind)
    return order


def _apart(one: Cell, other: Cell, right: bool) -> float:
    between_lines = _LABELS if one.height or other.height else _LINES
    gap = between_lines if one.item is None and other.item is None else SPACE
    return (one.left + other.right if right else one.right + other.left) + gap


def _to_narrowest(found: list[dict[Cell, float]]) -> None:
    """Moves the four so that their borders are those of the narrowest: its left one, or its right one."""
    sides = [(min(x - c.left for c, x in each.items()), max(x + c.right for c, x in each.items())) for each in found]
    narrow = min(sides, key=lambda side: side[1] - side[0])
    for number, (places, side) in enumerate(zip(found, sides, strict=True)):
        by = narrow[1] - side[1] if number % 2 else narrow[0] - side[0]
        if by:
            places.update({cell: x + by for cell, x in places.items()})
