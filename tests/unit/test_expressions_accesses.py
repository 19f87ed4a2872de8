"""Which names an expression reads, known from its text."""

from __future__ import annotations

import pytest

from magent.expressions import Access, Condition, Expression, Template, Value


def shown(accesses: tuple[Access, ...]) -> list[str]:
    """`state.a.b`, with `!` where it is dynamic and `?` where it is guarded."""
    return [".".join(each.path) + "!" * each.dynamic + "?" * each.guarded for each in accesses]


ACCESSES = [
    ("state.review.verdict", ["state.review.verdict"]),
    ("state['review'].verdict", ["state.review.verdict"]),
    ("state.review['a b']", ["state.review.a b"]),
    ("state.list[0].name", ["state.list"]),
    ("state.list[1:].x", ["state.list!"]),
    ("state.list[-1]", ["state.list!"]),
    ("state", ["state!"]),
    ("state | length", ["state!"]),
    ("state[inputs.k].x", ["state!", "inputs.k"]),
    ("state.a[inputs.k]", ["state.a!", "inputs.k"]),
    ("state | attr('a')", ["state.a"]),
    ("state.a | map(attribute='b.c')", ["state.a"]),
    ("a.b + c.d ~ e", ["a.b", "c.d", "e!"]),
    ("1 + range(inputs.n) | sum + dict(a=x.y).a", ["inputs.n", "x.y"]),
    ("true and null == none", []),
    ("(state.a or state.b).c", ["state.a", "state.b"]),
    ("state.a.items", ["state.a.items"]),
    ("{'k': state.a}", ["state.a"]),
    ("x | join(state.sep)", ["x!", "state.sep"]),
    # what copes by itself
    ("state.a.b | default(0)", ["state.a.b?"]),
    ("state.a.b | d(state.c.d)", ["state.a.b?", "state.c.d"]),
    ("state.a.b | upper | default(0)", ["state.a.b"]),
    ("state.a.b is defined", ["state.a.b?"]),
    ("state.a.b is not defined", ["state.a.b?"]),
    ("state.a is none", ["state.a?"]),
    ("state.a == null", ["state.a?"]),
    ("state.a.b is none", ["state.a.b"]),
    ("state.a.b == null", ["state.a.b"]),
    ("state.a is defined and state.a.b", ["state.a?", "state.a.b?"]),
    ("state.a and state.a.b", ["state.a", "state.a.b?"]),
    ("state.a and state.b.c", ["state.a", "state.b.c"]),
    ("not state.a or state.a.b", ["state.a", "state.a.b?"]),
    ("state.a or state.a.b", ["state.a", "state.a.b"]),
    ("state.a is none or state.a.b > 1", ["state.a?", "state.a.b?"]),
    ("state.a is not none and state.a.b > 1", ["state.a?", "state.a.b?"]),
    ("state.a != null and state.a.b", ["state.a?", "state.a.b?"]),
    ("state.a == null or state.a.b", ["state.a?", "state.a.b?"]),
    ("state.a == null and state.a.b", ["state.a?", "state.a.b"]),
    ("state.a.b is defined and state.a.c", ["state.a.b?", "state.a.c?"]),
    ("state.a.b | default(false) and state.a.c", ["state.a.b?", "state.a.c?"]),
    ("state.a is mapping and state.a.b", ["state.a", "state.a.b?"]),
    ("state.a and state.b and state.a.x + state.b.y", ["state.a", "state.b", "state.a.x?", "state.b.y?"]),
    ("(state.a or state.b) and state.a.x", ["state.a", "state.b", "state.a.x"]),
    ("state.a.b if state.a else 0", ["state.a.b?", "state.a"]),
    ("0 if state.a is none else state.a.b", ["state.a?", "state.a.b?"]),
    ("state.a.b == 'x' and state.a.c", ["state.a.b", "state.a.c?"]),
    ("output and output.x", ["output!", "output.x?"]),
    ("error is not none and error.type", ["error!?", "error.type?"]),
]


@pytest.mark.parametrize(("source", "expected"), ACCESSES, ids=[source for source, _ in ACCESSES])
def test_the_accesses_of_an_expression_are_known_from_its_text(source: str, expected: list[str]) -> None:
    assert shown(Expression(source).accesses) == expected
    assert shown(Condition(source).accesses) == expected
    assert shown(Template(f"x {{{{ {source} }}}}").accesses) == expected


TEMPLATES = [
    ("{% for x in state.a %}{{ x.y }}{{ loop.index }}{{ state.b }}{% endfor %}", ["state.a", "state.b"]),
    ("{% for x in a %}{% endfor %}{{ x }}", ["a!", "x!"]),
    ("{% for k, v in state.a | items if v.x %}{{ k }}{% else %}{{ k }}{% endfor %}", ["state.a", "k!"]),
    ("{% for x in x %}{{ x }}{% endfor %}", ["x!"]),
    ("{{ y }}{% set y = state.a %}{{ y.z }}", ["y!", "state.a"]),
    ("{% set y %}{{ state.a }}{% endset %}{{ y }}", ["state.a"]),
    ("{% set y | default(state.b) %}a{% endset %}", ["state.b"]),
    ("{% if state.a %}{{ state.a.b }}{% else %}{{ state.a.c }}{% endif %}", ["state.a", "state.a.b?", "state.a.c"]),
    ("{% if state.a is none %}-{% else %}{{ state.a.c }}{% endif %}", ["state.a?", "state.a.c?"]),
    ("{% if not state.a %}-{% elif state.a.b %}{{ state.a.c }}{% endif %}", ["state.a", "state.a.b?", "state.a.c?"]),
    (
        "{% if state.a %}{% for x in state.a.b %}{{ state.a.c }}{% endfor %}{% endif %}",
        ["state.a", "state.a.b?", "state.a.c?"],
    ),
    ("{% if state.a %}{% endif %}{{ state.a.b }}", ["state.a", "state.a.b"]),
    ("{% raw %}{{ state.a }}{% endraw %}{# {{ state.b }} #}", []),
    ("no braces", []),
]


@pytest.mark.parametrize(("source", "expected"), TEMPLATES, ids=[source for source, _ in TEMPLATES])
def test_local_names_and_branches_of_a_template_are_understood(source: str, expected: list[str]) -> None:
    assert shown(Template(source).accesses) == expected


def test_an_access_knows_its_place_in_a_text_of_several_lines() -> None:
    found = Template("é {{ a.b }}\r\n\n  {{ 1 +\n c[d.e] }}").accesses
    assert [(each.path, each.line, each.column) for each in found] == [
        (("a", "b"), 1, 6),
        (("c",), 4, 2),
        (("d", "e"), 4, 4),
    ]


def test_a_value_gathers_the_accesses_of_all_its_texts() -> None:
    assert shown(Value({"a": "{{ x.y }}", "b": ["{{ z.w }}", 1]}).accesses) == ["x.y", "z.w"]
