"""JSON Schemas as trees of small checks: quick, without recursion over the value's depth, each fault with its place.

It speaks the part of draft-07 that the files in `schemas/` use, which users' schemas mostly keep to as well. A keyword
beyond it raises `Beyond`, and the caller turns to the `jsonschema` library. Patterns are RE2's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import re2

from magent.source import Path, reason

Schema = Mapping[str, Any] | bool


class Beyond(Exception):
    """A keyword that this module does not know, or a reference that leads nowhere."""


class Tired(Exception):
    """The schema asks for more steps than the caller allowed."""


class Fault(NamedTuple):
    """What does not fit: which keyword says so, where, in which rule; `detail` is the key missing or too much."""

    keyword: str
    path: Path
    value: Any
    rule: Rule
    detail: Any = None


class Walk:
    """One validation under way: what is still to be looked at, and what was found."""

    __slots__ = ("faults", "stack")

    def __init__(self) -> None:
        self.stack: list[tuple[Rule, Any, Path]] = []
        self.faults: list[Fault] = []


Check = Callable[[Any, Path, Walk], None]
Maker = Callable[["Rule", Any], Check]

ANNOTATIONS = frozenset(
    (
        *("$schema", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "format"),
        *("deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"),
        *("errorMessage", "patternErrorMessage"),  # what editors show instead of their own words
        *("then", "else"),  # read together with `if`
    )
)


class Rule:
    """One schema object, ready to check; its checks are made when it is first used.

    `name` is its name under `definitions`, if it has one; `title` its own, or that of the object it is a part of.
    """

    __slots__ = ("_checks", "_is_typed", "book", "name", "schema", "title")

    def __init__(self, schema: Schema, book: Book, name: str = "", title: str = "") -> None:
        self.schema = schema
        self.book = book
        self.name = name
        self.title: str = schema.get("title", title) if isinstance(schema, Mapping) else title
        self._checks: tuple[Check, ...] | None = None
        self._is_typed: Callable[[Any], bool] | None = None

    @property
    def keywords(self) -> Mapping[str, Any]:
        return self.schema if isinstance(self.schema, Mapping) else {}

    def apply(self, value: Any, path: Path, walk: Walk) -> None:
        """Checks `value` itself; what it contains is left on the walk's stack. Of the wrong type, no more is said."""
        checks = self._checks
        if checks is None:
            checks = self._checks = self._compile()
        self.book.spend(1)
        if self._is_typed is not None and not self._is_typed(value):
            walk.faults.append(Fault("type", path, value, self))
            return
        for check in checks:
            check(value, path, walk)

    def faults(self, value: Any, path: Path = ()) -> list[Fault]:
        walk = Walk()
        walk.stack.append((self, value, path))
        stack = walk.stack
        while stack:
            rule, item, place = stack.pop()
            if len(place) > self.book.deepest:
                walk.faults.append(Fault("depth", place, item, rule))
            else:
                rule.apply(item, place, walk)
        return walk.faults

    def accepts(self, value: Any) -> bool:
        return self.first_fault(value) is None

    def first_fault(self, value: Any) -> Fault | None:
        walk = Walk()
        walk.stack.append((self, value, ()))
        stack, faults = walk.stack, walk.faults
        while stack and not faults:
            rule, item, place = stack.pop()
            rule.apply(item, place, walk)
        return faults[0] if faults else None

    def _compile(self) -> tuple[Check, ...]:
        if self.schema is True:
            return ()
        if self.schema is False:
            return (lambda value, path, walk: walk.faults.append(Fault("false", path, value, self)),)
        if not isinstance(self.schema, Mapping):
            raise Beyond("a schema is a mapping or a boolean")
        checks: list[Check] = []
        for keyword, argument in self.schema.items():
            maker = self.book.makers.get(keyword)
            if keyword == "type":
                self._is_typed = of_type(argument)
            elif maker is not None:
                checks.append(maker(self, argument))
            elif keyword not in ANNOTATIONS:
                raise Beyond(f"the keyword {keyword!r}")
        if self.name in self.book.more:
            checks.append(self.book.more[self.name](self))
        return tuple(checks)


class Book:
    """The rules of one schema document, each made once.

    `makers` make the check of a keyword, `search` the test of a pattern (RE2's by default); `more` adds checks, in
    code, to definitions by name. `left` says how many more steps may be done, `deepest` how long a path may be.
    """

    def __init__(
        self,
        root: Schema,
        makers: Mapping[str, Maker],
        more: Mapping[str, Callable[[Rule], Check]] | None = None,
        search: Callable[[str], Callable[[str], bool]] | None = None,
    ) -> None:
        self.makers = makers
        self.search = search or pattern
        self.left = math.inf
        self.deepest = math.inf
        self.more = more or {}
        self.root = Rule(root, self)
        self._named: dict[str, Rule] = {}

    def spend(self, steps: int) -> None:
        """Raises Tired where no more are left."""
        self.left -= steps
        if self.left < 0:
            raise Tired

    def rule(self, schema: Schema, title: str = "") -> Rule:
        if isinstance(schema, Mapping) and len(schema) == 1 and isinstance(schema.get("$ref"), str):
            return self.refer(schema["$ref"])
        return Rule(schema, self, "", title)

    def refer(self, reference: str) -> Rule:
        known = self._named.get(reference)
        if known is None:
            schema = resolve(self.root.schema, reference)
            name = reference.removeprefix("#/definitions/") if reference.startswith("#/definitions/") else ""
            known = self._named[reference] = Rule(schema, self, name)
        return known


def resolve(root: Any, reference: str) -> Any:
    """What a `#/…` reference points to. Raises Beyond where that is nothing, or not in this document."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        raise Beyond(f"the reference {reference!r}")
    current = root
    for step in unquote(reference[2:]).split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(current, Mapping) and key in current:
            current = current[key]
        elif isinstance(current, list) and key.isdecimal() and int(key) < len(current):
            current = current[int(key)]
        else:
            raise Beyond(f"the reference {reference!r}")
    return current


# --- what values are


def is_integer(value: Any) -> bool:
    kind = type(value)
    return kind is int or (kind is float and value.is_integer()) or (isinstance(value, int) and kind is not bool)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and type(value) is not bool


TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": is_integer,
    "number": is_number,
    "boolean": lambda value: type(value) is bool,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}


def of_type(argument: Any) -> Callable[[Any], bool]:
    """The test that the keyword `type` stands for. Raises Beyond where a type is not known."""
    names = [argument] if isinstance(argument, str) else list(argument)
    if not all(isinstance(name, str) and name in TYPES for name in names):
        raise Beyond(f"the type {argument!r}")
    tests = tuple(TYPES[name] for name in names)
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda value: first(value) or second(value)
    return lambda value: any(test(value) for test in tests)


def mark(value: Any) -> Any:
    """Something hashable that is equal where values are as JSON has it: 1 is 1.0, but true is not 1, at any depth.
    Raises RecursionError for what is nested deep."""
    if isinstance(value, dict):
        return dict, frozenset((key, mark(item)) for key, item in value.items())
    if isinstance(value, list):
        return list, tuple(map(mark, value))
    return (bool, value) if type(value) is bool else value


_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_OPTIONS.never_capture = True  # groups that nobody asks for cost memory: thousands of them, gigabytes


class BadPattern(ValueError):
    """A text is no RE2 pattern; the message says why."""


def pattern(text: str) -> Callable[[str], bool]:
    """A search for an RE2 pattern. Raises BadPattern."""
    try:
        search = re2.compile(text, _OPTIONS).search
    except re2.error as error:
        raise BadPattern(reason(error)[:200]) from error
    except UnicodeEncodeError as error:
        raise BadPattern("it holds half a character") from error

    def found(value: str) -> bool:
        try:
            return search(value) is not None
        except UnicodeEncodeError:  # a lone surrogate: RE2 reads UTF-8
            return search(value.encode("utf-8", "replace").decode()) is not None

    return found
