"""Schemas and patterns made fit for a grammar: everything ends, and what is allowed fits what was given."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.agents.grammar import ITEMS, TEXT, bound
from magent.agents.patterns import bound_pattern


def field(schema: dict[str, Any]) -> Any:
    return bound({"type": "object", "properties": {"x": schema}, "required": ["x"]})["properties"]["x"]


@pytest.mark.parametrize(
    ("given_schema", "made"),
    [
        ({"type": "string"}, {"type": "string", "maxLength": TEXT}),
        ({"type": "string", "maxLength": 300}, {"type": "string", "maxLength": 300}),
        ({"type": "string", "minLength": 100}, {"type": "string", "maxLength": 200, "minLength": 100}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "email"}, {"type": "string", "maxLength": TEXT}),
        ({"type": "string", "pattern": "^a+$"}, {"type": "string", "pattern": "^a{1,20}$"}),
        ({"type": "string", "pattern": "^[^a]*$", "maxLength": 9}, {"type": "string", "maxLength": 9}),
        ({"enum": ["a", None]}, {"enum": ["a", None]}),
        ({"const": 3}, {"const": 3}),
        ({"type": "boolean"}, {"type": "boolean"}),
        ({"type": "integer", "minimum": 1, "maximum": 5}, {"type": "integer", "minimum": 1, "maximum": 5}),
        ({"type": "number", "minimum": 0}, {"type": "number", "minimum": 0, "maximum": 10**9, "multipleOf": 0.01}),
        (
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "number", "minimum": 0, "maximum": 1, "multipleOf": 0.01},
        ),
        (
            {"type": "number", "minimum": 0.1, "maximum": 0.2, "multipleOf": 0.5},
            {"type": "number", "minimum": 0.1, "maximum": 0.2, "multipleOf": 0.5},
        ),
        ({"type": ["string", "null"]}, {"anyOf": [{"type": "string", "maxLength": TEXT}, {"type": "null"}]}),
        ({"oneOf": [{"const": 1}, {"type": "null"}]}, {"oneOf": [{"const": 1}, {"type": "null"}]}),
        (
            {"allOf": [{"type": "integer", "maximum": 9}, {"minimum": 3}]},
            {"type": "integer", "minimum": 3, "maximum": 9},
        ),
        ({}, {"type": "string", "maxLength": TEXT}),
    ],
)
def test_each_kind_of_value_gets_an_end(given_schema: dict[str, Any], made: dict[str, Any]) -> None:
    assert field(given_schema) == made


def test_arrays_get_an_end_and_keep_their_own() -> None:
    assert field({"type": "array", "items": {"type": "boolean"}})["maxItems"] == ITEMS
    assert field({"type": "array", "maxItems": 2})["maxItems"] == 2
    assert field({"type": "array", "minItems": 9}) == {
        "type": "array", "items": {"type": "string", "maxLength": TEXT}, "maxItems": 9, "minItems": 9,
    }  # fmt: skip


def test_objects_are_closed_and_optional_fields_stay_optional() -> None:
    made = bound({"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}, "required": ["b"]})
    assert (made["additionalProperties"], made["required"], list(made["properties"])) == (False, ["b"], ["a", "b"])


def test_references_are_resolved_and_recursion_ends() -> None:
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/definitions/tree"}}}}
    made = bound({"$ref": "#/definitions/tree", "definitions": {"tree": tree}})
    assert "$ref" not in str(made)
    assert made["properties"]["kids"]["items"]["type"] == "object"


@pytest.mark.parametrize(
    ("pattern", "made"),
    [
        ("[a-z]+", "^[a-z]{1,20}$"),
        ("a|b", "^(a|b)$"),
        (r"^\d{3}-\w?$", "^[0-9]{3}-[A-Za-z0-9_]?$"),
        (r"^\$x{2,}$", r"^\$x{2,22}$"),
        ("(?:ab)*", "^(ab){0,20}$"),
        ("^a.c$", "^a[A-Za-z0-9 ]c$"),
    ],
)
def test_a_pattern_is_anchored_and_bounded(pattern: str, made: str) -> None:
    assert bound_pattern(pattern) == made


@pytest.mark.parametrize(
    "pattern", ["^a|b$", "(?i)a", r"\bfoo", "[^,]*", '"', "a{", "[a-", "", r"\pL", "(?P<n>a)", "a*?"]
)
def test_a_pattern_that_a_grammar_may_not_know_is_left_out(pattern: str) -> None:
    assert bound_pattern(pattern) is None


@pytest.mark.untraced
@given(st.from_regex(r"\A\^?([a-c]|\\d|[.]|[(]a[)]|a[*]|b[+]|c[?]|d\{2,\}){1,6}\$?\Z"), st.data())
def test_what_a_bounded_pattern_matches_the_given_one_finds(pattern: str, data: st.DataObject) -> None:
    made = bound_pattern(pattern)
    assert made is not None
    assert re.search(pattern, data.draw(st.from_regex(re.compile(made, re.ASCII), fullmatch=True)))


@given(st.text(max_size=30))
def test_no_pattern_is_too_odd(pattern: str) -> None:
    made = bound_pattern(pattern)
    assert made is None or (made.startswith("^") and made.endswith("$"))
