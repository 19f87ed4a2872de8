"""The expression language: Jinja2's grammar, evaluated by ourselves so that it is pure and bounded.

An `Expression` is bare (`when`, `for_each`), a `Condition` gives a boolean, a `Template` is text with `{{ … }}`, a `Value`
is data whose texts are templates, a `ShellText` a script whose placeholders never become commands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from magent.expressions.problems import RESERVED, Access, EvaluationError, ExpressionProblem
from magent.expressions.registry import FILTERS as _FILTERS
from magent.expressions.registry import TESTS as _TESTS
from magent.expressions.templates import Condition, Expression, Template, Value

FILTERS: dict[str, str] = {name: function.description for name, function in sorted(_FILTERS.items())}
TESTS: dict[str, str] = {name: function.description for name, function in sorted(_TESTS.items())}

__all__ = ["FILTERS", "RESERVED", "TESTS", "Access", "Condition", "EvaluationError", "Expression", "ExpressionProblem", "ShellText", "Template", "Value"]

import json
def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


class ShellText:
    """A script for /bin/sh whose `{{ … }}` become quoted words."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.warnings: tuple[ExpressionProblem, ...] = ()
        self._parts = re.split(r"\{\{(.*?)\}\}", source, flags=re.S)
        self._values = [Expression(text.strip()) for text in self._parts[1::2]]
        self.accesses = tuple(access for value in self._values for access in value.accesses)

    def render(self, names: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
        script, variables = self._parts[0], {}
        for number, value in enumerate(self._values, 1):
            given = value.evaluate(names)
            items = {f"MAGENT_{number}_{i}": _text(item) for i, item in enumerate(given)} if isinstance(given, list) else {f"MAGENT_{number}": _text(given)}
            variables.update(items)
            script += " ".join(f'"${name}"' for name in items) + self._parts[2 * number]
        return script, variables
