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
    What is not over goes on until `now`. All lives of a run do, one after the other, and what is in them is seen
    together: a later one goes on with what an earlier one began."""
    lives = [span for spans in within.values() for span in spans if span.kind == "life"]
    found = {span.id for span in lives}
    first = [span for span in within.get(None, ()) if span.kind != "life"]
    first += [span for life in lives for span in within.get(life.id, ()) if span.kind != "life"]
    work = [(first, now, any(_well(life) for life in lives))]
    while work:
        spans, until, well = work.pop()
        inner = _awaited(spans) if well else spans
        ends = [(min(until, now if span.end is None else span.end), span) for span in inner]
        ends.sort(key=lambda each: (each[0], each[1].start, each[1].number), reverse=True)
        for end, span in ends:
            if end <= until + _TICK:
                found.add(span.id)
                work.append((list(within.get(span.id, ())), end, _well(span)))
                until = min(until, span.start)
    return found


def _well(span: Span) -> bool:
    return span.status == "completed" and "magent.timed_out" not in span.attributes


def _awaited(spans: Sequence[Span]) -> Sequence[Span]:
    """Of those in a span that ended well: what was called off is what it could do without."""
    return [span for span in spans if span.status != "cancelled"] or spans
