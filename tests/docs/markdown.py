"""Code blocks of a Markdown page, with what comments right before them say: `<!-- file: a.yaml -->`, `<!-- run -->`.

file: NAME      the block is a file of the session       run            its commands are run, and end with 0
answers: FILE   it holds answers to that workflow        run: exit N    the last of them ends with N
broken          it is no valid workflow
terminal        its command is run in a terminal; with `: SEEN -> KEYS`, KEYS and Enter are typed once SEEN is seen
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_COMMENT = re.compile(r"<!-- (\w+)(?:: (.*?))? -->")
_FENCE = re.compile(r"```(\w*)")


@dataclass(frozen=True)
class Block:
    """`line` is that of its fence, from 1; `marks` what comments say of it; `after` the line of text behind it."""

    page: str
    line: int
    language: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)
    after: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(path: Path, page: str) -> Iterator[Block]:
    """Every fenced block of the page, in order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    marks: dict[str, str] = {}
    numbers = iter(range(len(lines)))
    for number in numbers:
        line = lines[number]
        if found := _COMMENT.fullmatch(line):
            marks[found[1]] = found[2] or ""
        elif opening := _FENCE.fullmatch(line):
            end = lines.index("```", number + 1)
            after = next((text for text in lines[end + 1 :] if text), "")
            yield Block(page, number + 1, opening[1], "\n".join(lines[number + 1 : end]) + "\n", marks, after)
            marks = {}
            for _ in range(end - number):
                next(numbers)
        elif line:
            marks = {}


@dataclass(frozen=True)
class Command:
    line: str
    output: list[str]


def commands(block: Block) -> list[Command]:
    """`$ …` lines of a console block, each with the output shown below it."""
    found: list[Command] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        elif line:
            found[-1].output.append(line)
    return found


_VARYING = (
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b"), "RUN"),
    (re.compile(r"\b20\d\d-\d\d-\d\d(?= \d\d:)"), "DATE"),
    (re.compile(r"\b\d\d:\d\d:\d\d "), ""),
    (re.compile(r"(, | · )[\d,]+ tokens"), ""),
    (re.compile(r"^( *[✔✘] [^:]*?) +\d+(\.\d+)?(ms|s)$"), r"\1"),
    (re.compile(r"\b\d+(\.\d+)?(ms|s)\b"), "TIME"),
    (re.compile(r"\s+$"), ""),
)


def settled(line: str) -> str:
    """The line without what differs from run to run: ids, dates, hours, times taken, tokens."""
    for pattern, instead in _VARYING:
        line = pattern.sub(instead, line)
    return line


def missing(expected: list[str], printed: str) -> list[str]:
    """The expected lines that are not in what was printed, in this order; others may stand between them."""
    rest = iter([settled(line) for line in printed.splitlines()])
    return [line for line in map(settled, expected) if line not in rest]
