"""`magent resume --plan`: what would be kept, done again, and no longer count, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from magent.cli import results
from magent.cli.console import Console
from magent.cli.tables import Cell, Column, Part, Sheet
from magent.engine.origin import where
from magent.engine.visited import Visited
from magent.forks import Plan

OUTPUTS = ("text", "json")
_NARROW = 64  # columns, below which a reason stands under its visit
_MOST = 20  # rows of a section, where not all is asked for
_RANGES = 5  # of the numbers of items, in one row
_INDEX = re.compile(r"\[(\d+)\]")
_SECTIONS: Mapping[str, tuple[str, str, str]] = {
    "kept": ("Kept", "✔", "green"),
    "open": ("Goes on", "●", "blue"),
    "waiting": ("Waits", "⏸", "yellow"),
    "again": ("Done again", "↻", "yellow"),
    "invalidated": ("Invalidated", "○", "dim"),
}
"""Fate → title, sign, style."""
_WORDS = {"kept": "kept", "waiting": "waiting", "again": "done again", "invalidated": "invalidated"}


class _Row(NamedTuple):
    place: str
    why: str = ""


def show(console: Console, plan: Plan, words: Sequence[str]) -> None:
    """Prints the plan; `words` are the flags that would carry it out."""
    if plan.note:
        console.told(plan.note)
        return
    sheet, apart = Sheet(console), console.settings.verbose
    whole = apart or not sheet.signs
    _head(sheet, plan)
    for fate, (title, sign, style) in _SECTIONS.items():
        found = [visit for visit in plan.visits if visit.fate == fate]
        _section(sheet, title, list(_rows(plan, found, apart, whole)), Part(sign, style), whole)
    asked = [_Row(str(each["path"]), _asked(each)) for each in plan.repeats]
    _section(sheet, "Asks before it does again", asked, Part("?", "yellow"), whole)
    _section(sheet, "Begins", [_Row(place) for place in _new(plan, apart, whole)], Part("▶", "blue"), whole)
    sheet.title("Next")
    sheet.next(console.command("resume", plan.run.id, *words, *_raised(plan, words)), "does it")
    sheet.print()
    console.say("nothing was done (--plan)")


def _raised(plan: Plan, words: Sequence[str]) -> list[str]:
    """The flag without which the limit that stopped the run would stop it again."""
    failure = plan.run.failure
    if plan.origin.forks or "--limit" in words or plan.run.status != "interrupted" or failure is None:
        return []
    return results.flag_of({"hint": failure.hint})


def _head(sheet: Sheet, plan: Plan) -> None:
    status = sheet.status(plan.status)
    name = Part(plan.run.workflow.name, "bold")
    sheet.heading(Part(status.text, f"bold {status.style}".strip()), "  ", name, id=plan.run.id)
    what = "a new run begins, this one stays as it is" if plan.origin.forks else "the run itself goes on"
    kept, lost = _spent(plan, "kept"), _spent(plan, "again", "invalidated")
    spent = [*(f"{each} kept" for each in kept), *(f"{each} of it to be done anew" for each in lost)]
    sheet.facts([what, *_counted(plan.visits), *spent])


def _counted(visits: Iterable[Visited]) -> list[str]:
    """`["487 kept", "13 done again"]`."""
    counts = dict.fromkeys(_WORDS, 0)
    for visit in visits:
        if visit.fate in counts:
            counts[visit.fate] += 1
    return [f"{count:,} {_WORDS[fate]}" for fate, count in counts.items() if count]


def _spent(plan: Plan, *among: str) -> list[str]:
    """What the visits of these fates had cost: `["1,052 tokens, $0.0031"]`."""
    found = [visit for visit in plan.visits if visit.fate in among]
    tokens = {"input": sum(each.tokens[0] for each in found), "output": sum(each.tokens[1] for each in found)}
    spent = results.spent(tokens, sum(each.cost or 0.0 for each in found))
    return [", ".join(spent)] if spent else []


# ---- rows


def _rows(plan: Plan, found: Sequence[Visited], apart: bool, whole: bool) -> Iterator[_Row]:
    """One a visit; unless told `apart`, one for all that are alike but for the items and rounds that they are in."""
    alike: dict[tuple[str, str], list[Visited]] = {}
    for visit in found:
        place = where(visit)
        alike.setdefault((place if apart else _INDEX.sub("[]", place), visit.why), []).append(visit)
    for (_, why), visits in alike.items():
        many = [f"{len(visits):,} visits"] if len(visits) > 1 else []
        inside = _counted(each for each in plan.visits if each.around == visits[0].begin) if _opens(visits) else []
        said = ", ".join([*many, *([why] if why else []), *inside])
        yield _Row(_place([where(each) for each in visits], whole), said)


def _opens(visits: Sequence[Visited]) -> bool:
    return len(visits) == 1 and visits[0].fate == "open"


def _place(places: Sequence[str], whole: bool) -> str:
    """`each[0-2, 4-499]/draft`: one for addresses that differ in numbers alone; `[*]` where they do so in several."""
    if len(places) == 1:
        return places[0]
    numbers = list(zip(*([int(number) for number in _INDEX.findall(place)] for place in places), strict=True))
    shown = iter([_ranges(sorted(set(column)), whole) for column in numbers])
    several = sum(len(set(column)) > 1 for column in numbers) > 1
    return _INDEX.sub(lambda found: _either(found, next(shown), several), places[0])


def _either(found: re.Match[str], ranges: str, several: bool) -> str:
    return f"[{'*' if several and ranges != found[1] else ranges}]"


def _ranges(numbers: Sequence[int], whole: bool) -> str:
    """`0-2, 4-499`."""
    runs = [list(run) for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])]
    shown = [f"{run[0][1]}" if len(run) == 1 else f"{run[0][1]}-{run[-1][1]}" for run in runs]
    return ", ".join(shown if whole or len(shown) <= _RANGES else [*shown[: _RANGES - 1], "…"])


def _asked(entry: Mapping[str, object]) -> str:
    return f"has effects outside, and was {'done' if entry['done'] else 'begun'} in run {entry['run']}"


def _new(plan: Plan, apart: bool, whole: bool) -> Iterator[str]:
    """The addresses at which it goes on that no visit above names: what stood there before, if anything did, does not
    count any more."""
    told = {visit.path for visit in plan.visits if visit.fate in ("again", "open", "waiting")}
    new = [place for place in plan.next if place not in told]
    alike: dict[str, list[str]] = {}
    for place in new:
        alike.setdefault(place if apart else _INDEX.sub("[]", place), []).append(place)
    yield from (_place(places, whole) for places in alike.values())


def _section(sheet: Sheet, title: str, rows: Sequence[_Row], sign: Part, whole: bool) -> None:
    if not rows:
        return
    sheet.title(title)
    few = rows if whole or len(rows) <= _MOST + 1 else rows[:_MOST]
    if sheet.width is not None and sheet.width < _NARROW:
        for row in few:
            sheet.line("  ", Part(f"{sign.text} ", sign.style), row.place)
            if row.why:
                sheet.text(row.why, indent=4, style="dim")
    else:
        signs = [Part(sign.text, sign.style)] if sheet.signs else []
        cells: list[Sequence[Cell]] = [(*signs, row.place, Part(row.why, "dim")) for row in few]
        columns = (*(Column("") for _ in signs), Column("", least=16), Column("", least=14, rank=1))
        sheet.table(columns, cells, head=False, indent=2)
    if len(few) < len(rows):
        sheet.line("  ", Part(f"… {len(rows) - len(few):,} more (-v)", "dim"))
