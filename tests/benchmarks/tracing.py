"""Rows of traces: what it costs a run that somebody watches, and how long it takes to read one from its journal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from magent import app
from magent.cli.trace_rows import rows
from magent.spans.ids import Trace
from magent.spans.span import Span
from magent.traces import trace_of
from tests.benchmarks import floors, work
from tests.benchmarks.engine import life, places
from tests.benchmarks.measure import ROOT, Effort, in_turn
from tests.benchmarks.table import Line, times
from tests.cli.test_trace import many

_COLLECTOR = """
import sys
from tests.adapters.collectors import over_http
with over_http() as kept:
    print(kept.url, flush=True)
    sys.stdin.read()
"""


class Nowhere:
    def export(self, trace: Trace, spans: Sequence[Span]) -> None:
        pass

    def close(self) -> None:
        pass


@contextmanager
def collector() -> Iterator[str]:
    """The address of one in a process of its own."""
    command = [sys.executable, "-c", _COLLECTOR]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def traces(effort: Effort) -> list[Line]:
    (length,) = effort.counts(5000)
    loaded = app.load(work.chain(length))
    with places() as place, collector() as url:
        plain, watched = in_turn(
            effort, lambda: life(loaded, place()), lambda: life(loaded, place(), exporters=(Nowhere(),))
        )
        again, sent = in_turn(effort, lambda: life(loaded, place()), lambda: life(loaded, place(), otlp=url))
    each = 1e6 / length
    name = f"chain of {length:,}, durable, a node"
    return [
        Line(f"{name}: spans made, beside none", "µs", plain * each, watched * each, times(1.5), times(1.2)),
        Line(f"{name}: and sent over OTLP", "µs", again * each, sent * each, times(3), times(2)),
        *_read(effort),
    ]


def _read(effort: Effort) -> list[Line]:
    """The floor: each event is looked at."""
    (count,) = effort.counts(5000)
    events = many(count)
    each = {"type": "parallel", "for_each": "[1]", "body": "one"}
    flow = app.load(work.workflow({"each": each, "one": {"run": "x", "next": "two"}, "two": {"run": "y"}})).workflow

    async def look() -> None:
        for event in events:
            dict(event.data)

    async def read() -> None:
        rows(trace_of("r1", flow, events, "completed"))

    floor, taken = in_turn(effort, lambda: floors.seconds(look), lambda: floors.seconds(read))
    return [Line(f"trace of {2 * count:,} visits, read and folded", "s", floor, taken)]
