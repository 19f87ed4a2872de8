"""How a visit ends: which way it went, or why it failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.engine import conclude
from magent.engine.fold import Run
from magent.engine.joins import composite_output
from magent.engine.scopes import Scope, Visit
from magent.engine.view import names
from magent.events import Event, Failure
from magent.explained.begins import round_of, unopened
from magent.explained.edges import by_switch, edges_of, end_of, tried, way_of, ways_of
from magent.explained.told import Explained, Way
from magent.explained.values import Names
from magent.model import Choice, HumanInput, Loop, Node, Parallel, Prompt, Task
from magent.state import BadWrite


def _completes(run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> None:
    data, visit = event.data, scope.current
    if data.get("status") == "failed":
        told.error = data["error"]
    if visit is not None and isinstance(node, Loop):
        told.rounds.append(round_of(run, visit, node, visit.index + 1, goes_on=False))
    if visit is not None and isinstance(node, Parallel):
        told.notes.append(_came(visit, data))
    if isinstance(node, HumanInput) and isinstance(data.get("output"), Mapping):
        told.notes.append(answered(data["output"]))
    ways_of(told, scope, node, event, _seen(run, scope, node, event))


def _seen(run: Run, scope: Scope, node: Node, event: Event) -> Names | None:
    """The names as the edges saw them; None where there was nothing to decide."""
    if isinstance(node, Choice):
        return names(run, scope)
    if not conclude.chooses(node):
        return None
    data, visit = event.data, scope.current
    composite = visit is not None and isinstance(node, (Parallel, Loop))
    output = composite_output(visit) if composite and visit is not None else data.get("output")
    preview, seen = conclude.after(run, scope, node, event.time, data, output)
    for name, value in data.get("set", {}).items():
        preview.write(name, value)
    return seen


def _came(visit: Visit, data: Mapping[str, Any]) -> str:
    left = len(visit.children) - visit.successes - visit.failures
    facts = [f"{visit.successes:,} ended well"]
    facts += [f"{visit.failures:,} failed"] if visit.failures else []
    facts += [f"{left:,} {'not done in time' if 'timed_out' in data else 'not waited for'}"] if left else []
    return ", ".join(facts)


def said(error: Mapping[str, Any]) -> str:
    return f"{error.get('type', 'error')}: {error.get('message', '')}"


def answered(answer: Mapping[str, Any]) -> str:
    by = f" by {answer['by']}" if answer.get("by") else ""
    return f"answered{by} ({answer.get('via') or 'unknown'})"


def _skipped(_run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> None:
    told.next = event.data.get("next")
    aside = "a skipped node follows the edge without `when`"
    taken = False
    for edge in node.next:
        takes = not taken and edge.kind == "normal" and edge.target == told.next
        taken = taken or takes
        told.ways.append(way_of(edge, "taken" if takes else "passed", aside))
    if not node.next:
        told.ways.append(end_of(scope))


def _fails(run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> None:
    data, visit = event.data, scope.current
    told.error = data["error"]
    if visit is None and (told.when is None or told.when.held) and isinstance(node, Parallel) and not node.body:
        told.branches = list(unopened(node, names(run, scope)))
    if visit is not None and isinstance(node, Parallel):
        told.notes.append(_came(visit, data))
    if visit is not None and isinstance(node, Loop) and not any(child.failure for child in visit.children):
        told.rounds.append(round_of(run, visit, node, visit.index + 1, goes_on=False))
    if isinstance(node, HumanInput) and isinstance(data.get("output"), Mapping):
        told.notes.append(answered(data["output"]))
    first, second = _errors(node, data)
    told.decisions += _led_nowhere(node, first)
    told.ways = list(_fared(run, told, scope, node, event, first))
    if node.on_error.action != "fail" and first.get("type") != "limit":
        told.missed = told.ways
        _on_error(run, told, scope, node, event, first, second)


def _led_nowhere(node: Node, error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The decision of a `route` that no role fits: it stands in the error alone."""
    found = error.get("data")
    routes = isinstance(node, Task) and isinstance(node.work, Prompt) and node.work.route is not None
    if routes and isinstance(found, Mapping) and isinstance(found.get("candidates"), list):
        yield {"what": "route", **dict.fromkeys(("role", "agent", "by", "task", "skills")), "decision": found}


Told = Mapping[str, Any]


def _errors(node: Node, data: Told) -> tuple[Told, Told | None]:
    """What the visit failed with; and what it failed with again where `on_error` had it go on, if it did."""
    error = data["error"]
    before = error.get("data")
    if "caught" in data or node.on_error.action == "fail" or not isinstance(before, Mapping):
        return error, None
    again = {"type", "message", "node"} <= before.keys() and error.get("type") in ("no_route", "condition", "value")
    return (before, error) if again else (error, None)


def _on_error(
    run: Run, told: Explained, scope: Scope, node: Node, event: Event, first: Told, second: Told | None
) -> None:
    """The edges that `on_error` takes: those of `next` once more, with null as the output, or its own."""
    edge = node.on_error.edge
    action = "continue" if edge is None else "loop_back" if edge.kind == "loop_back" else "goto"
    seen = conclude.after_failure(run, scope, node, Failure.from_json(first), event.time)
    ways_of(told, scope, node, event, seen, conclude.caught_edges(node))
    if "caught" in event.data:
        told.on_error = f"`on_error: {action}` took the failure"
    elif second is not None:
        told.on_error = f"`on_error: {action}` took the failure ({said(first)}), but then {said(second)}"
    else:
        told.on_error = f"`on_error: {action}` could not take the failure"


def _fared(run: Run, told: Explained, scope: Scope, node: Node, event: Event, error: Told) -> Iterator[Way]:
    """How its edges fared where its work was done and it failed at them: they are asked again, and believed where they
    give what is recorded. Of an older journal, which does not have what they saw, the error tells it."""
    found = _asked_again(run, told, scope, node, event, error)
    if found:
        yield from found
        return
    told.switch = None
    at_edges = error.get("type") == "no_route"
    told.exact = not at_edges
    why = "did not hold: the error has the values" if at_edges else "the visit failed before its edges were looked at"
    yield from (way_of(edge, "refused" if at_edges else "passed", why) for edge in edges_of(node))


def _asked_again(run: Run, told: Explained, scope: Scope, node: Node, event: Event, error: Told) -> list[Way]:
    """Nothing where the edges do not fail as the error says."""
    if error.get("type") not in ("no_route", "condition", "value") or (told.when is not None and not told.when.held):
        return []
    if node.set and "set" not in event.data:
        return []
    try:
        seen = _seen(run, scope, node, event)
    except BadWrite:  # of branches: they failed before any edge
        return []
    if seen is None:
        return []
    cases = isinstance(node, Choice) and node.switch is not None
    ways = list(by_switch(told, scope, node, seen) if cases else tried(scope, node, edges_of(node), seen))
    if error["type"] == "no_route":
        return ways if all(way.state == "refused" for way in ways) else []
    message = str(error.get("message"))
    failed = [way.why for way in ways if way.state == "failed"] + [told.switch.error if told.switch else None]
    return ways if any(why and why in message for why in failed) else []


ENDINGS = {"visit.completed": _completes, "visit.skipped": _skipped, "visit.failed": _fails}
