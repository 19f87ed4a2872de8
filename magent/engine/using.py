"""A tool is called: on the record before and after, and in the words that an agent gets back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from magent.engine.values import NotJson, plain
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError
from magent.ports import Question, Tool, ToolCall

SHOWN = 100_000  # characters of a result that an agent gets
KEPT = 1_000_000  # of a result that an agent got, in the record

Facts = Mapping[str, Any]  # who calls, as the record says it: agent, role, delegation, chain, step


async def use(attempt: Attempt, tool: Tool, arguments: Mapping[str, Any], facts: Facts) -> Any:
    """The result, as JSON. `arguments` fit. An external call is on the disk before it begins. Raises WorkFailed."""
    number = await begun(attempt, tool.name, arguments, facts, external=tool.external)
    began = attempt.desk.now()
    try:
        output = await _called(attempt, tool, arguments)
    except WorkFailed as error:
        if error.failure.type != "limit":  # that one ends the life: the call is made anew in the next
            await returned(attempt, tool.name, number, facts, began, error=error.failure)
        raise
    await returned(attempt, tool.name, number, facts, began, output=output)
    return output


async def _called(attempt: Attempt, tool: Tool, arguments: Mapping[str, Any]) -> Any:
    try:
        return plain(await tool.call(arguments, attempt.tool_context()))
    except EvaluationError as error:
        raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error
    except NotJson as error:
        raise WorkFailed(Failure("tool", f"the result of '{tool.name}' is no JSON value: {error}")) from error


async def begun(attempt: Attempt, name: str, arguments: Any, facts: Facts, *, external: bool = False) -> int:
    """The number of the call, among those of the attempt."""
    attempt.calls += 1
    number = attempt.calls
    data = {"call": number, "tool": name, "arguments": arguments, **facts}
    await attempt.note("tool.called", data | ({"external": True} if external else {}), sync=external)
    return number


async def returned(
    attempt: Attempt,
    name: str,
    number: int,
    facts: Facts,
    began: float,
    *,
    output: Any = None,
    error: Failure | None = None,
) -> None:
    data: dict[str, Any] = {"call": number, "tool": name, **facts}
    data["duration"] = round(max(0.0, attempt.desk.now() - began), 3)
    if error is not None:
        data["error"] = {"type": error.type, "message": error.message}
    elif "step" in facts:
        data["output"] = output  # whole: a resume goes on with it
    else:
        data |= _kept(output)
    await attempt.note("tool.returned", data)


def _kept(output: Any) -> dict[str, Any]:
    text = as_text(output)
    return {"output": output} if len(text) <= KEPT else {"output": text[:KEPT], "cut": len(text)}


async def agreed(attempt: Attempt, tool: Tool, arguments: Mapping[str, Any]) -> Failure | None:
    """Why a tool that asks first may not be called; None: it may. It never waits for somebody to come."""
    ordinal = attempt.desk.asked(tool.name)
    question = Question(
        tool.name,
        tool.name,
        ordinal + 1,
        "approval",
        prompt=f"May '{attempt.path}' call the tool {tool.name}?",
        context=dict(arguments),
        ordinal=ordinal,
        address_ordinal=ordinal,
    )
    answer = await attempt.ask_person(question)
    if answer is None:
        message = f"'{tool.name}' was not called: a person has to agree first, and there is nobody to ask"
        return Failure("tool", message, hint="go on without it")
    if answer.get("approved") is not True:
        said = f": {answer['comment']}" if answer.get("comment") else ""
        return Failure("tool", f"'{tool.name}' was not called: a person said no{said}", hint="go on without it")
    return None


# ---- what an agent writes


def heard(calls: Iterable[ToolCall]) -> tuple[ToolCall, ...]:
    """The calls of one reply: each has an id of its own, as servers want them back, and text that can be written."""
    found: dict[str, ToolCall] = {}
    for call in calls:
        number, id = 1, call.id
        while id in found:
            number += 1
            id = f"{call.id}_{number}"
        found[id] = ToolCall(id, sound(call.name), sound(call.arguments))
    return tuple(found.values())


def sound(value: Any) -> Any:
    """JSON without halves of characters, which no file, server or child process takes: `\\ud83d` alone is one."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {sound(key): sound(item) for key, item in value.items()}
    return [sound(item) for item in value] if isinstance(value, list) else value


# ---- as an agent reads it


def as_text(output: Any) -> str:
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def shown(output: Any) -> str:
    """A result as an agent gets it."""
    text = as_text(output)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}\n… (cut here: {SHOWN:,} of {len(text):,} characters)"


def told(failure: Failure) -> str:
    """A failure as an agent gets it."""
    hint = f" ({failure.hint})" if failure.hint else ""
    return f"error: {failure.message}{hint}"[:SHOWN]
