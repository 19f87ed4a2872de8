"""Which scope of one fold stands for which of another: those of the same visit, items by their value. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Container, Sequence
from typing import Any

from magent.engine.fold import Run
from magent.engine.scopes import Scope, Visit
from magent.model import Parallel

_GONE = -1


class Twins:
    """Grows while both folds do."""

    def __init__(self, old: Run, new: Run) -> None:
        self._old, self._new = old, new
        self._numbers: dict[int, int] = {}

    def of(self, scope: Scope) -> Scope | None:
        """The new fold's scope that stands for one of the old."""
        return self._new.scopes.get(self._numbers.get(scope.id, _GONE))

    def number(self, scope_id: int) -> int:
        """The number of the scope that stood for an old one, and may be closed by now; -1 where there was none."""
        return self._numbers.get(scope_id, _GONE)

    def gone(self, scope_id: int) -> bool:
        """Whether an old scope is known to have no twin: its item or branch is not there any more."""
        return self._numbers.get(scope_id) == _GONE

    def pair_all(self, stopped: Container[int]) -> None:
        """After what may have opened scopes anywhere, but in those of the new fold that are `stopped`."""
        if not self._numbers and self._new.scopes:
            self._numbers[self._old.root.id] = self._new.root.id
        for scope in list(self._old.scopes.values()):
            if self.number(scope.id) not in stopped:
                self.pair(scope)

    def pair(self, scope: Scope) -> None:
        """After what may have opened scopes in this one."""
        twin, old = self.of(scope), scope.current
        new = twin.current if twin is not None else None
        if old is None or new is None or not old.children or not new.children or old.node.name != new.node.name:
            return
        if old.children[0].id not in self._numbers:
            indexes = _indexes(old, new)
            for index, child in enumerate(old.children):
                self._numbers[child.id] = new.children[indexes[index]].id if index in indexes else _GONE


def _indexes(old: Visit, new: Visit) -> dict[int, int]:
    if not isinstance(old.node, Parallel) or not isinstance(new.node, Parallel):
        return {0: 0}
    if old.items is not None:
        return matched([_text(item) for item in old.items], [_text(item) for item in new.items or []])
    old_branches, new_branches = old.node.branches, new.node.branches
    return matched([old_branches[at].to for at in old.branches], [new_branches[at].to for at in new.branches])


def matched(old: Sequence[str], new: Sequence[str]) -> dict[int, int]:
    """Which of the old stands where in the new: at its own place where it is there still, else at the first that is
    free. Of equal ones each counts once."""
    found = {index: index for index, (one, other) in enumerate(zip(old, new, strict=False)) if one == other}
    free: dict[str, list[int]] = defaultdict(list)
    for index in reversed(range(len(new))):
        if index not in found:
            free[new[index]].append(index)
    for index, value in enumerate(old):
        if index not in found and free[value]:
            found[index] = free[value].pop()
    return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
