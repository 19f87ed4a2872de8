"""Answers from elsewhere: recorded at once where nobody drives the run, else left as a note for whoever does, who takes
it within a second. Of several the first counts, whichever way it came.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from magent.answers import digest, normalise
from magent.clock import SystemClock, iso
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.errors import AnsweredAlready, AnswerRefused, RunLocked, StoreError, UsageError
from magent.events import Event
from magent.loading import workflow_of
from magent.ports import Journal, Question, RunStore
from magent.records import LOOK_EVERY, look, masked, pick

PREFIX = "answer-"


class Answered(NamedTuple):
    """An answer that counts. `driven`: somebody drives the run, and goes on with it; `taken` is False where whoever
    that is has not looked yet: it is kept, and counts as soon as somebody does."""

    question: Question
    driven: bool = False
    taken: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody says, and of what: `digest`, where given, is that of the question as it was shown to them."""

    answer: Any
    by: str | None = None
    comment: str | None = None
    via: str = "command"
    digest: str | None = None

    def whole(self, run: Run, question: Question, now: float) -> dict[str, Any]:
        """The whole answer, as it is kept. Raises AnswerRefused."""
        if question.deadline is not None and now > question.deadline:
            reason = f"its time was up at {iso(question.deadline)}"
            raise AnswerRefused(question.node, [reason], f"`magent resume {run.id}` goes on without an answer")
        if self.digest is not None and digest(question) != self.digest.removeprefix("sha256:").lower():
            reason = f"it is not what was shown: that has the digest {digest(question)} now"
            raise AnswerRefused(question.node, [reason], f"look again: magent respond {run.id} {question.path}")
        beside = {name: value for name, value in (("by", self.by), ("comment", self.comment)) if value is not None}
        return masked(run, {**normalise(question, self.answer), **beside, "at": iso(now), "via": self.via})


async def respond(store: RunStore, run_id: str, node: str | None, given: Given, *, patience: float = 10.0) -> Answered:
    """Answers a question of a run, whoever drives it. A driver is waited for `patience` seconds. Raises AnswerRefused
    (nothing is lost), AnsweredAlready, UsageError, StoreError."""
    clock = SystemClock()
    end, left = clock.now() + patience, None
    while True:
        if left is not None and left.name not in await store.notes(run_id):
            return await _outcome(store, run_id, left)
        try:
            return await _at_once(store, run_id, node, given, left)
        except RunLocked:
            left = left or await _leave(store, run_id, node, given)
        if clock.now() > end:
            if left.other is not None:
                raise _already(run_id, left.question.path, left.other)
            return Answered(left.question, driven=True, taken=False)
        await asyncio.sleep(LOOK_EVERY)


class Left(NamedTuple):
    """A note of ours, by whose token its answer is known again in the record; or the `other` answer that was left
    before: until it is taken, whoever holds the run may still record a third."""

    name: str
    token: str
    question: Question
    other: Any = None


async def _at_once(store: RunStore, run_id: str, node: str | None, given: Given, left: Left | None) -> Answered:
    """Records the answer to a run that nobody drives, after those that others had left. Raises RunLocked."""
    journal, record = await store.open(run_id)
    try:
        run = lives.refold(workflow_of(record), record)
        await settle(store, journal, run)
        if left is None:
            question = await asked(store, run, node)
            now = SystemClock().now()
            await _append(journal, run, _data(run, question, given.whole(run, question, now)))
            return Answered(question)
    finally:
        await journal.close()
    gone_on = run.status in ("completed", "failed", "cancelled")  # by whoever took it, and left no time to say so
    return (await _outcome(store, run_id, left))._replace(driven=gone_on)


def _data(run: Run, question: Question, answer: Mapping[str, Any]) -> dict[str, Any]:
    scope = lives.scope_of(run, question.path)
    return {"scope": scope.id, "path": question.path, "answer": answer, "digest": digest(question)}


async def _append(journal: Journal, run: Run, data: Mapping[str, Any]) -> None:
    event = Event(run.seq + 1, SystemClock().now(), "visit.answered", data)
    await journal.append([event], sync=True)
    run.apply(event)


async def _leave(store: RunStore, run_id: str, node: str | None, given: Given) -> Left:
    """Leaves the answer for whoever drives the run."""
    run = await look(store, run_id)
    question = await asked(store, run, node)
    answer = given.whole(run, question, SystemClock().now())
    name, token = name_of(question), os.urandom(8).hex()
    first = await store.leave(run_id, name, {"path": question.path, "answer": answer, "note": token})
    return Left(name, token, question, None if first is None else first.get("answer") or {})


def name_of(question: Question) -> str:
    """The name of notes that answer this question, and no other of the run."""
    what = f"{question.path}#{question.visit}#{question.address_ordinal}#{digest(question)}"
    return PREFIX + hashlib.sha256(what.encode("utf-8", "surrogatepass")).hexdigest()[:32]


# ---- what was left is taken


async def settle(store: RunStore, journal: Journal, run: Run) -> None:
    """Records the answers that were left when whoever drove the run looked no more."""
    for name, note in journal.notes().items():
        if name.startswith(PREFIX):
            if (data := accepted(run, name, note)) is not None:
                await _append(journal, run, data)
            await store.take_away(run.id, name)


async def clear(store: RunStore, journal: Journal, run: Run) -> None:
    """Takes away, at the end of a life, the notes that answer nothing which is still asked: what they say is on the
    record, or came too late."""
    with suppress(StoreError, UsageError):  # the next life takes them away, too
        for name, note in journal.notes().items():
            if name.startswith(PREFIX) and accepted(run, name, note) is None:
                await store.take_away(run.id, name)


def accepted(run: Run, name: str, note: Mapping[str, Any]) -> dict[str, Any] | None:
    """What `visit.answered` records of a note that answers a question which is open; else None."""
    for question in lives.open_questions(run):
        if name_of(question) == name:
            try:
                answer = normalise(question, note.get("answer"))
            except AnswerRefused:
                return None
            return {**_data(run, question, masked(run, answer)), "note": note.get("note")}
    return None


# ---- who was first


async def asked(store: RunStore, run: Run, node: str | None) -> Question:
    """The open question that is meant. Raises UsageError; AnsweredAlready where it was open."""
    try:
        return pick(run, node)
    except UsageError as error:
        waiting = lives.open_questions(run)
        if waiting and (node is None or any(node in (each.path, each.node) for each in waiting)):
            raise  # it is not plain which is meant
        raise await _who(store, run.id, node, error) from None


async def _who(store: RunStore, run_id: str, node: str | None, otherwise: UsageError) -> UsageError:
    """That a question of this name or address was answered, and by whom."""
    record = await store.read(run_id, checkpoint=False)
    for event in reversed(record.events):
        path, answer = str(event.data.get("path", "")), _answer_of(event)
        if answer is not None and node in (None, path, path.rpartition("/")[2]):
            return _already(run_id, path, answer, otherwise.hint)
    return otherwise


def _answer_of(event: Event) -> Mapping[str, Any] | None:
    if event.type == "visit.completed" and "digest" in event.data:
        answer: Mapping[str, Any] = event.data["output"]
        return answer
    return event.data["answer"] if event.type == "visit.answered" else None


async def _outcome(store: RunStore, run_id: str, left: Left) -> Answered:
    """What has become of a note that was taken away: its answer is in the record, or another's is."""
    record = await store.read(run_id, checkpoint=False)
    if any(event.type == "visit.answered" and event.data.get("note") == left.token for event in record.events):
        return Answered(left.question, driven=True)
    late = UsageError(
        f"'{left.question.path}' of run {run_id} is not asked any more", f"magent runs show {run_id} says what happened"
    )
    raise await _who(store, run_id, left.question.path, late)


def _already(run_id: str, path: str, answer: Any, hint: str | None = None) -> AnsweredAlready:
    said = answer if isinstance(answer, Mapping) else {}
    return AnsweredAlready(run_id, path, said.get("by"), said.get("at"), said.get("via"), hint)
