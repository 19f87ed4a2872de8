"""A picture as SVG: by itself in a file, or inside a page. Light and dark as the reader's system is; what colour tells,
signs, words and strokes tell too; whatever was shortened is whole in a title."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html import escape

from magent.draw.canvas import visible
from magent.draw.letters import fit, length, wrap
from magent.draw.look import ICONS, SIGNS, STATUSES, number, outline, rounded, style
from magent.draw.nest import sheet
from magent.draw.overlay import Overlay
from magent.draw.routes import Piece
from magent.draw.sheet import NAME, SMALL, Box, Frame, Line, Sheet
from magent.model import Workflow

Where = Callable[[str, str], str | None]

_EDGE = 24.0  # around the picture
_TITLE, _UNDER = 18.0, 12.0
_NARROWEST = 300.0
_ROUND = 9.0  # of the corners of lines
_HEAD = 8.0  # of arrows
_LOOKS = {"normal": "always", "conditional": "where its condition holds", "loop_back": "back, at most so often"}


def svg(workflow: Workflow, overlay: Overlay | None = None, heading: str | None = None) -> str:
    """A file of its own. `heading` stands in place of the workflow's description."""
    made = sheet(workflow, overlay)
    behind = visible(workflow.description if heading is None else heading)
    width = max(_NARROWEST, made.width)
    about = wrap(behind, width, _UNDER, 3)
    top = _EDGE + _TITLE + 6.0 + len(about) * 16.0 + 14.0
    legend = _legend(made, width)
    whole_width, whole_height = width + 2 * _EDGE, top + made.height + 22.0 + 20.0 * len(legend) + _EDGE
    x = _EDGE + (width - made.width) / 2
    size = f'width="{number(whole_width)}" height="{number(whole_height)}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="magent-graph" {size} '
        f'viewBox="0 0 {number(whole_width)} {number(whole_height)}" role="img" aria-labelledby="t d">',
        f'<title id="t">{_text(workflow.name)}</title>',
        f'<desc id="d">{_text(description(workflow, made, behind))}</desc>',
        f"<style>{style()}</style>",
        '<rect class="page" width="100%" height="100%"/>',
        f'<text class="headline" x="{number(_EDGE)}" y="{number(_EDGE + 15.0)}">'
        f"{_text(fit(visible(workflow.name), width, _TITLE, bold=True))}</text>",
    ]
    for at, row in enumerate(about):
        y = _EDGE + _TITLE + 18.0 + 16.0 * at
        lines.append(f'<text class="under" x="{number(_EDGE)}" y="{number(y)}">{_text(row)}</text>')
    lines.append(f'<g transform="translate({number(x)} {number(top)})">')
    lines += _drawn(made, None)
    lines.append("</g>")
    for at, parts in enumerate(legend):
        lines += _legend_row(parts, _EDGE, top + made.height + 34.0 + 20.0 * at)
    return "\n".join([*lines, "</svg>"]) + "\n"


def inline(workflow: Workflow, overlay: Overlay | None, where: Where) -> str:
    """The picture for a page that has the `style` of `look` and a heading of its own. `where` says to which place of
    the page a node leads, by its graph's key and its name."""
    made = sheet(workflow, overlay)
    width, height = made.width + 8.0, made.height + 8.0
    size = f'width="{number(width)}" height="{number(height)}" viewBox="-4 -4 {number(width)} {number(height)}"'
    told = _text(description(workflow, made, ""))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="magent-graph" {size} role="group" aria-label="{told}">'
    return "\n".join([head, *_drawn(made, where), "</svg>"])


def description(workflow: Workflow, made: Sheet, behind: str) -> str:
    """What the picture shows, for those who cannot see it."""
    nodes = [box for box in made.boxes if box.node is not None]
    told = f"{workflow.name}: {len(nodes)} nodes, {len(made.lines)} edges."
    counts = [(status, sum(_status(box) == status for box in nodes)) for status in STATUSES]
    states = ", ".join(f"{count} {status}" for status, count in counts if count)
    return " ".join(part for part in (told, behind and f"{behind}.", states and f"Nodes: {states}.") if part)


def _drawn(made: Sheet, where: Where | None) -> Iterator[str]:
    for frame in made.frames:
        yield from _frame(frame)
    for line in sorted(made.lines, key=lambda line: (line.count or 0) > 0):
        yield from _line(line)
    for box in made.boxes:
        yield from _box(box, where)
    for line in made.lines:
        if line.chip and line.middle is not None:
            yield from _chip(line, line.middle)


def _frame(frame: Frame) -> Iterator[str]:
    dim = " untaken" if frame.taken is False else ""
    dash = {"loop": ' stroke-dasharray="3 4"', "section": ' stroke-dasharray="8 5"', "chain": ' stroke-dasharray="5 3"'}
    x, y, width, height = frame.x, frame.y, frame.width, frame.height
    if frame.kind == "pile":
        for by in (8.0, 4.0):
            yield f'<path class="frame pile" d="{rounded(x + by, y + by, width, height, 8.0)}"/>'
    drawn = rounded(x, y, width, height, 8.0 if frame.kind in ("panel", "pile") else 12.0)
    yield f'<path class="frame {frame.kind}{dim}" d="{drawn}"{dash.get(frame.kind, "")}/>'
    if frame.caption:
        yield f'<text class="caption" x="{number(x + 14.0)}" y="{number(y + 20.0)}">{_text(frame.caption)}</text>'


def _line(line: Line) -> Iterator[str]:
    if not line.way:
        return
    told = "" if line.count is None else " taken" if line.count else " untaken"
    names = f"{line.look}{' implied' if line.implied and line.look != 'loop_back' else ''}{told}"
    end = line.way[-1]
    yield f'<g><title>{_text(line.title)}</title><path class="edge {names}" d="{_path(line)}"/>'
    x, y, half = end.x2, end.y2, 5.5 if line.count else 4.2
    corners = ((x - half, y - _HEAD - 1.0), (x, y), (x + half, y - _HEAD - 1.0))
    points = " ".join(f"{number(across)},{number(down)}" for across, down in corners)
    yield f'<polygon class="head {names}" points="{points}"/></g>'


def _path(line: Line) -> str:
    """The line, round at its corners, and ended where the arrow begins. It is written from that of its ends on where it
    shares its way with others, so that the dashes of all of them are the same there."""
    *others, last = line.way
    way = [*others, replace(last, y2=last.y2 - _HEAD)]
    if not line.fanned:
        way = [Piece(piece.x2, piece.y2, piece.x1, piece.y1, piece.curved) for piece in reversed(way)]
    parts = [f"M{number(way[0].x1)},{number(way[0].y1)}"]
    for at, piece in enumerate(way):
        x2, y2 = piece.x2, piece.y2
        following = way[at + 1] if at + 1 < len(way) else None
        if piece.curved:
            middle = number((piece.y1 + y2) / 2)
            parts.append(f"C{number(piece.x1)},{middle} {number(x2)},{middle} {number(x2)},{number(y2)}")
        elif following is None or following.curved or _along(piece, following):
            parts.append(f"L{number(x2)},{number(y2)}")
        else:
            radius = min(_ROUND, _long(piece) / 2, _long(following) / 2)
            (ax, ay), (bx, by) = _toward(piece, radius), _from(following, radius)
            parts.append(f"L{number(ax)},{number(ay)}Q{number(x2)},{number(y2)} {number(bx)},{number(by)}")
    return "".join(parts)


def _along(one: Piece, other: Piece) -> bool:
    return (one.x1 == one.x2) == (other.x1 == other.x2)


def _long(piece: Piece) -> float:
    return abs(piece.x2 - piece.x1) + abs(piece.y2 - piece.y1)


def _toward(piece: Piece, left: float) -> tuple[float, float]:
    """The place so far before the end of a straight piece."""
    part = left / (_long(piece) or 1.0)
    return piece.x2 - (piece.x2 - piece.x1) * part, piece.y2 - (piece.y2 - piece.y1) * part


def _from(piece: Piece, gone: float) -> tuple[float, float]:
    part = gone / (_long(piece) or 1.0)
    return piece.x1 + (piece.x2 - piece.x1) * part, piece.y1 + (piece.y2 - piece.y1) * part


def _chip(line: Line, middle: tuple[float, float]) -> Iterator[str]:
    (x, y), (width, height) = middle, line.size
    dim = " untaken" if line.count == 0 else ""
    yield f"<g><title>{_text(line.title)}</title>"
    yield f'<path class="chip" d="{rounded(x - width / 2, y - height / 2, width, height, 7.0)}"/>'
    for at, row in enumerate(line.chip):
        down = y - height / 2 + 13.0 + 13.0 * at
        yield f'<text class="middle{dim}" x="{number(x)}" y="{number(down)}">{_text(row)}</text>'
    yield "</g>"


def _status(box: Box) -> str:
    return box.marks.status if box.marks is not None else ""


def _box(box: Box, where: Where | None) -> Iterator[str]:
    status = _status(box) or ("untaken" if box.told else "")
    names = f"{box.kind} {status}".strip()
    leads = where(*box.node) if where is not None and box.node is not None and box.marks is not None else None
    yield f'<a href="{_text(leads)}">' if leads else "<g>"
    if box.title:
        yield f"<title>{_text(box.title)}</title>"
    x, y, width, height = box.x, box.y, box.width, box.height
    filled = "solid" if box.kind == "dot" else "box"
    yield f'<path class="{filled} {names}" d="{outline(box.kind, x, y, width, height)}"/>'
    yield from _ornament(box, names)
    yield from _words(box, names, status)
    yield "</a>" if leads else "</g>"


def _ornament(box: Box, names: str) -> Iterator[str]:
    """What tells kinds apart beside their outline: the bars of a fork, the sides of a subgraph, the rim of an end."""
    x, y, width, height = box.x, box.y, box.width, box.height
    if box.kind == "parallel":
        for top in (y, y + height - 4.0):
            yield f'<rect class="solid {names}" x="{number(x)}" y="{number(top)}" width="{number(width)}" height="4"/>'
    elif box.kind == "subgraph":
        across = (number(x + 7.0), number(x + width - 7.0))
        sides = "".join(f"M{side},{number(y)}V{number(y + height)}" for side in across)
        yield f'<path class="icon {names}" d="{sides}"/>'
    elif box.kind == "end":
        inner = rounded(x + 4.0, y + 4.0, width - 8.0, height - 8.0, height / 2 - 4.0)
        yield f'<path class="icon {names}" d="{inner}"/>'


def _words(box: Box, names: str, status: str) -> Iterator[str]:
    middle = box.x + box.width / 2
    dim = " untaken" if status == "untaken" else ""
    for at, text in enumerate(box.texts):
        if box.kind in ("join", "dot"):
            yield _row(f"about{dim}", middle, box.y + 14.0, _text(text.shown))
            return
        y = box.y + 21.0 + (15.5 * at + 1.0 if at else 0.0)
        left = middle
        if text.style == "name":
            yield from _beside_name(box, text.shown, names, status)
            left += 10.0 - (9.0 if box.marks is not None else 0.0)
        whole = f"<title>{_text(text.whole)}</title>" if text.whole else ""
        yield _row(f"{text.style}{dim}", left, y, whole + _text(text.shown))


def _row(names: str, x: float, y: float, text: str) -> str:
    return f'<text class="middle {names}" x="{number(x)}" y="{number(y)}">{text}</text>'


def _beside_name(box: Box, name: str, names: str, status: str) -> Iterator[str]:
    """The icon before it, and behind it how its visits ended."""
    wide = length(name, NAME, bold=True)
    middle = box.x + box.width / 2 + (1.0 if box.marks is not None else 10.0)
    icon = ICONS.get(box.icon)
    if icon:
        at = f"translate({number(middle - wide / 2 - 20.0)} {number(box.y + 9.5)})"
        yield f'<path class="icon {names}" transform="{at}" d="{icon}"/>'
    sign, filled = SIGNS.get(status, ("", False))
    if sign:
        at = f"translate({number(middle + wide / 2 + 13.0)} {number(box.y + 16.5)})"
        yield f'<g transform="{at}"><title>{status}</title><circle class="badge {status}" r="8"/>'
        yield f'<path class="sign{" filled" if filled else ""}" d="{sign}"/></g>'


Part = tuple[str, str]  # a line's look or a status, and what it means


def _legend(made: Sheet, width: float) -> list[list[Part]]:
    """What strokes and signs mean, of those that are there, in as many rows as it takes."""
    looks = {line.look for line in made.lines}
    parts = [(look, meaning) for look, meaning in _LOOKS.items() if look in looks]
    if any(line.count for line in made.lines):
        parts.append(("taken", "taken by the run"))
    there = {_status(box) for box in made.boxes}
    parts += [(status, status) for status in STATUSES if status in there]
    rows: list[list[Part]] = [[]]
    x = 0.0
    for part in parts:
        wide = _legend_width(part)
        if rows[-1] and x + wide > width:
            rows.append([])
            x = 0.0
        rows[-1].append(part)
        x += wide
    return rows if parts else []


def _legend_width(part: Part) -> float:
    return (24.0 if part[0] in STATUSES else 42.0) + length(part[1], SMALL) + 16.0


def _legend_row(parts: Sequence[Part], x: float, y: float) -> Iterator[str]:
    for part in parts:
        name, meaning = part
        if name in STATUSES:
            sign, filled = SIGNS[name]
            yield f'<g transform="translate({number(x + 8.0)} {number(y - 4.0)})"><circle class="badge {name}" r="8"/>'
            yield f'<path class="sign{" filled" if filled else ""}" d="{sign}"/></g>'
            left = x + 22.0
        else:
            look = f"normal {name}" if name == "taken" else name
            yield f'<path class="edge {look}" d="M{number(x)},{number(y - 4.0)}h32"/>'
            left = x + 40.0
        yield f'<text class="about" x="{number(left)}" y="{number(y)}">{meaning}</text>'
        x += _legend_width(part)


def _text(text: str | None) -> str:
    """Escaped for text and attributes, without what XML cannot hold."""
    return escape("".join(char if char.isprintable() or char == "\n" else "�" for char in text or ""))
