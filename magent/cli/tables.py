"""Sheets: what the verbs that look back print. Lines, tables and wrapped texts that fit the window that stdout is.

Where stdout is no terminal there are no colours, no signs and no window: lines are as long as they are, and stable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from magent import cells
from magent.cli.console import Console, one_line

GAP = "  "
_LONGEST_LINE = 4  # lines of the window that one line of a long text takes
LONGEST = 10_000  # characters of a cell that are looked at
STATUSES: Mapping[str, tuple[str, str]] = {
    "completed": ("✔", "green"),
    "failed": ("✘", "red"),
    "damaged": ("✘", "red"),
    "sealed": ("✘", "red"),
    "waiting": ("⏸", "yellow"),
    "interrupted": ("■", "yellow"),
    "running": ("●", "blue"),
    "pending": ("·", "dim"),
    "cancelled": ("⊘", "dim"),
    "skipped": ("○", "dim"),
}
"""Status of a run or a visit → its sign and its style."""


class Part(NamedTuple):
    """A piece of a line in a style: words such as `bold red`. `short` stands for it where there is little room."""

    text: str
    style: str = ""
    short: str | None = None


Cell = str | Part


@dataclass(frozen=True, slots=True)
class Column:
    """`least`: the columns it may shrink to, None: it is never cut. `rank`: where the window is too narrow, the column
    of the highest rank goes first; 0 never goes. `right`: figures."""

    title: str
    least: int | None = None
    rank: int = 0
    right: bool = False


class Sheet:
    """Gathers what is to be seen, and prints it at once. Texts are made neutral here."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: list[str] = []
        self.width = console.window

    @property
    def signs(self) -> bool:
        """Whether signs say what words say elsewhere."""
        return self.width is not None

    def status(self, status: str) -> Part:
        """A status, with its sign in a terminal and the sign alone where there is little room."""
        sign, style = STATUSES.get(status, ("·", ""))
        return Part(f"{sign} {status}", style, sign) if self.signs else Part(status)

    def sign(self, status: str) -> Part:
        sign, style = STATUSES.get(status, ("·", ""))
        return Part(sign, style)

    def print(self) -> None:
        if self._lines:
            self._console.drawn("\n".join(self._lines))

    @property
    def height(self) -> int:
        """Lines so far."""
        return len(self._lines)

    # ---- lines

    def blank(self) -> None:
        """An empty line, unless one is there already."""
        if self._lines and self._lines[-1]:
            self._lines.append("")

    def line(self, *parts: Cell, whole: bool = False) -> None:
        """One line, cut where the window ends; `whole`: not cut, as it is to be copied."""
        left, shown = None if whole else self.width, ""
        for part in parts:
            text, style, _ = _part(part)
            said = self._said(text)
            if left is not None:
                said = cells.cut(said, left, mark=self._mark)
                left -= cells.width(said)
            shown += self._console.tinted(said, *style.split())
        self._lines.append(shown.rstrip())

    def title(self, text: str) -> None:
        self.blank()
        self.line(Part(text, "bold"))

    def heading(self, *parts: Cell, id: str) -> None:
        """A first line that ends with the id of a run; where there is no room, the id has a line of its own."""
        taken = sum(cells.width(_part(part).text) for part in parts) + len(GAP) + len(id)
        if self.width is None or taken <= self.width:
            self.line(*parts, GAP, id)
        else:
            self.line(*parts)
            self.line(id, whole=True)

    def facts(self, facts: Sequence[str]) -> None:
        """Facts side by side, in as few lines as the window has room for."""
        lines: list[str] = []
        for fact in facts:
            longer = f"{lines[-1]} · {fact}" if lines else fact
            if lines and self.width is not None and cells.width(longer) > self.width:
                lines.append(fact)
            else:
                lines[-1:] = [longer]
        for line in lines:
            self.text(line, indent=0, style="dim")

    def next(self, command: str, what: str) -> None:
        """A command to type next, whole, and what it does: beside it where there is room, else below."""
        beside = self.width is None or len(command) + len(what) + 5 <= self.width
        self.line("  ", Part(command, "cyan"), *([Part(f"   {what}", "dim")] if beside else []), whole=True)
        if not beside:
            self.text(what, indent=6, style="dim")

    def text(self, text: str, *, indent: int = 2, most: int | None = None, style: str = "") -> None:
        """A text with its line breaks, wrapped where the window ends; at most `most` of its lines. Where it has more,
        none of its own lines takes the room of all others."""
        whole = text.rstrip("\n").split("\n")
        lines = [piece for line in whole for piece in self._wrapped(line, indent)]
        if most is not None and len(lines) > most + 1:
            lines = [piece for line in whole for piece in self._beginning(self._wrapped(line, indent))]
        shown = lines if most is None or len(lines) <= most + 1 else lines[:most]
        for line in shown:
            self._lines.append((" " * indent + self._console.tinted(line, *style.split())).rstrip())
        if len(shown) < len(lines):
            self.line(" " * indent, Part(f"… {len(lines) - len(shown):,} more lines (-v, or --output json)", "dim"))

    def item(self, text: str, *, indent: int = 2, style: str = "") -> None:
        """One line of a list, its further lines set in where the window breaks it: what comes from elsewhere begins no
        line of ours."""
        for at, piece in enumerate(self._wrapped(one_line(text, LONGEST), indent + len(GAP))):
            lead = " " * indent + (GAP if at else "")
            self._lines.append((lead + self._console.tinted(piece, *style.split())).rstrip())

    def _beginning(self, pieces: list[str]) -> list[str]:
        if len(pieces) <= _LONGEST_LINE or self.width is None:
            return pieces
        more = f" {self._mark} {len(pieces) - _LONGEST_LINE:,} more lines"
        last = cells.cut(pieces[_LONGEST_LINE - 1], max(1, cells.width(pieces[0]) - len(more)), mark="")
        return [*pieces[: _LONGEST_LINE - 1], last + more]

    def _wrapped(self, line: str, indent: int) -> list[str]:
        said = self._console.spoken(line.expandtabs(4))
        return [said] if self.width is None else list(wrap(said, max(20, self.width - indent)))

    @property
    def _mark(self) -> str:
        return self._console.spoken("…")

    def _said(self, text: str) -> str:
        lead = text[: len(text) - len(text.lstrip(" "))]  # of a tree
        tail = text[len(text.rstrip(" ")) :] if text.strip(" ") else ""
        return lead + self._console.spoken(one_line(text, LONGEST)) + tail

    # ---- tables

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, head: bool = True, indent: int = 0
    ) -> None:
        """Rows under their columns' titles; what has nothing to show in any row is left out."""
        used = [at for at in range(len(columns)) if any(_part(row[at]).text for row in rows)]
        kept = [columns[at] for at in used]
        body = [[self._cell(row[at]) for at in used] for row in rows]
        titles = [Part(column.title, "dim", "") for column in kept]
        widths = self._fit(kept, [titles, *body] if head else body, indent)
        for row in [titles, *body] if head else body:
            self._lines.append((" " * indent + self._row(kept, row, widths)).rstrip())

    def _cell(self, cell: Cell) -> Part:
        text, style, short = _part(cell)
        return Part(self._said(text), style, None if short is None else self._console.spoken(short))

    def _fit(self, columns: Sequence[Column], rows: Sequence[Sequence[Part]], indent: int) -> list[int]:
        """The width of each column; 0 for one that is left out."""
        natural = [max(cells.width(row[at].text) for row in rows) for at in range(len(columns))]
        if self.width is None:
            return natural
        least = [
            width if column.least is None else min(width, column.least)
            for column, width in zip(columns, natural, strict=True)
        ]
        shown = set(range(len(columns)))
        room = self.width - indent
        while _sum(least[at] for at in shown) > room and any(columns[at].rank for at in shown):
            shown.remove(max(shown, key=lambda at: (columns[at].rank, at)))
        spare = room - _sum(least[at] for at in shown)
        widths = [least[at] if at in shown else 0 for at in range(len(columns))]
        for at in sorted(shown, key=lambda at: columns[at].rank):
            more = max(0, min(spare, natural[at] - least[at]))
            if _shorts(rows, at) and least[at] + more < natural[at]:
                more = 0  # a word is whole or not there
            widths[at] += more
            spare -= more
        return widths

    def _row(self, columns: Sequence[Column], row: Sequence[Part], widths: Sequence[int]) -> str:
        shown = []
        for column, part, width in zip(columns, row, widths, strict=True):
            if width:
                text = part.text
                if cells.width(text) > width:
                    text = part.short if part.short is not None else text
                text = cells.cut(text, width, mark=self._mark) if column.least is not None else text
                blanks = " " * (width - cells.width(text))
                tinted = self._console.tinted(text, *part.style.split())
                shown.append(blanks + tinted if column.right else tinted + blanks)
        return GAP.join(shown)


def _part(cell: Cell) -> Part:
    return Part(cell) if isinstance(cell, str) else cell


def _shorts(rows: Sequence[Sequence[Part]], at: int) -> bool:
    return any(row[at].short for row in rows)


def _sum(widths: Iterator[int]) -> int:
    found = [width for width in widths if width]
    return sum(found) + len(GAP) * max(0, len(found) - 1)


def wrap(line: str, columns: int) -> Iterator[str]:
    """The line in pieces of at most so many columns, broken at blanks where there are any."""
    lead = line[: min(len(line) - len(line.lstrip(" ")), columns // 2)]
    while cells.width(line) > columns:
        piece = cells.cut(line, columns, mark="")
        at = piece.rfind(" ", len(lead) + 1)
        if at <= len(lead) or len(piece) == len(line) or line[len(piece)] == " ":
            at = len(piece)
        at = max(at, 1)
        yield line[:at].rstrip()
        line = lead + line[at:].lstrip(" ")
    yield line


def ago(when: float, now: float | None = None) -> str:
    """`just now`, `5m ago`, `3h ago`, `2d ago`; the date where it is longer ago than a week."""
    passed = (time.time() if now is None else now) - when
    for unit, name in ((86400, "d"), (3600, "h"), (60, "m")):
        if passed >= unit:
            return f"{int(passed // unit)}{name} ago" if passed < 7 * 86400 else local(when)[:10]
    return "just now" if passed > -60 else local(when)


def local(when: float) -> str:
    """`2026-11-22 14:15:30`, of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


def size(count: int) -> str:
    """`812 B`, `1.4 kB`, `3.0 MB`."""
    shown, units = float(count), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while shown >= 999.95 and (larger := next(units, None)):
        shown, unit = shown / 1000, larger
    return f"{count} B" if unit == "B" else f"{shown:.1f} {unit}"
