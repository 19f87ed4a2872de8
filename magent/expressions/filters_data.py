# ruff: noqa: ARG001  # all filters share one signature; not each needs the evaluation
"""The filters over lists, mappings and numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from magent.expressions.operators import add
from magent.expressions.problems import EvaluationError, Mismatch
from magent.expressions.registry import FILTERS, TESTS, whole
from magent.expressions.values import (
    ITEM,
    Evaluation,
    Group,
    Undefined,
    as_json,
    as_text,
    defined,
    get,
    items,
    kind,
)

Getter = Callable[[Any], Any]


def getter(attribute: Any, evaluation: Evaluation, default: Any = None) -> Getter:
    """What reads `attribute` ("a.b", "0", 1; None: the item itself) of an item, else gives `default`."""
    if attribute is None:
        return lambda item: item
    keys = [attribute] if isinstance(attribute, int) else as_text(attribute, evaluation).split(".")
    steps = [
        int(key) if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10 else key for key in keys
    ]
    if len(steps) > 50:
        raise EvaluationError("an attribute has at most 50 parts")

    def read(item: Any) -> Any:
        path = "item"
        for step in steps:
            path += f"[{step}]" if isinstance(step, int) else f".{step}"
            item = get(item, step, path, evaluation)
        return default if item.__class__ is Undefined and default is not None else item

    return read


@FILTERS.add("default", "d", lenient=True)
def default(evaluation: Evaluation, value: Any, default_value: Any = "", boolean: bool = False) -> Any:
    """Stands in for what is undefined or null, at any depth (with `true`: for what is empty or false, too)."""
    missing = value is None or value.__class__ is Undefined
    return default_value if missing or (boolean and not value) else value


@FILTERS.add("length", "count")
def length(evaluation: Evaluation, value: Any) -> int:
    """How many items, keys or characters there are."""
    if isinstance(value, (str, list, tuple, range, Mapping)):
        return len(value)
    raise Mismatch(f"needs a list, a mapping or text, not {kind(value)}")


@FILTERS.add("first")
def first(evaluation: Evaluation, value: Any) -> Any:
    """The first item; undefined where there is none."""
    return _end(evaluation, value, 0, "first")


@FILTERS.add("last")
def last(evaluation: Evaluation, value: Any) -> Any:
    """The last item; undefined where there is none."""
    return _end(evaluation, value, -1, "last")


def _end(evaluation: Evaluation, value: Any, index: int, name: str) -> Any:
    sequence = value if isinstance(value, (list, str, range, tuple)) else items(value, evaluation)
    return sequence[index] if len(sequence) else Undefined(f"… | {name}", "there are no items")


@FILTERS.add("list")
def list_(evaluation: Evaluation, value: Any) -> list[Any]:
    """A list of the items (of a mapping: its keys; of text: its characters)."""
    found = items(value, evaluation)
    evaluation.make(ITEM * len(found))
    return list(found)


@FILTERS.add("reverse")
def reverse(evaluation: Evaluation, value: Any) -> Any:
    """The items, or the characters, from last to first."""
    if isinstance(value, str):
        evaluation.make(len(value))
        return value[::-1]
    return list_(evaluation, value)[::-1]


@FILTERS.add("join")
def join(evaluation: Evaluation, value: Any, d: str = "", attribute: Any = None) -> str:
    """The items as one text with `d` between; `attribute` takes that of each."""
    read, between = getter(attribute, evaluation), as_text(d, evaluation)
    texts = []
    for item in items(value, evaluation):
        text = as_text(defined(read(item)), evaluation)
        evaluation.make(len(text) + len(between))
        texts.append(text)
    return between.join(texts)


@FILTERS.add("sum")
def sum_(evaluation: Evaluation, value: Any, attribute: Any = None, start: Any = 0) -> Any:
    """The items added up, from `start`; `attribute` takes that of each."""
    read, total = getter(attribute, evaluation), start
    for item in items(value, evaluation):
        total = add(total, defined(read(item)), evaluation)
    return total


def _sort_key(value: Any, case_sensitive: bool, evaluation: Evaluation) -> Any:
    """What a value is ordered by. Long texts pay for being compared."""
    if isinstance(value, str):
        evaluation.make(1 + len(value))
        return value if case_sensitive else value.lower()
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (list, tuple)):
        evaluation.make(ITEM * (1 + len(value)))
        return [_sort_key(item, case_sensitive, evaluation) for item in value]
    defined(value)
    raise EvaluationError(f"{kind(value)} cannot be put in an order", "sort by an attribute: `sort(attribute='name')`")


def _ordered(
    evaluation: Evaluation, found: Any, read: Getter, case_sensitive: bool, reverse: bool
) -> list[tuple[Any, Any]]:
    """(key, item) in order."""
    keyed = []
    for item in found:
        keyed.append((_sort_key(read(item), case_sensitive, evaluation), item))
    try:
        return sorted(keyed, key=lambda pair: pair[0], reverse=reverse)
    except TypeError:
        raise EvaluationError(
            "items of different kinds cannot be put in an order", "map them first: `map('int')`"
        ) from None


@FILTERS.add("sort")
def sort(
    evaluation: Evaluation, value: Any, reverse: bool = False, case_sensitive: bool = False, attribute: Any = None
) -> list[Any]:
    """The items in order; by `attribute` ("a.b", or several: "name,age")."""
    found = items(value, evaluation)
    attributes = attribute.split(",") if isinstance(attribute, str) else [attribute]
    readers = [getter(each, evaluation) for each in attributes]
    evaluation.step(len(found) * (len(readers) - 1))

    def read(item: Any) -> Any:
        return readers[0](item) if len(readers) == 1 else [defined(each(item)) for each in readers]

    return [item for _, item in _ordered(evaluation, found, read, bool(case_sensitive), bool(reverse))]


@FILTERS.add("min")
def min_(evaluation: Evaluation, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    """The smallest item; undefined where there is none."""
    return _extreme(evaluation, value, case_sensitive, attribute, 0)


@FILTERS.add("max")
def max_(evaluation: Evaluation, value: Any, case_sensitive: bool = False, attribute: Any = None) -> Any:
    """The largest item; undefined where there is none."""
    return _extreme(evaluation, value, case_sensitive, attribute, -1)


def _extreme(evaluation: Evaluation, value: Any, case_sensitive: bool, attribute: Any, index: int) -> Any:
    found = items(value, evaluation)
    if not len(found):
        return Undefined(f"… | {'max' if index else 'min'}", "there are no items")
    return _ordered(evaluation, found, getter(attribute, evaluation), bool(case_sensitive), False)[index][1]


def _identity(value: Any, case_sensitive: bool, evaluation: Evaluation) -> Any:
    """Something hashable that equal values share."""
    if isinstance(value, str):
        evaluation.make(1 + len(value) // 4)
        return value if case_sensitive else value.lower()
    if isinstance(value, (int, float)) or value is None:
        return value
    return ("json", as_json(defined(value), evaluation))


@FILTERS.add("unique")
def unique(evaluation: Evaluation, value: Any, case_sensitive: bool = False, attribute: Any = None) -> list[Any]:
    """The items without those that came before; by `attribute`."""
    read, seen = getter(attribute, evaluation), dict[Any, Any]()
    for item in items(value, evaluation):
        seen.setdefault(_identity(defined(read(item)), bool(case_sensitive), evaluation), item)
    evaluation.make(ITEM * len(seen))
    return list(seen.values())


@FILTERS.add("groupby")
def groupby(
    evaluation: Evaluation, value: Any, attribute: Any, default: Any = None, case_sensitive: bool = False
) -> list[Group]:
    """Lists of [key, items] by `attribute`, in the order of the keys; also as `.grouper` and `.list`."""
    read = getter(attribute, evaluation, default)
    groups: list[Group] = []
    before: Any = None
    for key, item in _ordered(evaluation, items(value, evaluation), read, bool(case_sensitive), False):
        if not groups or key != before:
            evaluation.make(8 * ITEM)
            groups.append(Group([read(item), []]))
            before = key
        groups[-1][1].append(item)
    return groups


@FILTERS.add("batch")
def batch(evaluation: Evaluation, value: Any, linecount: int, fill_with: Any = None) -> list[list[Any]]:
    """Lists of `linecount` items each; the last one filled up with `fill_with`."""
    count, found = whole(linecount, "the size of `batch`", 1), list_(evaluation, value)
    evaluation.make(4 * ITEM * (len(found) // count + 1))
    batches = [found[at : at + count] for at in range(0, len(found), count)]
    if fill_with is not None and batches:
        missing = count - len(batches[-1])
        evaluation.make(ITEM * missing)
        batches[-1] += [fill_with] * missing
    return batches


@FILTERS.add("slice")
def slice_(evaluation: Evaluation, value: Any, slices: int, fill_with: Any = None) -> list[list[Any]]:
    """The items shared out over so many lists; the shorter ones filled up with `fill_with`."""
    count, found = whole(slices, "the number of `slice`", 1), list_(evaluation, value)
    evaluation.make(5 * ITEM * count)
    least, longer = divmod(len(found), count)
    shares, at = [], 0
    for number in range(count):
        size = least + (number < longer)
        share = found[at : at + size]
        at += size
        shares.append([*share, fill_with] if fill_with is not None and longer and number >= longer else share)
    return shares


@FILTERS.add("items")
def items_(evaluation: Evaluation, value: Any) -> list[list[Any]]:
    """The [key, value] pairs of a mapping."""
    if not isinstance(value, Mapping):
        raise Mismatch(f"needs a mapping, not {kind(value)}")
    evaluation.make(5 * ITEM * len(value))
    return [[key, value[key]] for key in items(value, evaluation)]


@FILTERS.add("dictsort")
def dictsort(
    evaluation: Evaluation, value: Any, case_sensitive: bool = False, by: str = "key", reverse: bool = False
) -> list[list[Any]]:
    """The [key, value] pairs of a mapping in the order of its keys, or `by='value'`."""
    if by not in ("key", "value"):
        raise EvaluationError("`dictsort` sorts by 'key' or 'value'")
    pairs, index = items_(evaluation, value), int(by == "value")
    found = _ordered(evaluation, pairs, lambda pair: pair[index], bool(case_sensitive), bool(reverse))
    return [pair for _, pair in found]


@FILTERS.add("attr")
def attr(evaluation: Evaluation, value: Any, name: Any) -> Any:
    """The key `name` of a mapping: `x | attr('a')` is `x['a']`."""
    return get(value, name, f"….{as_text(name, evaluation)[:100]}", evaluation)


@FILTERS.add("map")
def map_(evaluation: Evaluation, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """Of each item the `attribute` (with a `default`), or what the filter of that name gives: `map('int')`."""
    found = items(value, evaluation)
    evaluation.make(ITEM * len(found))
    if "attribute" in kwargs:
        if args or set(kwargs) - {"attribute", "default"}:
            raise EvaluationError("`map` takes a filter and its arguments, or `attribute` and `default`")
        read = getter(kwargs["attribute"], evaluation, kwargs.get("default"))
        return [read(item) for item in found]
    if not args:
        raise EvaluationError("`map` takes the name of a filter, or `attribute=…`")
    act, rest = FILTERS.find(args[0]), list(args[1:])
    return [_each(act.name, act.call, evaluation, item, rest, kwargs) for item in found]


def _each(
    name: str, call: Callable[..., Any], evaluation: Evaluation, item: Any, args: list[Any], kwargs: dict[str, Any]
) -> Any:
    try:
        return call(evaluation, item, args, kwargs)
    except Mismatch as error:
        raise EvaluationError(f"`{name}` {error.needs}", error.hint) from None


def _chosen(
    evaluation: Evaluation, value: Any, wanted: bool, read: Getter, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[Any]:
    found = items(value, evaluation)
    evaluation.make(ITEM * len(found))
    if not args:
        return [item for item in found if bool(defined(read(item))) is wanted]
    test, rest = TESTS.find(args[0]), list(args[1:])
    return [item for item in found if bool(_each(test.name, test.call, evaluation, read(item), rest, kwargs)) is wanted]


@FILTERS.add("select")
def select(evaluation: Evaluation, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """The items that are true, or pass a test: `select('gt', 3)`."""
    return _chosen(evaluation, value, True, lambda item: item, args, kwargs)


@FILTERS.add("reject")
def reject(evaluation: Evaluation, value: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """The items that are not true, or fail a test."""
    return _chosen(evaluation, value, False, lambda item: item, args, kwargs)


@FILTERS.add("selectattr")
def selectattr(evaluation: Evaluation, value: Any, attribute: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """The items whose attribute is true, or passes a test: `selectattr('score', 'ge', 8)`."""
    return _chosen(evaluation, value, True, getter(attribute, evaluation), args, kwargs)


@FILTERS.add("rejectattr")
def rejectattr(evaluation: Evaluation, value: Any, attribute: Any, *args: Any, **kwargs: Any) -> list[Any]:
    """The items whose attribute is not true, or fails a test."""
    return _chosen(evaluation, value, False, getter(attribute, evaluation), args, kwargs)
