"""`magent stats`: how people are asked, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from magent import asking, durations, settings
from magent.asking import Tally
from magent.cli import flags
from magent.cli.console import Console, dump
from magent.cli.tables import Cell, Column, Part, Sheet

OUTPUTS = ("text", "json")
_COLUMNS = (
    Column("KIND"),
    Column("ASKED", right=True),
    Column("ANSWERED", rank=3, right=True),
    Column("OPEN", rank=2, right=True),
    Column("TIMED OUT", rank=4, right=True),
    Column("MEDIAN", rank=1, right=True),
    Column("95%", rank=5, right=True),
    Column("APPROVED", right=True),
)


def stats(console: Console, *, workflow: str | None, since: str | None, output: str | None) -> int:
    """Say how people were asked and answered."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    begun = flags.moment("--since", since)
    store = settings.open_store(console.settings.store)
    found = asyncio.run(
        asking.askings(store, workflow=workflow, since=begun, told=lambda why: console.hint(f"magent: {why}"))
    )
    tallies = asking.tally(found)
    if form == "json":
        console.result(dump({"human_input": [each.as_json() for each in tallies]}))
    elif tallies:
        sheet = Sheet(console)
        sheet.title("Human input")
        sheet.table(_COLUMNS, [_row(each) for each in tallies], indent=2 if sheet.signs else 0)
        sheet.print()
        if sheet.signs and not console.settings.quiet:
            console.suggest(console.command("respond", "--history"), "shows every answer")
    else:
        console.told("nobody was asked anything" + (" since then" if since else ""))
    return 0


def _row(tally: Tally) -> Sequence[Cell]:
    times = [Part("" if each is None else durations.show(each)) for each in (tally.median, tally.p95)]
    rate = "" if tally.approval_rate is None else f"{tally.approval_rate:.0%}"
    late = Part(str(tally.timeouts or ""), "yellow")
    return (tally.input, str(tally.asked), str(tally.answered or ""), str(tally.open or ""), late, *times, rate)
