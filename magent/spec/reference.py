"""The language reference, made of the descriptions in `schemas/`: `python -m magent.spec.reference` writes the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from magent.expressions import FILTERS, RESERVED, TESTS
from magent.spec.schema import KINDS, Kind, read_schema
from magent.spec.schema_roots import NODE_TYPES
from magent.spec.schema_say import types_in_words

FILE = Path(__file__).resolve().parent.parent.parent / "schemas" / "README.md"

_HEAD = """# The magent language: reference

Made of the schemas in this directory by `python -m magent.spec.reference`; to change it, change their descriptions.

Editors read the same schemas: begin a workflow with this line (or print a schema with `magent schema workflow`).

```yaml
# yaml-language-server: $schema=../schemas/workflow.schema.json
```

In the tables, **required** stands where a key must be given. Keys that are not listed are errors. Texts in which
`{{ … }}` is filled in are called templates; expressions are written bare, without `{{ }}`.
"""
_TITLES: dict[Kind, str] = {
    "workflow": "The workflow file",
    "library": "The library file",
    "answers": "The answers file",
    "settings": "The settings file, `.magent.yaml`",
    "test": "The test file",
}
_FIRST = (  # the definitions that people look for, in the order in which they are told
    "node",
    *NODE_TYPES,
    *("edge", "loop_back", "branch_edge", "error_jump", "retry", "route", "state_key", "keywords"),
    *("agent", "reply", "price", "role", "tool", "mcp", "chain", "step", "graph", "defaults", "limits", "workspace"),
)
_VALUES = ("name", "duration", "condition_text", "text_or_file", "tool_name", "call_target", "case", "on_error", "next")


def reference() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    shared = read_schema("workflow")["definitions"]
    for kind in KINDS:
        schema = read_schema(kind)
        yield f"## {_TITLES[kind]}\n"
        yield from _object(schema)
        if kind == "workflow":
            yield from _definitions(schema["definitions"], _ordered(shared))
            yield from _values(shared)
        else:
            own = schema.get("definitions", {})
            yield from _definitions(own, [name for name in own if name not in shared and "properties" in own[name]])
    yield from _words()


def _ordered(definitions: Mapping[str, Any]) -> list[str]:
    rest = [name for name, schema in definitions.items() if schema.get("additionalProperties") is False]
    return [*_FIRST, *(name for name in rest if name not in _FIRST and name not in _VALUES)]


def _definitions(definitions: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    for name in names:
        yield f"### {_heading(definitions[name])}\n"
        yield from _object(definitions[name])


def _heading(schema: Mapping[str, Any]) -> str:
    title: str = schema["title"]
    return title[0].upper() + title[1:]


def _object(schema: Mapping[str, Any]) -> Iterator[str]:
    yield schema["description"] + "\n"
    if not (properties := schema.get("properties")):
        return
    yield "| Key | Value | Default | Meaning |"
    yield "|---|---|---|---|"
    for key, inner in properties.items():
        target = _target(inner)
        default = inner.get("default", target.get("default", ...))
        shown = "" if default is ... else f"`{json.dumps(default)}`"
        if key in schema.get("required", ()):
            shown = "**required**"
        meaning = inner.get("description", target.get("description", ""))
        yield f"| `{key}` | {_cell(_value(inner))} | {_cell(shown)} | {_cell(meaning)} |"
    yield ""
    yield from _definitions(properties, [key for key, inner in properties.items() if inner.get("properties")])


def _target(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The definition that a property is, or narrows."""
    reference = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None)
    if reference is None:
        return {}
    definitions: Mapping[str, Any] = _all_definitions()
    found: Mapping[str, Any] = definitions[reference.rpartition("/")[2]]
    return found


def _all_definitions() -> dict[str, Any]:
    return {name: schema for kind in KINDS for name, schema in read_schema(kind).get("definitions", {}).items()}


def _value(schema: Mapping[str, Any]) -> str:
    """What a key takes, in a few words."""
    whole = {**_target(schema), **{key: item for key, item in schema.items() if key != "description"}}
    if "enum" in whole:
        return ", ".join(f"`{one}`" for one in whole["enum"])
    if "title" in whole:
        return _link(whole)
    kinds = whole.get("type", [])
    if kinds == "array" and "items" in whole:
        return f"a list; each {_value(whole['items'])}"
    if "{{" in str(whole.get("pattern", "")).replace("\\", ""):
        return types_in_words([kind for kind in kinds if kind != "string"]) + " or a template"
    return types_in_words(kinds) or "anything"


def _link(schema: Mapping[str, Any]) -> str:
    """The title; of an object that has its own table, or a mapping to such ones, as a link to it."""
    title = str(schema["title"])
    inner = schema.get("additionalProperties")
    shown = _target(inner) if isinstance(inner, Mapping) else schema
    values = [read_schema("workflow")["definitions"][name]["title"] for name in _VALUES]  # told in a list, not a table
    if not shown.get("properties") or shown.get("title") in (None, *values):
        return title
    slug = "".join(char for char in _heading(shown).lower() if char.isalnum() or char in " _-").replace(" ", "-")
    return f"[{title}](#{slug})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _values(definitions: Mapping[str, Any]) -> Iterator[str]:
    yield "### Values that several keys take\n"
    for name in _VALUES:
        schema = definitions[name]
        yield f"- **{_heading(schema)}.** {schema['description']}"
    yield ""


def _words() -> Iterator[str]:
    yield "## Expressions\n"
    yield "The filters and tests below are all there are.\n"
    for heading, table in (("Filter", FILTERS), ("Test", TESTS)):
        yield f"| {heading} | What it gives |"
        yield "|---|---|"
        yield from (f"| `{name}` | {_cell(what)} |" for name, what in sorted(table.items()))
        yield ""
    names = ", ".join(f"`{name}`" for name in sorted(RESERVED))
    yield f"These names cannot be given to anything else in an expression: {names}."


if __name__ == "__main__":
    FILE.write_text(reference(), "utf-8")
