"""`magent runs history`: the state of a run, step by step, as a difference."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from magent import cells, history, plain, settings
from magent.cli import flags
from magent.cli.console import Console, dump
from magent.cli.tables import Part, Sheet
from magent.errors import UsageError
from magent.history import Change, Step
from magent.loading import looked_at, workflow_of
from magent.ports import RunStore
from magent.source import did_you_mean

OUTPUTS = ("text", "json")
_LONGEST = 160  # characters of a value, where not all is asked for
_MOST = 12  # changes of a step
_AS_TOLD = "…"  # stands for a value that the same step tells
_DATA = re.compile(r"\.data(?=$|[.\[])")
_KEY = re.compile(r"[.\[]")  # what follows the name of a key in a path
_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}


def history_of(console: Console, *, id: str, node: str | None, since: str | None, output: str | None) -> int:
    """Show the state of a run, step by step."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    first = flags.whole("--since", since) or 0
    store = settings.open_store(console.settings.store)
    run_id, steps = asyncio.run(_steps(store, id))
    shown = [step for step in steps if step.seq >= first and node in (None, step.node, step.path)]
    if not shown:
        _known(run_id, steps, node)
    if form == "json":
        console.result(dump([step.as_json() for step in shown]))
        return 0
    if not shown:
        console.hint(f"run {run_id} has written nothing {'yet' if since is None else f'since event {since}'}")
        return 0
    sheet = Sheet(console)
    for step in shown:
        _show(sheet, step, everything=console.settings.verbose)
    sheet.print()
    return 0


async def _steps(store: RunStore, id: str) -> tuple[str, list[Step]]:
    run_id = await store.resolve(id)
    record = await store.read(run_id, checkpoint=False)
    with looked_at(record):
        return run_id, list(history.steps(workflow_of(record), record.events, run_id))


def _known(run_id: str, steps: Iterable[Step], node: str | None) -> None:
    """Raises UsageError, with the nearest, where the run has no such node."""
    known = {name for step in steps for name in (step.node, step.path) if name}
    if node is not None and node not in known:
        raise UsageError(f"nothing that '{node}' wrote is in run {run_id}", did_you_mean(node, known))


def _show(sheet: Sheet, step: Step, *, everything: bool) -> None:
    clock = time.strftime("%H:%M:%S", time.localtime(step.time))
    name = "the run begins" if step.status == "begins" else step.path
    number = f"#{step.visit}" if step.visit > 1 else ""
    facts = [step.scope and f"in {step.scope}", step.status if step.status == "failed" else ""]
    beside = ", ".join(fact for fact in facts if fact)
    lead, where = f"{step.seq:>5}  {clock}  ", f"  {beside}" if beside else ""
    fits = sheet.width is None or cells.width(lead + name + number + where) <= sheet.width
    sheet.line(Part(lead, "dim"), Part(name + number, "bold"), Part(where if fits else "", "dim"))
    if not fits:
        sheet.text(beside, indent=7, style="dim")
    told = step.changes if everything else _once(step)
    changes = told if everything else told[:_MOST]
    for change in changes:
        _change(sheet, change, everything, step.reducers.get(_KEY.split(change.path, maxsplit=1)[0], ""))
    if len(changes) < len(told):
        sheet.line("       ", Part(f"… {len(told) - len(changes):,} more (-v)", "dim"))
    if not step.changes and step.status != "begins":
        sheet.line("       ", Part("changes nothing", "dim"))


def _once(step: Step) -> list[Change]:
    """The changes, each told once: not what a command printed beside what that was parsed to, and of what a node took
    over from its branches only whose outputs they are."""
    parsed = {f"{path[: found.start()]}.stdout" for _, path, *_ in step.changes for found in _DATA.finditer(path)}
    by_path = {change.path: change for change in step.changes}
    told = []
    for change in step.changes:
        inner = by_path.get(change.path.removeprefix(f"{step.node}."))
        if change.path in parsed or (inner is not None and inner is not change and inner[2:] == change[2:]):
            continue
        told.append(_taken_over(change, step, by_path))
    return told


def _taken_over(change: Change, step: Step, by_path: Mapping[str, Change]) -> Change:
    """The outputs of branches that are told as changes of their own are not told again."""
    if change.path != step.node or not isinstance(change.after, dict):
        return change
    own = {name: by_path[name].after for name in change.after if name in by_path and name != step.node}
    after = {name: _AS_TOLD if name in own and own[name] == value else value for name, value in change.after.items()}
    return change._replace(after=after)


def _change(sheet: Sheet, change: Change, everything: bool, reducer: str) -> None:
    sign, style = _SIGNS[change.what]
    name = change.path + (f" ({reducer})" if reducer else "")
    values = [value for value, absent in ((change.before, "add"), (change.after, "remove")) if change.what != absent]
    if everything:
        said = " → ".join(_whole(value) for value in values)
        sheet.text(f"{sign} {name}: {said}", indent=7, style=style)
        return
    room = None if sheet.width is None else max(10, sheet.width - 12 - len(name))
    most = _LONGEST if room is None else min(_LONGEST, (room - 3 * (len(values) - 1)) // len(values))
    said = " → ".join(_brief(value, most) for value in _apart(values, most))
    sheet.line("       ", Part(f"{sign} {name}: ", style), said)


def _apart(values: list[Any], most: int) -> list[Any]:
    """Of two long texts that begin alike, what they differ in."""
    if len(values) < 2 or not all(isinstance(value, str) for value in values) or max(map(len, values)) <= most:
        return values
    before, after = values
    pairs = enumerate(zip(before, after, strict=False))
    alike = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    skipped = alike - most // 4
    return [f"…{text[skipped:]}" for text in values] if skipped > 0 else values


def _whole(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _brief(value: Any, most: int) -> str:
    text = _json(value, 4 * _LONGEST)
    return text if len(text) <= most else f"{text[: max(1, most - 1)]}…"


def _json(value: Any, enough: int) -> str:
    """The beginning of the value as JSON; of something big no more is written than is shown."""
    if isinstance(value, str):
        return json.dumps(value[:enough], ensure_ascii=False)
    if isinstance(value, Sequence) and len(value) > enough:
        value = value[:enough]
    return json.dumps(plain.lean(value), ensure_ascii=False, default=str)
