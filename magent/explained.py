"""Why a run went as it did: for each visit the edges it had, the conditions with the values they saw, and the roles
that were looked at. Read from its events alone.

What the planner decided is not guessed: it is asked again, with the fold as it stood at the event, by the functions
that decided then. Where the answer is another one now (a secret that is not in the record had a say), the record counts
and the visit says so: `exact` is false.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.clock import iso
from magent.engine import conclude, route
from magent.engine.fold import Run
from magent.engine.joins import composite_output
from magent.engine.run import apply_all
from magent.engine.scopes import Scope, Visit
from magent.engine.settle import round_sees
from magent.engine.view import names
from magent.errors import RunDamaged
from magent.events import Event, Failure
from magent.expressions import Condition, EvaluationError, Expression, Value
from magent.model import Choice, Edge, HumanInput, Loop, Node, Parallel, Workflow
from magent.shapes import fault

LONGEST = 400  # characters of a value that are told
_ENDS = ("visit.completed", "visit.skipped", "visit.failed")
_DECISIONS = ("role.routed", "delegation.started")
Names = Mapping[str, Any]


@dataclass(slots=True)
class Test:
    """A condition that was looked at: its text, the `values` of what it reads, by name, and whether it `held`; None
    where it could not be worked out, which `error` tells."""

    source: str
    held: bool | None
    values: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"expression": self.source, "held": self.held, "values": dict(self.values), "error": self.error}


@dataclass(slots=True)
class Way:
    """An edge, as it fared: `state` is taken, refused, passed (not looked at), failed (its condition could not be
    worked out) or open (the visit is not over). `to` None: the end of the scope. `used` of `most`: of a loop_back,
    before that."""

    to: str | None
    kind: str
    state: str
    why: str
    test: Test | None = None
    case: str | None = None
    used: int | None = None
    most: int | None = None

    def as_json(self) -> dict[str, Any]:
        data = {"to": self.to, "kind": self.kind, "state": self.state, "why": self.why, "case": self.case}
        return data | {"used": self.used, "max": self.most, "when": self.test and self.test.as_json()}


@dataclass(slots=True)
class Branch:
    """A branch of a parallel node, and why it was taken or left out."""

    to: str
    taken: bool
    test: Test | None

    def as_json(self) -> dict[str, Any]:
        return {"to": self.to, "taken": self.taken, "when": self.test and self.test.as_json()}


@dataclass(slots=True)
class Round:
    """Whether a loop went on to round `index`, or ended there, and why."""

    index: int
    goes_on: bool
    why: str
    test: Test | None = None

    def as_json(self) -> dict[str, Any]:
        shown = {"index": self.index, "goes_on": self.goes_on, "why": self.why}
        return shown | {"condition": self.test and self.test.as_json()}


@dataclass(slots=True)
class Explained:
    """A visit. `seq` is the event that ended it, else the one that it began with; `notes` are sentences on what else
    had a say: attempts, fallbacks, people, how many branches were waited for; `switched` is what the `switch` gave."""

    seq: int
    time: float
    path: str
    node: str
    type: str
    visit: int
    status: str = "running"
    when: Test | None = None
    branches: list[Branch] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    switch: Test | None = None
    switched: str | None = None
    next: str | None = None
    exact: bool = True
    error: Mapping[str, Any] | None = None
    decisions: list[Mapping[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return self.status in ("completed", "failed", "skipped", "cancelled")

    @property
    def chose(self) -> bool:
        """Whether there was anything to decide."""
        plain = len(self.ways) <= 1 and all(way.state == "taken" and way.kind == "normal" for way in self.ways)
        told = self.when or self.branches or self.rounds or self.switch or self.decisions or self.error
        return not plain or bool(told) or not self.over

    def as_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "time": iso(self.time),
            "path": self.path,
            "node": self.node,
            "type": self.type,
            "visit": self.visit,
            "status": self.status,
            "when": self.when and self.when.as_json(),
            "branches": [each.as_json() for each in self.branches],
            "rounds": [each.as_json() for each in self.rounds],
            "switch": self.switch and {**self.switch.as_json(), "held": None, "gave": self.switched},
            "edges": [each.as_json() for each in self.ways],
            "next": self.next,
            "exact": self.exact,
            "error": None if self.error is None else dict(self.error),
            "decisions": [dict(each) for each in self.decisions],
            "notes": list(self.notes),
        }


def explain(workflow: Workflow, events: Iterable[Event], run_id: str) -> list[Explained]:
    """Every visit, in the order in which they began. Raises RunDamaged where the events do not fit one another."""
    reader = Reader(workflow, run_id)
    for event in events:
        reader.take(event)
    return reader.finish()


class Reader:
    """Takes a run's events one by one."""

    def __init__(self, workflow: Workflow, run_id: str = "") -> None:
        self.run = Run(workflow)
        self._run_id = run_id
        self._found: list[Explained] = []
        self._open: dict[int, Explained] = {}

    def take(self, event: Event) -> None:
        """Raises RunDamaged where it does not fit those before it."""
        if fault(event) is None:
            try:
                self._look(event)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                told = f"event {event.seq} of run {self._run_id} does not fit what stands before it ({error!r})"
                hint = "the journal was changed, or written by another version of magent"
                raise RunDamaged(told, hint) from error
        apply_all(self.run, (event,), self._run_id)

    def finish(self) -> list[Explained]:
        """What is not over has the edges that it may take."""
        for scope_id, told in self._open.items():
            scope = self.run.scopes.get(scope_id)
            visit = scope.current if scope is not None else None
            if scope is None or visit is None or visit.node.name != told.node:
                told.status = "cancelled"
                continue
            waits = visit.answer is None and (visit.status in ("waiting", "uncertain") or _asks(visit))
            told.status = "waiting" if waits else "running"
            if isinstance(visit.answer, Mapping):
                told.notes.append(f"{_answered(visit.answer)}, which the run has not taken up yet")
            told.ways = [_way(edge, "open", "not decided yet") for edge in _edges(visit.node)]
        return self._found

    # ---- before an event is applied

    def _look(self, event: Event) -> None:
        scope = self.run.scopes.get(event.data.get("scope", -1))
        if scope is None:
            return
        told = self._open.get(scope.id)
        if event.type == "visit.started":
            if told is None:
                told = self._begin(event, scope, self._node(event, scope))
                _starts(self.run, told, scope, scope.graph.nodes[told.node], event.data)
        elif event.type == "round.started":
            self._round(told, scope, event.data["index"])
        elif event.type in _ENDS:
            told = told or self._begin(event, scope, self._node(event, scope))
            del self._open[scope.id]
            told.seq, told.time, told.status = event.seq, event.time, event.type.partition(".")[2]
            _END[event.type](self.run, told, scope, scope.graph.nodes[told.node], event)
        elif told is not None:
            self._within(told, scope, event)

    @staticmethod
    def _node(event: Event, scope: Scope) -> Node:
        return scope.graph.nodes[event.data["node"]]

    def _begin(self, event: Event, scope: Scope, node: Node) -> Explained:
        number, path = conclude.visit_number(scope, node), scope.prefix + node.name
        told = Explained(event.seq, event.time, path, node.name, node.type, number)
        if node.when is not None and scope.current is None:
            told.when = test(node.when, names(self.run, scope))
        self._found.append(told)
        self._open[scope.id] = told
        return told

    def _round(self, told: Explained | None, scope: Scope, index: int) -> None:
        visit = scope.current
        if told is not None and visit is not None and isinstance(visit.node, Loop):
            told.rounds.append(_round_of(self.run, visit, visit.node, index, goes_on=True))

    def _within(self, told: Explained, scope: Scope, event: Event) -> None:
        data = event.data
        if event.type == "visit.cancelled":
            told.seq, told.time, told.status = event.seq, event.time, "cancelled"
            told.notes.append("its result was not needed any more, or the node around it ended")
            self._open.pop(scope.id)
        elif event.type in _DECISIONS:
            told.decisions.append(_decision(event))
        elif event.type == "visit.retry":
            told.notes.append(f"attempt {data['attempt']} failed ({_said(data['error'])}), another followed")
        elif event.type == "agent.fallback":
            told.notes.append(
                f"agent {data['agent']} could not answer ({_said(data['error'])}): {data['to']} was asked"
            )


def _asks(visit: Visit) -> bool:
    return isinstance(visit.node, HumanInput)


def _said(error: Mapping[str, Any]) -> str:
    return f"{error.get('type', 'error')}: {error.get('message', '')}"


def _decision(event: Event) -> dict[str, Any]:
    """Whom a `route` or a delegation led to: with the candidates as they were recorded."""
    data = event.data
    told = {name: data.get(name) for name in ("role", "agent", "by", "task", "skills")}
    found = data.get("decision")
    return {"what": "route" if event.type == "role.routed" else "delegation", **told, "decision": found or {}}


# ---- how a visit begins


def _starts(run: Run, told: Explained, scope: Scope, node: Node, data: Mapping[str, Any]) -> None:
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
        told.notes.append(f"`for_each: {_text(node.for_each)}` gave {count}")
    if isinstance(node, Parallel):
        told.notes.append(_waits_for(node, data))


def _waits_for(node: Parallel, data: Mapping[str, Any]) -> str:
    total = len(data["items"] if "items" in data else data.get("branches", ()))
    if not total:
        return "there is nothing to run: it goes on at once"
    if node.collect:
        return f"waits until all {total:,} have ended, well or not (on_branch_error: collect)"
    asked = "all, the default" if node.wait_for is None else _text(node.wait_for)
    return f"waits for {data['need']:,} of {total:,} to end well (wait_for: {asked})"


def _round_of(run: Run, visit: Visit, node: Loop, index: int, *, goes_on: bool) -> Round:
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
    return Round(index, goes_on, f"`{node.kind}` {_outcome(asked)}", asked)


# ---- how a visit ends


def _completes(run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> None:
    data, visit = event.data, scope.current
    if data.get("status") == "failed":
        told.error = data["error"]
    if visit is not None and isinstance(node, Loop):
        told.rounds.append(_round_of(run, visit, node, visit.index + 1, goes_on=False))
    if visit is not None and isinstance(node, Parallel):
        told.notes.append(_came(visit, data))
    if isinstance(node, HumanInput) and isinstance(data.get("output"), Mapping):
        told.notes.append(_answered(data["output"]))
    _ways(told, scope, node, event, _seen(run, scope, node, event))


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


def _answered(answer: Mapping[str, Any]) -> str:
    by = f" by {answer['by']}" if answer.get("by") else ""
    return f"answered{by} ({answer.get('via') or 'unknown'})"


def _skipped(_run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> None:
    told.next = event.data.get("next")
    aside = "a skipped node follows the edge without `when`"
    taken = False
    for edge in node.next:
        takes = not taken and edge.kind == "normal" and edge.target == told.next
        taken = taken or takes
        told.ways.append(_way(edge, "taken" if takes else "passed", aside))
    if not node.next:
        told.ways.append(_end_of(scope))


def _fails(run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> None:
    data, visit = event.data, scope.current
    told.error = data["error"]
    if visit is not None and isinstance(node, Parallel):
        told.notes.append(_came(visit, data))
    if visit is not None and isinstance(node, Loop) and not any(child.failure for child in visit.children):
        told.rounds.append(_round_of(run, visit, node, visit.index + 1, goes_on=False))
    if "caught" in data:
        goes = "continue" if data["caught"] == "continue" else "goto"
        told.notes.append(f"`on_error: {goes}` took the failure")
        edges = conclude.caught_edges(node)
        failure = Failure.from_json(data["error"])
        seen = conclude.after_failure(run, scope, node, failure, event.time)
        _ways(told, scope, node, event, seen, edges)
        return
    told.ways = list(_uncaught(run, told, scope, node, event))


def _uncaught(run: Run, told: Explained, scope: Scope, node: Node, event: Event) -> Iterator[Way]:
    """None of its edges was taken. Why each did not hold, where its visit left what that takes."""
    error = event.data["error"]
    if error.get("type") != "no_route":
        yield from (_way(edge, "passed", "the visit failed before its edges were looked at") for edge in _edges(node))
        return
    if isinstance(node, Choice):
        _ways(told, scope, node, event, names(run, scope))
        yield from told.ways
        return
    yield from (_way(edge, "refused", "did not hold: the error has the values") for edge in _edges(node))


# ---- the edges


def _ways(
    told: Explained, scope: Scope, node: Node, event: Event, seen: Names | None, edges: Sequence[Edge] | None = None
) -> None:
    """What became of each edge. Where that is not what is recorded, the record counts."""
    told.next = event.data.get("next")
    cases = edges is None and isinstance(node, Choice) and node.switch is not None
    every = list(_edges(node) if edges is None else edges)
    if not every or (event.type == "visit.completed" and "next" not in event.data):
        told.ways = [_end_of(scope)]
        return
    if seen is None:
        told.ways = [_way(every[0], "taken", "the only way")]
        return
    told.ways = list(_switch(told, scope, node, seen) if cases else _tried(scope, node, every, seen))
    taken = next((way for way in told.ways if way.state == "taken"), None)
    if event.type == "visit.completed" or "caught" in event.data:
        told.exact = (
            taken is not None and taken.to == told.next and (taken.kind == "loop_back") == ("loop" in event.data)
        )
        if not told.exact:
            told.ways = [_recorded(way, told.next, looped="loop" in event.data) for way in told.ways]


def _tried(scope: Scope, node: Node, edges: Sequence[Edge], seen: Names) -> Iterator[Way]:
    """`route.tries` says how they fared; what is added is what they saw."""
    looked = route.tries(scope, node, seen, edges)
    state, refused = "", 0
    for edge in edges:
        if state in ("taken", "failed"):
            yield _way(edge, "passed", "not looked at: one before it held" if state == "taken" else "not looked at")
            continue
        asked = None if edge.when is None else test(edge.when, seen)
        way = _way(edge, "taken", "", asked)
        try:
            _, why = next(looked)
            way.state = "taken" if why is None else "refused"
            if edge.kind == "loop_back":
                way.used, way.most = scope.counters.get(route.counter(node, edge), 0), route.maximum(edge, seen)
            way.why = _why(way, asked, why, refused)
        except EvaluationError as error:
            way.state, way.why = "failed", str(error)
        state, refused = way.state, refused + 1
        yield way


def _why(way: Way, asked: Test | None, why: str | None, refused: int) -> str:
    if why is not None and way.used is not None and way.most is not None and way.used >= way.most:
        return f"used up: {way.used} of {way.most}"
    said = "" if asked is None else _outcome(asked)
    if why is None and way.used is not None:
        use = f"use {way.used + 1} of {way.most}"
        return f"{said}, {use}" if said else use
    return said or ("none before it held" if refused else "the only way")


def _outcome(asked: Test) -> str:
    return "could not be worked out" if asked.held is None else "holds" if asked.held else "does not hold"


def _switch(told: Explained, scope: Scope, node: Node, seen: Names) -> Iterator[Way]:
    assert isinstance(node, Choice)
    assert node.switch is not None
    told.switch = Test(_text(node.switch), None, _values(node.switch, seen))
    try:
        text, _ = route.switched(node, seen)
    except EvaluationError as error:
        told.switch.error = str(error)
        yield from (_way(edge, "passed", "not looked at") for edge in _edges(node))
        return
    told.switched = text
    fared = dict(zip(map(id, route.switched(node, seen)[1]), route.tries(scope, node, seen), strict=False))
    for edge, case in [
        *((case.edge, case.text) for case in node.cases),
        *([(node.default, None)] if node.default else []),
    ]:
        way = _way(edge, "passed", "not looked at: one before it held", case=case)
        if (found := fared.get(id(edge))) is not None:
            way.state, way.why = ("taken", "the default: no case has it" if case is None else "its case")
            if found[1] is not None:
                way.state, way.why = "refused", found[1]
        elif case is not None and case != text:
            way.state, way.why = "refused", f"the switch gave {route.short(text)}"
        yield way


def _recorded(way: Way, target: str | None, *, looped: bool) -> Way:
    """Its condition is told with what the record has of the values, but not whether it held."""
    taken = way.to == target and (way.kind == "loop_back") == looped
    why = "so it is recorded; what decided it is not in the record (a secret)"
    asked = None if way.test is None else Test(way.test.source, None, way.test.values)
    return Way(way.to, way.kind, "taken" if taken else "passed", why, asked, way.case, way.used, way.most)


def _end_of(scope: Scope) -> Way:
    around = "subgraph" if scope.kind == "graph" else scope.kind
    return Way(None, "normal", "taken", f"the {around} is over")


def _way(edge: Edge, state: str, why: str, asked: Test | None = None, case: str | None = None) -> Way:
    if asked is None and edge.when is not None:
        asked = Test(_text(edge.when), None)
    return Way(edge.target, edge.kind, state, why, asked, case)


def _edges(node: Node) -> list[Edge]:
    if isinstance(node, Choice) and node.switch is not None:
        return [*(case.edge for case in node.cases), *([node.default] if node.default is not None else [])]
    return list(node.next)


# ---- what a condition saw


def test(condition: Condition, seen: Names) -> Test:
    """The condition and what it reads, as it is then."""
    try:
        return Test(_text(condition), condition.holds(seen), _values(condition, seen))
    except EvaluationError as error:
        return Test(_text(condition), None, _values(condition, seen), str(error))


def _values(expression: Expression, seen: Names) -> dict[str, Any]:
    """By name what the expression reads, bounded; what is not there is left out."""
    found: dict[str, Any] = {}
    for access in expression.accesses:
        value: Any = seen
        for at, name in enumerate(access.path):
            if not isinstance(value, Mapping) or name not in value:
                if at:
                    found[".".join(access.path[: at + 1])] = None
                break
            value = value[name]
        else:
            if not isinstance(value, Mapping) or isinstance(value, dict):
                found[".".join(access.path)] = bounded(value)
    return found


def bounded(value: Any) -> Any:
    """The value, or where it is large the beginning of it as JSON."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[: LONGEST - 1]}…"
    pieces, length = [], 0
    for piece in json.JSONEncoder(ensure_ascii=False, default=str).iterencode(value):
        pieces.append(piece)
        if (length := length + len(piece)) > LONGEST:
            return f"{''.join(pieces)[: LONGEST - 1]}…"
    return value


def _text(source: Expression | Value) -> str:
    found = source.source if isinstance(source, Expression) else source.data
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str)


_END = {"visit.completed": _completes, "visit.skipped": _skipped, "visit.failed": _fails}
