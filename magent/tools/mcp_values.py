"""What tools of MCP servers are and give, as JSON that magent works with."""

from __future__ import annotations

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magent.keys import GUARD
from magent.spec.schema import check_schema, check_value
from magent.tools.base import failed, size
from magent.tools.mcp_words import one_line

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

MOST = 1_000_000  # bytes of a result
_LONGEST_NAME = 128  # characters, as the protocol has it
_LONGEST_TEXT = 2000  # characters of what a server says of a failure
_FAULTS = 3  # that are told at a time


@dataclass(frozen=True, slots=True)
class Listed:
    """A tool as its server lists it. `fault` says why it cannot be called, where its schema cannot be used."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    output: Mapping[str, Any] | None = None
    fault: str = ""


def listed(server: str, tool: Tool) -> Listed:
    """Raises WorkFailed (`tool`) for a name that could not be written."""
    name = tool.name
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise failed(
            f"{server} lists a tool whose name cannot be used: '{one_line(name, 60)}'",
            f"a name has 1 to {_LONGEST_NAME} characters that can be printed: ask whoever maintains the server",
        )
    fault = _fault("its", tool.input_schema)
    parameters = {"type": "object", "properties": {}} if fault else _of_object(tool.input_schema)
    text = tool.description or tool.title or ""
    return Listed(name, f"(cannot be used: {fault})" if fault else text, parameters, tool.output_schema, fault)


def _fault(whose: str, schema: Mapping[str, Any]) -> str:
    faults = check_schema(schema)
    if not faults and schema.get("type", "object") != "object":
        faults = [f"its type is not object but {one_line(json.dumps(schema['type']), 40)}"]
    return f"{whose} schema does not hold: {'; '.join(faults[:_FAULTS])}" if faults else ""


def _of_object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def value_of(tool: str, result: CallToolResult, output: Mapping[str, Any] | None) -> Any:
    """A JSON value: the structured content where the server gives it, else the text, else a list of the parts, in which
    images and the like are only described. Raises WorkFailed (`tool`) where the server says that it failed, or gives
    what does not fit its own schema, is no JSON, or too large."""
    if result.is_error:
        said = GUARD.hide("\n".join(part["text"] for part in _parts(result) if part["type"] == "text").strip())
        if not said and result.structured_content is not None:
            said = GUARD.hide(json.dumps(result.structured_content, ensure_ascii=False))
        said = said if len(said) <= _LONGEST_TEXT else said[: _LONGEST_TEXT - 1] + "…"
        raise failed(f"'{tool}' failed: {said or 'the server does not say why'}")
    value = _bare(result, output) if result.structured_content is not None else _from_parts(_parts(result))
    _check(tool, result, value, output)
    return value


def _check(tool: str, result: CallToolResult, value: Any, output: Mapping[str, Any] | None) -> None:
    try:
        length = len(json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise failed(f"'{tool}' gave what is no JSON: {error}") from error
    if length > MOST:
        raise failed(f"'{tool}' gave {size(length)}; at most {size(MOST)} are taken", "ask it for less")
    if output is not None and result.structured_content is not None and not check_schema(output):
        faults = check_value(output, result.structured_content)
        if faults:
            told = "; ".join(faults[:_FAULTS])
            hint = "that is a fault of the server: ask whoever maintains it"
            raise failed(f"'{tool}' gave what does not fit its own output schema: {told}", hint)


def _bare(result: CallToolResult, output: Mapping[str, Any] | None) -> Any:
    """Servers of the official SDK wrap what is no mapping as `{result: …}`, and say so in the schema; the text beside
    it is what the tool gave."""
    value = result.structured_content
    if not (isinstance(value, dict) and set(value) == {"result"} and output is not None):
        return value
    if set(output.get("properties", {})) != {"result"}:
        return value
    texts = [part["text"] for part in _parts(result) if part["type"] == "text"]
    return value if len(texts) == 1 and _read(texts[0]) == value else value["result"]


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _from_parts(parts: list[dict[str, Any]]) -> Any:
    if not parts:
        return None
    if all(part["type"] == "text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _parts(result: CallToolResult) -> list[dict[str, Any]]:
    return [_part(part.model_dump(by_alias=True, mode="json", exclude_none=True)) for part in result.content]


def _part(part: dict[str, Any]) -> dict[str, Any]:
    """Text as it is; of what is binary its type and size; of a link where it leads."""
    kind = part["type"]
    if kind == "text":
        return {"type": kind, "text": part["text"]}
    if kind == "resource_link":
        return {"type": kind, **{key: part[key] for key in ("uri", "name", "description", "mimeType") if key in part}}
    inner = part.get("resource", part)
    about = {key: inner[key] for key in ("uri", "mimeType") if key in inner}
    if "text" in inner:
        return {"type": kind, **about, "text": inner["text"]}
    return {"type": kind, **about, "bytes": _bytes(inner.get("blob", inner.get("data", "")))}


def _bytes(data: str) -> int:
    try:
        return len(binascii.a2b_base64(data))
    except ValueError:
        return len(data)
