"""The values of an evaluation and its budget: what is undefined, what equals what, what a value is as JSON and as text.

No value here ever uses up the machine: whatever makes, copies, compares or walks something says so to the `Evaluation`
first, which ends the evaluation when the budget is spent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from magent.expressions.problems import EvaluationError, Mismatch, shortened

MAX_STEPS = 100_000
MAX_SIZE = 8 * 1024 * 1024
MAX_WORK = 10_000_000  # nodes of the tree visited by loops: some seconds
MAX_DEPTH = 150  # of nested data
MAX_BITS = 13_000  # Python writes no integer of more than 4,300 digits
ITEM = 16  # what a list item or key weighs in characters
_SPENT = "the budget of an evaluation is spent: "


class Evaluation:
    """One evaluation: the names it sees, its local variables, and what is left of its budget."""

    __slots__ = ("indent", "made", "names", "parts", "slots", "steps", "work", "written")

    def __init__(self, names: Mapping[str, Any], slots: list[Any]) -> None:
        self.names = names
        self.slots = slots
        self.parts: list[str] = []
        self.steps = 0
        self.made = 0
        self.written = 0
        self.work = 0
        self.indent = 0  # of the JSON being made: white space counts too

    def step(self, count: int) -> None:
        """Is about to go round `count` times. Raises EvaluationError."""
        self.steps += count
        if self.steps > MAX_STEPS:
            raise EvaluationError(f"{_SPENT}more than {MAX_STEPS:,} loop steps", "do it in a task: `run` or `call`")

    def toil(self, count: int) -> None:
        """Is about to visit `count` nodes of the tree in a loop. Raises EvaluationError."""
        self.work += count
        if self.work > MAX_WORK:
            raise EvaluationError(f"{_SPENT}its loops do too much", "do it in a task: `run` or `call`")

    def make(self, size: int) -> None:
        """Is about to make, or to read through, `size` characters. Raises EvaluationError."""
        self.made += size
        if self.made > MAX_SIZE:
            raise EvaluationError(f"{_SPENT}more than 8 MB of text or data", "do it in a task: `run` or `call`")

    def write(self, text: str) -> None:
        """Adds to the text that a template gives."""
        self.written += len(text)
        if self.written > MAX_SIZE:
            raise EvaluationError(f"{_SPENT}the text is longer than 8 MB", "pass what is large as a file")
        self.parts.append(text)


class Undefined:
    """What is not there. It may be asked for (`default`, `is defined`) and looked into; other uses are errors."""

    __slots__ = ("known", "path", "reason")

    def __init__(self, path: str, reason: str = "", known: Iterable[Any] = ()) -> None:
        self.path = path
        self.reason = reason
        self.known = known

    def error(self) -> EvaluationError:
        reason = f": {self.reason}" if self.reason else ""
        return EvaluationError(f"`{self.path}` is undefined{reason}", self._hint())

    def _hint(self) -> str:
        names: list[str] = []
        for name in self.known:
            names.append(str(name))
            if len(names) == 200:
                break
        missing = self.path.rpartition(".")[2].lower()
        if missing == "length" and not names:
            return f"write `{_parent(self.path)} | length`"
        near = min(names, key=lambda name: _distance(missing, name.lower()), default="")
        if near and _distance(missing, near.lower()) <= (len(missing) > 2) + (len(missing) > 4):
            return f"did you mean `{near}`?"
        if names:
            shown = ", ".join(shortened(name, 30) for name in names[:10])
            return f"there is: {shown}{', …' if len(names) > 10 else ''}"
        return "use `default(…)` or `is defined` where it may be missing"


def _distance(one: str, other: str) -> int:
    """How many letters two names differ by; 9 is far. Only short names are compared."""
    if abs(len(one) - len(other)) > 2 or len(one) > 40:
        return 9
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, 1):
        previous, row[0] = row[0], i
        for j, right in enumerate(other, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (left != right))
    return row[-1]


class Group(list[Any]):
    """What `groupby` gives: [key, items], also as `.grouper` and `.list`."""

    __slots__ = ()


class Loop:
    """`loop` inside of `for`."""

    __slots__ = ("depth", "index0", "items")

    def __init__(self, items: Any, depth: int) -> None:
        self.items = items
        self.depth = depth
        self.index0 = -1

    def get(self, name: str) -> Any:
        at, length = self.index0, len(self.items)
        if name in ("previtem", "nextitem"):
            other = at + (1 if name == "nextitem" else -1)
            return self.items[other] if 0 <= other < length else Undefined(f"loop.{name}", "there is none")
        facts = {
            "index": at + 1, "index0": at, "first": at == 0, "last": at == length - 1, "length": length,
            "revindex": length - at, "revindex0": length - at - 1, "depth": self.depth, "depth0": self.depth - 1,
        }  # fmt: skip
        return facts[name] if name in facts else Undefined(f"loop.{name}", "", facts)


def kind(value: Any) -> str:
    """What a value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple, range)):
        return "a list"
    return (
        "`loop`" if isinstance(value, Loop) else "something undefined" if isinstance(value, Undefined) else "no value"
    )


def defined(value: Any) -> Any:
    if value.__class__ is Undefined:
        raise value.error()
    return value


def finite(number: Any) -> Any:
    """A number that can be written: no infinity, nothing imaginary, no integer of thousands of digits."""
    if type(number) is int:
        if number.bit_length() > MAX_BITS:
            raise EvaluationError("the number is too large")
    elif type(number) is complex or (type(number) is float and not math.isfinite(number)):
        raise EvaluationError("the result is not a number that JSON knows")
    return number


def get(owner: Any, key: Any, path: str, evaluation: Evaluation) -> Any:
    """`owner.key` or `owner[key]`: a mapping's key, always; an item of a list or text; else something undefined."""
    owner_kind = type(owner)
    if owner_kind is dict or isinstance(owner, Mapping):
        if type(key) is str and len(key) > 1000:
            evaluation.make(len(key) // 16)
        try:
            return owner[key]
        except KeyError:
            return Undefined(path, "", owner)
        except TypeError:
            raise EvaluationError(f"{kind(key)} cannot be a key: `{path}`") from None
    if owner_kind is Undefined:
        return owner
    if owner is None:
        return Undefined(path, f"`{_parent(path)}` is null")
    if isinstance(owner, (list, str, range, tuple)) and type(key) is int:
        try:
            return owner[key]
        except IndexError:
            return Undefined(path, f"`{_parent(path)}` has {len(owner)} item{'s' if len(owner) != 1 else ''}")
    if owner_kind is Group and key in ("grouper", "list"):
        return owner[0 if key == "grouper" else 1]
    if owner_kind is Loop:
        return owner.get(key) if isinstance(key, str) else Undefined(path)
    return Undefined(path, f"`{_parent(path)}` is {kind(owner)}, which has no keys")


def _parent(path: str) -> str:
    cut = max(path.rfind("."), path.rfind("["))
    return path[:cut] if cut > 0 else path


def cut(owner: Any, bounds: slice, path: str, evaluation: Evaluation) -> Any:
    """`owner[a:b]`"""
    if owner is None or owner.__class__ is Undefined:
        return Undefined(path, "it is null") if owner is None else owner
    if not isinstance(owner, (list, str, range, tuple)):
        raise EvaluationError(f"`{path}`: {kind(owner)} has no slices")
    if any(type(bound) not in (int, type(None)) for bound in (bounds.start, bounds.stop, bounds.step)):
        raise EvaluationError(f"`{path}`: the bounds of a slice are whole numbers")
    if bounds.step == 0:
        raise EvaluationError(f"`{path}`: the step of a slice cannot be 0")
    size = len(range(*bounds.indices(len(owner))))
    evaluation.make(size if isinstance(owner, str) else size * ITEM)
    return owner[bounds]


def items(value: Any, evaluation: Evaluation, needs: str = "needs a list") -> Any:
    """What a loop or filter goes over, as something with length and indices; each item is a step.

    A mapping gives its keys, a text its characters. Raises Mismatch, EvaluationError.
    """
    if isinstance(value, (list, tuple, range)):
        evaluation.step(len(value))
        return value
    if isinstance(value, Mapping):
        evaluation.step(len(value))
        return list(value)
    if isinstance(value, str):
        evaluation.step(len(value))
        return list(value)
    defined(value)
    raise Mismatch(f"{needs}, not {kind(value)}")


def plain(value: Any, evaluation: Evaluation, depth: int = 0) -> Any:
    """`value` as plain JSON data: dict, list, str, int, float, bool, None. Raises EvaluationError."""
    value_kind = type(value)
    if value_kind is str:
        evaluation.make(len(value))
        return value
    if value is None or value_kind is bool:
        return value
    if value_kind is int or value_kind is float:
        return finite(value)
    if depth > MAX_DEPTH:
        raise EvaluationError(f"the data is nested too deeply (more than {MAX_DEPTH})")
    if isinstance(value, (list, tuple)):
        evaluation.make((ITEM + evaluation.indent * (depth + 1)) * len(value))
        kinds = set(map(type, value))
        if kinds <= _SIMPLE:  # most lists: no need to look at each item
            evaluation.make(sum(map(len, value)) if kinds == _TEXTS else _lengths(value) if str in kinds else 0)
            return list(value)
        return [plain(item, evaluation, depth + 1) for item in value]
    if isinstance(value, Mapping):
        evaluation.make((2 * ITEM + evaluation.indent * (depth + 1)) * len(value))
        return {_key(key, evaluation): plain(value[key], evaluation, depth + 1) for key in value}
    return _odd(value, evaluation)


_SIMPLE = frozenset((str, int, bool, type(None)))
_TEXTS = frozenset((str,))


def _lengths(values: Iterable[Any]) -> int:
    return sum(len(value) for value in values if type(value) is str)


def _key(key: Any, evaluation: Evaluation) -> str:
    if not isinstance(key, str):
        raise EvaluationError(
            f"a mapping's keys are text, not {kind(key)}", "write the key in quotes, or `key | string`"
        )
    evaluation.make(len(key))
    return str(key)


def _odd(value: Any, evaluation: Evaluation) -> Any:
    """The rarer kinds: ranges, subclasses of text and numbers; what is no value raises."""
    if isinstance(value, range):
        evaluation.step(len(value))
        return list(value)
    if isinstance(value, str):
        evaluation.make(len(value))
        return str(value)
    if isinstance(value, (int, float)):
        return finite(int(value) if isinstance(value, int) else float(value))
    defined(value)
    if isinstance(value, Loop):
        raise EvaluationError("`loop` is not a value", "use loop.index, loop.first, …")
    raise EvaluationError(f"a {type(value).__name__} is not a JSON value")


def as_json(value: Any, evaluation: Evaluation, indent: int | None = None) -> str:
    """`value` as JSON, characters as they are."""
    evaluation.indent = indent or 0
    try:
        data = plain(value, evaluation)
    finally:
        evaluation.indent = 0
    text = json.dumps(data, ensure_ascii=False, indent=indent, allow_nan=False)
    if len(text) > MAX_SIZE:
        evaluation.make(len(text))
    return text


def as_text(value: Any, evaluation: Evaluation) -> str:
    """`value` as templates write it: text as it is, null as nothing, all else as JSON."""
    value_kind = type(value)
    if value_kind is str:
        return value  # type: ignore[no-any-return]
    if value is None:
        return ""
    if value_kind is bool:
        return "true" if value else "false"
    if value_kind is int:
        if value.bit_length() > 500:
            evaluation.toil(value.bit_length() // 4)
        return str(finite(value))
    if isinstance(value, str):
        return str(value)
    return as_json(value, evaluation)
