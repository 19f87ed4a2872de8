"""The expression language: Jinja2's grammar, evaluated by ourselves so that it is pure and bounded.

An `Expression` is bare (`when`, `for_each`), a `Condition` gives a boolean, a `Template` is text with `{{ … }}`, a
`Value` is data whose texts are templates, a `ShellText` a script whose placeholders never become commands.
"""

from __future__ import annotations

from magent.expressions.problems import RESERVED, Access, EvaluationError, ExpressionProblem, NotBoolean
from magent.expressions.registry import FILTERS as _FILTERS
from magent.expressions.registry import TESTS as _TESTS
from magent.expressions.shell import ShellText
from magent.expressions.shell_roles import SHELLS, interpreter_of
from magent.expressions.survey import survey
from magent.expressions.templates import Condition, Expression, Template, Value

FILTERS: dict[str, str] = {name: function.description for name, function in sorted(_FILTERS.items())}
TESTS: dict[str, str] = {name: function.description for name, function in sorted(_TESTS.items())}

__all__ = [
    "FILTERS",
    "RESERVED",
    "SHELLS",
    "TESTS",
    "Access",
    "Condition",
    "EvaluationError",
    "Expression",
    "ExpressionProblem",
    "NotBoolean",
    "ShellText",
    "Template",
    "Value",
    "interpreter_of",
    "survey",
]
