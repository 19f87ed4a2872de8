"""The plain scalars of YAML 1.2's core schema: null, booleans, integers, floats. All else is text.

`012` is the integer 12, `0o17` is 15, `0x1F` is 31; `yes`, `on`, dates, `1:30` and `1_000` are text.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from magent.source import Position, Text
from magent.spec.composer_result import MERGE, NO_KEY, Reader

MAX_DIGITS = 1_000
MAX_LONELY = 1_000  # so many keys without a value are remembered, for what may be a trap

# Keys whose names are compared with values as text: people write `cases: {true: ship, 1: retry}`.
SCALAR_KEYS_UNDER = frozenset({"cases"})

STYLES = {None: "plain", "": "plain", "'": "single", '"': "double", "|": "literal", ">": "folded"}
CORE = "tag:yaml.org,2002:"
CORE_SCALARS = {"int": int, "float": float, "bool": bool, "null": type(None)}

WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
WORDS |= dict.fromkeys(("true", "True", "TRUE"), True) | dict.fromkeys(("false", "False", "FALSE"), False)
NUMBER_STARTS = frozenset("0123456789+-.")
NUMBER = re.compile(
    r"""(?:(?P<decimal> [-+]?[0-9]+) | (?P<octal> 0o[0-7]+) | (?P<hexadecimal> 0x[0-9a-fA-F]+)
      | (?P<float> [-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)
      | (?P<infinite> [-+]?\.(?:inf|Inf|INF) | \.(?:nan|NaN|NAN)))\Z""",
    re.VERBOSE,
)


class BadNumber(ValueError):
    """A number that JSON cannot hold. `stand_in` is one of its kind, so that checking can go on."""

    def __init__(self, message: str, hint: str | None, stand_in: float) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.stand_in = stand_in


def number(written: str) -> int | float | None:
    """The number that `written` stands for, or None where it is text. Raises BadNumber."""
    found = NUMBER.match(written)
    if found is None:
        return None
    kind = found.lastgroup
    if kind == "decimal":
        return _integer(written, 10)
    if kind == "octal":
        return _integer(written[2:], 8)
    if kind == "hexadecimal":
        return _integer(written[2:], 16)
    if kind == "infinite":
        raise BadNumber(f"'{written}' is not a number that JSON knows", "leave it out, or write null", 0.0)
    value = float(written)
    if not math.isfinite(value):
        raise BadNumber(f"the number {quoted(written)} is too large", "a number must be below 1.8e308", 0.0)
    return value


def _integer(digits: str, base: int) -> int:
    if len(digits) > MAX_DIGITS:
        raise BadNumber(f"the number has {len(digits):,} digits, more than {MAX_DIGITS:,}", "put it in quotes", 0)
    return int(digits, base)


def kind_of(written: str) -> str | None:
    """What a plain scalar would be besides text: null, a boolean, a number; None for text."""
    if written in WORDS:
        return "null" if WORDS[written] is None else "a boolean"
    return "a number" if NUMBER.match(written) else None


def quoted(text: str, limit: int = 60) -> str:
    """`text` in quotes for a message, cut where it is long."""
    return f"'{text}'" if len(text) <= limit else f"'{text[:limit]}…'"


class Scalars(Reader):
    """What single scalars stand for."""

    def key(self, written: str, style: str | None, place: Position) -> str:
        """The text of a key; problems for plain ones that would be null, a boolean or a number as a value."""
        if not style and written == "<<":
            return MERGE
        kind = None if style else kind_of(written)
        if kind is None:
            return str(self.text(written, style, place))
        above = self.path()
        if written and above and above[-1] in SCALAR_KEYS_UNDER:
            return json.dumps(self.value(written, style, place))
        if not written:
            self.problem("bad-key", "the key is missing before ':'", place)
        else:
            hint = f'put it in quotes: "{written}":' if len(written) < 60 else "put it in quotes"
            self.problem("bad-key", f"a key must be a text, {quoted(written)} is {kind}", place, hint)
        return NO_KEY

    def value(self, written: str, style: str | None, place: Position) -> Any:
        """What a scalar without a tag stands for."""
        if not style:
            if written in WORDS:
                frame = self.frame
                lonely = self.composed.lonely
                if not written and frame is not None and frame.flow and frame.is_map and len(lonely) < MAX_LONELY:
                    lonely.append((frame.node, frame.key, self.path()))
                return WORDS[written]
            if written[0] in NUMBER_STARTS:
                try:
                    found = number(written)
                except BadNumber as bad:
                    self.problem("number", bad.message, place, bad.hint)
                    found = bad.stand_in
                if found is not None:
                    return found
            text = Text(written)
            text.style = "plain"
            return text
        return self.text(written, style, place)

    def text(self, written: str, style: str | None = None, place: Position | None = None) -> Text:
        text = Text(written)
        text.style = STYLES.get(style, "plain")
        if style == '"' and place is not None and not written.isascii():
            try:
                written.encode("utf-8")
            except UnicodeEncodeError:  # ruamel's own parser lets halves of surrogate pairs pass as escapes
                self.problem(
                    "encoding", "half of a surrogate pair is no character", place, "write the character itself"
                )
                return self.text(written.encode("utf-8", "replace").decode("utf-8"), style)
        return text

    def tagged(self, written: str, style: str | None, tag: str, place: Position) -> Any:
        if tag == CORE + "str":
            return self.text(written, style, place)
        name = tag.removeprefix(CORE)
        if name not in CORE_SCALARS or tag == name:
            self.bad_tag(tag, place)
            # what follows the sign of `when: !state.done` is checked as if it were written without
            return self.text(f"{tag[1:]} {written}".strip() if tag.startswith("!") else written, style)
        value = self.value(written, None, place)
        if name == "float" and type(value) is int:
            value = float(value)
        if type(value) is not CORE_SCALARS[name]:
            self.problem("tag", f"{quoted(written)} is not what its tag '!!{name}' says", place, "leave the tag out")
        return value

    def bad_tag(self, tag: str, place: Position) -> None:
        shown = quoted(tag.replace(CORE, "!!"))
        hint = "leave it out; a text that begins with '!' must be in quotes"
        self.problem("tag", f"magent takes no YAML tags such as {shown}", place, hint)
