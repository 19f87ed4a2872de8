"""Visits of nodes: their attempts, the rounds of a loop, and the people who are asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.events import Event
from magent.spans import words
from magent.spans.model_calls import last_call
from magent.spans.tree import Tree, Visit

_OVER = ("completed", "failed", "skipped", "cancelled")


def started(tree: Tree, event: Event) -> None:
    data = event.data
    visit = tree.visit_of(event)
    if visit is None:
        visit = tree.open_visit(str(data["path"]), event, data.get("visit"))
    else:
        tree.end_attempt(visit, event.time, "interrupted")
        tree.end_wait(visit, event.time, "completed")
    if words.asks(visit.node) and visit.wait is None:
        tree.begin_wait(visit, event, data.get("ask") or {})
    if words.has_attempts(visit.node):
        tree.begin_attempt(visit, event, int(data.get("attempt", 1)))


def retry(tree: Tree, event: Event) -> None:
    data = event.data
    visit = tree.visit_of(event)
    if visit is None:
        return
    last_call(tree, visit, event)
    tree.end_attempt(visit, event.time, "failed", data.get("error"))
    told = {"magent.attempt": data.get("attempt", 1), "error.type": data["error"].get("type", "error")}
    told["magent.delay"] = round(max(0.0, data.get("at", event.time) - event.time), 3)
    visit.span.moment("retry", event.time, told)


def round_started(tree: Tree, event: Event) -> None:
    path = str(event.data["path"]).rpartition("[")[0]
    visit = tree.visits.get(path) or tree.open_visit(path, event)
    visit.span.moment("round", event.time, {"magent.round": event.data["index"]})


def waiting(tree: Tree, event: Event) -> None:
    visit = tree.visit_of(event) or tree.open_visit(str(event.data["path"]), event)
    if "ask" in event.data and visit.wait is None:
        tree.begin_wait(visit, event, event.data["ask"])


def answered(tree: Tree, event: Event) -> None:
    visit = tree.visit_of(event)
    if visit is not None:
        _answer(tree, visit, event.time, event.data["answer"])


def _answer(tree: Tree, visit: Visit, time: float, answer: Mapping[str, Any]) -> None:
    if visit.wait is None:
        return
    told = {f"magent.answer.{name}": str(answer[name]) for name in ("via", "by") if answer.get(name)}
    visit.wait.moment("answer", time, told)
    visit.wait.content["output"] = answer
    tree.end_wait(visit, time, "completed")


def over(tree: Tree, event: Event) -> None:
    data, what = event.data, event.type.partition(".")[2]
    path = str(data["path"])
    visit = tree.visits.get(path)
    if visit is None:
        if what == "cancelled" or words.tells_nothing(tree.places.node(path)):
            return
        visit = tree.open_visit(path, event)
    last_call(tree, visit, event)
    tree.end_attempt(visit, event.time, what, data.get("error"))
    if isinstance(data.get("output"), Mapping) and words.asks(visit.node):
        _answer(tree, visit, event.time, data["output"])
    _tell(visit, event)
    tree.end_visit(path, event.time, what, data.get("error"))


def _tell(visit: Visit, event: Event) -> None:
    data, span = event.data, visit.span
    if "output" in data:
        span.content["output"] = data["output"]
    span.attributes |= {f"magent.{name}": data[name] for name in ("agent", "role", "cut", "timed_out") if name in data}
    if "caught" in data:
        span.attributes["magent.caught"] = data["caught"]
    if "next" in data:
        taken = {"magent.next": data["next"] or "end"} | ({"magent.loop_back": True} if "loop" in data else {})
        span.moment("route", event.time, taken)


HANDLERS = {
    "visit.started": started,
    "visit.retry": retry,
    "round.started": round_started,
    "visit.waiting": waiting,
    "visit.answered": answered,
    **{f"visit.{what}": over for what in _OVER},
}
