"""What is known, before anything runs, of the shape of a node's output: its fields, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

from magent.spec.checks.views import GraphView, Names, is_template, mapping

Shape = Mapping[str, Optional["Shape"]]  # field → its own fields; None where nothing is known

ANSWER_FIELDS: Mapping[str, tuple[str, ...]] = {
    "approval": ("approved",),
    "feedback": ("text",),
    "choice": ("choice",),
    "rating": ("rating",),
    "review": ("decision", "comments", "content"),
    "validation": ("valid", "errors"),
}
ANSWER_EXTRAS = ("by", "at", "comment", "via")


def shape_of(names: Names, graph: GraphView, name: str) -> Shape | None:
    """The fields that the output of a node may have; None where they are not known, or it is no mapping."""
    node = graph.nodes.get(name, {})
    kind = graph.type_of(name)
    if kind == "task":
        return _task(node)
    if kind == "human_input":
        return _answer(node)
    if kind == "parallel" and isinstance(node.get("branches"), list):
        return {link.target: None for link in graph.sketches[name].opens} or None
    if kind == "subgraph" and (called := names.subgraph(graph, node.get("uses"))) is not None:
        return _fields(called.data.get("outputs"))
    return None


def _fields(data: Any) -> Shape | None:
    return dict.fromkeys(data) if isinstance(data, Mapping) and data else None


def _task(node: Mapping[str, Any]) -> Shape | None:
    if "prompt" in node:
        return _fields(node.get("output"))
    if "run" in node:
        return {"exit_code": None, "stdout": None, "stderr": None, "data": None}
    return None


def _answer(node: Mapping[str, Any]) -> Shape | None:
    kind = node.get("input")
    fields = ANSWER_FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        return None
    form = mapping(node.get("form"))
    return {**dict.fromkeys((*fields, *ANSWER_EXTRAS)), "form": dict.fromkeys(form) if form else None}


def enum_of(graph: GraphView, switch: Any) -> tuple[str, ...] | None:
    """The texts that `switch` can have, where it is a field, a state key or an input with declared values."""
    steps = switch.strip().split(".") if isinstance(switch, str) else []
    if not all(step.isidentifier() for step in steps) or len(steps) < 2:
        return None
    schema = _schema_at(graph, steps)
    if schema.get("type") == "boolean":
        return ("true", "false")
    values = schema.get("enum")
    return tuple(_case_text(value) for value in values if value is not None) if isinstance(values, list) else None


def _case_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _schema_at(graph: GraphView, steps: list[str]) -> Mapping[str, Any]:
    head, name, *rest = steps
    if head == "inputs" and not rest:
        return mapping(graph.inputs.get(name))
    if head != "state":
        return {}
    if name in graph.declared and not rest:
        return mapping(graph.declared[name])
    node = graph.nodes.get(name, {})
    if graph.type_of(name) == "human_input":
        return _answer_schema(node, rest)
    if "prompt" in node and len(rest) == 1:
        return mapping(mapping(node.get("output")).get(rest[0]))
    if "run" in node and len(rest) == 2 and rest[0] == "data":
        return mapping(mapping(node.get("output")).get(rest[1]))
    return {}


def _answer_schema(node: Mapping[str, Any], rest: list[str]) -> Mapping[str, Any]:
    kind = node.get("input")
    if len(rest) == 2 and rest[0] == "form":
        return mapping(mapping(node.get("form")).get(rest[1]))
    if kind == "review" and rest == ["decision"]:
        return {"enum": ["approve", "request_changes", "reject"]}
    if rest in (["approved"], ["valid"]) and kind in ("approval", "validation"):
        return {"type": "boolean"}
    options = node.get("options")
    if kind == "choice" and rest == ["choice"] and not node.get("multiple") and isinstance(options, list):
        values = [option.get("value") if isinstance(option, Mapping) else option for option in options]
        return {} if any(is_template(value) for value in values) else {"enum": values}
    return {}
