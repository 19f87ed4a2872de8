"""The fold as JSON and back: what a checkpoint holds. Branches that have not begun follow from their node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.engine.fold import Run
from magent.engine.joins import round_facts
from magent.engine.scopes import Scope, Visit
from magent.events import Failure
from magent.model import Loop, Parallel, Workflow

FORMAT = 1
_RUN = (
    "id", "seq", "status", "opened", "inputs", "env", "facts", "limits", "path", "steps", "tokens", "cost",
    "cost_unknown", "created", "life_started", "last", "spent", "asked", "outputs", "marks",
    "turns", "signal", "agents", "reopens", "repeats", "notified", "trace",
)  # fmt: skip
_NEW = ("reopens", "repeats", "turns", "notified", "trace", "last")  # an older magent's checkpoint lacks them
_SCOPE = (
    "kind", "prefix", "index", "status", "pending", "via", "begun", "released", "counters", "output", "outputs",
    "error",
)  # fmt: skip
_VISIT = (
    "number", "status", "attempt", "started", "tokens", "cost", "deadline", "timeout", "question", "answer", "early",
    "items", "branches", "width", "begun", "released", "need", "successes", "failures", "index", "limit", "last",
    "results", "role", "steps", "touched", "doubted",
)  # fmt: skip


def to_json(run: Run) -> dict[str, Any]:
    """A deep enough copy: nothing in it changes when the run goes on."""
    return {
        "format": FORMAT,
        "run": {name: _copy(getattr(run, name)) for name in _RUN},
        "failure": _failure(run.failure),
        "scopes": [_scope(scope) for scope in run.scopes.values() if not _untouched(scope)],
    }


def from_json(workflow: Workflow, data: Mapping[str, Any]) -> Run:
    """The run as it was. Raises KeyError, ValueError or TypeError where the data is of another format."""
    if data["format"] != FORMAT:
        raise ValueError("the checkpoint is of another format")
    run = Run(workflow)
    for name in _RUN:
        if name in data["run"] or name not in _NEW:
            setattr(run, name, _copy(data["run"][name]))
    run.failure = _failure_from(data["failure"])
    opened = run.opened
    for each in sorted(data["scopes"], key=lambda scope: int(scope["id"])):
        _restore(run, each)
    run.opened = opened
    run.scopes = dict(sorted(run.scopes.items()))
    return run


def _copy(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return dict(value)
    return list(value) if kind is list else value


def _failure(failure: Failure | None) -> dict[str, Any] | None:
    return None if failure is None else failure.as_json()


def _failure_from(data: Mapping[str, Any] | None) -> Failure | None:
    return None if data is None else Failure.from_json(data)


def _untouched(scope: Scope) -> bool:
    return scope.kind in ("branch", "item") and not scope.begun and scope.status == "open"


def _scope(scope: Scope) -> dict[str, Any]:
    data = {name: _copy(getattr(scope, name)) for name in _SCOPE}
    data["id"] = scope.id
    data["graph"] = scope.graph.key
    data["owner"] = None if scope.owner is None else scope.owner.scope.id
    data["failure"] = _failure(scope.failure)
    data["current"] = None if scope.current is None else _visit(scope.current)
    if scope.kind in ("run", "graph"):
        data["inputs"] = dict(scope.inputs)
    if scope.kind != "round":
        data["state"] = dict(scope.state.own)
        data["log"] = None if scope.state.log is None else list(scope.state.log)
        data["nodes"] = dict(scope.facts.own)
        if scope.sessions:
            data["sessions"] = dict(scope.sessions)
    return data


def _visit(visit: Visit) -> dict[str, Any]:
    data = {name: _copy(getattr(visit, name)) for name in _VISIT}
    data["node"] = visit.node.name
    data["failure"] = _failure(visit.failure)
    data["failed_first"] = _failure(visit.failed_first)
    data["children"] = [child.id for child in visit.children]
    return data


def _restore(run: Run, data: Mapping[str, Any]) -> None:
    owner = None
    if data["owner"] is not None:
        owner = run.scopes[data["owner"]].current
        assert owner is not None
    scope = run.scopes.get(data["id"])
    if scope is None:
        run.opened = data["id"]
        scope = run.open_scope(data["kind"], run.workflow.graphs[data["graph"]], data["prefix"], owner, data["index"])
        if owner is not None:  # a round or a subgraph; branches were opened with their node
            owner.children.append(scope)
    for name in _SCOPE:
        setattr(scope, name, _copy(data[name]))
    scope.failure = _failure_from(data["failure"])
    if scope.kind == "run":
        run.root = scope
    if "inputs" in data:
        scope.inputs = data["inputs"]
    if "state" in data:
        scope.state.own = dict(data["state"])
        scope.state.log = None if data["log"] is None else [(name, value) for name, value in data["log"]]
        scope.facts.own = dict(data["nodes"])
        scope.sessions = dict(data.get("sessions", {}))
    _restore_locals(scope, owner)
    if data["current"] is not None:
        _restore_visit(run, scope, data["current"])


def _restore_locals(scope: Scope, owner: Visit | None) -> None:
    if owner is None or scope.kind not in ("item", "round"):
        return
    local = {**owner.scope.locals, "round": round_facts(scope.index)}
    if owner.items is not None and isinstance(owner.node, (Parallel, Loop)):
        local[owner.node.item] = owner.items[scope.index]
    scope.locals = local


def _restore_visit(run: Run, scope: Scope, data: Mapping[str, Any]) -> None:
    visit = scope.current = Visit(scope, scope.graph.nodes[data["node"]], data["number"], data["started"])
    for name in _VISIT:
        if name in data:  # an older magent's checkpoint lacks some
            setattr(visit, name, _copy(data[name]))
    visit.failure = _failure_from(data["failure"])
    visit.failed_first = _failure_from(data["failed_first"])
    node = visit.node
    if isinstance(node, Parallel):
        _restore_branches(run, visit, node, data["children"])


def _restore_branches(run: Run, visit: Visit, node: Parallel, ids: list[int]) -> None:
    """Opens every branch as at the fork; those that had begun are then overwritten by their own record."""
    indexes = range(len(visit.items or ())) if node.body else visit.branches
    for id_, index in zip(ids, indexes, strict=True):
        run.opened = id_
        run.open_branch(visit, node, index)
