"""Shared state: overlays that fork in O(1), and the reducers of declared keys.

Values are JSON and never changed in place, so scopes can share them. A branch is an overlay on its parent, which stands
still while branches run; its writes are kept as a log and merged at the join, as writes, through the reducers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.model import StateKey

Write = tuple[str, Any]


class BadWrite(ValueError):
    """A value cannot be combined with a key by its reducer; the message says why."""


def _listed(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _kind(value: Any) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "a boolean", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _number(key: StateKey, value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadWrite(f"state.{key.name} has the reducer `{key.reduce}`, which takes a number, not {_kind(value)}")
    return value


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON: true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(_same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[k], right[k]) for k in left)
    return bool(left == right)


def _union(current: list[Any], added: list[Any]) -> list[Any]:
    result = list(current)
    seen = {value for value in current if isinstance(value, str)}
    for value in added:
        if isinstance(value, str):
            if value not in seen:
                seen.add(value)
                result.append(value)
        elif not any(_same(value, other) for other in result):
            result.append(value)
    return result


def _merge(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    """Deep merge, right wins; iterative, since data may be deep."""
    result = dict(left)
    work = [(result, right)]
    while work:
        target, source = work.pop()
        for name, value in source.items():
            old = target.get(name)
            if isinstance(old, dict) and isinstance(value, dict):
                target[name] = dict(old)
                work.append((target[name], value))
            else:
                target[name] = value
    return result


def reduce(key: StateKey, current: Any, written: Any) -> Any:
    """What `written` makes of `current`. Null puts a reducing key's default back. Raises BadWrite."""
    how = key.reduce
    if how == "replace":
        return written
    if written is None:
        return key.default
    if how == "append":
        return [*_listed(current), written]
    if how in ("extend", "union"):
        if not isinstance(written, list):
            raise BadWrite(f"state.{key.name} has the reducer `{how}`, which takes a list, not {_kind(written)}")
        return [*_listed(current), *written] if how == "extend" else _union(_listed(current), written)
    if how == "merge":
        if not isinstance(written, dict):
            raise BadWrite(f"state.{key.name} has the reducer `merge`, which takes a mapping, not {_kind(written)}")
        return _merge(current if isinstance(current, dict) else {}, written)
    number = _number(key, written)
    if current is None:
        return number
    if how == "sum":
        return _number(key, current) + number
    return min(_number(key, current), number) if how == "min" else max(_number(key, current), number)


class State:
    """One scope's view: own writes over those of the enclosing scopes.

    `keys` are the graph's declared keys. With `logged`, writes are kept in order in `log`, for the join.
    """

    __slots__ = ("keys", "log", "own", "parent")

    def __init__(self, keys: Mapping[str, StateKey], parent: State | None = None, *, logged: bool = False) -> None:
        self.keys = keys
        self.parent = parent
        self.own: dict[str, Any] = {} if parent else {name: key.default for name, key in keys.items()}
        self.log: list[Write] | None = [] if logged else None

    def get(self, name: str) -> Any:
        """The value, or None where nothing was written."""
        layer: State | None = self
        while layer is not None:
            if name in layer.own:
                return layer.own[name]
            layer = layer.parent
        return None

    def reduced(self, name: str, value: Any) -> Any:
        """What the key would hold after `value` were written. Raises BadWrite."""
        key = self.keys.get(name)
        return value if key is None else reduce(key, self.get(name), value)

    def write(self, name: str, value: Any) -> None:
        """Writes through the reducer. Raises BadWrite."""
        self.own[name] = self.reduced(name, value)
        if self.log is not None:
            self.log.append((name, value))

    def names(self) -> Iterator[str]:
        """Every name that has a value, inner scopes last."""
        layers: list[State] = []
        layer: State | None = self
        while layer is not None:
            layers.append(layer)
            layer = layer.parent
        seen: set[str] = set()
        for each in reversed(layers):
            for name in each.own:
                if name not in seen:
                    seen.add(name)
                    yield name

    def as_dict(self) -> dict[str, Any]:
        return {name: self.get(name) for name in self.names()}


class StateView(Mapping[str, Any]):
    """`state` as expressions see it: a known name without a value is null, any other name is a KeyError."""

    __slots__ = ("_known", "_state")

    def __init__(self, state: State, known: frozenset[str]) -> None:
        self._state = state
        self._known = known

    def __getitem__(self, name: str) -> Any:
        value = self._state.get(name)
        if value is None and name not in self._known:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return self._state.names()

    def __len__(self) -> int:
        return sum(1 for _ in self._state.names())
