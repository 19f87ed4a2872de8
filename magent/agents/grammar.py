"""JSON Schemas made fit for a grammar: a small model goes on for ever where nothing ends, so everything gets an end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from magent.agents.patterns import bound_pattern

TEXT = 80  # characters of a text that has no bound of its own
ITEMS = 5  # elements of an array that has none
NUMBER = 10**9  # how far a number without bounds goes
_FEW = 40  # decimals that are named where a grammar holds no range
_DEEP = 12  # levels; what goes deeper becomes text
_FORMATS = ("date", "time", "date-time", "uuid")
_CHOICES = ("anyOf", "oneOf")

_KINDS = frozenset(("string", "integer", "number", "boolean", "null", "array", "object"))


class NoGrammar(ValueError):
    """Nothing fits the form, or it is none."""


_Form = dict[str, Any]
_Inner = Callable[[Any], _Form]


def bound(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with an end to every text, array, number and object, and with its `$ref`s resolved.

    What it allows also fits the given schema, as far as a grammar can say so; the caller still validates. Raises
    NoGrammar.
    """
    return _bound(schema, schema, 0)


def text_of(form: Mapping[str, Any]) -> str:
    """The grammar that holds a text to a bounded schema: llguidance's, which knows ranges of decimals, too."""
    exact = {**form, "x-guidance": {"whitespace_flexible": False, "coerce_one_of": True}}
    return f"%llguidance {{}}\nstart: %json {json.dumps(exact)}"


def _bound(schema: Any, root: Mapping[str, Any], depth: int) -> _Form:
    def inner(part: Any) -> _Form:
        return _bound(part, root, depth + 1)

    if not isinstance(schema, Mapping) or depth > _DEEP:
        return {"type": "string", "maxLength": TEXT}
    if "$ref" in schema:
        return inner(_resolve(str(schema["$ref"]), root))
    if "allOf" in schema:
        return _bound(_merged(schema, root), root, depth + 1)
    if schema.get("enum") == []:
        raise NoGrammar("an empty enum leaves nothing to say")
    for key in ("enum", "const"):
        if key in schema:
            return {key: schema[key]}
    for key in _CHOICES:
        if key in schema:
            return {key: [inner(part) for part in schema[key]]}
    kinds = schema.get("type", _guess(schema))
    forms = [_of_kind(kind, schema, inner) for kind in (kinds if isinstance(kinds, list) else [kinds])]
    return forms[0] if len(forms) == 1 else {"anyOf": forms}


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> _Form:
    """One schema that asks what all parts of an `allOf` ask; where two say the same word, the later counts."""
    merged: _Form = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        part = _resolve(str(part["$ref"]), root) if isinstance(part, Mapping) and "$ref" in part else part
        if isinstance(part, Mapping):
            properties = {**merged.get("properties", {}), **part.get("properties", {})}
            required = [*merged.get("required", []), *part.get("required", [])]
            merged = {**merged, **part, "properties": properties, "required": required}
    return {key: value for key, value in merged.items() if value or key not in ("properties", "required")}


def _guess(schema: Mapping[str, Any]) -> str:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _of_kind(kind: str, schema: Mapping[str, Any], inner: _Inner) -> _Form:
    if kind not in _KINDS:
        raise NoGrammar(f"there is no type '{kind}'")
    if kind == "string":
        return _text(schema)
    if kind == "integer":
        return {"type": kind, **_range(schema)}
    if kind == "number":
        return _decimal(schema)
    if kind == "array":
        return _array(schema, inner)
    if kind == "object":
        return _object(schema, inner)
    return {"type": kind}


def _text(schema: Mapping[str, Any]) -> _Form:
    """A bounded pattern, or a known format, says by itself where the text ends."""
    pattern = bound_pattern(schema["pattern"]) if "pattern" in schema else None
    if pattern is not None:
        return {"type": "string", "pattern": pattern}
    if schema.get("format") in _FORMATS:
        return {"type": "string", "format": schema["format"]}
    least = schema.get("minLength", 0)
    form = {"type": "string", "maxLength": schema.get("maxLength", max(TEXT, 2 * least))}
    return {**form, "minLength": least} if least else form


def _range(schema: Mapping[str, Any]) -> _Form:
    limits = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
    form = {key: schema[key] for key in limits if isinstance(schema.get(key), (int, float))}
    low, high = form.get("minimum", form.get("exclusiveMinimum")), form.get("maximum", form.get("exclusiveMaximum"))
    if low is None:
        form["minimum"] = min(0, high or 0) - NUMBER
    if high is None:
        form["maximum"] = max(0, low or 0) + NUMBER
    if low is not None and high is not None and low > high:
        raise NoGrammar(f"no number is from {low} to {high}")
    return form


def _decimal(schema: Mapping[str, Any]) -> _Form:
    """Without steps decimals would have digits without end. Below zero the grammar knows none: a few are named."""
    form = _range(schema)
    low, high = min(form.values()), max(form.values())
    step = schema.get("multipleOf", float(f"1e{min(-2, math.floor(math.log10(high - low)) - 2) if high > low else -2}"))
    if high > 0 or low == high:
        return {"type": "number", **form, "multipleOf": step}
    few = [round((low + (high - low) * place / _FEW) / step) * step for place in range(1, _FEW)]
    return {"enum": sorted({round(each, 12) for each in few})}


def _array(schema: Mapping[str, Any], inner: _Inner) -> _Form:
    least = schema.get("minItems", 0)
    form = {
        "type": "array",
        "items": inner(schema.get("items")),
        "maxItems": schema.get("maxItems", max(ITEMS, least)),
    }
    return {**form, "minItems": least} if least else form


def _object(schema: Mapping[str, Any], inner: _Inner) -> _Form:
    """The named fields, in their order, and no others; a field that need not be there may be left out."""
    fields = {name: inner(part) for name, part in schema.get("properties", {}).items()}
    required = [name for name in schema.get("required", []) if name in fields]
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    """What `#/definitions/x` points to; None where there is nothing."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found
