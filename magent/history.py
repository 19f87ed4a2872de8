"""The state of a run, step by step: what each visit wrote, as a difference. Read from its events alone.

A step tells what the visit's scope saw change. Branches and items keep their writes to themselves until the node that
opened them merges them, which is a step of its own; a subgraph has a state of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from magent.clock import iso
from magent.engine.fold import Run
from magent.engine.run import apply_all
from magent.engine.scopes import Scope
from magent.events import Event
from magent.model import Workflow
from magent.state import State

DEEPEST = 8  # levels of a mapping that are told apart


class Change(NamedTuple):
    """`what` is add, change or remove; `path` is `key`, `key.inner` or `key[3]`; a value that is not there is None."""

    what: str
    path: str
    before: Any
    after: Any

    def as_json(self) -> dict[str, Any]:
        shown = {"what": self.what, "path": self.path, "before": self.before, "after": self.after}
        return {name: value for name, value in shown.items() if (self.what, name) not in _ABSENT}


_GONE: Any = object()  # in a mapping, a key that is not there: null is something else
_ABSENT = {("add", "before"), ("remove", "after")}


NO_REDUCERS: Mapping[str, str] = {}


class Step(NamedTuple):
    """One event that wrote. `scope` says where its writes are seen, "" for the run's own state; `status` is that of the
    visit (completed, or failed where the run went on); `begins` for what the state is before any visit. `reducers`: by
    key, where what was written was taken in by another one than `replace`."""

    seq: int
    time: float
    path: str
    node: str
    visit: int
    status: str
    scope: str
    changes: list[Change]
    reducers: Mapping[str, str] = NO_REDUCERS

    def as_json(self) -> dict[str, Any]:
        data = self._asdict() | {"time": iso(self.time), "scope": self.scope or None, "reducers": dict(self.reducers)}
        return data | {"changes": [change.as_json() for change in self.changes]}


class _Heard(dict[str, Any]):
    """A scope's own writes, that keeps what was seen under a name before it was written."""

    def __init__(self, state: State) -> None:
        super().__init__(state.own)
        self.state = state
        self.before: dict[str, Any] = {}

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self.before:
            self.before[name] = self.state.get(name)
        super().__setitem__(name, value)

    def changes(self) -> list[Change]:
        """What was written since this was asked last."""
        before, self.before = self.before, {}
        return [change for name, old in before.items() for change in difference(name, old, self[name])]


def steps(workflow: Workflow, events: Iterable[Event], run_id: str) -> Iterator[Step]:
    """Every step, in the order of the events. Raises RunDamaged where they do not fit one another."""
    run = Run(workflow)
    for event in events:
        data = event.data
        scope = run.scopes.get(data["scope"]) if "scope" in data else None
        heard = None if scope is None else _listen(scope)
        visit = scope.current if scope is not None else None
        apply_all(run, (event,), run_id)
        if event.type == "run.started":
            yield _first(run, event)
        elif scope is not None and heard is not None and heard.before:
            node = str(data.get("node", ""))
            number = visit.number if visit is not None else scope.facts[node]["visits"]
            status = event.type.partition(".")[2]
            path, where = str(data.get("path", "")), _place(scope)
            taken_in = _reducers(scope, heard.before)
            yield Step(event.seq, event.time, path, node, number, status, where, heard.changes(), taken_in)


def _reducers(scope: Scope, written: Iterable[str]) -> dict[str, str]:
    keys = scope.graph.state
    return {name: keys[name].reduce for name in written if name in keys and keys[name].reduce != "replace"}


def _listen(scope: Scope) -> _Heard:
    if not isinstance(scope.state.own, _Heard):
        scope.state.own = _Heard(scope.state)
    return scope.state.own


def _first(run: Run, event: Event) -> Step:
    declared = [Change("add", name, None, value) for name, value in run.root.state.own.items() if value is not None]
    return Step(event.seq, event.time, "", "", 0, "begins", "", declared)


def _place(scope: Scope) -> str:
    """Where writes of the scope are seen: the innermost branch, item or subgraph around it."""
    while scope.kind == "round" and scope.owner is not None:
        scope = scope.owner.scope
    owner = scope.owner
    if owner is None:
        return ""
    if scope.kind == "item":
        return f"item {scope.index} of {owner.path}"
    if scope.kind == "branch":
        branches = getattr(owner.node, "branches", ())
        return f"branch {branches[scope.index].to} of {owner.path}"
    return f"subgraph {owner.path}"


def difference(name: str, before: Any, after: Any, *, nulls: bool = False) -> list[Change]:
    """What makes `after` of `before`: entries of mappings and elements of lists each by their own path. With `nulls`, a
    null is a value like any other; else it is nothing, as in state."""
    gone = _GONE if nulls else None
    found: list[Change] = []
    work = [(name, before, after, 0)]
    while work:
        path, old, new, depth = work.pop()
        if old is new or _equal(old, new):
            continue
        if old is gone or new is gone:
            what = "add" if old is gone else "remove"
            found.append(Change(what, path, None if old is gone else old, None if new is gone else new))
        elif depth < DEEPEST and isinstance(old, dict) and isinstance(new, dict):
            keys = reversed([*{**old, **new}])
            work.extend((f"{path}.{key}", old.get(key, gone), new.get(key, gone), depth + 1) for key in keys)
        elif isinstance(old, list) and isinstance(new, list) and _begins(new, old):
            found.extend(Change("add", f"{path}[{at}]", None, new[at]) for at in range(len(old), len(new)))
        elif depth < DEEPEST and isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            pairs = reversed([*enumerate(zip(old, new, strict=True))])
            work.extend((f"{path}[{at}]", one, other, depth + 1) for at, (one, other) in pairs)
        else:
            found.append(Change("change", path, old, new))
    return found


def _begins(new: list[Any], old: list[Any]) -> bool:
    """Whether the list has only grown. What it had before is the same, as a rule, and not looked into."""
    return len(new) >= len(old) and (all(map(operator.is_, old, new)) or _equal(new[: len(old)], old))


def _equal(old: Any, new: Any) -> bool:
    """Equality of JSON: true is not 1."""
    if type(old) is not type(new) or old != new:
        return False
    work = [(old, new)]
    while work:
        one, other = work.pop()
        if one is other:
            continue
        if type(one) is not type(other):
            return False
        if isinstance(one, dict):
            work.extend((value, other[key]) for key, value in one.items())
        elif isinstance(one, list):
            work.extend(zip(one, other, strict=True))
    return True
