"""Values against the JSON Schemas that users write: inputs, outputs, answers, tool arguments.

`check_value` gives sentences for people. That a value fits is found by `schema_rules`, in microseconds; a value that
does not, or a schema with a keyword beyond those rules, is left to the library, whose findings are put in words here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from magent.source import Path, did_you_mean, dotted
from magent.spec import schema_library
from magent.spec.schema_keywords import book
from magent.spec.schema_library import Unsound
from magent.spec.schema_rules import Beyond, Fault, Schema, Tired
from magent.spec.schema_say import found, plural, show, types_in_words
from magent.spec.schema_sound import schema_faults

MOST_ERRORS = 20
UNUSABLE = "its schema cannot be used: "  # how the one sentence about a schema that is none begins
_MOST_STEPS = 4_000_000  # about two seconds
_TOO_LARGE = "it is too large to be checked against its schema"
_KEPT = 1000
_WORDING = ("title", "description", "default")

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """What was made of an object, by the object's identity; it is kept alive meanwhile. Bounded."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[K, V]] = {}

    def get(self, source: K, make: Callable[[K], V]) -> V:
        known = self._made.get(id(source))
        if known is not None and known[0] is source:
            return known[1]
        if len(self._made) >= _KEPT:
            self._made.clear()
        made = make(source)
        self._made[id(source)] = (source, made)
        return made


_schemas: Kept[Mapping[str, Any], dict[str, Any]] = Kept()

# --- fields: name → JSON Schema, the one form of `inputs`, `output`, `form`, `parameters`


def field_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON Schema of the object that `fields` describe: what has no `default` must be there, nothing else may.

    `default: null` lets a field be null, whatever its type. A `#/…` reference in a field counts from that field. The
    same fields, which must not change, give the same schema object.
    """
    return _schemas.get(fields, _object_schema)


def _object_schema(fields: Mapping[str, Any]) -> dict[str, Any]:
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
    base = "#/properties/" + name.replace("~", "~0").replace("/", "~1")
    nullable = "default" in schema and schema["default"] is None
    member = dict(schema)
    if '"$ref"' in json.dumps(member, default=str):
        member = _moved(member, base + "/anyOf/0" if nullable else base)
    return _nullable(member) if nullable else member


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    words = {key: item for key, item in schema.items() if key in _WORDING}
    inner = {key: item for key, item in schema.items() if key not in _WORDING}
    if not inner:
        return words
    if set(inner) == {"type"}:
        types = [inner["type"]] if isinstance(inner["type"], str) else list(inner["type"])
        return {**words, "type": types if "null" in types else [*types, "null"]}
    return {**words, "anyOf": [inner, {"type": "null"}]}


def _moved(schema: Any, base: str) -> Any:
    """The schema with its `#…` references counted from `base`."""
    if isinstance(schema, list):
        return [_moved(item, base) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {key: _moved(item, base) for key, item in schema.items()}
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#"):
        moved["$ref"] = base + reference[1:]
    return moved


# --- values


class Checker:
    """A schema made ready: quick rules where they suffice, the library when it is first needed."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.unsound = [_at(place, sentence) for place, _, sentence in schema_faults(schema)]
        self.rule = book(schema).root
        self.quick = True
        self._errors: Callable[[Any], Iterator[Any]] | None = None

    def first_fault(self, value: Any) -> Fault | None:
        """The first that the quick rules find. Raises Beyond where they cannot tell, Tired where it takes too long."""
        if not self.quick:
            raise Beyond
        self.rule.book.left = _MOST_STEPS
        try:
            return self.rule.first_fault(value)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise Beyond from error  # a schema that is none: the library tells

    def is_long(self, value: Any) -> bool:
        """Whether telling every fault takes so many steps that the library, which is slower, would take minutes."""
        self.rule.book.left = _MOST_STEPS // 20
        try:
            self.rule.faults(value)
        except Tired:
            return True
        except RecursionError:
            return False
        return False

    def errors(self, value: Any) -> Iterator[Any]:
        """The library's. Raises Unsound where the schema is none, Tired where it takes too long."""
        if self._errors is None:
            self._errors = schema_library.validator(self.schema)
        return self._errors(value)


_checkers: Kept[Schema, Checker] = Kept()


def check_value(schema: Schema, value: Any) -> list[str]:
    """What is wrong with `value`, at most 20 sentences, each with its place inside the value; empty where it fits.

    The schema must not change between calls. One that is none, or loops, is itself what the sentence is about.
    """
    known = _checkers.get(schema, Checker)
    if known.unsound:
        return [UNUSABLE + known.unsound[0]]
    try:
        fault = known.first_fault(value)
        if fault is None:
            return []
        if known.is_long(value):
            return [_told(fault)]
    except Tired:
        return [_TOO_LARGE]
    except Beyond:
        known.quick = False
    except RecursionError:
        pass  # the library may still tell
    return _all_sentences(known, value)


def _all_sentences(known: Checker, value: Any) -> list[str]:
    sentences: dict[str, None] = {}
    try:
        for error in known.errors(value):
            sentences.update(dict.fromkeys(_sentences(error)))
            if len(sentences) >= MOST_ERRORS:
                break
    except Tired:
        return [*sentences, _TOO_LARGE][:MOST_ERRORS]
    except RecursionError:
        return ["it is nested too deep to be checked against its schema"]
    except Unsound as error:
        return [f"{UNUSABLE}{error}"]
    return list(sentences)[:MOST_ERRORS]


# --- words


def _told(fault: Fault) -> str:
    """One fault of the quick rules, where the library is not asked."""
    words = _PLAIN.get(fault.keyword)
    if words is None:
        place = fault.path if fault.detail is None else (*fault.path, fault.detail)
        return _at(
            place, "is missing" if fault.keyword == "required" else f"does not fit `{fault.keyword}` of its schema"
        )
    return _at(fault.path, words(fault.value, fault.rule.keywords.get(fault.keyword)))


def _sentences(error: Any) -> Iterator[str]:
    place = tuple(error.absolute_path)
    if error.validator in ("anyOf", "oneOf") and error.context:
        yield from _alternatives(error, place)
    elif error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                yield _at((*place, name), "is missing")
    else:
        yield _at(place, _sentence(error))


def _at(place: Path, sentence: str) -> str:
    return f"{dotted(place)}: {sentence}" if place else sentence


def _alternatives(error: Any, place: Path) -> Iterator[str]:
    """The alternative that comes nearest speaks; where none has the right type, the types together."""
    groups: dict[Any, list[Any]] = {}
    for inner in error.context:
        if inner.schema_path:  # else the alternative is `false`, which says nothing
            groups.setdefault(inner.schema_path[0], []).append(inner)
    fitting = [group for group in groups.values() if not any(_is_of_type(inner, place) for inner in group)]
    wanted = [types_in_words(inner.validator_value) for inner in error.context if _is_of_type(inner, place)]
    if fitting:
        for inner in min(fitting, key=len):
            yield from _sentences(inner)
    elif wanted:
        yield _at(place, f"must be {' or '.join(dict.fromkeys(wanted))}, found {found(error.instance)}")
    else:
        yield _at(place, "must not be there")


def _is_of_type(error: Any, place: Path) -> bool:
    return error.validator == "type" and tuple(error.absolute_path) == place


def _sentence(error: Any) -> str:
    if error.validator in _SPECIAL:
        return _SPECIAL[error.validator](error)
    plain = _PLAIN.get(str(error.validator))
    if plain is None:
        return f"{found(error.instance)} does not fit `{error.validator}` of its schema"
    return plain(error.instance, error.validator_value)


def _unknown(error: Any) -> str:
    key = str(error.absolute_path[-1])
    known = [str(name) for name in error.schema.get("properties", {})]
    hint = did_you_mean(key, known) or ("known: " + ", ".join(known[:20]) if known else None)
    return "is not a known field" + (f" ({hint})" if hint else "")


def _choices(value: Any, known: Iterable[Any]) -> str:
    listed = list(known)
    hint = did_you_mean(value, [one for one in listed if isinstance(one, str)]) if isinstance(value, str) else None
    return f"{show(value)} is none of {', '.join(map(show, listed[:20]))}" + (f" ({hint})" if hint else "")


def _dependent(error: Any) -> str:
    missing = [
        name
        for key, names in error.validator_value.items()
        if key in error.instance and isinstance(names, list)
        for name in names
        if name not in error.instance
    ]
    return f"lacks {', '.join(map(show, missing))}, which goes with what is there"


_PLAIN: dict[str, Callable[[Any, Any], str]] = {
    "type": lambda value, types: f"must be {types_in_words(types)}, found {found(value)}",
    "enum": _choices,
    "const": lambda value, one: f"must be {show(one)}, found {found(value)}",
    "minimum": lambda value, bound: f"{show(value)} is less than the minimum {show(bound)}",
    "maximum": lambda value, bound: f"{show(value)} is more than the maximum {show(bound)}",
    "exclusiveMinimum": lambda value, bound: f"{show(value)} is not more than {show(bound)}",
    "exclusiveMaximum": lambda value, bound: f"{show(value)} is not less than {show(bound)}",
    "multipleOf": lambda value, factor: f"{show(value)} is not a multiple of {show(factor)}",
    "minLength": lambda value, bound: f"{show(value)} is shorter than {plural(bound, 'character')}",
    "maxLength": lambda value, bound: f"{show(value)} is longer than {plural(bound, 'character')}",
    "pattern": lambda value, text: f"{show(value)} does not match the pattern {text}",
    "minItems": lambda value, bound: f"has {plural(len(value), 'item')}, at least {bound} are needed",
    "maxItems": lambda value, bound: f"has {plural(len(value), 'item')}, at most {bound} are allowed",
    "uniqueItems": lambda _value, _: "holds the same item twice",
    "minProperties": lambda value, bound: f"has {plural(len(value), 'key')}, at least {bound} are needed",
    "maxProperties": lambda value, bound: f"has {plural(len(value), 'key')}, at most {bound} are allowed",
    "oneOf": lambda value, _: f"{found(value)} fits more than one of the alternatives, exactly one is wanted",
    "not": lambda value, _: f"{found(value)} is what its schema excludes with `not`",
    "contains": lambda _value, _: "does not hold an item of the kind that is needed",
    "false": lambda _value, _: "must not be there",
    "None": lambda _value, _: "must not be there",  # the whole schema is `false`
}
_SPECIAL: dict[str, Callable[[Any], str]] = {
    "additionalProperties": _unknown,
    "dependentRequired": _dependent,
    "dependencies": _dependent,
}
