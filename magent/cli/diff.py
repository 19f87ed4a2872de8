"""`magent diff`: what differs between two workflow files, or between two runs; as `diff` does, 1 says that they do."""

from __future__ import annotations

import asyncio
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from magent import durations, loading, records, settings
from magent.cli import flags, progress
from magent.cli.console import Console, dump
from magent.cli.tables import Cell, Column, Part, Sheet
from magent.differ import files, runs
from magent.differ.files import Item, Section
from magent.differ.runs import Compared, Divergence, Told
from magent.engine.route import short
from magent.errors import UsageError
from magent.explained import Explained, Test
from magent.figures import Spent
from magent.history import Change
from magent.loading import check_kept, looked_at, workflow_of
from magent.model import Workflow
from magent.ports import RunStore

OUTPUTS = ("text", "json")
_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red"), "rename": ("~", "yellow")}
_AROUND = 2  # lines of a text around what differs
_LONG = 60  # characters; a longer text is told by its lines
_MOST_LINES = 40  # of a text's difference, where not all is asked for
_MOST = 20  # visits, changes
_LEAST = 0.1  # seconds that are worth a word
_USED = (
    Column("TOKENS", least=10),
    Column("A", right=True),
    Column("B", right=True),
    Column(""),
    Column("COST A", rank=2, right=True),
    Column("COST B", rank=1, right=True),
)
_COMPARED = (Column(""), Column("A", least=10), Column("B", least=10), Column("", rank=1))


class _Side(NamedTuple):
    """What an argument means: a workflow, and where it is a run, what became of it."""

    name: str
    workflow: Workflow
    told: Told | None


def diff(console: Console, *, a: str | None, b: str | None, output: str | None) -> int:
    """Say what differs."""
    if a is None or b is None:
        raise UsageError("name the two that are to be compared", "such as: magent diff old.yaml workflow.yaml")
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    first, second = (_side(console, each) for each in (a, b))
    sections = files.compare(first.workflow, second.workflow)
    found = None
    if first.told is not None and second.told is not None:
        found = runs.compare(first.told, second.told)
    same = not sections if found is None else found.same and not sections
    if form == "json":
        console.result(dump(_as_json(first, second, sections, found, same)))
    elif same and found is None:
        console.say(f"{first.name} and {second.name} are the same workflow")
    else:
        sheet = Sheet(console)
        if found is not None:
            _runs(sheet, found, console.settings.verbose)
        for section in sections:
            _section(sheet, section, console.settings.verbose, of_runs=found is not None)
        sheet.print()
    return 0 if same else 1


def _as_json(
    first: _Side, second: _Side, sections: Sequence[Section], found: Compared | None, same: bool
) -> dict[str, Any]:
    head = {"a": first.name, "b": second.name, "same": same}
    shown = head | {"workflow": [section.as_json() for section in sections]}
    return shown if found is None else shown | {"runs": found.as_json()}


def _side(console: Console, text: str) -> _Side:
    """A file where there is one of this name, or it is named like one, else a run."""
    path = Path(text)
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return _Side(text, loading.read(text).workflow, None)
    if path.is_dir():
        raise UsageError(f"{text} is a directory", "name a workflow file in it, or a run")
    return asyncio.run(_run(settings.open_store(console.settings.store), text))


async def _run(store: RunStore, text: str) -> _Side:
    run_id = await store.resolve(text)
    story = await records.story(store, run_id)
    record = await store.read(run_id, checkpoint=False)
    check_kept(record)
    with looked_at(record):
        workflow = workflow_of(record)
        return _Side(run_id, workflow, runs.told_of(story.shown, workflow, record.events))


# ---- of workflows


def _section(sheet: Sheet, section: Section, everything: bool, *, of_runs: bool) -> None:
    place = f" of {section.place}" if section.place else ""
    sheet.title(f"{'Workflow: ' if of_runs else ''}{section.title}{place}")
    for item in section.items:
        _item(sheet, item, everything)


def _item(sheet: Sheet, item: Item, everything: bool) -> None:
    sign, style = _SIGNS[item.what]
    name = item.name if item.was is None else f"{item.was} is renamed to {item.name}"
    sheet.item(f"{sign} {name}", indent=2, style=style)
    for change in item.changes:
        _change(sheet, change, everything, indent=6)


def _change(sheet: Sheet, change: Change, everything: bool, *, indent: int) -> None:
    sign, style = _SIGNS[change.what]
    name = f"{change.path}: " if change.path else ""
    before, after = change.before, change.after
    texts = isinstance(before, str) and isinstance(after, str)
    if change.what == "change" and texts and (max(len(before), len(after)) > _LONG or "\n" in before + after):
        sheet.item(f"{sign} {change.path or 'the text'}:", indent=indent, style=style)
        _text(sheet, before, after, everything, indent + 4)
        return
    values = [value for value, absent in ((before, "add"), (after, "remove")) if change.what != absent]
    said = " → ".join(_json(value) if everything else short(value) for value in values)
    sheet.item(f"{sign} {name}{said}", indent=indent, style=style)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _text(sheet: Sheet, before: str, after: str, everything: bool, indent: int) -> None:
    """The lines of a text that differ, with a few around them."""
    lines = list(_lines(before, after))
    shown = lines if everything else lines[:_MOST_LINES]
    for line in shown:
        style = {"+": "green", "-": "red"}.get(line[:1], "dim")
        sheet.text(line, indent=indent, style=style)
    if len(shown) < len(lines):
        sheet.text(f"… {len(lines) - len(shown):,} more lines (-v)", indent=indent, style="dim")


def _lines(before: str, after: str) -> Iterator[str]:
    old, new = before.split("\n"), after.split("\n")
    for line in difflib.unified_diff(old, new, lineterm="", n=_AROUND):
        if line.startswith("@@"):
            yield "…"
        elif not line.startswith(("--- ", "+++ ")) or line[4:].strip():
            yield f"{line[:1]} {line[1:]}"


# ---- of runs


def _runs(sheet: Sheet, found: Compared, everything: bool) -> None:
    first, second = found.first, found.second
    sheet.title("Runs")
    for name, told in (("A", first), ("B", second)):
        sheet.line(f"  {name}  ", told.run_id, whole=True)
    sheet.blank()
    sheet.table(_COMPARED, list(_facts(sheet, first, second)), indent=2 if sheet.signs else 0)
    _used(sheet, first, second, everything)
    _errors(sheet, first, second)
    if found.same:
        sheet.blank()
        sheet.text("they went the same way and came to the same results", indent=0)
        return
    _changes(sheet, "Inputs", found.inputs, everything)
    if found.divergence is not None:
        _divergence(sheet, found.divergence, everything)
    _path(sheet, found, everything)
    _changes(sheet, "Outputs", found.outputs, everything)


def _facts(sheet: Sheet, first: Told, second: Told) -> Iterator[Sequence[Cell]]:
    yield ("status", sheet.status(first.status), sheet.status(second.status), "")
    times = [durations.show(each.duration) for each in (first, second)]
    apart = abs(first.duration - second.duration) >= _LEAST
    yield ("worked", *times, _share(first.duration, second.duration) if apart else "")
    yield ("steps", f"{first.steps:,}", f"{second.steps:,}", _more(first.steps, second.steps))
    tokens = [progress.total(each.tokens) for each in (first, second)]
    if any(tokens):
        yield ("tokens", *(f"{count:,}" for count in tokens), _more(*tokens))
    if first.cost != 0 or second.cost != 0:
        costs = ["unknown" if each.cost is None else progress.dollars(each.cost) for each in (first, second)]
        yield ("cost", *costs, _share(first.cost, second.cost))


def _used(sheet: Sheet, first: Told, second: Told, everything: bool) -> None:
    """What agents and nodes used, of many those that differ most."""
    for title, kind in (("Agents", "agent"), ("Nodes", "node")):
        ones, others = (
            {getattr(each, kind): each.spent for each in getattr(told.used, f"{kind}s")} for told in (first, second)
        )
        pairs = [(name, ones.get(name, Spent()), others.get(name, Spent())) for name in {**ones, **others}]
        pairs = [pair for pair in pairs if _total(pair[1]) or _total(pair[2])]
        if not pairs:
            continue
        few = pairs if everything else sorted(pairs, key=lambda pair: -abs(_total(pair[2]) - _total(pair[1])))[:_MOST]
        sheet.title(title)
        columns = _USED if any(_dollars(each) for pair in few for each in pair[1:]) else _USED[:4]
        sheet.table(columns, [_used_row(*pair)[: len(columns)] for pair in few], indent=2 if sheet.signs else 0)
        if len(few) < len(pairs):
            sheet.text(f"… {len(pairs) - len(few):,} more (-v)", style="dim")


def _used_row(name: str, one: Spent, other: Spent) -> Sequence[Cell]:
    before, after = _total(one), _total(other)
    return (name, f"{before:,}", f"{after:,}", _more(before, after), _dollars(one), _dollars(other))


def _total(spent: Spent) -> int:
    return spent.input + spent.output


def _dollars(spent: Spent) -> str:
    return "unknown" if spent.unknown else progress.dollars(spent.cost) if spent.cost else ""


def _errors(sheet: Sheet, first: Told, second: Told) -> None:
    """Beneath the table, whose columns they would blow up."""
    if not first.error and not second.error:
        return
    sheet.title("Errors")
    said = [_error(each.error) for each in (first, second)]
    for name, error in [("both", said[0])] if said[0] == said[1] else zip("AB", said, strict=True):
        sheet.item(f"{name}: {error}", indent=2)


def _error(error: Mapping[str, Any] | None) -> str:
    if not error:
        return "none"
    place = f" at {error['node']}" if error.get("node") else ""
    return f"{error.get('type')}{place}: {error.get('message')}"


def _more(before: int, after: int) -> Part:
    return Part(f"{after - before:+,}" if after != before else "", "dim")


def _share(before: float | None, after: float | None) -> Part:
    if not before or after is None or abs(after - before) < 0.005 * before:
        return Part("")
    return Part(f"{(after - before) / before:+.0%}", "dim")


def _changes(sheet: Sheet, title: str, changes: Sequence[Change], everything: bool) -> None:
    if changes:
        sheet.title(title)
    shown = changes if everything else changes[:_MOST]
    for change in shown:
        _change(sheet, change, everything, indent=2)
    if len(shown) < len(changes):
        sheet.text(f"… {len(changes) - len(shown):,} more (-v)", style="dim")


def _divergence(sheet: Sheet, found: Divergence, everything: bool) -> None:
    number = f"#{found.visit}" if found.visit > 1 else ""
    sheet.title("Where they part")
    sheet.item(f"{found.path}{number}: {found.why}")
    for change in found.changes if everything else found.changes[:_MOST]:
        _change(sheet, change, everything, indent=4)
    if found.kind == "decision":
        for name, told in (("A", found.first), ("B", found.second)):
            for line in _seen(told):
                sheet.item(f"{name}  {line}", indent=4, style="dim")


def _seen(told: Explained | None) -> Iterator[str]:
    """What a visit's conditions saw, as far as they decided."""
    if told is None:
        return
    for way in told.ways:
        if way.state in ("taken", "refused") and way.test is not None:
            yield f"{way.to or 'the end'} when {way.test.source}: {way.why}{_values(way.test)}"
        elif way.state == "taken":
            yield f"{way.to or 'the end'}: {way.why}"
    if told.switch is not None:
        yield f"switch {told.switch.source} gave {short(told.switched)}"
    if told.rounds and (last := told.rounds[-1]).test is not None:
        yield f"after {last.index:,} rounds: {last.why}{_values(last.test)}"
    yield from (f"branch {each.to}: {each.test.source}{_values(each.test)}" for each in told.branches if each.test)
    yield from (f"role {each.get('role')}" for each in told.decisions)


def _values(asked: Test) -> str:
    values = ", ".join(f"{name} = {short(value)}" for name, value in asked.values.items())
    return f" ({values})" if values else ""


def _path(sheet: Sheet, found: Compared, everything: bool) -> None:
    if not (found.path or found.results):
        return
    sheet.title("Path")
    few = found.path if everything else found.path[:_MOST]
    for sign, visit in few:
        sheet.item(f"{sign} {visit.removesuffix('#1')}", indent=2, style="green" if sign == "+" else "red")
    if len(few) < len(found.path):
        sheet.text(f"… {len(found.path) - len(few):,} more visits (-v)", style="dim")
    if found.results:
        names = found.results if everything else found.results[:_MOST]
        more = f" and {len(found.results) - len(names):,} more" if len(names) < len(found.results) else ""
        shown = ", ".join(name.removesuffix("#1") for name in names)
        sheet.item(f"~ other results: {shown}{more}", indent=2, style="yellow")
