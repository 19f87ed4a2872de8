"""What became of a node, or of a step of a chain, in a run: how its visits stand, its time, its cost, in few words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from magent import durations

SIGNS = {
    "running": "▶",
    "waiting": "⏸",
    "failed": "✘",
    "interrupted": "■",
    "cancelled": "⊘",
    "completed": "✔",
    "skipped": "○",
}
"""Statuses of visits, the one that matters most first."""
COLORS = {
    "running": "#cfe2ff",
    "waiting": "#fff3cd",
    "failed": "#f8d7da",
    "interrupted": "#ffe5d0",
    "cancelled": "#e2e3e5",
    "completed": "#d1e7dd",
    "skipped": "#f8f9fa",
}
"""What nodes of a status are filled with, where there are colours of one's own choice."""


@dataclass(slots=True)
class Marks:
    """What became of a node. `statuses` counts its visits by how they stand; `seconds` adds up those of the visits
    that are over, and `timed` says that some took any (others, such as conditions, are over at once); `tokens` are
    input and output together; `cost` None where a price is unknown. `items` is how many a `for_each` had over all
    visits, `done` and `failed` of them. `error` is the message of its last failure."""

    statuses: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    timed: bool = False
    tokens: int = 0
    cost: float | None = 0.0
    items: int = 0
    done: int = 0
    failed: int = 0
    error: str = ""

    @property
    def visits(self) -> int:
        return self.statuses.total()

    @property
    def status(self) -> str:
        """The one that matters most of those its visits have."""
        return next((status for status in SIGNS if self.statuses[status]), "completed")

    def as_json(self) -> dict[str, Any]:
        shown = {"status": self.status, "visits": self.visits, "statuses": dict(self.statuses)}
        spent = {"seconds": round(self.seconds, 3), "tokens": self.tokens, "cost_usd": self.cost}
        items = {"items": {"total": self.items, "completed": self.done, "failed": self.failed}} if self.items else {}
        return {**shown, **spent, **items}


def facts(marks: Marks) -> str:
    """`✔ ×3 1.20s in all 1,052 tokens $0.0031`; `✔ 11 ✘ 1` where visits ended differently, `✔ 11/12 ✘ 1` of items."""
    signs = [(SIGNS[status], marks.statuses[status]) for status in SIGNS if marks.statuses[status]]
    if marks.items:
        words = [f"{SIGNS[marks.status]} {marks.done}/{marks.items}"]
        words += [f"{SIGNS['failed']} {marks.failed}"] if marks.failed else []
        words += [f"×{marks.visits}"] if marks.visits > 1 else []
    elif len(signs) == 1:
        words = [signs[0][0]] + ([marks.status] if marks.status != "completed" else [])
        words += [f"×{marks.visits}"] if marks.visits > 1 else []
    else:
        words = [f"{sign} {count}" for sign, count in sorted(signs, key=lambda each: each[0] != SIGNS["completed"])]
    return " ".join([*words, *spent(marks)])


def in_words(marks: Marks) -> str:
    """The same without a sign: `completed ×3`, `11 completed, 1 failed`, `11 of 12 items, 1 failed`."""
    told = sorted(marks.statuses.items(), key=lambda each: each[0] != "completed")
    if len(told) > 1 and not marks.items:
        return ", ".join(f"{count:,} {status}" for status, count in told)
    words = marks.status
    if marks.items:
        words = f"{marks.done:,} of {marks.items:,} items" + (f", {marks.failed:,} failed" if marks.failed else "")
    return words + (f" ×{marks.visits:,}" if marks.visits > 1 else "")


def in_lines(marks: Marks) -> list[str]:
    """The same with what it took, on one line if that is short."""
    state, words = in_words(marks), spent(marks)
    return [" · ".join([state, *words])] if len(words) < 2 else [state, " · ".join(words)]


def spent(marks: Marks) -> list[str]:
    """`1.20s in all`, `1,052 tokens`, `$0.0031`."""
    words = []
    if marks.timed:
        words.append(durations.show(marks.seconds) + (" in all" if marks.visits > 1 else ""))
    if marks.tokens:
        words.append(f"{marks.tokens:,} tokens")
    if marks.cost is None and marks.tokens:
        words.append("cost unknown")
    if marks.cost:
        words.append(f"${marks.cost:.4f}" if marks.cost >= 0.0001 else "<$0.0001")
    return words
