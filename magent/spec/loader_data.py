"""Workflows made by programs: plain mappings, as the loader's data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from magent.source import Map, Path, Position, Problem, Seq, dotted
from magent.spec.composer import MAX_DEPTH, MAX_VALUES
from magent.spec.composer_result import MAX_PROBLEMS
from magent.spec.composer_scalars import MAX_DIGITS

DATA = "<data>"
START = Position(DATA, 1, 1)
MAX_INTEGER = 10**MAX_DIGITS


class Copy:
    """Plain data → Map, Seq and scalars; what JSON does not know becomes a problem, and null."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.count = 0

    def refuse(self, path: Path, message: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem("not-json", message, START, dotted(path)))

    def value(self, value: Any, path: Path) -> Any:
        self.count += 1
        if len(path) > MAX_DEPTH or self.count > MAX_VALUES:
            self.refuse(
                path[:8], f"this is nested deeper than {MAX_DEPTH} levels, or holds more than {MAX_VALUES:,} values"
            )
            return None
        if isinstance(value, Mapping):
            return self.mapping(value, path)
        if isinstance(value, (list, tuple)):
            items = Seq(START)
            for index, item in enumerate(value):
                if self.count > MAX_VALUES:
                    break
                items.put(self.value(item, (*path, index)), START)
            return items
        return self.scalar(value, path)

    def mapping(self, value: Mapping[Any, Any], path: Path) -> Map:
        copy = Map(START)
        for key, item in value.items():
            if self.count > MAX_VALUES:
                break
            if isinstance(key, str) and _encodable(key):
                copy.put(str(key), self.value(item, (*path, key)), START, START)
            else:
                self.refuse(path, f"a key must be a text, this one is {_described(key)}")
        return copy

    def scalar(self, value: Any, path: Path) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and _encodable(value):
            return str(value)
        if isinstance(value, int) and -MAX_INTEGER < value < MAX_INTEGER:
            return int(value)
        if isinstance(value, float) and math.isfinite(value):
            return float(value)
        self.refuse(path, f"a value must be one that JSON knows, this one is {_described(value)}")
        return None


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _described(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return "a number that is too large" if abs(value) >= MAX_INTEGER else f"the number {value}"
    written = repr(value)
    return f"{written if len(written) <= 60 else written[:60] + '…'} ({type(value).__name__})"
