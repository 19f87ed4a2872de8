"""Findings: what was looked at, how it is, and what to do; in rows that wrap where the window ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from magent import cells
from magent.cli.tables import GAP, Part, Sheet, wrap
from magent.events import Failure

_NAME = 26  # columns of a name, at most
_STYLES = {"ok": ("✔", "green"), "no": ("✘", "red"), "info": ("·", "dim")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: `state` is ok, no, or info, where nothing can be wrong; `hint` is what to do."""

    group: str
    name: str
    state: str
    says: str
    hint: str | None = None
    origin: str | None = None

    def as_json(self) -> dict[str, Any]:
        shown = {"group": self.group, "name": self.name, "state": self.state, "says": self.says}
        return shown | {key: value for key in ("hint", "origin") if (value := getattr(self, key)) is not None}


def reached(name: str, said: str, failure: Failure | None, group: str = "") -> Finding:
    """What was found of an agent: how it is reached, or why it cannot be."""
    if failure is not None:
        return Finding(group, name, "no", failure.message, failure.hint)
    return Finding(group, name, "ok", said or "ready")


def tell(sheet: Sheet, found: Sequence[Finding]) -> None:
    """A row a finding, under the titles of their groups."""
    name = min(_NAME if sheet.width is None or sheet.width >= 60 else 16, max(cells.width(each.name) for each in found))
    group = ""
    for each in found:
        if each.group != group:
            group = each.group
            sheet.title(group)
        _row(sheet, each, name)


def _row(sheet: Sheet, each: Finding, name: int) -> None:
    sign, style = _STYLES[each.state]
    mark = Part(sign if sheet.signs else cells.pad({"info": ""}.get(each.state, each.state), 2), style)
    indent = cells.width(mark.text) + 1
    says = each.says + (f"  ({each.origin})" if each.origin else "")
    lines = _wrapped(sheet, says, indent + name + len(GAP))
    if cells.width(each.name) <= name:
        sheet.line(mark, " ", cells.pad(each.name, name), GAP, lines.pop(0))
    else:
        sheet.line(mark, " ", each.name)
    for line in lines:
        sheet.line(" " * (indent + name + len(GAP)), line)
    if each.hint:
        for line in _wrapped(sheet, each.hint, indent + name + len(GAP)):
            sheet.line(" " * (indent + name + len(GAP)), Part(line, "dim"))


def _wrapped(sheet: Sheet, text: str, indent: int) -> list[str]:
    text = " ".join(text.split(" "))
    return [text] if sheet.width is None else list(wrap(text, max(16, sheet.width - indent)))
