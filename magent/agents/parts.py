"""Conversations in the words of Pydantic AI, and its answers in ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from magent.agents.calls import arguments_of, named
from magent.ports import Message, Request, ToolCall

_UNFIT = re.compile(r"[^A-Za-z0-9_-]")
ANSWER = "answer"
_UNTOLD = ("usage", "timestamp", "finish_reason", "state")  # of a response: what no provider wants back


def messages_of(request: Request, model_id: str) -> list[Any]:
    """What was said, in Pydantic AI's messages. What follows on one another from the user's side, results of tools and
    words, is one message, as providers want it."""
    from pydantic_ai.messages import ModelRequest

    made: list[Any] = []
    own: set[str] = set()  # ids in what goes back as it came, so that the results of those calls must keep them, too
    for message in request.messages:
        if message.role == "assistant":
            made.append(_response(message, model_id))
            own |= {call.id for call in message.calls} if _is_own(message, model_id) else set()
            continue
        part = _user_part(message, own)
        if made and isinstance(made[-1], ModelRequest):
            made[-1] = ModelRequest(parts=[*made[-1].parts, part], instructions=request.system)
        else:
            made.append(ModelRequest(parts=[part], instructions=request.system))
    return made


def _user_part(message: Message, own: set[str]) -> Any:
    from pydantic_ai.messages import ToolReturnPart, UserPromptPart

    if message.role == "tool":
        call_id = message.call_id if message.call_id in own else _id(message.call_id)
        return ToolReturnPart(message.name, message.text, call_id)
    return UserPromptPart(message.text)


def _response(message: Message, model_id: str) -> Any:
    """As the model gave it where it was this model; rebuilt where it was another, which could not read its thoughts."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter, ModelResponse, TextPart, ToolCallPart

    if _is_own(message, model_id):
        return ModelMessagesTypeAdapter.validate_python([message.opaque["response"]])[0]
    parts: list[Any] = [TextPart(message.text)] if message.text or not message.calls else []
    for call in message.calls:
        arguments = call.arguments if isinstance(call.arguments, (dict, str)) else json.dumps(call.arguments)
        parts.append(ToolCallPart(call.name, arguments, _id(call.id)))
    return ModelResponse(parts=parts)


def _is_own(message: Message, model_id: str) -> bool:
    return isinstance(message.opaque, Mapping) and message.opaque.get("model") == model_id


def _id(call_id: str) -> str:
    """What every provider takes: another may have made it."""
    return _UNFIT.sub("_", call_id)


def parameters_of(request: Request, model: Any, *, own_server: bool) -> Any:
    """The tools, and the way to ask for JSON that the provider is best at: a schema for its answer, else a tool that
    takes one.

    Beside tools it is the latter where the two do not go together: with older Gemini, and with servers of one's own,
    which often hold every word to the schema, so that no tool is ever called. With Anthropic it is the latter also for
    a schema that leaves something open.
    """
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    offered = [
        ToolDefinition(
            name=offer.name, description=offer.description, parameters_json_schema=dict(offer.parameters), strict=False
        )
        for offer in request.tools
    ]
    if request.schema is None:
        return ModelRequestParameters(function_tools=offered)
    schema = dict(request.schema)
    closed = model.system == "anthropic"
    apart = (offered and (own_server or _apart(model))) or (closed and _is_open(schema))
    if model.profile.get("supports_json_schema_output") and not apart:
        schema = _unlisted(schema) if closed else schema
        form = OutputObjectDefinition(json_schema=schema, name=ANSWER)
        return ModelRequestParameters(function_tools=offered, output_mode="native", output_object=form)
    tool = ToolDefinition(
        name=answer_tool(request), description="Gives the answer.", parameters_json_schema=schema, kind="output"
    )
    return ModelRequestParameters(
        function_tools=offered, output_mode="tool", output_tools=[tool], allow_text_output=False
    )


def _apart(model: Any) -> bool:
    """Whether the model takes either tools or a schema."""
    profile = model.profile
    return model.system.startswith("google") and not profile.get("google_supports_tool_combination", False)


def _is_open(part: Any) -> bool:
    """Whether a schema holds what Anthropic's form of answers cannot say: there every object has just the keys that are
    named, and everything a type. An object with keys of any name would always come empty."""
    if not isinstance(part, Mapping):
        return True
    if "$ref" in part:
        return not str(part["$ref"]).startswith("#/$defs/")
    if not any(key in part for key in ("type", "enum", "const", *_CHOICES)):
        return True
    named = part.get("properties") or {}
    if "object" in _kinds(part) and (not named or part.get("additionalProperties") or "patternProperties" in part):
        return True
    inner = [
        *named.values(),
        *(part.get("$defs") or {}).values(),
        *(each for key in _CHOICES for each in part.get(key, ())),
    ]
    return any(map(_is_open, [*inner, part["items"]] if "items" in part else inner))


_CHOICES = ("anyOf", "oneOf", "allOf")


def _kinds(part: Mapping[str, Any]) -> list[Any]:
    kinds = part.get("type")
    return kinds if isinstance(kinds, list) else [kinds]


def _unlisted(part: Mapping[str, Any]) -> dict[str, Any]:
    """A schema with `anyOf` in place of each list of types, which Anthropic's library does not take."""
    found = dict(part)
    for key in ("properties", "$defs"):
        if key in found:
            found[key] = {name: _unlisted(inner) for name, inner in found[key].items()}
    for key in _CHOICES:
        if key in found:
            found[key] = [_unlisted(inner) for inner in found[key]]
    if "items" in found:
        found["items"] = _unlisted(found["items"])
    if not isinstance(found.get("type"), list) or "enum" in found:
        return found
    kinds = found.pop("type")
    told: dict[str, Any] = {key: found.pop(key) for key in ("description", "default") if key in found}
    return {**told, "anyOf": [{"type": "null"} if kind == "null" else {**found, "type": kind} for kind in kinds]}


def answer_tool(request: Request) -> str:
    """The name of the tool that takes the answer: none of those offered."""
    taken = {offer.name for offer in request.tools}
    names = (ANSWER, *(f"{ANSWER}_{number}" for number in range(1, len(taken) + 2)))
    return next(name for name in names if name not in taken)


def calls_of(response: Any, request: Request) -> tuple[tuple[ToolCall, ...], str | None]:
    """The calls of offered (or unknown) tools; and the JSON of the call that is the answer, where there is one."""
    mine = answer_tool(request) if request.schema is not None else None
    calls, answer = [], None
    for part in response.tool_calls:
        if part.tool_name == mine:
            answer = part.args_as_json_str() if answer is None else answer
        else:
            calls.append(ToolCall(part.tool_call_id, named(part.tool_name, request.tools), arguments_of(part.args)))
    return tuple(calls), answer


def opaque(response: Any, model_id: str, calls: Sequence[ToolCall]) -> Any:
    """The response as JSON, for a model that wants back what only it can read: signed thoughts, ids of its items. None
    where text and calls say all. A call of the answer beside calls of tools is left out: nothing answers it."""
    from dataclasses import replace

    from pydantic_ai.messages import ModelMessagesTypeAdapter

    kept = {call.id for call in calls}
    parts = [part for part in response.parts if part.part_kind != "tool-call" or part.tool_call_id in kept]
    if not calls or not any(_is_special(part) for part in parts):
        return None
    names = {call.id: call.name for call in calls}
    parts = [
        replace(part, tool_name=names[part.tool_call_id]) if part.part_kind == "tool-call" else part for part in parts
    ]
    dumped = ModelMessagesTypeAdapter.dump_python([replace(response, parts=parts)], mode="json")
    told = {key: value for key, value in dumped[0].items() if value is not None and key not in _UNTOLD}
    return {"model": model_id, "response": told}


def _is_special(part: Any) -> bool:
    """Not to be told by text and calls alone."""
    return part.part_kind not in ("text", "tool-call") or bool(
        getattr(part, "provider_details", None) or getattr(part, "id", None)
    )


def text_of(response: Any) -> str:
    return "".join(part.content for part in response.parts if part.part_kind == "text")
