"""The text of a file before YAML is read from it: UTF-8, lines, and what libyaml takes for something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from magent.source import Position, Problem

MAX_BYTES = 8_000_000

CONTROLS = bytes(code for code in range(0x20) if code not in b"\t\n\r") + b"\x7f"
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
LINE_BREAK = re.compile(r"\r\n|\r|\n")

# libyaml speaks YAML 1.1: it takes three more characters for line breaks, and inside `{ }` and `[ ]` it ends a text at
# `?` and refuses `a:b`. Where these are text in 1.2 it is given characters that the file does not use, one for one.
BREAKS_OF_1_1 = re.compile("[\x85\u2028\u2029]")
INNER_INDICATOR = re.compile(r"""(?<![\s"'}\]]):(?=[^\s,\[\]{}])|(?<=[^\s,\[\]{}])\?|\?(?=[^\s,\[\]{}])""")


class Refused(Exception):
    """A text that is not read any further; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def decode(data: bytes, file: str) -> str:
    """The text of a file: UTF-8, without byte order mark and without control characters. Raises Refused."""
    start = Position(file, 1, 1)
    if len(data) > MAX_BYTES:
        message = f"the file is larger than magent reads ({MAX_BYTES // 1_000_000} MB)"
        raise Refused(Problem("file-too-large", message, start))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:4]:
        raise Refused(Problem("encoding", "the file is not UTF-8 text", start, hint="save it as UTF-8"))
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = _after(data[: error.start].decode("utf-8"), file)
        message = f"the file is not UTF-8 text (byte 0x{data[error.start]:02x})"
        raise Refused(Problem("encoding", message, place, hint="save it as UTF-8")) from None
    dirty = not text.isascii() or len(data.translate(None, CONTROLS)) != len(data)
    if dirty and (found := CONTROL.search(text)):
        message = f"the file holds the control character U+{ord(found[0]):04X}, which YAML does not take"
        hint = 'is it a text file? Inside "…" such a character is written as an escape: "\\x1b"'
        raise Refused(Problem("encoding", message, _after(text[: found.start()], file), hint=hint))
    return text


def split_lines(text: str) -> list[str]:
    return LINE_BREAK.split(text) if "\r" in text else text.split("\n")


def _after(text: str, file: str) -> Position:
    lines = split_lines(text)
    return Position(file, len(lines), len(lines[-1]) + 1)


class StandIns:
    """Exchanges characters for private ones that the text does not use; `back` undoes it (`str.translate`)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.free: Iterator[str] | None = None
        self.back: dict[int, str] = {}
        self.given: dict[str, str] = {}

    def replace(self, what: re.Pattern[str], text: str) -> str:
        return what.sub(lambda match: self.given.get(match[0]) or self.stand_in(match[0]), text)

    def stand_in(self, char: str) -> str:
        if self.free is None:
            used = set(self.text)
            self.free = (char for char in map(chr, range(0xE000, 0xF900)) if char not in used)
        self.given[char] = other = next(self.free, char)
        self.back[ord(other)] = char
        return other
