"""Whether a small model calls a tool or answers: a choice under a grammar, as it makes no calls by itself.

It is shown the tools in a line each and an example of a call, and writes `{"tool": name, "arguments": {…}}` or
`{"tool": "answer"}`; only then, asked once more, it writes the answer. A very small model repeats what it saw last, so
the example of the tool whose description is nearest to the prompt in words stands last. It always comes to an end: what
was called already is not called again, and after `ROUNDS` rounds there is nothing left to choose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from magent.agents.calls import next_ids, results
from magent.agents.grammar import bound
from magent.ports import Message, Request, ToolCall, ToolOffer

ROUNDS = 4  # rounds of calls since the user's latest words, after which it must answer
ANSWER = "answer"
_RESULT = 1500  # characters of a result that it is shown
_LINE = 160  # characters of a tool's description
_WORD = re.compile(r"[a-z]{4,}|[0-9]")
_SUMS = ("calcul", "arithmetic", "expression", "number", "math")
_SAMPLES: Mapping[str, Any] = {"integer": 3, "number": 3, "boolean": True, "array": [], "object": {}}
_NAMED = {"expression": "8 * 9", "path": "notes.txt", "url": "https://example.org", "query": "colours"}


def may_call(request: Request) -> bool:
    """Whether there is a choice: tools are offered, and not enough rounds were made with them."""
    return bool(request.tools) and _rounds(request.messages) < ROUNDS


def grammar(offers: Sequence[ToolOffer]) -> dict[str, Any]:
    """Of a call of one of the tools, with bounded arguments, or the word that there is none."""
    calls = [
        _object({"tool": {"const": offer.name}, "arguments": bound({"type": "object", **offer.parameters})})
        for offer in offers
    ]
    return {"anyOf": [*calls, _object({"tool": {"const": ANSWER}})]}


def _object(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def asked(request: Request) -> list[dict[str, str]]:
    """The conversation in which the choice is made."""
    tools = [f"{offer.name}({', '.join(_fields(offer))}): {_line(offer)}" for offer in request.tools]
    rules = ["Choose what to do next. Reply in JSON.", "", *tools, f"{ANSWER}: no tool is needed"]
    shown = [{"role": "system", "content": "\n".join(rules)}]
    for example in _examples(request):
        shown += example
    return [*shown, {"role": "user", "content": known(request)}]


def _examples(request: Request) -> list[list[dict[str, str]]]:
    """Of an answer and of calls; the likeliest last. At most three tools are shown in use."""
    answer = _example("Tell me a joke.", {"tool": ANSWER})
    words = set(_WORD.findall(request.prompt.lower()))
    ranked = sorted(request.tools, key=lambda offer: _nearness(offer, words))
    uses = []
    for offer in ranked[-3:]:
        arguments = _sample(offer)
        told = ", ".join(f"{value if isinstance(value, str) else json.dumps(value)}" for value in arguments.values())
        uses.append(_example(f"Use {offer.name} with {told}." if told else f"Use {offer.name}.",
                             {"tool": offer.name, "arguments": arguments}))  # fmt: skip
    if (ranked and _nearness(ranked[-1], words) == 0) or _rounds(request.messages):
        return [*uses, answer]
    return [answer, *uses]


def _example(wish: str, reply: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"role": "user", "content": wish}, {"role": "assistant", "content": json.dumps(reply)}]


def _nearness(offer: ToolOffer, words: set[str]) -> int:
    """How many words of the prompt the tool's description has, by their first five letters; figures want sums."""
    said = f"{offer.name} {offer.description} {' '.join(_fields(offer))}".lower()
    shared = sum(1 for word in words if not word.isdigit() and word[:5].removesuffix("s") in said)
    return shared + (2 if any(word.isdigit() for word in words) and any(sign in said for sign in _SUMS) else 0)


def _fields(offer: ToolOffer) -> list[str]:
    return list(offer.parameters.get("properties") or {})


def _line(offer: ToolOffer) -> str:
    text = " ".join(offer.description.split())
    return text if len(text) <= _LINE else text[: _LINE - 1] + "…"


def _sample(offer: ToolOffer) -> dict[str, Any]:
    """Arguments as they might be: those that must be given, else the first."""
    properties = offer.parameters.get("properties") or {}
    wanted = [name for name in offer.parameters.get("required", ()) if name in properties] or list(properties)[:1]
    return {name: _value(name, properties[name]) for name in wanted}


def _value(name: str, schema: Any) -> Any:
    if isinstance(schema, Mapping):
        if schema.get("enum"):
            return schema["enum"][0]
        if schema.get("type") in _SAMPLES:
            return schema.get("minimum", _SAMPLES[schema["type"]])
    return _NAMED.get(name, "something")


def known(request: Request) -> str:
    """The user's latest words, with what tools have given since: one message, as a small model understands it."""
    said = ""
    given: list[str] = []
    for message in request.messages:
        if message.role == "user":
            said = message.text
            given.clear()
        elif message.role == "tool":
            given.append(f"{message.name} gave: {message.text[:_RESULT]}")
    return "\n".join([*given, "", said]) if given else said


def talk(request: Request) -> list[dict[str, str]]:
    """The conversation in which the answer is given: earlier talk, and the latest words with what is known."""
    latest = max((at for at, each in enumerate(request.messages) if each.role == "user"), default=0)
    earlier = [
        {"role": message.role, "content": message.text}
        for message in request.messages[:latest]
        if message.role == "user" or (message.role == "assistant" and message.text)
    ]
    told = known(request)
    wish = "\nAnswer in one short sentence with what was given." if results(request.messages) else ""
    return [*earlier, {"role": "user", "content": told + wish}]


def chosen(text: str, request: Request) -> ToolCall | None:
    """The call that was chosen; None where it answers, or has called just so before. Raises ValueError for text that
    ends in the middle."""
    choice = json.loads(text)
    if choice["tool"] == ANSWER or "arguments" not in choice:
        return None
    before = [(call.name, call.arguments) for message in request.messages for call in message.calls]
    if (choice["tool"], choice["arguments"]) in before:
        return None
    return ToolCall(next_ids(request.messages, 1)[0], choice["tool"], choice["arguments"])


def _rounds(messages: Sequence[Message]) -> int:
    count = 0
    for message in messages:
        count = 0 if message.role == "user" else count + bool(message.calls)
    return count
