"""JSON values: state holds nothing else, so whatever work returns is copied into plain JSON or refused."""

from __future__ import annotations

import math
from typing import Any

DEEPEST = 200
_PLAIN = (str, int, bool, type(None))


class NotJson(ValueError):
    """A value has no JSON form; the message names the place and the way out."""


def plain(value: Any, place: str = "", depth: int = 0) -> Any:
    """A copy of `value` made of dict, list, str, int, float, bool and None. Tuples become lists. Raises NotJson."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        if not math.isfinite(value):
            raise NotJson(f"{place or 'the value'} is {value}, which JSON cannot hold")
        return value
    if depth > DEEPEST:
        raise NotJson(f"the value is nested deeper than {DEEPEST}")
    if kind is dict and all(type(key) is str and type(item) in _PLAIN for key, item in value.items()):
        return dict(value)  # most results are small mappings of text and numbers
    if isinstance(value, dict):
        return {
            _key(key, place): plain(item, f"{place}.{key}" if place else str(key), depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
    return _odd(value, place)


def _key(key: Any, place: str) -> str:
    if isinstance(key, str):
        return str(key)
    raise NotJson(f"{place or 'the value'} has the key {key!r}; keys must be text")


def _odd(value: Any, place: str) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, (int, float)) and type(value).__module__ == "enum":
        return value.real
    name = type(value).__name__
    hint = "; return a list" if isinstance(value, (set, frozenset)) else "; return a mapping, a list, text or a number"
    raise NotJson(f"{place or 'the value'} is a {name}, which JSON cannot hold{hint}")
