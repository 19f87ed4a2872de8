"""The ways out of Jinja's sandbox that the field knows: here each is refused, or gives plain data. No value has
attributes or methods, no format text reaches into one, no name leads to a function of Python's."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from magent.expressions import EvaluationError, Expression, ExpressionProblem, Template
from tests.terminal import ROOT

pytestmark = pytest.mark.untraced

NAMES: dict[str, Any] = {
    "x": "text",
    "m": {"a": 1, "items": "data", "__class__": "a key"},
    "l": [1, 2],
    "n": 7,
    "z": None,
}

REFUSED = [
    "''.__class__",
    "''['__class__']",
    "[].__class__.__base__.__subclasses__()",
    "().__class__.__mro__[1]",
    "{}.__class__",
    "x.__class__.__init__.__globals__",
    "n.__class__",
    "n.real",
    "l.append(1)",
    "l.__len__",
    "z.__class__",
    "true.__class__",
    "x.format(1)",
    "x.format_map(m)",
    "'{0.__class__}'.format(x)",
    "'%c'.__mod__(1)",
    "x.encode()",
    "m.items()",
    "m.get('a')",
    "x | attr('__class__')",
    "x | attr('upper')",
    "(x | attr('format'))(x)",
    "x | attr('upper') | upper",
    "[x] | map(attribute='__class__') | list",
    "[x] | map(attribute='upper') | list",
    "[x] | selectattr('__class__') | list",
    "[l] | map(attribute='__len__') | list",
    "[l] | groupby('__class__')",
    "[l] | sort(attribute='__class__')",
    "[l] | sum(attribute='__class__')",
    "[l] | unique(attribute='__class__') | list",
    "[l] | map('__class__') | list",
    "[x] | map('eval') | list",
    "x | map('string') | map('__import__')",
    "lipsum.__globals__['os'].popen('id')",
    "cycler.__init__.__globals__.os",
    "joiner.__init__.__globals__",
    "namespace.__init__.__globals__",
    "self.__init__.__globals__",
    "self._TemplateReference__context",
    "get_flashed_messages.__globals__",
    "url_for.__globals__",
    "config",
    "request.application",
    "range.__class__",
    "dict.__class__",
    "dict.mro()",
    "range(1).__class__",
    "range(3).start",
    "dict(a=1).__class__",
    "loop.__class__",
    "undefined_thing.__class__",
    "undefined_thing()",
    "x.\uff3f\uff3fclass\uff3f\uff3f",  # which Python would normalise to underscores
    "x['\uff3f\uff3fclass\uff3f\uff3f']",
    "x[0].__class__",
    "x[:1].__class__",
    "(x ~ x).__class__",
    "(l | first).__class__",
    "(m | items | list)[0].__class__",
    "m.a.__class__",
    "m.a.b",
    "m.nothing.more",
    "z.a",
    "x is sameas(x).__class__",
    "x | format(l.__class__)",
    "'{0.__class__}' | format(x)",
    "caller()",
    "super()",
    "_('x')",
    "open('/etc/passwd')",
    "__import__('os')",
    "__builtins__",
    "eval('1')",
    "x | tojson | safe",
    "x | xmlattr",
    "x | pprint",
]
PLAIN = {  # what looks like a way out, and is text or a key
    "'{0.__class__}' ~ x": "{0.__class__}text",
    "'%s' | format('{0.__class__}')": "{0.__class__}",
    "'%(__class__)s' % m": "a key",
    "m.__class__": "a key",
    "m['__class__']": "a key",
    "m.items": "data",
    "[m] | map(attribute='__class__') | list": ["a key"],
    "[m] | map(attribute='items') | list": ["data"],
    "'__class__' in m": True,
    "'\\x5f\\x5fclass\\x5f\\x5f'": "__class__",
    "x is string": True,
}
STATEMENTS = [
    "{% for c in x.__class__.__mro__ %}{% endfor %}",
    "{% set s = self.__init__ %}",
    "{% for x in [].__class__ %}{% endfor %}",
    "{% if ''.__class__ %}a{% endif %}",
    "{% set f = x.format %}{{ f(x) }}",
    "{% macro f() %}{{ caller }}{% endmacro %}",
    "{% import 'os' as os %}",
    "{% include '/etc/passwd' %}",
    "{% extends '/etc/passwd' %}",
    "{% for a in l %}{{ loop.__class__ }}{% endfor %}",
    "{% for a in l %}{{ loop.cycle.__globals__ }}{% endfor %}",
    "{% for a in l %}{{ loop._iterable }}{% endfor %}",
    "{% set a.__class__ = 1 %}",
    "{% call f() %}{% endcall %}",
    "{% autoescape false %}{% endautoescape %}",
    "{% debug %}",
    "{% do l.append(1) %}",
    "{% filter attr('__class__') %}x{% endfilter %}",
]


@pytest.mark.parametrize("source", REFUSED)
def test_no_expression_reaches_what_a_value_is_made_of(source: str) -> None:
    with pytest.raises((ExpressionProblem, EvaluationError)):
        Expression(source).evaluate(NAMES)
    with pytest.raises((ExpressionProblem, EvaluationError)):
        Template(f"a {{{{ {source} }}}}").value(NAMES)


@pytest.mark.parametrize("source", STATEMENTS)
def test_no_statement_reaches_what_a_value_is_made_of(source: str) -> None:
    with pytest.raises((ExpressionProblem, EvaluationError)):
        Template(source).value(NAMES)


@pytest.mark.parametrize(("source", "value"), PLAIN.items())
def test_what_only_looks_like_a_way_out_is_data(source: str, value: Any) -> None:
    found = Expression(source).evaluate(NAMES)
    assert found == value
    json.dumps(found)


GREEDY = """
import resource, sys, time
from tests.unit.test_expressions_budget import EXPRESSIONS, TEMPLATES
from magent.expressions import EvaluationError, Expression, ExpressionProblem, Template

Expression("'a' | regex_search('a')").evaluate({})
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 100_000_000,) * 2)
for source in [*EXPRESSIONS[::5], *TEMPLATES[::5]]:  # all of them are tried elsewhere, without the limit
    began = time.process_time()
    try:
        thing = Template(source) if "{" + "%" in source else Expression(source)
        thing.value({}) if isinstance(thing, Template) else thing.evaluate({})
    except (EvaluationError, ExpressionProblem) as error:
        assert not isinstance(error.__context__, MemoryError), source
    spent = time.process_time() - began
    assert spent < 2.0, f"{source[:80]}: {spent:.2f} s"
"""


def test_greedy_expressions_stay_within_100_mb_and_well_under_a_second() -> None:
    done = subprocess.run([sys.executable, "-c", GREEDY], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
