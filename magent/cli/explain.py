"""`magent explain`: why a run took the edges and the roles that it took, with the values that were seen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from magent import explained, settings
from magent.cli import flags
from magent.cli.console import Console, dump
from magent.cli.tables import STATUSES, Part, Sheet
from magent.engine.route import short
from magent.errors import UsageError
from magent.events import Event
from magent.explained import Explained, Round, Test, Way
from magent.loading import looked_at, workflow_of
from magent.ports import RunStore
from magent.source import did_you_mean

OUTPUTS = ("text", "json")
_INDENT = 7
_FEW = 6  # visits of a node that are told one by one, be there more of them
_MOST_BAD = 25
_ROUNDS = 3  # of a loop, at its beginning and at its end
_CANDIDATES = 5
_STEPS = re.compile(r"\[\d+\]")
_STATES = {
    "taken": ("✔", "taken", "green"),
    "refused": ("✘", "refused", ""),
    "failed": ("✘", "failed", "red"),
    "passed": ("·", "passed", "dim"),
    "open": ("?", "open", "yellow"),
}


class _Read(NamedTuple):
    run_id: str
    workflow: str
    status: str
    visits: list[Explained]
    forked: Event | None
    error: Mapping[str, Any] | None


def explain(console: Console, *, id: str, node: str | None, output: str | None) -> int:
    """Say why a run went as it did."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    found = asyncio.run(_read(settings.open_store(console.settings.store), id))
    shown = [each for each in found.visits if node is None or node in _names(each)]
    if node is not None and not shown:
        known = {name for each in found.visits for name in (each.node, each.path)}
        hint = did_you_mean(node, known) or f"magent explain {found.run_id}   tells every visit"
        raise UsageError(f"run {found.run_id} has not come to '{node}'", hint)
    if form == "json":
        head = {"run_id": found.run_id, "workflow": found.workflow, "status": found.status, "error": found.error}
        console.result(dump(head | {"visits": [each.as_json() for each in shown]}))
        return 0
    sheet = Sheet(console)
    _head(sheet, found)
    _show(sheet, shown, everything=console.settings.verbose, named=node is not None)
    _end(sheet, found)
    sheet.print()
    return 0


async def _read(store: RunStore, id: str) -> _Read:
    run_id = await store.resolve(id)
    record = await store.read(run_id, checkpoint=False)
    status = (await store.info(run_id)).status
    with looked_at(record):
        workflow = workflow_of(record)
        reader = explained.Reader(workflow, run_id)
        forked = None
        for event in record.events:
            forked = event if event.type == "run.forked" else forked
            reader.take(event)
        visits = reader.finish()
    for each in visits:
        if each.status == "running" and status not in ("running", "waiting"):
            each.status = "interrupted" if status != "cancelled" else "cancelled"
    failure = reader.run.failure
    return _Read(run_id, workflow.name, status, visits, forked, None if failure is None else failure.as_json())


def _names(told: Explained) -> tuple[str, ...]:
    """By what a visit is meant: its node's name, its address, or `draft#2`."""
    return told.node, told.path, f"{told.node}#{told.visit}", f"{told.path}#{told.visit}"


# ---- the run


def _head(sheet: Sheet, found: _Read) -> None:
    status = sheet.status(found.status)
    sheet.heading(
        Part(status.text, f"bold {status.style}".strip()), "  ", Part(found.workflow, "bold"), id=found.run_id
    )
    if found.forked is not None:
        parent, seq = found.forked.data.get("parent", ""), found.forked.seq
        sheet.text(f"forked from run {parent}: what stands before event {seq} was taken over", indent=0, style="dim")
    sheet.blank()


def _end(sheet: Sheet, found: _Read) -> None:
    if found.error:
        error = found.error
        place = f" at {error['node']}" if error.get("node") else ""
        sheet.title(f"The run is {found.status}")
        told = f"{error.get('type', 'error')}{place}: {error.get('message', '')}"
        sheet.item(told, style="red")
    if not found.visits:
        sheet.text("nothing was visited yet", indent=0)


def _show(sheet: Sheet, visits: Sequence[Explained], *, everything: bool, named: bool) -> None:
    told = visits if everything or (named and len(visits) <= _FEW) else list(_few(visits))
    for each in told:
        _visit(sheet, each, everything)
    left = len(visits) - len(told)
    if left:
        sheet.blank()
        sheet.text(f"… {left:,} more visits of the same nodes (-v, or name one: each[3]/check, check#2)", style="dim")


def _few(visits: Sequence[Explained]) -> Iterator[Explained]:
    """Of many visits of a node the first ones, and those that failed or are not over."""
    seen: dict[str, int] = {}
    bad = 0
    for each in visits:
        name = _STEPS.sub("", each.path)
        seen[name] = seen.get(name, 0) + 1
        odd = each.status not in ("completed", "skipped")
        bad += odd
        if seen[name] <= _FEW or (odd and bad <= _MOST_BAD):
            yield each


# ---- a visit


def _visit(sheet: Sheet, told: Explained, everything: bool) -> None:
    number = f"#{told.visit}" if told.visit > 1 else ""
    sign, style = STATUSES.get(told.status, ("·", ""))
    lead = f"{told.seq:>5}  {sign} " if sheet.signs else f"{told.seq:>5}  "
    goes = f" → {told.next}" if told.next else ""
    word = "" if told.status == "completed" else f"  {told.status}"
    beside = "" if told.chose else f"  {told.ways[0].why}" if told.ways else ""
    sheet.line(
        Part(lead, style or "dim"), Part(f"{told.path}{number}", "bold"), goes, Part(word, style), Part(beside, "dim")
    )
    if told.when is not None:
        _tell(sheet, f"when {_asked(told.when, everything)}", "" if told.when.held else "yellow")
    for branch in told.branches:
        _sign(sheet, "taken" if branch.taken else "refused", f"branch {branch.to}", branch.test, everything)
    for decision in told.decisions:
        _decision(sheet, decision, everything)
    _rounds(sheet, told.rounds, everything)
    for note in told.notes:
        _tell(sheet, note, "dim")
    if told.error is not None:
        _tell(sheet, _error(told), "red")
    if told.switch is not None:
        gave = "" if told.switch.error else f" gave {short(told.switched)}"
        values = f": {_values(told.switch, everything)}" if told.switch.values else ""
        _tell(
            sheet,
            f"switch {told.switch.source}{gave}{values}{f' ({told.switch.error})' if told.switch.error else ''}",
            "",
        )
    for way in told.missed if any(way.state != "passed" for way in told.missed) else ():
        _way(sheet, way, everything)
    if told.on_error is not None:
        _tell(sheet, told.on_error, "dim")
    for way in told.ways if told.chose else ():
        _way(sheet, way, everything)


def _error(told: Explained) -> str:
    """Of one that says why no edge holds the beginning, where the edges tell the rest."""
    assert told.error is not None
    kind, message = told.error.get("type", "error"), str(told.error.get("message", ""))
    head = message.partition(" holds: ")[0]
    return f"{kind}: {head} holds" if kind == "no_route" and told.exact and head != message else f"{kind}: {message}"


def _tell(sheet: Sheet, text: str, style: str) -> None:
    sheet.item(text, indent=_INDENT, style=style)


def _sign(sheet: Sheet, state: str, text: str, asked: Test | None, everything: bool) -> None:
    sign, word, style = _STATES[state]
    beside = f": {_asked(asked, everything)}" if asked is not None else ""
    _tell(sheet, f"{sign if sheet.signs else word} {text}{beside}", style)


def _way(sheet: Sheet, way: Way, everything: bool) -> None:
    kind = "loop_back " if way.kind == "loop_back" else f"case {way.case} → " if way.case is not None else ""
    asked = way.test
    condition = f" when {asked.source}" if asked is not None else ""
    values = f": {_values(asked, everything)}" if asked is not None and asked.values else ""
    error = f" ({asked.error})" if asked is not None and asked.error and asked.error != way.why else ""
    why = f" — {way.why}" if way.why else ""
    sign, word, style = _STATES[way.state]
    text = f"{sign if sheet.signs else word} {kind}{way.to or 'the end'}{condition}{why}{values}{error}"
    _tell(sheet, text, style)


def _asked(asked: Test, everything: bool) -> str:
    held = {True: "holds", False: "does not hold", None: ""}[asked.held]
    facts = [f" — {held}"] if held else []
    facts += [f": {_values(asked, everything)}"] if asked.values else []
    facts += [f" ({asked.error})"] if asked.error else []
    return asked.source + "".join(facts)


def _values(asked: Test, everything: bool) -> str:
    shown = [
        f"{name} = {dump(value, indent=None) if everything else short(value)}" for name, value in asked.values.items()
    ]
    return ", ".join(shown)


def _rounds(sheet: Sheet, rounds: Sequence[Round], everything: bool) -> None:
    whole = everything or len(rounds) <= 2 * _ROUNDS + 1
    for at, each in enumerate(rounds):
        if not whole and _ROUNDS <= at < len(rounds) - _ROUNDS:
            if at == _ROUNDS:
                _tell(sheet, f"… {len(rounds) - 2 * _ROUNDS:,} more rounds (-v)", "dim")
            continue
        lead = f"round [{each.index}] begins" if each.goes_on else f"ends after {each.index:,} rounds"
        lead = lead.replace(" 1 rounds", " 1 round")
        values = f": {_values(each.test, everything)}" if each.test is not None and each.test.values else ""
        source = f" (`{each.test.source}`)" if each.test is not None else ""
        error = f" ({each.test.error})" if each.test is not None and each.test.error else ""
        _tell(sheet, f"{lead}: {each.why}{source}{values}{error}", "")


def _decision(sheet: Sheet, told: Mapping[str, Any], everything: bool) -> None:
    found = told["decision"]
    candidates = found.get("candidates") or []
    what = (
        (f"route led to role {told['role']}" if told["role"] else "route led to no role")
        if told["what"] == "route"
        else f"{told['by']} delegated to {told['role']}"
    )
    agent = f" (agent {told['agent']})" if told.get("agent") else ""
    asked = f": {short(told['task'])}" if told.get("task") else ""
    _tell(sheet, f"{what}{agent}{asked}", "bold")
    for each in candidates if everything else candidates[:_CANDIDATES]:
        state = "taken" if each.get("role") == told["role"] else "passed" if each.get("fits") else "refused"
        reasons = "; ".join(map(str, each.get("reasons") or ()))
        _sign(sheet, state, f"{each.get('role')} {float(each.get('score') or 0):.2f} — {reasons}", None, everything)
    if not everything and len(candidates) > _CANDIDATES:
        _tell(sheet, f"… {len(candidates) - _CANDIDATES:,} more candidates (-v)", "dim")
