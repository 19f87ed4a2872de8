"""The board as lines for a window: a pure function of the board, the window and the time. No line is too wide.

A line is a list of pieces, each a text and its styles; `render` makes terminal text of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from magent import cells
from magent.cli.beside import plain
from magent.cli.board import Board, Spot
from magent.cli.console import one_line
from magent.cli.progress import price
from magent.model import Parallel

Piece = tuple[str, str]
Line = list[Piece]

WIDEST = 120  # columns: on a wide window what belongs together stays together
DEEPEST = 6  # steps of indentation
TEXT_LINES = 3  # of streamed text a visit, at most
_CODES = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "dim": "2", "bold": "1"}
_ASCII = {
    "●": "*", "▶": ">", "✔": "+", "✘": "x", "⏸": "=", "↻": "~", "✎": "!", "○": "-", "⊘": "-", "·": ".", "│": "|",
    "─": "-", "…": "...", "�": "?", "━": "#", "╌": "-", "◷": "o", "⇣": "v",
}  # fmt: skip
_SIGNS = {
    "runs": ("▶", "blue"),
    "holds": ("▶", "blue"),
    "retries": ("↻", "yellow"),
    "asks": ("?", "yellow"),
    "waits": ("⏸", "yellow"),
    "rests": ("◷", "blue"),
    "queued": ("○", "dim"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """What is drawn on. `encoding` None: all of Unicode."""

    columns: int = 80
    rows: int = 24
    color: bool = True
    encoding: str | None = None

    @property
    def width(self) -> int:
        """The last column stays free: what is written there makes some terminals begin a new line."""
        return max(1, min(self.columns - 1, WIDEST))

    @property
    def height(self) -> int:
        """Of the region: less than half of the window."""
        return max(1, min(self.rows - 1, max(5, self.rows * 2 // 5)))


def paint(
    board: Board, window: Window, now: float, *, text: bool = True, notes: Sequence[Line] = (), stopping: bool = False
) -> list[str]:
    """The region: a line of sums, `notes` (unfinished lines), and the tree with (`text`) what it says."""
    lines = [_sums(board, window, now, stopping), *notes][: window.height]
    room = window.height - len(lines)
    lines += _level(list(board.roots.values()), room, 0, _Brush(window, now, text))
    return [render(line, window) for line in lines]


def render(line: Line, window: Window, *, cut: bool = True) -> str:
    """The line as the terminal takes it; with `cut`, no wider than the window."""
    shown, left = [], window.width
    for text, styles in line:
        text = speak(text, window)
        if cut:
            text = cells.cut(text, left, mark=speak("…", window))
            left -= cells.width(text)
        shown.append(_styled(text, styles) if window.color else text)
    return "".join(shown).rstrip() if not window.color else "".join(shown)


def folded(line: Line, window: Window) -> list[Line]:
    """The line; one that is wider than the window as lines broken between words, those after the first set in."""
    if sum(cells.width(speak(text, window)) for text, _ in line) <= window.columns:
        return [line]
    words: list[Line] = [[]]
    for text, styles in line:
        first, *others = speak(text, window).split(" ")
        words[-1].append((first, styles))
        words += [[(other, styles)] for other in others]
    rows: list[Line] = [[]]
    taken = 0
    for place, word in enumerate(words):
        wide = sum(cells.width(text) for text, _ in word)
        if place and wide and taken + 1 + wide > window.columns:
            rows.append([("  ", "")])
            taken = 2
        elif place:
            rows[-1].append((" ", ""))
            taken += 1
        rows[-1] += word
        taken += wide
    return rows


def _styled(text: str, styles: str) -> str:
    if not styles or not text:
        return text
    return f"\x1b[{';'.join(_CODES[style] for style in styles.split())}m{text}\x1b[0m"


def speak(text: str, window: Window) -> str:
    """The text in characters that the terminal has."""
    if window.encoding is None or text.isascii():
        return text
    signs = "".join(_ASCII.get(sign, sign) for sign in text)
    return signs.encode(window.encoding, "replace").decode(window.encoding)


# ---- the line of sums


def _sums(board: Board, window: Window, now: float, stopping: bool) -> Line:
    elapsed = brief(now - board.began) if board.began is not None else ""
    name = "stopping" if stopping else one_line(board.name, 40) if window.width >= 60 else ""
    facts = [name, elapsed or "0s", *_counted(board), *_spent(board)]
    shown, left = [], window.width - 1
    for fact in [each for each in facts if each]:
        taken = cells.width(fact) + 3
        if taken <= left:
            shown.append(fact)
            left -= taken
    return [("── ", "dim"), (" · ".join(shown), "bold"), (f" {'─' * left}", "dim")]


def _counted(board: Board) -> Iterator[str]:
    counts = board.counts
    if counts["runs"] + counts["rests"]:
        yield f"{counts['runs'] + counts['rests']:,} running"
    if counts["asks"] + counts["waits"]:
        yield f"{counts['asks'] + counts['waits']:,} waiting"
    if counts["retries"]:
        yield f"{counts['retries']:,} to retry"
    if counts["queued"]:
        yield f"{counts['queued']:,} in line"
    yield f"{board.steps:,} step{'' if board.steps == 1 else 's'}"


def _spent(board: Board) -> Iterator[str]:
    if board.tokens:
        yield f"{board.tokens:,} tokens"
    if told := price(board.cost):
        yield told


def brief(seconds: float) -> str:
    """`7s`, `3m 04s`, `2h 05m`; nothing for less than a second, so that what is quick stays quiet."""
    whole = int(seconds)
    if whole < 1:
        return ""
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m {whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h {whole // 60 % 60:02d}m"


# ---- the tree


@dataclass(frozen=True, slots=True)
class _Brush:
    window: Window
    now: float
    text: bool

    def says(self, spot: Spot) -> bool:
        return self.text and not spot.children and spot.tail != "" and not spot.tail.isspace()


def _level(spots: Sequence[Spot], room: int, depth: int, brush: _Brush) -> list[Line]:
    """The visits of one level, in at most `room` lines. Where not all find place, the rest is counted.

    Who is there first stays where it is: what moves is the text, not the tree.
    """
    if room <= 0 or not spots:
        return []
    shown = _fitting(spots, room, brush)
    rest = len(spots) - len(shown)
    room -= 1 if rest else 0
    lines: list[Line] = []
    for place, spot in enumerate(shown):
        others = len(shown) - place - 1
        lines += _one(spot, room - len(lines) - others, depth, brush, alone=len(spots) == 1)
    if rest:
        lines.append([("  " * min(depth, DEEPEST), ""), (f"… and {rest:,} more", "dim")])
    return lines


def _fitting(spots: Sequence[Spot], room: int, brush: _Brush) -> Sequence[Spot]:
    """All, where each can have a line; else as many as can have what they say below them, too."""
    if len(spots) <= room:
        return spots
    shown: list[Spot] = []
    taken = 0
    for spot in islice(spots, room):
        taken += 2 if brush.says(spot) or spot.children else 1
        if taken > room - 1 and shown:
            break
        shown.append(spot)
    return shown[: max(0, room - 1)]


def _one(spot: Spot, room: int, depth: int, brush: _Brush, *, alone: bool) -> list[Line]:
    lines = [_line(spot, depth, brush)]
    if spot.children:
        return lines + _level(list(spot.children.values()), room - 1, depth + 1, brush)
    if brush.says(spot) and room > 1:
        lines += _text(spot, min(room - 1, TEXT_LINES if alone else 1), depth, brush)
    return lines


def _line(spot: Spot, depth: int, brush: _Brush) -> Line:
    sign, color = _SIGNS[spot.status]
    left: Line = [("  " * min(depth, DEEPEST), ""), (f"{sign} ", color), *_name(spot)]
    for fact in _facts(spot, brush):
        left += [("  ", ""), *fact]
    elapsed = brief(brush.now - spot.since)
    room = brush.window.width - (len(elapsed) + 2 if elapsed else 0)
    kept, taken = _cut(left, room, brush.window)
    return [*kept, (" " * (room - taken + 2), ""), (elapsed, "dim")] if elapsed else kept


def _cut(line: Line, room: int, window: Window) -> tuple[Line, int]:
    kept: Line = []
    left = room
    for text, styles in line:
        shown = cells.cut(speak(text, window), left, mark=speak("…", window))
        kept.append((shown, styles))
        left -= cells.width(shown)
        if shown != text and left <= 0:
            break
    return kept, room - left


def _name(spot: Spot) -> Iterator[Piece]:
    index = spot.index
    if index is not None:
        yield f"[{index}] ", "dim"
    yield one_line(spot.name, 80), "bold" if spot.status == "holds" else ""
    if index is not None and (label := _label(spot, index)):
        yield f"  {label}", ""


def _label(spot: Spot, index: int) -> str:
    """What the item is, where that is a text."""
    items = spot.parent.items if spot.parent is not None else None
    item = items[index] if items is not None and index < len(items) else None
    return one_line(item, 40) if isinstance(item, str) else ""


def _facts(spot: Spot, brush: _Brush) -> Iterator[Line]:
    if spot.status == "holds":
        yield from _progress(spot, brush.window)
    left = spot.until - brush.now if spot.until is not None else None
    if spot.status == "retries":
        yield [(f"in {brief(left or 0) or 'a moment'}", "yellow")]
    elif spot.status in ("asks", "waits"):
        yield [("asks" if spot.status == "asks" else "waits for an answer", "yellow")]
        if left is not None:
            yield [(f"{brief(left) or 'no time'} left", "dim")]
    elif spot.status == "rests":
        yield [(f"{brief(left or 0) or 'a moment'} left", "dim")]
    elif spot.status == "queued":
        yield [("in line", "dim")]
    if spot.attempt > 1:
        yield [(f"attempt {spot.attempt}", "yellow")]
    if spot.who:
        yield [(one_line(spot.who.removeprefix("agent "), 30), "dim")]


def _progress(spot: Spot, window: Window) -> Iterator[Line]:
    """Branches and items that have ended, of how many; the round, of how many at most."""
    parallel = isinstance(spot.node, Parallel)
    if parallel and spot.total:
        counted = (f"{spot.ended:,}/{spot.total:,}", "")
        yield [*_bar(spot.ended, spot.total, window), ("  ", ""), counted] if spot.items is not None else [counted]
        if spot.failed:
            yield [(f"{spot.failed:,} failed", "red")]
    elif spot.round >= 0:
        most = spot.limit if spot.items is None else len(spot.items)
        yield [(f"round {spot.round + 1}{f'/{most}' if most else ''}", "")]


def _bar(done: int, total: int, window: Window) -> Line:
    width = 20 if window.width >= 60 else 8 if window.width >= 36 else 4
    full = min(width, done * width // total)
    return [("━" * full, "green"), ("╌" * (width - full), "dim")]


def bar(what: str, share: float, size: str, window: Window) -> Line:
    """A line for something that is fetched."""
    fetched = _bar(int(share * 1000), 1000, window)
    return [("⇣ ", "blue"), (f"{one_line(what, 60)}  ", ""), *fetched, (f"  {share:.0%}{size}", "")]


# ---- streamed text


def _text(spot: Spot, count: int, depth: int, brush: _Brush) -> list[Line]:
    indent = "  " * min(depth + 1, DEEPEST)
    width = max(4, brush.window.width - len(indent) - 2)
    rows = last_rows(spot.tail, width, count, brush.window)
    return [[(f"{indent}│ ", "dim"), (row, "dim")] for row in rows]


def last_rows(text: str, width: int, count: int, window: Window) -> list[str]:
    """The last `count` rows of a text that is broken at `width` columns; rows without anything in them do not count."""
    rows: list[str] = []
    for line in reversed(text.split("\n")):
        rows = [*_broken(speak(plain(line), window).expandtabs(4), width), *rows]
        if len(rows) > count:
            break
    if count == 1 and len(rows) > 1 and len(rows[-1]) < width // 4:
        rows.pop()  # where a single row is shown, one that has just begun says too little
    return rows[-count:]


def _broken(line: str, width: int) -> Iterator[str]:
    while line:
        end = len(line) if line.isascii() else _reach(line, width)
        end = min(end, width) if line.isascii() else end
        if end < len(line):
            end = line.rfind(" ", 1, end + 1) + 1 or end
        row, line = line[:end].rstrip(), line[end:]
        if row:
            yield row


def _reach(line: Iterable[str], width: int) -> int:
    """How many characters fit into `width` columns; at least one."""
    from wcwidth import wcwidth

    taken = 0
    for place, character in enumerate(line):
        taken += max(0, wcwidth(character))
        if taken > width:
            return max(1, place)
    return place + 1
