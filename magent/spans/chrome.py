"""A trace in the form that Perfetto and chrome://tracing open. What went on at the same time has tracks of its own."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from magent.spans.path import children
from magent.spans.span import Span

SHOWN = 1000  # characters of what was said or given
_PROCESS = 1  # its number, and that of the first track: a process's main thread, which is shown first, has its number


def chrome(spans: Sequence[Span], title: str, critical: frozenset[str] | set[str], now: float) -> dict[str, Any]:
    """`{traceEvents: […]}`, times in microseconds since the first span began. Viewers nest what begins at the same time
    as the file has it: what is around comes first."""
    begun = min((span.start for span in spans), default=0.0)
    ordered = _outer_first(children(spans))
    tracks = _tracks(ordered, now)
    events: list[dict[str, Any]] = [_named("process_name", _PROCESS, title)]
    named: dict[int, str] = {}
    for span in ordered:
        track = _PROCESS + tracks[span.id]
        named.setdefault(track, span.path or "run")
        events += _events(span, track, begun, now, span.id in critical)
    events += [_named("thread_name", track, f"{track} {name}") for track, name in named.items()]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def _named(kind: str, track: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "pid": _PROCESS, "tid": track, "name": kind, "args": {"name": name}}


def _events(span: Span, track: int, begun: float, now: float, critical: bool) -> Iterator[dict[str, Any]]:
    common = {"pid": _PROCESS, "tid": track, "cat": span.kind}
    told = _told(span, critical)
    for start, end in pieces(span, now):
        where = {"ts": _micro(start - begun), "dur": _micro(max(0.0, end - start))}
        yield {**common, "ph": "X", "name": span.name, **where, "args": told}
    for moment in span.moments:
        at = {**common, "ph": "i", "s": "t", "name": moment.name, "ts": _micro(moment.time - begun)}
        yield {**at, "args": dict(moment.attributes)}


def pieces(span: Span, now: float) -> Iterator[tuple[float, float]]:
    """From when to when it was worked at."""
    start = span.start
    for gone, back in span.gaps:
        yield start, gone
        start = back
    yield start, now if span.end is None else span.end


def _told(span: Span, critical: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"status": span.status, "span": span.id} | ({"critical": True} if critical else {})
    if span.error:
        told["error"] = dict(span.error)
    if span.tokens:
        told |= {"input_tokens": span.tokens[0], "output_tokens": span.tokens[1], "cost_usd": span.cost}
    return told | span.attributes | {name: _short(value) for name, value in span.content.items() if value is not None}


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _micro(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _tracks(ordered: Sequence[Span], now: float) -> dict[str, int]:
    """Of each span the track, from 0: that of what it is in, where it fits there, else one that is free."""
    tracks: dict[str, int] = {}
    stacks: list[list[tuple[float, str]]] = []  # by track: what is at work there, outer ones first, each with its end
    gaps = {span.id: span.gaps for span in ordered if span.gaps}
    free: list[tuple[float, int]] = []  # when each track is free again, as far as is known
    for span in ordered:
        end = now if span.end is None else span.end
        home = tracks.get(span.parent or "")
        whole = all(gap in span.gaps or not span.start < gap[1] <= end for gap in gaps.get(span.parent or "", ()))
        fits = home is not None and whole and _fits(stacks[home], span, end)
        track = home if home is not None and fits else _free(stacks, free, span.start)
        if track == len(stacks):
            stacks.append([])
        _clear(stacks[track], span)
        stacks[track].append((end, span.id))
        heapq.heappush(free, (stacks[track][0][0], track))
        tracks[span.id] = track
    return tracks


def _outer_first(within: Mapping[str | None, Sequence[Span]]) -> list[Span]:
    """By when they began; what is around comes before what is in it."""
    found: list[tuple[float, int, int, Span]] = []
    work: list[tuple[str | None, int]] = [(None, 0)]
    while work:
        id, depth = work.pop()
        for span in within.get(id, ()):
            found.append((span.start, depth, span.number, span))
            work.append((span.id, depth + 1))
    found.sort(key=lambda each: each[:3])
    return [span for *_, span in found]


def _clear(stack: list[tuple[float, str]], span: Span) -> None:
    """Of what is over, what the span is in stays: what takes no time may stand at its very end."""
    while stack and stack[-1][0] <= span.start and (stack[-1][0] < span.start or stack[-1][1] != span.parent):
        stack.pop()


def _fits(stack: list[tuple[float, str]], span: Span, end: float) -> bool:
    """Whether nothing is at work on the track but what the span is in, and that lasts at least as long."""
    _clear(stack, span)
    return not stack or (stack[-1][1] == span.parent and stack[-1][0] >= end)


def _free(stacks: list[list[tuple[float, str]]], free: list[tuple[float, int]], start: float) -> int:
    while free and free[0][0] <= start:
        _, track = heapq.heappop(free)
        if all(end <= start for end, _ in stacks[track]):
            return track
    return len(stacks)
