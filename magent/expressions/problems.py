"""What can go wrong with an expression: a text that is none (`ExpressionProblem`), an evaluation without a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# The names of the language's table and its literals: no `set` and no `for` may give them another meaning.
LITERALS = {"true": True, "false": False, "null": None, "none": None, "True": True, "False": False, "None": None}
RESERVED = frozenset(("inputs", "state", "output", "nodes", "round", "error", "run", "env", "secrets", *LITERALS))

MAX_PROBLEMS = 50  # of one text that are told


class ExpressionProblem(ValueError):
    """A text is not an expression or a template; `line` and `column` count from 1 inside that text.

    `others` are problems of the same text that stand behind this one.
    """

    def __init__(self, message: str, line: int = 1, column: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.hint = hint
        self.others: tuple[ExpressionProblem, ...] = ()


class EvaluationError(Exception):
    """An expression has no value here: something is undefined, of the wrong kind, or larger than the budget."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotBoolean(EvaluationError):
    """A condition gave neither true, false nor null."""


class Mismatch(Exception):
    """Inside the package: a filter or test got the wrong kind of value. `needs` continues the sentence "`x | f` …"."""

    def __init__(self, needs: str, hint: str | None = None) -> None:
        super().__init__(needs)
        self.needs = needs
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Access:
    """One use of a name from outside, known from the text alone.

    `path` is what is certain: ("state", "review", "verdict"). `dynamic`: a bare name, or a computed key right after the
    path. `guarded`: the expression itself copes with null or nothing being there.
    """

    path: tuple[str, ...]
    dynamic: bool
    guarded: bool
    line: int
    column: int


def place(source: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of a character offset."""
    offset = max(0, min(offset, len(source)))
    before = source.rfind("\n", 0, offset)
    return source.count("\n", 0, offset) + 1, offset - before


def problem(source: str, offset: int, message: str, hint: str | None = None) -> ExpressionProblem:
    line, column = place(source, offset)
    return ExpressionProblem(message, line, column, hint)


def all_of(found: Iterable[ExpressionProblem]) -> list[ExpressionProblem]:
    """The problems and their `others`, in the order of the text, one a place."""
    flat = [each for one in found for each in (one, *one.others)]
    places = {(each.line, each.column): each for each in reversed(flat)}
    return [places[place] for place in sorted(places)]


def together(found: Iterable[ExpressionProblem]) -> ExpressionProblem:
    """The first of several problems of one text, which knows the others."""
    first, *others = all_of(found)
    first.others = tuple(others)
    return first


def shortened(text: str, limit: int = 60) -> str:
    """`text` on one line, cut to `limit` characters: for messages."""
    text = text if len(text) <= 4 * limit else text[: 4 * limit]
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
