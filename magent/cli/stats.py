"""`magent stats`: what runs came to, by workflow, node and agent; how people are asked, and how they answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from magent import asking, durations, figures, settings
from magent.asking import Asking, Tally
from magent.cli import flags, progress
from magent.cli.console import Console, dump
from magent.cli.tables import Cell, Column, Part, Sheet
from magent.figures import Figures, OfAgent, OfNode, OfWorkflow, Spent
from magent.ports import RunStore

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


_WORKFLOWS = (
    Column("WORKFLOW", least=12),
    Column("RUNS", right=True),
    Column("WELL", right=True),
    Column("MEDIAN", rank=1, right=True),
    Column("95%", rank=3, right=True),
    Column("TOKENS", rank=4, right=True),
    Column("COST", rank=2, right=True),
)
_NODES = (
    Column("NODE", least=12),
    Column("WORKFLOW", least=12, rank=5),
    Column("VISITS", right=True),
    Column("FAILED", rank=1, right=True),
    Column("RETRIES", rank=3, right=True),
    Column("MEDIAN", rank=2, right=True),
    Column("95%", rank=4, right=True),
    Column("TOKENS", rank=7, right=True),
    Column("COST", rank=6, right=True),
)
_AGENTS = (
    Column("AGENT", least=12),
    Column("CALLS", right=True),
    Column("FAILED", rank=1, right=True),
    Column("FALLBACKS", rank=4, right=True),
    Column("MEDIAN", rank=2, right=True),
    Column("TOKENS", rank=5, right=True),
    Column("COST", rank=3, right=True),
)
_MOST_NODES = 30  # where not all are asked for


def stats(console: Console, *, workflow: str | None, since: str | None, output: str | None) -> int:
    """Say what runs came to, and how people were asked and answered."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    begun = flags.moment("--since", since)
    store = settings.open_store(console.settings.store)
    found, asked = asyncio.run(_read(store, workflow, begun, console))
    tallies = asking.tally(asked)
    if form == "json":
        console.result(dump({**found.as_json(), "human_input": [each.as_json() for each in tallies]}))
        return 0
    sheet = Sheet(console)
    _figures(sheet, found, console.settings.verbose)
    if tallies:
        _title(sheet, "Human input", _COLUMNS, [_row(each) for each in tallies])
    sheet.print()
    if not tallies:
        console.told("nobody was asked anything" + (" since then" if since else ""))
    elif sheet.signs and not console.settings.quiet:
        console.suggest(console.command("respond", "--history"), "shows every answer")
    return 0


async def _read(
    store: RunStore, workflow: str | None, since: float, console: Console
) -> tuple[Figures, Sequence[Asking]]:
    def told(why: str) -> None:
        console.told(f"magent: {why}")

    found = await figures.figures(store, workflow=workflow, since=since, told=told)
    return found, await asking.askings(store, workflow=workflow, since=since)


def _title(sheet: Sheet, title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    sheet.title(title)
    sheet.table(columns, rows, indent=2 if sheet.signs else 0)


def _figures(sheet: Sheet, found: Figures, everything: bool) -> None:
    if not found.workflows:
        return
    several = len(found.workflows) > 1
    _title(sheet, "Runs", _WORKFLOWS, [_workflow(each) for each in found.workflows])
    nodes = found.nodes
    few = nodes if everything else _busiest(nodes)
    if few:
        _title(sheet, "Nodes", _NODES, [_node(each, several) for each in few])
    if len(few) < len(nodes):
        sheet.text(f"… {len(nodes) - len(few):,} more nodes (-v)", style="dim")
    if found.agents:
        _title(sheet, "Agents", _AGENTS, [_agent(each) for each in found.agents])


def _busiest(nodes: Sequence[OfNode]) -> Sequence[OfNode]:
    """Of many nodes those at which most time went by."""
    if len(nodes) <= _MOST_NODES:
        return nodes
    times = sorted((-sum(each.times), at) for at, each in enumerate(nodes))[:_MOST_NODES]
    return [nodes[at] for _, at in sorted(times, key=lambda each: each[1])]


def _workflow(of: OfWorkflow) -> Sequence[Cell]:
    rate = "" if of.success_rate is None else f"{of.success_rate:.0%}"
    style = "" if of.success_rate in (None, 1.0) else "yellow"
    return (of.workflow, f"{of.runs:,}", Part(rate, style), *_spread(of.times), *_spent(of.spent))


def _node(of: OfNode, several: bool) -> Sequence[Cell]:
    failed, retried = Part(_count(of.failures), "red"), Part(_count(of.retries), "yellow")
    return (
        of.node,
        of.workflow if several else "",
        f"{of.visits:,}",
        failed,
        retried,
        *_spread(of.times),
        *_spent(of.spent),
    )


def _agent(of: OfAgent) -> Sequence[Cell]:
    failed, passed = Part(_count(of.failures), "red"), Part(_count(of.fallbacks), "yellow")
    return (of.agent, f"{of.calls:,}", failed, passed, _spread(of.times)[0], *_spent(of.spent))


def _count(count: int) -> str:
    return f"{count:,}" if count else ""


def _spread(times: Sequence[float]) -> tuple[Cell, Cell]:
    median, p95 = asking.spread(times)
    return _time(median), _time(p95)


def _time(seconds: float | None) -> Part:
    return Part("" if seconds is None else durations.show(seconds))


def _spent(spent: Spent) -> tuple[Cell, Cell]:
    tokens = spent.input + spent.output
    cost = "unknown" if spent.unknown else progress.dollars(spent.cost) if spent.cost else ""
    return Part(_count(tokens), "dim"), Part(cost, "dim")


def _row(tally: Tally) -> Sequence[Cell]:
    times = [_time(tally.median), _time(tally.p95)]
    rate = "" if tally.approval_rate is None else f"{tally.approval_rate:.0%}"
    late = Part(str(tally.timeouts or ""), "yellow")
    return (tally.input, str(tally.asked), str(tally.answered or ""), str(tally.open or ""), late, *times, rate)
