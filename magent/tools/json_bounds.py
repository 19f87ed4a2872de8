"""How heavy JSON is, shared parts counted as often as they stand there: what a query makes is held to it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from magent.tools.base import failed

HEAVIEST = 4_000_000  # values and characters of text, of anything a query makes
DEEPEST = 200
SECONDS = 2.0


class Bounds:
    """Weighs each list, mapping and text once. Raises WorkFailed (`tool`) where one is too heavy or time is over."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int, int]] = {}  # by identity: it, kept alive, its weight and its depth
        self._until = time.monotonic() + SECONDS
        self._made = 0

    def hold(self, value: Any) -> Any:
        """The value itself, weighed."""
        if time.monotonic() > self._until:
            raise failed(f"the query takes longer than {SECONDS:g} seconds", "ask for less")
        self.weight(value)
        return value

    def weight(self, value: Any) -> int:
        return self._weighed(value)[0]

    def room(self, weight: int) -> None:
        """Whether something so heavy may be made."""
        if weight > HEAVIEST:
            raise failed("the query makes more than can be held", "ask for less")

    def _weighed(self, value: Any) -> tuple[int, int]:
        if isinstance(value, str):
            return 1 + len(value), 0
        if not isinstance(value, (list, dict)):
            return 1, 0
        known = self._known.get(id(value))
        if known is None:
            known = self._known[id(value)] = (value, *self._sum(value))
        return known[1], known[2]

    def _sum(self, value: list[Any] | dict[str, Any]) -> tuple[int, int]:
        inner: Iterable[Any] = value.values() if isinstance(value, dict) else value
        weight, depth = 1, 0
        self._made += len(value)
        self.room(self._made)
        for item in inner:
            below, deep = self._weighed(item)
            weight += below
            depth = max(depth, deep)
        if isinstance(value, dict):
            weight += sum(map(len, value))
        self.room(weight)
        if depth >= DEEPEST:
            raise failed(f"the data is nested deeper than {DEEPEST} levels")
        return weight, depth + 1
