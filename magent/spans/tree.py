"""The spans under way, each within another, and those that are over: what a run's events are folded into.

Here they only begin and end; what they are told in between is said where their events are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.events import Event
from magent.model import Node, Workflow
from magent.spans import words
from magent.spans.ids import Trace
from magent.spans.places import Places
from magent.spans.span import Span

_COMMON = ("magent.workflow", "magent.node", "magent.path")


@dataclass(slots=True)
class Visit:
    """One at work. `inner`: tool calls and delegations under way in its attempt, each within the one before it."""

    span: Span
    node: Node | None
    attempt: Span | None = None
    wait: Span | None = None
    inner: list[tuple[str, Span]] = field(default_factory=list)
    latest: tuple[float, int] = (0.0, 0)  # when something within the attempt was over last, and the event that said so

    @property
    def common(self) -> dict[str, Any]:
        """What each span in it is told of it."""
        return {name: self.span.attributes[name] for name in _COMMON}


@dataclass(slots=True)
class Tree:
    """One run's."""

    workflow: Workflow
    trace: Trace = field(default_factory=lambda: Trace("", ""))
    life: Span | None = None
    lives: int = 0
    begun: float = 0.0
    last: float = 0.0  # when somebody was seen at work last
    forked: Mapping[str, Any] | None = None  # from whom, until a life of its own begins
    agents: dict[str, str] = field(default_factory=dict)  # models that the run was given, by agent
    visits: dict[str, Visit] = field(default_factory=dict)
    done: list[Span] = field(default_factory=list)
    places: Places = field(init=False)
    _ids: dict[str, str] = field(default_factory=dict)  # of the latest visit of a composite node, by address

    def __post_init__(self) -> None:
        self.places = Places(self.workflow)

    def open(self) -> list[Span]:
        found = [] if self.life is None else [self.life]
        for visit in self.visits.values():
            found += [visit.span, *filter(None, (visit.wait, visit.attempt)), *(span for _, span in visit.inner)]
        return found

    def visit_of(self, event: Event) -> Visit | None:
        return self.visits.get(str(event.data["path"]))

    def words_of(self, agent: str, path: str) -> dict[str, Any]:
        return self.places.agent_words(agent, path, self.agents)

    def end(self, span: Span, time: float, status: str, error: Mapping[str, Any] | None = None) -> None:
        span.end, span.status, span.error = max(span.start, time), status, error
        if span.gaps:
            span.attributes["magent.worked"] = span.worked
        if error:
            span.attributes["error.type"] = str(error.get("type", "error"))
        self.done.append(span)

    # ---- visits

    def open_visit(self, path: str, event: Event, number: int | None = None) -> Visit:
        node, name = self.places.node(path), path.rpartition("/")[2]
        id = self.trace.span(event.seq, path)
        span = Span(id, self.parent_of(path, event), "visit", name, path, event.seq, event.time)
        span.attributes = {
            "magent.workflow": self.workflow.name,
            "magent.node": name,
            "magent.node.type": words.type_of(node),
            "magent.path": path,
        } | ({"magent.visit": number} if number is not None else {})
        items = event.data.get("items")
        if isinstance(items, list):
            span.attributes["magent.items"] = len(items)
        if "inputs" in event.data:  # of a subgraph
            span.content["input"] = event.data["inputs"]
        visit = self.visits[path] = Visit(span, node, latest=(event.time, event.seq))
        if words.is_composite(node):
            self._ids[path] = id
        return visit

    def parent_of(self, path: str, event: Event | None = None) -> str | None:
        """The span that a visit at this address is in. A composite one that a life goes on with, though it had failed,
        begins again with the first thing that happens in it."""
        owner = self.places.owner(path)
        if not owner:
            return self.life.id if self.life is not None else self.trace.span("life", max(1, self.lives))
        if owner in self.visits:
            return self.visits[owner].span.id
        if event is not None and self.life is not None:
            return self.open_visit(owner, event).span.id
        return self._ids.get(owner, self.trace.span("life", 1))

    def around(self, path: str) -> Iterator[Span]:
        """The composite visits at work around the one at this address, inner ones first."""
        while path := self.places.owner(path):
            if path in self.visits:
                yield self.visits[path].span

    def end_visit(self, path: str, time: float, status: str, error: Mapping[str, Any] | None = None) -> None:
        visit = self.visits.pop(path)
        self.end_wait(visit, time, status)
        visit.span.attributes["magent.status"] = status
        self.end(visit.span, time, status, error)

    # ---- in a visit: waits for a person, attempts

    def begin_wait(self, visit: Visit, event: Event, question: Mapping[str, Any]) -> None:
        path = visit.span.path
        id = self.trace.span(event.seq, path, "wait")
        visit.wait = Span(id, visit.span.id, "wait", "wait for a person", path, event.seq, event.time)
        told = {"magent.input": question.get("input"), "magent.assignee": question.get("assignee")}
        visit.wait.attributes = visit.common | {name: value for name, value in told.items() if value is not None}
        visit.wait.content["input"] = question.get("prompt")

    def end_wait(self, visit: Visit, time: float, status: str) -> None:
        if visit.wait is not None:
            wait, visit.wait = visit.wait, None
            wait.attributes["magent.status"] = status
            self.end(wait, time, status)

    def begin_attempt(self, visit: Visit, event: Event, number: int) -> None:
        outer = visit.span
        title = f"attempt {outer.name}"
        span = Span(self.trace.span(event.seq), outer.id, "attempt", title, outer.path, event.seq, event.time)
        span.attributes = {**outer.attributes, "magent.attempt": number}
        session = words.session(visit.node)
        if session:
            talk = self.places.conversation(outer.path, session)
            span.attributes[words.CONVERSATION] = f"{self.trace.run_id}/{talk}"
        visit.attempt, visit.latest, visit.inner = span, (event.time, event.seq), []

    def end_attempt(self, visit: Visit, time: float, status: str, error: Mapping[str, Any] | None = None) -> None:
        for _, span in reversed(visit.inner):
            self.end(span, time, "interrupted" if status in ("completed", "failed") else status)
        visit.inner = []
        if visit.attempt is not None:
            attempt, visit.attempt = visit.attempt, None
            attempt.attributes["magent.status"] = status
            self.end(attempt, time, status, error)

    # ---- in an attempt: calls of tools, subtasks, each within another

    def begin_inner(
        self, visit: Visit, around: Span, event: Event, key: str, kind: str, name: str, told: dict[str, Any]
    ) -> Span:
        id = self.trace.span(event.seq)
        span = Span(id, around.id, kind, name, visit.span.path, event.seq, event.time)
        span.attributes = visit.common | told
        visit.inner.append((key, span))
        return span

    def end_inner(self, event: Event, key: str) -> None:
        """With what is still open within it."""
        visit = self.visit_of(event)
        if visit is None or key not in (each for each, _ in visit.inner):
            return
        error = event.data.get("error")
        at = max(at for at, (each, _) in enumerate(visit.inner) if each == key)
        span = visit.inner.pop(at)[1]
        self._end_all_within(visit, span, event.time)
        if "output" in event.data:
            span.content["output"] = event.data["output"]
        visit.latest = (event.time, event.seq)
        self.end(span, event.time, "failed" if error else "completed", error)

    def _end_all_within(self, visit: Visit, outer: Span, time: float) -> None:
        within, left = {outer.id}, []
        for key, span in visit.inner:
            if span.parent in within:
                within.add(span.id)
                self.end(span, time, "interrupted")
            else:
                left.append((key, span))
        visit.inner = left


def around(visit: Visit, event: Event) -> Span:
    """The span at work in a visit that an event belongs to: the subtask that it names, the call that it is a step of;
    a subtask is in the call that handed it over."""
    data, base = event.data, visit.attempt or visit.span
    if event.type == "delegation.started":
        return visit.inner[-1][1] if visit.inner else base
    delegation = data.get("delegation")
    if delegation is not None:
        base = next((span for key, span in visit.inner if key == delegation), base)
    if "chain" in data and event.type.startswith("tool."):
        calls = [span for _, span in reversed(visit.inner) if span.kind == "tool"]
        named = (span for span in calls if span.attributes[words.TOOL] == data["chain"])
        nested = isinstance(data.get("step"), str)  # its chain is a step of the one that was called
        return next(named, calls[0] if calls and nested else base)
    return base
