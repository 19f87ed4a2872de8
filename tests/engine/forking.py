"""What the tests of forks share: a journal taken over, driven to its end with fakes."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.origin import origins, where
from magent.engine.redecide import Edited
from magent.engine.replay import Cut, Replay, Replayed
from magent.engine.visited import survey
from magent.events import Event, decode, encode
from magent.model import Workflow
from magent.ports import ProcessResult, Question, Record
from tests.build import Lab
from tests.engine.language import NOBODY


def stored(events: Sequence[Event]) -> list[Event]:
    """The events as they come back from a disk."""
    return [decode(encode(event)) for event in events]


def taken_over(
    old: Workflow, events: Sequence[Event], new: Workflow | None = None, cut: Cut | None = None, place: str = ""
) -> Replayed:
    """What of the events holds with a workflow, or from a place; nothing said: all."""
    found = survey(old, events)
    if place:
        cut = Cut(frozenset(origins(found, old, place, "test")))
    machine = Replay(old, found, cut or Cut()) if new is None else Edited(old, found, cut or Cut(), new, {}, dict)
    for event in events:
        machine.take(event)
    return machine.finish(forks=True)


def journal_of(found: Replayed, limits: Mapping[str, Any] | None = None) -> list[Event]:
    """The record that a fork begins with."""
    first = found.events[0]
    first = first._replace(data={**first.data, "limits": dict(limits or {})})
    last = {"parent": "test", "reopens": found.reopens, "repeats": found.repeats, "waited": found.waited}
    events = [first, *found.events[1:], Event(len(found.events) + 1, found.ended, "run.forked", last)]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return stored(events)


def driven(room: Lab, events: list[Event]) -> Run:
    """The run that goes on after these events, in a room of its own."""
    room.clock.time = max(event.time for event in events)
    run = asyncio.run(room.resume(events))
    again = lives.refold(room.workflow, Record({}, {}, None, stored(room.journal.events)))
    assert (again.status, again.outputs, again.steps) == (run.status, run.outputs, run.steps)
    return run


def fates(found: Replayed, *which: str) -> dict[str, str]:
    """Address → fate, of the visits that have one of these; of all but `kept` where none is named."""
    wanted = which or ("again", "invalidated", "waiting", "open")
    return {where(visit): visit.fate for visit in found.visits if visit.fate in wanted}


def whys(found: Replayed) -> dict[str, str]:
    return {where(visit): visit.why for visit in found.visits if visit.why}


class Echo:
    """A program whose result depends on its words alone; one in seven fails. `done` holds the words, in order."""

    def __init__(self, *, fails: bool = True) -> None:
        self.done: list[str] = []
        self.fails = fails

    async def run(self, argv: Sequence[str], **_: Any) -> ProcessResult:
        words = " ".join(argv)
        self.done.append(words)
        value = zlib.crc32(words.encode())
        if self.fails and value % 7 == 0:
            return ProcessResult(1, "", "it failed")
        return ProcessResult(0, json.dumps(value % 5), "")


class Decided:
    """People whose answers depend on the node alone."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        self.asked.append(question)
        return {"rating": zlib.crc32(question.node.encode()) % 5 + 1, **NOBODY}
