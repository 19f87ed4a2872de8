"""Where things stand in files, and what is wrong there.

`Map` and `Seq` are the dict and list that the loader makes: plain data, but each knows the place of every key
and value.
A `Problem` is one sentence about one place; `render` draws it with the source line and a caret.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]


class Position(NamedTuple):
    """A place in a file; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Map(dict[str, Any]):
    """A mapping read from a file. `position` is its own place; `key_positions`, `value_positions` those of its
    items."""

    __slots__ = ("key_positions", "position", "value_positions")

    def __init__(self, position: Position) -> None:
        super().__init__()
        self.position = position
        self.key_positions: dict[str, Position] = {}
        self.value_positions: dict[str, Position] = {}

    def put(self, key: str, value: Any, key_position: Position, value_position: Position) -> None:
        self[key] = value
        self.key_positions[key] = key_position
        self.value_positions[key] = value_position


class Seq(list[Any]):
    """A list read from a file. `positions[i]` is the place of item i."""

    __slots__ = ("position", "positions")

    def __init__(self, position: Position) -> None:
        super().__init__()
        self.position = position
        self.positions: list[Position] = []

    def put(self, value: Any, position: Position) -> None:
        self.append(value)
        self.positions.append(position)


class Text(str):
    """A text that remembers how it was written where that matters: `style` is plain, single, double, literal
    or folded."""

    __slots__ = ("style",)
    style: str


def locate(root: Any, path: Path, *, key: bool = False, fallback: Position | None = None) -> Position:
    """The place of the value at `path` in a loaded document (of its key with `key=True`), or of the nearest
    ancestor."""
    place = getattr(root, "position", None) or fallback or Position("<data>", 1, 1)
    current = root
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(current, Map) and isinstance(step, str) and step in current:
            table = current.key_positions if key and last else current.value_positions
            place = table.get(step, place)
        elif isinstance(current, Seq) and isinstance(step, int) and 0 <= step < len(current):
            place = current.positions[step]
        elif not isinstance(current, (dict, list)):
            break
        try:
            current = current[step]
        except (KeyError, IndexError, TypeError):
            break
    return place


def dotted(path: Iterable[str | int]) -> str:
    """`("nodes", "a", "next", 1, "when")` → `nodes.a.next[1].when`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


_LONGEST = 1_000  # characters of a message, a path, a hint: names and patterns in them may be of any length


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or doubtful, at one place.

    `message` says what was found and what was expected, `hint` what to write, `related` another place involved.
    """

    code: str
    message: str
    position: Position
    path: str = ""
    hint: str | None = None
    severity: Literal["error", "warning"] = "error"
    related: Position | None = None
    end_column: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name in ("message", "path", "hint"):
            text = getattr(self, name)
            if text is not None and len(text) > _LONGEST:
                object.__setattr__(self, name, text[: _LONGEST - 1] + "…")

    def as_json(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "file": self.position.file,
            "line": self.position.line,
            "column": self.position.column,
            "path": self.path,
            "hint": self.hint,
            "related": str(self.related) if self.related else None,
        }


def sort_key(problem: Problem) -> tuple[Any, ...]:
    return (problem.position, problem.severity, problem.code, problem.message)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name most like `word`, or None where nothing is near. Case, and `-` for `_`, count for nothing, two
    letters that changed places for little. Bounded: long words are not compared."""
    if len(word) > 100:
        return None
    plain: dict[str, str] = {}
    for name in list(known)[:5000]:
        if len(name) <= 100:
            plain.setdefault(_plain(name), name)
    wanted = _plain(word)
    if wanted in plain:
        return plain[wanted]
    begun = [name for name in plain if name.startswith(wanted)] if len(wanted.strip("-")) > 1 else []
    begun = begun if len(begun) == 1 else []  # of several that begin so, none is more likely
    close = difflib.get_close_matches(wanted, plain, n=5, cutoff=0.6)
    near = min([*begun, *close], key=lambda name: _distance(wanted, name), default=None)
    return None if near is None else plain[near]


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-")


def _distance(word: str, name: str) -> tuple[int, bool, int]:
    """Edits, whether the first letter is another, and how much longer or shorter it is; a name only begun is one edit
    away."""
    if name.startswith(word):
        return 1, False, 0
    return _edits(word, name), name[:1] != word[:1], abs(len(name) - len(word))


def _edits(one: str, other: str) -> int:
    """How many letters are to be put in, left out, replaced or swapped with their neighbour to get the other word."""
    before: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, target in enumerate(other, 1):
            cost = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != target))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == target:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint such as "did you mean 'review'?", or None."""
    near = nearest(word, known)
    return f"did you mean '{near}'?" if near else None


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _visible(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(" " if char == "\t" else char if char.isprintable() else "�" for char in line)


def render(problem: Problem, lines: Sequence[str] | None = None, columns: int = 171) -> str:
    """The problem as `file:line:col: severity: message [code]`, its path, the source line with a caret, and
    the hint. Of the source line so much is shown as fits in `columns`."""
    out = [f"{_visible(str(problem.position))}: {problem.severity}: {_visible(problem.message)} [{problem.code}]"]
    if problem.path:
        out.append(f"  at {_visible(problem.path)}")
    if lines is not None and 1 <= problem.position.line <= len(lines):
        text = lines[problem.position.line - 1]
        column = min(problem.position.column, len(text) + 1)
        number = str(problem.position.line)
        room = max(16, min(160, columns - len(number) - 6))  # of a long line only this much is looked at
        start = max(0, column - 1 - room // 2) if len(text) > room else 0
        shown = _visible(text[start : start + room].rstrip("\r\n"))
        out.append(f"  {number} | {shown}")
        out.append(f"  {' ' * len(number)} | {' ' * _width(shown[: column - 1 - start])}^")
    if problem.related:
        out.append(f"  see also {_visible(str(problem.related))}")
    if problem.hint:
        out.append(f"  hint: {_visible(problem.hint)}")
    return "\n".join(out)


def reason(error: Exception) -> str:
    """What an error says of itself. RE2's library says it in bytes."""
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
