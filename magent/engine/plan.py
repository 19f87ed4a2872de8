"""The planner: what follows, decided purely from the fold. No clock, no disk, no asyncio.

`step` looks at one scope that is ready and returns a `Decision`: events that happened (the caller applies and records
them) and what to start. `completed` and `failed` turn an attempt's outcome into the event that ends the visit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.engine.arrive import Arrival, arrive
from magent.engine.fold import (
    Run,
    Scope,
    Visit,
    branch_facts,
    composite_output,
    enough,
    facts_after,
    failure_facts,
    merge_children,
    round_facts,
    stores_output,
)
from magent.engine.route import NoRoute, follow, skip_edge
from magent.engine.view import names, names_after
from magent.events import Failure
from magent.expressions import EvaluationError, NotBoolean
from magent.model import (
    Choice,
    End,
    HumanInput,
    Loop,
    Node,
    Parallel,
    SetOnly,
    Start,
    StateKey,
    Subgraph,
    Task,
    Wait,
)
from magent.spec.schema import check_value
from magent.state import BadWrite, State

Fact = tuple[str, dict[str, Any]]


@dataclass(slots=True)
class Decision:
    """What follows: facts to record in order, the visit to start, and a limit that was reached."""

    facts: list[Fact] = field(default_factory=list)
    launch: Scope | None = None
    limit: Failure | None = None


def error_of(error: Exception) -> Failure:
    """The failure that an expression's error makes of a node."""
    if isinstance(error, NoRoute):
        return Failure("no_route", str(error))
    if isinstance(error, EvaluationError):
        kind = "condition" if isinstance(error, NotBoolean) else "value"
        return Failure(kind, error.message, hint=error.hint)
    return Failure("value", str(error))


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
        return _settle_parallel(run, visit, now)
    if isinstance(visit.node, Loop):
        return _settle_loop(run, visit, now)
    if isinstance(visit.node, Subgraph):
        return _settle_subgraph(run, visit, now)
    return Decision(launch=scope)


# ---- entering


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


def head(scope: Scope, node: Node) -> dict[str, Any]:
    return {"scope": scope.id, "node": node.name, "path": scope.prefix + node.name}


def visit_number(scope: Scope, node: Node) -> int:
    if scope.current is not None:
        return scope.current.number
    return int(scope.facts[node.name]["visits"]) + 1


def started(scope: Scope) -> Fact:
    """The event that an attempt of the leaf in `scope` begins."""
    visit = scope.current
    node = scope.graph.nodes[scope.pending or ""] if visit is None else visit.node
    data = {**head(scope, node), "visit": visit_number(scope, node)}
    if visit is not None and visit.attempt > 1:
        data["attempt"] = visit.attempt
    return "visit.started", data


def no_step_left(run: Run, scope: Scope) -> Failure | None:
    """The limit, where a new visit in `scope` would be a step too many. One that goes on is no new step."""
    limit, visit = run.limits.get("steps"), scope.current
    if limit is None or run.steps < limit or (visit is not None and not isinstance(visit.node, Loop)):
        return None
    name = scope.pending if visit is None else visit.node.name
    message = f"the run has made {run.steps} steps, its limit"
    return Failure("limit", message, name or "", hint="raise it with --limit steps=N")


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


# ---- ending a visit


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
        return failed(run, scope, node, error_of(error), now, extra)
    return "visit.completed", data


def stored(node: Node) -> bool:
    """Whether a visit's event carries the output: parallels and loops make theirs from what is recorded already."""
    if isinstance(node, Task):
        return not isinstance(node.work, (SetOnly, Wait))
    return isinstance(node, (Subgraph, HumanInput))


def _conclude(run: Run, scope: Scope, node: Node, now: float, data: dict[str, Any], output: Any) -> None:
    visit = scope.current
    if not node.set and not _chooses(node) and not (visit is not None and visit.children):
        data["next"] = node.next[0].target if node.next else None
        return
    preview = State(scope.state.keys, scope.state)
    facts = branch_facts(visit)
    if visit is not None and visit.children:
        _merged(visit, preview)
    if stored(node) or stores_output(node):
        preview.write(node.name, output)
    facts[node.name] = facts_after(scope, node, visit, "completed", now, data)
    seen = names_after(run, scope, preview, output, facts)
    if node.set:
        data["set"] = _writes(scope, node, preview, seen)
    data.update(follow(scope, node, seen))


def _chooses(node: Node) -> bool:
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
    preview = State(scope.state.keys, scope.state)
    going_on = node.on_error.action == "continue"
    if going_on:
        preview.write(node.name, None)
    facts = branch_facts(scope.current)
    facts[node.name] = facts_after(scope, node, scope.current, "failed", now, {"error": failure.as_json()})
    seen = names_after(run, scope, preview, None, facts, failure_facts(failure))
    edges = None if going_on or node.on_error.edge is None else (node.on_error.edge,)
    return {"caught": node.on_error.action, **follow(scope, node, seen, edges)}


def cancel(visit: Visit) -> Iterator[Fact]:
    """The events that end all that is at work under a composite visit, the innermost first."""
    found: list[Visit] = []
    work = [visit]
    while work:
        for child in work.pop().children:
            if child.status == "open" and child.current is not None:
                found.append(child.current)
                work.append(child.current)
    for each in reversed(found):
        yield "visit.cancelled", {"scope": each.scope.id, "path": each.path}


# ---- composites


def _settle_parallel(run: Run, visit: Visit, now: float) -> Decision:
    node, scope = visit.node, visit.scope
    assert isinstance(node, Parallel)
    total = len(visit.children)
    ended = visit.successes + visit.failures
    if enough(visit) or (node.collect and ended == total):
        return finish_parallel(run, visit, now)
    if not node.collect and total - visit.failures < visit.need:
        first = visit.failed_first or next((child.failure for child in visit.children if child.failure), None)
        too_few = f"wait_for asks for {visit.need} branches, but only {total} are taken"
        failure = first or Failure("value", too_few, node.name)
        return Decision([*cancel(visit), failed(run, scope, node, failure, now)])
    _begin_branches(run, visit)
    return Decision()


def finish_parallel(run: Run, visit: Visit, now: float, extra: Mapping[str, Any] | None = None) -> Decision:
    """The node completes with what has ended; the rest is cancelled."""
    output = composite_output(visit)
    return Decision([*cancel(visit), completed(run, visit.scope, visit.node, now, output, extra)])


def _begin_branches(run: Run, visit: Visit) -> None:
    places = len(visit.children) if visit.width is None else visit.width
    free = places - (visit.begun - visit.successes - visit.failures - visit.released)
    while free > 0 and visit.next_child < len(visit.children):
        child = visit.children[visit.next_child]
        visit.next_child += 1
        if not child.begun:
            run.begin(child)
            run.queue(child)
            free -= 1


def _settle_loop(run: Run, visit: Visit, now: float) -> Decision:
    node, scope = visit.node, visit.scope
    assert isinstance(node, Loop)
    last = visit.children[0] if visit.children else None
    if last is not None and last.status == "open":
        return Decision()
    if last is not None and last.failure is not None:
        return Decision([failed(run, scope, node, last.failure, now)])
    try:
        fact = _next_round(run, visit, node, now)
    except EvaluationError as error:
        fact = failed(run, scope, node, error_of(error), now)
    if fact[0] == "round.started" and (limit := no_step_left(run, scope)):
        return Decision(limit=limit)
    return Decision([fact])


def _next_round(run: Run, visit: Visit, node: Loop, now: float) -> Fact:
    scope, index = visit.scope, visit.index + 1
    if not _goes_on(run, visit, node, index):
        return completed(run, scope, node, now, composite_output(visit))
    if visit.limit is not None and index >= visit.limit:
        if node.go_on:
            return completed(run, scope, node, now, composite_output(visit))
        message = f"the loop '{node.name}' made its {visit.limit} rounds and is not done"
        return failed(run, scope, node, Failure("exhausted", message), now)
    return "round.started", {"scope": scope.id, "path": f"{visit.path}[{index}]", "index": index}


def _goes_on(run: Run, visit: Visit, node: Loop, index: int) -> bool:
    if visit.items is not None:
        return index < len(visit.items)
    assert node.condition is not None
    seen = {**names(run, visit.scope), "output": visit.last}
    if node.kind == "while":
        return node.condition.holds({**seen, "round": round_facts(index)})
    return index == 0 or not node.condition.holds({**seen, "round": round_facts(index - 1)})


def _settle_subgraph(run: Run, visit: Visit, now: float) -> Decision:
    inner = visit.children[0]
    if inner.status == "open":
        return Decision()
    if inner.failure is not None:
        return Decision([failed(run, visit.scope, visit.node, inner.failure, now)])
    try:
        output = scope_outputs(run, inner)
    except EvaluationError as error:
        return Decision([failed(run, visit.scope, visit.node, error_of(error), now)])
    return Decision([completed(run, visit.scope, visit.node, now, output)])


def scope_outputs(run: Run, scope: Scope) -> Any:
    """What a graph returns: its `outputs`, else those of the `end` reached, else its whole state."""
    if scope.graph.outputs is not None:
        return scope.graph.outputs.evaluate(names(run, scope))
    return scope.outputs if scope.outputs is not None else scope.state.as_dict()


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


def timed_out(run: Run, visit: Visit, now: float) -> Decision:
    """A composite visit has used up its time: it ends in failure, or, where it collects, with what there is."""
    node = visit.node
    message = f"'{node.name}' was not done in time"
    if isinstance(node, Parallel) and node.collect:
        return finish_parallel(run, visit, now, {"timed_out": True})
    return Decision([*cancel(visit), failed(run, visit.scope, node, Failure("timeout", message), now)])
