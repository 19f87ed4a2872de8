"""Is a JSON Schema that a user wrote sound, beyond its shape? Patterns are RE2's, references lead somewhere in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent.source import Path
from magent.spec.schema_rules import BadPattern, Beyond, pattern, resolve
from magent.spec.schema_say import show

Found = tuple[Path, str, str]  # path in the schema, code, sentence

_MOST_PARTS = 2000
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
    return found or list(_endless(parts, schema))


def _parts(schema: Any) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Every schema object in `schema`, once, with its path; what is only referred to has the path of the reference."""
    stack: list[tuple[Any, Path]] = [(schema, ())]
    seen: set[int] = set()
    while stack:
        part, path = stack.pop()
        if isinstance(part, dict) and id(part) not in seen:
            seen.add(id(part))
            yield path, part
            stack.append((_referred(part, schema), (*path, "$ref")))
            stack += [(inner, (*path, *step)) for step, inner in (*_in_place(part), *_inside(part))]


def _referred(part: Mapping[str, Any], root: Any) -> Any:
    """What the `$ref` of a part leads to, or None."""
    reference = part.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    try:
        return resolve(root, reference)
    except Beyond:
        return None


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
    reference = part.get("$ref")
    local = isinstance(reference, str) and reference.startswith("#")  # another beginning is a matter of shape
    if local and not isinstance(_referred(part, root), (dict, bool)):
        sentence = f"{show(reference)} leads to no schema: it counts from the field's own (#/$defs/…)"
        yield (*path, "$ref"), "bad-reference", sentence
    if "unevaluatedProperties" in part and "patternProperties" in part:
        sentence = "`unevaluatedProperties` does not go with `patternProperties`: write `additionalProperties`"
        yield (*path, "unevaluatedProperties"), "bad-value", sentence


def _endless(parts: Mapping[Path, Mapping[str, Any]], root: Any) -> Iterator[Found]:
    """A schema that comes back to itself without having looked into the value, or unfolds into thousands of parts."""
    paths = {id(part): path for path, part in parts.items()}
    after: dict[int, list[int]] = {}
    for part in parts.values():
        inner = [*(one for _, one in _in_place(part)), _referred(part, root)]
        after[id(part)] = [id(one) for one in inner if isinstance(one, dict)]
    sizes: dict[int, int] = {}
    for start in after:
        stack = [(start, 0)]
        under_way: set[int] = set()
        while stack:
            node, done = stack.pop()
            under_way.add(node)
            if node not in sizes and done < len(after[node]):
                step = after[node][done]
                if step in under_way:
                    yield paths[node], "bad-reference", "the schema refers to itself without end"
                    return
                stack += [(node, done + 1), (step, 0)]
                continue
            sizes.setdefault(node, 1 + sum(sizes[step] for step in after[node]))
            under_way.discard(node)
    if max(sizes.values(), default=0) > _MOST_PARTS:
        largest = next(paths[node] for node, size in sizes.items() if size > _MOST_PARTS)
        yield largest, "bad-reference", f"the schema unfolds into more than {_MOST_PARTS:,} parts for one value"
