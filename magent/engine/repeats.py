"""What a fork must not do again unasked: work with effects outside that the run it comes from has done, or begun. Pure.

`Run.repeats` lists it, `{visit, path, run, digest, done, output, tools}` each. Work is known again by its address, or
by what it does, wherever it is: items may have moved. Each is asked about once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.engine.company import Companies
from magent.engine.fold import Run
from magent.engine.likeness import digest, parts_of
from magent.engine.scopes import Scope
from magent.engine.visited import Visited
from magent.model import Task


def remembered(visit: Visited, path: str, run_id: str) -> dict[str, Any]:
    """A visit as the fork is to know of it. `path` is its address there."""
    done = visit.status == "completed"
    entry = {"visit": f"{run_id}/{visit.path}#{visit.ordinal}", "path": path, "run": run_id, "done": done}
    entry |= {"digest": visit.digest} if visit.digest else {}
    entry |= {"output": visit.output} if done else {}
    return entry | ({"tools": visit.tools} if visit.tools else {})


def repeated(run: Run, scope: Scope, companies: Companies) -> Mapping[str, Any] | None:
    """What was done before of what the visit at work in `scope`, or the one to be entered there, is about to do."""
    visit = scope.current
    node = scope.graph.nodes[scope.pending or ""] if visit is None else visit.node
    if not run.repeats or not isinstance(node, Task) or not (node.external or node.calls_out):
        return None
    path = scope.prefix + node.name
    found = next((each for each in run.repeats if each["path"] == path), None)
    if found is None:
        same = digest(parts_of(run, scope, node, companies))
        found = next((each for each in run.repeats if each.get("digest") == same), None)
    return found
