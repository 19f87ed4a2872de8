"""From the events of a run to its spans: life → visit → attempt → model call, tool call, delegation, span of its own
code; a visit also waits for a person. Pure: the same events always give the same spans, taken in all at once or as
they happen.

What was open when a life ended without a word ended with the last event that anybody recorded in it. Of a run that was
forked from another, only what it did itself is in its trace, which links to the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from magent.events import Event
from magent.model import Graph, Node, Subgraph, Workflow
from magent.spans import words
from magent.spans.ids import Trace, context_of
from magent.spans.span import Link, Moment, Span

_OVER = ("completed", "failed", "skipped", "cancelled")
_LIFE_ENDS = {
    "run.waiting": "waiting",
    "run.interrupted": "interrupted",
    "run.completed": "completed",
    "run.failed": "failed",
    "run.cancelled": "cancelled",
}
_FINAL = ("completed", "failed", "cancelled")


class Reading(NamedTuple):
    """The spans of a run: `finished` in the order in which they ended, then those that are `open`, outer ones first."""

    trace: Trace
    finished: list[Span]
    open: list[Span]

    @property
    def spans(self) -> list[Span]:
        return [*self.finished, *self.open]


def read(
    workflow: Workflow,
    events: Iterable[Event],
    *,
    alive: bool = True,
    asked: Callable[[Event], tuple[str, str | None] | None] | None = None,
) -> Reading:
    """`alive` False: nobody drives the run, so what seems to run was interrupted. `asked` gives the prompt, and what
    the agent is told beside it, of the attempt that begins with an event. Raises KeyError, TypeError or ValueError
    where the events are none of a run's."""
    reader = Reader(workflow)
    finished: list[Span] = []
    for event in events:
        reader.take(event)
        if asked is not None and (told := asked(event)) is not None:
            reader.asked(event, *told)
        if event.type == "run.forked":
            finished.clear()
        else:
            finished += reader.drain()
    if not alive:
        reader.abandon()
        finished += reader.drain()
    return Reading(reader.trace, finished, reader.open())


@dataclass(slots=True)
class _Visit:
    """One at work. `inner`: tool calls and delegations under way in its attempt, each within the one before it."""

    span: Span
    node: Node | None
    attempt: Span | None = None
    wait: Span | None = None
    inner: list[tuple[str, Span]] = field(default_factory=list)
    latest: tuple[float, int] = (0.0, 0)  # when something within the attempt was over last, and the event that said so


class Reader:
    """Takes a run's events one by one; `drain` gives the spans that are over since it was asked last."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.trace = Trace("", "")
        self.life: Span | None = None
        self._lives = 0
        self._last = 0.0  # when somebody was seen at work last
        self._agents: dict[str, str] = {}  # models that the run was given, by agent
        self._forked: Mapping[str, Any] | None = None
        self._begun = 0.0
        self._visits: dict[str, _Visit] = {}
        self._ids: dict[str, str] = {}  # of the latest visit of a composite node, by address
        self._places: dict[str, Graph] = {}
        self._done: list[Span] = []

    def take(self, event: Event) -> None:
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event)
        elif event.type in _LIFE_ENDS:
            self._life_ended(event)
        if event.type != "visit.answered":  # which can come while nobody drives the run
            self._last = event.time

    def asked(self, event: Event, prompt: str, system: str | None) -> None:
        """What the agent is asked in the attempt that begins with the event, which was taken."""
        visit = self._visits.get(str(event.data["path"]))
        if visit is not None and visit.attempt is not None:
            visit.attempt.content |= {"input": prompt} | ({"system": system} if system else {})

    def drain(self) -> list[Span]:
        done, self._done = self._done, []
        return done

    def open(self) -> list[Span]:
        found = [] if self.life is None else [self.life]
        for visit in self._visits.values():
            found += [visit.span, *filter(None, (visit.wait, visit.attempt)), *(span for _, span in visit.inner)]
        return found

    def abandon(self) -> None:
        """Nobody drives the run any more, though its last life has not said that it ended."""
        if self.life is not None:
            self._end_life(self._last, "interrupted", None)

    def _end(self, span: Span, time: float, status: str, error: Mapping[str, Any] | None = None) -> None:
        span.end, span.status, span.error = max(span.start, time), status, error
        if error:
            span.attributes["error.type"] = str(error.get("type", "error"))
        self._done.append(span)

    # ---- lives

    def _started(self, event: Event) -> None:
        data = event.data
        self._begun = event.time
        self.trace = Trace.of(data["run_id"], event.time, data.get("trace") or {})
        self._begin_life(event)
        assert self.life is not None
        self.life.content["input"] = data.get("inputs")

    def _resumed(self, event: Event) -> None:
        self.abandon()
        self._begin_life(event)

    def _begin_life(self, event: Event) -> None:
        data, trace = event.data, self.trace
        self._agents.update(data.get("agents") or {})
        self._lives += 1
        first, name = self._lives == 1, self.workflow.name
        parent = trace.parent if first else trace.span("life", 1)
        title = f"invoke_workflow {name}" if first else f"resume {name}"
        self.life = Span(trace.span("life", self._lives), parent, "life", title, "", event.seq, event.time)
        self.life.attributes = {
            words.OPERATION: "invoke_workflow",
            "gen_ai.workflow.name": name,
            "magent.workflow": name,
            "magent.run.id": data["run_id"] if "run_id" in data else trace.seed.rpartition("@")[0],
            "magent.life": self._lives,
        } | ({"process.pid": data["pid"]} if "pid" in data else {})
        if not first:
            self.life.links.append(Link(trace.id, trace.span("life", self._lives - 1), "previous"))
        around = context_of(data.get("trace")) if event.type == "run.resumed" else None
        if around is not None and (around.trace, around.span) != (trace.id, trace.parent):
            self.life.links.append(Link(around.trace, around.span, "resumed_in"))
        self._link_parent()

    def _link_parent(self) -> None:
        if self._forked is None or self.life is None:
            return
        forked, self._forked = self._forked, None
        origin = Trace.of(forked["parent"], self._begun, forked.get("trace") or {})
        self.life.links.append(Link(origin.id, origin.span("life", 1), "forked_from"))
        self.life.attributes["magent.forked_from"] = forked["parent"]
        for visit in self._visits.values():
            visit.span.start, visit.span.parent = self.life.start, self._parent_of(visit.span.path)
            if visit.wait is not None:
                visit.wait.start = self.life.start

    def _life_ended(self, event: Event) -> None:
        self._end_life(event.time, _LIFE_ENDS[event.type], event.data)

    def _end_life(self, time: float, status: str, data: Mapping[str, Any] | None) -> None:
        for path, visit in list(self._visits.items()):
            self._end_attempt(visit, time, "interrupted" if status not in _FINAL else "cancelled")
            if status in _FINAL:
                self._end_visit(path, time, "cancelled")
        life, self.life = self.life, None
        if life is None:
            return
        life.attributes["magent.status"] = status
        if data is not None:
            life.attributes |= {f"magent.{name}": data[name] for name in ("reason", "signal", "waited") if name in data}
            if "outputs" in data:
                life.content["output"] = data["outputs"]
        self._end(life, time, status, data.get("error") if data else None)

    def _forked_here(self, event: Event) -> None:
        """What stands before was done by another run."""
        self._forked = event.data
        for visit in self._visits.values():
            visit.attempt, visit.inner = None, []
            visit.span.moments.clear()
            visit.span.tokens, visit.span.cost = None, 0.0
        self.life, self._lives, self._done = None, 0, []

    def _kept(self, event: Event) -> None:
        if self.life is not None:
            self.life.moments.append(Moment("checkpoint", event.time, {"magent.upto": event.data["upto"]}))

    # ---- visits

    def _visit_started(self, event: Event) -> None:
        data = event.data
        path = str(data["path"])
        visit = self._visits.get(path)
        if visit is None:
            visit = self._open_visit(path, event, data.get("visit"))
        else:
            self._end_attempt(visit, event.time, "interrupted")
            self._end_wait(visit, event.time, "completed")
        if words.asks(visit.node) and visit.wait is None:
            self._begin_wait(visit, event, data.get("ask") or {})
        if words.has_attempts(visit.node):
            self._begin_attempt(visit, event, int(data.get("attempt", 1)))

    def _open_visit(self, path: str, event: Event, number: int | None = None) -> _Visit:
        above, _, name = path.rpartition("/")
        node = self._graph(above).nodes.get(name)
        id = self.trace.span(event.seq, path)
        span = Span(id, self._parent_of(path, event), "visit", name, path, event.seq, event.time)
        span.attributes = {
            "magent.workflow": self.workflow.name,
            "magent.node": name,
            "magent.node.type": words.type_of(node),
            "magent.path": path,
        } | ({"magent.visit": number} if number is not None else {})
        items = event.data.get("items")
        if isinstance(items, list):
            span.attributes["magent.items"] = len(items)
        visit = self._visits[path] = _Visit(span, node, latest=(event.time, event.seq))
        if words.is_composite(node):
            self._ids[path] = id
        return visit

    def _parent_of(self, path: str, event: Event | None = None) -> str | None:
        """The span that a visit at this address is in. A composite one that a life goes on with, though it had failed,
        begins again with the first thing that happens in it."""
        owner = self._owner(path)
        if not owner:
            return self.life.id if self.life is not None else self.trace.span("life", max(1, self._lives))
        if owner in self._visits:
            return self._visits[owner].span.id
        if event is not None and self.life is not None:
            return self._open_visit(owner, event).span.id
        return self._ids.get(owner, self.trace.span("life", 1))

    def _owner(self, path: str) -> str:
        """The address of the visit that the one at this address is in; "" for none."""
        above, _, name = path.rpartition("/")
        graph = self._graph(above)
        node = graph.nodes.get(name)
        if node is None:
            return above.rpartition("[")[0] if above.endswith("]") else above
        return words.around(graph, node, above)

    def _around(self, path: str) -> Iterator[Span]:
        """The composite visits at work around the one at this address, inner ones first."""
        while path := self._owner(path):
            if path in self._visits:
                yield self._visits[path].span

    def _graph(self, above: str) -> Graph:
        """The graph that the nodes under an address are of."""
        found = self._places.get(above)
        if found is None:
            outer, _, last = above.rpartition("/")
            found = self._graph(outer) if above else self.workflow.graph
            node = found.nodes.get(last) if above else None
            if isinstance(node, Subgraph):
                found = self.workflow.graphs[node.uses]
            if not above.endswith("]"):  # items and rounds are many, and in the graph of their node
                self._places[above] = found
        return found

    def _visit_over(self, event: Event) -> None:
        data, what = event.data, event.type.partition(".")[2]
        path = str(data["path"])
        visit = self._visits.get(path)
        if visit is None:
            if what == "cancelled" or self._is_nothing(path):
                return
            visit = self._open_visit(path, event)
        self._last_call(visit, event)
        if visit.attempt is not None and isinstance(data.get("session"), Mapping):
            run_id = self.trace.seed.rpartition("@")[0]
            visit.attempt.attributes["gen_ai.conversation.id"] = f"{run_id}/{data['session'].get('name')}"
        self._end_attempt(visit, event.time, what, data.get("error"))
        if isinstance(data.get("output"), Mapping) and words.asks(visit.node):
            self._answer(visit, event.time, data["output"])
        span = visit.span
        if "output" in data:
            span.content["output"] = data["output"]
        span.attributes |= {f"magent.{name}": data[name] for name in ("agent", "role", "cut") if name in data}
        if "caught" in data:
            span.attributes["magent.caught"] = data["caught"]
        if "next" in data:
            taken = {"magent.next": data["next"] or "end"} | ({"magent.loop_back": True} if "loop" in data else {})
            span.moments.append(Moment("route", event.time, taken))
        self._end_visit(path, event.time, what, data.get("error"))

    def _is_nothing(self, path: str) -> bool:
        above, _, name = path.rpartition("/")
        return words.tells_nothing(self._graph(above).nodes.get(name))

    def _end_visit(self, path: str, time: float, status: str, error: Mapping[str, Any] | None = None) -> None:
        visit = self._visits.pop(path)
        self._end_wait(visit, time, status)
        visit.span.attributes["magent.status"] = status
        self._end(visit.span, time, status, error)

    def _retry(self, event: Event) -> None:
        data = event.data
        visit = self._visits.get(str(data["path"]))
        if visit is None:
            return
        self._last_call(visit, event)
        self._end_attempt(visit, event.time, "failed", data.get("error"))
        told = {"magent.attempt": data.get("attempt", 1), "error.type": data["error"].get("type", "error")}
        told["magent.delay"] = round(max(0.0, data.get("at", event.time) - event.time), 3)
        visit.span.moments.append(Moment("retry", event.time, told))

    def _round(self, event: Event) -> None:
        path = str(event.data["path"]).rpartition("[")[0]
        visit = self._visits.get(path) or self._open_visit(path, event)
        visit.span.moments.append(Moment("round", event.time, {"magent.round": event.data["index"]}))

    # ---- people

    def _begin_wait(self, visit: _Visit, event: Event, question: Mapping[str, Any]) -> None:
        path = visit.span.path
        id = self.trace.span(event.seq, path, "wait")
        visit.wait = Span(id, visit.span.id, "wait", "wait for a person", path, event.seq, event.time)
        told = {"magent.input": question.get("input"), "magent.assignee": question.get("assignee")}
        common = {name: visit.span.attributes[name] for name in ("magent.workflow", "magent.node", "magent.path")}
        visit.wait.attributes = common | {name: value for name, value in told.items() if value is not None}
        visit.wait.content["input"] = question.get("prompt")

    def _waiting(self, event: Event) -> None:
        visit = self._visits.get(str(event.data["path"])) or self._open_visit(str(event.data["path"]), event)
        if "ask" in event.data and visit.wait is None:
            self._begin_wait(visit, event, event.data["ask"])

    def _answered(self, event: Event) -> None:
        visit = self._visits.get(str(event.data["path"]))
        if visit is not None:
            self._answer(visit, event.time, event.data["answer"])

    def _answer(self, visit: _Visit, time: float, answer: Mapping[str, Any]) -> None:
        if visit.wait is None:
            return
        told = {f"magent.answer.{name}": str(answer[name]) for name in ("via", "by") if answer.get(name)}
        visit.wait.moments.append(Moment("answer", time, told))
        visit.wait.content["output"] = answer
        self._end_wait(visit, time, "completed")

    def _end_wait(self, visit: _Visit, time: float, status: str) -> None:
        if visit.wait is not None:
            wait, visit.wait = visit.wait, None
            wait.attributes["magent.status"] = status
            self._end(wait, time, status)

    # ---- attempts, and what happens in them

    def _begin_attempt(self, visit: _Visit, event: Event, number: int) -> None:
        outer = visit.span
        kind = outer.attributes["magent.node.type"]
        title = f"attempt {outer.name}"
        span = Span(self.trace.span(event.seq), outer.id, "attempt", title, outer.path, event.seq, event.time)
        span.attributes = {**outer.attributes, "magent.attempt": number}
        if kind == "prompt":
            span.attributes[words.OPERATION] = "invoke_agent"
        visit.attempt, visit.latest, visit.inner = span, (event.time, event.seq), []

    def _end_attempt(self, visit: _Visit, time: float, status: str, error: Mapping[str, Any] | None = None) -> None:
        for _, span in reversed(visit.inner):
            self._end(span, time, "interrupted" if status in ("completed", "failed") else status)
        visit.inner = []
        if visit.attempt is not None:
            attempt, visit.attempt = visit.attempt, None
            attempt.attributes["magent.status"] = status
            self._end(attempt, time, status, error)

    def _within(self, event: Event) -> tuple[_Visit, Span] | None:
        """The visit that an event is of, and the span in it that the event belongs to."""
        visit = self._visits.get(str(event.data["path"]))
        return None if visit is None else (visit, _around(visit, event))

    def _moment(self, event: Event) -> None:
        found = self._within(event)
        if found is not None:
            found[1].moments.append(Moment(*_MOMENTS[event.type](event)))

    def _replied(self, event: Event) -> None:
        found = self._within(event)
        if found is None:
            return
        visit, span = found
        self._last_call(visit, event)
        if "faults" in event.data:
            told = {"magent.faults": [str(fault) for fault in event.data["faults"]]}
            span.moments.append(Moment("repair", event.time, told))

    def _fell_back(self, event: Event) -> None:
        found = self._within(event)
        if found is not None:
            self._last_call(found[0], event, event.data["error"])
            self._moment(event)

    def _spent(self, event: Event) -> None:
        visit = self._visits.get(str(event.data["path"]))
        if visit is not None:
            self._last_call(visit, event, {"type": "cancelled", "message": "it was called off"})

    def _last_call(self, visit: _Visit, event: Event, error: Mapping[str, Any] | None = None) -> None:
        """The call of a model that the event tells the end of, if it does. An older journal does not say when it began:
        with what was over before it."""
        data = event.data
        call = data.get("model_call") or {}
        tokens = data.get("tokens")
        if not tokens and not call:
            return
        around = _around(visit, event)
        agent = str(call.get("agent") or data.get("agent") or "")
        asked = self._words_of(agent, visit.span.path)
        model = asked.get(words.REQUEST_MODEL) or data.get("model")
        start = min(event.time, max(visit.span.start, call.get("at", max(visit.latest[0], around.start))))
        end = min(event.time, start + call["took"]) if "took" in call else event.time
        name = f"chat {model}" if model else "chat"
        span = Span(
            self.trace.span(event.seq, "model"), around.id, "model", name, visit.span.path, visit.latest[1], start
        )
        common = {each: visit.span.attributes[each] for each in ("magent.workflow", "magent.node", "magent.path")}
        span.attributes = common | {words.OPERATION: "chat", **asked}
        if data.get("model"):
            span.attributes[words.RESPONSE_MODEL] = data["model"]
        if data.get("cut") is True:
            span.attributes["gen_ai.response.finish_reasons"] = ["length"]
        if "first" in call:
            span.attributes["gen_ai.response.time_to_first_chunk"] = call["first"]
        self._spend(visit, span, tokens, data)
        if "text" in data or "output" in data:
            span.content["output"] = data.get("text", data.get("output"))
        if around.kind in ("attempt", "delegation"):
            span.content |= {name: around.content[name] for name in ("input", "system") if name in around.content}
        failure = error or (data.get("error") if call.get("failed") else None)
        self._name_agent(around, agent, data, asked)
        visit.latest = (end, event.seq)
        self._end(span, end, "failed" if failure else "completed", failure)

    def _spend(self, visit: _Visit, span: Span, tokens: Mapping[str, Any] | None, data: Mapping[str, Any]) -> None:
        if not tokens:
            return
        cost = data.get("cost")
        inner = (inner for _, inner in visit.inner)
        outer = self._around(visit.span.path)
        for each in (span, *inner, visit.attempt, visit.span, *outer, self.life):
            if each is not None:
                each.spend(tokens, cost)
        span.attributes |= {words.INPUT_TOKENS: tokens["input"], words.OUTPUT_TOKENS: tokens["output"]}
        if cost is not None:
            span.attributes[words.COST] = cost
        if data.get("estimated"):
            span.attributes["magent.estimated"] = True

    def _words_of(self, agent: str, path: str) -> dict[str, Any]:
        graph = self._graph(path.rpartition("/")[0])
        spec = graph.agents.get(agent) or self.workflow.graph.agents.get(agent)
        instead = self._agents.get(agent)
        if instead is not None and instead in graph.agents:
            spec, instead = graph.agents[instead], None
        return words.agent_words(agent, spec, instead)

    @staticmethod
    def _name_agent(span: Span, agent: str, data: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        """An attempt is known as its agent's once that is."""
        if span.kind != "attempt" or words.AGENT in span.attributes or not agent:
            return
        span.name = f"invoke_agent {agent}"
        span.attributes |= {words.AGENT: agent, words.PROVIDER: asked[words.PROVIDER]}
        if "role" in data:
            span.attributes["magent.role"] = data["role"]

    # ---- tools, subtasks, spans of one's own

    def _begin_inner(self, event: Event, key: str, kind: str, name: str, attributes: dict[str, Any]) -> Span | None:
        found = self._within(event)
        if found is None:
            return None
        visit, around = found
        id = self.trace.span(event.seq)
        span = Span(id, around.id, kind, name, visit.span.path, event.seq, event.time)
        common = {each: visit.span.attributes[each] for each in ("magent.workflow", "magent.node", "magent.path")}
        span.attributes = common | attributes
        visit.inner.append((key, span))
        return span

    def _end_inner(self, event: Event, key: str) -> None:
        """With what is still open within it."""
        visit = self._visits.get(str(event.data["path"]))
        if visit is None or key not in (each for each, _ in visit.inner):
            return
        error = event.data.get("error")
        at = max(at for at, (each, _) in enumerate(visit.inner) if each == key)
        span = visit.inner.pop(at)[1]
        self._end_all_within(visit, span, event.time)
        if "output" in event.data:
            span.content["output"] = event.data["output"]
        visit.latest = (event.time, event.seq)
        self._end(span, event.time, "failed" if error else "completed", error)

    def _end_all_within(self, visit: _Visit, outer: Span, time: float) -> None:
        within, left = {outer.id}, []
        for key, span in visit.inner:
            if span.parent in within:
                within.add(span.id)
                self._end(span, time, "interrupted")
            else:
                left.append((key, span))
        visit.inner = left

    def _tool_called(self, event: Event) -> None:
        data = event.data
        name = str(data["tool"])
        told = {words.OPERATION: "execute_tool", words.TOOL: name, "gen_ai.tool.type": "function"}
        told |= {f"magent.{each}": data[each] for each in _OF_CALLS if each in data}
        told |= {words.AGENT: data["agent"]} if "agent" in data else {}
        span = self._begin_inner(event, _call(data), "tool", f"execute_tool {name}", told)
        if span is not None:
            span.content["input"] = data.get("arguments")

    def _tool_returned(self, event: Event) -> None:
        self._end_inner(event, _call(event.data))

    def _delegated(self, event: Event) -> None:
        data = event.data
        told = {words.OPERATION: "invoke_agent", words.AGENT: data["agent"], "magent.role": data["role"]}
        told |= {words.PROVIDER: self._words_of(data["agent"], str(data["path"]))[words.PROVIDER]}
        told |= {f"magent.delegation.{name}": data[name] for name in ("by", "depth") if name in data}
        span = self._begin_inner(event, str(data["delegation"]), "delegation", f"invoke_agent {data['role']}", told)
        if span is not None:
            span.content["input"] = data.get("task")

    def _delegation_ended(self, event: Event) -> None:
        visit = self._visits.get(str(event.data["path"]))
        if visit is not None:
            self._last_call(visit, event)
        self._end_inner(event, str(event.data["delegation"]))

    def _own(self, event: Event) -> None:
        data = event.data
        found = self._within(event)
        if found is None:
            return
        visit, around = found
        start = max(0.0, event.time - data.get("duration", 0.0)) if "at" not in data else data["at"]
        parent = data.get("within") or around.id
        span = Span(str(data["span"]), parent, "own", str(data["name"]), visit.span.path, event.seq, start)
        common = {each: visit.span.attributes[each] for each in ("magent.workflow", "magent.node", "magent.path")}
        span.attributes = common | {str(name): value for name, value in (data.get("values") or {}).items()}
        span.moments = [
            Moment(str(each["name"]), each["at"], dict(each.get("values") or {})) for each in data.get("events", ())
        ]
        error = data.get("error")
        self._end(span, start + data.get("duration", 0.0), "failed" if error else "completed", error)


def _around(visit: _Visit, event: Event) -> Span:
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


def _call(data: Mapping[str, Any]) -> str:
    return f"call {data.get('call')}"


_OF_CALLS = ("chain", "step", "as", "attempt", "external", "asked", "call", "delegation")


def _role(event: Event) -> tuple[str, float, dict[str, Any]]:
    return "role", event.time, {"magent.role": event.data["role"], "magent.agent": str(event.data.get("agent"))}


def _fallback(event: Event) -> tuple[str, float, dict[str, Any]]:
    data = event.data
    told = {"magent.agent": data["agent"], "magent.to": data["to"], "error.type": data["error"].get("type", "error")}
    return "fallback", event.time, told


def _skipped(event: Event) -> tuple[str, float, dict[str, Any]]:
    named = {f"magent.{each}": event.data[each] for each in ("chain", "step") if each in event.data}
    return "step skipped", event.time, {words.TOOL: str(event.data["tool"]), **named}


def _passed(event: Event) -> tuple[str, float, dict[str, Any]]:
    named = {f"magent.{each}": event.data[each] for each in ("chain", "step") if each in event.data}
    failed = {"error.type": event.data["error"].get("type", "error")}
    return "step passed over", event.time, {words.TOOL: str(event.data["tool"]), **named, **failed}


def _unusable(event: Event) -> tuple[str, float, dict[str, Any]]:
    failed = {"error.type": event.data["error"].get("type", "error")}
    return "tool unusable", event.time, {words.TOOL: str(event.data["tool"]), **failed}


_MOMENTS: dict[str, Callable[[Event], tuple[str, float, dict[str, Any]]]] = {
    "role.routed": _role,
    "agent.fallback": _fallback,
    "tool.skipped": _skipped,
    "tool.passed": _passed,
    "tool.unusable": _unusable,
}

_HANDLERS: dict[str, Callable[[Reader, Event], None]] = {
    "run.started": Reader._started,
    "run.resumed": Reader._resumed,
    "run.forked": Reader._forked_here,
    "visit.started": Reader._visit_started,
    "visit.retry": Reader._retry,
    "visit.spent": Reader._spent,
    "visit.waiting": Reader._waiting,
    "visit.answered": Reader._answered,
    **{f"visit.{what}": Reader._visit_over for what in _OVER},
    "round.started": Reader._round,
    "role.routed": Reader._moment,
    "agent.replied": Reader._replied,
    "agent.fallback": Reader._fell_back,
    "tool.called": Reader._tool_called,
    "tool.returned": Reader._tool_returned,
    "tool.skipped": Reader._moment,
    "tool.passed": Reader._moment,
    "tool.unusable": Reader._moment,
    "delegation.started": Reader._delegated,
    "delegation.ended": Reader._delegation_ended,
    "span.ended": Reader._own,
    "checkpoint.kept": Reader._kept,
}
