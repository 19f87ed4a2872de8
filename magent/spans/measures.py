"""The numbers that are counted and added up over runs. Each follows from one span that is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from magent.spans import words
from magent.spans.span import Span


class Instrument(NamedTuple):
    """`kind` is counter or histogram; `unit` as UCUM has it; `bounds` of a histogram's buckets."""

    name: str
    kind: str
    unit: str
    help: str
    bounds: tuple[float, ...] = ()


class Measure(NamedTuple):
    instrument: str
    value: float
    attributes: Mapping[str, Any]


SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 14400, 86400)
_CALL_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

INSTRUMENTS = {
    each.name: each
    for each in (
        Instrument("magent.runs", "counter", "{run}", "Lives of runs that ended, by the status that the run had then."),
        Instrument("magent.run.duration", "histogram", "s", "How long lives of runs took.", SECONDS),
        Instrument("magent.visits", "counter", "{visit}", "Visits of nodes that ended."),
        Instrument("magent.visit.duration", "histogram", "s", "How long visits of nodes took.", SECONDS),
        Instrument("magent.retries", "counter", "{retry}", "Attempts that failed, and were followed by another."),
        Instrument("magent.waits", "counter", "{wait}", "Questions to people that came to an end."),
        Instrument("magent.wait.duration", "histogram", "s", "How long people took to answer.", SECONDS),
        Instrument("magent.tool.calls", "counter", "{call}", "Calls of tools."),
        Instrument("magent.tool.duration", "histogram", "s", "How long calls of tools took.", SECONDS),
        Instrument("magent.model.calls", "counter", "{call}", "Calls of models."),
        Instrument("magent.tokens", "counter", "{token}", "Tokens that models read and wrote."),
        Instrument("magent.cost.usd", "counter", "", "Dollars that calls of models cost, where the price is known."),
        Instrument("gen_ai.client.operation.duration", "histogram", "s", "GenAI operation duration.", _CALL_SECONDS),
        Instrument(
            "gen_ai.client.token.usage", "histogram", "{token}", "Number of input and output tokens used.", _TOKENS
        ),
    )
}


def measures(span: Span) -> Iterator[Measure]:
    """Of a span that is over."""
    maker = _MAKERS.get(span.kind)
    if maker is not None:
        yield from maker(span, _common(span), span.worked or 0.0)


def _common(span: Span) -> dict[str, Any]:
    names = {"workflow": "magent.workflow", "node": "magent.node"}
    return {name: span.attributes[word] for name, word in names.items() if word in span.attributes}


def _life(span: Span, common: dict[str, Any], took: float) -> Iterator[Measure]:
    told = {**common, "status": span.status}
    yield Measure("magent.runs", 1, told)
    yield Measure("magent.run.duration", took, told)


def _visit(span: Span, common: dict[str, Any], took: float) -> Iterator[Measure]:
    told = {**common, "type": span.attributes["magent.node.type"], "status": span.status}
    yield Measure("magent.visits", 1, told)
    yield Measure("magent.visit.duration", took, told)
    for moment in span.moments:
        if moment.name == "retry":
            yield Measure("magent.retries", 1, {**common, "error": moment.attributes["error.type"]})


def _wait(span: Span, common: dict[str, Any], took: float) -> Iterator[Measure]:
    told = {**common, "status": span.status}
    yield Measure("magent.waits", 1, told)
    yield Measure("magent.wait.duration", took, told)


def _tool(span: Span, common: dict[str, Any], took: float) -> Iterator[Measure]:
    told = {**common, "tool": span.attributes[words.TOOL], "status": span.status}
    yield Measure("magent.tool.calls", 1, told)
    yield Measure("magent.tool.duration", took, told)


def _model(span: Span, common: dict[str, Any], took: float) -> Iterator[Measure]:
    """By the model that was asked for: a call that failed tells of no other, and belongs with those that did not."""
    attributes = span.attributes
    agent, model = (
        attributes.get(words.AGENT),
        attributes.get(words.REQUEST_MODEL, attributes.get(words.RESPONSE_MODEL)),
    )
    who = {**common, "agent": agent or "", "model": model or ""}
    yield Measure("magent.model.calls", 1, {**who, "status": span.status})
    asked = (words.OPERATION, words.PROVIDER, words.SYSTEM, words.REQUEST_MODEL, words.RESPONSE_MODEL, "error.type")
    convention = {name: attributes[name] for name in asked if name in attributes}
    yield Measure("gen_ai.client.operation.duration", took, convention)
    for kind, count in zip(("input", "output"), span.tokens or (), strict=False):
        yield Measure("magent.tokens", count, {**who, "direction": kind})
        yield Measure("gen_ai.client.token.usage", count, {**convention, "gen_ai.token.type": kind})
    if span.tokens and span.cost:
        yield Measure("magent.cost.usd", span.cost, who)


_MAKERS = {"life": _life, "visit": _visit, "wait": _wait, "tool": _tool, "model": _model}
