"""JSON Schemas as trees of small checks: quick, without recursion over the value's depth, each fault with its place.

It speaks the part of draft-07 that the files in `schemas/` use, which users' schemas mostly keep to as well. A keyword
beyond it raises `Beyond`, and the caller turns to the `jsonschema` library. Patterns are RE2's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote

import re2

from magent.source import Path

Schema = Mapping[str, Any] | bool


class Beyond(Exception):
    """A keyword that this module does not know, or a reference that leads nowhere."""


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

ANNOTATIONS = frozenset(
    (
        *("$schema", "$comment", "$defs", "definitions", "title", "description", "default", "examples", "format"),
        *("deprecated", "readOnly", "writeOnly", "contentEncoding", "contentMediaType"),
        *("errorMessage", "patternErrorMessage"),  # what editors show instead of their own words
    )
)


class Rule:
    """One schema object, ready to check; its checks are made when it is first used.

    `name` is its name under `definitions`, if it has one; `title` its own, or that of the object it is a part of.
    """

    __slots__ = ("_checks", "_typed", "book", "name", "schema", "title")

    def __init__(self, schema: Schema, book: Book, name: str = "", title: str = "") -> None:
        self.schema = schema
        self.book = book
        self.name = name
        self.title: str = schema.get("title", title) if isinstance(schema, Mapping) else title
        self._checks: tuple[Check, ...] | None = None
        self._typed = False

    @property
    def keywords(self) -> Mapping[str, Any]:
        return self.schema if isinstance(self.schema, Mapping) else {}

    def apply(self, value: Any, path: Path, walk: Walk) -> None:
        """Checks `value` itself; what it contains is left on the walk's stack."""
        checks = self._checks
        if checks is None:
            checks = self._checks = self._compile()
        before = len(walk.faults)
        for check in checks:
            check(value, path, walk)
            if check is checks[0] and len(walk.faults) > before and self._typed:
                return  # of the wrong type: all else would be noise

    def faults(self, value: Any, path: Path = ()) -> list[Fault]:
        walk = Walk()
        walk.stack.append((self, value, path))
        stack = walk.stack
        while stack:
            rule, item, place = stack.pop()
            rule.apply(item, place, walk)
        return walk.faults

    def accepts(self, value: Any) -> bool:
        walk = Walk()
        walk.stack.append((self, value, ()))
        stack, faults = walk.stack, walk.faults
        while stack and not faults:
            rule, item, place = stack.pop()
            rule.apply(item, place, walk)
        return not faults

    def _compile(self) -> tuple[Check, ...]:
        if self.schema is True:
            return ()
        if self.schema is False:
            return (lambda value, path, walk: walk.faults.append(Fault("false", path, value, self)),)
        if not isinstance(self.schema, Mapping):
            raise Beyond("a schema is a mapping or a boolean")
        checks: list[Check] = []
        self._typed = "type" in self.schema
        for keyword, argument in sorted(self.schema.items(), key=lambda item: item[0] != "type"):
            maker = MAKERS.get(keyword)
            if maker is not None:
                checks.append(maker(self, argument))
            elif keyword not in PARTNERS and keyword not in ANNOTATIONS and not keyword.startswith("x-"):
                raise Beyond(f"the keyword {keyword!r}")
        if self.name in self.book.more:
            checks.append(self.book.more[self.name](self))
        return tuple(checks)


class Book:
    """The rules of one schema document, each made once. `more` adds checks, in code, to definitions by name."""

    def __init__(self, root: Schema, more: Mapping[str, Callable[[Rule], Check]] | None = None) -> None:
        self.more = more or {}
        self.root = Rule(root, self)
        self._named: dict[str, Rule] = {}

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


def same(one: Any, other: Any) -> bool:
    """Equality as JSON has it: 1 is 1.0, but true is not 1, at any depth."""
    if isinstance(one, dict) and isinstance(other, dict):
        if one.keys() != other.keys():
            return False
        for key in one:  # noqa: SIM110 - a generator would cost a second frame a level
            if not same(one[key], other[key]):
                return False
        return True
    if isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            return False
        for left, right in zip(one, other, strict=True):  # noqa: SIM110
            if not same(left, right):
                return False
        return True
    return bool(one == other) and (type(one) is bool) is (type(other) is bool)


_OPTIONS = re2.Options()
_OPTIONS.log_errors = False


def pattern(text: str) -> Callable[[str], bool]:
    """A search for an RE2 pattern. Raises re2.error where it is none."""
    search = re2.compile(text, _OPTIONS).search

    def found(value: str) -> bool:
        try:
            return search(value) is not None
        except UnicodeEncodeError:  # a lone surrogate: RE2 reads UTF-8
            return search(value.encode("utf-8", "replace").decode()) is not None

    return found


# --- one maker a keyword


def _type(rule: Rule, argument: Any) -> Check:
    names = [argument] if isinstance(argument, str) else list(argument)
    if any(name not in TYPES for name in names):
        raise Beyond(f"the type {argument!r}")
    tests = tuple(TYPES[name] for name in names)
    if len(tests) == 1:
        test = tests[0]

        def one(value: Any, path: Path, walk: Walk) -> None:
            if not test(value):
                walk.faults.append(Fault("type", path, value, rule))

        return one

    def several(value: Any, path: Path, walk: Walk) -> None:
        if not any(test(value) for test in tests):
            walk.faults.append(Fault("type", path, value, rule))

    return several


def _one_of(keyword: str, rule: Rule, known: Sequence[Any]) -> Check:
    def check(value: Any, path: Path, walk: Walk) -> None:
        for one in known:
            if one == value and same(one, value):
                return
        walk.faults.append(Fault(keyword, path, value, rule))

    return check


def _enum(rule: Rule, argument: Any) -> Check:
    return _one_of("enum", rule, argument)


def _const(rule: Rule, argument: Any) -> Check:
    return _one_of("const", rule, (argument,))


def _bound(
    keyword: str, applies: Callable[[Any], bool], breaks: Callable[[Any, Any], bool]
) -> Callable[[Rule, Any], Check]:
    def make(rule: Rule, argument: Any) -> Check:
        def check(value: Any, path: Path, walk: Walk) -> None:
            if applies(value) and breaks(value, argument):
                walk.faults.append(Fault(keyword, path, value, rule))

        return check

    return make


def _pattern(rule: Rule, argument: Any) -> Check:
    found = pattern(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str) and not found(value):
            walk.faults.append(Fault("pattern", path, value, rule))

    return check


def _required(rule: Rule, argument: Any) -> Check:
    names = tuple(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, dict):
            for name in names:
                if name not in value:
                    walk.faults.append(Fault("required", path, value, rule, name))

    return check


def _members(rule: Rule, argument: Any) -> Check:
    """`properties`, `patternProperties` and `additionalProperties` together: each key is looked at once."""
    book, schema = rule.book, rule.keywords
    named = {name: book.rule(inner) for name, inner in schema.get("properties", {}).items()}
    patterned = [(pattern(text), book.rule(inner)) for text, inner in schema.get("patternProperties", {}).items()]
    rest = schema.get("additionalProperties", True)
    other = None if isinstance(rest, bool) else book.rule(rest)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            return
        push = walk.stack.append
        for key, item in value.items():
            inner = named.get(key)
            if inner is not None:
                push((inner, item, (*path, key)))
            met = inner is not None
            for found, pattern_rule in patterned:
                if isinstance(key, str) and found(key):
                    met = True
                    push((pattern_rule, item, (*path, key)))
            if met or rest is True:
                continue
            if other is None:
                walk.faults.append(Fault("additionalProperties", path, value, rule, key))
            else:
                push((other, item, (*path, key)))

    return check


def _members_if_first(keyword: str) -> Callable[[Rule, Any], Check]:
    def make(rule: Rule, argument: Any) -> Check:
        first = next(
            word for word in rule.keywords if word in ("properties", "patternProperties", "additionalProperties")
        )
        return _members(rule, argument) if first == keyword else _nothing

    return make


def _nothing(value: Any, path: Path, walk: Walk) -> None:
    """The check of a keyword that another one's check covers."""


def _property_names(rule: Rule, argument: Any) -> Check:
    inner = rule.book.rule(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, dict):
            for key in value:
                if not inner.accepts(key):
                    walk.faults.append(Fault("propertyNames", path, value, inner, key))

    return check


def _items(rule: Rule, argument: Any) -> Check:
    if isinstance(argument, list):
        raise Beyond("a list under `items`")
    inner = rule.book.rule(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, list):
            for index in range(len(value)):
                walk.stack.append((inner, value[index], (*path, index)))

    return check


def _unique(rule: Rule, argument: Any) -> Check:
    def check(value: Any, path: Path, walk: Walk) -> None:
        if argument is True and isinstance(value, list) and (index := repeated(value)) is not None:
            walk.faults.append(Fault("uniqueItems", path, value, rule, index))

    return check


def repeated(items: Sequence[Any]) -> int | None:
    """The index of the first item that an earlier one equals, as JSON compares."""
    seen: set[Any] = set()
    others: list[Any] = []
    for index, item in enumerate(items):
        if isinstance(item, (dict, list)):
            if any(same(item, other) for other in others):
                return index
            others.append(item)
        else:
            mark = (type(item) is bool, item)
            if mark in seen:
                return index
            seen.add(mark)
    return None


def _ref(rule: Rule, argument: Any) -> Check:
    return rule.book.refer(argument).apply


def _all_of(rule: Rule, argument: Any) -> Check:
    inner = tuple(rule.book.rule(schema, rule.title) for schema in argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        for one in inner:
            one.apply(value, path, walk)

    return check


def _any_of(rule: Rule, argument: Any) -> Check:
    inner = tuple(rule.book.rule(schema, rule.title) for schema in argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if not any(one.accepts(value) for one in inner):
            walk.faults.append(Fault("anyOf", path, value, rule))

    return check


def _not(rule: Rule, argument: Any) -> Check:
    inner = rule.book.rule(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if inner.accepts(value):
            walk.faults.append(Fault("not", path, value, rule))

    return check


def _contains(rule: Rule, argument: Any) -> Check:
    inner = rule.book.rule(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, list) and not any(inner.accepts(item) for item in value):
            walk.faults.append(Fault("contains", path, value, rule))

    return check


def _if(rule: Rule, argument: Any) -> Check:
    schema = rule.keywords
    test = rule.book.rule(argument)
    then = rule.book.rule(schema.get("then", True), rule.title)
    otherwise = rule.book.rule(schema.get("else", True), rule.title)

    def check(value: Any, path: Path, walk: Walk) -> None:
        (then if test.accepts(value) else otherwise).apply(value, path, walk)

    return check


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


MAKERS: dict[str, Callable[[Rule, Any], Check]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "required": _required,
    "properties": _members_if_first("properties"),
    "patternProperties": _members_if_first("patternProperties"),
    "additionalProperties": _members_if_first("additionalProperties"),
    "propertyNames": _property_names,
    "items": _items,
    "uniqueItems": _unique,
    "contains": _contains,
    "$ref": _ref,
    "allOf": _all_of,
    "anyOf": _any_of,
    "not": _not,
    "if": _if,
    "minimum": _bound("minimum", is_number, lambda value, bound: value < bound),
    "maximum": _bound("maximum", is_number, lambda value, bound: value > bound),
    "exclusiveMinimum": _bound("exclusiveMinimum", is_number, lambda value, bound: value <= bound),
    "exclusiveMaximum": _bound("exclusiveMaximum", is_number, lambda value, bound: value >= bound),
    "minLength": _bound("minLength", _is_text, lambda value, bound: len(value) < bound),
    "maxLength": _bound("maxLength", _is_text, lambda value, bound: len(value) > bound),
    "minItems": _bound("minItems", _is_list, lambda value, bound: len(value) < bound),
    "maxItems": _bound("maxItems", _is_list, lambda value, bound: len(value) > bound),
    "minProperties": _bound("minProperties", _is_mapping, lambda value, bound: len(value) < bound),
    "maxProperties": _bound("maxProperties", _is_mapping, lambda value, bound: len(value) > bound),
}
PARTNERS = frozenset({"then", "else"})  # read together with `if`
