"""What was said and given, as text within bounds: a page that nobody can open tells nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from magent import durations, plain
from magent.keys import GUARD
from magent.report.html import Raw, tag

LONGEST = 20_000  # characters of one text
SHORT = 160  # of one in a table
_ENOUGH = 8_000_000  # characters of all texts, after which they are cut to SHORT


@dataclass(slots=True)
class Room:
    """How much is left for texts."""

    left: int = _ENOUGH

    def block(self, title: str, value: Any, kind: str = "") -> Raw | None:
        """A titled text, or value; None for nothing. Texts of several lines in a mapping stand by themselves."""
        if value is None or value == "":
            return None
        value = plain.lean(value)
        texts = {}
        if isinstance(value, Mapping):
            texts = {name: each for name, each in value.items() if isinstance(each, str) and "\n" in each.strip()}
        rest = {name: each for name, each in value.items() if name not in texts} if texts else value
        parts = [self._text(title, rest)] if rest or not texts else []
        parts += [self._text(f"{title}: {name}", text) for name, text in texts.items()]
        return tag("div", parts, class_=f"block {kind}".strip())

    def _text(self, title: str, value: Any) -> Raw:
        text, cut = shown(value, LONGEST if self.left > 0 else SHORT)
        self.left -= len(text)
        more = tag("small", " … the rest is not shown here") if cut else None
        return tag("figure", tag("figcaption", title, more), tag("pre", text, tabindex="0", dir="auto"))


def shown(value: Any, most: int = LONGEST) -> tuple[str, bool]:
    """A text as it is, all else as YAML, and whether it was cut after about so many characters."""
    left = [most]
    part = _part(plain.lean(value), left, 0)
    return plain.show(part)[: 2 * most], left[0] < 0


def brief(value: Any, most: int = SHORT) -> str:
    """On one line: a text as it is, all else as JSON."""
    left = [4 * most]
    part = _part(plain.lean(value), left, 0)
    text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, default=str)
    line = " ".join(text.split())
    return f"{line[: most - 1]}…" if len(line) > most or left[0] < 0 else line


def _part(value: Any, left: list[int], depth: int) -> Any:
    """The beginning of a value, without secrets, while there are characters `left`; less than none: it was cut."""
    if isinstance(value, str):
        whole = GUARD.hide(value)
        text = whole[: max(0, left[0])]
        left[0] -= len(whole) + 1
        return text
    if isinstance(value, (Mapping, list, tuple)):
        if depth == plain.DEEPEST:
            return "…"
        left[0] -= 2
        if isinstance(value, Mapping):
            return {
                _part(str(name), left, depth): _part(each, left, depth + 1)
                for name, each in _while(value.items(), left)
            }
        return [_part(each, left, depth + 1) for each in _while(value, left)]
    left[0] -= 4
    return value


def _while(items: Iterable[Any], left: list[int]) -> Iterator[Any]:
    for each in items:
        if left[0] < 0:
            return
        yield each


def seconds(value: float | None) -> str:
    return "" if value is None else durations.show(value)


def money(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    return "" if not cost else f"${cost:.4f}" if cost >= 0.0001 else "<$0.0001"


def tokens(pair: tuple[int, int] | None) -> str:
    return f"{pair[0] + pair[1]:,}" if pair and sum(pair) else ""
