"""Conversations that are kept: messages as JSON and back, what an agent gets of them, and how long they may grow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from magent.events import Failure, WorkFailed
from magent.ports import Message, ToolCall

LONGEST = 4_000_000  # characters of a session: beyond any model, so the record need not grow any further


def recorded(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [_as_json(message) for message in messages]


def restored(messages: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
    return tuple(_from_json(message) for message in messages)


def history(name: str, kept: Sequence[Mapping[str, Any]], *, with_tools: bool) -> tuple[Message, ...]:
    """What stands before the prompt. An agent without tools is not shown calls: some servers refuse them, and two
    answers in a row, so what was said between calls is one with the answer. Raises WorkFailed (`agent`) where the
    session has grown too long."""
    size = sum(len(message.get("text", "")) for message in kept)
    if size > LONGEST:
        hint = "name another `session`, or hand on what matters by a prompt"
        raise WorkFailed(Failure("agent", f"the session '{name}' has grown to {size:,} characters", hint=hint))
    messages = restored(kept)
    if with_tools:
        return messages
    told = [each for each in messages if each.role != "tool" and each.text]
    turns = ((role, [each.text for each in group]) for role, group in groupby(told, key=lambda each: each.role))
    return tuple(Message(role, "\n\n".join(texts)) for role, texts in turns)


def told_of(name: str, kept: Sequence[Mapping[str, Any]]) -> str:
    """What is added to an agent's failure, for those who wonder whether the session was too long for it."""
    size = sum(len(message.get("text", "")) for message in kept)
    return f" (the session '{name}' went before: {len(kept)} messages, {size:,} characters)"


def _as_json(message: Message) -> dict[str, Any]:
    data: dict[str, Any] = {"role": message.role, "text": message.text}
    if message.calls:
        data["calls"] = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in message.calls]
    if message.opaque is not None:
        data["opaque"] = message.opaque
    if message.role == "tool":
        data |= {"call_id": message.call_id, "name": message.name}
    return data


def _from_json(data: Mapping[str, Any]) -> Message:
    calls = tuple(ToolCall(each["id"], each["name"], each["arguments"]) for each in data.get("calls", ()))
    return Message(data["role"], data["text"], calls, data.get("call_id", ""), data.get("name", ""), data.get("opaque"))
