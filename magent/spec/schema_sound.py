"""Is a JSON Schema that a user wrote sound, beyond its shape? Patterns are RE2's, references lead somewhere in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.source import Path
from magent.spec.schema_rules import BadPattern, Beyond, pattern, resolve
from magent.spec.schema_say import show

Found = tuple[Path, str, str]  # path in the schema, code, sentence

_TELLING = ("pattern", "$ref")
_IN_PLACE = ("not", "if", "then", "else")  # look at the same value
_IN_PLACE_LISTS = ("allOf", "anyOf", "oneOf")
_INSIDE = (
    *("additionalItems", "contains", "unevaluatedItems", "additionalProperties", "unevaluatedProperties"),
    "propertyNames",
)
_INSIDE_MAPS = ("properties", "patternProperties", "$defs", "definitions")


def schema_faults(schema: Any) -> list[Found]:
    """What is wrong as (path in the schema, code, sentence); the shape itself is left to the files in `schemas/`."""
    if isinstance(schema, dict) and not any(key in _TELLING or isinstance(schema[key], (dict, list)) for key in schema):
        return []  # the usual small one
    found: list[Found] = []
    parts = dict(_parts(schema))
    for path, part in parts.items():
        found += _faults_of(part, path, schema)
    if not found and (loop := _loop(parts, schema)) is not None:
        found.append((loop, "bad-reference", "the schema refers to itself without end"))
    return found


def _parts(schema: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every schema object in `schema`, with its path."""
    stack: list[tuple[Any, Path]] = [(schema, ())]
    while stack:
        part, path = stack.pop()
        if isinstance(part, dict):
            yield path, part
            stack += [(inner, (*path, *step)) for step, inner in (*_in_place(part), *_inside(part))]


def _in_place(part: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for keyword in _IN_PLACE:
        if keyword in part:
            yield (keyword,), part[keyword]
    for keyword in _IN_PLACE_LISTS:
        if isinstance(listed := part.get(keyword), list):
            yield from (((keyword, index), inner) for index, inner in enumerate(listed))
    for keyword in ("dependentSchemas", "dependencies"):
        if isinstance(named := part.get(keyword), dict):
            yield from (((keyword, name), inner) for name, inner in named.items())


def _inside(part: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for keyword in _INSIDE:
        if keyword in part:
            yield (keyword,), part[keyword]
    for keyword in ("items", "prefixItems"):
        inner = part.get(keyword)
        if isinstance(inner, list):
            yield from (((keyword, index), one) for index, one in enumerate(inner))
        elif inner is not None:
            yield (keyword,), inner
    for keyword in _INSIDE_MAPS:
        if isinstance(named := part.get(keyword), dict):
            yield from (((keyword, name), inner) for name, inner in named.items())


def _faults_of(part: Mapping[str, Any], path: Path, root: Any) -> Iterator[Found]:
    texts = [((*path, "pattern"), part.get("pattern"))]
    if isinstance(named := part.get("patternProperties"), dict):
        texts += [((*path, "patternProperties", text), text) for text in named]
    for place, text in texts:
        try:
            pattern(text) if isinstance(text, str) else None
        except BadPattern as error:
            yield place, "bad-pattern", f"{show(text)} is not a pattern of RE2: {error}"
    if isinstance(reference := part.get("$ref"), str):
        yield from _reference_faults(reference, (*path, "$ref"), root)
    if "unevaluatedProperties" in part and "patternProperties" in part:
        sentence = "`unevaluatedProperties` does not go with `patternProperties`: write `additionalProperties`"
        yield (*path, "unevaluatedProperties"), "bad-value", sentence


def _reference_faults(reference: str, path: Path, root: Any) -> Iterator[Found]:
    if not reference.startswith("#"):
        return  # a matter of shape
    try:
        target = resolve(root, reference)
    except Beyond:
        target = None
    if not isinstance(target, (dict, bool)):
        yield (
            path,
            "bad-reference",
            f"{show(reference)} leads to no schema: it counts from the field's own (#/$defs/…)",
        )


def _loop(parts: Mapping[Path, Mapping[str, Any]], root: Any) -> Path | None:
    """Where a schema comes back to itself without having looked into the value, or None."""
    places = {id(part): path for path, part in parts.items()}
    after: dict[int, list[int]] = {}
    for part in parts.values():
        inner = [one for _, one in _in_place(part)]
        if isinstance(reference := part.get("$ref"), str) and reference.startswith("#"):
            inner.append(resolve(root, reference))
        after[id(part)] = [id(one) for one in inner if isinstance(one, dict)]
    state: dict[int, int] = {}  # 1: being visited, 2: done
    for start in after:
        stack = [(start, 0)]
        while stack:
            node, done = stack.pop()
            following = after.get(node, [])
            state[node] = 1
            if done == len(following):
                state[node] = 2
                continue
            stack.append((node, done + 1))
            step = following[done]
            if state.get(step) == 1:
                return places.get(node, ())
            if state.get(step) != 2:
                stack.append((step, 0))
    return None
