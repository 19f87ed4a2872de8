"""The JSON Schema of an answer, and a value held against a schema in sentences for people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from magent.ports import Question
from magent.source import did_you_mean, dotted, reason

FIRST_FIELD = {
    "approval": "approved",
    "feedback": "text",
    "choice": "choice",
    "rating": "rating",
    "review": "decision",
    "validation": "valid",
}
DECISIONS = ("approve", "request_changes", "reject")
COMMON = ("by", "at", "comment", "via")
_TYPES = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}


def read_options(data: Any) -> tuple[dict[str, Any], ...]:
    """`[a, {value: b, label: B}]` → `({value: a, label: a}, {value: b, label: B})`. Raises ValueError, a sentence."""
    if not isinstance(data, (list, tuple)) or not data:
        raise ValueError(f"`options` must be a list of at least one option, not {shown(data)}")
    options = [dict(item) if isinstance(item, Mapping) else {"value": item} for item in data]
    for option in options:
        value = option.get("value")
        scalar = isinstance(value, (str, int, float))
        if not scalar:
            raise ValueError(f"the value of an option must be text, a number, true or false, not {shown(value)}")
        option["label"] = text_of(option.get("label") or value)
    twice = [value for value, count in Counter(text_of(option["value"]) for option in options).items() if count > 1]
    if twice:
        raise ValueError(f"the option '{twice[0]}' is there twice")
    return tuple({"value": option["value"], "label": option["label"]} for option in options)


def answer_schema(question: Question) -> dict[str, Any]:
    """The JSON Schema (draft 7) of a whole answer to the question."""
    fields = own_fields(question)
    if question.form:
        fields["form"] = {
            "type": "object",
            "properties": {name: _form_field(name, schema) for name, schema in question.form.items()},
            "required": [name for name, schema in question.form.items() if not has_default(schema)],
            "additionalProperties": False,
        }
    required = [FIRST_FIELD[question.input]]
    if question.form and fields["form"]["required"]:
        required.append("form")
    fields |= {name: {"type": ["string", "null"], "default": None} for name in COMMON}
    schema = {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
    if question.input == "validation":
        schema["if"] = {"properties": {"valid": {"const": True}}, "required": ["valid"]}
        schema["then"] = {"properties": {"errors": {"maxItems": 0}}}
    return schema


def own_fields(question: Question) -> dict[str, Any]:
    low, high = question.scale
    one_of = {"enum": [option["value"] for option in question.options]}
    fields: dict[str, dict[str, Any]] = {
        "approval": {"approved": {"type": "boolean"}},
        "feedback": {"text": {"type": "string"}},
        "choice": {"choice": {"type": "array", "items": one_of, "uniqueItems": True} if question.multiple else one_of},
        "rating": {"rating": {"type": "integer", "minimum": low, "maximum": high}},
        "review": {
            "decision": {"enum": list(DECISIONS)},
            "comments": {"type": ["string", "null"], "default": None},
            "content": {"description": "The content, edited; as shown where it is not given."},
        },
        "validation": {
            "valid": {"type": "boolean"},
            "errors": {"type": "array", "items": {"type": "string"}, "default": []},
        },
    }
    return fields[question.input]


def has_default(schema: Any) -> bool:
    return isinstance(schema, Mapping) and "default" in schema


def _form_field(name: str, schema: Any) -> Any:
    """The field's own schema; null fits too where null is the default, and `$ref` starts at the field."""
    if not isinstance(schema, Mapping):
        return schema
    own = dict(schema)
    if "$ref" in json.dumps(own, default=str):
        own.setdefault("$id", f"urn:magent:form:{name}")
    if own.get("default", ...) is not None or check_value(own, None) == []:
        return own
    return {"anyOf": [own, {"type": "null"}], "default": None}


# A value against a schema, in sentences for people


def check_value(schema: Any, value: Any) -> list[str]:
    """Why `value` does not fit the JSON Schema, one sentence a fault; empty where it fits. Patterns are RE2's."""
    return faults(schema, value, None)


def faults(schema: Any, value: Any, question: Question | None) -> list[str]:
    import re2
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    try:
        errors = list(_validator()(schema, registry=Registry()).iter_errors(value))
    except Unresolvable as error:
        return [f"the schema's `$ref` {shown(getattr(error, 'ref', ''))} leads nowhere"]
    except re2.error as error:
        return [f"the schema's pattern is not RE2's: {reason(error)}"]
    except RecursionError:
        return ["the schema refers to itself without end"]
    except ArithmeticError:  # `1e999` is one
        return ["holds a number that cannot be reckoned with"]
    except (UnknownType, TypeError, AttributeError):  # a schema out of a template, which nobody has checked
        wrong = schema_fault(schema)
        if wrong is None:
            raise
        return [f"the schema is wrong: {wrong}"]
    sentences = [sentence for error in errors for sentence in _sentences(error, question)]
    return list(dict.fromkeys(sentences))


def schema_fault(schema: Any) -> str | None:
    """What makes this no JSON Schema of ours, or None."""
    from jsonschema import SchemaError

    try:
        _validator().check_schema(schema)
    except SchemaError as error:
        return str(error.message)[:200]
    return None


@cache
def _validator() -> Any:
    import re2
    from jsonschema import Draft7Validator, ValidationError, validators

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True

    def found(text: Any, instance: str) -> bool:
        whole = instance.encode("utf-8", "replace").decode()  # half a character is none that a pattern has
        return re2.compile(text, options).search(whole) is not None

    def pattern(_: Any, text: Any, instance: Any, __: Any) -> Iterable[Any]:
        if isinstance(instance, str) and not found(text, instance):
            yield ValidationError(f"does not match the pattern {text}")

    def by_pattern(validator: Any, patterns: Any, instance: Any, _: Any) -> Iterable[Any]:
        for text, schema in patterns.items() if isinstance(instance, dict) else ():
            for name, value in instance.items():
                if found(text, name):
                    yield from validator.descend(value, schema, path=name, schema_path=text)

    def others(validator: Any, schema: Any, instance: Any, around: Any) -> Iterable[Any]:
        """As the library's own, which would search with Python's `re`: that may take for ever."""
        patterns = around.get("patternProperties", {})
        if isinstance(instance, dict):
            instance = {
                name: item for name, item in instance.items() if not any(found(text, name) for text in patterns)
            }
        bare = {key: value for key, value in around.items() if key != "patternProperties"}
        yield from Draft7Validator.VALIDATORS["additionalProperties"](validator, schema, instance, bare)

    ours = {"pattern": pattern, "patternProperties": by_pattern, "additionalProperties": others}
    return validators.extend(Draft7Validator, ours)  # type: ignore[no-untyped-call]


def _sentences(error: Any, question: Question | None) -> list[str]:
    """One error of the library in our words; one that hides behind "or null" is told as if it did not."""
    name = f"`{dotted(error.absolute_path)}`" if error.absolute_path else "the value"
    rule, limit, value = error.validator, error.validator_value, error.instance
    if rule == "anyOf" and len(limit) == 2 and limit[1] == {"type": "null"}:
        return [text for inner in error.context if inner.schema_path[0] == 0 for text in _sentences(inner, question)]
    if rule == "required":
        prefix = f"{dotted(error.absolute_path)}." if error.absolute_path else ""
        return [f"`{prefix}{field}` is missing" for field in limit if field not in value]
    if rule == "additionalProperties" and limit is False:
        return [_unknown(field, error) for field in value if field not in error.schema.get("properties", {})]
    if rule == "type":
        kinds = [limit] if isinstance(limit, str) else limit
        wanted = " or ".join(_TYPES.get(kind, kind) for kind in kinds)
        return [f"{name} must be {wanted}, not {shown(value)}{_yaml_trap(kinds, value)}"]
    if rule == "enum":
        known = ", ".join(shown(item, quote="") for item in limit)
        return [f"{name} must be one of {known}, not {shown(value)}{_likely(value, limit, question)}"]
    return [f"{name} {_bound(rule, limit, value)}"]


def _unknown(field: Any, error: Any) -> str:
    known = list(error.schema.get("properties", {}))
    where = f" of `{dotted(error.absolute_path)}`" if error.absolute_path else " of the answer"
    near = did_you_mean(str(field), known)
    return f"`{field}` is not a field{where}: {near or 'it has ' + ', '.join(known)}"


def _yaml_trap(kinds: Sequence[str], value: Any) -> str:
    if isinstance(value, str) and "boolean" in kinds:
        return ": write true or false, without quotes"
    if isinstance(value, str) and "array" in kinds:
        return f": write [{value[:40]}]"
    return ""


def _likely(value: Any, known: Sequence[Any], question: Question | None) -> str:
    """The option that was probably meant: the one with this label, or the nearest value."""
    for option in question.options if question else ():
        if option["label"] == value and option["value"] != value and isinstance(option["value"], str):
            return f": that is the label of {shown(option['value'])}"
    near = did_you_mean(value, [item for item in known if isinstance(item, str)]) if isinstance(value, str) else None
    same = [item for item in known if not isinstance(item, str) and text_of(item) == value]
    return f": {near}" if near else f": write {text_of(same[0])} without quotes" if same else ""


def _bound(rule: str, limit: Any, value: Any) -> str:
    if rule == "maxItems" and limit == 0:
        return f"must be empty, not {shown(value)}: errors go with `valid: false`"
    says = {
        "const": "must be {}",
        "minimum": "must be at least {}",
        "maximum": "must be at most {}",
        "exclusiveMinimum": "must be more than {}",
        "exclusiveMaximum": "must be less than {}",
        "multipleOf": "must be a multiple of {}",
        "minLength": "must have at least {} characters",
        "maxLength": "must have at most {} characters",
        "minItems": "must have at least {} elements",
        "maxItems": "must have at most {} elements",
        "pattern": "must match the pattern {}",
        "uniqueItems": "must not have an element twice",
    }.get(rule)
    says = says or f"must fit `{rule}` of its schema"
    return f"{says.format(shown(limit, quote=''))}, not {shown(value)}"


def shown(value: Any, quote: str = "'") -> str:
    """A value within a sentence, never longer than 60 characters."""
    text = value if isinstance(value, str) else text_of(value)
    text = text if len(text) <= 60 else text[:57] + "…"
    return f"{quote}{text}{quote}" if isinstance(value, str) else text


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
