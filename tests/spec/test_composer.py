"""YAML texts → data with places, problems in our own words, and what traps become."""

# ruff: noqa: E501 (messages are written out as users read them)

from __future__ import annotations

import io
import json
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from magent.source import Map, Problem, Seq, Text, locate, render
from magent.spec import composer
from magent.spec.composer_scalars import MAX_DIGITS
from magent.spec.composer_text import MAX_BYTES
from magent.spec.loader import load_yaml


def read(text: str | bytes) -> tuple[Any, list[Problem]]:
    data, problems, _ = load_yaml(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return data, problems


def good(text: str | bytes) -> Any:
    data, problems = read(text)
    assert problems == []
    return data


def said(text: str | bytes) -> list[str]:
    """Every problem on one line: place, path in brackets, message, hint."""
    return [
        f"{problem.position.line}:{problem.position.column} [{problem.path}] {problem.message}"
        + (f" | {problem.hint}" if problem.hint else "")
        for problem in read(text)[1]
    ]


# ---- scalars ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("tRUE", "tRUE"), ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("0", 0), ("12", 12), ("-12", -12), ("+12", 12), ("012", 12), ("0o17", 15), ("0x1F", 31), ("-0", 0),
        ("0b11", "0b11"), ("0O17", "0O17"), ("0o8", "0o8"), ("0xG", "0xG"), ("-0x1", "-0x1"), ("1_000", "1_000"),
        ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("-.5", -0.5), ("1e3", 1000.0), ("1E-2", 0.01), ("+1.0e+2", 100.0),
        (".", "."), ("1.2.3", "1.2.3"), ("1e", "1e"), ("e1", "e1"), ("-", [None]), ("--1", "--1"), ("+", "+"),
        ("1:30", "1:30"), ("12:30:45", "12:30:45"), ("2026-11-22", "2026-11-22"), ("2026-11-22T10:00:00Z",) * 2,
        ("=", "="), ("30s", "30s"), ("١٢", "١٢"), ("Infinity", "Infinity"), ("NaN", "NaN"), (".info", ".info"),
    ],
)  # fmt: skip
def test_plain_scalars_are_those_of_the_core_schema(written: str, value: Any) -> None:
    [item] = good(f"- {written}\n")
    assert item == value
    assert isinstance(item, bool) == isinstance(value, bool)
    assert isinstance(item, float) == isinstance(value, float)


@pytest.mark.parametrize(
    ("text", "style"),
    [("a b", "plain"), ("'a b'", "single"), ('"a b"', "double"), ("|\n  a b", "literal"), (">\n  a b", "folded")],
)
def test_a_text_remembers_how_it_was_written(text: str, style: str) -> None:
    value = good(f"k: {text}")["k"]
    assert isinstance(value, Text)
    assert (value.strip(), value.style) == ("a b", style)


def test_quoted_scalars_are_text_whatever_they_look_like() -> None:
    assert good("""['12', "true", '', "~"]""") == ["12", "true", "", "~"]


def test_a_key_is_plain_text() -> None:
    assert [type(key) for key in good("a: 1\n'b': 2\n&x c: 3")] == [str, str, str]


@pytest.mark.parametrize("written", [".nan", ".NaN", ".inf", "-.Inf", "+.INF"])
def test_numbers_that_json_does_not_know_are_errors(written: str) -> None:
    assert said(f"a: {written}") == [
        f"1:4 [a] '{written}' is not a number that JSON knows | leave it out, or write null"
    ]


def test_a_float_without_end_is_an_error() -> None:
    assert said("a: [1, 1e999]") == ["1:8 [a[1]] the number '1e999' is too large | a number must be below 1.8e308"]


def test_an_integer_with_thousands_of_digits_is_an_error() -> None:
    assert said("a: " + "9" * 5000) == ["1:4 [a] the number has 5,000 digits, more than 1,000 | put it in quotes"]
    assert said("a: 0x" + "f" * 5000) == ["1:4 [a] the number has 5,000 digits, more than 1,000 | put it in quotes"]
    assert good("a: " + "9" * MAX_DIGITS)["a"] == int("9" * MAX_DIGITS)


def test_tags_of_the_core_schema_are_understood() -> None:
    assert good("{a: !!str 1, b: !!int '2', c: !!float 3, d: !!bool true, e: !!null ''}") == {
        "a": "1", "b": 2, "c": 3.0, "d": True, "e": None
    }  # fmt: skip
    assert good("a: !!map {}\nb: !!seq []") == {"a": {}, "b": []}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "a: !!python/object:os.system x",
            "1:4 [a] magent takes no YAML tags such as '!!python/object:os.system' | "
            "leave it out; a text that begins with '!' must be in quotes",
        ),
        (
            "prompt: !include x.md",
            "1:9 [prompt] magent takes no YAML tags such as '!include' | "
            'leave it out; or, if it is text, write: prompt: "!include x.md"',
        ),
        ("a: !!int x", "1:4 [a] 'x' is not what its tag '!!int' says | leave the tag out"),
        (
            "a: !x {b: 1}",
            "1:4 [a] magent takes no YAML tags such as '!x' | leave it out; or, if it is text, write: a: \"!x {b: 1}\"",
        ),
    ],
)
def test_other_tags_are_errors(text: str, line: str) -> None:
    assert said(text) == [line]


# ---- places -----------------------------------------------------------------------------------------------------


def test_every_key_value_and_item_knows_its_place() -> None:
    data = good("# c\nnodes:\n  ä: {to: ü😀x, 'b': [1,\n    2]}\n")
    where = {
        path: (locate(data, path)[1:], locate(data, path, key=True)[1:])
        for path in (("nodes",), ("nodes", "ä"), ("nodes", "ä", "to"), ("nodes", "ä", "b"), ("nodes", "ä", "b", 1))
    }
    assert where == {
        ("nodes",): ((3, 3), (2, 1)),
        ("nodes", "ä"): ((3, 6), (3, 3)),
        ("nodes", "ä", "to"): ((3, 11), (3, 7)),
        ("nodes", "ä", "b"): ((3, 21), (3, 16)),
        ("nodes", "ä", "b", 1): ((4, 5), (4, 5)),
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_kinds_count_as_one(end: str) -> None:
    data, problems, lines = load_yaml(f"a: 1{end}b:{end}  - x{end}".encode(), "f.yaml")
    assert (data, problems, lines) == ({"a": 1, "b": ["x"]}, [], ["a: 1", "b:", "  - x", ""])
    assert locate(data, ("b", 0))[1:] == (3, 5)


def test_a_byte_order_mark_is_passed_over() -> None:
    data = good(b"\xef\xbb\xbfa: 1")
    assert data == {"a": 1}
    assert locate(data, ("a",), key=True)[1:] == (1, 1)


# ---- what YAML 1.2 takes and libyaml does not ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("{u: http://x:80/y?a=b, m: openai:gpt-5-mini}", {"u": "http://x:80/y?a=b", "m": "openai:gpt-5-mini"}),
        ("{q: Really? yes, r: why?}", {"q": "Really? yes", "r": "why?"}),
        ('{"a":1,"b":["c"], d:e: f}', {"a": 1, "b": ["c"], "d:e": "f"}),
        ("[(?i)score, a:b]", ["(?i)score", "a:b"]),
        ("{a: [x:y], b: 'it:s?', c: \"d:e?\"}", {"a": ["x:y"], "b": "it:s?", "c": "d:e?"}),
        ("a: x\u2028y\u2029z\x85!\nb: '\u2028'", {"a": "x\u2028y\u2029z\x85!", "b": "\u2028"}),
        ("a: [x:\u2028y, \ue000, b?c]", {"a": ["x:\u2028y", "\ue000", "b?c"]}),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ('{\n\t"a": [\n\t\t1\n\t]\n}', {"a": [1]}),
    ],
)
def test_what_yaml_1_2_takes_is_taken(text: str, data: Any) -> None:
    assert good(text) == data


def test_a_url_in_braces_keeps_the_places() -> None:
    data = good("a: {u: http://x, v: 1}\nb: 2")
    assert locate(data, ("a", "v"))[1:] == (1, 21)


# ---- keys, merging, aliases -----------------------------------------------------------------------------------------


def test_a_key_given_twice_is_an_error_with_both_places_and_the_first_is_kept() -> None:
    data, [problem] = read("nodes:\n  a: {}\n  b: {}\n  a: {x: 1}\n")
    assert data == {"nodes": {"a": {}, "b": {}}}
    assert render(problem, ["nodes:", "  a: {}", "  b: {}", "  a: {x: 1}"]) == (
        "f.yaml:4:3: error: the key 'a' is given twice [duplicate-key]\n"
        "  at nodes.a\n"
        "  4 |   a: {x: 1}\n"
        "    |   ^\n"
        "  see also f.yaml:2:3\n"
        "  hint: remove one of them"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1: a", "1:1 [] a key must be a text, '1' is a number | put it in quotes: \"1\":"),
        ("a: {true: b}", "1:5 [a] a key must be a text, 'true' is a boolean | put it in quotes: \"true\":"),
        ("~: a", "1:1 [] a key must be a text, '~' is null | put it in quotes: \"~\":"),
        ("1e999: a", "1:1 [] a key must be a text, '1e999' is a number | put it in quotes: \"1e999\":"),
        ("[a, b]: c", "1:1 [] a key must be a text, this is a list"),
        ("? {a: b}\n: c", "1:3 [] a key must be a text, this is a mapping"),
        ("a: {: b}", "1:5 [a] the key is missing before ':'"),
    ],
)
def test_keys_that_are_no_text_are_errors(text: str, line: str) -> None:
    assert said(text) == [line]


def test_cases_of_a_switch_may_be_numbers_and_booleans_as_they_are_compared_as_text() -> None:
    assert good("cases: {true: a, False: b, 1: c, 1.50: d, 0x10: e, null: f, no: g}") == {
        "cases": {"true": "a", "false": "b", "1": "c", "1.5": "d", "16": "e", "null": "f", "no": "g"}
    }


def test_merging_takes_what_the_mapping_does_not_say_itself_and_of_several_the_first() -> None:
    data = good("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {z: 3, <<: [*a, *b], x: 4}\nd: {<<: *b}\n'<<': e")
    assert data["c"] == {"z": 3, "x": 4, "y": 1}
    assert data["d"] == {"y": 2, "z": 2}
    assert data["<<"] == "e"
    assert locate(data, ("d", "y"))[1:] == (2, 11)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: {<<: 1}", "1:9 [a.<<] '<<' takes a mapping, or a list of mappings | write: <<: *name"),
        ("a: {<<: [{}, x]}", "1:9 [a.<<] '<<' takes a mapping, or a list of mappings | write: <<: *name"),
        ("a: {<<: {}, <<: {}}", "1:13 [a] '<<' is given twice | merge several at once: <<: [*first, *second]"),
        ("a: {<<: {x: 1}, x: 2, x: 3}", "1:23 [a.x] the key 'x' is given twice | remove one of them"),
    ],
)
def test_wrong_merges_are_errors(text: str, line: str) -> None:
    assert said(text) == [line]


def test_an_alias_gives_the_same_value() -> None:
    data = good("a: &a [1, &b x]\nc: *a\nd: *b\n*b : e")
    assert data == {"a": [1, "x"], "c": [1, "x"], "d": "x", "x": "e"}
    assert data["c"] is data["a"]


def test_an_alias_of_itself_is_an_error() -> None:
    assert said("a: &a\n  b: [*a]") == ["2:7 [a.b[0]] the alias '*a' stands inside what it names | write the value out"]
    assert said("a: &a {<<: *a}") == ["1:12 [a.<<] the alias '*a' stands inside what it names | write the value out"]


# ---- traps ----------------------------------------------------------------------------------------------------------

BRACES = "a text that begins with '{{' must be in quotes: without them YAML reads a mapping"
COMMA = "inside { } a comma ends an unquoted expression: put the expression in quotes"
BRACKET = "inside { } and [ ] a comma or a bracket ends an unquoted expression: put the expression in quotes"
AFTER = "the text ends at its closing quote, but more follows: put quotes around the whole"
COLON = "': ' inside an unquoted text begins a new value: put the text in quotes"
BANG = "'!' at the start is YAML's sign for a tag; in an expression write 'not'"
TRAPS = [
    ("- {to: a, when: x in [1, 2]}", f'1:17 [[0].when] {BRACKET} | write: - {{to: a, when: "x in [1, 2]"}}'),
    ("- {when: a == {}, to: b}", f'1:10 [[0].when] {BRACKET} | write: - {{when: "a == {{}}", to: b}}'),
    ("- {to: a, when: f(a, b)}", f'1:17 [[0].when] {COMMA} | write: - {{to: a, when: "f(a, b)"}}'),
    ("- {to: a, when: x in (1, 2, 3), max: 3}", f'1:17 [[0].when] {COMMA} | write: - {{to: a, when: "x in (1, 2, 3)", max: 3}}'),
    ("a: {when: b ? c : d}", "1:11 [a.when] ' ?' inside { } or [ ] ends an unquoted text: put it in quotes | write: a: {when: \"b ? c : d\"}"),
    ("prompt: {{ inputs.x }}", f'1:9 [prompt] {BRACES} | write: prompt: "{{{{ inputs.x }}}}"'),
    ("a:\n  prompt: {{ x }} and {{ y }} # c", f'2:11 [a.prompt] {BRACES} | write: prompt: "{{{{ x }}}} and {{{{ y }}}}" # c'),
    ("with: {text: {{ state.x }}, b: 1}", f'1:14 [with.text] {BRACES} | write: with: {{text: "{{{{ state.x }}}}", b: 1}}'),
    ("prompt: {{ x[\"a\"] }}", f"1:9 [prompt] {BRACES} | write: prompt: '{{{{ x[\"a\"] }}}}'"),
    ("- {{ x }}", f'1:3 [[0]] {BRACES} | write: - "{{{{ x }}}}"'),
    ("a: {% if x %}b{% endif %}", f'1:4 [a] {BRACES.replace("{{", "{%")} | write: a: "{{% if x %}}b{{% endif %}}"'),
    ("a: {# c #}", f'1:4 [a] {BRACES.replace("{{", "{#")} | write: a: "{{# c #}}"'),
    ('when: "a" == b', f"1:7 [when] {AFTER} | write: when: '\"a\" == b'"),
    ("- {to: a, when: 'x' in y}", f"1:17 [[0].when] {AFTER} | write: - {{to: a, when: \"'x' in y\"}}"),
    ('prompt: "Hello" world', f"1:9 [prompt] {AFTER} | write: prompt: '\"Hello\" world'"),
    ("prompt: 'it's'", "1:12 [prompt] the ' inside the text ends it | write: prompt: \"it's\""),
    ("a: @x", "1:4 [a] a text cannot begin with '@': put it in quotes | write: a: \"@x\""),
    ("a: {b: `x`}", "1:8 [a.b] a text cannot begin with '`': put it in quotes | write: a: {b: \"`x`\"}"),
    ("- {a: [1, %x]}", "1:11 [[0].a[1]] a text cannot begin with '%': put it in quotes | write: - {a: [1, \"%x\"]}"),
    ("a: **x** y", "1:4 [a] a text cannot begin with '*': put it in quotes | write: a: \"**x** y\""),
    ("a: *x and y", "1:4 [a] a text cannot begin with '*': put it in quotes | write: a: \"*x and y\""),
    ("a: *x", "1:4 [a] the alias '*x' names no anchor that stands before it | if it is text, write: a: \"*x\""),
    ("a: & b", "1:4 [a] a text cannot begin with '&': put it in quotes | write: a: \"& b\""),
    ("a: &x", "1:4 [a] '&' at the start names an anchor, and the value is empty: put text that begins with '&' in quotes | write: a: \"&x\""),
    ("when: !state.done and y", "1:7 [when] '!' at the start is YAML's sign for a tag; in an expression write 'not' | write: when: not state.done and y"),
    ("when: ! state.done", f"1:7 [when] {BANG} | write: when: not state.done"),
    ("- {to: a, when: !state.x}", f'1:17 [[0].when] {BANG} | write: - {{to: a, when: "not state.x"}}'),
    ("for_each: [1, 2] + x", "1:11 [for_each] the value that begins with '[' has ended, but more follows: put quotes around all | write: for_each: \"[1, 2] + x\""),
    ("run: [echo, {{ x }}]", f'1:13 [run[1]] {BRACES} | write: run: [echo, "{{{{ x }}}}"]'),
    ('- {to: x, when: a == "b, c"}', f"1:17 [[0].when] {COMMA} | write: - {{to: x, when: 'a == \"b, c\"'}}"),
    ("prompt: Note: do it", f'1:9 [prompt] {COLON} | write: prompt: "Note: do it"'),
    ("a: {prompt: Note: do it}", f'1:13 [a.prompt] {COLON} | write: a: {{prompt: "Note: do it"}}'),
    ("when: > 5", "1:7 [when] an expression that begins with '>' must be in quotes | write: when: \"> 5\""),
    ("prompt: Fix issue #12 now", "1:9 [prompt] ' #' begins a comment: the text ends after 'Fix issue' | if it is text, write: prompt: \"Fix issue #12 now\""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line"), TRAPS)
def test_a_trap_is_told_with_the_line_to_write(text: str, line: str) -> None:
    assert said(text) == [line]


@pytest.mark.parametrize("text", [text for text, _ in TRAPS])
def test_the_line_to_write_is_free_of_traps(text: str) -> None:
    [problem] = read(text)[1]
    assert problem.hint is not None
    line = problem.hint.partition("write: ")[2]
    assert good(line) is not None


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("- {to: a, when: x in [1, 2]}\n- {to: b}", [{"to": "a", "when": "x in [1, 2]"}, {"to": "b"}]),
        ("- {to: a, when: f(a, 1, b), max: 2}", [{"to": "a", "when": "f(a, 1, b)", "max": 2}]),
        ("prompt: {{ x }}\nb: 1", {"prompt": "{{ x }}", "b": 1}),
        ("with: {text: {{ x }}, b: 1}", {"with": {"text": "{{ x }}", "b": 1}}),
        ('when: "a" == b\nc: 1', {"when": '"a" == b', "c": 1}),
    ],
)
def test_reading_goes_on_behind_a_trap_as_if_it_were_mended(text: str, data: Any) -> None:
    assert read(text)[0] == data


def test_traps_on_one_line_are_told_each_where_it_stands() -> None:
    text = "next: [{to: a, when: x in [1]}, {to: b, when: y in [2]}]"
    assert [problem.position.column for problem in read(text)[1]] == [22, 47]


def test_all_the_traps_of_a_file_are_told_in_one_go() -> None:
    text = "a: @x\nb: Note: y\nc: 'x' in y\nd: 1\nd: 2\n"
    assert [line.split(" ")[0] for line in said(text)] == ["1:4", "2:4", "3:4", "5:1"]


@pytest.mark.parametrize(
    "text",
    [
        "prompt: |\n  Note: it's {{ x }} #12 @you, [a",
        "a: {b: 'x, y', c: }",
        "inputs: {a, b}",
        "run: make # all",
        "prompt: a#b",
        "a: &x\nb: *x",
        "doc: |\n  prompt: cut #here\n",
    ],
)
def test_what_is_no_trap_is_left_alone(text: str) -> None:
    good(text)


# ---- syntax -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\tb\n\tc: d", "2:1 [a] a tab indents this line; YAML indents with spaces only | replace the tabs by spaces"),
        ("a: 'x\nb: c", "1:4 [a] the quote that opens here is never closed | close it, or leave both out"),
        ('a:\n  b: "x', "2:6 [a.b] the quote that opens here is never closed | close it, or leave both out"),
        ("a: {b: c", "1:4 [a] the '{' that opens here is not closed | close it with '}'; or is a comma missing before what follows?"),
        ("a: [1, 2\nb: 3", "1:4 [a] the '[' that opens here is not closed | close it with ']'; or is a comma missing before what follows?"),
        ("a: [b}", "1:6 [a[1]] ',' or ']' is expected here, found '}'"),
        ("a: ]", "1:4 [a] a value is expected here, found ']' | put text in quotes"),
        ("a: 1\n}", "2:1 [] this '}' closes nothing | remove it"),
        ("a:b\nc: d", "1:3 [] a space is missing after 'a:' | write: a: b"),
        ("{a:, b}", "1:3 [] a space is missing after ':' | write ': '"),
        ("a\nb: c", "1:1 [] this line is neither 'key: value' nor '- item' | is the ':' missing?"),
        ("a: b\nfoo\nc: d", "2:1 [] this line is neither 'key: value' nor '- item' | is the ':' missing? A text of several lines goes under 'key: |'"),
        ("a: b\n  c: d", "2:3 [] 'c' is indented deeper than the line above, which has its value already | align it with the key above; a text of several lines goes under 'key: |'"),
        ("a:\n  b: 1\n c: 2", "3:2 [] this line is indented like nothing above it | indent it as the lines it belongs to"),
        ("- a\nb: c", "2:1 [[1]] an item of the list ('- …') is expected here | indent this line as what it belongs to"),
        ("a: 1\n- b", "2:1 [] a key is expected here, not an item of a list | indent this line as the list it belongs to"),
        ("a: - b", "1:4 [a] a list cannot begin here | begin it on a line of its own; put text in quotes"),
        ('a: "\\q"', "1:5 [a] '\\q' in a text in double quotes is no escape that YAML knows | write the backslash twice, or put the text in single quotes"),
        ('a: "\\ud83d"', "1:7 [a] '\\ud83d' in a text in double quotes is no escape that YAML knows | write the backslash twice, or put the text in single quotes"),
        ("%YAML 3.0\n---\na: 1", "1:1 [] the file asks for another version of YAML | remove the line that begins with '%YAML'"),
        ("a: 1\n---\nb: 2", "2:1 [] a second document begins here; a file holds one | remove the line '---', or split the file"),
        ("", "1:1 [] the file is empty"),
        (" \n\n", "1:1 [] the file is empty"),
        ("# nothing\n", "1:1 [] the file holds no values"),
        ("---\n...\n", "1:1 [] the file holds no values"),
    ],
)  # fmt: skip
def test_syntax_errors_are_told_in_words(text: str, line: str) -> None:
    assert said(text) == [line]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a: 1\nb: \xff", "2:4 [] the file is not UTF-8 text (byte 0xff) | save it as UTF-8"),
        ("a: 1".encode("utf-16"), "1:1 [] the file is not UTF-8 text | save it as UTF-8"),
        ("a: 1".encode("utf-32-be"), "1:1 [] the file is not UTF-8 text | save it as UTF-8"),
        (b"\x7fELF\x02\x01", "1:1 [] the file holds the control character U+007F, which YAML does not take"),
        (b"abc: \x00", "1:6 [] the file holds the control character U+0000, which YAML does not take"),
        ("a: \x9b".encode(), "1:4 [] the file holds the control character U+009B, which YAML does not take"),
        (b"a: \xed\xa0\x80", "1:4 [] the file is not UTF-8 text (byte 0xed) | save it as UTF-8"),
        (b"a" * (MAX_BYTES + 1), "1:1 [] the file is larger than magent reads (8 MB)"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, line: str) -> None:
    assert [each.removesuffix(' | is it a text file? Inside "…" such a character is written as an escape: "\\x1b"') for each in said(data)] == [line]  # fmt: skip


# ---- hostile texts ------------------------------------------------------------------------------------------------


def _bomb() -> str:
    first = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    return first + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))


HOSTILE = {
    "an alias bomb": (_bomb(), "the aliases of this file add more than 200,000 values"),
    "a bomb of texts": ("a: &a " + "x" * 4_000_000 + "\nb: [" + "*a," * 1000 + "]", "the aliases of this file add more"),
    "a bomb of merges": (
        "a: &a {" + ",".join(f"k{i}: v" for i in range(1000)) + "}\n" + "".join(f"b{i}: {{<<: *a}}\n" for i in range(9999)),
        "the aliases of this file add more",
    ),
    "aliases nested by aliases": (
        "- &a0 [x]\n" + "".join(f"- &a{i} [*a{i - 1}]\n" for i in range(1, 5000)),
        "with this alias the nesting is deeper than 200 levels",
    ),
    "100,000 [": ("[" * 100_000, "this is nested deeper than 200 levels"),
    "100,000 {": ("a: " + "{" * 100_000, "this is nested deeper than 200 levels"),
    "100,000 -": ("- " * 100_000, "this is nested deeper than 200 levels"),
    "100,000 ?": ("? " * 100_000, "this is nested deeper than 200 levels"),
    "deep blocks": ("".join(" " * i + "a:\n" for i in range(1000)), "this is nested deeper than 200 levels"),
    "10 MB of zeros": ("\0" * 10_000_000, "the file is larger than magent reads (8 MB)"),
    "7 MB of zeros": ("\0" * 7_000_000, "the file is not UTF-8 text"),
    "7 MB of quotes": ('"' * 7_000_001, "more text follows after the closing quote"),
    "7 MB of colons": (": " * 3_500_000, "the key is missing before ':'"),
    "7 MB of tabs": ("\t" * 7_000_000, "a tab indents this line"),
    "7 MB of open lists": ("x: [\n" * 1_400_000, "this is nested deeper than 200 levels"),
    "7 MB of one key": ("a: b\n" * 1_400_000, "the key 'a' is given twice"),
    "7 MB of wrong aliases": ("- *a\n" * 1_400_000, "the alias '*a' names no anchor"),
    "7 MB of tags": ("- !a b\n" * 1_000_000, "magent takes no YAML tags"),
    "7 MB of documents": ("---\n" * 1_750_000, "a second document begins here"),
    "5,000 traps": ("".join(f"a{i}: {{{{ x }}}}\n" for i in range(5_000)), BRACES),
    "an endless line of digits": ("a: " + "1" * 7_000_000, "the number has 7,000,000 digits"),
    "no free private character": ("".join(map(chr, range(0xE000, 0xF900))) + "\u2028: [a:b?", "more text follows"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.untraced
def test_a_hostile_text_gets_a_short_error_quickly(name: str) -> None:
    text, message = HOSTILE[name]
    start = time.process_time()
    problems = read(text)[1]
    assert time.process_time() - start < 4  # a tenth of that, on a machine with nothing else to do
    assert problems[0].message.startswith(message)
    assert len(problems) <= 101
    assert all(len(problem.message) < 200 for problem in problems)


def test_random_bytes_get_a_short_error() -> None:
    noise = random.Random(1).randbytes(1_000_000)
    assert [problem.code for problem in read(noise)[1]] == ["encoding"]


def test_nesting_to_the_limit_is_read() -> None:
    depth, data = 0, good("[" * 200 + "]" * 200)
    while data:
        depth, data = depth + 1, data[0]
    assert depth == 199


def test_many_aliases_of_something_small_are_fine() -> None:
    nodes = "".join(f"n{i}: {{<<: *d, prompt: x}}\n" for i in range(5_000))
    assert len(good("d: &d {agent: a, timeout: 3s}\n" + nodes)) == 5_001


# ---- properties -----------------------------------------------------------------------------------------------------

# ruamel writes the line breaks of YAML 1.1 as if they were line breaks in 1.2
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x85\u2028\u2029"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
KEYS = TEXTS.filter(lambda key: len(json.dumps(key)) < 1024)  # YAML's own bound for a key without `? `
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)
PIECES = st.sampled_from(
    ["a", "b: ", "- ", "{", "}", "[", "]", ",", ": ", ":", "\n", "\n  ", "\n    ", "'", '"', "&x ", "*x", "!t ", "|\n",
     ">", "{{ x }}", "{{", "}}", "? ", "#", " # c", "@", "`", "%", "<<: ", "12", ".nan", "null", "\t", "---\n", "...\n",
     "é", "😀", "\u2028", "\\", "when: ", "x in [1, 2]", "f(a, b)", "http://x/y?z", "\r\n", "1e999", "a: &a {b: c}"]
)  # fmt: skip


@given(JSON)
def test_json_data_dumped_as_yaml_loads_equal(data: Any) -> None:
    stream = io.StringIO()
    dumper = YAML(typ="safe", pure=True)
    dumper.default_flow_style = False
    dumper.width = 1_000_000  # ruamel breaks lines in the middle of keys
    dumper.dump([data], stream)
    loaded, problems = read(stream.getvalue())
    assert problems == []
    assert loaded == [data]
    assert _kinds(loaded) == _kinds([data])


@given(JSON)
def test_json_is_yaml(data: Any) -> None:
    loaded, problems, _ = load_yaml(json.dumps({"data": data}, indent="\t").encode(), "f.json")
    assert problems == []
    assert loaded == {"data": data}
    assert _kinds(loaded) == _kinds({"data": data})


def _kinds(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _kinds(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_kinds(value) for value in data]
    return str if isinstance(data, str) else type(data)


@given(st.binary())
def test_bytes_of_any_kind_never_crash_it(data: bytes) -> None:
    _sound(data)


@given(st.lists(PIECES, max_size=30))
def test_pieces_of_yaml_in_any_order_never_crash_it(pieces: list[str]) -> None:
    _sound("".join(pieces).encode())


def _sound(text: bytes) -> None:
    data, problems, lines = load_yaml(text, "f.yaml")
    for problem in problems:
        assert 1 <= problem.position.line <= len(lines) + 1 or problem.code == "encoding"
        assert problem.position.column >= 1
        assert render(problem, lines)
    assert data is not None or problems or b"null" in text.lower() or b"~" in text
    assert isinstance(data, (Map, Seq, Text, bool, int, float, type(None)))


# ---- without the C extension ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\nb: [x, 'y', {u: http://x/y?z=1}]\nc: |\n  text\nd: &x {a: 1}\ne: {<<: *x, b: 2}\n",
        "a: 1\na: 2",
        '["\\ud83d"]',
        "prompt: {{ x }}",
        "a: @x",
        "[" * 300,
        "",
    ],
)
def test_ruamels_own_parser_stands_in_for_the_c_extension(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_c = read(text)
    monkeypatch.setattr(composer, "CParser", None)
    without = read(text)
    assert without[0] == with_c[0] or "ud83d" in text
    assert [problem.position for problem in without[1]][:1] == [problem.position for problem in with_c[1]][:1] or (
        "ud83d" in text and without[1][0].message == "half of a surrogate pair is no character"
    )
