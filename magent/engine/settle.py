"""What becomes of a composite visit when something under it has ended: a parallel, a loop, a subgraph. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.engine.conclude import Fact, completed, error_of, failed
from magent.engine.fold import Run
from magent.engine.joins import (
    composite_output,
    enough,
    round_facts,
)
from magent.engine.scopes import Scope, Visit
from magent.engine.view import names
from magent.events import Failure
from magent.expressions import EvaluationError
from magent.model import (
    Loop,
    Parallel,
)


@dataclass(slots=True)
class Decision:
    """What follows: facts to record in order, the visit to start, and a limit that was reached."""

    facts: list[Fact] = field(default_factory=list)
    launch: Scope | None = None
    limit: Failure | None = None


def no_step_left(run: Run, scope: Scope) -> Failure | None:
    """The limit, where a new visit in `scope` would be a step too many. One that goes on is no new step."""
    limit, visit = run.limits.get("steps"), scope.current
    if limit is None or run.steps < limit or (visit is not None and not isinstance(visit.node, Loop)):
        return None
    name = scope.pending if visit is None else visit.node.name
    message = f"the run has made {run.steps} step{'' if run.steps == 1 else 's'}, its limit"
    return Failure("limit", message, name or "", hint=f"raise it with --limit steps={int(2 * limit)}")


def settle_parallel(run: Run, visit: Visit, now: float) -> Decision:
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


def settle_loop(run: Run, visit: Visit, now: float) -> Decision:
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
    if (seen := round_sees(run, visit, node, index)) is None:
        return True
    return node.condition.holds(seen) == (node.kind == "while")


def round_sees(run: Run, visit: Visit, node: Loop, index: int) -> dict[str, Any] | None:
    """The names as the loop's condition sees them before round `index`; None where it is not asked."""
    if node.condition is None or (node.kind == "until" and index == 0):
        return None
    seen = {**names(run, visit.scope), "output": visit.last}
    return {**seen, "round": round_facts(index if node.kind == "while" else index - 1)}


def settle_subgraph(run: Run, visit: Visit, now: float) -> Decision:
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


def timed_out(run: Run, visit: Visit, now: float) -> Decision:
    """A composite visit has used up its time: it ends in failure, or, where it collects, with what there is."""
    node = visit.node
    message = f"'{node.name}' was not done in time"
    if isinstance(node, Parallel) and node.collect:
        return finish_parallel(run, visit, now, {"timed_out": True})
    return Decision([*cancel(visit), failed(run, visit.scope, node, Failure("timeout", message), now)])


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
