"""Single lines of a YAML text, looked at again: where a value begins and ends, and how it is written in quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass

EXPRESSION_KEYS = frozenset(("when", "while", "until", "for_each", "switch"))

KEY = r"""("[^"]*"|'[^']*'|[\w$.-]+)[ \t]*:(?:[ \t]+|$)"""
BLOCK_FIELD = re.compile(rf"[ \t]*(?:-[ \t]+)*(?:{KEY})?")
FLOW_FIELD = re.compile(rf"[{{,\[][ \t]*{KEY}")
NEXT_FIELD = re.compile(rf"[ \t]*(?:{KEY}|$)")
COMMENT = re.compile(r"[ \t]+#(?:[ \t].*)?$")
TEMPLATE_STARTS = ("{{", "{%", "{#")
PAIRS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class Field:
    """`key: value` on one line, columns from 0. `key` is empty for an item of a list."""

    text: str
    key: str
    start: int
    end: int

    @property
    def value(self) -> str:
        return self.text[self.start : self.end]

    @property
    def is_expression(self) -> bool:
        return self.key in EXPRESSION_KEYS

    def mended(self, value: str | None = None) -> str:
        """The whole line, with the value in quotes."""
        return self.text[: self.start] + in_quotes(self.value if value is None else value) + self.text[self.end :]

    def hint(self, value: str | None = None) -> str:
        """The line to write, or its value alone where it is long."""
        line = self.mended(value).strip()
        if len(line) > 120 and self.key:
            line = f"{self.key}: {in_quotes(self.value if value is None else value)}"
        return f"write: {line}" if len(line) <= 120 else "put the whole text in quotes"


def in_quotes(value: str) -> str:
    """`value` as YAML text in quotes: in double ones unless it holds some, or a backslash."""
    return "'" + value.replace("'", "''") + "'" if set(value) & {'"', "\\"} else f'"{value}"'


def field_at(text: str, column: int, flow: bool) -> Field | None:
    """The field of a line whose value begins at or before `column`; `flow`: the line stands inside `{ }` or `[ ]`."""
    text = text[:5000]
    block = BLOCK_FIELD.match(text)
    start = block.end() if block else 0
    opens = text[start : start + 1] in ("{", "[") and not text.startswith(TEMPLATE_STARTS, start)
    last = None
    if flow or opens:
        for found in FLOW_FIELD.finditer(text, 0 if flow else start):
            if found.end() <= column:
                last = found
    if last is not None:
        return Field(text, last[1].strip("'\""), last.end(), flow_end(text, last.end()))
    if block is None or start > column or opens or start == len(text):
        return None
    key = (block[1] or "").strip("'\"")
    if not key and not text[:start].strip():
        return None
    return Field(text, key, start, flow_end(text, start) if flow else block_end(text, start))


def block_end(text: str, start: int) -> int:
    """Where a value that runs to the end of its line ends: before a comment."""
    comment = COMMENT.search(text, start)
    return comment.start() if comment else len(text.rstrip())


def flow_end(text: str, start: int) -> int:
    """Where a value inside `{ }` or `[ ]` was meant to end: at the comma before the next key, or the closing bracket,
    brackets and quotes of the value's own left aside."""
    open_brackets: list[str] = []
    quote = ""
    for index in range(start, len(text)):
        char = text[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'" and (index == start or not text[index - 1].isalnum()):
            quote = char
        elif char in "([{":
            open_brackets.append(char)
        elif char in PAIRS:
            if not open_brackets:
                return len(text[:index].rstrip())
            if open_brackets[-1] == PAIRS[char]:
                open_brackets.pop()
        elif char == "," and not open_brackets and NEXT_FIELD.match(text, index + 1):
            return len(text[:index].rstrip())
    return block_end(text, start)


def flow_path(text: str, column: int) -> tuple[str | int, ...]:
    """The keys and indices that lead to `column` through the brackets that are open there; empty where none is."""
    block = BLOCK_FIELD.match(text)
    start = block.end() if block else 0
    steps: list[str | int] = []
    quote, word = "", start
    for index in range(start, min(column, len(text), 5000)):
        char = text[index]
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "{[":
            steps.append("" if char == "{" else 0)
        elif char in "}]" and steps:
            steps.pop()
        elif char == "," and steps:
            steps[-1] = steps[-1] + 1 if isinstance(steps[-1], int) else ""
        elif char == ":" and steps and isinstance(steps[-1], str) and not steps[-1]:
            steps[-1] = text[word:index].strip().strip("'\"")
        if char in "{[,":
            word = index + 1
    return tuple(step for step in steps if step != "")


def balanced(text: str) -> bool:
    """Whether every bracket and quote of `text` is closed."""
    open_brackets: list[str] = []
    quote = ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            open_brackets.append(char)
        elif char in PAIRS and (not open_brackets or open_brackets.pop() != PAIRS[char]):
            return False
    return not open_brackets and not quote
