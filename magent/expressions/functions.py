"""What can be called: `range`, `dict`, `loop.cycle`; and what may be a key or a named argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.expressions.problems import EvaluationError
from magent.expressions.registry import whole
from magent.expressions.values import ITEM, MAX_STEPS, Evaluation, Loop, defined, items, kind


def range_(_: Evaluation, args: list[Any], kwargs: dict[str, Any]) -> range:
    if kwargs or not 1 <= len(args) <= 3:
        raise EvaluationError("`range` is written range(stop), range(start, stop) or range(start, stop, step)")
    numbers = [whole(defined(each), "each number of `range`") for each in args]
    if len(numbers) == 3 and numbers[2] == 0:
        raise EvaluationError("the step of `range` cannot be 0")
    made = range(*numbers)
    if made and abs((made[-1] - made[0]) // made.step) >= MAX_STEPS:
        raise EvaluationError(
            f"the budget of an evaluation is spent: a range of more than {MAX_STEPS:,} numbers", "do it in a task"
        )
    return made


def dict_(evaluation: Evaluation, args: list[Any], kwargs: dict[str, Any]) -> dict[Any, Any]:
    made: dict[Any, Any] = {}
    if len(args) > 1:
        raise EvaluationError("`dict` takes one mapping, or one list of pairs, and names")
    for given in args:
        defined(given)
        if isinstance(given, Mapping):
            evaluation.make(2 * ITEM * len(given))
            made.update({key: given[key] for key in given})
        else:
            made.update(_pairs(evaluation, given))
    evaluation.make(2 * ITEM * len(kwargs))
    return {**made, **kwargs}


def _pairs(evaluation: Evaluation, given: Any) -> dict[Any, Any]:
    if not isinstance(given, (list, tuple)) or not all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in given
    ):
        raise EvaluationError("`dict` takes a mapping, or a list of pairs [key, value]")
    evaluation.make(2 * ITEM * len(given))
    return {hashable(key): value for key, value in items(given, evaluation)}


def cycle(loop: Any, values: list[Any]) -> Any:
    if not isinstance(loop, Loop) or not values:
        raise EvaluationError("`loop.cycle(a, b)` takes its values in turn, inside of `for`")
    return values[loop.index0 % len(values)]


def hashable(key: Any) -> Any:
    if isinstance(key, (str, int, float)) or key is None:
        return key
    raise EvaluationError(f"{kind(key)} cannot be a key of a mapping")


def names_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise EvaluationError("`**` takes a mapping whose keys are text")
    return {str(key): value[key] for key in value}
