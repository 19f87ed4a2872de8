"""Python's types as JSON Schema, and back: what a function takes, and the values that it expects."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import pathlib
import sys
import types
import typing
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any, Literal, Union

from magent.expressions.problems import EvaluationError
from magent.expressions.regexes import compiled
from magent.tools.docstrings import Doc, read

_DEEPEST = 20
_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    decimal.Decimal: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    bytes: {"type": "string"},
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    pathlib.Path: {"type": "string"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    list: {"type": "array"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
    dict: {"type": "object"},
}
_LISTS = (list, Sequence, typing.Iterable, set, frozenset, AbstractSet)
_MAPPINGS = (dict, Mapping, typing.MutableMapping)
_UNIONS = (Union, types.UnionType)
_READERS: dict[Any, Callable[[Any], Any]] = {
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    decimal.Decimal: lambda value: decimal.Decimal(str(value)),
    pathlib.Path: pathlib.Path,
    uuid.UUID: uuid.UUID,
    bytes: lambda value: value.encode(),
    float: float,
}


class Unsuitable(Exception):
    """A signature that arguments by name cannot be given to."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signature:
    """What a function says of itself: text, JSON Schema of its arguments, and its parameters' types by name; and the
    defaults that stand in a Field, which Python does not fill in."""

    description: str
    parameters: dict[str, Any]
    hints: Mapping[str, Any]
    fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the types that the function expects. Raises ValueError where one cannot be made."""
        made = {name: field.get_default(call_default_factory=True) for name, field in self.fields.items()}
        for name, value in given.items():
            try:
                made[name] = value_of(self.hints.get(name, Any), value)
            except (ValueError, TypeError, ArithmeticError) as error:
                raise ValueError(f"{name}: {str(error) or type(error).__name__}") from error
        return made


def signature_of(function: Callable[..., Any]) -> Signature:
    """Raises Unsuitable."""
    called = function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__
    doc = read(inspect.getdoc(function))
    hints = _hints(called.__init__ if inspect.isclass(called) else called)
    properties, required, more, fields = {}, [], False, {}
    for name, parameter in _signature(function).parameters.items():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL):
            shown = f"*{name}" if parameter.kind is parameter.VAR_POSITIONAL else name
            raise Unsuitable(f"its parameter '{shown}' cannot be given by name")
        if parameter.kind is parameter.VAR_KEYWORD:
            more = True
            continue
        hint, default = hints.get(name, Any), parameter.default
        if _is_field(default):  # `count: int = Field(3, ge=1)`
            hint = typing.Annotated[hint, default]
            if not default.is_required():
                fields[name] = default
            default = parameter.empty if default.is_required() else default.get_default(call_default_factory=True)
        properties[name] = _property(hint, name, doc, default)
        if default is parameter.empty:
            required.append(name)
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    if not more:
        schema["additionalProperties"] = False
    return Signature(doc.summary, schema, hints, fields)


def _is_field(default: Any) -> bool:
    """Pydantic's, which need not be there."""
    return callable(getattr(default, "is_required", None)) and callable(getattr(default, "get_default", None))


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise Unsuitable("it does not say what it takes") from error


def _hints(function: Any) -> dict[str, Any]:
    """The types; those that cannot be found out are let be."""
    written = function if inspect.isclass(function) else inspect.unwrap(function)
    try:
        return typing.get_type_hints(written, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are code of the user's, which may do anything
        names = getattr(written, "__globals__", None) or vars(sys.modules.get(written.__module__, typing))
        return dict(_each_hint(getattr(written, "__annotations__", {}), names))


def _each_hint(annotations: Mapping[str, Any], names: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, hint in annotations.items():
        alone = types.SimpleNamespace(__annotations__={name: hint})
        with suppress(Exception):
            yield name, typing.get_type_hints(alone, dict(names), include_extras=True)[name]


def _property(hint: Any, name: str, doc: Doc, default: Any) -> dict[str, Any]:
    found = schema_of(hint)
    if text := doc.parameters.get(name):
        found = {**found, "description": text}
    if default is not inspect.Parameter.empty:
        plain = _as_json(default)
        if plain is not _NONE:
            found = {**found, "default": plain}
        if default is None and "type" in found and "null" not in found["type"]:
            found = _or_null(found)
    return found


_NONE = object()


def _as_json(value: Any) -> Any:
    value = value.value if isinstance(value, enum.Enum) else value
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        return _NONE


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    more = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [*kinds, "null"], **more}


# ---- types → schemas


def schema_of(hint: Any, depth: int = 0) -> dict[str, Any]:
    """What is not known, or nests too deep, may be anything: `{}`."""
    if depth > _DEEPEST or hint is Any or isinstance(hint, (str, typing.TypeVar)):
        return {}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        found = schema_of(inner[0], depth)
        return {**found, **_annotated(inner[1:], found.get("type"))}
    if isinstance(hint, typing.NewType):
        return schema_of(hint.__supertype__, depth)
    if origin in (typing.Required, typing.NotRequired, typing.ClassVar, typing.Final):
        return schema_of(inner[0], depth)
    if origin is Literal:
        return _literal(inner)
    if origin in _UNIONS:
        return _union([schema_of(each, depth + 1) for each in inner])
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if origin is not None:
        return _generic(origin, inner, depth + 1)
    return _class(hint, depth + 1) if inspect.isclass(hint) else {}


def _annotated(extras: Sequence[Any], kind: Any) -> dict[str, Any]:
    """A text beside a type describes it; what pydantic's Field says of values of this kind is kept."""
    found: dict[str, Any] = {}
    kinds = kind if isinstance(kind, list) else [kind]
    named = [*_CONSTRAINTS, *(each for one in kinds for each in _SIZES.get(one, ()))]
    for extra in extras:
        text = extra if isinstance(extra, str) else getattr(extra, "description", None)
        if isinstance(text, str) and text:
            found["description"] = text
        for constraint in (extra, *(getattr(extra, "metadata", None) or ())):
            for name, keyword in named:
                value = getattr(constraint, name, None)
                if isinstance(value, (int, float)):
                    found[keyword] = value
            pattern = getattr(constraint, "pattern", None)
            if isinstance(pattern, str) and "string" in kinds and _is_known(pattern):
                found["pattern"] = pattern
    return found


_CONSTRAINTS = (
    ("ge", "minimum"), ("gt", "exclusiveMinimum"), ("le", "maximum"), ("lt", "exclusiveMaximum"),
    ("multiple_of", "multipleOf"),
)  # fmt: skip
_SIZES = {
    "string": (("min_length", "minLength"), ("max_length", "maxLength")),
    "array": (("min_length", "minItems"), ("max_length", "maxItems")),
    "object": (("min_length", "minProperties"), ("max_length", "maxProperties")),
}


def _is_known(pattern: str) -> bool:
    """One that RE2 cannot search with is left to the function."""
    try:
        compiled(pattern)
    except EvaluationError:
        return False
    return True


def _literal(values: Sequence[Any]) -> dict[str, Any]:
    plain = [value.value if isinstance(value, enum.Enum) else value for value in values]
    kinds = {type(value) for value in plain}
    named = [_PLAIN[kind]["type"] for kind in (str, int, float, bool, type(None)) if kind in kinds]
    return {"type": named[0] if len(named) == 1 else named, "enum": plain}


def _union(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    if {} in schemas:
        return {}
    if all(set(each) == {"type"} and isinstance(each["type"], str) for each in schemas):
        kinds = list(dict.fromkeys(each["type"] for each in schemas))
        return {"type": kinds[0] if len(kinds) == 1 else kinds}
    others = [each for each in schemas if each != {"type": "null"}]
    if len(others) == 1 and "type" in others[0] and len(schemas) > 1:
        return _or_null(others[0])
    return {"anyOf": schemas}


def _generic(origin: Any, inner: tuple[Any, ...], depth: int) -> dict[str, Any]:
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        each = [schema_of(item, depth) for item in inner]
        return {"type": "array", "items": each, "minItems": len(each), "maxItems": len(each)}
    if origin in _MAPPINGS or origin in [typing.get_origin(Mapping[str, Any])]:
        values = schema_of(inner[1], depth) if len(inner) == 2 else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if origin is tuple or (inspect.isclass(origin) and issubclass(origin, typing.Iterable)):
        items = schema_of(inner[0], depth) if inner else {}
        unique = {"uniqueItems": True} if issubclass(origin, AbstractSet) else {}
        return {"type": "array", **({"items": items} if items else {}), **unique}
    return _class(origin, depth) if inspect.isclass(origin) else {}


def _class(kind: Any, depth: int) -> dict[str, Any]:
    if issubclass(kind, enum.Enum):
        return _literal([member.value for member in kind])
    if dataclasses.is_dataclass(kind):
        fields = [field for field in dataclasses.fields(kind) if field.init]
        required = [field.name for field in fields if _has_no_default(field)]
        return _object(kind, [field.name for field in fields], required, depth)
    if typing.is_typeddict(kind):
        return _object(kind, list(kind.__annotations__), sorted(kind.__required_keys__), depth)
    if _is_model(kind):
        return _inlined(kind.model_json_schema())
    plain = next((schema for base, schema in _PLAIN.items() if issubclass(kind, base)), None)
    return dict(plain) if plain else {}


def _object(kind: Any, names: Sequence[str], required: Sequence[str], depth: int) -> dict[str, Any]:
    hints, doc = _hints(kind), read(kind.__doc__)
    properties = {name: schema_of(hints.get(name, Any), depth) for name in names}
    for name, text in doc.parameters.items():
        if name in properties:
            properties[name] = {**properties[name], "description": text}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _has_no_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _is_model(kind: Any) -> bool:
    return callable(getattr(kind, "model_json_schema", None)) and callable(getattr(kind, "model_validate", None))


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """Without references, which would count from another root; what refers to itself may be anything."""
    definitions = schema.pop("$defs", {})

    def resolved(part: Any, within: tuple[str, ...]) -> Any:
        if isinstance(part, list):
            return [resolved(item, within) for item in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref", "")).rpartition("/")[2]
        if name:
            return {} if name in within or name not in definitions else resolved(definitions[name], (*within, name))
        return {key: resolved(item, within) for key, item in part.items()}

    found: dict[str, Any] = resolved(schema, ())
    return found


# ---- values → what is expected


def value_of(hint: Any, value: Any) -> Any:
    """`value`, which fits the type's schema, as the type has it. Raises ValueError, TypeError."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated or origin in (typing.Required, typing.NotRequired):
        return value_of(inner[0], value)
    if isinstance(hint, typing.NewType):
        return value_of(hint.__supertype__, value)
    if origin in _UNIONS:
        return _one_of(inner, value)
    if value is None or hint is Any:
        return value
    if origin is not None:
        return _collection(origin, inner, value)
    if hint in _READERS:
        return _READERS[hint](value)
    if not inspect.isclass(hint):
        return value
    if issubclass(hint, enum.Enum):
        return hint(value)
    if _is_model(hint):
        return hint.model_validate(value)  # type: ignore[attr-defined]
    if (dataclasses.is_dataclass(hint) or typing.is_typeddict(hint)) and isinstance(value, Mapping):
        hints = _hints(hint)
        made = {name: value_of(hints.get(name, Any), item) for name, item in value.items()}
        return hint(**made)
    return hint(value) if hint in (set, frozenset, tuple) else value


def _one_of(kinds: tuple[Any, ...], value: Any) -> Any:
    """The first alternative that the value is of, or can be made of. Raises ValueError, TypeError where it could be of
    some, and cannot be made of any."""
    refused: Exception | None = None
    if value is None and type(None) in kinds:
        return None
    if type(value) in kinds:
        return value
    for kind in kinds:
        if kind is type(None) or not _may_be(schema_of(kind), value):
            continue
        try:
            return value_of(kind, value)
        except (ValueError, TypeError, ArithmeticError) as error:
            refused = refused or error
    if refused:
        raise refused
    return value


def _may_be(schema: Mapping[str, Any], value: Any) -> bool:
    kinds = schema.get("type", [])
    wanted = {list: "array", dict: "object", str: "string", bool: "boolean", int: "integer", float: "number"}
    named = wanted.get(type(value), "")
    listed = kinds if isinstance(kinds, list) else [kinds]
    if listed and named not in listed and not (named == "integer" and "number" in listed):
        return False
    if named == "object" and isinstance(schema.get("properties"), Mapping):
        return set(schema.get("required", ())) <= set(value) <= set(schema["properties"])
    return "enum" not in schema or value in schema["enum"]


def _collection(origin: Any, inner: tuple[Any, ...], value: Any) -> Any:
    if isinstance(value, Mapping):
        kind = inner[1] if len(inner) == 2 else Any
        return {name: value_of(kind, item) for name, item in value.items()}
    if not isinstance(value, list):
        return value
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        return tuple(value_of(kind, item) for kind, item in zip(inner, value, strict=False))
    made = [value_of(inner[0] if inner else Any, item) for item in value]
    return origin(made) if origin in (set, frozenset, tuple) else set(made) if origin is AbstractSet else made
