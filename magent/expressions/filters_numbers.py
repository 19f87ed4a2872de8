# ruff: noqa: ARG001  # all filters share one signature; not each needs the evaluation
"""The filters over numbers."""

from __future__ import annotations

import math
from typing import Any

from magent.expressions.problems import EvaluationError, Mismatch
from magent.expressions.registry import FILTERS, whole
from magent.expressions.values import Evaluation, finite, kind

_LARGEST_EXPONENT = 400


@FILTERS.add("abs")
def abs_(evaluation: Evaluation, value: Any) -> Any:
    """The number without its sign."""
    if isinstance(value, (int, float)):
        return abs(value)
    raise Mismatch(f"needs a number, not {kind(value)}")


@FILTERS.add("int")
def int_(evaluation: Evaluation, value: Any, default: Any = 0, base: int = 10) -> Any:
    """A whole number made of a number or text (of `base`); `default` where that fails."""
    try:
        if isinstance(value, str):
            evaluation.make(len(value))
            return finite(int(value, whole(base, "the base of `int`", 0)))
        return finite(int(value))
    except (TypeError, ValueError, OverflowError):
        pass
    try:
        return finite(int(float(value)))  # "42.23" is 42
    except (TypeError, ValueError, OverflowError):
        return default


@FILTERS.add("float")
def float_(evaluation: Evaluation, value: Any, default: Any = 0.0) -> Any:
    """A number with a fraction, made of a number or text; `default` where that fails."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return default
    return number if math.isfinite(number) else default


@FILTERS.add("round")
def round_(evaluation: Evaluation, value: Any, precision: int = 0, method: str = "common") -> Any:
    """The number rounded to `precision` digits; `method` is 'common', 'ceil' or 'floor'."""
    if not isinstance(value, (int, float)):
        raise Mismatch(f"needs a number, not {kind(value)}")
    digits = whole(precision, "the precision of `round`")
    if abs(digits) > _LARGEST_EXPONENT:
        raise EvaluationError(f"the precision of `round` is at most {_LARGEST_EXPONENT}")
    if method == "common":
        return finite(round(value, digits))
    if method not in ("ceil", "floor"):
        raise EvaluationError("the method of `round` is 'common', 'ceil' or 'floor'")
    scale = 10**digits
    return finite((math.ceil if method == "ceil" else math.floor)(value * scale) / scale)
