"""Calls of models, as the events tell that come after them: what was asked, said and used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.events import Event
from magent.spans import words
from magent.spans.span import Span
from magent.spans.tree import Tree, Visit, around


def last_call(tree: Tree, visit: Visit, event: Event, error: Mapping[str, Any] | None = None) -> None:
    """The call of a model that the event tells the end of, if it does. An older journal does not say when it began:
    with what was over before it."""
    data = event.data
    call = data.get("model_call") or {}
    tokens = data.get("tokens")
    if not tokens and not call:
        return
    outer = around(visit, event)
    agent = str(call.get("agent") or data.get("agent") or "")
    asked = tree.words_of(agent, visit.span.path)
    model = asked.get(words.REQUEST_MODEL) or data.get("model")
    start = min(event.time, max(visit.span.start, call.get("at", max(visit.latest[0], outer.start))))
    end = min(event.time, start + call["took"]) if "took" in call else event.time
    name = f"chat {model}" if model else "chat"
    id = tree.trace.span(event.seq, "model")
    span = Span(id, outer.id, "model", name, visit.span.path, visit.latest[1], start)
    span.attributes = visit.common | {words.OPERATION: "chat", **asked}
    if data.get("model"):
        span.attributes[words.RESPONSE_MODEL] = words.answered(str(data["model"]), asked)
    if outer.kind == "attempt" and words.wants_json(visit.node):
        span.attributes[words.OUTPUT_TYPE] = "json"
    if outer.kind == "attempt" and words.CONVERSATION in outer.attributes:
        span.attributes[words.CONVERSATION] = outer.attributes[words.CONVERSATION]
    if data.get("cut") is True:
        span.attributes["gen_ai.response.finish_reasons"] = ["length"]
    if "first" in call:
        span.attributes |= {"gen_ai.request.stream": True, "gen_ai.response.time_to_first_chunk": call["first"]}
    _spend(tree, visit, span, tokens, data)
    if "text" in data or "output" in data:
        span.content["output"] = data.get("text", data.get("output"))
    if outer.kind in ("attempt", "delegation"):
        span.content |= {name: outer.content[name] for name in ("input", "system") if name in outer.content}
    failure = error or (data.get("error") if call.get("failed") else None)
    _name_agent(outer, agent, data, asked)
    visit.latest = (end, event.seq)
    tree.end(span, end, "failed" if failure else "completed", failure)


def _spend(tree: Tree, visit: Visit, span: Span, tokens: Mapping[str, Any] | None, data: Mapping[str, Any]) -> None:
    if not tokens:
        return
    cost = data.get("cost")
    inner = (inner for _, inner in visit.inner)
    outer = tree.around(visit.span.path)
    for each in (span, *inner, visit.attempt, visit.span, *outer, tree.life):
        if each is not None:
            each.spend(tokens, cost)
    span.attributes |= {words.INPUT_TOKENS: tokens["input"], words.OUTPUT_TOKENS: tokens["output"]}
    if cost is not None:
        span.attributes[words.COST] = cost
    if data.get("estimated"):
        span.attributes["magent.estimated"] = True


def _name_agent(span: Span, agent: str, data: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """An attempt is known as its agent's once that is."""
    if span.kind != "attempt" or words.AGENT in span.attributes or not agent:
        return
    span.name = f"invoke_agent {agent}"
    span.attributes |= {words.OPERATION: "invoke_agent", words.AGENT: agent, **words.asked_of(asked)}
    if "role" in data:
        span.attributes["magent.role"] = data["role"]


def replied(tree: Tree, event: Event) -> None:
    visit = tree.visit_of(event)
    if visit is None:
        return
    span = around(visit, event)
    last_call(tree, visit, event)
    if "faults" in event.data:
        told = {"magent.faults": [str(fault) for fault in event.data["faults"]]}
        span.moment("repair", event.time, told)


def fell_back(tree: Tree, event: Event) -> None:
    visit = tree.visit_of(event)
    if visit is None:
        return
    data = event.data
    last_call(tree, visit, event, data["error"])
    told = {"magent.agent": data["agent"], "magent.to": data["to"], "error.type": data["error"].get("type", "error")}
    around(visit, event).moment("fallback", event.time, told)


def spent(tree: Tree, event: Event) -> None:
    visit = tree.visit_of(event)
    if visit is not None:
        last_call(tree, visit, event, {"type": "cancelled", "message": "it was called off"})


HANDLERS = {"agent.replied": replied, "agent.fallback": fell_back, "visit.spent": spent}
