"""What happened in a run: its visits as a tree. Of many items, rounds and visits that went well a few are told; what
failed or is not done always is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent import durations
from magent.cli import progress
from magent.cli.tables import STATUSES, Cell, Column, Part, Sheet

Visit = Mapping[str, Any]
GOOD = ("completed", "skipped")
_EACH_END = 3  # of a long row of visits that went well, so many are told at its beginning and at its end
_LONG = 12  # so many items or rounds are told whole
_LONG_OF_VISITS = 60
_MANY_ROWS = 16  # where there are more, what went well in items and rounds is not told
_MOST_BAD = 25
_STEP = re.compile(r"(.*)\[(\d+)\]")
_COLUMNS = (
    Column("NODE", least=20),
    Column("STATUS", rank=1),
    Column("TYPE", rank=5),
    Column("TIME", rank=2, right=True),
    Column("TOKENS", rank=3, right=True),
    Column("COST", rank=4, right=True),
    Column("", least=14, rank=1),
)


@dataclass(slots=True)
class Knot:
    """A visit with what ran inside it, or an item or a round (`data` None) with its visits."""

    name: str
    data: Visit | None = None
    inner: list[Knot] = field(default_factory=list)
    groups: dict[str, Knot] = field(default_factory=dict)
    folded: bool = False

    @property
    def status(self) -> str:
        if self.data is not None:
            return str(self.data["status"])
        found = {each.status for each in self.inner}
        return next((status for status in STATUSES if status in found and status not in GOOD), "completed")

    @property
    def calm(self) -> bool:
        return self.status in GOOD and all(each.calm for each in self.inner)


def tree(visits: Sequence[Visit]) -> list[Knot]:
    """The visits of the run's own scope, each with what ran inside it."""
    top = Knot("")
    latest: dict[str, Knot] = {}
    numbers: dict[str, int] = {}
    for visit in visits:
        path = str(visit["path"])
        around, _, name = path.rpartition("/")
        number = numbers[path] = numbers.get(path, 0) + 1
        knot = Knot(name + (f"#{number}" if number > 1 else ""), visit)
        _home(top, latest, around).inner.append(knot)
        latest[path] = knot
    return top.inner


def _home(top: Knot, latest: dict[str, Knot], around: str) -> Knot:
    """Where the visits under an address belong: the item or round, or the subgraph."""
    if not around:
        return top
    found = _STEP.fullmatch(around)
    owner = latest.get(found[1] if found else around, top)
    if found is None:
        return owner
    group = owner.groups.get(found[2])
    if group is None:
        group = owner.groups[found[2]] = Knot(f"[{found[2]}]")
        owner.inner.append(group)
    return group


def show(sheet: Sheet, visits: Sequence[Visit], *, everything: bool = False) -> None:
    """The section `What happened`."""
    knots = tree(visits)
    if knots:
        sheet.title("What happened")
        rows = list(_rows(sheet, knots, 0, everything))
        if len(rows) > _MANY_ROWS and not everything:
            _fold(knots)
            rows = list(_rows(sheet, knots, 0, everything))
        sheet.table(_COLUMNS, rows, head=not sheet.signs, indent=2 if sheet.signs else 0)


def _fold(knots: Sequence[Knot]) -> None:
    """Leaves out what ran in items and rounds that went well, all of them: the node around them counts them."""
    for knot in knots:
        if knot.groups and all(group.calm for group in knot.groups.values()):
            knot.folded = True
        else:
            _fold(knot.inner)


def _rows(sheet: Sheet, knots: Sequence[Knot], depth: int, everything: bool) -> Iterator[Sequence[Cell]]:
    told = range(len(knots)) if everything else _told(knots)
    next_up = 0
    for at in told:
        if at > next_up:
            yield _gap(sheet, knots[next_up:at], depth)
        brief = len(told) < len(knots) and knots[at].data is None and knots[at].calm
        yield from _knot(sheet, knots[at], depth, everything, brief=brief)
        next_up = at + 1
    if next_up < len(knots):
        yield _gap(sheet, knots[next_up:], depth)


def _told(knots: Sequence[Knot]) -> Sequence[int]:
    """Which of them are told one by one."""
    count = len(knots)
    if count <= (_LONG if knots[0].data is None else _LONG_OF_VISITS):
        return range(count)
    told = {*range(_EACH_END), *range(count - _EACH_END, count)}
    told |= set([at for at in range(count) if not knots[at].calm][:_MOST_BAD])
    return [at for at in range(count) if at in told or (at - 1 in told and at + 1 in told)]


def _gap(sheet: Sheet, knots: Sequence[Knot], depth: int) -> Sequence[Cell]:
    counts: dict[str, int] = {}
    for knot in knots:
        counts[knot.status] = counts.get(knot.status, 0) + 1
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    lead = "  " * depth + ("⋮ " if sheet.signs else "… ")
    if len(counts) == 1:
        return (Part(f"{lead}{said}", "dim"), *[""] * (len(_COLUMNS) - 1))
    return (Part(f"{lead}{len(knots):,} more", "dim"), *[""] * (len(_COLUMNS) - 2), Part(said, "dim"))


def _knot(sheet: Sheet, knot: Knot, depth: int, everything: bool, *, brief: bool) -> Iterator[Sequence[Cell]]:
    inner, name = knot.inner, knot.name
    if brief and len(inner) > 1:
        name, inner = f"{name} {', '.join(each.name for each in inner)}", []
    if knot.data is None and len(inner) == 1:  # an item of one node is one line
        (only,) = inner
        name, knot, inner = f"{name} {only.name}", only, only.inner
    yield _row(sheet, knot, name, depth)
    yield from _steps(sheet, (knot.data or {}).get("steps", ()), depth + 1, everything)
    if inner and not knot.folded:
        yield from _rows(sheet, inner, depth + 1, everything)


def _row(sheet: Sheet, knot: Knot, name: str, depth: int) -> Sequence[Cell]:
    data = knot.data or {}
    sign, style = STATUSES.get(knot.status, ("·", ""))
    lead = "  " * depth + (f"{sign} " if sheet.signs else "")
    took = data.get("duration") if knot.data is not None else _lasted(knot)
    tokens = progress.total(data.get("tokens"))
    cost = data.get("cost")
    return (
        Part(lead + name, style if knot.status != "completed" or not sheet.signs else ""),
        "" if sheet.signs else knot.status,
        Part(str(data.get("type", "")), "dim") if not sheet.signs else "",
        Part(durations.show(took), "dim") if took is not None else "",
        Part(f"{'~' if data.get('estimated') else ''}{tokens:,}" if tokens else "", "dim"),
        Part("unknown" if cost is None and tokens else progress.dollars(cost) if cost else "", "dim"),
        _remark(knot, sheet.signs),
    )


def _steps(sheet: Sheet, steps: Sequence[Mapping[str, Any]], depth: int, everything: bool) -> Iterator[Sequence[Cell]]:
    """What an agent or a chain did within a visit; of many the first, the last, and what failed."""
    steps = [step for step in steps if step.get("tool") != "delegate" or step["status"] not in GOOD]
    ends = {*range(_EACH_END), *range(len(steps) - _EACH_END, len(steps))}
    short = everything or len(steps) <= _LONG
    told = [at for at, step in enumerate(steps) if short or at in ends or step["status"] not in GOOD]
    next_up = 0
    for at in told:
        if at > next_up:
            yield (Part(f"{'  ' * depth}… {at - next_up:,} more steps", "dim"), *[""] * (len(_COLUMNS) - 1))
        yield _step(sheet, steps[at], depth)
        next_up = at + 1


def _step(sheet: Sheet, step: Mapping[str, Any], depth: int) -> Sequence[Cell]:
    sign, words = progress.step_words(step)
    inner = str(step.get("delegation", "")).count(">")
    lead = "  " * (depth + inner - (sign == "⇢"))
    bad = step["status"] not in GOOD
    why = progress.why_of(step) or (step["status"] if bad else "")
    took = durations.show(step["duration"]) if step.get("duration") else ""
    style = "yellow" if sign in "↷↺" else "red" if step["status"] == "failed" else "dim"
    return (
        Part(f"{lead}{sign} {words}", style),
        "" if sheet.signs else str(step["status"]),
        Part("", "dim"),
        Part(took, "dim"),
        "",
        "",
        Part(why, style),
    )


def _lasted(knot: Knot) -> float | None:
    times = [each.data["duration"] for each in knot.inner if each.data is not None]
    return None if not times or None in times else sum(times)


def _remark(knot: Knot, signs: bool) -> Part:
    """What there is to say beside the name: what went wrong, how often it was tried, how many ran inside."""
    data = knot.data or {}
    said = []
    if data.get("error"):
        said.append(progress.describe_error(data["error"]))
    elif signs and knot.status not in GOOD:
        said.append(knot.status)
    if answered := data.get("answered"):
        said.append(f"answered by {answered['by']} ({answered['via']})" if answered["by"] else f"by {answered['via']}")
    if data.get("fallback"):
        said.append(f"by agent {data.get('agent')}")
    if data.get("cut"):
        said.append("cut off at max_tokens")
    if int(data.get("attempts") or 0) > 1:
        said.append(f"{data['attempts']} attempts")
    if len(knot.groups) > 1:
        said.append(_counted("rounds" if data.get("type") == "loop" else "items", list(knot.groups.values())))
        if knot.folded:
            said[-1] += f" of {_ran(knot)}"
    style = STATUSES.get(knot.status, ("", ""))[1] if knot.status not in GOOD else "dim"
    return Part(", ".join(said), style)


def _ran(knot: Knot) -> str:
    """The names of what ran in its items: `draft, critique`."""
    names = list(dict.fromkeys(each.name.partition("#")[0] for group in knot.groups.values() for each in group.inner))
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _counted(what: str, groups: Sequence[Knot]) -> str:
    """`500 items, 3 failed`."""
    counts = {status: sum(each.status == status for each in groups) for status in STATUSES if status not in GOOD}
    return ", ".join([f"{len(groups):,} {what}", *(f"{count:,} {status}" for status, count in counts.items() if count)])
