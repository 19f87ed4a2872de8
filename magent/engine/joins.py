"""What a visit has come to, read off the fold: outputs, errors and facts of composites, merged writes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.engine.scopes import Scope, Visit
from magent.events import Failure
from magent.model import Loop, Node, Parallel
from magent.state import State

NO_TOKENS = {"input": 0, "output": 0}  # one for all facts: values are never changed in place
NO_ERRORS: dict[str, Any] = {}


def enough(visit: Visit) -> bool:
    """Whether as many branches have succeeded as are waited for."""
    return isinstance(visit.node, Parallel) and not visit.node.collect and visit.successes >= visit.need


def rests(visit: Visit) -> bool:
    """Whether every branch of a parallel node has begun, and those that have not ended wait for people."""
    at_work = visit.begun - visit.successes - visit.failures - visit.released
    return visit.released > 0 and at_work == 0 and visit.begun == len(visit.children)


def is_final(scope: Scope) -> bool:
    """Whether the scope ended at an `end` with `failed`: that is never tried anew."""
    return scope.failure is not None and scope.failure.type == "end"


def round_facts(index: int) -> dict[str, Any]:
    return {"index": index, "number": index + 1, "first": index == 0}


def failure_facts(failure: Failure) -> dict[str, Any]:
    """`error` as expressions see it."""
    return {
        "type": failure.type,
        "message": failure.message,
        "node": failure.node,
        "attempts": failure.attempts,
        "data": failure.data,
    }


def stores_output(node: Node) -> bool:
    return isinstance(node, (Parallel, Loop))


def composite_output(visit: Visit) -> Any:
    """What a parallel or a loop made of its scopes' outputs."""
    node = visit.node
    if isinstance(node, Loop):
        return list(visit.results) if visit.items is not None else visit.last
    done = {child.index: child.output for child in visit.children if child.status == "completed"}
    if isinstance(node, Parallel) and node.body:
        return [done.get(index) for index in range(len(visit.items or ()))]
    assert isinstance(node, Parallel)
    return {branch.to: done.get(index) for index, branch in enumerate(node.branches)}


def branch_errors(visit: Visit, timed_out: bool) -> dict[str, Any]:
    """`nodes.fan.errors`: branch name or index → {type, message}, of those that failed or were not done in time."""
    errors: dict[str, Any] = {}
    node = visit.node
    if isinstance(node, Parallel):
        for child in visit.children:
            name = str(child.index) if node.body else node.branches[child.index].to
            if child.failure is not None:
                errors[name] = {"type": child.failure.type, "message": child.failure.message}
            elif timed_out and child.status == "open":
                errors[name] = {"type": "timeout", "message": "the branch was not done in time"}
    return errors


def branch_facts(visit: Visit | None) -> dict[str, Mapping[str, Any]]:
    """The facts of the nodes in branches, which come out of them; nothing of an item's nodes does."""
    found: dict[str, Mapping[str, Any]] = {}
    for child in visit.children if visit is not None else ():
        if child.kind == "branch":
            found.update(child.facts.own)
            if child.status == "open" and child.current is not None:  # what is not done yet is cancelled
                name = child.current.node.name
                found[name] = {**child.facts[name], "status": "cancelled"}
    return found


def merge_children(visit: Visit, state: State) -> None:
    """Merges the writes of completed branches, as writes, in declaration (or item) order. Raises BadWrite."""
    if not isinstance(visit.node, Parallel):
        return
    for child in visit.children:
        if child.status == "completed" and child.state.log:
            for name, value in child.state.log:
                if child.kind == "branch" or name in state.keys:
                    state.write(name, value)


def facts_after(
    scope: Scope, node: Node, visit: Visit | None, status: str, time: float, data: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts of a node once its visit is over."""
    tokens = data.get("tokens") or NO_TOKENS
    cost = data.get("cost", 0.0)
    before = scope.facts[node.name]
    if visit is None:
        visits, attempts, duration = before["visits"] + 1, 1, 0.0
    else:
        visits, attempts, duration = visit.number, visit.attempt, max(0.0, time - visit.started)
        if any(visit.tokens):
            tokens = {"input": visit.tokens[0] + tokens["input"], "output": visit.tokens[1] + tokens["output"]}
        cost = None if cost is None or visit.cost is None else visit.cost + cost
    return {
        "status": status,
        "visits": visits,
        "attempts": attempts,
        "duration": round(duration, 6),
        "tokens": tokens,
        "cost": cost,
        "error": data.get("error"),
        "errors": branch_errors(visit, "timed_out" in data) if visit is not None and visit.children else NO_ERRORS,
    }
