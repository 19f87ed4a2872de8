"""A form, field by field: each asked for as its JSON Schema has it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from magent.answers import check_value, text_of
from magent.human.prompts import Prompts, one_line

_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "pattern": "as {}",
}
_KINDS = {"integer": "a whole number", "number": "a number", "array": "JSON: a list", "object": "JSON: a mapping"}


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    schema: Mapping[str, Any]
    has_default: bool
    default: Any

    @property
    def kinds(self) -> list[str]:
        kinds = self.schema.get("type")
        return [kinds] if isinstance(kinds, str) else list(kinds or [])

    @property
    def optional(self) -> bool:
        return self.has_default and self.default is None

    @property
    def message(self) -> str:
        return f"{self.name}:"

    @property
    def about(self) -> str:
        """What its schema says to people, and what it asks for: `Where it is tracked (at least 1)`."""
        about = [one_line(str(self.schema[key])) for key in ("title", "description") if self.schema.get(key)]
        rules = [_KINDS[kind] for kind in self.kinds if kind in _KINDS and not self.members()]
        rules += [words.format(text_of(self.schema[key])) for key, words in _BOUNDS.items() if key in self.schema]
        rules += ["Enter for none"] if self.optional else []
        return " · ".join([*about, *([", ".join(rules)] if rules else [])])

    def members(self) -> list[Any]:
        """The values of which it holds any, where its schema lists them."""
        items = self.schema.get("items")
        return list(items.get("enum") or []) if isinstance(items, Mapping) and "array" in self.kinds else []

    def fault(self, value: Any) -> str | None:
        return next(iter(check_value(self.schema, value)), None)


async def ask_form(prompts: Prompts, fields: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A value for each field. Raises as `Prompts` do."""
    form: dict[str, Any] = {}
    for name, schema in fields.items():
        schema = schema if isinstance(schema, Mapping) else {}
        has_default = name in defaults or "default" in schema
        field = _Field(name, schema, has_default, defaults.get(name, schema.get("default")))
        form[name] = await _ask(prompts, field)
    return form


async def _ask(prompts: Prompts, field: _Field) -> Any:
    if field.schema.get("enum"):
        return await _one_of(prompts, field, [(text_of(value), value) for value in field.schema["enum"]])
    if field.kinds == ["boolean"]:
        if field.optional:
            return await _one_of(prompts, field, [("yes", True), ("no", False)])
        return await prompts.yes_no(
            field.message, field.default if isinstance(field.default, bool) else None, about=field.about
        )
    if (members := field.members()) and (field.default is None or isinstance(field.default, list)):
        chosen = [at for at, value in enumerate(members) if value in (field.default or [])]
        options = [(text_of(value), value) for value in members]
        found = await prompts.choose_many(
            field.message, options, chosen, about=field.about, check=lambda values: _many_fault(field, values)
        )
        return None if field.optional and not found else found
    return await _typed(prompts, field)


def _many_fault(field: _Field, values: list[Any]) -> str | None:
    return None if field.optional and not values else field.fault(values)


async def _one_of(prompts: Prompts, field: _Field, options: list[tuple[str, Any]]) -> Any:
    values = [value for _, value in options]
    if field.has_default and field.default not in values:
        options = [*options, ("(none)" if field.default is None else text_of(field.default), field.default)]
    places = [at for at, (_, value) in enumerate(options) if value == field.default] if field.has_default else []
    return await prompts.choose(field.message, options, next(iter(places), None), about=field.about)


async def _typed(prompts: Prompts, field: _Field) -> Any:
    as_text = "string" in field.kinds
    default = field.default
    shown = "" if default is None else default if as_text and isinstance(default, str) else json.dumps(default)

    def read(text: str) -> Any:
        if field.has_default and text == shown:
            return default
        return text if as_text else _json_or_text(text)

    def check(text: str) -> str | None:
        return None if field.has_default and text == shown else field.fault(read(text))

    is_number = not as_text and {"integer", "number"} & set(field.kinds)
    edits = None if is_number else ".md" if as_text else ".json"
    return read(await prompts.line(field.message, about=field.about, default=shown, check=check, edits=edits))


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
