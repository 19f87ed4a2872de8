"""Documents against the files in `schemas/`, in words of our own, and values against users' schemas (from `schema_values`).

The JSON files are the one truth about shapes; this package only puts what they refuse in words, with the place.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path as FilePath
from typing import Any, Literal, get_args

from magent.source import Path, Problem, dotted, locate
from magent.spec.schema_rules import Book, Fault
from magent.spec.schema_values import check_schema, check_value, field_schema, fill, found, types_in_words

__all__ = ["Kind", "check_schema", "check_value", "field_schema", "fill", "read_schema", "validate"]

Kind = Literal["workflow", "library", "answers", "settings", "test"]
KINDS: tuple[str, ...] = get_args(Kind)
_PACKAGE = FilePath(__file__).resolve().parent.parent


@cache
def read_schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of a kind of document, from the installed package or, in a checkout, from beside it."""
    for directory in (_PACKAGE / "schemas", _PACKAGE.parent / "schemas"):
        file = directory / f"{kind}.schema.json"
        if file.is_file():
            schema: dict[str, Any] = json.loads(file.read_text("utf-8"))
            return schema
    raise FileNotFoundError(f"the schema {kind}.schema.json is neither in {_PACKAGE} nor beside it")


@cache
def _book(kind: Kind) -> Book:
    return Book(read_schema(kind))


def validate(document: Any, kind: Kind) -> list[Problem]:
    """Every place where `document` is not of the shape that its schema gives, sorted by place."""
    faults = _book(kind).root.faults(document)
    problems = [_problem(fault, document) for fault in faults]
    return sorted(problems, key=lambda problem: problem.position)


def _problem(fault: Fault, document: Any) -> Problem:
    path: Path = fault.path
    return Problem(fault.keyword, f"{fault.keyword}: {found(fault.value)}", locate(document, path), dotted(path))
