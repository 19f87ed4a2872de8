"""The lives of a run: from its start or a resume until it waits, is interrupted or over; a fork's begin anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.events import Event
from magent.spans import words
from magent.spans.ids import Trace, context_of
from magent.spans.span import Link, Span
from magent.spans.tree import Tree

_ENDS = {
    "run.waiting": "waiting",
    "run.interrupted": "interrupted",
    "run.completed": "completed",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
}
_FINAL = ("completed", "failed", "cancelled")


def started(tree: Tree, event: Event) -> None:
    data = event.data
    tree.begun = event.time
    tree.trace = Trace.of(data["run_id"], event.time, data.get("trace") or {})
    life = _begin(tree, event)
    life.content["input"] = data.get("inputs")


def resumed(tree: Tree, event: Event) -> None:
    abandon(tree)
    if tree.forked is None:
        _leave_out(tree, event.time)
    _begin(tree, event)


def _leave_out(tree: Tree, now: float) -> None:
    """Between the life before and this one nobody was at work."""
    gone = round(now - tree.last, 3)
    for visit in tree.visits.values() if gone > 0 else ():
        if not visit.span.waits:
            visit.span.gaps.append((tree.last, now))
            visit.span.moment("resumed", now, {"magent.gap": gone})


def _begin(tree: Tree, event: Event) -> Span:
    data, trace = event.data, tree.trace
    tree.agents.update(data.get("agents") or {})
    tree.lives += 1
    first, name = tree.lives == 1, tree.workflow.name
    parent = trace.parent if first else trace.span("life", 1)
    title = f"invoke_workflow {name}" if first else f"resume {name}"
    life = tree.life = Span(trace.span("life", tree.lives), parent, "life", title, "", event.seq, event.time)
    life.attributes = {
        words.OPERATION: "invoke_workflow",
        "gen_ai.workflow.name": name,
        words.AGENT: name,  # as later conventions call it
        "magent.workflow": name,
        "magent.run.id": trace.run_id,
        "magent.life": tree.lives,
    } | ({"process.pid": data["pid"]} if "pid" in data else {})
    if not first:
        life.links.append(Link(trace.id, trace.span("life", tree.lives - 1), "previous"))
    outside = context_of(data.get("trace")) if event.type == "run.resumed" else None
    if outside is not None and (outside.trace, outside.span) != (trace.id, trace.parent):
        life.links.append(Link(outside.trace, outside.span, "resumed_in"))
    _link_parent(tree, life)
    return life


def _link_parent(tree: Tree, life: Span) -> None:
    """The first life of a fork goes on with what was open in the run that it was forked from."""
    if tree.forked is None:
        return
    forked, tree.forked = tree.forked, None
    origin = Trace.of(forked["parent"], tree.begun, forked.get("trace") or {})
    life.links.append(Link(origin.id, origin.span("life", 1), "forked_from"))
    life.attributes["magent.forked_from"] = forked["parent"]
    for visit in tree.visits.values():
        visit.span.start, visit.span.parent = life.start, tree.parent_of(visit.span.path)
        if visit.wait is not None:
            visit.wait.start = life.start


def forked(tree: Tree, event: Event) -> None:
    """What stands before was done by another run."""
    tree.forked = event.data
    for visit in tree.visits.values():
        visit.attempt, visit.inner = None, []
        visit.span.moments.clear()
        visit.span.gaps.clear()
        visit.span.tokens, visit.span.cost = None, 0.0
    tree.life, tree.lives, tree.done = None, 0, []


def kept(tree: Tree, event: Event) -> None:
    if tree.life is not None:
        tree.life.moment("checkpoint", event.time, {"magent.upto": event.data["upto"]})


def ended(tree: Tree, event: Event) -> None:
    _end(tree, event.time, _ENDS[event.type], event.data)


def abandon(tree: Tree) -> None:
    """Nobody drives the run any more, though its last life has not said that it ended."""
    if tree.life is not None:
        _end(tree, tree.last, "interrupted", None)


def _end(tree: Tree, time: float, status: str, data: Mapping[str, Any] | None) -> None:
    for path, visit in list(tree.visits.items()):
        tree.end_attempt(visit, time, "interrupted" if status not in _FINAL else "cancelled")
        if status in _FINAL:
            tree.end_visit(path, time, "cancelled")
    life, tree.life = tree.life, None
    if life is None:
        return
    life.attributes["magent.status"] = status
    if data is not None:
        life.attributes |= {f"magent.{name}": data[name] for name in ("reason", "signal", "waited") if name in data}
        if "outputs" in data:
            life.content["output"] = data["outputs"]
    tree.end(life, time, status, data.get("error") if data else None)


HANDLERS = {
    "run.started": started,
    "run.resumed": resumed,
    "run.forked": forked,
    "checkpoint.kept": kept,
    **dict.fromkeys(_ENDS, ended),
}
