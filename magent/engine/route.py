"""Which way out of a node: the first edge that holds, the case of a switch, the edge that a skipped node follows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magent.engine.scopes import Scope
from magent.expressions import Condition, EvaluationError
from magent.model import DEFAULT_LOOP_BACK_MAX, Choice, Edge, Node


class NoRoute(Exception):
    """No edge of a node holds; the message says what each condition saw."""


Try = tuple[Edge, str | None]
"""An edge that was looked at, and why it does not hold; None where it does."""


def tries(scope: Scope, node: Node, seen: Mapping[str, Any], edges: Sequence[Edge] | None = None) -> Iterator[Try]:
    """The edges in the order in which they are looked at; the first that holds is the last. Raises EvaluationError."""
    if edges is None:
        edges = switched(node, seen)[1] if isinstance(node, Choice) and node.switch is not None else node.next
    for edge in edges:
        why = _refusal(scope, node, edge, seen)
        yield edge, why
        if why is None:
            return


def follow(scope: Scope, node: Node, seen: Mapping[str, Any], edges: Sequence[Edge] | None = None) -> dict[str, Any]:
    """`{"next": target}`, target None where the scope ends, with `"loop": counter` where a loop_back is taken.

    Raises NoRoute, and EvaluationError from the conditions.
    """
    choice = node if edges is None and isinstance(node, Choice) and node.switch is not None else None
    if choice is None and not (node.next if edges is None else edges):
        return {"next": None}
    refused: list[str] = []
    for edge, why in tries(scope, node, seen, edges):
        if why is None:
            return _taken(node, edge)
        refused.append(why)
    if choice is None:
        raise NoRoute(f"no edge of '{node.name}' holds: {'; '.join(refused)}")
    raise NoRoute(f"no case of '{node.name}' holds: {'; '.join([*_unmatched(choice, seen), *refused])}")


def skip_edge(node: Node) -> str | None:
    """Where a skipped node goes: the edge without `when` that is no loop_back."""
    for edge in node.next:
        if edge.kind == "normal":
            return edge.target
    return None


def counter(node: Node, edge: Edge) -> str:
    return f"{node.name}:{edge.index}>{edge.target}"


def _taken(node: Node, edge: Edge) -> dict[str, Any]:
    if edge.kind == "loop_back":
        return {"next": edge.target, "loop": counter(node, edge)}
    return {"next": edge.target}


def _refusal(scope: Scope, node: Node, edge: Edge, seen: Mapping[str, Any]) -> str | None:
    if edge.kind == "loop_back":
        used, most = scope.counters.get(counter(node, edge), 0), maximum(edge, seen)
        if used >= most:
            return f"the loop_back to '{edge.target}' is used up ({used} of {most})"
    if edge.when is not None and not edge.when.holds(seen):
        return f"`{edge.when.source}` is false{_values(edge.when, seen)}"
    return None


def maximum(edge: Edge, seen: Mapping[str, Any]) -> int:
    """How often a loop_back may be taken. Raises EvaluationError."""
    if edge.max is None:
        return DEFAULT_LOOP_BACK_MAX
    most = edge.max.evaluate(seen)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise EvaluationError(f"`max` of the loop_back to '{edge.target}' must be a whole number, not {short(most)}")
    return most


def _values(condition: Condition, seen: Mapping[str, Any]) -> str:
    shown: dict[str, str] = {}
    for access in condition.accesses:
        value: Any = seen
        for name in access.path:
            if not isinstance(value, Mapping):
                value = None
                break
            try:
                value = value[name]
            except KeyError:
                value = None
                break
        if not isinstance(value, Mapping) or isinstance(value, dict):
            shown[".".join(access.path)] = short(value)
    if not shown:
        return ""
    return " (" + ", ".join(f"{name} = {value}" for name, value in shown.items()) + ")"


def short(value: Any) -> str:
    """A value for a message, at most 80 characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "…"


def written(value: Any) -> str | None:
    """A value as a template would write it; None for null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def switched(node: Choice, seen: Mapping[str, Any]) -> tuple[str | None, Sequence[Edge]]:
    """What a switch gave, as a case's text is compared with it, and the edges that follow: of the case that has it,
    then the default. Raises EvaluationError."""
    assert node.switch is not None
    text = written(node.switch.evaluate(seen))
    found = next((case.edge for case in node.cases if text is not None and case.text == text), None)
    return text, [edge for edge in (found, node.default) if edge is not None]


def _unmatched(node: Choice, seen: Mapping[str, Any]) -> Iterator[str]:
    assert node.switch is not None
    text, _ = switched(node, seen)
    if all(case.text != text for case in node.cases):
        yield f"`{node.switch.source}` gave {short(text)}, which no case has"
