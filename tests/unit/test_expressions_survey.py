"""All that is wrong in one text is told at once."""

from __future__ import annotations

import pytest

from magent.expressions import Expression, ExpressionProblem, ShellText, Template, survey


def places(error: ExpressionProblem) -> list[tuple[int, int]]:
    return [(each.line, each.column) for each in (error, *error.others)]


def test_an_expression_tells_all_that_the_language_does_not_have() -> None:
    with pytest.raises(ExpressionProblem) as error:
        Expression("(1 | foo) == (2 | bar)\n and x.y()")
    assert places(error.value) == [(1, 6), (1, 19), (2, 6)]


def test_the_first_of_several_problems_is_the_first_of_the_text() -> None:
    with pytest.raises(ExpressionProblem) as error:
        Template("{% set state = 1 %}{% for inputs in [1] %}{% endfor %}")
    assert "`state`" in error.value.message
    assert "`inputs`" in error.value.others[0].message


def test_a_script_tells_every_placeholder_that_is_refused() -> None:
    with pytest.raises(ExpressionProblem) as error:
        ShellText("a '{{ x }}'\n{{ y }} {{ z }}\nb {{ 1 + }} # {{ x }}")
    assert places(error.value) == [(1, 4), (2, 1), (3, 10), (3, 15)]
    assert "before `}}` ends too early" in error.value.others[1].message


def test_what_a_broken_template_reads_elsewhere_is_known() -> None:
    source = "{{ state.a }} {{ 1 + }}\n{{ state.b | foo }} {{ bar }}"
    with pytest.raises(ExpressionProblem) as error:
        Template(source)
    problems, accesses = survey(source, error.value, shell=False)
    assert [(each.line, each.column) for each in problems] == [(1, 22), (2, 14)]
    assert [access.path for access in accesses] == [("state", "a"), ("bar",)]
    assert all(access.guarded for access in accesses)


def test_names_that_a_broken_template_gives_itself_are_not_taken_for_others() -> None:
    source = "{% for q in [1] %}{{ q }}{{ state.a }}{% endfor %}{{ 1 + }}"
    with pytest.raises(ExpressionProblem) as error:
        Template(source)
    assert [access.path for access in survey(source, error.value, shell=False)[1]] == [("state", "a")]


@pytest.mark.parametrize("source", ["{# {{ a b }} #}{{ 1 + }}", "{% raw %}{{ a b }}{% endraw %}{{ 1 + }}"])
def test_what_is_mere_text_in_a_broken_template_is_no_problem(source: str) -> None:
    with pytest.raises(ExpressionProblem) as error:
        Template(source)
    assert len(survey(source, error.value, shell=False)[0]) == 1
