"""Calls of tools as agents write them: names that they bend, arguments that are not JSON, ids that they do not give."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from magent.ports import Message, ToolCall, ToolOffer
from magent.spec.builtins import digested_name

_OTHER = re.compile(r"[^A-Za-z0-9_-]")
_PREFIXES = ("functions.", "default_api.", "tools.", "default_api:")  # that models put before a name


def named(name: str, offers: Sequence[ToolOffer]) -> str:
    """The offered name that `name` means: `docs.search` and `functions.docs_search` are `docs_search`. One that means
    none stays as it is."""
    known = {offer.name for offer in offers}
    bare = next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)
    for each in (name, bare, digested_name(name), _OTHER.sub("_", name), _OTHER.sub("_", bare)):
        if each in known:
            return each
    return name


def arguments_of(given: Any) -> Any:
    """Parsed JSON, or the text as it came where it is none. No text at all: no arguments."""
    if not isinstance(given, str):
        return {} if given is None else given
    if not given.strip():
        return {}
    with suppress(ValueError, RecursionError):
        return json.loads(given, parse_constant=_refuse)
    return given


def next_ids(messages: Sequence[Message], count: int) -> list[str]:
    """Ids for calls of agents that give none: `call_1`, `call_2` … through the whole conversation."""
    made = sum(len(message.calls) for message in messages)
    return [f"call_{made + number}" for number in range(1, count + 1)]


def written_calls(entry: Mapping[str, Any]) -> list[tuple[str, Any]] | None:
    """The calls that a script or a function writes, each a name and its arguments: `{call: calculator, with: {…}}`, or
    a list of such under `calls`. None where it writes none. Raises ValueError for what is no call."""
    if "call" in entry:
        return [_written(entry)]
    if "calls" not in entry:
        return None
    calls = entry["calls"]
    if not isinstance(calls, list) or not calls:
        raise ValueError("`calls` must be a list of calls, such as [{call: calculator, with: {…}}]")
    return [_written(each) for each in calls]


def tool_calls(
    written: Sequence[tuple[str, Any]], offers: Sequence[ToolOffer], messages: Sequence[Message]
) -> tuple[ToolCall, ...]:
    ids = next_ids(messages, len(written))
    return tuple(
        ToolCall(id, named(name, offers), arguments_of(arguments))
        for id, (name, arguments) in zip(ids, written, strict=True)
    )


def results(messages: Sequence[Message]) -> list[str]:
    """What the tools gave since the user's latest message."""
    found: list[str] = []
    for message in messages:
        if message.role == "user":
            found.clear()
        elif message.role == "tool":
            found.append(message.text)
    return found


def _written(entry: Any) -> tuple[str, Any]:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("call"), str):
        raise ValueError("a call names its tool: {call: calculator, with: {…}}")  # noqa: TRY004 — a value that somebody wrote
    return entry["call"], entry.get("with") or {}


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
