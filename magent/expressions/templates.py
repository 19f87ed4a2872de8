"""Expressions, conditions, templates, values: parsed and checked when made, compiled on first use, and kept.

Equal texts share what was made of them.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import nodes

from magent.expressions.accesses import accesses_of, chain
from magent.expressions.compile import compiled, fresh_slots
from magent.expressions.compile_expressions import Code
from magent.expressions.problems import LITERALS, Access, EvaluationError, NotBoolean, problem, shortened
from magent.expressions.syntax import parse_expression, parse_template
from magent.expressions.values import Evaluation, as_text, kind, plain

_KEPT = 8192  # texts whose trees and code are kept


class Parsed:
    """What became of a text: its accesses at once, its code on first use."""

    __slots__ = ("_code", "_slots", "accesses", "direct", "lone", "source", "tree")

    def __init__(self, source: str, tree: nodes.Node, lone: bool) -> None:
        self.source = source
        self.tree: nodes.Node | None = tree
        self.lone = lone
        self.accesses = accesses_of(source, tree)
        self.direct = _is_path(tree)
        self._code: Code | None = None
        self._slots = 0

    def _compile(self) -> Code:
        tree = self.tree
        if tree is not None:
            self._code, self._slots = compiled(tree)
            self.tree = None
        assert self._code is not None
        return self._code

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value of the expression, as plain data. Raises EvaluationError."""
        code = self._code or self._compile()
        evaluation = Evaluation(names, fresh_slots(self._slots))
        try:
            value = code(evaluation)
            if self.direct and type(value) in (dict, list):
                return value  # read as it stands: what the names hold is plain data already
            return plain(value, evaluation)
        except (RecursionError, ArithmeticError) as error:
            raise _failed(error) from None

    def raw(self, names: Mapping[str, Any]) -> Any:
        """The value as it comes, for those who look at its kind alone."""
        code = self._code or self._compile()
        try:
            return code(Evaluation(names, fresh_slots(self._slots)))
        except (RecursionError, ArithmeticError) as error:
            raise _failed(error) from None

    def text(self, names: Mapping[str, Any]) -> str:
        """The value, or what the template writes, as text. Raises EvaluationError."""
        code = self._code or self._compile()
        evaluation = Evaluation(names, fresh_slots(self._slots))
        try:
            value = code(evaluation)
            return as_text(value, evaluation) if self.lone else "".join(evaluation.parts)
        except (RecursionError, ArithmeticError) as error:
            raise _failed(error) from None


def _failed(error: Exception) -> EvaluationError:
    deep = isinstance(error, RecursionError)
    return EvaluationError("the data is nested too deeply" if deep else "the number is too large")


def _is_path(tree: nodes.Node) -> bool:
    name, _, computed = chain(tree)
    return name is not None and (computed is None or isinstance(computed, nodes.Const)) and name.name not in LITERALS


@functools.lru_cache(maxsize=_KEPT)
def parsed_expression(source: str) -> Parsed:
    return Parsed(source, parse_expression(source), lone=True)


@functools.lru_cache(maxsize=_KEPT)
def parsed_template(source: str) -> Parsed:
    tree, lone = parse_template(source)
    if lone:
        found = next(tree.find_all(nodes.Output))
        wanted = [node for each in tree.body if isinstance(each, nodes.Output) for node in each.nodes]
        inner = next((node for node in wanted if not isinstance(node, nodes.TemplateData)), found)
        return Parsed(source, inner, lone=True)
    return Parsed(source, tree, lone=False)


class Expression:
    """A bare expression; what is not text is a literal. Raises ExpressionProblem when made of a text that is none."""

    __slots__ = ("_parsed", "accesses", "source")

    def __init__(self, source: str | bool | int | float | list[Any] | None) -> None:
        self.source = source
        self._parsed = parsed_expression(str(source)) if isinstance(source, str) else None
        self.accesses: tuple[Access, ...] = self._parsed.accesses if self._parsed else ()

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """The value as plain data: lists for ranges and the like. Raises EvaluationError."""
        return self._parsed.value(names) if self._parsed else self.source

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and type(self) is type(other) and self.source == other.source

    def __hash__(self) -> int:
        return hash((type(self), str(self.source)))


class Condition(Expression):
    """An expression that must give true or false; null counts as false."""

    __slots__ = ()

    def __init__(self, source: str | bool) -> None:
        super().__init__(source)
        if not isinstance(source, (str, bool)):
            shown = shortened(str(source), 40)
            raise problem("", 0, f"a condition is true, false or an expression, not {shown}", "compare it: `x > 0`")

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it holds. Raises EvaluationError, also where the value is neither true, false nor null."""
        value = self._parsed.raw(names) if self._parsed else self.source
        if value is True or value is False or value is None:
            return value is True
        raise NotBoolean(
            f"the condition `{shortened(str(self.source))}` gives {kind(value)}, not true or false", _comparison(value)
        )


def _comparison(value: Any) -> str:
    if isinstance(value, str):
        return "compare it: `… == 'text'`, or `… | length > 0`"
    if isinstance(value, (int, float)):
        return "compare it: `… > 0`"
    return "compare it: `… | length > 0`"


class Template:
    """A text with `{{ … }}`. `literal`: it has none, and gives itself."""

    __slots__ = ("_parsed", "accesses", "literal", "source")

    def __init__(self, source: str) -> None:
        self.source = str(source)
        self.literal = not ("{{" in source or "{%" in source or "{#" in source)
        self._parsed = None if self.literal else parsed_template(self.source)
        self.accesses: tuple[Access, ...] = self._parsed.accesses if self._parsed else ()

    def text(self, names: Mapping[str, Any]) -> str:
        """Text as it is, null as nothing, all else as JSON. Raises EvaluationError."""
        return self._parsed.text(names) if self._parsed else self.source

    def value(self, names: Mapping[str, Any]) -> Any:
        """The value itself where the text is one lone `{{ … }}`, else the text. Raises EvaluationError."""
        if self._parsed is None:
            return self.source
        return self._parsed.value(names) if self._parsed.lone else self._parsed.text(names)

    @property
    def lone(self) -> bool:
        """Whether it is one `{{ … }}`, alone but for white space."""
        return self._parsed is not None and self._parsed.lone

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)


class Value:
    """JSON-like data whose texts are templates; the keys of mappings are literal. `literal`: it gives its own data."""

    __slots__ = ("_parts", "accesses", "data", "literal")

    def __init__(self, data: Any) -> None:
        self.data = data
        self._parts: Any = None
        self.accesses: tuple[Access, ...] = ()
        if isinstance(data, str):
            template = Template(data)
            self._parts, self.literal, self.accesses = template, template.literal, template.accesses
        elif isinstance(data, Mapping):
            self._gather({key: Value(item) for key, item in data.items()})
        elif isinstance(data, (list, tuple)):
            self._gather([Value(item) for item in data])
        else:
            self.literal = True

    def _gather(self, parts: dict[Any, Value] | list[Value]) -> None:
        values = parts.values() if isinstance(parts, dict) else parts
        self.literal = all(value.literal for value in values)
        self._parts = parts
        if not self.literal:
            self.accesses = tuple(access for value in values for access in value.accesses)

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        """The data with every template rendered. Raises EvaluationError."""
        if self.literal:
            return self.data
        if isinstance(self._parts, Template):
            return self._parts.value(names)
        if isinstance(self._parts, dict):
            return {str(key): value.evaluate(names) for key, value in self._parts.items()}
        return [value.evaluate(names) for value in self._parts]

    def __repr__(self) -> str:
        return f"Value({self.data!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.data == other.data

    def __hash__(self) -> int:
        return hash(repr(self.data))
