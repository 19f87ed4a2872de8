"""What a resume does to a failed run: its failed scopes are opened again, and failed visits are tried anew."""

from __future__ import annotations

from magent.engine.joins import is_final
from magent.engine.scopes import Scope, Visit
from magent.engine.tree import Tree
from magent.model import HumanInput, Parallel, Subgraph, Task


def reopen(tree: Tree, time: float, *, collected: bool = False) -> int:
    """Opens the failed scopes again, up to the root, and what was cancelled with them; with `collected` also the
    branches whose failure their parallel node would go on with.

    Gives the number of steps that were counted and will be taken again: visits that failed before they began.
    """
    again = 0
    for scope in _opened_again(tree.root, collected):
        if scope.owner is not None and isinstance(scope.owner.node, Parallel) and scope.status == "failed":
            scope.owner.failures -= 1
        scope.status, scope.failure = "open", None
        visit = scope.current
        if visit is not None and visit.early:
            again += _enter_again(scope, visit)
        elif visit is not None:
            _try_again(tree, visit, time)
    return again


def to_reopen(root: Scope, *, collected: bool = False) -> list[Scope]:
    """The failed scopes that `reopen` would open again; changes nothing."""
    return [scope for scope in _opened_again(root, collected) if scope.status == "failed"]


def _opened_again(root: Scope, collected: bool) -> list[Scope]:
    work, found = [root], []
    while work:
        scope = work.pop()
        if scope.status == "completed" or is_final(scope):
            continue
        found.append(scope)
        visit = scope.current
        if visit is not None and not visit.early:
            work.extend(_below(visit, collected))
    return found


def _below(visit: Visit, collected: bool) -> list[Scope]:
    if isinstance(visit.node, Parallel) and visit.node.collect and visit.failure is None and not collected:
        return [child for child in visit.children if child.status == "cancelled"]  # what failed is told so
    return visit.children


def _enter_again(scope: Scope, visit: Visit) -> bool:
    """The node is entered as if it had not been. Whether that had counted as a step."""
    node = visit.node
    scope.current, scope.pending = None, node.name
    scope.facts.own[node.name] = {**scope.facts[node.name], "visits": visit.number - 1}
    return node.type not in ("start", "end")


def _try_again(tree: Tree, visit: Visit, time: float) -> None:
    node, itself = visit.node, visit.failure is not None
    if itself:
        visit.status = "running" if _still_in_doubt(visit) else "again"
        visit.attempt, visit.failure, visit.answer = 1, None, None
    if isinstance(node, Parallel):
        visit.failed_first = None
    elif isinstance(node, HumanInput) and itself:
        _ask_again(tree, visit, time)
    elif itself and visit.items is None and all(child.status == "completed" for child in visit.children):
        _start_over(tree, visit)


def _still_in_doubt(visit: Visit) -> bool:
    """Whether a person said that work with effects outside was done, and gave an output that does not fit."""
    asked = isinstance(visit.node, Task) and visit.question is not None
    return asked and visit.failure is not None and visit.failure.type == "output"


def _ask_again(tree: Tree, visit: Visit, time: float) -> None:
    """The same question, with as much time as it had."""
    tree.release(visit.scope, True)
    if visit.deadline is not None:
        visit.deadline = time + (visit.deadline - visit.started)
        visit.question = {**(visit.question or {}), "deadline": visit.deadline}
    visit.started = time


def _start_over(tree: Tree, visit: Visit) -> None:
    """A loop or a subgraph that failed by itself (it was exhausted, had no route) begins anew."""
    before, visit.children = visit.children, []
    for child in before:
        tree.scopes.pop(child.id, None)
    visit.index, visit.last = -1, None
    if isinstance(visit.node, Subgraph):
        tree.open_inner(visit, visit.node, before[0].inputs)
