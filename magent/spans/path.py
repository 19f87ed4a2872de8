"""The critical path: what a run's time depended on. Whatever is not on it could have been faster for nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from magent.spans.span import Span

_TICK = 0.0005  # times are of milliseconds


def children(spans: Iterable[Span]) -> dict[str | None, list[Span]]:
    """Each span's own, in the order in which they began; under None those whose parent is none of them."""
    known = {span.id: span for span in spans}
    found: dict[str | None, list[Span]] = {}
    for span in known.values():
        found.setdefault(span.parent if span.parent in known else None, []).append(span)
    for each in found.values():
        each.sort(key=lambda span: (span.start, span.number))
    return found


def critical(within: Mapping[str | None, Sequence[Span]], now: float) -> set[str]:
    """The ids of the spans that lie on it: from the end backwards, whatever ended last before what followed began.
    What is not over goes on until `now`."""
    found: set[str] = set()
    work: list[tuple[str | None, float, bool]] = [(None, now, False)]
    while work:
        id, until, well = work.pop()
        inner = _awaited(within.get(id, ())) if well else within.get(id, ())
        ends = [(min(until, now if span.end is None else span.end), span) for span in inner]
        ends.sort(key=lambda each: (each[0], each[1].start, each[1].number), reverse=True)
        for end, span in ends:
            if end <= until + _TICK:
                found.add(span.id)
                work.append((span.id, end, span.status == "completed" and "magent.timed_out" not in span.attributes))
                until = min(until, span.start)
    return found


def _awaited(spans: Sequence[Span]) -> Sequence[Span]:
    """Of those in a span that ended well: what was called off is what it could do without."""
    return [span for span in spans if span.status != "cancelled"] or spans
