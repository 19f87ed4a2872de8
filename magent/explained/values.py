"""What a condition saw: the values of what it reads, by name, bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from magent.explained.told import Test
from magent.expressions import Condition, EvaluationError, Expression, Value

LONGEST = 400  # characters of a value that are told
Names = Mapping[str, Any]


def test(condition: Condition, seen: Names) -> Test:
    """The condition and what it reads, as it is then."""
    try:
        return Test(text_of(condition), condition.holds(seen), values_of(condition, seen))
    except EvaluationError as error:
        return Test(text_of(condition), None, values_of(condition, seen), str(error))


def values_of(expression: Expression, seen: Names) -> dict[str, Any]:
    """By name what the expression reads, bounded; what is not there is left out."""
    found: dict[str, Any] = {}
    for access in expression.accesses:
        value: Any = seen
        for at, name in enumerate(access.path):
            if not isinstance(value, Mapping) or name not in value:
                if at:
                    found[".".join(access.path[: at + 1])] = None
                break
            value = value[name]
        else:
            if not isinstance(value, Mapping) or isinstance(value, dict):
                found[".".join(access.path)] = bounded(value)
    return found


def bounded(value: Any) -> Any:
    """The value, or where it is large the beginning of it as JSON."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    pieces, length = [], 0
    for piece in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        pieces.append(piece)
        if (length := length + len(piece)) > LONGEST:
            return f"{''.join(pieces)[: LONGEST - 1]}…"
    return value


def text_of(source: Expression | Value) -> str:
    found = source.source if isinstance(source, Expression) else source.data
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)
