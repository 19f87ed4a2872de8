"""What is no expression or template: the message, the place, the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.expressions import (
    RESERVED,
    Condition,
    EvaluationError,
    Expression,
    ExpressionProblem,
    ShellText,
    Template,
    Value,
)

EXPRESSIONS = [
    ("", 1, 1, "the expression is empty", ""),
    (" \n ", 1, 1, "the expression is empty", ""),
    ("a && b", 1, 3, "`&&`", "write `and`"),
    ("a || b", 1, 3, "`||`", "write `or`"),
    ("!a", 1, 1, "`!`", "write `not x`"),
    ("a ? b : c", 1, 3, "`?`", "`b if a else c`"),
    ("a === b", 1, 3, "`===`", "write `==`"),
    ("a !== b", 1, 3, "`!==`", "write `!=`"),
    ("a ?? b", 1, 3, "`??`", "default"),
    ("a?.b", 1, 2, "`?.`", "default"),
    ("x => 1", 1, 3, "`=>`", ">="),
    ("$x", 1, 1, "`$`", "without `$`"),
    ("${{ x }}", 1, 1, "`${`", "without"),
    ("`x`", 1, 1, "```", "quoted"),
    ("{{ a }}", 1, 1, "`{{`", "leave the braces out"),
    ("a == {{ b }}", 1, 6, "`{{`", "leave the braces out"),
    ("a }}", 1, 3, "`}` closes nothing", "leave the braces out"),
    ("{% if a %}", 1, 1, "`{%`", "leave the braces out"),
    ("x.upper()", 1, 1, "values have no methods: `x.upper()`", "write `x | upper`"),
    ("a +\n  state.r.v.strip()", 2, 3, "values have no methods", "write `state.r.v | trim`"),
    ("a.items()", 1, 1, "values have no methods", "write `a | items`"),
    ("a.get('b')", 1, 1, "values have no methods", "default"),
    ("', '.join(a)", 1, 1, "values have no methods", "join"),
    ("a.uper()", 1, 1, "values have no methods", "write `a | upper`"),
    ("len(x)", 1, 1, "there is no function `len`", "write `x | length`"),
    ("foo(x)", 1, 1, "there is no function `foo`", "x | …"),
    ("upper(x)", 1, 1, "there is no function `upper`", "x | upper"),
    ("now()", 1, 1, "there is no function `now`", ""),
    ("namespace(a=1)", 1, 1, "there is no function `namespace`", ""),
    ("lipsum()", 1, 1, "there is no function", ""),
    ("cycler(1)", 1, 1, "there is no function", ""),
    ("joiner()", 1, 1, "there is no function", ""),
    ("loop(x)", 1, 1, "there is no function `loop`", ""),
    ("x[0](1)", 1, 5, "only `range(…)` and `dict(…)` can be called", ""),
    ("range", 1, 1, "`range` is a function", "range(…)"),
    ("x | uper", 1, 5, "there is no filter `uper`", "did you mean `upper`?"),
    ("x | random", 1, 5, "there is no filter `random`", "the filters are"),
    ("x | safe", 1, 5, "there is no filter `safe`", ""),
    ("x | map('uper')", 1, 9, "there is no filter `uper`", "`upper`"),
    ("x | select('ood')", 1, 12, "there is no test `ood`", "`odd`"),
    ("x | selectattr('a', 'definde')", 1, 21, "there is no test `definde`", "`defined`"),
    ("x is definde", 1, 3, "there is no test `definde`", "did you mean `defined`?"),
    ("x is callable", 1, 3, "there is no test", ""),
    ("x | join(1, 2, 3)", 1, 5, "`join`: too many positional arguments", "join(d='', attribute=None)"),
    ("x | upper(b=1)", 1, 5, "`upper`: got an unexpected keyword argument 'b'", "upper()"),
    ("x | replace('a')", 1, 5, "missing a required argument", "replace(old, new"),
    ("x | regex_search('(?=a)')", 1, 18, "not a pattern of RE2", "look-around"),
    ("x | regex_search('(')", 1, 18, "not a pattern of RE2", ""),
    ("(a", 1, 1, "`(` is not closed", "add `)`"),
    ("[1, (2]", 1, 5, "`(` is not closed", "add `)`"),
    ("a)", 1, 2, "`)` closes nothing", ""),
    ("{'a': 1", 1, 1, "`{` is not closed", "add `}`"),
    ("'abc", 1, 1, "is not closed", "close the quote"),
    ('a == "b', 1, 6, "is not closed", "close the quote"),
    ("a b", 1, 3, "`b` is not expected here", "missing"),
    ("a AND b", 1, 3, "`AND` is not expected here", "write `and`"),
    ("a = 1", 1, 3, "`=` is not expected here", "`==` compares"),
    ("a, b", 1, 2, "`,` is not expected here", "[a, b]"),
    ("a +", 1, 4, "ends too early", ""),
    ("a |", 1, 4, "ends too early", ""),
    ("not", 1, 4, "ends too early", ""),
    ("012", 1, 2, "`12` is not expected here", ""),
    ("a ; b", 1, 3, "`;` is not expected here", ""),
    ("a @ b", 1, 3, "`@` does not belong", ""),
    ("a\n  + b\n  && c", 3, 3, "`&&`", "write `and`"),
    ("'a\nb' && c", 2, 4, "`&&`", "write `and`"),
    (r"'\ud800'", 1, 1, "no character", ""),
    ("9" * 5000, 1, 1, "too long", ""),
    ("a" * 60_000, 1, 1, "too long", ""),
    ("(" * 100_000, 1, 31, "nested too deeply", ""),
    ("[" * 100_000 + "]" * 100_000, 1, 31, "nested too deeply", ""),
    ("{'a':" * 100_000, 1, 151, "nested too deeply", ""),
    ("not " * 5_000 + "a", 1, 1, "nested too deeply", ""),
    ("-" * 20_000 + "1", 1, 1, "nested too deeply", ""),
]


@pytest.mark.parametrize(
    ("source", "line", "column", "message", "hint"), EXPRESSIONS, ids=[source[:40] for source, *_ in EXPRESSIONS]
)
def test_a_text_that_is_no_expression_is_refused_with_its_place_and_the_way_out(
    source: str, line: int, column: int, message: str, hint: str
) -> None:
    with pytest.raises(ExpressionProblem) as error:
        Expression(source)
    assert message in error.value.message
    assert hint in (error.value.hint or "")
    assert (error.value.line, error.value.column) == (line, column)


TEMPLATES = [
    ("a\nb {{ x }}\n  {{ y && z }}", 3, 8, "`&&`", "write `and`"),
    ("é\r\n {{ x + }}", 2, 9, "ends too early", ""),
    ("{{ a", 1, 1, "`{{` is not closed", "add `}}`"),
    ("x {{ a }", 1, 8, "`}` closes nothing", "`{{` is closed by `}}`"),
    ("{{ }}", 1, 1, "holds nothing", ""),
    ("{{ (a }}", 1, 4, "`(` is not closed", "add `)`"),
    ("{{ {{ x }} }}", 1, 4, "`{{`", "leave the inner braces out"),
    ("{% if a %}", 1, 1, "`{% if %}` is not closed", "add `{% endif %}`"),
    ("\n{% for a in b %}{% if c %}{% endif %}", 2, 1, "`{% for %}` is not closed", "add `{% endfor %}`"),
    ("{% if a", 1, 1, "`{%` is not closed", "add `%}`"),
    ("{% if a %}{% endfor %}", 1, 14, "`endfor` does not belong here", ""),
    ("{% endif %}", 1, 4, "`endif` does not belong here", ""),
    ("{% else %}", 1, 4, "`else` does not belong here", ""),
    ("{# a", 1, 1, "`{#` is not closed", "#}"),
    ("{% raw %}{{ x", 1, 1, "`{% raw %}` is not closed", "endraw"),
    ("{% include 'a' %}", 1, 4, "`include` is not a statement here", "`if`, `for`, `set` and `raw`"),
    ("{% import 'a' as b %}", 1, 4, "`import` is not a statement", ""),
    ("{% from 'a' import b %}", 1, 4, "`from` is not a statement", ""),
    ("{% extends 'a' %}", 1, 4, "`extends` is not a statement", ""),
    ("{% block a %}{% endblock %}", 1, 4, "`block` is not a statement", ""),
    ("{% macro f() %}{% endmacro %}", 1, 4, "`macro` is not a statement", ""),
    ("{% call f() %}{% endcall %}", 1, 4, "`call` is not a statement", ""),
    ("{% filter upper %}a{% endfilter %}", 1, 4, "`filter` is not a statement", ""),
    ("{% with a = 1 %}{% endwith %}", 1, 4, "`with` is not a statement", ""),
    ("{% autoescape true %}{% endautoescape %}", 1, 4, "`autoescape` is not a statement", ""),
    ("{% do a %}", 1, 4, "`do` is not a statement", ""),
    ("{% print 1 %}", 1, 4, "`print` is not a statement", ""),
    ("{% break %}", 1, 4, "`break` is not a statement", ""),
    ("{% trans %}{% endtrans %}", 1, 4, "`trans` is not a statement", ""),
    ("{% for a in b recursive %}{% endfor %}", 1, 4, "loops cannot be recursive", ""),
    ("{% set a.b = 1 %}", 1, 8, "a part of a value cannot be set", "set a name anew"),
    ("{% set 1 = 2 %}", 1, 8, "can't assign", ""),
    ("{% set loop = 1 %}", 1, 8, "`loop` cannot be given another meaning", ""),
    ("{% set range = 1 %}", 1, 8, "`range` cannot be given another meaning", ""),
    ("{% for x, run in a %}{% endfor %}", 1, 11, "`run` cannot be given another meaning", "another name"),
    ("{% set error %}a{% endset %}", 1, 8, "`error` cannot be given another meaning", ""),
    ("{% if a %}" * 1000, 1, 401, "nested too deeply", ""),
    ("x" * 9_000_000 + "{{ a }}", 1, 1, "too long", ""),
]


@pytest.mark.parametrize(
    ("source", "line", "column", "message", "hint"), TEMPLATES, ids=[source[:40] for source, *_ in TEMPLATES]
)
def test_a_text_that_is_no_template_is_refused_with_its_place_and_the_way_out(
    source: str, line: int, column: int, message: str, hint: str
) -> None:
    with pytest.raises(ExpressionProblem) as error:
        Template(source)
    assert message in error.value.message
    assert hint in (error.value.hint or "")
    assert (error.value.line, error.value.column) == (line, column)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_name_of_the_table_can_be_rebound(name: str) -> None:
    for source in (
        f"{{% set {name} = 1 %}}",
        f"{{% for {name} in [] %}}{{% endfor %}}",
        f"{{% set {name} %}}{{% endset %}}",
    ):
        with pytest.raises(ExpressionProblem):
            Template(source)


def test_a_value_refuses_what_its_texts_refuse() -> None:
    with pytest.raises(ExpressionProblem, match="&&"):
        Value({"a": ["{{ b && c }}"]})


@pytest.mark.parametrize("literal", [1, 0, 1.5, [], None])
def test_a_condition_that_is_no_boolean_and_no_text_is_refused(literal: Any) -> None:
    with pytest.raises(ExpressionProblem) as error:
        Condition(literal)
    assert "compare it" in (error.value.hint or "")


NAMES: dict[str, Any] = {"a": 1, "b": [1, 2], "c": {"d": "e"}, "x": "text", "state": {"y": None}}
PIECES = st.sampled_from(
    [
        "a",
        "b",
        "c.d",
        "x",
        "state.y",
        "1",
        "'s'",
        "[",
        "]",
        "(",
        ")",
        "{",
        "}",
        ":",
        ",",
        "|",
        "+",
        "-",
        "*",
        "**",
        "//",
        "/",
        "%",
        "~",
        "==",
        "<",
        "in",
        "not",
        "and",
        "or",
        "if",
        "else",
        "is",
        "defined",
        "upper",
        "default",
        "join",
        "map",
        "range",
        ".",
        "[0]",
        "10",
        "items",
        "{{",
        "}}",
        "{%",
        "%}",
        "for",
        "endfor",
        "endif",
        "set",
        "=",
        "loop",
        "\n",
        "{#",
        "#}",
        "'",
        '"',
        "\\",
        "&&",
        "!",
    ]
)


def _judged(make: Callable[[str], Any], source: str) -> Any:
    """What is made of a text, or the problem with it."""
    try:
        return make(source)
    except ExpressionProblem as problem:
        return problem


def _evaluated(thing: Expression | Template | ShellText) -> Any:
    try:
        if isinstance(thing, ShellText):
            return thing.render(NAMES)
        return thing.evaluate(NAMES) if isinstance(thing, Expression) else thing.value(NAMES)
    except EvaluationError as error:
        return error


@given(st.lists(PIECES, max_size=14), st.sampled_from([" ", ""]))
def test_any_text_is_refused_evaluated_or_an_evaluation_error(pieces: list[str], space: str) -> None:
    text = space.join(pieces)
    for make in (Expression, Template, ShellText):
        for source in (text, f"{{{{ {text} }}}}", f"{{% {text} %}}"):
            thing = _judged(make, source)
            if isinstance(thing, ExpressionProblem):
                assert 1 <= thing.line <= source.count("\n") + 1
                assert 1 <= thing.column <= len(source) + 1
            else:
                _evaluated(thing)
