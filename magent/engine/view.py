"""What expressions see: the names of the language's table, for one scope at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.engine.fold import Run
from magent.engine.scopes import Facts, Scope
from magent.model import Graph
from magent.state import State, StateView

_RUN_NAMES = ("id", "name", "dir", "workspace", "home", "key")


class RunView(Mapping[str, Any]):
    """`run`; its `key` names the visit at work, stable over attempts and resumes."""

    __slots__ = ("_run", "_scope")

    def __init__(self, run: Run, scope: Scope) -> None:
        self._run = run
        self._scope = scope

    def __getitem__(self, name: str) -> Any:
        if name == "key":
            return visit_key(self._run, self._scope)
        return self._scope.graph.home if name == "home" else self._run.facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_RUN_NAMES)

    def __len__(self) -> int:
        return len(_RUN_NAMES)


def visit_key(run: Run, scope: Scope) -> str:
    """The idempotency key of the visit at work, or of the one that is being entered.

    `run/each[2]/pay#1`; where a scope around it was entered more than once, with the visits of all of them: `#2.1`.
    """
    visit = scope.current
    if visit is not None:
        name, number = visit.node.name, visit.number
    else:
        name = scope.pending or ""
        number = scope.facts[name]["visits"] + 1 if name in scope.graph.nodes else 1
    around = scope.ancestry()
    numbers = [*around, number] if any(each > 1 for each in around) else [number]
    return f"{run.id}/{scope.prefix}{name}#{'.'.join(map(str, numbers))}"


class FactsAfter(Mapping[str, Any]):
    """`nodes` at the end of a visit: the node's own facts include the visit, branches' facts are there."""

    __slots__ = ("_base", "_new")

    def __init__(self, base: Facts, new: Mapping[str, Any]) -> None:
        self._base = base
        self._new = new

    def __getitem__(self, name: str) -> Any:
        return self._new[name] if name in self._new else self._base[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._base)

    def __len__(self) -> int:
        return len(self._base)


_known: dict[int, tuple[Graph, frozenset[str]]] = {}


def known_names(graph: Graph) -> frozenset[str]:
    """Every name that `state.x` may have in this graph."""
    entry = _known.get(id(graph))
    if entry is None or entry[0] is not graph:
        if len(_known) > 1000:
            _known.clear()
        entry = _known[id(graph)] = (graph, frozenset(graph.nodes) | frozenset(graph.state) | graph.written)
    return entry[1]


def names(run: Run, scope: Scope) -> dict[str, Any]:
    """The names as they stand now. Shared: callers that add names copy."""
    if scope.names is None:
        scope.names = {
            "inputs": scope.inputs,
            "state": StateView(scope.state, known_names(scope.graph)),
            "nodes": scope.facts,
            "error": scope.error,
            "run": RunView(run, scope),
            "env": run.env,
            **scope.locals,
        }
    return scope.names


def names_after(
    run: Run, scope: Scope, state: State, output: Any, facts: Mapping[str, Any], error: Any = None
) -> dict[str, Any]:
    """The names as `set` and `next` see them: with what the visit made, before it is recorded."""
    after = {**names(run, scope), "output": output}
    after["state"] = StateView(state, known_names(scope.graph))
    after["nodes"] = FactsAfter(scope.facts, facts)
    if error is not None:
        after["error"] = error
    return after
