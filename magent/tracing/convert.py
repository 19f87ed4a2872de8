"""Spans as OpenTelemetry's library has them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from magent.spans.ids import Trace
from magent.spans.span import Span
from magent.version import VERSION

SCOPE = InstrumentationScope("magent", VERSION)
LONGEST = 32_000  # characters of an attribute
_ROOM = LONGEST - 200  # of those, for the text of a message
_STATUS = {"completed": StatusCode.OK, "failed": StatusCode.ERROR}
_PLAIN = (str, bool, int, float)


def convert(trace: Trace, span: Span, resource: Resource, *, content: bool) -> ReadableSpan:
    """A span that is over."""
    assert span.end is not None
    code = _STATUS.get(span.status, StatusCode.UNSET)
    why = str((span.error or {}).get("message", "")) if code is StatusCode.ERROR else None
    kind = (
        {}
        if "gen_ai.operation.name" in span.attributes and span.kind != "life"
        else {"openinference.span.kind": "CHAIN"}
    )
    told = {**span.attributes, **kind, "magent.kind": span.kind, **(_content(span) if content else {})}
    return ReadableSpan(
        name=span.name,
        context=_context(trace.id, span.id, trace),
        parent=None if span.parent is None else _context(trace.id, span.parent, trace),
        resource=resource,
        attributes=_attributes(told),
        events=[Event(each.name, _attributes(each.attributes), _nano(each.time)) for each in span.moments],
        links=[Link(_context(each.trace, each.span), {"magent.link": each.why}) for each in span.links],
        kind=SpanKind.CLIENT if span.kind == "model" else SpanKind.INTERNAL,
        instrumentation_scope=SCOPE,
        status=Status(code, why),
        start_time=_nano(span.start),
        end_time=_nano(span.end),
    )


def _context(trace: str, span: str, own: Trace | None = None) -> SpanContext:
    state = TraceState.from_header([own.state]) if own is not None and own.state else None
    return SpanContext(int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(1), trace_state=state)


def _nano(seconds: float) -> int:
    return round(seconds * 1000) * 1_000_000


def _attributes(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _attribute(value) for name, value in told.items() if value is not None}


def _attribute(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, _PLAIN):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    if isinstance(value, Sequence) and value and all(isinstance(each, str) for each in value):
        return [_cut(each) for each in value]
    return _cut(json.dumps(value, ensure_ascii=False, default=str))


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _content(span: Span) -> dict[str, Any]:
    """What was said and given, under the convention's names, and OpenInference's for what that knows nothing of."""
    said = {name: value for name, value in span.content.items() if value is not None}
    if span.attributes.get("gen_ai.operation.name") in ("chat", "invoke_agent"):
        return _messages(said, span.attributes.get("gen_ai.response.finish_reasons", ("stop",))[0])
    if span.kind == "tool":
        names = {"input": "gen_ai.tool.call.arguments", "output": "gen_ai.tool.call.result"}
        names["comment"] = "magent.answer.comment"
        return {names[name]: value if isinstance(value, str) else _json(value) for name, value in said.items()}
    texts = {f"{name}.value": value for name, value in said.items() if isinstance(value, str)}
    values = {f"{name}.value": _json(value) for name, value in said.items() if not isinstance(value, str)}
    return texts | values | {name.replace("value", "mime_type"): "application/json" for name in values}


def _messages(said: Mapping[str, Any], finish: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "system" in said:
        found["gen_ai.system_instructions"] = _json([_part(said["system"])])
    if "input" in said:
        found["gen_ai.input.messages"] = _json([{"role": "user", "parts": [_part(said["input"])]}])
    if "output" in said:
        answer = {"role": "assistant", "parts": [_part(said["output"])], "finish_reason": finish}
        found["gen_ai.output.messages"] = _json([answer])
    return found


def _part(value: Any) -> dict[str, Any]:
    return {"type": "text", "content": _fit(value if isinstance(value, str) else _json(value))}


def _fit(text: str) -> str:
    """So much of a text that the message around it is whole as JSON, which escapes lengthen."""
    whole = text
    while (length := len(_json(text))) > _ROOM:
        text = text[: len(text) * _ROOM // (length + 1)]
    return text if text is whole else f"{text}…"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


__all__ = ["SCOPE", "convert"]
