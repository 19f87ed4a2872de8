"""No expression hangs or eats the machine: each of these ends quickly, in an error, with little memory."""

from __future__ import annotations

import resource
import time

import pytest

from magent.expressions import EvaluationError, Expression, ExpressionProblem, ShellText, Template, survey

pytestmark = pytest.mark.untraced

DAG = "{% set a = [1] %}" + "{% set a = [a, a, a] %}" * 60
LONG = "{% set x = 'a' * 1000000 %}{% set y = 'a' * 1000000 %}"

EXPRESSIONS = [
    "range(10**12)",
    "range(10**30) | list",
    "range(100001)",
    "range(100000) | batch(1) | map('first')",
    "'a' * 10**9",
    "'a' * 10**18",
    "[0] * 10**9",
    "10**9 * 'a'",
    "2 ** 100000",
    "99999999 ** 99999999",
    "(10**3900) * (10**3900)",
    "'x' | center(10**9)",
    "'%1000000000d' % 1",
    "'%.1000000000f' % 1.0",
    "'%*d' % (10, 1)",
    "('%s' * 100000) % ('x' * 1000)",
    "'%(a)s' * 100000 % {'a': 'x' * 1000}",
    "'%9999s' * 1000 | format(*range(1000))",
    "[1] | batch(10**9, 'x')",
    "[1] | slice(10**9)",
    "'a\n' | indent(10**9)",
    "('a\n' * 100000) | indent(1000)",
    "('a\n' * 100000) | indent('x' * 1000)",
    "('a' * 100000) | replace('a', 'b' * 1000)",
    "'aaaa' | replace('', 'b' * 10**7)",
    "range(100000) | join('x' * 1000)",
    "[1] | tojson(indent=10**9)",
    "[[1] * 500000] | tojson(indent=16)",
    "('[' * 100000) | fromjson",
    "('[' * 900 ~ ']' * 900) | fromjson",
    "('[' ~ '[],' * 2000000 ~ '1]') | fromjson",
    "range(1000) | map('center', 100000)",
    "('a' * 1000000) | wordwrap(1)",
    "('a ' * 1000000) | wordwrap(1)",
    "('-' * 1000000) | wordwrap(1)",
    "('a-' * 1000000) | wordwrap(3)",
    "('a' * 1000) | wordwrap(1, true, 'x' * 100000)",
    "('a ' * 2000000) | split",
    "('a,' * 2000000) | split(',')",
    "('a\n' * 2000000) | lines",
    "('é' * 4000000) | list",
    "('a' * 1000000) | regex_replace('a', 'b' * 24)",
    "('a' * 1000000) | regex_replace('', 'bbbb')",
    "range(100000) | map('regex_search', 'a{500}')",
    "'a' | regex_search('a' * 20000)",
    "('f' * 1000000) | int(0, 16)",
    "5 | round(-10**9)",
    "1.5 | round(10**9)",
    "'x' * 8000000 ~ 'x' * 8000000",
    "(['a' * 1000000] * 1000) | tojson",
    "(['a' * 1000000] * 1000) | join",
    "(['a' * 1000000] * 1000) | sort",
    "(['a' * 1000000] * 1000) | unique",
    "(['a' * 1000000] * 1000) | map('upper')",
    "(['a' * 1000000] * 1000) | groupby(0)",
    "(['a' * 1000000] * 1000)",
    "(['a' * 1000000] * 100) == (['a' * 1000000] * 100)",
    "'a' * 1000000 in ['a' * 1000000 ~ 'b'] * 100000",
    "('a' * 4000000) | title",
    "('é' * 700000) | urlencode",
    "'a' | truncate(10**9, end='x' * 10**9)",
    "dict(a=[1] * 1000000)",
    "[[1] * 500000, [1] * 500000]",
    "range(60000) | sort | reverse",
    "range(99999) | sum(start='' )",
    "[range(100000), range(100000)]",
    "range(100000) | map('string') | map('string')",
    "('a' * 5000000) | trim | upper",
]
TEMPLATES = [
    "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
    "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
    "{% for i in range(100000) %}" + "{% if i %}{% endif %}" * 1000 + "{% endfor %}",
    "{% for i in range(100000) %}" + "0123456789" * 9 + "{% endfor %}",
    LONG + "{% for i in range(1000) %}{{ x }}{% endfor %}",
    LONG + "{% for i in range(90000) %}{% if x == y %}{% endif %}{% endfor %}",
    LONG + "{% for i in range(90000) %}{% if x < y %}{% endif %}{% endfor %}",
    LONG + "{% for i in range(90000) %}{% if x in y %}{% endif %}{% endfor %}",
    LONG + "{% set d = {x: 1} %}{% for i in range(90000) %}{% if d[y] %}{% endif %}{% endfor %}",
    LONG + "{% for i in range(90000) %}{% if x | regex_search('b') %}{% endif %}{% endfor %}",
    LONG + "{% for i in range(90000) %}{% set z = x[1:] %}{% endfor %}",
    LONG + "{% for i in range(90000) %}{% set z = x | wordcount %}{% endfor %}",
    DAG + "{{ a }}",
    DAG + "{{ a == a }}",
    DAG + "{{ a < a }}",
    DAG + "{{ [a, a] | sort }}",
    DAG + "{{ [a] | unique }}",
    DAG + "{{ a in [a, 1] }}",
    "{% set a = [1] %}" + "{% set a = {'k': a, 'l': a} %}" * 60 + "{{ a | tojson }}",
    "{% set a = 'x' %}" + "{% set a = a ~ a %}" * 60 + "{{ a }}",
    "{% set a = 'x' %}" + "{% set a = [a, a] | join(a) %}" * 60 + "{{ a }}",
    "{% set a = 3 %}" + "{% set a = a * a %}" * 60 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a] %}" * 2000 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a] %}" * 2000 + "{{ a == a }}",
    "{% for i in range(99999) %}{% set d = (3 ** 8000) // (7 ** 100) %}{% endfor %}",
    "{% for i in range(99999) %}{% set d = (3 ** 8000) | string %}{% endfor %}",
    "{% for i in range(100000) %}{% if 'a' | regex_search('a{900}' ~ i) %}{% endif %}{% endfor %}",
    "{% set l = range(40000) | list %}{% for i in l %}{% set x = l + l %}{% endfor %}",
    "{% set l = range(40000) | list %}{% for i in l %}{% set x = i in l %}{% endfor %}",
    "{% set l = range(40000) | list %}{% for i in l %}{% set x = l == l %}{% endfor %}",
    "{% set l = range(40000) | list %}{% for i in l %}{% set x = l[1:] %}{% endfor %}",
]


def _peak() -> int:
    """The most memory this process ever held, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _must_fail(act: Expression | Template) -> None:
    before, started = _peak(), time.process_time()
    with pytest.raises(EvaluationError) as error:
        act.evaluate({}) if isinstance(act, Expression) else act.text({})
    assert error.value.message
    assert _peak() - before < 100_000
    assert time.process_time() - started < 3  # well under a second on a machine that does nothing else


@pytest.mark.parametrize("source", EXPRESSIONS)
def test_no_operator_and_no_filter_outruns_the_budget(source: str) -> None:
    _must_fail(Expression(source))


@pytest.mark.parametrize("source", TEMPLATES, ids=[source[-60:] for source in TEMPLATES])
def test_no_loop_and_no_repetition_outruns_the_budget(source: str) -> None:
    _must_fail(Template(source))


def test_a_spent_budget_says_which_and_what_to_do() -> None:
    with pytest.raises(EvaluationError) as error:
        Template("{% for i in range(400) %}{% for j in range(400) %}{% endfor %}{% endfor %}").text({})
    assert error.value.message == "the budget of an evaluation is spent: more than 100,000 loop steps"
    assert error.value.hint == "do it in a task: `run` or `call`"


def test_a_hundred_thousand_loop_steps_are_allowed() -> None:
    assert Template("{% for i in range(100000) %}.{% endfor %}").text({}) == "." * 100_000
    assert Expression("range(100000) | sum").evaluate({}) == 4_999_950_000


def test_eight_million_characters_are_allowed() -> None:
    assert len(Expression("'a' * 4000000").evaluate({})) == 4_000_000
    assert len(Template("<{{ x }}>").text({"x": "a" * 8_000_000})) == 8_000_002


def test_the_budget_is_that_of_one_evaluation() -> None:
    template = Template("{% for i in range(60000) %}{% endfor %}")
    assert template.text({}) == template.text({}) == ""


def test_reading_a_large_value_costs_nothing() -> None:
    data = {"list": list(range(1_000_000)), "text": "a" * 20_000_000}
    assert Expression("x.list").evaluate({"x": data}) is data["list"]
    assert Expression("x.list | length").evaluate({"x": data}) == 1_000_000
    assert Expression("x.list[5]").evaluate({"x": data}) == 5
    assert Expression("x.text | length").evaluate({"x": data}) == 20_000_000


@pytest.mark.parametrize(
    "source",
    [
        "1+" * 20_000 + "1",
        "a" + ".b" * 20_000,
        "a" + "|upper" * 8_000,
        " and ".join(["a"] * 8_000),
        "a if b else " * 4_000 + "c",
    ],
    ids=["sums", "keys", "filters", "ands", "ifs"],
)
def test_long_chains_are_refused_quickly(source: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match="deeply"):
        Expression(source)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "source",
    [
        "+".join(["1"] * 100),
        "(" * 30 + "1" + ")" * 30,
        "~".join(["1"] * 5_000),
        "not " * 100 + "true",
        "1" + "|abs" * 100,
    ],
)
def test_what_people_write_is_not_too_deep(source: str) -> None:
    assert Expression(source).evaluate({}) is not None


def test_a_template_of_many_expressions_takes_time_in_proportion_to_its_length() -> None:
    text = "line {{ a }}\n" * 10_000
    started = time.process_time()
    assert Template(text).text({"a": 1}) == "line 1\n" * 10_000
    assert time.process_time() - started < 6


@pytest.mark.parametrize(
    "source", ["x {{ a.b }}\n" * 20_000 + "{{ a b }}", "{{ a b }}\n" * 20_000, "{{" * 40_000, "{{ 'a" * 40_000]
)
def test_what_a_broken_text_holds_is_found_out_quickly(source: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionProblem) as error:
        Template(source)
    problems, _ = survey(source, error.value, shell=False)
    assert 1 <= len(problems) <= 100
    assert time.process_time() - began < 10


def test_a_script_of_thousands_of_lines_is_read_quickly() -> None:
    began = time.process_time()
    ShellText("echo {{ a.b }}\n" * 7000)
    assert time.process_time() - began < 6
