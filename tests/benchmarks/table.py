"""The lines of the table, and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HEAD = ("row", "floor", "magent", "ratio", "target", "dream", "met?")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a line may come to: `times` its floor, or `most` in the line's own unit."""

    times: float | None = None
    most: float | None = None

    def allows(self, line: Line) -> bool:
        if self.most is not None:
            return line.magent <= self.most
        ratio = line.ratio
        return ratio is not None and self.times is not None and ratio <= self.times

    def show(self, unit: str) -> str:
        return f"≤ {self.most:g} {unit}" if self.most is not None else f"≤ {self.times:g} ×"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing measured, in `unit`; `floor` is None where there is nothing to stand beside it."""

    name: str
    unit: str
    floor: float | None
    magent: float
    target: Bound | None = None
    dream: Bound | None = None

    @property
    def ratio(self) -> float | None:
        return self.magent / self.floor if self.floor else None

    @property
    def met(self) -> str:
        """`dream`, `yes` or `no`; nothing where no target was set."""
        if self.dream is not None and self.dream.allows(self):
            return "dream"
        if self.target is None:
            return ""
        return "yes" if self.target.allows(self) else "no"

    def cells(self) -> tuple[str, ...]:
        return (
            self.name,
            "–" if self.floor is None else f"{number(self.floor)} {self.unit}",
            f"{number(self.magent)} {self.unit}",
            "–" if self.ratio is None else f"{number(self.ratio)} ×",
            "–" if self.target is None else self.target.show(self.unit),
            "–" if self.dream is None else self.dream.show(self.unit),
            self.met,
        )


def times(factor: float) -> Bound:
    return Bound(times=factor)


def most(amount: float) -> Bound:
    return Bound(most=amount)


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def show(rows: Sequence[tuple[str, ...]]) -> str:
    """A table as Markdown, aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
