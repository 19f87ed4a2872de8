"""`magent trace`: what a run spent its time, its tokens and its money on, as a tree with time bars; as JSON; for
Perfetto; sent to a collector."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from magent import cells, durations, settings, telemetry, traces
from magent.cli import flags, progress, results, trace_rows
from magent.cli.console import Console, dump
from magent.cli.tables import STATUSES, Cell, Column, Part, Sheet, ago, local
from magent.cli.trace_rows import Row
from magent.errors import MagentError, UsageError
from magent.keys import GUARD
from magent.ports import RunStore
from magent.spans.chrome import chrome as chrome_of
from magent.traces import Traced
from magent.tracing.address import Address
from magent.tracing.otlp import SendFailed

OUTPUTS = ("text", "json")
WIDTH = 80  # where there is no window
_TOLD = 1.0  # seconds in which nobody drove it, from which on they are told
_LEAST_NAME, _MOST_NAME, _LEAST_BAR = 20, 44, 10
_BARS = {True: "█░▏┊", False: "#-|:"}  # on the critical path, beside it, what took no time to speak of, a gap


def trace(console: Console, *, id: str, output: str | None, chrome: bool, file: str | None, otlp: str | None) -> int:
    """Show what a run spent its time on."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if (output is not None) + chrome + (otlp is not None) > 1:
        raise UsageError("--output, --chrome and --otlp exclude each other")
    if file is not None and not chrome:
        raise UsageError("-o names the file of --chrome", f"magent trace {id} --chrome -o {file}")
    place = None if otlp is None else telemetry.named(otlp)
    store = settings.open_store(console.settings.store)
    prompts = chrome or otlp is not None or form == "json"
    found = asyncio.run(_read(store, id, prompts=prompts))
    if place is not None:
        _send(console, found, place)
    elif chrome:
        _write(console, found, file)
    elif form == "json":
        console.result(dump(found.as_json()))
    else:
        _show(console, found)
    return 0


async def _read(store: RunStore, id: str, *, prompts: bool) -> Traced:
    return await traces.traced(store, await store.resolve(id), prompts=prompts)


# ---- to a collector


def _send(console: Console, found: Traced, place: Address) -> None:
    """What is over of the run; as it is sent again, so often it is the same. Raises MagentError where it is not
    taken."""
    try:
        sent = telemetry.send(found.trace, found.finished, place)
    except SendFailed as error:
        hint = "does it listen there? OTEL_EXPORTER_OTLP_HEADERS holds its key, …_TIMEOUT the seconds that it may take"
        raise MagentError(f"{place.shown} did not take them: {error.message}", hint) from error
    spans = "1 span" if sent == 1 else f"{sent:,} spans"
    console.say(f"{spans} of run {found.run_id} were sent to {place.shown}")
    left = len(found.spans) - sent
    if left:
        console.say(f"{left:,} more are not over yet")
    console.result(found.trace.id)


# ---- for Perfetto


def _write(console: Console, found: Traced, file: str | None) -> None:
    title = f"{found.workflow.name} {found.run_id}"
    data = dump(chrome_of(found.spans, title, found.critical, found.now), indent=None)
    if file is None:
        console.result(data)
        return
    try:
        Path(file).write_text(GUARD.hide(data) + "\n", "utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"-o {file} cannot be written: {error.strerror or error}") from error
    console.say(f"{file} is written; open it at https://ui.perfetto.dev, or in chrome://tracing")


# ---- as a tree


def _show(console: Console, found: Traced) -> None:
    sheet = Sheet(console)
    status = sheet.status(found.status)
    name = Part(found.workflow.name, "bold")
    sheet.heading(Part(status.text, f"bold {status.style}".strip()), "  ", name, id=found.run_id)
    tokens, cost = found.totals()
    begun = local(found.begun) + (f" ({ago(found.begun)})" if sheet.signs else "")
    visits = sum(span.kind == "visit" for span in found.spans)
    axis = Axis(found)
    whole = f" ({durations.show(found.now - found.begun)} with gaps)" if axis.idle >= _TOLD else ""
    facts = [f"begun {begun}", f"took {durations.show(axis.length)}{whole}"]
    facts += [f"{visits:,} visit{'' if visits == 1 else 's'}"]
    sheet.facts(facts)
    sheet.facts([f"trace {found.trace.id}", *results.spent({"input": tokens[0], "output": tokens[1]}, cost)])
    bars = _BARS[console.unicode]
    for line in _around(found):
        sheet.text(line, indent=0, style="dim")
    sheet.blank()
    _table(sheet, trace_rows.rows(found, everything=console.settings.verbose), axis, bars)
    sheet.blank()
    legend = f"{bars[0]} what the run's time depended on (the critical path)   {bars[1]} what went on beside it"
    sheet.text(legend, indent=0, style="dim")
    if axis.idle >= _TOLD:
        sign = f" ({bars[3]})" if axis.breaks else ""
        told = f"{durations.show(axis.idle)} when nobody drove it are left out of bars and times{sign}"
        sheet.text(told, indent=0, style="dim")
    sheet.print()


def _around(found: Traced) -> Iterator[str]:
    """What other runs and traces it has to do with."""
    if found.trace.parent is not None:
        yield f"begun within span {found.trace.parent} of that trace"
    for life in found.lives:
        for link in life.links:
            if link.why == "forked_from":
                parent = life.attributes["magent.forked_from"]
                yield f"forked from run {parent}, whose trace {link.trace} has what was taken over"
            elif link.why == "resumed_in":
                yield f"resumed within trace {link.trace}"


class Axis:
    """Where times stand on the bars: from 0 to 1, without the times in which nobody drove the run."""

    def __init__(self, found: Traced) -> None:
        self._between, self._begun = found.between, found.begun
        self.length = found.worked
        self.idle = max(0.0, found.now - found.begun - self.length)
        self.breaks = [start for start, _ in found.driven[1:]]

    def at(self, time: float) -> float:
        return min(1.0, self._between(self._begun, time) / self.length) if self.length else 0.0

    def bar(self, row: Row, columns: int, signs: str) -> str:
        begin, end = round(self.at(row.start) * columns), round(self.at(row.end) * columns)
        sign = signs[0] if row.critical else signs[1]
        if end <= begin:
            begin, end, sign = min(begin, columns - 1), min(begin, columns - 1) + 1, signs[2]
        cells_ = list((" " * begin + sign * (end - begin)).ljust(columns))
        for each in self.breaks:
            column = round(self.at(each) * columns)
            if begin < column < end and row.start < each < row.end:
                cells_[column] = signs[3]
        return "".join(cells_)


def _table(sheet: Sheet, rows: Sequence[Row], axis: Axis, signs: str) -> None:
    width = sheet.width or WIDTH
    names = [_name(sheet, row) for row in rows]
    figures = [(_took(row), _tokens(row), _cost(row)) for row in rows]
    taken = sum(max(map(cells.width, column)) + 2 for column in zip(*figures, _TITLES, strict=True) if any(column[:-1]))
    longest = max(cells.width(name + ended) for name, ended in names)
    room = max(_LEAST_NAME, min(longest, _MOST_NAME, width - taken - _LEAST_BAR - 2))
    columns = max(_LEAST_BAR, min(60, width - taken - room - 2))
    table: list[Sequence[Cell]] = []
    for row, (name, ended), (took, tokens, cost) in zip(rows, names, figures, strict=True):
        style = STATUSES.get(row.status, ("", ""))[1] if row.status not in trace_rows.GOOD else ""
        said = cells.cut(name, room - cells.width(ended)) + ended
        shown = Part(said, "dim" if row.summary else style or ("bold" if row.critical else ""))
        bar = Part(axis.bar(row, columns, signs), "cyan" if row.critical else "dim")
        table.append((shown, Part(took, "dim"), Part(tokens, "dim"), Part(cost, "dim"), bar))
    head = f"0s{trace_rows.lasted(axis.length):>{columns - 2}}"
    titles = (
        Column("SPAN"),
        Column("TIME", right=True),
        Column("TOKENS", rank=3, right=True),
        Column("COST", rank=2, right=True),
    )
    sheet.table((*titles, Column(head)), table)


_TITLES = ("TIME", "TOKENS", "COST")


def _name(sheet: Sheet, row: Row) -> tuple[str, str]:
    """In a terminal a sign says how it ended, else a word, where it did not end well: apart, as it is never cut."""
    sign = f"{STATUSES.get(row.status, ('·', ''))[0]} " if sheet.signs and not row.summary else ""
    word = "" if sheet.signs or row.summary or row.status in trace_rows.GOOD else f" ({row.status})"
    return f"{'  ' * row.depth}{sign}{row.name}", word


def _took(row: Row) -> str:
    return "" if row.summary else trace_rows.lasted(row.took)


def _tokens(row: Row) -> str:
    return f"{row.tokens:,}" if row.tokens else ""


def _cost(row: Row) -> str:
    return "unknown" if row.cost is None else progress.dollars(row.cost) if row.cost else ""
