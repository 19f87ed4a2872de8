"""How one scope is laid out: its nodes one below another, jumps in lanes right of them, loop_backs in lanes left.

A node that only ends something may stand beside the exit that leads to it. What would need too many or too long lanes
is told in words instead. Pure arithmetic on names; nothing here knows a sign or a colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from magent.cells import width
from magent.draw.words import Way, ways
from magent.layout import END
from magent.model import End, Graph, Region

Form = Literal["straight", "lane", "beside", "told", "end"]
MOST_RIGHT, MOST_LEFT = 8, 5  # lanes
LONGEST_JUMP = 14  # nodes that a lane may pass
EXIT = 9  # columns of an exit's row beside its label: `  ├╌ … ╌▶ `
SHORT_LABEL = 20  # columns that a label gets at least, if it is that long


@dataclass(frozen=True, slots=True)
class Exit:
    way: Way
    form: Form


@dataclass(slots=True)
class Plan:
    """`order` from top to bottom; `exits` of each node in the order of trial; `right` and `left` give the lane of a
    target, 0 being the nearest. `columns` is what is left for boxes between the lanes."""

    order: list[str]
    exits: dict[str, list[Exit]]
    right: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    columns: int = 0

    @property
    def gutter(self) -> int:
        """Columns left of the boxes."""
        lanes = max(self.left.values(), default=-1) + 1
        return 2 * lanes + 1 if lanes else 0


def plan(graph: Graph, region: Region, columns: int, sizes: Mapping[str, int], frames: frozenset[str]) -> Plan:
    """`sizes`: how many columns the box of each node wants; `frames`: the nodes that are drawn as such."""
    out = {name: ways(graph.nodes[name]) for name in region.nodes}
    beside = _leaves(graph, region, out, frames)
    while True:
        made = _plan(graph, region, columns, out, beside)
        too_wide = _too_wide(beside, out, sizes, made.columns)
        if not too_wide:
            return made
        beside = {name: source for name, source in beside.items() if name not in too_wide}


def _leaves(graph: Graph, region: Region, out: Mapping[str, Sequence[Way]], frames: frozenset[str]) -> dict[str, str]:
    """Nodes that lead nowhere and are reached by one edge, with its source. One exit of a node stays on the spine:
    the first that does more than to end, else the last."""
    arriving: dict[str, list[str]] = {}
    for name, found in out.items():
        for way in found:
            arriving.setdefault(way.target, []).append(name)
    leaves: dict[str, str] = {}
    for source in region.nodes:
        found = [way for way in out[source] if not way.back and way.target in out]
        fit = [
            way.target
            for way in found
            if not out[way.target] and len(arriving[way.target]) == 1 and way.target not in frames
        ]
        if len(fit) == len({way.target for way in found}) and fit:
            keep = [way.target for way in found if way.edge.index != -1] or fit
            works = [target for target in keep if not isinstance(graph.nodes[target], End)]
            fit = [target for target in fit if target != (works[0] if works else keep[-1])]
        leaves.update(dict.fromkeys(fit, source))
    leaves.pop(region.entry, None)
    return leaves


def _too_wide(
    beside: Mapping[str, str], out: Mapping[str, Sequence[Way]], sizes: Mapping[str, int], columns: int
) -> set[str]:
    """Of each node that has leaves for which there is no room beside it, the widest leaf."""
    groups: dict[str, list[str]] = {}
    for name, source in beside.items():
        groups.setdefault(source, []).append(name)
    found = set()
    for source, names in groups.items():
        label = max(width(way.label) for way in out[source] if way.target in names)
        widest = max(names, key=lambda name: sizes[name])
        if EXIT + min(label, SHORT_LABEL) + sizes[widest] > columns:
            found.add(widest)
    return found


def _plan(
    graph: Graph,
    region: Region,
    columns: int,
    out: Mapping[str, Sequence[Way]],
    beside: Mapping[str, str],
) -> Plan:
    order = _order(region, out, beside)
    place = {name: index for index, name in enumerate(order)}
    exits: dict[str, list[Exit]] = {}
    jumps: dict[str, list[int]] = {}  # target → places of the sources
    backs: dict[str, list[int]] = {}
    for index, name in enumerate(order):
        below = order[index + 1] if index + 1 < len(order) else None
        exits[name] = _exits(out[name], below, beside, graph, place, index)
        for each in exits[name]:
            if each.form == "lane":
                (backs if each.way.back else jumps).setdefault(each.way.target, []).append(index)
    right = _lanes({t: (min(at), place[t]) for t, at in jumps.items()}, _most(columns, 4, MOST_RIGHT))
    left = _lanes({t: (place[t], max(at) + 1) for t, at in backs.items()}, _most(columns, 6, MOST_LEFT))
    for name, found in exits.items():
        exits[name] = [_told(each, right, left) for each in found]
    made = Plan(order, exits, right, left)
    made.columns = columns - made.gutter - 2 * (max(right.values(), default=-1) + 1)
    return made


def _most(columns: int, share: int, most: int) -> int:
    return max(0, min(most, (columns - 24) // share))


def _order(region: Region, out: Mapping[str, Sequence[Way]], beside: Mapping[str, str]) -> list[str]:
    """Each node after all that lead to it; where there is a choice, what a node leads to first stands below it."""
    missing = dict.fromkeys(region.nodes, 0)
    for found in out.values():
        for target in {way.target for way in found if not way.back}:
            if target in missing:
                missing[target] += 1
    order: list[str] = []
    ready = [region.entry]
    while ready:
        name = ready.pop()
        if name not in beside:
            order.append(name)
        freed = []
        for target in dict.fromkeys(way.target for way in _by_preference(out[name]) if not way.back):
            if target in missing:
                missing[target] -= 1
                if not missing[target]:
                    freed.append(target)
        ready += reversed(freed)
    return order


def _by_preference(found: Sequence[Way]) -> list[Way]:
    return [*(way for way in found if way.edge.index != -1), *(way for way in found if way.edge.index == -1)]


def _exits(
    found: Sequence[Way],
    below: str | None,
    beside: Mapping[str, str],
    graph: Graph,
    place: Mapping[str, int],
    index: int,
) -> list[Exit]:
    exits: list[Exit] = []
    for way in found:
        if way.target == END and END not in graph.nodes:
            exits.append(Exit(way, "end"))
        elif way.target in beside:
            exits.append(Exit(way, "beside"))
        elif way.target == below and not way.back and all(each.form != "straight" for each in exits):
            exits.append(Exit(way, "straight"))
        else:
            far = abs(place[way.target] - index) > LONGEST_JUMP
            exits.append(Exit(way, "told" if far else "lane"))
    return exits


def _told(each: Exit, right: Mapping[str, int], left: Mapping[str, int]) -> Exit:
    if each.form == "lane" and each.way.target not in (left if each.way.back else right):
        return Exit(each.way, "told")
    return each


def _lanes(spans: Mapping[str, tuple[int, int]], most: int) -> dict[str, int]:
    """A lane for each span, so that those in one lane do not touch; short ones near. What finds none is left out."""
    lanes: list[list[tuple[int, int]]] = []
    found: dict[str, int] = {}
    for target, (start, end) in sorted(spans.items(), key=lambda item: (item[1][1] - item[1][0], item[1])):
        number = next(
            (n for n, taken in enumerate(lanes) if all(end <= other[0] or other[1] <= start for other in taken)),
            len(lanes),
        )
        if number == most:
            continue
        if number == len(lanes):
            lanes.append([])
        lanes[number].append((start, end))
        found[target] = number
    return found
