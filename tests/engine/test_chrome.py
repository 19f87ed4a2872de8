"""A trace for Perfetto: each span a slice, each within the one that it is in, and none that Perfetto would drop."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.spans.chrome import chrome
from magent.spans.reading import read
from magent.spans.span import Span
from tests.build import Lab
from tests.engine.graphs import Chancy
from tests.engine.test_properties import made, run_once
from tests.engine.test_spans import gone_on, made_of


def slices(spans: list[Span]) -> list[dict[str, Any]]:
    return [event for event in chrome(spans, "w", set(), 100.0)["traceEvents"] if event["ph"] == "X"]


def read_by_perfetto(events: list[dict[str, Any]]) -> dict[str, str | None]:
    """Of each span's slice the one that it stands in, by their ids. Perfetto takes slices by time, those of one time as
    the file has them; it drops one that outlasts the slice that is open on its track."""
    inside: dict[str, str | None] = {}
    tracks: dict[int, list[tuple[int, str]]] = {}
    for event in sorted(events, key=lambda event: event["ts"]):
        name, end = event["args"]["span"], event["ts"] + event["dur"]
        track = tracks.setdefault(event["tid"], [])
        while track and track[-1][0] <= event["ts"]:
            track.pop()
        assert not track or end <= track[-1][0], f"{event['name']} is dropped: it outlasts what is open on its track"
        inside[name] = track[-1][1] if track else None
        track.append((end, name))
    return inside


@pytest.mark.parametrize("late", [False, True], ids=["numbered as they began", "numbered as they ended"])
def test_what_begins_at_the_same_time_stands_in_the_file_as_it_nests(late: bool) -> None:
    """A span of one's own is told of as it ends, inner ones first, and an attempt begins with its visit."""
    spans = made_of(("r", None, 0, 9), ("a", "r", 0, 9), ("b", "a", 0, 8), ("c", "b", 0, 3), ("d", "b", 3, 8))
    for span in spans:
        span.number = 10 - span.number if late else span.number
    assert read_by_perfetto(slices(spans)) == {"r": None, "a": "r", "b": "a", "c": "b", "d": "b"}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_whatever_a_run_does_no_slice_is_dropped_and_each_stands_in_its_own(seed: int, timing: int) -> None:
    flow = made(seed)
    spans = read(flow, run_once(flow, timing)[1]).spans
    events = slices(spans)
    tracks = {event["args"]["span"]: event["tid"] for event in events}
    inside = read_by_perfetto(events)
    assert inside.keys() == {span.id for span in spans}
    for span in spans:
        if (span.end or 0.0) > span.start:  # what took no time may stand where its outer one is over
            beside = tracks[span.id] != tracks.get(span.parent or "")
            assert inside[span.id] == (None if beside else span.parent)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.data())
def test_of_a_run_that_was_killed_and_gone_on_with_no_slice_is_dropped(seed: int, data: st.DataObject) -> None:
    """What stood open when it was killed is worked at in several pieces, with hours between them."""
    flow = made(seed)
    _, events, _ = run_once(flow, seed)
    at = data.draw(st.integers(1, len(events)))
    if events[at - 1].type in ("run.completed", "run.cancelled"):
        return
    lab = Lab(flow, executor=Chancy(random.Random(seed)))
    lab.clock.time = events[-1].time + 7200
    asyncio.run(lab.resume(events[:at]))
    spans = read(flow, lab.journal.events).spans
    assert read_by_perfetto(slices(spans)).keys() == {span.id for span in spans}


def test_the_run_itself_is_the_main_thread_of_its_process() -> None:
    """Perfetto puts the thread first whose number is that of the process."""
    events = chrome(made_of(("r", None, 0, 9), ("a", "r", 0, 5), ("b", "r", 1, 4)), "w", set(), 9.0)["traceEvents"]
    tracks = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert tracks == {1: "1 r", 2: "2 b"}
    assert {event["pid"] for event in events} == {1}


def test_what_goes_on_at_the_same_time_has_tracks_of_its_own_and_each_track_nests() -> None:
    chance = random.Random(5)
    facts: list[tuple[str, str | None, float, float]] = [("r", None, 0.0, 100.0)]
    for number in range(300):
        start = chance.uniform(0, 90)
        facts.append((f"a{number}", "r", start, start + chance.uniform(0, 10)))
        facts.append((f"b{number}", f"a{number}", start, facts[-1][3] - (facts[-1][3] - start) * chance.random()))
    events = [event for event in chrome(made_of(*facts), "w", set(), 100.0)["traceEvents"] if event["ph"] == "X"]
    assert len(events) == len(facts)
    for track in {event["tid"] for event in events}:
        ends: list[int] = []
        for event in (event for event in events if event["tid"] == track):
            while ends and ends[-1] <= event["ts"]:
                ends.pop()
            assert not ends or event["ts"] + event["dur"] <= ends[-1]
            ends.append(event["ts"] + event["dur"])
    busiest = max(sum(e["ts"] <= at["ts"] < e["ts"] + e["dur"] for e in events if e["name"][0] == "a") for at in events)
    assert len({event["tid"] for event in events}) <= 2 * busiest


def test_what_took_no_time_stays_on_the_track_of_what_it_is_in() -> None:
    facts = [("r", None, 0.0, 9.0), ("a", "r", 1.0, 2.0), ("at its end", "a", 2.0, 2.0), ("b", "r", 3.0, 3.0)]
    spans_of = made_of(*facts, ("in b", "b", 3.0, 3.0))
    events = chrome(spans_of, "w", set(), 9.0)["traceEvents"]
    assert {event["tid"] for event in events if event["ph"] == "X"} == {1}


async def test_what_lasts_over_lives_has_a_slice_in_each_and_still_nests() -> None:
    room, _ = await gone_on(500.0)
    events = slices(read(room.workflow, room.journal.events).spans)
    inside = read_by_perfetto(events)
    assert sum(event["name"] == "each" for event in events) == 2
    assert sum(event["name"] == "ask" for event in events) == 1  # a person thinks on
    assert inside.keys() == {event["args"]["span"] for event in events}
