"""What became of each edge of a visit: the planner's own functions are asked again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magent.engine import route
from magent.engine.scopes import Scope
from magent.events import Event
from magent.explained.told import Explained, Test, Way
from magent.explained.values import Names, test, text_of, values_of
from magent.expressions import EvaluationError
from magent.model import Choice, Edge, Node


def ways_of(
    told: Explained, scope: Scope, node: Node, event: Event, seen: Names | None, edges: Sequence[Edge] | None = None
) -> None:
    """What became of each edge. Where that is not what is recorded, the record counts."""
    told.next = event.data.get("next")
    cases = edges is None and isinstance(node, Choice) and node.switch is not None
    every = list(edges_of(node) if edges is None else edges)
    if not every or (event.type == "visit.completed" and "next" not in event.data):
        told.ways = [end_of(scope)]
        return
    if seen is None:
        told.ways = [way_of(every[0], "taken", "the only way")]
        return
    told.ways = list(by_switch(told, scope, node, seen) if cases else tried(scope, node, every, seen))
    taken = next((way for way in told.ways if way.state == "taken"), None)
    if event.type == "visit.completed" or "caught" in event.data:
        told.exact = (
            taken is not None and taken.to == told.next and (taken.kind == "loop_back") == ("loop" in event.data)
        )
        if not told.exact:
            told.ways = [_recorded(way, told.next, looped="loop" in event.data) for way in told.ways]


def tried(scope: Scope, node: Node, edges: Sequence[Edge], seen: Names) -> Iterator[Way]:
    """`route.tries` says how they fared; what is added is what they saw."""
    looked = route.tries(scope, node, seen, edges)
    state, refused = "", 0
    for edge in edges:
        if state in ("taken", "failed"):
            yield way_of(edge, "passed", "not looked at: one before it held" if state == "taken" else "not looked at")
            continue
        asked = None if edge.when is None else test(edge.when, seen)
        way = way_of(edge, "taken", "", asked)
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
    said = "" if asked is None else outcome(asked)
    if why is None and way.used is not None:
        use = f"use {way.used + 1} of {way.most}"
        return f"{said}, {use}" if said else use
    return said or ("none before it held" if refused else "the only way")


def outcome(asked: Test) -> str:
    return "could not be worked out" if asked.held is None else "holds" if asked.held else "does not hold"


def by_switch(told: Explained, scope: Scope, node: Node, seen: Names) -> Iterator[Way]:
    assert isinstance(node, Choice)
    assert node.switch is not None
    told.switch = Test(text_of(node.switch), None, values_of(node.switch, seen))
    try:
        text, _ = route.switched(node, seen)
    except EvaluationError as error:
        told.switch.error = str(error)
        yield from (way_of(edge, "passed", "not looked at") for edge in edges_of(node))
        return
    told.switched = text
    fared = dict(zip(map(id, route.switched(node, seen)[1]), route.tries(scope, node, seen), strict=False))
    for edge, case in [
        *((case.edge, case.text) for case in node.cases),
        *([(node.default, None)] if node.default else []),
    ]:
        way = way_of(edge, "passed", "not looked at: one before it held", case=case)
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


def end_of(scope: Scope) -> Way:
    around = "subgraph" if scope.kind == "graph" else scope.kind
    return Way(None, "normal", "taken", f"the {around} is over")


def way_of(edge: Edge, state: str, why: str, asked: Test | None = None, case: str | None = None) -> Way:
    if asked is None and edge.when is not None:
        asked = Test(text_of(edge.when), None)
    return Way(edge.target, edge.kind, state, why, asked, case)


def edges_of(node: Node) -> list[Edge]:
    if isinstance(node, Choice) and node.switch is not None:
        return [*(case.edge for case in node.cases), *([node.default] if node.default is not None else [])]
    return list(node.next)
