"""What happens in an attempt: the role taken, calls of tools, subtasks, spans of the workflow's own code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.events import Event
from magent.spans import words
from magent.spans.model_calls import last_call
from magent.spans.span import Moment, Span
from magent.spans.tree import Tree, around

_OF_CALLS = ("chain", "step", "as", "attempt", "external", "asked", "call", "delegation")
_OF_ANSWERS = ("approved", "by", "via", "at")


def _begin(tree: Tree, event: Event, key: str, kind: str, name: str, told: dict[str, Any], given: Any) -> Span | None:
    visit = tree.visit_of(event)
    if visit is None:
        return None
    span = tree.begin_inner(visit, around(visit, event), event, key, kind, name, told)
    span.content["input"] = given
    return span


def tool_called(tree: Tree, event: Event) -> None:
    data = event.data
    name = str(data["tool"])
    told = {words.OPERATION: "execute_tool", words.TOOL: name, "gen_ai.tool.type": "function"}
    told |= {f"magent.{each}": data[each] for each in _OF_CALLS if each in data}
    told |= {words.AGENT: data["agent"]} if "agent" in data else {}
    agreed = data.get("agreed") or {}
    told |= {f"magent.answer.{each}": agreed[each] for each in _OF_ANSWERS if each in agreed}
    span = _begin(tree, event, _call(data), "tool", f"execute_tool {name}", told, data.get("arguments"))
    if span is not None and agreed.get("comment"):
        span.content["comment"] = agreed["comment"]


def tool_returned(tree: Tree, event: Event) -> None:
    tree.end_inner(event, _call(event.data))


def _call(data: Mapping[str, Any]) -> str:
    return f"call {data.get('call')}"


def delegated(tree: Tree, event: Event) -> None:
    data = event.data
    told = {words.OPERATION: "invoke_agent", words.AGENT: data["agent"], "magent.role": data["role"]}
    told |= words.asked_of(tree.words_of(data["agent"], str(data["path"])))
    told |= {f"magent.delegation.{name}": data[name] for name in ("by", "depth") if name in data}
    name = f"invoke_agent {data['agent']}"
    _begin(tree, event, str(data["delegation"]), "delegation", name, told, data.get("task"))


def delegation_ended(tree: Tree, event: Event) -> None:
    visit = tree.visit_of(event)
    if visit is not None:
        last_call(tree, visit, event)
    tree.end_inner(event, str(event.data["delegation"]))


def own_ended(tree: Tree, event: Event) -> None:
    data = event.data
    visit = tree.visit_of(event)
    if visit is None:
        return
    start = max(0.0, event.time - data.get("duration", 0.0)) if "at" not in data else data["at"]
    parent = data.get("within") or around(visit, event).id
    span = Span(str(data["span"]), parent, "own", str(data["name"]), visit.span.path, event.seq, start)
    span.attributes = visit.common | {str(name): value for name, value in (data.get("values") or {}).items()}
    span.moments = [
        Moment(str(each["name"]), each["at"], dict(each.get("values") or {})) for each in data.get("events", ())
    ]
    error = data.get("error")
    tree.end(span, start + data.get("duration", 0.0), "failed" if error else "completed", error)


# ---- moments


def _moment(tree: Tree, event: Event, name: str, told: Mapping[str, Any]) -> None:
    visit = tree.visit_of(event)
    if visit is not None:
        around(visit, event).moment(name, event.time, told)


def routed(tree: Tree, event: Event) -> None:
    told = {"magent.role": event.data["role"], "magent.agent": str(event.data.get("agent"))}
    _moment(tree, event, "role", told)


def step_skipped(tree: Tree, event: Event) -> None:
    _moment(tree, event, "step skipped", _step(event.data))


def step_passed(tree: Tree, event: Event) -> None:
    _moment(tree, event, "step passed over", _step(event.data) | _failed(event.data))


def tool_unusable(tree: Tree, event: Event) -> None:
    _moment(tree, event, "tool unusable", {words.TOOL: str(event.data["tool"]), **_failed(event.data)})


def _step(data: Mapping[str, Any]) -> dict[str, Any]:
    named = {f"magent.{each}": data[each] for each in ("chain", "step") if each in data}
    return {words.TOOL: str(data["tool"]), **named}


def _failed(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"error.type": data["error"].get("type", "error")}


HANDLERS = {
    "role.routed": routed,
    "tool.called": tool_called,
    "tool.returned": tool_returned,
    "tool.skipped": step_skipped,
    "tool.passed": step_passed,
    "tool.unusable": tool_unusable,
    "delegation.started": delegated,
    "delegation.ended": delegation_ended,
    "span.ended": own_ended,
}
