"""Documents against the files in `schemas/`, in words of our own; values against users' schemas (see `schema_values`).

The JSON files are the one truth about shapes. What draft-07 cannot say (that a schema in a document is sound
in itself) is added here, by the name of the definition it belongs to.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Literal, get_args

from magent.source import Path, Problem, dotted
from magent.spec.schema_keywords import own_book
from magent.spec.schema_rules import Book, Check, Fault, Rule, Walk
from magent.spec.schema_sound import schema_faults
from magent.spec.schema_values import UNUSABLE, check_value, field_schema, fill
from magent.spec.schema_words import problems

__all__ = [
    "KINDS",
    "UNUSABLE",
    "Kind",
    "check_schema",
    "check_value",
    "field_schema",
    "fill",
    "read_schema",
    "validate",
]

Kind = Literal["workflow", "library", "answers", "settings", "test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_PACKAGE = FilePath(__file__).resolve().parent.parent
_SHARED = "workflow.schema.json"


def validate(document: Any, kind: Kind) -> list[Problem]:
    """Every place where `document` has not the shape of its kind of file, sorted by place; empty where it has."""
    return problems(_book(kind).root.faults(document), document, read_schema("workflow"))


def check_schema(schema: Any) -> list[str]:
    """What is wrong with a JSON Schema that a user or a server wrote, in sentences; empty where it can be used.

    Keywords that are not known are let be: they mean nothing, here as in JSON Schema.
    """
    rule = _book("workflow").refer("#/definitions/schema")
    shape = [fault for fault in rule.faults(schema) if fault.keyword != "propertyNames"]
    told = problems(shape, schema, read_schema("workflow"))
    if told:
        return [f"{problem.path}: {problem.message}" if problem.path else problem.message for problem in told]
    return [f"{dotted(path)}: {sentence}" if path else sentence for path, _, sentence in schema_faults(schema)]


@cache
def read_schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of a kind of document, complete in itself: what it takes from another file is put in."""
    schema = _read(f"{kind}.schema.json")
    taken: dict[str, Any] = {}
    rewritten: dict[str, Any] = _taking(schema, taken)
    if taken:
        rewritten["definitions"] = {**rewritten.get("definitions", {}), **dict(sorted(taken.items()))}
    return rewritten


def _read(name: str) -> dict[str, Any]:
    """A file of `schemas/`: in the installed package, or, in a checkout or an editable install, beside it."""
    for directory in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas"):
        file = directory / name
        if file.is_file():
            schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return schema
    raise FileNotFoundError(f"{name} is missing: the package {_PACKAGE} is not complete")


def _taking(part: Any, taken: dict[str, Any], inside: bool = False) -> Any:
    """`part` with references to the workflow's schema made local; `taken` collects the definitions they need."""
    if isinstance(part, list):
        return [_taking(item, taken, inside) for item in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref")
    if isinstance(reference, str) and (inside or reference.startswith(_SHARED)):
        name = reference.rpartition("/")[2]
        if name not in taken:
            taken[name] = True
            taken[name] = _taking(_read(_SHARED)["definitions"][name], taken, inside=True)
        return {"$ref": f"#/definitions/{name}"}
    return {key: _taking(item, taken, inside) for key, item in part.items()}


@cache
def _book(kind: Kind) -> Book:
    more = {"field": _sound, "state_key": _sound, "object_schema": _sound, "form_field": _sound_if_literal}
    return own_book(read_schema(kind), more)


# --- what the JSON files cannot say


def _sound(rule: Rule) -> Check:
    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, dict):
            for place, code, sentence in schema_faults(value):
                walk.faults.append(Fault("told", (*path, *place), value, rule, (code, sentence)))

    return check


def _sound_if_literal(rule: Rule) -> Check:
    field = rule.book.refer("#/definitions/field")

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, dict) and not has_template(value):
            field.apply(value, path, walk)

    return check


def has_template(value: Any) -> bool:
    """Whether a text with `{{` stands anywhere in `value`."""
    stack = [value]
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "{{" in item:
                return True
        elif isinstance(item, (dict, list)) and id(item) not in seen:
            seen.add(id(item))
            stack += item.values() if isinstance(item, dict) else item
    return False
