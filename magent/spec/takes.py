"""What a tool that a file declares takes, in either form: fields under `parameters`, OpenAI's under `function`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from magent.source import Path
from magent.spec.schema import field_schema, fill

_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class Takes(NamedTuple):
    """`fields` are the JSON Schemas of the arguments by name, and stand at `path` within the tool; `whole` is OpenAI's
    of all of them; None: they have the language's own form."""

    fields: Mapping[str, Any]
    path: Path = ("parameters",)
    whole: Mapping[str, Any] | None = None

    @property
    def schema(self) -> Mapping[str, Any]:
        """The JSON Schema of all the arguments."""
        return field_schema(self.fields) if self.whole is None else self.whole

    @property
    def required(self) -> Sequence[str]:
        names = self.schema.get("required")
        return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []

    def unknown(self, given: Mapping[str, Any]) -> list[str]:
        """The names that were given and are none of the fields', where the schema does not say that it takes others:
        a tool is never called with more than its file tells of."""
        whole = self.whole or {}
        others = whole.get("additionalProperties", False) is not False or "patternProperties" in whole
        return [] if others else [name for name in given if name not in self.fields]

    def filled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is given, with the defaults of what is not."""
        return fill(self.fields, given)


def takes(tool: Any) -> Takes | None:
    """None where the file does not say it."""
    function = _mapping(tool, "function")
    if function is not None:
        whole = _mapping(function, "parameters") or _NOTHING
        return Takes(_mapping(whole, "properties") or {}, ("function", "parameters", "properties"), whole)
    fields = _mapping(tool, "parameters")
    return None if fields is None else Takes(fields)


def described(tool: Mapping[str, Any]) -> str | None:
    """What the file says that the tool does."""
    own = tool.get("description", (_mapping(tool, "function") or {}).get("description"))
    return None if own is None else str(own)


def _mapping(owner: Any, key: str) -> Mapping[str, Any] | None:
    found = owner.get(key) if isinstance(owner, Mapping) else None
    return found if isinstance(found, Mapping) else None
