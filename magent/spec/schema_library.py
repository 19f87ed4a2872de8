"""The `jsonschema` library as magent uses it: draft 2020-12 that also reads draft-07's words, RE2, and nothing fetched.

It costs a tenth of a second to import, so that is put off until a value does not fit or a schema needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from typing import Any

from magent.spec.schema_keywords import repeated
from magent.spec.schema_rules import BadPattern, Schema, Tired, mark, pattern
from magent.spec.schema_say import show

_MOST_STEPS = 400_000  # some seconds
_SEARCHED = 1000  # characters that are searched for a pattern in one step


class _Under:
    """What is known of the validation under way: how many more steps it may take, and the values of each `enum`."""

    def __init__(self) -> None:
        self.left = _MOST_STEPS
        self.marks: dict[int, set[Any]] = {}

    def spend(self, steps: int) -> None:
        """Raises Tired."""
        self.left -= steps
        if self.left < 0:
            raise Tired


_under: ContextVar[_Under] = ContextVar("under")

Errors = Iterator[Any]  # of jsonschema.ValidationError


class Unsound(Exception):
    """The schema itself is none, in a sentence."""


def validator(schema: Schema) -> Callable[[Any], Errors]:
    """A function from a value to the library's errors; it raises Unsound where the schema turns out to be none, Tired
    where it takes too long."""
    from jsonschema.exceptions import UnknownType
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    made = _validator_class()(schema, registry=Registry())

    def errors(value: Any) -> Errors:
        _under.set(_Under())
        try:
            yield from made.iter_errors(value)
        except UnknownType as error:
            raise Unsound(f"{show(error.type)} is no type") from error
        except Unresolvable as error:
            raise Unsound(f"the reference {show(error.ref)} leads nowhere in it, and nothing is fetched") from error
        except BadPattern as error:
            raise Unsound(f"a pattern in it is none of RE2: {error}") from error
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            raise Unsound(str(error)) from error

    return errors


@cache
def _validator_class() -> Any:
    from jsonschema import Draft202012Validator, validators

    own = {
        "enum": _enum,
        "pattern": _pattern,
        "properties": _properties,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "items": _items,
        "uniqueItems": _unique,
        "dependencies": _dependencies,
    }
    keywords = {name: _counted(check) for name, check in (Draft202012Validator.VALIDATORS | own).items()}
    return validators.extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]


def _counted(check: Callable[..., Errors | None]) -> Callable[..., Errors]:
    def counted(validator: Any, argument: Any, value: Any, schema: Any) -> Errors:
        _under.get().spend(1)
        yield from check(validator, argument, value, schema) or ()

    return counted


def _error(message: str, **facts: Any) -> Any:
    from jsonschema import ValidationError

    return ValidationError(message, **facts)


def _enum(_validator: Any, known: Any, value: Any, _schema: Any) -> Errors:
    marks = _under.get().marks
    if id(known) not in marks:
        marks[id(known)] = {mark(one) for one in known}
    if mark(value) not in marks[id(known)]:
        yield _error("enum")


def _pattern(_validator: Any, text: str, value: Any, _schema: Any) -> Errors:
    if isinstance(value, str):
        _under.get().spend(len(value) // _SEARCHED)
        if not pattern(text)(value):
            yield _error("pattern")


def _descend(validator: Any, item: Any, inner: Any, key: str | int) -> Errors:
    """Goes down to an item; the library loses its place where the schema is `false`."""
    if inner is False:
        yield _error("false", validator="false", path=(key,))
    else:
        yield from validator.descend(item, inner, path=key)


def _properties(validator: Any, named: Mapping[str, Any], value: Any, _schema: Any) -> Errors:
    if isinstance(value, dict):
        for key, inner in named.items():
            if key in value:
                yield from _descend(validator, value[key], inner, key)


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, _schema: Any) -> Errors:
    if isinstance(value, dict):
        _under.get().spend(len(patterns) * len(value) // 8)
        for text, inner in patterns.items():
            matches = pattern(text)
            for key, item in value.items():
                if matches(key):
                    yield from _descend(validator, item, inner, key)


def _additional_properties(validator: Any, argument: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    if not isinstance(value, dict):
        return
    patterns = [pattern(text) for text in schema.get("patternProperties", {})]
    _under.get().spend(len(patterns) * len(value) // 8)
    for key, item in value.items():
        if key in schema.get("properties", {}) or any(matches(key) for matches in patterns):
            continue
        if argument is False:
            yield _error("additionalProperties", path=(key,))
        else:
            yield from validator.descend(item, argument, path=key)


def _items(validator: Any, argument: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    """2020's `items` (for what follows `prefixItems`), and draft-07's list of schemas with `additionalItems`."""
    if not isinstance(value, list):
        return
    listed = argument if isinstance(argument, list) else []
    rest = schema.get("additionalItems", True) if isinstance(argument, list) else argument
    start = len(listed) or len(schema.get("prefixItems", []))
    for index, item in enumerate(value):
        inner = listed[index] if index < len(listed) else rest if index >= start else True
        yield from _descend(validator, item, inner, index)


def _unique(_validator: Any, argument: Any, value: Any, _schema: Any) -> Errors:
    if argument is True and isinstance(value, list) and repeated(value) is not None:
        yield _error("uniqueItems")


def _dependencies(validator: Any, argument: Mapping[str, Any], value: Any, _schema: Any) -> Errors:
    """Draft-07's form of `dependentRequired` and `dependentSchemas`."""
    if not isinstance(value, dict):
        return
    for key, needed in argument.items():
        if key in value and isinstance(needed, list):
            for name in needed:
                if name not in value:
                    yield _error(f"{name!r} is a dependency of {key!r}", validator="dependentRequired")
        elif key in value:
            yield from validator.descend(value, needed, schema_path=key)
