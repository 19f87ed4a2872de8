"""Values against the JSON Schemas that users write: inputs, outputs, answers, tool arguments.

`check_value` gives sentences for people. That a value fits is found by `schema_rules`, in microseconds and without the
`jsonschema` library; a value that does not, or a schema with a keyword beyond those rules, is left to the library, whose findings
are put in words here. Patterns are RE2's everywhere, and nothing is ever fetched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from magent.source import Path, did_you_mean, dotted
from magent.spec.schema_rules import Beyond, Book, Schema, is_integer, pattern

MOST_ERRORS = 20
_KEPT = 1000
_WORDING = ("title", "description", "default")

# --- fields: name → JSON Schema, the one form of `inputs`, `output`, `form`, `parameters`


def field_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of the object that `fields` describe: what has no `default` must be there, nothing else may.

    `default: null` lets a field be null, whatever its type. A `#/…` reference in a field counts from that field's schema.
    """
    return {
        "type": "object",
        "properties": {name: _member(name, schema) for name, schema in fields.items()},
        "required": [name for name, schema in fields.items() if not _has_default(schema)],
        "additionalProperties": False,
    }


def fill(fields: Mapping[str, Any], value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` with the defaults of the fields it does not have, in the order of the fields."""
    filled = {
        name: value[name] if name in value else schema["default"]
        for name, schema in fields.items()
        if name in value or _has_default(schema)
    }
    filled.update((name, item) for name, item in value.items() if name not in filled)
    return filled


def _has_default(schema: Any) -> bool:
    return isinstance(schema, Mapping) and "default" in schema


def _member(name: str, schema: Any) -> Any:
    if not isinstance(schema, Mapping):
        return schema
    moved = _moved(dict(schema), "#/properties/" + name.replace("~", "~0").replace("/", "~1"))
    if "default" in schema and schema["default"] is None:
        return _nullable(moved)
    return moved


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    words: dict[str, Any] = {key: schema[key] for key in _WORDING if key in schema}
    inner = {key: item for key, item in schema.items() if key not in words}
    if not inner:
        return words
    if set(inner) == {"type"}:
        types = [inner["type"]] if isinstance(inner["type"], str) else list(inner["type"])
        return {**words, "type": types if "null" in types else [*types, "null"]}
    return {**words, "anyOf": [inner, {"type": "null"}]}


def _moved(schema: Any, base: str) -> Any:
    """The schema with its `#/…` references counted from `base`; only copied where there is one."""
    if '"$ref"' not in json.dumps(schema, default=str):
        return schema
    if isinstance(schema, dict):
        return {key: _moved_member(key, item, base) for key, item in schema.items()}
    return [_moved(item, base) for item in schema] if isinstance(schema, list) else schema


def _moved_member(key: str, item: Any, base: str) -> Any:
    if key == "$ref" and isinstance(item, str) and item.startswith("#"):
        return base + item[1:]
    return _moved(item, base)


# --- values


class Unsound(Exception):
    """The schema itself is none."""


class Checker:
    """A schema made ready: quick rules where they suffice, the library's validator when first needed."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.rule = Book(schema).root
        self.quick = True
        self._validator: Any = None

    def accepts(self, value: Any) -> bool:
        if not self.quick:
            return False
        try:
            return self.rule.accepts(value)
        except (Beyond, RecursionError, KeyError, TypeError, ValueError, AttributeError):
            self.quick = False  # a keyword the rules do not know, or a schema that is none: the library decides
            return False

    def errors(self, value: Any) -> Iterator[Any]:
        import re2
        from jsonschema.exceptions import UnknownType
        from referencing.exceptions import Unresolvable

        if self._validator is None:
            self._validator = _library_validator(self.schema)
        try:
            yield from self._validator.iter_errors(value)
        except UnknownType as error:
            raise Unsound(f"{show(error.type)} is no type") from error
        except Unresolvable as error:
            raise Unsound(f"the reference {show(error.ref)} leads nowhere in it, and nothing is fetched") from error
        except (re2.error, TypeError, ValueError, AttributeError) as error:
            raise Unsound(str(error)) from error


_checkers: dict[int, Checker] = {}


def checker(schema: Schema) -> Checker:
    """The checker of this very schema object, which must not change afterwards."""
    known = _checkers.get(id(schema))
    if known is not None and known.schema is schema:
        return known
    if len(_checkers) >= _KEPT:
        _checkers.clear()
    made = _checkers[id(schema)] = Checker(schema)
    return made


def check_value(schema: Schema, value: Any) -> list[str]:
    """What is wrong with `value`, at most 20 sentences, each with its place inside the value; empty where it fits."""
    known = checker(schema)
    if known.accepts(value):
        return []
    sentences: dict[str, None] = {}
    try:
        for error in known.errors(value):
            sentences.update(dict.fromkeys(_sentences(error)))
            if len(sentences) >= MOST_ERRORS:
                break
    except RecursionError:
        return ["the value is nested too deep, or its schema refers to itself without end"]
    except Unsound as error:
        return [f"its schema cannot be used: {error}"]
    return list(sentences)[:MOST_ERRORS]


def _library_validator(schema: Schema) -> Any:
    """The library's validator for draft 2020-12, which also reads draft-07's words, with RE2 and nothing fetched."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    made: Any = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {
            "pattern": _library_pattern,
            "patternProperties": _library_pattern_properties,
            "additionalProperties": _library_additional,
            "items": _library_items,
            "dependencies": _library_dependencies,
        },
    )
    return made(schema, registry=Registry())


def _library_pattern(validator: Any, text: str, value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(value, str) and not pattern(text)(value):
        yield ValidationError("pattern")


def _library_pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, schema: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for text, inner in patterns.items():
            found = pattern(text)
            for key, item in value.items():
                if found(key):
                    yield from validator.descend(item, inner, path=key, schema_path=text)


def _library_additional(validator: Any, argument: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(value, dict):
        return
    found = [pattern(text) for text in schema.get("patternProperties", {})]
    extras = [key for key in value if key not in schema.get("properties", {}) and not any(test(key) for test in found)]
    for key in extras:
        if argument is False:
            yield ValidationError("additionalProperties", path=(key,))
        else:
            yield from validator.descend(value[key], argument, path=key)


def _library_items(validator: Any, argument: Any, value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    """2020's `items` (what follows `prefixItems`), and draft-07's list of schemas with `additionalItems`."""
    if not isinstance(value, list):
        return
    listed = argument if isinstance(argument, list) else []
    rest = schema.get("additionalItems", True) if isinstance(argument, list) else argument
    start = len(listed) or len(schema.get("prefixItems", []))
    for index, item in enumerate(value):
        inner = listed[index] if index < len(listed) else rest if index >= start else True
        yield from validator.descend(item, inner, path=index)


def _library_dependencies(validator: Any, argument: Mapping[str, Any], value: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if not isinstance(value, dict):
        return
    for key, needed in argument.items():
        if key not in value:
            continue
        if isinstance(needed, list):
            for name in needed:
                if name not in value:
                    yield ValidationError(f"{name} is missing beside {key}", validator="dependentRequired")
        else:
            yield from validator.descend(value, needed, schema_path=key)


# --- words


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
    """What a value is, for people: "text", "a list"."""
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
    """A value as people see it: short scalars as they are written, long ones cut, containers by their kind and size."""
    if isinstance(value, str):
        text = value if len(value) <= most else value[: most - 1] + "…"
        return "'" + text.replace("\n", "\\n") + "'"
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)[:most]
    if isinstance(value, (list, dict)):
        things = "items" if isinstance(value, list) else "keys"
        return (
            f"{kind_of(value)} of {len(value)} {things if len(value) != 1 else things[:-1]}"
            if value
            else f"{kind_of(value)} of no {things}"
        )
    return kind_of(value)


def found(value: Any) -> str:
    """What was found, for "expected …, found …": the value where it is short, and what it is."""
    if value is None or isinstance(value, (list, dict)):
        return kind_of(value)
    return f"{kind_of(value)} ({show(value)})" if isinstance(value, str) else show(value)


def types_in_words(argument: Any) -> str:
    names = [argument] if isinstance(argument, str) else list(argument)
    return " or ".join(TYPE_WORDS.get(name, str(name)) for name in names)


def _sentences(error: Any) -> Iterator[str]:
    place = tuple(error.absolute_path)
    if error.validator in ("anyOf", "oneOf") and error.context:
        yield from _alternatives(error, place)
        return
    yield _at(place, _sentence(error))


def _at(place: Path, sentence: str) -> str:
    return f"{dotted(place)}: {sentence}" if place else sentence


def _alternatives(error: Any, place: Path) -> Iterator[str]:
    """The alternative that comes nearest speaks; where none has the right type, the types together."""
    groups: dict[Any, list[Any]] = {}
    for inner in error.context:
        groups.setdefault(inner.schema_path[0], []).append(inner)
    depth = len(place)
    fitting = [
        g for g in groups.values() if not any(e.validator == "type" and len(e.absolute_path) == depth for e in g)
    ]
    if fitting:
        for inner in min(fitting, key=len):
            yield from _sentences(inner)
        return
    names: list[str] = []
    for group in groups.values():
        for inner in group:
            argument = inner.validator_value if inner.validator == "type" else []
            names += [n for n in ([argument] if isinstance(argument, str) else argument) if n not in names]
    yield _at(place, f"must be {types_in_words(names)}, found {found(error.instance)}")


def _sentence(error: Any) -> str:
    words = _WORDS.get(str(error.validator))
    if words is not None:
        return words(error.instance, error.validator_value, error)
    return f"{found(error.instance)} does not fit `{error.validator}` of its schema"


def _plural(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _unknown(value: Any, argument: Any, error: Any) -> str:
    key = str(error.absolute_path[-1]) if error.absolute_path else ""
    known = [str(name) for name in error.schema.get("properties", {})]
    hint = did_you_mean(key, known) or ("known: " + ", ".join(known[:20]) if known else None)
    return "is not a known field" + (f" ({hint})" if hint else "")


def _missing(value: Any, argument: Any, error: Any) -> str:
    names = [name for name in argument if name not in value]
    return "; ".join(f"{show(name)} is missing" for name in names)


def _choices(value: Any, argument: Any, error: Any) -> str:
    listed = ", ".join(show(one) for one in argument[:20])
    hint = did_you_mean(value, [one for one in argument if isinstance(one, str)]) if isinstance(value, str) else None
    return f"{show(value)} is none of {listed}" + (f" ({hint})" if hint else "")


_WORDS: dict[str, Callable[[Any, Any, Any], str]] = {
    "type": lambda v, a, e: f"must be {types_in_words(a)}, found {found(v)}",
    "enum": _choices,
    "const": lambda v, a, e: f"must be {show(a)}, found {found(v)}",
    "minimum": lambda v, a, e: f"{show(v)} is less than the minimum {show(a)}",
    "maximum": lambda v, a, e: f"{show(v)} is more than the maximum {show(a)}",
    "exclusiveMinimum": lambda v, a, e: f"{show(v)} is not more than {show(a)}",
    "exclusiveMaximum": lambda v, a, e: f"{show(v)} is not less than {show(a)}",
    "multipleOf": lambda v, a, e: f"{show(v)} is not a multiple of {show(a)}",
    "minLength": lambda v, a, e: f"{show(v)} is shorter than {_plural(a, 'character')}",
    "maxLength": lambda v, a, e: f"{show(v)} is longer than {_plural(a, 'character')}",
    "pattern": lambda v, a, e: f"{show(v)} does not match the pattern {a}",
    "minItems": lambda v, a, e: f"has {_plural(len(v), 'item')}, at least {a} are needed",
    "maxItems": lambda v, a, e: f"has {_plural(len(v), 'item')}, at most {a} are allowed",
    "uniqueItems": lambda v, a, e: "holds the same item twice",
    "minProperties": lambda v, a, e: f"has {_plural(len(v), 'key')}, at least {a} are needed",
    "maxProperties": lambda v, a, e: f"has {_plural(len(v), 'key')}, at most {a} are allowed",
    "required": _missing,
    "dependentRequired": lambda v, a, e: e.message,
    "additionalProperties": _unknown,
    "oneOf": lambda v, a, e: f"{found(v)} fits more than one of the alternatives, exactly one is wanted",
    "not": lambda v, a, e: f"{found(v)} is what its schema excludes with `not`",
    "contains": lambda v, a, e: "holds no item of the kind that is needed",
    "false": lambda v, a, e: "must not be there",
}
