"""A conversation as one text, for an agent that only reads and writes text: its tools are told to it in words, and a
call of one is JSON at the end of what it writes, in the form that functions and scripts use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.agents.calls import tool_calls, written_calls
from magent.ports import Message, Request, ToolCall, ToolOffer

_CALL = frozenset(("call", "with", "text"))
_CALLS = frozenset(("calls", "text"))
_TRIED = 200  # places at which a call may begin
_FENCE = re.compile(r"\s*```(?:json)?\s*$")


def conversation(request: Request, *, with_system: bool) -> str:
    """All in one text, for a program that remembers nothing: instructions, prompt, form, tools, earlier answers."""
    parts = [request.system] if with_system and request.system else []
    for number, message in enumerate(request.messages):
        parts.append(_told(message))
        if number == 0 and request.schema is not None:
            parts.append(form_of(request.schema))
        if number == 0 and request.tools:
            parts.append(_offered(request.tools))
    return "\n\n".join(parts)


def form_of(schema: Mapping[str, Any]) -> str:
    """The form of the answer, in words."""
    told = json.dumps(dict(schema), ensure_ascii=False)
    return f"Answer with nothing but a JSON object that fits this JSON Schema:\n\n{told}"


def _told(message: Message) -> str:
    """A piece of talk; of an earlier agent's, what it called and what that gave, too."""
    if message.role == "user":
        return message.text
    if message.role == "tool":
        return f"The tool {message.name} gave:\n\n{message.text}"
    called = [f"{call.name} with {json.dumps(call.arguments, ensure_ascii=False)}" for call in message.calls]
    wanted = f"You called {', '.join(called)}." if called else ""
    said = f"Your answer to that was:\n\n{message.text}" if message.text or not called else ""
    return "\n\n".join(part for part in (said, wanted) if part)


def _offered(tools: Sequence[ToolOffer]) -> str:
    listed = "\n".join(
        f"- {tool.name}: {' '.join(tool.description.split())} Its arguments, as JSON Schema: "
        + json.dumps(dict(tool.parameters), ensure_ascii=False)
        for tool in tools
    )
    call = json.dumps({"call": tools[0].name, "with": {}}).replace("{}", "{…}")
    return (
        f"Beside your own, there are these tools:\n\n{listed}\n\nTo use one, answer with nothing but JSON: {call}, or "
        f'several in a list: {{"calls": [{call}, …]}}. You will be told what they give. Once you need none of them, '
        "give the answer itself."
    )


def calls_in(text: str, request: Request) -> tuple[tuple[ToolCall, ...], str] | None:
    """The calls with which a text ends, and what it says before them; None where it is an answer."""
    body = _FENCE.sub("", text.rstrip()) if text.rstrip().endswith("```") else text.rstrip()
    if not request.tools or not body.endswith("}"):
        return None
    for place in [found.start() for found in re.finditer(r"\{", body)][:_TRIED]:
        try:
            value, end = json.JSONDecoder().raw_decode(body, place)
        except (ValueError, RecursionError):
            continue
        if end == len(body) and _is_call(value):
            said = str(value.get("text") or "") or _FENCE.sub("", body[:place]).strip()
            return tool_calls(written_calls(value) or (), request.tools, request.messages), said
    return None


def _is_call(value: object) -> bool:
    if not isinstance(value, dict) or not (("call" in value and value.keys() <= _CALL) or value.keys() <= _CALLS):
        return False
    try:
        return bool(written_calls(value))
    except ValueError:
        return False


def held(on_text: Callable[[str], None]) -> Callable[[str], None]:
    """Takes text as it comes, and hands on what does not begin as a call does."""
    begun = ""

    def take(text: str) -> None:
        nonlocal begun
        if not begun.strip():  # what is shown depends on the first sign
            begun, text = begun + text, begun + text
        if begun.strip() and begun.lstrip()[0] not in "{`":
            on_text(text)

    return take
