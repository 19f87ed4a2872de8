"""The calculator: arithmetic that is exact where it can be, with a reader of its own: no text can do more than count.

Fractions stay exact through `+ - * / // %` and whole powers (0.1 + 0.2 is 0.3, 1 / 3 * 3 is 1); roots that do not come
out, logarithms and the like give floating point numbers. `**` groups to the right, `//`, `%` and `round` are Python's.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from magent.events import Failure, WorkFailed
from magent.ports import ToolContext
from magent.source import did_you_mean
from magent.spec.builtins import BUILTINS

Number = Fraction | float
MAX_LENGTH = 1000  # characters
MAX_DEPTH = 50  # brackets, powers and signs within one another
MAX_BITS = 4096  # of an exact number, about 1,200 digits
MAX_FACTORIAL = 500
MAX_EXPONENT = 1000  # of a number such as 1e6
MAX_PLACES = 1000  # of round

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>\*\*|//|[-+*/%(),])|(?P<other>\S))"
)
_POWER, _SIGNED = 4, 3
_STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "//": 2, "%": 2, "**": _POWER}


class Calculator:
    """The built-in tool `calculator`. Fails with type `tool` and a sentence where it cannot or will not work it out."""

    name = "calculator"
    description, parameters = BUILTINS["calculator"][""]
    external = False
    confirm = False

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> int | float:
        return calculate(arguments["expression"])


class Unreadable(Exception):
    """What was written is no expression, or asks for too much."""


def calculate(expression: str) -> int | float:
    """The value: an int where it is a whole number, else a float. Raises WorkFailed of type `tool`."""
    try:
        return _as_json(_Reader(expression).whole())
    except Unreadable as problem:
        raise _failed(expression, str(problem)) from problem
    except ZeroDivisionError as problem:
        raise _failed(expression, "division by zero") from problem
    except OverflowError as problem:
        raise _failed(expression, "a number grows too large") from problem
    except ValueError as problem:
        raise _failed(expression, "a function is not defined for that number") from problem


def _failed(expression: str, why: str) -> WorkFailed:
    shown = expression if len(expression) <= 60 else expression[:57] + "…"
    shown = "".join(char if char.isprintable() else "�" for char in shown)
    return WorkFailed(Failure("tool", f"the calculator cannot work out '{shown}': {why}"))


def _as_json(value: Number) -> int | float:
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    result = float(value)
    if not math.isfinite(result):
        raise OverflowError
    whole = result.is_integer() and abs(result) < 2**53 and (isinstance(value, float) or value == result)
    return int(result) if whole else result


# Reading


_HINTS = {
    "%": "; % is the remainder of a division, 15 percent are 15/100",
    "^": "; a power is written **",
    "×": "; times is written *",
    "·": "; times is written *",
    "÷": "; divided by is written /",
    "−": "; minus is written -",
    "!": "; write factorial(…)",
    ",": "; numbers are written without separators, 1000",
    "=": "; it gives a number, and compares none",
}


class _Reader:
    """Reads and works out in one go; `depth` bounds the recursion."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise Unreadable(f"it is longer than {MAX_LENGTH} characters")
        self.matches = _TOKEN.finditer(text)  # read no further than there is sense in it
        self.depth = 0
        self.text = ""
        self.step()

    def step(self) -> None:
        """On to the next token: its kind and its text."""
        self.last = self.text
        match = next(self.matches, None)
        self.kind, self.text = ("end", "") if match is None else (str(match.lastgroup), match[match.lastgroup or 0])

    def whole(self) -> Number:
        if self.kind == "end":
            raise Unreadable("there is nothing in it")
        value = self.expression(0)
        if self.kind != "end":
            raise self.unexpected()
        return value

    def take(self, *wanted: str) -> str | None:
        """The sign that stands here, if it is one of those wanted."""
        text = self.text
        if self.kind == "sign" and text in wanted:
            self.step()
            return text
        return None

    def unexpected(self) -> Unreadable:
        text = self.text
        hint = _HINTS.get(self.last if self.kind == "end" or self.last == "%" else text, "")
        if self.kind == "end":
            return Unreadable(f"something is missing at the end{hint}")
        shown = text if text.isprintable() else "�"
        return Unreadable(f"'{shown}' is not expected there{hint}")

    def expression(self, floor: int) -> Number:
        """Operands joined by operators that bind at least as strongly as `floor`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels")
        left = self.operand()
        while True:
            sign = self.text
            strength = _STRENGTH.get(sign, -1) if self.kind == "sign" else -1
            if strength < floor or strength < 0:
                break
            self.step()
            right = self.expression(strength if sign == "**" else strength + 1)
            left = _bounded(_OPERATIONS[sign](left, right))
        self.depth -= 1
        return left

    def operand(self) -> Number:
        negative, signs = False, 0
        while sign := self.take("-", "+"):
            negative, signs = negative ^ (sign == "-"), signs + 1
            if signs > MAX_DEPTH:
                raise Unreadable(f"it has more than {MAX_DEPTH} signs in a row")
        if signs:
            value = self.expression(_SIGNED)
            return -value if negative else value
        if self.take("("):
            value = self.expression(0)
            return self.closed(value)
        kind, text = self.kind, self.text
        if kind not in ("number", "name"):
            raise self.unexpected()
        self.step()
        return _number(text) if kind == "number" else self.named(text)

    def named(self, name: str) -> Number:
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name not in _FUNCTIONS:
            known = [*_FUNCTIONS, *_CONSTANTS]
            raise Unreadable(f"there is no '{name}': {did_you_mean(name, known) or 'it knows ' + ' '.join(known)}")
        if not self.take("("):
            raise Unreadable(f"'{name}' needs its numbers in parentheses")
        arguments = [self.expression(0)]
        while self.take(","):
            arguments.append(self.expression(0))
        least, most, function = _FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            count = f"{least}" if least == most else f"{least} to {most}"
            raise Unreadable(f"'{name}' takes {count} number{'s' if most > 1 else ''}, not {len(arguments)}")
        return self.closed(_bounded(function(*arguments)))

    def closed(self, value: Number) -> Number:
        if not self.take(")"):
            raise self.unexpected()
        return value


def _number(text: str) -> Fraction:
    exponent = text.lower().partition("e")[2]
    if exponent and (len(exponent) > 6 or abs(int(exponent)) > MAX_EXPONENT):
        raise OverflowError
    return Fraction(text)


# Working out


def _bounded(value: Number) -> Number:
    """An exact number that outgrew its bound goes on as a float; a whole one would lose digits, so it is refused."""
    if isinstance(value, Fraction):
        if max(value.numerator.bit_length(), value.denominator.bit_length()) <= MAX_BITS:
            return value
        if value.denominator == 1:
            raise OverflowError
        return float(value)
    if not math.isfinite(value):
        raise OverflowError
    return value


def _power(base: Number, exponent: Number) -> Number:
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and exponent.denominator == 1:
        if _least_bits(base, exponent.numerator) <= MAX_BITS:
            return Fraction(base**exponent.numerator)
        if base.denominator == 1 and exponent > 0:
            raise OverflowError
    if base < 0 and float(exponent) != int(exponent):
        raise Unreadable("a negative number has no power that is not whole")
    if base == 0 and exponent < 0:
        raise ZeroDivisionError
    return math.pow(base, exponent)


def _least_bits(base: Fraction, exponent: int) -> int:
    """What a power takes at least, found without working it out; it takes twice that at most, or next to nothing."""
    return (max(base.numerator.bit_length(), base.denominator.bit_length()) - 1) * abs(exponent)


def _sqrt(value: Number) -> Number:
    if value < 0:
        raise Unreadable("a negative number has no square root")
    if isinstance(value, Fraction):
        root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
        if root * root == value:
            return root
    return math.sqrt(value)


def _whole(value: Number, what: str, limit: int) -> int:
    if value != int(value) or not -limit <= value <= limit:
        raise Unreadable(f"{what} takes a whole number up to {limit}")
    return int(value)


def _factorial(value: Number) -> Number:
    if value < 0:
        raise Unreadable("a negative number has no factorial")
    return Fraction(math.factorial(_whole(value, "factorial", MAX_FACTORIAL)))


def _round(value: Number, places: Number = Fraction(0)) -> Number:
    return _exact(round(value, _whole(places, "round", MAX_PLACES)))


def _log(value: Number, base: Number | None = None) -> Number:
    if value <= 0 or (base is not None and base <= 0):
        raise Unreadable("only numbers above zero have a logarithm")
    if base is None:
        return _ln(value)
    near = math.log10(value) if base == 10 and 1e-300 < value < 1e300 else _ln(value) / _ln(base)
    if isinstance(value, Fraction) and isinstance(base, Fraction) and _least_bits(base, round(near)) <= MAX_BITS:
        return Fraction(round(near)) if base ** round(near) == value else near
    return near


def _ln(value: Number) -> float:
    if isinstance(value, Fraction):  # part by part: either may be beyond the range of a float
        return math.log(value.numerator) - math.log(value.denominator)
    return math.log(value)


def _log10(value: Number) -> Number:
    return _log(value, Fraction(10))


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": lambda left, right: _exact(left // right),
    "%": operator.mod,
    "**": _power,
}


def _exact(value: Any) -> Number:
    return Fraction(value) if isinstance(value, int) else value


_CONSTANTS = {"pi": math.pi, "e": math.e}
_MANY = MAX_LENGTH
_FUNCTIONS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "sqrt": (1, 1, _sqrt),
    "abs": (1, 1, abs),
    "round": (1, 2, _round),
    "min": (1, _MANY, lambda *values: min(values)),
    "max": (1, _MANY, lambda *values: max(values)),
    "floor": (1, 1, lambda value: Fraction(math.floor(value))),
    "ceil": (1, 1, lambda value: Fraction(math.ceil(value))),
    "log": (1, 2, _log),
    "log10": (1, 1, _log10),
    "exp": (1, 1, math.exp),
    "sin": (1, 1, math.sin),
    "cos": (1, 1, math.cos),
    "tan": (1, 1, math.tan),
    "factorial": (1, 1, _factorial),
}
