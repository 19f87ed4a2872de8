"""Where a place inside a text stands in the file that holds the text, through YAML's ways of writing it.

A text is walked once, by the rules of YAML for its style; what comes of it is a list of pieces, each of which stands on
one line of the file, character by character or escape by escape.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from magent.source import Position

_PROPERTY = re.compile(r"[ \t]*(?:[&!]\S*|(?:(?<=\s)#.*)?$)")  # an anchor, a tag, or the rest of a line without a value
_ESCAPES = {
    "single": re.compile("''"),
    "double": re.compile(r"\\(?:x.{2}|u.{4}|U.{8}|.)?"),  # without a character: the end of the line is escaped
}
_OPENING = {"single": "'", "double": '"', "literal": "|", "folded": ">"}
_NO_PLAIN = frozenset("*|>'\"")  # what no plain text begins with: then the value stands elsewhere, as behind an alias
_MAX_PROPERTIES = 100

Piece = tuple[int, int, int]  # the index in the text, from 0; line and column in the file, from 1


@dataclass(frozen=True, eq=False)
class Written:
    """A text as its file has it: `start` is the place of the value, `lines` the whole file."""

    text: str
    lines: Sequence[str] | None
    start: Position

    def position(self, line: int, column: int) -> Position:
        """The place in the file of a line and column in the text, both from 1; at worst that of the value."""
        if self._style == "file":
            return Position(self.start.file, line, column)
        offset = self.offset(line, column)
        piece = bisect_right(self._pieces, offset, key=lambda piece: piece[0]) - 1
        if piece < 0 or self.lines is None:
            return self.start
        begin, number, first = self._pieces[piece]
        found = first + offset - begin
        return Position(self.start.file, number, min(found, len(self.lines[number - 1]) + 1))

    def offset(self, line: int, column: int) -> int:
        """The index in the text of a line and column in it, both from 1."""
        return self._starts[min(line, len(self._starts)) - 1] + column - 1

    @property
    def _style(self) -> str:
        return getattr(self.text, "style", "plain")

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in re.finditer("\n", self.text))]

    @cached_property
    def _pieces(self) -> list[Piece]:
        style, lines = self._style, self.lines
        begin = _value(lines, self.start) if lines else None
        if lines is None or begin is None:
            return []
        number, at = begin
        first = lines[number][at : at + 1]
        if first != _OPENING[style] if style in _OPENING else first in _NO_PLAIN:
            return []
        if style in ("literal", "folded"):
            return list(_block(lines, number + 1, self.text, style == "folded"))
        return list(_flow(lines, number, at + (style != "plain"), len(self.text), style))


def _value(lines: Sequence[str], start: Position) -> tuple[int, int] | None:
    """Line and column, from 0, where a value itself begins: behind its anchor, its tag and comments."""
    number, at = start.line - 1, start.column - 1
    for _ in range(_MAX_PROPERTIES):
        if number >= len(lines):
            return None
        found = _PROPERTY.match(lines[number], at)
        if found is None:
            rest = lines[number][at:]
            return number, at + len(rest) - len(rest.lstrip(" \t"))
        number, at = (number, found.end()) if found.end() < len(lines[number]) else (number + 1, 0)
    return None


def _block(lines: Sequence[str], number: int, text: str, folded: bool) -> Iterator[Piece]:
    """The pieces of a `|` or `>` text: each line without its indentation."""
    indent = _indentation(lines, number, text)
    offset, empty, indented = 0, 0, True  # so many empty lines, and whether `>` leaves the break before them alone
    for line, raw in enumerate(lines[number:], number + 1):
        if offset > len(text):
            return
        if folded and len(raw) <= indent and not raw.strip(" "):
            empty += 1
            continue
        here = raw[indent : indent + 1] in (" ", "\t")
        if folded and offset:
            offset += empty + 1 if indented or here else empty or 1
        elif folded:
            offset = empty
        yield offset, line, indent + 1
        offset += max(len(raw) - indent, 0) + (not folded)
        empty, indented = 0, here


def _indentation(lines: Sequence[str], number: int, text: str) -> int:
    """How far a block is indented: its first line in the file is longer by that than in the text."""
    while number < len(lines) and not lines[number].strip(" "):
        number += 1
    raw = lines[number] if number < len(lines) else ""
    inner = text.lstrip("\n ")
    spaces = len(text) - len(inner) - (text.rfind("\n", 0, len(text) - len(inner)) + 1)
    return max(len(raw) - len(raw.lstrip(" ")) - spaces, 0)


def _flow(lines: Sequence[str], number: int, at: int, length: int, style: str) -> Iterator[Piece]:
    """The pieces of a plain or quoted text: lines are joined by a space, empty ones between them stay breaks."""
    offset = 0
    while True:
        raw = lines[number]
        end = len(raw.rstrip(" \t"))
        joined = False
        yield offset, number + 1, at + 1
        for found in _ESCAPES[style].finditer(raw, at, end) if style in _ESCAPES else ():
            offset += found.start() - at
            at, joined = found.end(), found.end() == end and found[0] == "\\"
            offset += not joined
            yield offset, number + 1, at + 1
        offset += max(end - at, 0)
        empty, number = 0, number + 1
        while number < len(lines) and not lines[number].strip(" \t"):
            empty, number = empty + 1, number + 1
        if number == len(lines) or offset >= length:
            return
        offset += empty if joined else empty or 1
        at = len(lines[number]) - len(lines[number].lstrip(" \t"))
