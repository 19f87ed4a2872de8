"""Values against users' schemas: sentences with their place, RE2, no fetching, no hanging."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator

from magent.spec.schema import check_schema, check_value, field_schema, fill

REVIEW = {
    "score": {"type": "integer", "minimum": 1, "maximum": 10},
    "verdict": {"enum": ["approve", "reject"]},
    "notes": {"type": "string", "default": None},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 5}, "default": []},
}


def reviewed(**changes: Any) -> dict[str, Any]:
    return {"score": 3, "verdict": "approve", **changes}


# --- fields


def test_a_field_without_default_must_be_there_and_no_other_may() -> None:
    assert check_value(field_schema(REVIEW), reviewed()) == []
    assert check_value(field_schema(REVIEW), {"score": 3, "verdct": "approve"}) == [
        "verdict: is missing",
        "verdct: is not a known field (did you mean 'verdict'?)",
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer"},
        {"type": ["integer", "string"]},
        {"enum": [1, 2]},
        {"$ref": "#/$defs/n", "$defs": {"n": {"const": 1}}},
        {},
    ],
)
def test_default_null_makes_a_field_optional_and_nullable_whatever_its_type(schema: dict[str, Any]) -> None:
    fields = {"a": {**schema, "default": None, "description": "x"}}
    for value in ({}, {"a": None}, {"a": 1}):
        assert check_value(field_schema(fields), value) == []
    if schema:
        assert check_value(field_schema(fields), {"a": [1]}) != []


def test_a_field_whose_default_is_not_null_does_not_take_null() -> None:
    assert check_value(field_schema({"a": {"type": "integer", "default": 3}}), {"a": None}) == [
        "a: must be an integer, found null"
    ]


def test_fill_adds_the_defaults_in_the_order_of_the_fields() -> None:
    filled = fill(REVIEW, {"verdict": "approve", "score": 3})
    assert list(filled.items()) == [("score", 3), ("verdict", "approve"), ("notes", None), ("tags", [])]


def test_fill_keeps_what_is_given_null_included() -> None:
    assert fill({"a": {"default": 3}}, {"a": None}) == {"a": None}


def test_references_count_from_the_field_they_stand_in() -> None:
    tree = {
        "$ref": "#/$defs/tree",
        "$defs": {"tree": {"type": "object", "additionalProperties": {"$ref": "#/$defs/tree"}}},
    }
    for extra in ({}, {"default": None}):
        schema = field_schema({"a/b~c": {**tree, **extra}})
        assert check_value(schema, {"a/b~c": {"x": {"y": {}}}}) == []
        assert check_value(schema, {"a/b~c": {"x": {"y": 3}}}) == ["a/b~c.x.y: must be a mapping, found 3"]


# --- sentences


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({"score": 11}, ["score: 11 is more than the maximum 10"]),
        ({"score": 0}, ["score: 0 is less than the minimum 1"]),
        ({"score": "high"}, ["score: must be an integer, found text ('high')"]),
        ({"score": True}, ["score: must be an integer, found true"]),
        ({"score": 3.0}, []),
        ({"score": 3.5}, ["score: must be an integer, found 3.5"]),
        ({"verdict": "aprove"}, ["verdict: 'aprove' is none of 'approve', 'reject' (did you mean 'approve'?)"]),
        ({"verdict": None}, ["verdict: null is none of 'approve', 'reject'"]),
        ({"notes": 4}, ["notes: must be text or null, found 4"]),
        ({"tags": "a"}, ["tags: must be a list, found text ('a')"]),
        (
            {"tags": ["a", "toolong", 3]},
            ["tags[1]: 'toolong' is longer than 5 characters", "tags[2]: must be text, found 3"],
        ),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_its_place(change: dict[str, Any], sentences: list[str]) -> None:
    assert check_value(field_schema(REVIEW), reviewed(**change)) == sentences


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": "object"}, [1], "must be a mapping, found a list"),
        ({"const": 3}, 4, "must be 3, found 4"),
        ({"const": 1}, True, "must be 1, found true"),
        ({"exclusiveMinimum": 3}, 3, "3 is not more than 3"),
        ({"exclusiveMaximum": 3}, 3, "3 is not less than 3"),
        ({"multipleOf": 2}, 3, "3 is not a multiple of 2"),
        ({"minLength": 1}, "", "'' is shorter than 1 character"),
        ({"pattern": "^a+$"}, "b", "'b' does not match the pattern ^a+$"),
        ({"minItems": 2}, [1], "has 1 item, at least 2 are needed"),
        ({"maxItems": 1}, [1, 2], "has 2 items, at most 1 are allowed"),
        ({"uniqueItems": True}, [1, 1.0], "holds the same item twice"),
        ({"minProperties": 1}, {}, "has 0 keys, at least 1 are needed"),
        ({"contains": {"const": 3}}, [1], "does not hold an item of the kind that is needed"),
        ({"not": {"type": "string"}}, "x", "text ('x') is what its schema excludes with `not`"),
        (
            {"oneOf": [{"minimum": 1}, {"maximum": 9}]},
            5,
            "5 fits more than one of the alternatives, exactly one is wanted",
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "x", "must be an integer or null, found text ('x')"),
        ({"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]}, 1, "1 is less than the minimum 3"),
        ({"oneOf": [{"type": "object", "required": ["a"]}, {"type": "array"}]}, {}, "a: is missing"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "lacks 'b', which goes with what is there"),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, "lacks 'b', which goes with what is there"),
        ({"properties": {"a": False}}, {"a": 1}, "a: must not be there"),
        ({"patternProperties": {"^x": {"type": "integer"}}}, {"xy": "z"}, "xy: must be an integer, found text ('z')"),
        ({"items": [{"type": "integer"}], "additionalItems": False}, [1, 2], "[1]: must not be there"),
        ({"prefixItems": [{"type": "integer"}], "items": {"type": "string"}}, [1, 2], "[1]: must be text, found 2"),
        ({"additionalProperties": {"type": "integer"}}, {"a": "x"}, "a: must be an integer, found text ('x')"),
        ({"if": {"required": ["a"]}, "then": {"required": ["b"]}}, {"a": 1}, "b: is missing"),
        ({"unevaluatedProperties": False}, {"a": 1}, "a mapping does not fit `unevaluatedProperties` of its schema"),
        (False, 1, "must not be there"),
    ],
)
def test_every_keyword_has_its_sentence(schema: Any, value: Any, sentence: str) -> None:
    assert check_value(schema, value) == [sentence]


def test_no_more_than_twenty_sentences_are_said() -> None:
    assert len(check_value({"items": {"type": "integer"}}, ["x"] * 1000)) == 20


def test_long_values_are_cut() -> None:
    (sentence,) = check_value({"maxLength": 3}, "x" * 100_000)
    assert len(sentence) < 150


# --- hostile schemas and values


@pytest.mark.untraced
def test_a_pattern_that_makes_other_engines_hang_does_not() -> None:
    schemas: list[Any] = [{"pattern": "^(a+)+$"}, {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}]
    start = time.process_time()
    for schema, value in zip(schemas, ["a" * 5000 + "b", {"a" * 5000 + "b": 1}], strict=True):
        assert check_value(schema, value)
    assert time.process_time() - start < 5


def test_a_pattern_of_thousands_of_groups_takes_no_gigabytes() -> None:
    start = time.process_time()
    assert check_value({"pattern": "(a*)*" * 10_000}, "a" * 1000) == []
    assert time.process_time() - start < 3


def test_half_a_character_is_no_reason_to_break() -> None:
    assert check_value({"pattern": "^a$"}, "\ud800") == ["'\ud800' does not match the pattern ^a$"]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}},
        {"anyOf": [{"type": "integer"}, {"not": {"$ref": "#"}}]},
    ],
)
def test_a_schema_that_refers_to_itself_without_end_is_told(schema: dict[str, Any]) -> None:
    assert [sentence.rpartition(": ")[2] for sentence in check_schema(schema)] == [
        "the schema refers to itself without end"
    ]
    (told,) = check_value(schema, "x")
    assert told.startswith("its schema cannot be used: ")
    assert told.endswith("the schema refers to itself without end")


def test_a_schema_that_unfolds_without_measure_is_told() -> None:
    defs: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)}
    bomb = {"$ref": "#/$defs/a0", "$defs": {**defs, "a60": {"type": "string"}}}
    assert check_schema(bomb)[0].endswith("the schema unfolds into more than 2,000 parts for one value")
    assert len(check_value(bomb, 3)) == 1


@pytest.mark.untraced
def test_a_value_that_unfolds_its_schema_without_measure_ends() -> None:
    node = {"properties": {"a": {"allOf": [{"$ref": "#/$defs/n"}, {"$ref": "#/$defs/n"}]}}, "type": "object"}
    schema = {"$ref": "#/$defs/n", "$defs": {"n": node}}
    value: Any = {}
    for _ in range(60):
        value = {"a": value}
    start = time.process_time()
    assert len(check_value(schema, value)) == 1
    assert time.process_time() - start < 60


@pytest.mark.untraced
def test_a_large_value_is_checked() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    assert check_value(schema, list(range(300_000))) == []
    assert check_value(schema, [*range(300_000), "x"]) == ["[300000]: must be an integer, found text ('x')"]


def test_what_is_only_referred_to_is_looked_at_too() -> None:
    assert check_schema({"$ref": "#/own", "own": {"pattern": "(a"}})[0].startswith(
        "$ref.pattern: '(a' is not a pattern"
    )


def test_a_schema_that_describes_a_tree_is_no_loop() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}}
    assert check_schema(tree) == []
    assert check_value(tree, {"left": {"right": {"left": 3}}}) == ["left.right.left: must be a mapping, found 3"]


def test_a_value_of_any_depth_is_checked_or_refused() -> None:
    schema = {"additionalProperties": {"$ref": "#"}, "type": "object"}
    good: Any = {}
    bad: Any = 3
    for _ in range(5000):
        good, bad = {"a": good}, {"a": bad}
    assert check_value(schema, good) == []
    assert len(check_value(schema, bad)) == 1


@pytest.mark.parametrize("reference", ["https://example.org/x.json", "other.json", "file:///etc/passwd", "//host/x"])
def test_nothing_is_ever_fetched(reference: str) -> None:
    assert check_schema({"$ref": reference}) == [
        f"$ref: `$ref` is '{reference}': `$ref` stays in the file: it begins with `#`"
    ]
    (sentence,) = check_value({"$ref": reference}, 3)
    assert sentence.startswith("its schema cannot be used: the reference ")


@pytest.mark.parametrize(
    "schema", [{"type": "txt"}, {"pattern": "(a"}, {"required": 3}, {"$ref": "#/nowhere"}, {"minimum": "x"}]
)
def test_a_schema_that_is_none_is_told_and_does_not_break(schema: dict[str, Any]) -> None:
    assert check_schema(schema)
    assert check_value(schema, {"a": 1}) != [] or check_value(schema, 3) != [] or check_value(schema, "x") != []


# --- schemas


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        (
            {"type": "integr"},
            "type: `type` is 'integr': expected one of string, integer, number, boolean, object, array, null",
        ),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "properties.a.pattern: '(?=a)' is not a pattern of RE2"),
        ({"patternProperties": {"(": {}}}, "patternProperties.(: '(' is not a pattern of RE2"),
        ({"required": True}, "required: `required` must be a list of keys, found true"),
        ({"$ref": "#/$defs/x"}, "$ref: '#/$defs/x' leads to no schema"),
        ({"items": {"minLength": -1}}, "items.minLength: `minLength` must be at least 0, found -1"),
        ([], "a JSON Schema is a mapping, found a list"),
    ],
)
def test_what_is_wrong_with_a_schema_is_told(schema: Any, sentence: str) -> None:
    (found,) = check_schema(schema)
    assert found.startswith(sentence)


def test_words_that_are_not_of_json_schema_are_let_be_in_a_servers_schema() -> None:
    assert (
        check_schema({"type": "object", "x-order": 1, "nullable": True, "properties": {"pattern": {"type": "string"}}})
        == []
    )


# --- as the library does


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, "", "a", "ab", "abc"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)),
)


def schemas() -> st.SearchStrategy[Any]:
    types = st.sampled_from(["string", "integer", "number", "boolean", "object", "array", "null"])
    numbers = st.integers(-2, 3)
    counts = st.integers(0, 2)
    plain = st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(types, st.lists(types, min_size=1, max_size=2, unique=True)),
            "enum": st.lists(SCALARS, min_size=1, max_size=3),
            "const": SCALARS,
            "minimum": numbers,
            "exclusiveMaximum": numbers,
            "minLength": counts,
            "maxItems": counts,
            "minProperties": counts,
            "uniqueItems": st.booleans(),
            "pattern": st.sampled_from(["^a", "b$", "c"]),
            "required": st.lists(st.sampled_from("abc"), max_size=2, unique=True),
        },
    )

    def larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        several = st.lists(inner, min_size=1, max_size=2)
        more = st.fixed_dictionaries(
            {},
            optional={
                "properties": st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
                "patternProperties": st.dictionaries(st.sampled_from(["^a", "b"]), inner, max_size=2),
                "additionalProperties": inner,
                "propertyNames": inner,
                "items": inner,
                "contains": inner,
                "allOf": several,
                "anyOf": several,
                "oneOf": several,
                "not": inner,
                "if": inner,
                "then": inner,
                "else": inner,
            },
        )
        return st.builds(lambda one, other: {**one, **other}, plain, more)

    return st.recursive(st.one_of(st.booleans(), plain), larger, max_leaves=6)


@pytest.mark.untraced
@settings(deadline=None, max_examples=400)
@given(schemas(), VALUES)
def test_a_value_is_judged_as_the_library_judges_it(schema: Any, value: Any) -> None:
    assert (check_value(schema, value) == []) == Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"items": [{"type": "integer"}], "additionalItems": {"type": "string"}}, [1, "a"]),
        ({"items": [{"type": "integer"}], "additionalItems": {"type": "string"}}, [1, 2]),
        ({"dependencies": {"a": {"required": ["b"]}}}, {"a": 1}),
        ({"definitions": {"n": {"type": "integer"}}, "$ref": "#/definitions/n"}, "x"),
    ],
)
def test_draft_07s_own_words_are_understood_too(schema: Any, value: Any) -> None:
    assert (check_value(schema, value) == []) == Draft7Validator(schema).is_valid(value)


@pytest.mark.untraced
def test_a_small_value_costs_microseconds_once_its_schema_is_known() -> None:
    schema, value = field_schema(REVIEW), reviewed()
    assert field_schema(REVIEW) is schema
    start = time.process_time()
    for _ in range(1000):
        check_value(schema, value)
    assert (time.process_time() - start) / 1000 < 0.001  # a bound for going through the library, not a measure


_MANY = 20_000
_QUICK: dict[str, Any] = {}
_LIBRARYS: dict[str, Any] = {"minContains": 0}  # a keyword that the quick rules do not know


@pytest.mark.untraced
@pytest.mark.parametrize("beside", [_QUICK, _LIBRARYS], ids=["quick", "library"])
@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"uniqueItems": True}, [{"a": i} for i in range(_MANY)], []),
        ({"uniqueItems": True}, [*({"a": i} for i in range(_MANY)), {"a": 3.0}], ["holds the same item twice"]),
        ({"items": {"enum": list(range(_MANY))}}, list(range(_MANY)), []),
        ({"items": {"enum": [[i] for i in range(_MANY)]}}, [[float(i)] for i in range(_MANY)], []),
        (
            {"patternProperties": {f"a{i}": {"type": "integer"} for i in range(_MANY)}},
            {f"b{i}": 1 for i in range(_MANY)},
            ["it is too large to be checked against its schema"],
        ),
        (
            {"allOf": [{"pattern": f"z{i}|a"} for i in range(1_900)]},
            "x" * 2_000_000 + "a",
            ["it is too large to be checked against its schema"],
        ),
    ],
)
def test_no_value_and_no_schema_makes_the_check_slow(beside: Any, schema: Any, value: Any, said: list[str]) -> None:
    started = time.process_time()
    assert check_value({**beside, **schema}, value) == said
    assert time.process_time() - started < 30


def test_an_equal_schema_that_is_another_object_has_its_own_checker() -> None:
    one: dict[str, Any] = json.loads('{"type": "integer"}')
    other: dict[str, Any] = json.loads('{"type": "string"}')
    assert (check_value(one, 3), check_value(other, 3)) == ([], ["must be text, found 3"])
