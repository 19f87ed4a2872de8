"""What a JSON Schema wants, in words: for those who type a value, and for those who read what a tool takes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from magent.cli import inputs

Schema = Mapping[str, Any]
_MOST = 20  # values and alternatives that are shown
_DEEPEST = 4  # mappings within mappings
_PLURALS = {
    "text": "texts",
    "a whole number": "whole numbers",
    "a number": "numbers",
    "true or false": "truth values",
    "a list": "lists",
    "a mapping": "mappings",
    "null": "nulls",
}


class Field(NamedTuple):
    """A part of a mapping; `parts` are its own, where it is a mapping, or a list of mappings."""

    name: str
    schema: Schema
    required: bool
    parts: tuple[Field, ...] = ()


def fields(root: Schema) -> tuple[Field, ...]:
    """Those of an object's schema, with theirs; `$ref` and the like resolved."""
    return tuple(_fields(resolved(root, root), root, ()))


def _fields(schema: Schema, root: Schema, above: Sequence[Any]) -> Iterator[Field]:
    """What comes again within itself is not told again."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping) or any(properties is each for each in above) or len(above) > _DEEPEST:
        return
    for name, each in properties.items():
        own = resolved(each, root)
        needed = isinstance(required, Sequence) and name in required
        yield Field(str(name), own, needed, tuple(_fields(_mapping_in(own, root), root, (*above, properties))))


def _mapping_in(schema: Schema, root: Schema) -> Schema:
    """The schema of the mapping that a value is, or that the items of a list are; where there is one alone."""
    inner: list[Schema] = [schema, *_choices(schema, root)]
    inner += [resolved(each["items"], root) for each in inner if "items" in each]
    found = [each for each in inner if isinstance(each.get("properties"), Mapping)]
    return found[0] if len(found) == 1 else {}


def resolved(schema: Any, root: Schema) -> Schema:
    """The schema itself, with what it refers to in `root` and all of its `allOf` put in."""
    found: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
    seen: set[str] = set()
    while isinstance(found.get("$ref"), str) and found["$ref"] not in seen:
        seen.add(found["$ref"])
        found = {**_at(found["$ref"], root), **{key: each for key, each in found.items() if key != "$ref"}}
    for part in _list(found.pop("allOf", ())):
        more = {} if part is schema else resolved(part, root)
        for key, value in more.items():
            both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
            found[key] = {**found[key], **value} if both else found.get(key, value)
    return found


def _at(reference: str, root: Schema) -> dict[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:] if reference.startswith("#") else ["", ""]:
        step = step.replace("~1", "/").replace("~0", "~")
        found = found.get(step) if isinstance(found, Mapping) else None
    return dict(found) if isinstance(found, Mapping) else {}


def _choices(schema: Schema, root: Schema) -> list[Schema]:
    return [resolved(each, root) for key in ("anyOf", "oneOf") for each in _list(schema.get(key))]


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


# ---- in words


def words(schema: Schema, root: Schema) -> str:
    """Such as `text`, `one of "a", "b"`, `a list of mappings or null`, `a whole number from 1 to 5`."""
    if "const" in schema:
        return _dump(schema["const"])
    if isinstance(schema.get("enum"), list):
        return _one_of(schema["enum"])
    choices = _choices(schema, root)
    if choices:
        return " or ".join(dict.fromkeys(words(each, root) for each in choices[:_MOST]))
    kinds = inputs.types(schema) or _implied(schema)
    return " or ".join(_kind(kind, schema, root) for kind in kinds) or "any value"


def _one_of(values: Sequence[Any]) -> str:
    more = f", and {len(values) - _MOST} more" if len(values) > _MOST else ""
    return "one of " + ", ".join(map(_dump, values[:_MOST])) + more


def _implied(schema: Schema) -> list[str]:
    return ["object"] if "properties" in schema else ["array"] if "items" in schema else []


def _kind(kind: str, schema: Schema, root: Schema) -> str:
    name = inputs.WORDS.get(kind, kind)
    if kind == "array":
        return _items(resolved(schema.get("items"), root), root)
    if kind in ("integer", "number"):
        return name + _range(schema.get("minimum"), schema.get("maximum"))
    if kind == "string" and isinstance(schema.get("format"), str):
        return f"{name} ({schema['format']})"
    return name


def _items(schema: Schema, root: Schema) -> str:
    if not schema:
        return "a list"
    if "$ref" in schema:  # it contains itself
        return "a list"
    inner = words(schema, root)
    return f"a list of {_PLURALS[inner]}" if inner in _PLURALS else f"a list, each {inner}"


def _range(least: Any, most: Any) -> str:
    bounds = [f"from {_dump(least)}"] if least is not None else []
    bounds += [f"{'to' if bounds else 'up to'} {_dump(most)}"] if most is not None else []
    return "".join(f" {bound}" for bound in bounds)


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


# ---- to parse by


def for_value(field: Field, root: Schema) -> Schema:
    """The field's schema by itself: what it refers to is in it, and of kinds that are said one by one (`anyOf`) the
    types are said together."""
    choices = _choices(field.schema, root)
    kinds = [kind for each in choices for kind in inputs.types(each)]
    shared = {name: root[name] for name in ("$defs", "definitions") if name in root}
    plain = choices and all(inputs.types(each) for each in choices) and "type" not in field.schema
    return {**shared, **field.schema, **({"type": list(dict.fromkeys(kinds))} if plain else {})}
