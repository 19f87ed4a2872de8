"""The expression language: Jinja2's, pure and bounded. (First, simple form.)"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jinja2
from jinja2 import meta, nodes, sandbox

RESERVED = frozenset("inputs state output nodes round error run env secrets true false null none True False None".split())


class ExpressionProblem(ValueError):
    """A text that is not an expression or template: `message`, `line` and `column` inside the text, `hint`."""

    def __init__(self, message: str, line: int = 1, column: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.hint = message, line, column, hint


class EvaluationError(Exception):
    """An evaluation that has no value: `message`, `hint`."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Access:
    path: tuple[str, ...]
    dynamic: bool
    guarded: bool
    line: int
    column: int


class _Env(sandbox.SandboxedEnvironment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        try:
            return obj[argument]
        except (LookupError, TypeError):
            return self.undefined(obj=obj, name=str(argument))


class _Undefined(jinja2.ChainableUndefined):
    def _fail(self, *_: Any, **__: Any) -> Any:
        self._fail_with_undefined_error()

    __str__ = __iter__ = __bool__ = __eq__ = __ne__ = __len__ = __hash__ = _fail  # type: ignore[assignment]


_env = _Env(undefined=_Undefined, keep_trailing_newline=True)
_env.globals = {"range": range, "dict": dict, "null": None}
_env.filters["fromjson"] = json.loads
_env.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
_env.filters["split"] = lambda value, by=None: value.split(by)
_env.filters["lines"] = lambda value: value.splitlines()
_env.filters["unquoted"] = lambda value: value
_default = _env.filters["default"]
_env.filters["d"] = _env.filters["default"] = lambda v, d="", b=False: d if v is None else _default(v, d, b)

FILTERS: dict[str, str] = dict.fromkeys(_env.filters, "")
TESTS: dict[str, str] = dict.fromkeys(_env.tests, "")


def _plain(value: Any) -> Any:
    if isinstance(value, _Undefined):
        value._fail()
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in value}
    return [_plain(item) for item in value]


def _text(value: Any) -> str:
    value = _plain(value)
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _accesses(source: str) -> tuple[Access, ...]:
    found = []
    tree = _env.parse(source)
    free = meta.find_undeclared_variables(tree)
    inner = {id(n.node) for n in tree.find_all((nodes.Getattr, nodes.Getitem)) if isinstance(n.node, nodes.Expr)}
    for node in tree.find_all((nodes.Name, nodes.Getattr, nodes.Getitem)):
        path: list[str] = []
        at: Any = node
        dynamic = False
        if id(node) in inner:
            continue
        while not isinstance(at, nodes.Name):
            if isinstance(at, nodes.Getattr):
                path.append(at.attr)
            elif isinstance(at, nodes.Getitem) and isinstance(at.arg, nodes.Const) and isinstance(at.arg.value, str):
                path.append(at.arg.value)
            elif isinstance(at, nodes.Getitem):
                path, dynamic = [], not isinstance(at.arg, nodes.Const)
            else:
                break
            at = at.node
        if isinstance(at, nodes.Name) and at.name in free and at.name not in ("range", "dict", "null"):
            path.append(at.name)
            found.append(Access(tuple(reversed(path)), dynamic or len(path) == 1, False, node.lineno, 1))
    return tuple(found)


def _checked(source: str) -> str:
    try:
        _env.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise ExpressionProblem(error.message or "not an expression", error.lineno, 1) from None
    return source


class Expression:
    """A bare expression; a source that is not text is a literal."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.accesses: tuple[Access, ...] = ()
        if isinstance(source, str):
            self.accesses = _accesses(_checked("{{ " + source + " }}"))
            self._run = _env.compile_expression(source, undefined_to_none=False)

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        if not isinstance(self.source, str):
            return self.source
        try:
            return _plain(self._run(**names))
        except Exception as error:
            raise EvaluationError(str(error)) from error


class Condition(Expression):
    """An expression that must give a boolean."""

    def holds(self, names: Mapping[str, Any]) -> bool:
        value = self.evaluate(names)
        if value is None or isinstance(value, bool):
            return bool(value)
        raise EvaluationError(f"`{self.source}` gives {value!r}, not true or false", "compare it")


class Template:
    """A text with `{{ … }}`."""

    def __init__(self, source: str) -> None:
        self.source = str(source)
        self.literal = not re.search(r"\{[{%#]", source)
        self.accesses = () if self.literal else _accesses(_checked(self.source))
        lone = re.fullmatch(r"\s*\{\{((?:(?!\}\}).)*)\}\}\s*", self.source, re.S)
        self._lone = Expression(lone[1].strip()) if lone else None
        self._run = _env.from_string(self.source)
        _env.finalize = _text

    def text(self, names: Mapping[str, Any]) -> str:
        value = self.value(names)
        return value if isinstance(value, str) else _text(value)

    def value(self, names: Mapping[str, Any]) -> Any:
        if self.literal:
            return self.source
        if self._lone:
            return self._lone.evaluate(names)
        try:
            return self._run.render(**names)
        except Exception as error:
            raise EvaluationError(str(error)) from error


class Value:
    """JSON-like data whose texts are templates."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self._parts: Any = data
        self.accesses: tuple[Access, ...] = ()
        if isinstance(data, str):
            self._parts = Template(data)
        elif isinstance(data, dict):
            self._parts = {str(key): Value(item) for key, item in data.items()}
        elif isinstance(data, list):
            self._parts = [Value(item) for item in data]
        parts = self._children()
        self.literal = all(part.literal for part in parts)
        self.accesses = tuple(access for part in parts for access in part.accesses)

    def _children(self) -> list[Any]:
        if isinstance(self._parts, Template):
            return [self._parts]
        return list(self._parts.values() if isinstance(self._parts, dict) else self._parts) if isinstance(self._parts, (dict, list)) else []

    def evaluate(self, names: Mapping[str, Any]) -> Any:
        if self.literal:
            return self.data
        if isinstance(self._parts, Template):
            return self._parts.value(names)
        if isinstance(self._parts, dict):
            return {key: item.evaluate(names) for key, item in self._parts.items()}
        return [item.evaluate(names) for item in self._parts]


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
