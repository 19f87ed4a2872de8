# ruff: noqa: ARG001  # all operators share one signature; not each needs the evaluation
"""The operators, each bounded before it acts."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from magent.expressions.problems import EvaluationError
from magent.expressions.values import ITEM, MAX_BITS, Evaluation, as_text, defined, finite, kind, plain

Operator = Callable[[Any, Any, Evaluation], Any]
_NUMBERS = (int, float)
_MAX_FIELD = 10_000
_FORMAT = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?(?P<flags>[-+ #0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?P<type>.|\Z)", re.S
)


_SCALARS = frozenset((int, float, bool, type(None)))


def equal(one: Any, other: Any, evaluation: Evaluation) -> bool:
    """Whether two values are the same data."""
    one_kind, other_kind = type(one), type(other)
    if one_kind in _SCALARS or other_kind in _SCALARS:
        defined(one)
        defined(other)
        return bool(one == other)
    if one_kind is str and other_kind is str:
        if len(one) > 500:
            evaluation.make(len(one) // 16)
        return bool(one == other)
    if isinstance(defined(one), str) or isinstance(defined(other), str):
        return bool(one == other)
    return bool(plain(one, evaluation) == plain(other, evaluation))


def contains(item: Any, owner: Any, evaluation: Evaluation) -> bool:
    """`item in owner`: a part of a text, a key of a mapping, an item of a list."""
    defined(item)
    if isinstance(owner, str):
        if not isinstance(item, str):
            raise EvaluationError(f"`in` looks for text in text, not for {kind(item)}")
        evaluation.make((len(owner) + len(item)) // 4)
        return item in owner
    if isinstance(owner, Mapping):
        return isinstance(item, (str, int, float)) and item in owner
    if isinstance(owner, range):
        return type(item) in (int, bool, float) and item in owner
    if not isinstance(owner, (list, tuple)):
        defined(owner)
        raise EvaluationError(f"`in` looks into a list, a mapping or a text, not into {kind(owner)}")
    if type(item) in _SCALARS or isinstance(item, str):
        weight = 1 + len(item) // 16 if isinstance(item, str) else 1
        evaluation.make(len(owner) * weight)
        return item in owner
    evaluation.step(len(owner))
    return any(equal(item, each, evaluation) for each in owner)


def _wrong(symbol: str, one: Any, other: Any) -> EvaluationError:
    defined(one)
    defined(other)
    hint = None
    if symbol == "+" and isinstance(one, str) != isinstance(other, str):
        hint = "join texts with `~`; `x | int` makes a number of text"
    elif one is None or other is None:
        hint = "`x | default(…)` stands in for null"
    return EvaluationError(f"`{symbol}` does not work on {kind(one)} and {kind(other)}", hint)


def add(one: Any, other: Any, evaluation: Evaluation) -> Any:
    if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
        return finite(one + other)
    if isinstance(one, str) and isinstance(other, str):
        evaluation.make(len(one) + len(other))
        return one + other
    if _listed(one) and _listed(other):
        evaluation.make(ITEM * (len(one) + len(other)))
        return [*one, *other]
    raise _wrong("+", one, other)


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple, range))


def _laborious(one: Any, other: Any, evaluation: Evaluation) -> None:
    """Numbers of thousands of digits pay for themselves."""
    for number in (one, other):
        if type(number) is int and number.bit_length() > 500:
            evaluation.toil(number.bit_length() // 16)


def subtract(one: Any, other: Any, evaluation: Evaluation) -> Any:
    if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
        return finite(one - other)
    raise _wrong("-", one, other)


def multiply(one: Any, other: Any, evaluation: Evaluation) -> Any:
    if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
        _laborious(one, other, evaluation)
        return finite(one * other)  # factors are bounded, so the product is small enough to look at
    if isinstance(one, int) and (isinstance(other, str) or _listed(other)):
        one, other = other, one
    if isinstance(other, int) and isinstance(one, str):
        evaluation.make(len(one) * max(0, other))
        return one * other if other > 0 else ""
    if isinstance(other, int) and _listed(one):
        evaluation.make(ITEM * len(one) * max(0, other))
        return list(one) * other if other > 0 and len(one) else []
    raise _wrong("*", one, other)


def _division(symbol: str, act: Callable[[Any, Any], Any]) -> Operator:
    def divide(one: Any, other: Any, evaluation: Evaluation) -> Any:
        if not (isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS)):
            raise _wrong(symbol, one, other)
        if other == 0:
            raise EvaluationError("division by zero")
        _laborious(one, other, evaluation)
        return finite(act(one, other))

    return divide


_modulo = _division("%", operator.mod)


def modulo(one: Any, other: Any, evaluation: Evaluation) -> Any:
    return formatted(one, other, evaluation) if isinstance(one, str) else _modulo(one, other, evaluation)


def power(one: Any, other: Any, evaluation: Evaluation) -> Any:
    if not (isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS)):
        raise _wrong("**", one, other)
    if isinstance(one, int) and isinstance(other, int) and abs(one) > 1:
        bits = one.bit_length() * abs(other)
        if bits > 2 * MAX_BITS:
            raise EvaluationError("the number is too large")
        evaluation.toil(bits // 16)
    if one == 0 and other < 0:
        raise EvaluationError("division by zero")
    return finite(one**other)


def join(values: list[Any], evaluation: Evaluation) -> str:
    """`a ~ b ~ c`"""
    texts = [as_text(defined(value), evaluation) for value in values]
    evaluation.make(sum(map(len, texts)))
    return "".join(texts)


def _ordering(symbol: str, act: Callable[[Any, Any], Any]) -> Operator:
    def compare(one: Any, other: Any, evaluation: Evaluation) -> Any:
        if isinstance(one, _NUMBERS) and isinstance(other, _NUMBERS):
            return act(one, other)
        if isinstance(one, str) and isinstance(other, str):
            evaluation.make(min(len(one), len(other)) // 16)
            return act(one, other)
        if _listed(one) and _listed(other):
            try:
                return act(plain(one, evaluation), plain(other, evaluation))
            except TypeError:
                raise EvaluationError(f"`{symbol}`: items of these lists cannot be compared") from None
        raise _wrong(symbol, one, other)

    return compare


def _same(one: Any, other: Any, evaluation: Evaluation) -> bool:
    return equal(one, other, evaluation)


def _different(one: Any, other: Any, evaluation: Evaluation) -> bool:
    return not equal(one, other, evaluation)


BINARY: dict[str, Operator] = {
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": _division("/", operator.truediv),
    "FloorDiv": _division("//", operator.floordiv),
    "Mod": modulo,
    "Pow": power,
}
COMPARE: dict[str, Operator] = {
    "eq": _same,
    "ne": _different,
    "lt": _ordering("<", operator.lt),
    "lteq": _ordering("<=", operator.le),
    "gt": _ordering(">", operator.gt),
    "gteq": _ordering(">=", operator.ge),
}


def negated(value: Any, evaluation: Evaluation) -> Any:
    if isinstance(value, _NUMBERS):
        return -value
    raise EvaluationError(f"`-` does not work on {kind(defined(value))}")


def positive(value: Any, evaluation: Evaluation) -> Any:
    if isinstance(value, _NUMBERS):
        return +value
    raise EvaluationError(f"`+` does not work on {kind(defined(value))}")


def formatted(pattern: str, given: Any, evaluation: Evaluation) -> str:
    """`"%s: %d" % (a, b)`: what Python's `%` does with texts and numbers, in bounds."""
    if isinstance(given, Mapping):
        return _Formatting(pattern, (), given, evaluation).text()
    values = tuple(given) if isinstance(given, tuple) else (given,)
    return _Formatting(pattern, values, None, evaluation).text()


class _Formatting:
    def __init__(
        self, pattern: str, values: tuple[Any, ...], names: Mapping[str, Any] | None, evaluation: Evaluation
    ) -> None:
        self.pattern = pattern
        self.values = values
        self.names = names
        self.evaluation = evaluation
        self.used = 0

    def text(self) -> str:
        self.evaluation.make(len(self.pattern))
        parts, end = [], 0
        for match in _FORMAT.finditer(self.pattern):
            parts.append(self.pattern[end : match.start()])
            parts.append("%" if match["type"] == "%" else self.field(match))
            end = match.end()
        if self.names is None and self.used < len(self.values):
            raise EvaluationError("the format has fewer fields than there are values")
        return "".join([*parts, self.pattern[end:]])

    def field(self, match: re.Match[str]) -> str:
        width, precision = int(match["width"][:9] or 0), int((match["precision"] or "")[:9] or 0)
        if width > _MAX_FIELD or precision > _MAX_FIELD:
            raise EvaluationError(f"a field is wider than {_MAX_FIELD:,} characters")
        if match["type"] not in tuple("sdifFeEgGxXo"):
            raise EvaluationError(
                f"`{match[0][:20]}` is not a field of a format", "fields are %s, %d, %.2f, %x, …; %% is the sign"
            )
        value = defined(self.value(match["key"]))
        spec = "%" + match["flags"][:5] + match["width"]
        spec += "" if match["precision"] is None else "." + match["precision"]
        if match["type"] == "s":
            text = as_text(value, self.evaluation)
            self.evaluation.make(len(text) + width)
            return (spec + "s") % text
        return self.number(spec, match["type"], value, width + precision)

    def value(self, key: str | None) -> Any:
        if self.names is not None and key is not None:
            if key not in self.names:
                raise EvaluationError(f"the format asks for '{key}', which is not there")
            return self.names[key]
        if key is not None or self.used >= len(self.values):
            raise EvaluationError("the format has more fields than there are values")
        self.used += 1
        return self.values[self.used - 1]

    def number(self, spec: str, letter: str, value: Any, size: int) -> str:
        if not isinstance(value, _NUMBERS):
            raise EvaluationError(f"%{letter} takes a number, not {kind(value)}")
        if letter in "xXo":
            value = int(value)
        self.evaluation.make(size + 5000 if type(value) is int else size + 400)
        return str((spec + letter) % value)
