# ruff: noqa: ARG001  # all tests share one signature; not each needs the evaluation
"""The tests: what stands after `is`, and what `select` and `reject` ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from magent.expressions.operators import COMPARE, Operator, contains, equal
from magent.expressions.problems import EvaluationError, Mismatch
from magent.expressions.registry import TESTS
from magent.expressions.values import Evaluation, Undefined, as_text, kind


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _alone(holds: Callable[[Any], bool], description: str) -> Callable[..., bool]:
    def act(evaluation: Evaluation, value: Any) -> bool:
        return holds(value)

    act.__doc__ = description
    return act


def _compared(compare: Operator, description: str) -> Callable[..., bool]:
    def act(evaluation: Evaluation, value: Any, other: Any) -> bool:
        return bool(compare(value, other, evaluation))

    act.__doc__ = description
    return act


def _declare_tests() -> None:
    """The tests that are one line each."""
    simple: dict[tuple[str, ...], tuple[str, Callable[[Any], bool]]] = {
        ("none", "null"): ("Whether it is null.", lambda value: value is None),
        ("boolean",): ("Whether it is true or false.", lambda value: isinstance(value, bool)),
        ("true",): ("Whether it is `true` itself.", lambda value: value is True),
        ("false",): ("Whether it is `false` itself.", lambda value: value is False),
        ("integer",): (
            "Whether it is a whole number.",
            lambda value: isinstance(value, int) and not isinstance(value, bool),
        ),
        ("float",): ("Whether it is a number with a fraction.", lambda value: isinstance(value, float)),
        ("number",): ("Whether it is a number.", _is_number),
        ("string",): ("Whether it is text.", lambda value: isinstance(value, str)),
        ("mapping",): ("Whether it is a mapping.", lambda value: isinstance(value, Mapping)),
        ("sequence", "iterable"): (
            "Whether it is a list, a mapping or text.",
            lambda value: isinstance(value, (list, tuple, range, str, Mapping)),
        ),
    }
    for names, (description, holds) in simple.items():
        TESTS.add(*names)(_alone(holds, description))


_declare_tests()


@TESTS.add("defined", lenient=True)
def is_defined(evaluation: Evaluation, value: Any) -> bool:
    """Whether it is there at all; null is."""
    return not isinstance(value, Undefined)


@TESTS.add("undefined", lenient=True)
def is_undefined(evaluation: Evaluation, value: Any) -> bool:
    """Whether it is not there."""
    return isinstance(value, Undefined)


@TESTS.add("odd")
def odd(evaluation: Evaluation, value: Any) -> bool:
    """Whether the number is odd."""
    return not divisibleby(evaluation, value, 2)


@TESTS.add("even")
def even(evaluation: Evaluation, value: Any) -> bool:
    """Whether the number is even."""
    return bool(divisibleby(evaluation, value, 2))


@TESTS.add("divisibleby")
def divisibleby(evaluation: Evaluation, value: Any, num: Any) -> bool:
    """Whether the number can be divided by another without rest."""
    if not _is_number(value) or not _is_number(num):
        raise Mismatch(f"needs numbers, not {kind(value if not _is_number(value) else num)}")
    if num == 0:
        raise EvaluationError("division by zero")
    return bool(value % num == 0)


@TESTS.add("lower")
def is_lower(evaluation: Evaluation, value: Any) -> bool:
    """Whether the text has small letters only."""
    return as_text(value, evaluation).islower()


@TESTS.add("upper")
def is_upper(evaluation: Evaluation, value: Any) -> bool:
    """Whether the text has capital letters only."""
    return as_text(value, evaluation).isupper()


@TESTS.add("sameas")
def sameas(evaluation: Evaluation, value: Any, other: Any) -> bool:
    """Whether two values are of one kind and equal: 1 is not the same as true."""
    return type(value) is type(other) and equal(value, other, evaluation)


@TESTS.add("in")
def is_in(evaluation: Evaluation, value: Any, seq: Any) -> bool:
    """Whether it is an item, a key or a part of another."""
    return contains(value, seq, evaluation)


def _declare_comparisons() -> None:
    names = {
        "eq": ("eq", "==", "equalto"), "ne": ("ne", "!="), "lt": ("lt", "<", "lessthan"), "lteq": ("le", "<="),
        "gt": ("gt", ">", "greaterthan"), "gteq": ("ge", ">="),
    }  # fmt: skip
    for operator, (name, *others) in names.items():
        TESTS.add(name, *others)(_compared(COMPARE[operator], f"Whether `x {others[0]} y`."))


_declare_comparisons()
