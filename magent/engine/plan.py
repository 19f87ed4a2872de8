"""The planner: what follows, decided purely from the fold. No clock, no disk, no asyncio.

`step` looks at one scope that is ready and returns a `Decision`: events that happened (the caller applies and records
them) and what to start. `completed` and `failed` turn an attempt's outcome into the event that ends the visit.
"""

from __future__ import annotations

from magent.engine.arrive import Arrival, arrive
from magent.engine.conclude import Fact, completed, error_of, failed, head, visit_number
from magent.engine.fold import Run
from magent.engine.route import NoRoute, follow, skip_edge
from magent.engine.scopes import Scope
from magent.engine.settle import Decision, no_step_left, scope_outputs, settle_loop, settle_parallel, settle_subgraph
from magent.engine.view import names
from magent.events import Failure
from magent.expressions import EvaluationError
from magent.model import (
    Choice,
    End,
    Loop,
    Node,
    Parallel,
    SetOnly,
    Start,
    Subgraph,
    Task,
    Wait,
)
from magent.state import BadWrite


def step(run: Run, scope: Scope, now: float) -> Decision:
    """The next decision for a scope that is ready; an empty one where it has nothing to do."""
    if scope.status != "open":
        return _run_over(run, scope) if scope.owner is None and run.status == "running" else Decision()
    if scope.pending is not None:
        return _enter(run, scope, now)
    visit = scope.current
    if visit is None:
        return Decision()
    if isinstance(visit.node, Parallel):
        return settle_parallel(run, visit, now)
    if isinstance(visit.node, Loop):
        return settle_loop(run, visit, now)
    if isinstance(visit.node, Subgraph):
        return settle_subgraph(run, visit, now)
    return Decision(launch=scope)


def _enter(run: Run, scope: Scope, now: float) -> Decision:
    node = scope.graph.nodes[scope.pending or ""]
    try:
        if node.when is not None and not node.when.holds(names(run, scope)):
            return Decision([skipped(scope, node)])
        if not isinstance(node, (Start, End)) and (limit := no_step_left(run, scope)):
            return Decision(limit=limit)
        if isinstance(node, Task) and not isinstance(node.work, (SetOnly, Wait)):
            return Decision(launch=scope)
        if isinstance(node, Start) or (isinstance(node, Task) and isinstance(node.work, SetOnly)):
            return Decision([completed(run, scope, node, now)])
        if isinstance(node, End):
            return Decision([_ended(run, scope, node)])
        if isinstance(node, Choice):
            return Decision([_chosen(run, scope, node)])
        arrival = arrive(run, scope, node, now)
    except (EvaluationError, BadWrite, NoRoute) as error:
        return Decision([failed(run, scope, node, error_of(error), now)])
    return _arrived(run, scope, node, arrival, now)


def _arrived(run: Run, scope: Scope, node: Node, arrival: Arrival, now: float) -> Decision:
    if arrival.limit is not None:
        return Decision(limit=arrival.limit)
    if arrival.failure is not None:
        return Decision([failed(run, scope, node, arrival.failure, now)])
    fact = ("visit.started", {**head(scope, node), "visit": visit_number(scope, node), **arrival.data})
    return Decision([fact])


def started(scope: Scope) -> Fact:
    """The event that an attempt of the leaf in `scope` begins."""
    visit = scope.current
    node = scope.graph.nodes[scope.pending or ""] if visit is None else visit.node
    data = {**head(scope, node), "visit": visit_number(scope, node)}
    if visit is not None and visit.attempt > 1:
        data["attempt"] = visit.attempt
    return "visit.started", data


def skipped(scope: Scope, node: Node) -> Fact:
    target = skip_edge(node)
    return "visit.skipped", {**head(scope, node), "next": target}


def _ended(run: Run, scope: Scope, node: End) -> Fact:
    seen = names(run, scope)
    data = head(scope, node)
    if node.outputs is not None:
        data["outputs"] = node.outputs.evaluate(seen)
    if node.status == "failed":
        reason = node.reason.text(seen) if node.reason is not None else f"ended at '{node.name}'"
        data["status"] = "failed"
        data["error"] = Failure("end", reason, node.name).as_json()
    return "visit.completed", data


def _chosen(run: Run, scope: Scope, node: Choice) -> Fact:
    data = head(scope, node)
    route = follow(scope, node, names(run, scope))
    data["output"] = route["next"] or "end"
    return "visit.completed", data | route


def _run_over(run: Run, root: Scope) -> Decision:
    if root.failure is None:
        try:
            return Decision([("run.completed", {"outputs": scope_outputs(run, root)})])
        except EvaluationError as error:
            failure = error_of(error)._replace(message=f"the workflow's outputs: {error.message}")
            return Decision([("run.failed", {"error": failure.as_json(), "outputs": None})])
    if root.failure.type == "limit":
        return Decision(limit=root.failure)
    return Decision([("run.failed", {"error": root.failure.as_json(), "outputs": root.outputs})])
