"""Values and types of JSON Schema in words for people."""

from __future__ import annotations

import json
from typing import Any

from magent.spec.schema_rules import is_integer

TYPE_WORDS = {
    "string": "text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}


def kind_of(value: Any) -> str:
    """What a value is: "text", "a list"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "an integer" if is_integer(value) else "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else type(value).__name__


def show(value: Any, most: int = 60) -> str:
    """A value in short: texts in quotes and cut, lists and mappings by their size."""
    if isinstance(value, str):
        text = value if len(value) <= most else value[: most - 1] + "…"
        return "'" + text.replace("\n", "\\n") + "'"
    if value is None or isinstance(value, (bool, float)):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 200 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, (list, dict)):
        return f"{kind_of(value)} of {plural(len(value), 'item' if isinstance(value, list) else 'key')}"
    return kind_of(value)


def found(value: Any) -> str:
    """What was found, for "must be …, found …": the value where it is short, and what it is where that says more."""
    if value is None or isinstance(value, (list, dict)):
        return kind_of(value)
    return f"text ({show(value)})" if isinstance(value, str) else show(value)


def types_in_words(argument: Any) -> str:
    """The argument of `type`: "text, a number or null"."""
    names = [argument] if isinstance(argument, str) else list(argument)
    words = [TYPE_WORDS.get(name, str(name)) for name in names]
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def plural(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
