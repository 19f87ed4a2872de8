"""What becomes of each visit when a run goes on: kept, done again, invalidated, waited for, open. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from magent.engine.fold import Run
from magent.engine.scopes import Scope, Visit
from magent.engine.visited import Visited
from magent.model import HumanInput, Loop, Parallel, Subgraph, Task, Wait

FATES = ("kept", "again", "invalidated", "waiting", "open")


def judge(run: Run, visits: Iterable[Visited], at_work: Mapping[int, Visited], until: int | None) -> None:
    """`run` is as it goes on, `at_work` says by scope which visit was last at work there. Those that were refused are
    judged already."""
    for number, visited in at_work.items():
        scope = run.scopes.get(number)
        if scope is None or scope.status != "open":
            continue
        if scope.current is not None:
            visited.fate, why = _going_on(scope.current, visited, until)
            visited.why = visited.why or why
        elif scope.pending == visited.node:  # it failed before it began
            visited.fate, visited.why = "again", failed(visited.error)
    for visited in visits:
        if visited.fate == "kept" and visited.failed:
            visited.why = f"stays {failed(visited.error)}"


def _going_on(visit: Visit, visited: Visited, until: int | None) -> tuple[str, str]:
    node = visit.node
    if isinstance(node, (Parallel, Loop, Subgraph)):
        return "open", ""
    if isinstance(node, HumanInput) and visit.answer is None:
        return "waiting", "waits for an answer"
    if isinstance(node, Task) and isinstance(node.work, Wait):
        return "waiting", "waits until its time has come"
    if visit.answer is not None:
        return "kept", "is answered"
    if visited.failed and not _beyond(visited, until):
        return "again", failed(visited.error)
    if isinstance(node, Task) and (node.external or visit.touched) and visit.status in ("running", "uncertain"):
        return "waiting", "a person is asked whether it was done"
    return "again", f"was not finished at event {until}" if _beyond(visited, until) else "was not finished"


def _beyond(visited: Visited, until: int | None) -> bool:
    return until is not None and visited.end > until


def failed(error: Mapping[str, Any] | None) -> str:
    return "failed" if not error else f"failed: {error.get('type', 'error')}: {error.get('message', '')}"


def entrances(run: Run) -> list[str]:
    """The addresses at which the run goes on: of visits that are open, and of those that are begun next, in every
    branch and item."""
    return [place for scope in run.scopes.values() if scope.status == "open" and (place := _entrance(scope))]


def _entrance(scope: Scope) -> str:
    visit = scope.current
    if visit is not None:
        return "" if isinstance(visit.node, (Parallel, Loop, Subgraph)) else visit.path
    return f"{scope.prefix}{scope.pending}" if scope.pending else ""
