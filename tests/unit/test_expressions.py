"""What expressions, conditions, templates and values give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.expressions import FILTERS, RESERVED, TESTS, Condition, EvaluationError, Expression, Template, Value
from magent.source import Text

STATE: dict[str, Any] = {
    "n": 1,
    "name": "Ann",
    "list": [3, 1, 2],
    "items": [{"items": 1, "n": "x"}, {"items": 2, "n": "y"}],
    "nothing": None,
    "review": {"verdict": "ok", "score": 7},
    "upper": "a key that is named like a method",
}
NAMES: dict[str, Any] = {"state": STATE, "inputs": {"n": 3, "key": "name"}, "output": None, "secrets": {}, "env": {}}


class View(Mapping[str, Any]):
    """A mapping that is no dict, as the engine's views of the state are."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)


VALUES: list[tuple[str, Any]] = [
    # literals
    ("true", True),
    ("false", False),
    ("null", None),
    ("none", None),
    ("True", True),
    ("False", False),
    ("None", None),
    ("1", 1),
    ("1.5", 1.5),
    ("1e3", 1000.0),
    ("1_000", 1000),
    ("0x10", 16),
    ("'a'", "a"),
    ('"a"', "a"),
    ("'a' 'b'", "ab"),
    (r"'a\nb'", "a\nb"),
    (r"'\u00e9'", "é"),
    (r"'\ud83d\ude00'", "😀"),
    (r"'\d'", r"\d"),
    (r"'\1\b'", r"\1\b"),
    ("[1, 'a', [2]]", [1, "a", [2]]),
    ("{'a': {'b': 1}}", {"a": {"b": 1}}),
    ("(1, 2)", [1, 2]),
    ("()", []),
    # names and keys
    ("state.n", 1),
    ("state['n']", 1),
    ("state[inputs.key]", "Ann"),
    ("state.items[0].items", 1),
    ("state.upper[0]", "a"),
    ("state.items.0.n", "x"),
    ("state.list[-1]", 2),
    ("state.name[0]", "A"),
    ("state.list[1:]", [1, 2]),
    ("state.list[::-1]", [2, 1, 3]),
    ("state.name[:2]", "An"),
    ("{'keys': 1}.keys", 1),
    ("range(3)[1]", 1),
    ("state.review", {"verdict": "ok", "score": 7}),
    # operators
    ("1 + 2 * 3", 7),
    ("7 // 2", 3),
    ("7 / 2", 3.5),
    ("7 % 3", 1),
    ("2 ** 3 ** 2", 64),
    ("-2 ** 2", 4),
    ("+1", 1),
    ("- 1", -1),
    ("'a' + 'b'", "ab"),
    ("[1] + [2]", [1, 2]),
    ("'ab' * 2", "abab"),
    ("2 * [1]", [1, 1]),
    ("'a' * -1", ""),
    ("'a' ~ 1 ~ null ~ true ~ [1]", "a1true[1]"),
    ("1 < 2 < 3", True),
    ("1 < 3 < 2", False),
    ("1 == 1.0", True),
    ("'a' < 'b'", True),
    ("[1, 2] < [1, 3]", True),
    ("[1, [2]] == [1, [2]]", True),
    ("{'a': 1} == {'a': 1}", True),
    ("range(3) == [0, 1, 2]", True),
    ("'a' == 1", False),
    ("null == null", True),
    ("1 in [1]", True),
    ("3 not in [1]", True),
    ("'n' in state", True),
    ("'x' in 'xyz'", True),
    ("[1] in [[1]]", True),
    ("1 in range(3)", True),
    ("'a' in range(3)", False),
    ("true and false", False),
    ("1 and 'a'", "a"),
    ("null or 'a'", "a"),
    ("not null", True),
    ("not ''", True),
    ("1 if true else 2", 1),
    ("1 if false else 2", 2),
    ("1 if false", None),
    ("'%s-%03d' % ('a', 5)", "a-005"),
    ("'%.2f%%' % 1.234", "1.23%"),
    ("'%(a)s' % {'a': 1}", "1"),
    ("'%5s|%-5s|' % ('a', 'b')", "    a|b    |"),
    ("'%s' % null", ""),
    ("'%s' % [1]", "[1]"),
    ("'%x' % 255", "ff"),
    # what is not there
    ("state.review.a.b | default(0)", 0),
    ("state.nothing.a | d('x')", "x"),
    ("state.nothing | default(5)", 5),
    ("unknown.a.b | default('x')", "x"),
    ("false | default(1)", False),
    ("'' | default(1, true)", 1),
    ("state.x.y is defined", False),
    ("state.n is defined", True),
    ("state.nothing is defined", True),
    ("state.x is undefined", True),
    ("state.list[9] is defined", False),
    ("state.name.x is defined", False),
    ("state.nothing[:2] | default([])", []),
    ("[] | first | default(9)", 9),
    ("[] | max | default(0)", 0),
    # filters
    ("-1 | abs", 1),
    ("{'a': 1} | attr('a')", 1),
    ("[1, 2, 3] | batch(2)", [[1, 2], [3]]),
    ("[1, 2, 3] | batch(2, 0)", [[1, 2], [3, 0]]),
    ("'aB c' | capitalize", "Ab c"),
    ("'x' | center(5)", "  x  "),
    ("[1, 2] | count", 2),
    ("{'b': 1, 'a': 2} | dictsort", [["a", 2], ["b", 1]]),
    ("{'b': 1, 'a': 2} | dictsort(by='value')", [["b", 1], ["a", 2]]),
    ("13000 | filesizeformat", "13.0 kB"),
    ("1 | filesizeformat", "1 Byte"),
    ("13000 | filesizeformat(true)", "12.7 KiB"),
    ("[1, 2] | first", 1),
    ("'1.5' | float", 1.5),
    ("'x' | float(2.0)", 2.0),
    ("'%s: %d' | format('a', 1)", "a: 1"),
    ("'%(x)s' | format(x=1)", "1"),
    ("'{\"a\": [1]}' | fromjson", {"a": [1]}),
    ("state.items | groupby('n')", [["x", [{"items": 1, "n": "x"}]], ["y", [{"items": 2, "n": "y"}]]]),
    ("(state.items | groupby('n') | first).grouper", "x"),
    ("'a\nb' | indent(2)", "a\n  b"),
    ("'a\n\nb' | indent(2, first=true)", "  a\n\n  b"),
    ("'42' | int", 42),
    ("'4.9' | int", 4),
    ("'x' | int", 0),
    ("'ff' | int(base=16)", 255),
    ("{'a': 1} | items", [["a", 1]]),
    ("[1, null, 'a'] | join('-')", "1--a"),
    ("state.items | join(',', attribute='n')", "x,y"),
    ("[1, 2] | last", 2),
    ("'abc' | length", 3),
    ("state | length", 7),
    ("'a\r\nb\n' | lines", ["a", "b"]),
    ("'' | lines", []),
    ("'a\n\n' | lines", ["a", ""]),
    ("'ab' | list", ["a", "b"]),
    ("{'a': 1} | list", ["a"]),
    ("'AB' | lower", "ab"),
    ("state.items | map(attribute='items')", [1, 2]),
    ("state.items | map(attribute='x', default=0)", [0, 0]),
    ("['1', '2'] | map('int')", [1, 2]),
    ("[[1, 2], [3]] | map('sum')", [3, 3]),
    ("[{'a': {'b': 1}}] | map(attribute='a.b')", [1]),
    ("[[5, 6]] | map(attribute=1)", [6]),
    ("[1, null] | map('default', 0)", [1, 0]),
    ("[1, 3, 2] | max", 3),
    ("[3, 1] | min", 1),
    ("[{'a': 2}, {'a': 1}] | min(attribute='a')", {"a": 1}),
    ("['b', 'A'] | min", "A"),
    ("'x1y2' | regex_search('[0-9]')", "1"),
    ("'x' | regex_search('[0-9]')", None),
    ("'ab12' | regex_search('([a-z]+)([0-9]+)', 2)", "12"),
    ("'AB' | regex_search('b', ignorecase=true)", "B"),
    (r"'a word b' | regex_search('\bword\b')", "word"),
    ("'a.b.c' | regex_replace('[.]', '-')", "a-b-c"),
    (r"'x1y2' | regex_replace('([a-z])(\d)', '\2\1')", "1x2y"),
    ("'aaa' | regex_replace('a', 'b', 2)", "bba"),
    ("'abc' | regex_replace('', '-')", "-a-b-c-"),
    ("'abc' | regex_replace('$', '-')", "abc-"),
    ("'ab abb' | regex_replace('b*$', '-')", "ab a--"),
    ("'é1é' | regex_replace('[0-9]', '')", "éé"),
    ("[1, 0, 2] | reject('eq', 0)", [1, 2]),
    ("[1, 0] | reject", [0]),
    ("state.items | rejectattr('n', 'eq', 'x') | length", 1),
    ("'a-a' | replace('a', 'b')", "b-b"),
    ("'aaa' | replace('a', 'b', 1)", "baa"),
    ("[1, 2] | reverse", [2, 1]),
    ("'ab' | reverse", "ba"),
    ("2.567 | round(2)", 2.57),
    ("2.1 | round(method='ceil')", 3.0),
    ("42 | round", 42),
    ("[1, 2, 3] | select('odd')", [1, 3]),
    ("[0, 1] | select", [1]),
    ("state.items | selectattr('items', 'gt', 1) | length", 1),
    ("[{}] | selectattr('a', 'defined')", []),
    ("[1, 2, 3] | slice(2)", [[1, 2], [3]]),
    ("[1, 2, 3] | slice(2, 0)", [[1, 2], [3, 0]]),
    ("[3, 1] | sort", [1, 3]),
    ("['b', 'A'] | sort", ["A", "b"]),
    ("['b', 'A', 'B'] | sort(case_sensitive=true)", ["A", "B", "b"]),
    ("[1, 2] | sort(reverse=true)", [2, 1]),
    ("[{'a': 1, 'b': 2}, {'a': 1, 'b': 1}] | sort(attribute='a,b') | map(attribute='b')", [1, 2]),
    ("'a,b' | split(',')", ["a", "b"]),
    ("' a  b ' | split", ["a", "b"]),
    ("'a,b,c' | split(',', 1)", ["a", "b,c"]),
    ("1 | string", "1"),
    ("[1, 2] | sum", 3),
    ("state.items | sum(attribute='items')", 3),
    ("[1] | sum(start=5)", 6),
    ("'foo bar-baz' | title", "Foo Bar-Baz"),
    ("{'a': '<é>'} | tojson", '{"a": "<é>"}'),
    ("[1] | tojson(indent=1)", "[\n 1\n]"),
    ("' a ' | trim", "a"),
    ("'xax' | trim('x')", "a"),
    ("'foo bar baz qux' | truncate(9)", "foo..."),
    ("'foo bar baz qux' | truncate(9, true)", "foo ba..."),
    ("'foo bar' | truncate(6)", "foo bar"),
    ("[1, 2, 1] | unique", [1, 2]),
    ("['a', 'A'] | unique", ["a"]),
    ("[[1], [1], {}] | unique", [[1], {}]),
    ("1 | unquoted", 1),
    ("'a' | upper", "A"),
    ("'a b&c/é' | urlencode", "a%20b%26c/%C3%A9"),
    ("{'a': 'b c'} | urlencode", "a=b+c"),
    ("'a b  c' | wordcount", 3),
    ("'a b c' | wordwrap(3)", "a b\nc"),
    ("'aaaa' | wordwrap(3)", "aaa\na"),
    ("'aaaa' | wordwrap(3, false)", "aaaa"),
    ("'a\n\nb' | wordwrap(3)", "a\n\nb"),
    ("'well-known' | wordwrap(6)", "well-\nknown"),
    # tests
    ("3 is odd", True),
    ("3 is even", False),
    ("6 is divisibleby 3", True),
    ("6 is divisibleby(4)", False),
    ("true is boolean", True),
    ("true is true", True),
    ("1 is true", False),
    ("false is false", True),
    ("1 is integer", True),
    ("true is integer", False),
    ("1.0 is float", True),
    ("1 is number", True),
    ("'a' is string", True),
    ("{} is mapping", True),
    ("[] is sequence", True),
    ("1 is iterable", False),
    ("null is none", True),
    ("null is null", True),
    ("1 is not none", True),
    ("'a' is lower", True),
    ("'A' is upper", True),
    ("1 is in [1]", True),
    ("1 is eq 1", True),
    ("1 is ne 1", False),
    ("1 is lt 2", True),
    ("2 is gt 1", True),
    ("1 is le 1", True),
    ("1 is ge 2", False),
    ("1 is sameas true", False),
    ("1 is sameas 1", True),
    # functions
    ("range(3)", [0, 1, 2]),
    ("range(1, 7, 2)", [1, 3, 5]),
    ("range(3, 0, -1)", [3, 2, 1]),
    ("dict(a=1)", {"a": 1}),
    ("dict({'a': 1}, b=2)", {"a": 1, "b": 2}),
    ("dict([['a', 1]])", {"a": 1}),
    ("dict(**{'a': 1})", {"a": 1}),
    ("range(*[1, 3])", [1, 2]),
]


@pytest.mark.parametrize(("source", "expected"), VALUES, ids=[source for source, _ in VALUES])
def test_an_expression_gives_its_value_as_plain_data(source: str, expected: Any) -> None:
    value = Expression(source).evaluate(NAMES)
    assert value == expected
    assert type(value) is type(expected)
    assert json.loads(json.dumps(value)) == expected


@pytest.mark.parametrize(("source", "expected"), [(s, e) for s, e in VALUES if s.startswith("state")])
def test_a_mapping_that_is_no_dict_is_read_in_the_same_way(source: str, expected: Any) -> None:
    names = View({"state": View({**STATE, "review": View(STATE["review"])}), "inputs": View(NAMES["inputs"])})
    assert Expression(source).evaluate(names) == expected


ERRORS = [
    ("unknown", "`unknown` is undefined", "there is: state, inputs, output"),
    ("outptu", "`outptu` is undefined", "did you mean `output`?"),
    ("state.revew", "`state.revew` is undefined", "did you mean `review`?"),
    ("state.review.verdct", "`state.review.verdct` is undefined", "did you mean `verdict`?"),
    ("state.nothing.a", "`state.nothing.a` is undefined: `state.nothing` is null", "default"),
    ("state['a b'].c", "`state['a b']` is undefined", "there is"),
    ("state.n.a", "`state.n.a` is undefined: `state.n` is a number, which has no keys", "default"),
    ("state.list[7]", "`state.list[7]` is undefined: `state.list` has 3 items", "default"),
    ("state.list['a']", "is undefined", ""),
    ("state.list.length", "`state.list.length` is undefined", "write `state.list | length`"),
    ("state[inputs.x]", "`inputs.x` is undefined", ""),
    ("1 + state.x", "`state.x` is undefined", ""),
    ("state.x | upper", "`state.x` is undefined", ""),
    ("not state.x", "`state.x` is undefined", ""),
    ("state.x or 1", "`state.x` is undefined", ""),
    ("state.x == 1", "`state.x` is undefined", ""),
    ("[state.x]", "`state.x` is undefined", ""),
    ("state.x is none", "`state.x` is undefined", ""),
    ("state.items | map(attribute='z') | join", "`item.z` is undefined", "there is: items, n"),
    ("inputs.n + state.nothing", "`+` does not work on a number and null: `inputs.n` and `state.nothing`", "default"),
    ("'a' + 1", "`+` does not work on text and a number", "~"),
    ("1 < 'a'", "`<` does not work on a number and text", ""),
    ("1 / 0", "division by zero", ""),
    ("1 % 0", "division by zero", ""),
    ("0 ** -1", "division by zero", ""),
    ("state.nothing | length", "`state.nothing | length` needs a list, a mapping or text, not null", ""),
    ("1 in null", "`in` looks into a list, a mapping or a text, not into null", ""),
    ("1 in 'a'", "looks for text in text", ""),
    ("[1, 'a'] | sort", "different kinds", "map"),
    ("[{}] | sort", "a mapping cannot be put in an order", "attribute"),
    ("'x' | fromjson", "`fromjson`: the text is not JSON", ""),
    ("'[NaN]' | fromjson", "not JSON", ""),
    (r"""'"\\ud800"' | fromjson""", "no character", ""),
    ("{1: 2}", "keys are text, not a number", "quotes"),
    ("{[1]: 2}", "a list cannot be a key", ""),
    ("1e999", "not a number that JSON knows", ""),
    ("1e308 * 10", "not a number that JSON knows", ""),
    ("1.5 ** 10000", "the number is too large", ""),
    ("(-8) ** 0.5", "not a number that JSON knows", ""),
    ("'%d' % 'a'", "%d takes a number, not text", ""),
    ("'%s %s' % 'a'", "more fields than there are values", ""),
    ("'%s' % (1, 2)", "fewer fields", ""),
    ("'%q' % 1", "not a field", "%s"),
    ("range('a')", "whole number", ""),
    ("range(1, 2, 0)", "cannot be 0", ""),
    ("'a' | split('')", "not empty", ""),
    ("1 | abs | map('upper')", "needs a list, not a number", ""),
    ("[1] | map(state.name)", "there is no filter `Ann`", ""),
    ("[[1, 2]] | map('join', *[1, 2, 3])", "`join` cannot be computed", ""),
    ("'a' | regex_search('[' ~ 'a')", "not a pattern of RE2", ""),
    ("'a' | regex_replace('a', '\\\\7')", "no group 7", ""),
]


@pytest.mark.parametrize(("source", "message", "hint"), ERRORS, ids=[source for source, _, _ in ERRORS])
def test_what_has_no_value_is_an_error_that_names_it(source: str, message: str, hint: str) -> None:
    with pytest.raises(EvaluationError) as error:
        Expression(source).evaluate(NAMES)
    assert message in error.value.message
    assert hint in (error.value.hint or "")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, len, b"x", object()])
def test_a_value_that_json_does_not_know_is_an_error(value: Any) -> None:
    with pytest.raises(EvaluationError, match="JSON"):
        Expression("x").evaluate({"x": value})


def test_texts_of_the_loader_come_out_as_plain_text() -> None:
    assert type(Expression("x").evaluate({"x": Text("a")})) is str
    assert type(Template("{{ x }}").value({"x": Text("a")})) is str
    assert type(Template("{{ x }}").text({"x": Text("a")})) is str
    assert type(Template(Text("{{ x }}!")).text({"x": Text("a")})) is str
    assert type(Template(Text("literal")).value({})) is str


@pytest.mark.parametrize("literal", [True, False, None, 1, 1.5, ["a", "{{ b }}"]])
def test_an_expression_that_is_no_text_is_a_literal(literal: Any) -> None:
    assert Expression(literal).evaluate({}) == literal
    assert Expression(literal).accesses == ()


def test_evaluation_changes_nothing() -> None:
    before = json.dumps(STATE)
    for source, _ in VALUES:
        Expression(source).evaluate(NAMES)
    assert json.dumps(STATE) == before


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("true", True),
        ("1 > 0", True),
        ("null", False),
        ("state.nothing", False),
        ("state.nothing and x.y", False),
        ("not null", True),
        (True, True),
        (False, False),
    ],
)
def test_a_condition_holds_where_it_is_true_and_not_where_it_is_null(source: Any, expected: bool) -> None:
    assert Condition(source).holds(NAMES) is expected


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("'yes'", "text"),
        ("1", "a number"),
        ("0", "a number"),
        ("state.list", "a list"),
        ("{}", "a mapping"),
        ("1.0", "a number"),
    ],
)
def test_a_condition_that_gives_no_boolean_asks_for_a_comparison(source: str, kind: str) -> None:
    with pytest.raises(EvaluationError) as error:
        Condition(source).holds(NAMES)
    assert f"gives {kind}, not true or false" in error.value.message
    assert "compare it" in (error.value.hint or "")


TEMPLATES: list[tuple[str, Any]] = [
    ("{{ 1 }}", 1),
    ("{{ '1' }}", "1"),
    (" {{ 1 }}\n", 1),
    ("{{- 1 -}}", 1),
    ("{{ null }}", None),
    ("{{ '{{ 1 }}' }}", "{{ 1 }}"),
    ("{{ [1, 2] | map('string') }}", ["1", "2"]),
    ("{{ range(2) }}", [0, 1]),
    ("{{ 1, 2 }}", [1, 2]),
    ("{{ state.list }}", [3, 1, 2]),
    ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
    ("{{ '{{' }}", "{{"),
    ("{{ '}}' }}", "}}"),
    ("{{ 1 }}{{ 2 }}", "12"),
    ("{{ 1 }}.", "1."),
    ("a{{ null }}b", "ab"),
    ("{{ true }}, {{ 1.0 }}", "true, 1.0"),
    ("x {{ {'a': '<é>&'} }}", 'x {"a": "<é>&"}'),
    ("x {{ [1, null] }}", "x [1, null]"),
    ("a\r\nb", "a\r\nb"),
    ("a\n", "a\n"),
    ("{{ 1 }}\nb\n", "1\nb\n"),
    ("a }} b %} #}", "a }} b %} #}"),
    ("{ { {% raw %}{{ x }}{% endraw %}", "{ { {{ x }}"),
    ("a {#- c -#} b", "ab"),
    ("a {{- 1 -}} b", "a1b"),
    ("{# {{ x }} #}a", "a"),
    ("{% raw -%} a {%- endraw %}b", "ab"),
    ("{% if state.n == 1 %}a{% elif true %}b{% else %}c{% endif %}", "a"),
    ("{% if false %}a{% endif %}", ""),
    ("{% if null %}a{% elif 1 %}b{% else %}c{% endif %}", "b"),
    ("{% if [] %}a{% else %}c{% endif %}\n", "c\n"),
    ("{% for x in state.list %}{{ x }}{{ ',' if not loop.last }}{% endfor %}", "3,1,2"),
    ("{% for x in [] %}a{% else %}none{% endfor %}", "none"),
    ("{% for k in {'a': 1} %}{{ k }}{% endfor %}", "a"),
    ("{% for k, v in {'a': 1} | items %}{{ k }}={{ v }}{% endfor %}", "a=1"),
    ("{% for c in 'ab' %}{{ c }}.{% endfor %}", "a.b."),
    ("{% for x in [1, 2, 3] if x > 1 %}{{ loop.index }}{{ x }}/{{ loop.length }} {% endfor %}", "12/2 23/2 "),
    (
        "{% for x in [5, 6] %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{% endfor %}",
        "021true110false",
    ),
    (
        "{% for x in [1, 2, 3] %}{{ loop.previtem | default('-') }}{{ loop.nextitem | default('-') }} {% endfor %}",
        "-2 13 2- ",
    ),
    ("{% for x in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{% endfor %}", "aba"),
    (
        "{% for x in [1] %}{% set outer = loop %}{% for y in [1, 2] %}"
        "{{ outer.index }}{{ loop.index }}{{ loop.depth }} {% endfor %}{% endfor %}",
        "112 122 ",
    ),
    ("{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}.", "2."),
    ("{% set x = 0 %}{% for i in [1, 2] %}{{ x }}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "01020"),
    ("{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12"),
    ("{% set a = state.n %}{{ a }}.", "1."),
    ("{% set x %}<{{ 1 }}>{% endset %}{{ x }}.", "<1>."),
    ("{% set x | upper | trim %} a {% endset %}[{{ x }}]", "[A]"),
    ("{% for x in [1] %}{% set y = x %}{% endfor %}{{ y is defined }}.", "false."),
    ("{% set upper = 'x' %}{{ upper | upper }}.", "X."),
    ("{% for inputs_ in [1] %}{{ inputs_ }}{% endfor %}", "1"),
]


@pytest.mark.parametrize(("source", "expected"), TEMPLATES, ids=[source for source, _ in TEMPLATES])
def test_a_template_gives_a_value_where_it_is_one_expression_and_else_text(source: str, expected: Any) -> None:
    value = Template(source).value(NAMES)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ null }}", ""),
        ("{{ true }}", "true"),
        ("{{ 1.5 }}", "1.5"),
        ("{{ {'a': 1} }}", '{"a": 1}'),
        ("{{ 'a' }}", "a"),
        ("{{ range(2) }}", "[0, 1]"),
        ("{{ 'é<' }}", "é<"),
        ("{{ ['é<'] }}", '["é<"]'),
    ],
)
def test_as_text_a_value_is_written_as_it_is_or_as_json(source: str, expected: str) -> None:
    assert Template(source).text({}) == expected


@pytest.mark.parametrize(
    "source", ["{{ x }}", "a {{ x.y }}", "{% for i in x %}{% endfor %}", "{% if x %}{% endif %}", "{% set y = x %}"]
)
def test_a_template_with_something_undefined_is_an_error(source: str) -> None:
    with pytest.raises(EvaluationError, match="`x` is undefined"):
        Template(source).value({})


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{% for x in null %}{% endfor %}", "`for` over `null` needs a list, not null"),
        ("{% for a, b in [[1]] %}{% endfor %}", "a list of 1 items does not give 2 names their values"),
        ("{% for x in [1] %}{{ loop }}{% endfor %}", "`loop` is not a value"),
        ("{% for x in [1] %}{{ loop.idx }}{% endfor %}", "`loop.idx` is undefined"),
    ],
)
def test_a_loop_says_what_is_wrong_with_it(source: str, message: str) -> None:
    with pytest.raises(EvaluationError) as error:
        Template(source).text({})
    assert message in error.value.message


@pytest.mark.parametrize("source", ["", "a", "a\r\n\tb\x00", "}} %} #}", "{ {", "$x `y`"])
def test_a_template_without_braces_is_literal_and_gives_exactly_its_text(source: str) -> None:
    template = Template(source)
    assert template.literal
    assert template.text({}) == template.value({}) == source


def test_a_value_renders_every_text_and_leaves_keys_and_other_data_alone() -> None:
    value = Value({"{{ a }}": ["{{ n }}", "n={{ n }}", 1, None, {"x": "{{ [n] }}"}], "b": True})
    assert not value.literal
    assert value.evaluate({"n": 2}) == {"{{ a }}": [2, "n=2", 1, None, {"x": [2]}], "b": True}
    assert [access.path for access in value.accesses] == [("n",)] * 3


def test_a_literal_value_gives_its_own_data() -> None:
    data = {"a": [1, "b", None]}
    assert Value(data).literal
    assert Value(data).evaluate({}) is data


def test_equal_texts_share_their_compiled_form() -> None:
    assert Expression("a.b + 1")._parsed is Expression("a.b + 1")._parsed
    assert Template("x{{ a }}")._parsed is Template("x{{ a }}")._parsed


def test_a_list_read_as_it_stands_is_not_copied() -> None:
    data = [1, [2]]
    assert Expression("x.y").evaluate({"x": {"y": data}}) is data


def test_the_reference_describes_every_filter_and_test() -> None:
    assert all(FILTERS.values())
    assert all(TESTS.values())
    assert {
        "fromjson",
        "tojson",
        "split",
        "lines",
        "regex_search",
        "regex_replace",
        "unquoted",
        "default",
        "d",
    } <= FILTERS.keys()
    assert not FILTERS.keys() & {
        "random",
        "safe",
        "urlize",
        "escape",
        "e",
        "forceescape",
        "xmlattr",
        "pprint",
        "striptags",
    }
    assert not TESTS.keys() & {"callable", "escaped", "filter", "test"}


def test_every_filter_and_test_is_tried_in_the_table() -> None:
    tried = " ".join(source for source, _ in VALUES)
    assert [name for name in FILTERS if name not in tried] == []
    assert [name for name in TESTS if name.isidentifier() and f" {name}" not in tried and f"'{name}'" not in tried] == [
        "equalto",
        "greaterthan",
        "lessthan",
    ]


def test_the_reserved_names_are_those_of_the_table() -> None:
    table = {
        "inputs",
        "state",
        "output",
        "nodes",
        "round",
        "error",
        "run",
        "env",
        "secrets",
        "true",
        "false",
        "null",
        "none",
    }
    assert table <= RESERVED


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_data_goes_through_a_lone_template_unchanged(data: Any) -> None:
    for source in ("{{ x }}", "{{ [x][0] }}", "{{ x | tojson | fromjson }}", "{{ {'k': x}.k }}"):
        assert Template(source).value({"x": data}) == data


@given(JSON)
def test_any_data_in_a_text_is_text_nothing_or_json(data: Any) -> None:
    written = Template("<{{ x }}>").text({"x": data})[1:-1]
    assert written == data if isinstance(data, str) else written == "" if data is None else json.loads(written) == data


@given(st.text())
def test_a_text_without_braces_is_its_own_template(text: str) -> None:
    if not any(begin in text for begin in ("{{", "{%", "{#")):
        assert Template(text).text({}) == text


@given(JSON, JSON)
def test_equality_is_that_of_the_data(one: Any, other: Any) -> None:
    assert Condition("a == b").holds({"a": one, "b": other}) is (one == other)
    assert Condition("a != b").holds({"a": View(one) if isinstance(one, dict) else one, "b": other}) is (one != other)
