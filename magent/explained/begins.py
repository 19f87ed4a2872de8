"""How a visit begins, and each round of a loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.engine.fold import Run
from magent.engine.scopes import Scope, Visit
from magent.engine.settle import round_sees
from magent.engine.view import names
from magent.explained.edges import outcome
from magent.explained.told import Branch, Explained, Round
from magent.explained.values import Names, test, text_of
from magent.model import Loop, Node, Parallel


def starts(run: Run, told: Explained, scope: Scope, node: Node, data: Mapping[str, Any]) -> None:
    seen = names(run, scope)
    if isinstance(node, Parallel) and not node.body:
        taken = set(data.get("branches", ()))
        told.branches = [
            Branch(branch.to, index in taken, None if branch.when is None else test(branch.when, seen))
            for index, branch in enumerate(node.branches)
        ]
    items = data.get("items")
    if items is not None and isinstance(node, (Parallel, Loop)) and node.for_each is not None:
        count = f"{len(items):,} item{'' if len(items) == 1 else 's'}"
        told.notes.append(f"`for_each: {text_of(node.for_each)}` gave {count}")
    if isinstance(node, Parallel):
        told.notes.append(_waits_for(node, data))


def _waits_for(node: Parallel, data: Mapping[str, Any]) -> str:
    total = len(data["items"] if "items" in data else data.get("branches", ()))
    if not total:
        return "there is nothing to run: it goes on at once"
    if node.collect:
        return f"waits until all {total:,} have ended, well or not (on_branch_error: collect)"
    asked = "all, the default" if node.wait_for is None else text_of(node.wait_for)
    return f"waits for {data['need']:,} of {total:,} to end well (wait_for: {asked})"


def round_of(run: Run, visit: Visit, node: Loop, index: int, *, goes_on: bool) -> Round:
    if visit.items is not None:
        there = f"item {index + 1:,} of {len(visit.items):,}" if goes_on else "there are no more items"
        return Round(index, goes_on, there)
    seen = round_sees(run, visit, node, index)
    if seen is None or node.condition is None:
        return Round(index, goes_on, "`until` is asked after a round, not before the first")
    asked = test(node.condition, seen)
    if not goes_on and asked.held is None:
        return Round(index, goes_on, f"`{node.kind}` could not be worked out", asked)
    if not goes_on and asked.held is (node.kind == "while") and visit.limit is not None:
        return Round(index, goes_on, f"it has made its {visit.limit} rounds (max_iterations)", asked)
    return Round(index, goes_on, f"`{node.kind}` {outcome(asked)}", asked)


def unopened(node: Parallel, seen: Names) -> Iterator[Branch]:
    """The branches of a node that failed at one of their conditions, up to that."""
    for branch in node.branches:
        asked = None if branch.when is None else test(branch.when, seen)
        yield Branch(branch.to, asked is None or asked.held is True, asked)
        if asked is not None and asked.held is None:
            return
