"""The spans of a run as rows of a tree. Of many items, rounds, visits and calls a few are told: what failed, what took
longest, what the run's time depended on; the rest is summed up in a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from magent import durations
from magent.spans.span import Span
from magent.traces import Traced

LONG = 12  # so many items, rounds or calls are told whole
LONG_OF_VISITS = 60
_BAD, _SLOW, _ON_PATH = 10, 3, 3  # of more, so many that failed, that took longest, that the time depended on
GOOD = ("completed", "skipped")


def lasted(seconds: float) -> str:
    """`35ms`, `1.25s`, `3m 04s`."""
    return f"{round(seconds * 1000)}ms" if seconds < 1 else durations.show(seconds)


@dataclass(slots=True)
class Row:
    """`spans` are those that the row stands for: one, those of an item, or all of a summary."""

    name: str
    spans: list[Span]
    status: str
    start: float
    end: float
    took: float  # seconds that it was worked at, or that a person thought
    critical: bool = False
    depth: int = 0
    summary: bool = False
    inner: list[Row] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(sum(span.tokens or ()) for span in self.spans)

    @property
    def cost(self) -> float | None:
        """None: unknown."""
        costs = [span.cost for span in self.spans if span.tokens]
        return None if None in costs else sum(cost for cost in costs if cost is not None)


def rows(traced: Traced, *, everything: bool = False) -> list[Row]:
    """The whole tree, outer rows first."""
    lives = [_row(traced, life, life.name) for life in traced.lives]
    for row in lives:
        row.inner = _inside(traced, row.spans[0])
    if len(lives) == 1:
        lives[0].name = traced.workflow.name
        top = lives[0]
    else:
        top = _joined(traced, traced.workflow.name, lives)
        top.status, top.end, top.took = traced.status, traced.now, traced.worked
    for number, row in enumerate(lives if len(lives) > 1 else (), 1):
        row.name = f"life {number}" + (" (resumed)" if number > 1 else "")
    return list(_told(traced, top, 0, everything))


def _row(traced: Traced, span: Span, name: str) -> Row:
    end = traced.now if span.end is None else span.end
    return Row(name, [span], span.status, span.start, end, traced.took(span), span.id in traced.critical)


def _joined(traced: Traced, name: str, inner: list[Row]) -> Row:
    """A row around others, such as that of an item."""
    status = next((row.status for row in inner if row.status not in GOOD), "completed")
    spans = [span for row in inner for span in row.spans]
    start, end = min(row.start for row in inner), max(row.end for row in inner)
    took = traced.between(start, end)
    return Row(name, spans, status, start, end, took, any(row.critical for row in inner), inner=inner)


def _inside(traced: Traced, outer: Span) -> list[Row]:
    """What is in a span; what stands in items or rounds of it is grouped by them."""
    found: list[Row] = []
    groups: dict[str, list[Row]] = {}
    for span in _unwrapped(traced, outer):
        row = _row(traced, span, _name(span))
        row.inner = [] if span.kind == "life" else _inside(traced, span)
        above = span.path.rpartition("/")[0]
        if span.kind == "visit" and above.endswith("]") and outer.path == above.rpartition("[")[0]:
            group = groups.get(above)
            if group is None:
                group = groups[above] = []
                found.append(Row(above[len(outer.path) :], [], "", 0.0, 0.0, 0.0, inner=group))
            group.append(row)
        elif span.kind != "life":
            found.append(row)
    return [_grouped(traced, row) if not row.spans else row for row in found]


def _grouped(traced: Traced, row: Row) -> Row:
    if len(row.inner) > 1:
        return _joined(traced, row.name, row.inner)
    only = row.inner[0]
    only.name = f"{row.name} {only.name}"
    return only


def _unwrapped(traced: Traced, outer: Span) -> Iterator[Span]:
    """What is in a span. Of a visit with one attempt, what is in that."""
    inner = traced.within.get(outer.id, [])
    attempts = [span for span in inner if span.kind == "attempt"]
    for span in inner:
        if len(attempts) == 1 and span is attempts[0]:
            yield from traced.within.get(span.id, ())
        else:
            yield span


def _name(span: Span) -> str:
    if span.kind == "attempt":
        return f"attempt {span.attributes.get('magent.attempt', 1)}"
    if span.kind == "tool":
        return str(span.attributes["gen_ai.tool.name"])
    if span.kind == "delegation":
        return f"→ {span.attributes.get('magent.role')}"
    if span.kind == "model" and span.name == "chat" and (agent := span.attributes.get("gen_ai.agent.name")):
        return f"chat {agent}"  # of whose model nothing is known
    number = span.attributes.get("magent.visit", 1)
    again = span.kind == "visit" and number > 1 and not span.path.rpartition("/")[0].endswith("]")
    return f"{span.name}#{number}" if again else span.name


def _told(traced: Traced, row: Row, depth: int, everything: bool) -> Iterator[Row]:
    row.depth = depth
    yield row
    inner = row.inner
    longest = LONG_OF_VISITS if all(each.spans[0].kind == "visit" and "[" not in each.name for each in inner) else LONG
    if everything or len(inner) <= longest:
        for each in inner:
            yield from _told(traced, each, depth + 1, everything)
        return
    kept = _kept(inner)
    for each in kept:
        yield from _told(traced, each, depth + 1, everything)
    marked = {id(each) for each in kept}
    yield _summed(traced, [each for each in inner if id(each) not in marked], depth + 1)


def _kept(inner: Sequence[Row]) -> list[Row]:
    bad = [row for row in inner if row.status not in GOOD][:_BAD]
    slow = sorted(inner, key=lambda row: row.took, reverse=True)[:_SLOW]
    path = sorted((row for row in inner if row.critical), key=lambda row: row.took, reverse=True)[:_ON_PATH]
    marked = {id(row) for row in (*bad, *slow, *path)}
    return [row for row in inner if id(row) in marked]


def _summed(traced: Traced, others: list[Row], depth: int) -> Row:
    counts: dict[str, int] = {}
    for row in others:
        counts[row.status] = counts.get(row.status, 0) + 1
    said = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    typical = lasted(median(row.took for row in others))
    row = _joined(traced, f"… {len(others):,} more ({said}; median {typical})", others)
    row.depth, row.summary, row.inner = depth, True, []
    return row
