"""How a visit ends: the event that completes it or lets it fail, worked out from the outcome of its work. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from magent.engine.fold import Run
from magent.engine.joins import (
    branch_facts,
    facts_after,
    failure_facts,
    merge_children,
    stores_output,
)
from magent.engine.route import NoRoute, follow
from magent.engine.scopes import Scope, Visit
from magent.engine.view import names_after
from magent.events import Failure
from magent.expressions import EvaluationError, NotBoolean
from magent.model import (
    Edge,
    HumanInput,
    Node,
    SetOnly,
    StateKey,
    Subgraph,
    Task,
    Wait,
)
from magent.spec.schema import check_value
from magent.state import BadWrite, State

MOST_MADE = 1_000_000  # characters of what a visit had made that failed after its work, in the record
Fact = tuple[str, dict[str, Any]]


def error_of(error: Exception) -> Failure:
    """The failure that an expression's error makes of a node."""
    if isinstance(error, NoRoute):
        return Failure("no_route", str(error))
    if isinstance(error, EvaluationError):
        kind = "condition" if isinstance(error, NotBoolean) else "value"
        return Failure(kind, error.message, hint=error.hint)
    return Failure("value", str(error))


def head(scope: Scope, node: Node) -> dict[str, Any]:
    return {"scope": scope.id, "node": node.name, "path": scope.prefix + node.name}


def visit_number(scope: Scope, node: Node) -> int:
    if scope.current is not None:
        return scope.current.number
    return int(scope.facts[node.name]["visits"]) + 1


def completed(
    run: Run, scope: Scope, node: Node, now: float, output: Any = None, extra: Mapping[str, Any] | None = None
) -> Fact:
    """The event that ends a visit well, or the one that says why it failed after all (at `set`, at `next`)."""
    data = head(scope, node)
    if stored(node):
        data["output"] = output
    if extra:
        data.update(extra)
    try:
        _conclude(run, scope, node, now, data, output)
    except (EvaluationError, BadWrite, NoRoute) as error:
        return failed(run, scope, node, error_of(error), now, {**(extra or {}), **_made(data)})
    return "visit.completed", data


def _made(data: Mapping[str, Any]) -> dict[str, Any]:
    """What the edges of a visit saw that failed at them, for who explains it; nothing where that is much."""
    made = {name: data[name] for name in ("output", "set") if name in data}
    return made if len(json.dumps(made, default=str)) <= MOST_MADE else {}


def stored(node: Node) -> bool:
    """Whether a visit's event carries the output: parallels and loops make theirs from what is recorded already."""
    if isinstance(node, Task):
        return not isinstance(node.work, (SetOnly, Wait))
    return isinstance(node, (Subgraph, HumanInput))


def _conclude(run: Run, scope: Scope, node: Node, now: float, data: dict[str, Any], output: Any) -> None:
    visit = scope.current
    if not node.set and not chooses(node) and not (visit is not None and visit.children):
        data["next"] = node.next[0].target if node.next else None
        return
    preview, seen = after(run, scope, node, now, data, output)
    if node.set:
        data["set"] = _writes(scope, node, preview, seen)
    data.update(follow(scope, node, seen))


def after(
    run: Run, scope: Scope, node: Node, now: float, data: Mapping[str, Any], output: Any
) -> tuple[State, dict[str, Any]]:
    """The state that a visit leaves which ends well, before its `set`, and the names as its `set` and `next` see them:
    what is written to the state is seen. Raises BadWrite."""
    visit = scope.current
    preview = State(scope.state.keys, scope.state)
    facts = branch_facts(visit)
    if visit is not None and visit.children:
        _merged(visit, preview)
    if stored(node) or stores_output(node):
        preview.write(node.name, output)
    facts[node.name] = facts_after(scope, node, visit, "completed", now, data)
    return preview, names_after(run, scope, preview, output, facts)


def chooses(node: Node) -> bool:
    """Whether something is to be decided when the node is done: it has more than one plain way out."""
    return len(node.next) > 1 or bool(node.next and node.next[0].kind != "normal")


def _writes(scope: Scope, node: Node, preview: State, seen: Mapping[str, Any]) -> dict[str, Any]:
    """All updates are computed before any is written; declared keys must keep their type."""
    writes = {name: value.evaluate(seen) for name, value in node.set.items()}
    for name, value in writes.items():
        before = preview.get(name)
        preview.write(name, value)
        key = scope.graph.state.get(name)
        if key is not None:
            _check_key(key, preview.get(name), _added(key, before, value))
    return writes


def _added(key: StateKey, before: Any, written: Any) -> list[Any] | None:
    """The new items of a list that grew: the others were looked at before, or a growing list would cost its square."""
    if key.reduce not in ("append", "extend") or not before:
        return None
    return [] if written is None else [written] if key.reduce == "append" else list(written)


def _check_key(key: StateKey, value: Any, added: list[Any] | None) -> None:
    """Raises BadWrite where the value does not fit its declared type; of a list only what was `added` (None: all)."""
    if value is None or not key.schema:
        return
    schema, faults = dict(key.schema), []
    if added is not None and isinstance(schema.get("items"), Mapping):
        items = schema.pop("items")
        faults = [fault for each in added for fault in check_value(items, each)]
    faults += check_value(schema, value)
    if faults:
        raise BadWrite(f"state.{key.name} does not fit its type: {faults[0]}")


def _merged(visit: Visit, preview: State) -> None:
    """The writes of the branches, as writes. What fitted in each branch may not fit together: raises BadWrite."""
    merge_children(visit, preview)
    for name, value in preview.own.items():
        key = visit.scope.graph.state.get(name)
        if key is not None:
            _check_key(key, value, [] if key.reduce in ("append", "extend") else None)


def failed(
    run: Run, scope: Scope, node: Node, failure: Failure, now: float, extra: Mapping[str, Any] | None = None
) -> Fact:
    """The event that ends a visit in failure: caught by its `on_error`, or on its way outwards."""
    if not failure.node:
        attempts = scope.current.attempt if scope.current is not None else 1
        failure = failure._replace(node=node.name, attempts=attempts)
    data = {**head(scope, node), "error": failure.as_json(), **(extra or {})}
    if failure.type == "limit" or node.on_error.action == "fail":
        return "visit.failed", data
    try:
        data.update(_caught(run, scope, node, failure, now))
    except (EvaluationError, BadWrite, NoRoute) as error:
        if isinstance(error, NoRoute) and node.on_error.action == "go":
            return "visit.failed", data  # its loop_back is used up: the failure travels on
        second = error_of(error)._replace(node=node.name, attempts=failure.attempts, data=failure.as_json())
        data["error"] = second.as_json()
    return "visit.failed", data


def _caught(run: Run, scope: Scope, node: Node, failure: Failure, now: float) -> dict[str, Any]:
    edges = caught_edges(node)
    return {"caught": node.on_error.action, **follow(scope, node, after_failure(run, scope, node, failure, now), edges)}


def caught_edges(node: Node) -> tuple[Edge, ...] | None:
    """The edges that are looked at where `on_error` takes a failure; None: those of `next`."""
    going_on = node.on_error.action == "continue"
    return None if going_on or node.on_error.edge is None else (node.on_error.edge,)


def after_failure(run: Run, scope: Scope, node: Node, failure: Failure, now: float) -> dict[str, Any]:
    """The names as edges see them where `on_error` takes a failure."""
    preview = State(scope.state.keys, scope.state)
    if node.on_error.action == "continue":
        preview.write(node.name, None)
    facts = branch_facts(scope.current)
    facts[node.name] = facts_after(scope, node, scope.current, "failed", now, {"error": failure.as_json()})
    return names_after(run, scope, preview, None, facts, failure_facts(failure))
