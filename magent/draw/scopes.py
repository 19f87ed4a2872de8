"""One scope on a canvas: its blocks below one another, and the lines between them as `spine.plan` has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from magent.cells import width
from magent.draw.boxes import PORT, SPINE, Card, Notes, border_of, box, open_port, put
from magent.draw.canvas import HEAVY, LIGHT, Canvas, Look
from magent.draw.overlay import Overlay
from magent.draw.spine import EXIT, Exit, Plan
from magent.draw.words import Way

_HOLLOW = {"▼": "▽", "▶": "▷", "◀": "◁"}
_LOOKS: dict[str, Look] = {"normal": "solid", "conditional": "dashed", "loop_back": "dotted"}


@dataclass(frozen=True, slots=True)
class Pen:
    """How an edge from `source` is drawn: `count` is how often a run took it, None where no run is told."""

    source: str
    look: Look
    label: str
    count: int | None

    @property
    def weight(self) -> int:
        return HEAVY if self.count else LIGHT

    def head(self, sign: str) -> str:
        """The arrow head: hollow where a run is told that did not come this way."""
        return _HOLLOW[sign] if self.count == 0 else sign

    @property
    def style(self) -> str:
        return "" if self.count is None else "taken" if self.count else "untaken"


@dataclass(slots=True)
class Scope:
    """What is needed to draw one scope. `frames` holds the canvases of nodes that are drawn as frames."""

    key: str
    plan: Plan
    cards: Mapping[str, Card]
    frames: Mapping[str, Canvas]
    notes: Notes
    overlay: Overlay | None

    def pen(self, source: str, way: Way) -> Pen:
        conditional = way.label not in ("", "else") and not way.back
        look = _LOOKS["loop_back" if way.back else "conditional" if conditional else "normal"]
        count = None if self.overlay is None else self.overlay.taken(self.key, source, way.target, way.number)
        times = f"×{count}" if count and count > 1 else ""
        return Pen(source, look, " ".join(part for part in (way.label, times) if part), count)


def _told(each: Exit) -> str:
    """The name that an exit ends in, where no line leads there."""
    sign = "◉ " if each.form == "end" else "↺ " if each.way.back else ""
    return sign + each.way.target


def _heaviest(pens: list[Pen], straight: Pen | None) -> list[Pen]:
    """Of each pen, those behind it and the straight one the first that is heaviest: so the line above is drawn."""
    found, main = [], straight
    for pen in reversed(pens):
        main = pen if main is None or pen.weight >= main.weight else main
        found.append(main)
    return found[::-1]


def draw(scope: Scope) -> Canvas:
    """The canvas of a scope, at most as wide as its plan allows."""
    return _Drawing(scope).run()


class _Drawing:
    def __init__(self, scope: Scope) -> None:
        self.scope, self.plan, self.canvas = scope, scope.plan, Canvas()
        self.gutter = scope.plan.gutter
        self.top: dict[str, int] = {}
        self.edge: dict[str, int] = {}  # the column right of a block
        self.arrivals: dict[tuple[str, bool], list[tuple[int, Pen]]] = {}  # (target, back) → rows of the exits
        self.boxes = self._box_columns()
        self.blocks = [self._block_columns(name) for name in self.plan.order]
        self.exits = [self._exits_columns(name) for name in self.plan.order]
        self.content = min(self.plan.columns, max(*self.blocks, *self.exits))
        self.lanes = self._lane_columns()

    def run(self) -> Canvas:
        row = 0
        for name in self.plan.order:
            row = self._block(name, row)
        for (target, back), found in self.arrivals.items():
            self._lane(target, back, found)
        return self.canvas

    def _box_columns(self) -> int:
        """All boxes of a scope are as wide as the widest."""
        wanted = [self.scope.cards[name].columns() for name in self.plan.order if name not in self.scope.frames]
        return min(self.plan.columns, max(wanted, default=0))

    def _block_columns(self, name: str) -> int:
        return self.scope.frames[name].columns if name in self.scope.frames else self.boxes

    def _exits_columns(self, name: str) -> int:
        """Columns that the exits of a node would like to have, lanes aside."""
        exits = self.plan.exits[name]
        beside = [each.way for each in exits if each.form == "beside"]
        label = max((width(self.scope.pen(name, way).label) for way in beside), default=0)
        boxes = max((self.scope.cards[way.target].columns() for way in beside), default=0)
        return max([EXIT + label + boxes, *(self._exit_columns(name, each) for each in exits)])

    def _exit_columns(self, source: str, each: Exit) -> int:
        label = width(self.scope.pen(source, each.way).label)
        if each.form in ("told", "end"):
            return EXIT + label + 2 + width(_told(each))
        return (SPINE + 5 if each.form == "straight" or each.way.back else EXIT - 2) + label

    def _lane_columns(self) -> dict[str, int]:
        """The column of each lane on the right: as near as what it passes allows, and right of lower ones."""
        place = {name: index for index, name in enumerate(self.plan.order)}
        spans: dict[str, tuple[int, int]] = {}
        for index, name in enumerate(self.plan.order):
            for each in self.plan.exits[name]:
                if each.form == "lane" and not each.way.back:
                    spans.setdefault(each.way.target, (index, place[each.way.target]))
        found: dict[str, int] = {}
        for target in sorted(spans, key=lambda target: self.plan.right[target]):
            start, end = spans[target]
            passed = max(*self.exits[start:end], *self.blocks[start + 1 : end + 1])
            column = self.gutter + min(self.content, passed) + 1
            lower = [found[other] + 2 for other in found if start < spans[other][1] and spans[other][0] < end]
            found[target] = max([column, *lower])
        return found

    # ---- a block and its exits

    def _block(self, name: str, row: int) -> int:
        """Draws a node and its exits. Gives the next free row."""
        scope, framed = self.scope, self.scope.frames.get(name)
        canvas = framed or box(scope.cards[name], self.boxes, scope.notes)
        self.canvas.paste(canvas, row, self.gutter)
        self.top[name], self.edge[name] = row, self.gutter + canvas.columns
        row += canvas.height
        exits = self.plan.exits[name]
        if not exits:
            return row + 1
        bottom, pens = row - 1, [scope.pen(name, each.way) for each in exits]
        row = self._exits(name, bottom, pens)
        taken = any(pen.count for pen in pens)
        border = border_of(scope.cards[name].node, framed is not None)
        open_port(self.canvas, bottom, self.gutter + SPINE, border, taken, scope.cards[name].style)
        return row

    def _exits(self, name: str, bottom: int, pens: list[Pen]) -> int:
        """The line down from a node, with what leaves it on the way."""
        exits, spine, row, begun = self.plan.exits[name], self.gutter + SPINE, bottom + 1, bottom
        left = self._beside_column(name, pens)
        straight = next((pen for each, pen in zip(exits, pens, strict=True) if each.form == "straight"), None)
        mains = _heaviest(pens, straight)
        for number, (each, pen) in enumerate(zip(exits, pens, strict=True)):
            last = number == len(exits) - 1
            if each.form == "straight":
                row = self._straight(pen, row, last)
                continue
            at, row = self._exit(each, pen, row, left)
            self.canvas.down(spine, begun, at, "solid", mains[number].weight, mains[number].style)
            begun = at
        if straight is None:
            return row + 1
        look = straight.look if exits[-1].form == "straight" else "solid"
        self.canvas.down(spine, begun, row, look, straight.weight, straight.style)
        self.canvas.text(row, spine, straight.head("▼"), straight.style)
        return row + 1

    def _straight(self, pen: Pen, row: int, last: bool) -> int:
        """What stands beside the line down; where other exits follow, it says so."""
        if not pen.label:
            return row
        self._label(row, self.gutter + SPINE + 1, pen, self._room(self.gutter + SPINE + 1), "" if last else "↓ ")
        return row + 1

    def _exit(self, each: Exit, pen: Pen, row: int, left: int) -> tuple[int, int]:
        """Draws one exit from the spine on. Gives the row where it leaves the spine, and the next free one."""
        spine, way = self.gutter + SPINE, each.way
        if each.form == "beside":
            return self._beside(way, pen, row, left)
        if each.form in ("told", "end"):
            self._towards(row, pen, _told(each))
            return row, row + 1
        self.arrivals.setdefault((way.target, way.back), []).append((row, pen))
        lane = self._left(way.target) if way.back else self.lanes[way.target]
        self.canvas.across(row, spine, lane, pen.look, pen.weight, pen.style)
        beside = spine + (1 if way.back else 2)
        self._label(row, beside, pen, self._room(beside) - (0 if way.back else 2))
        return row, row + 1

    def _beside_column(self, name: str, pens: list[Pen]) -> int:
        """Where the boxes beside the exits of a node begin."""
        beside = [
            (each.way.target, pen)
            for each, pen in zip(self.plan.exits[name], pens, strict=True)
            if each.form == "beside"
        ]
        if not beside:
            return 0
        label = max(width(pen.label) for _, pen in beside)
        columns = max(self.scope.cards[target].columns() for target, _ in beside)
        return min(self.gutter + EXIT + label, self.gutter + self.content - columns)

    def _beside(self, way: Way, pen: Pen, row: int, left: int) -> tuple[int, int]:
        spine, card = self.gutter + SPINE, self.scope.cards[way.target]
        drawn = box(card, card.columns(), self.scope.notes)
        self.canvas.paste(drawn, row, left)
        at = row + PORT
        self.canvas.across(at, spine, left - 1, pen.look, pen.weight, pen.style)
        self.canvas.text(at, left - 1, pen.head("▶"), pen.style)
        self._label(at, spine + 2, pen, left - 2 - (spine + 2))
        return at, row + drawn.height

    def _towards(self, row: int, pen: Pen, name: str) -> None:
        """An exit that ends in a name."""
        spine, room = self.gutter + SPINE, self.content - SPINE
        label = width(pen.label)
        columns = min(width(name), room - (7 + min(label, len("[*]")) if label else 5))
        label = max(min(label, room - 7 - columns), min(label, len("[*]")))
        head = spine + (5 + label if label else 3)
        self.canvas.across(row, spine, head, pen.look, pen.weight, pen.style)
        self.canvas.text(row, head, pen.head("▶") + " ", pen.style)
        put(self.canvas, row, head + 2, name, columns, self.scope.notes, "target")
        self._label(row, spine + 2, pen, label + 1)

    def _room(self, column: int) -> int:
        return self.gutter + self.content - column - 1

    def _label(self, row: int, column: int, pen: Pen, columns: int, sign: str = "") -> None:
        if pen.label:
            style = "untaken" if pen.count == 0 else "label"
            column = self.canvas.text(row, column, f" {sign}", style)
            room = columns - 1 - width(sign)
            behind = put(self.canvas, row, column, pen.label, room, self.scope.notes, style, pen.source)
            self.canvas.text(row, behind, " ")

    # ---- lanes

    def _left(self, target: str) -> int:
        return self.gutter - 3 - 2 * self.plan.left[target]

    def _lane(self, target: str, back: bool, found: list[tuple[int, Pen]]) -> None:
        """From the exits' rows to the side of the target."""
        canvas, port = self.canvas, self.top[target] + PORT
        lane = self._left(target) if back else self.lanes[target]
        ends: dict[tuple[int, Look, str], list[int]] = {}  # of lines that look alike only the longest are drawn
        for row, pen in found:
            ends.setdefault((pen.weight, pen.look, pen.style), []).append(row)
        for (weight, look, style), rows in sorted(ends.items(), key=lambda each: each[0][0]):
            for row in {min(rows), max(rows)}:
                canvas.down(lane, row, port, look, weight, style)
        pen = max((each[1] for each in found), key=lambda pen: pen.weight)
        beside = self.gutter - 1 if back else self.edge[target]
        canvas.across(port, lane, beside, pen.look, pen.weight, pen.style)
        canvas.text(port, beside, pen.head("▶" if back else "◀"), pen.style)
