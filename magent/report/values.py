"""What was said and given, as text within bounds: a page that nobody can open tells nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from magent import durations, plain
from magent.keys import GUARD
from magent.report.html import Raw, join, tag

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
        whole = shown(value)
        part = whole[: LONGEST if self.left > 0 else SHORT]
        self.left -= len(part)
        head = tag("h4", title, self._cut(len(whole) - len(part)))
        return join((head, tag("pre", part, tabindex="0", dir="auto")))

    @staticmethod
    def _cut(characters: int) -> Raw | None:
        return tag("small", f" … {characters:,} more characters are not shown") if characters else None


def shown(value: Any) -> str:
    return GUARD.hide(plain.show(plain.lean(value)))


def brief(value: Any, most: int = SHORT) -> str:
    """On one line: a text as it is, all else as JSON."""
    text = (
        value[: 4 * most] if isinstance(value, str) else json.dumps(plain.lean(value), ensure_ascii=False, default=str)
    )
    line = GUARD.hide(" ".join(text[: 40 * most].split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def seconds(value: float | None) -> str:
    return "" if value is None else durations.show(value)


def money(cost: float | None) -> str:
    if cost is None:
        return "unknown"
    return "" if not cost else f"${cost:.4f}" if cost >= 0.0001 else "<$0.0001"


def tokens(pair: tuple[int, int] | None) -> str:
    return f"{pair[0] + pair[1]:,}" if pair and sum(pair) else ""
