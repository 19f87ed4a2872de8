"""The keywords that `schema_rules` knows: one function a keyword, which makes its check."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.source import Path
from magent.spec.schema_rules import Beyond, Book, Check, Fault, Maker, Rule, Schema, Walk, is_number, mark, of_type

MAX_DEPTH = 200  # of documents: the language's
_SEARCHED = 100  # characters that are searched for a pattern in one step


def book(root: Schema) -> Book:
    """The rules of a schema that a user wrote."""
    return Book(root, MAKERS)


def own_book(root: Schema, more: Mapping[str, Callable[[Rule], Check]]) -> Book:
    """The rules of a file in `schemas/`. Its patterns can be trusted, so Python's own, quicker, engine runs them."""
    made = Book(root, MAKERS, more, _plain_search)
    made.deepest = MAX_DEPTH
    return made


def _plain_search(text: str) -> Callable[[str], bool]:
    search = re.compile(text.replace("$", r"\Z")).search
    return lambda value: search(value) is not None


def _one_of(keyword: str, rule: Rule, known: Sequence[Any]) -> Check:
    marks = {mark(one) for one in known}
    whole = any(isinstance(one, (dict, list)) for one in known)

    def check(value: Any, path: Path, walk: Walk) -> None:
        fits = (whole or not isinstance(value, (dict, list))) and mark(value) in marks
        if not fits:
            walk.faults.append(Fault(keyword, path, value, rule))

    return check


def _enum(rule: Rule, argument: Any) -> Check:
    return _one_of("enum", rule, argument)


def _const(rule: Rule, argument: Any) -> Check:
    return _one_of("const", rule, (argument,))


def _bound(keyword: str, applies: Callable[[Any], bool], breaks: Callable[[Any, Any], bool]) -> Maker:
    def make(rule: Rule, argument: Any) -> Check:
        def check(value: Any, path: Path, walk: Walk) -> None:
            if applies(value) and breaks(value, argument):
                walk.faults.append(Fault(keyword, path, value, rule))

        return check

    return make


def _pattern(rule: Rule, argument: Any) -> Check:
    found = rule.book.search(argument)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if isinstance(value, str):
            rule.book.spend(len(value) // _SEARCHED)
            if found(value):
                return
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


def _members(rule: Rule, _argument: Any) -> Check:
    """`properties`, `patternProperties` and `additionalProperties` together: each key is looked at once."""
    book, schema = rule.book, rule.keywords
    named = {name: book.rule(inner) for name, inner in schema.get("properties", {}).items()}
    patterned = [(book.search(text), book.rule(inner)) for text, inner in schema.get("patternProperties", {}).items()]
    rest = schema.get("additionalProperties", True)
    other = None if isinstance(rest, bool) else book.rule(rest)

    def check(value: Any, path: Path, walk: Walk) -> None:
        if not isinstance(value, dict):
            return
        push = walk.stack.append
        book.spend(len(patterned) * len(value))
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


def _members_if_first(keyword: str) -> Maker:
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
    for index, item in enumerate(items):
        if (found := mark(item)) in seen:
            return index
        seen.add(found)
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
    holds = _quick_test(argument) or rule.book.rule(argument).accepts
    then = rule.book.rule(schema.get("then", True), rule.title)
    otherwise = rule.book.rule(schema.get("else", True), rule.title)

    def check(value: Any, path: Path, walk: Walk) -> None:
        (then if holds(value) else otherwise).apply(value, path, walk)

    return check


def _quick_test(schema: Any) -> Callable[[Any], bool] | None:
    """The tests that choose among node types and the like, without a walk: they are most of what a large file costs."""
    if not isinstance(schema, Mapping):
        return None
    if set(schema) == {"type"}:
        return of_type(schema["type"])
    required = schema.get("required", ())
    if set(schema) == {"required"} and len(required) == 1:
        (name,) = required
        return lambda value: not isinstance(value, dict) or name in value
    named = schema.get("properties", {})
    if set(schema) <= {"required", "properties"} and len(named) == 1:
        ((key, inner),) = named.items()
        if list(inner) == ["const"] and isinstance(inner["const"], str) and list(required) in ([], [key]):
            return _is_member(key, inner["const"], absent=not required)
    return None


def _is_member(key: str, wanted: str, *, absent: bool) -> Callable[[Any], bool]:
    def holds(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        return bool(value[key] == wanted) if key in value else absent

    return holds


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


MAKERS: dict[str, Maker] = {
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
