"""Answers from elsewhere: to runs that wait and to runs that are driven, on every store. The first one counts."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.answering import Answered, Given, respond
from magent.clock import from_iso, iso
from magent.errors import AnsweredAlready, AnswerRefused, StoreError, UsageError
from magent.events import Event
from magent.ports import Question, RunStore
from magent.stores import open_store

ASKS = {
    "name": "w",
    "nodes": {
        "ask": {
            "type": "human_input",
            "input": "choice",
            "options": ["red", "blue"],
            "prompt": "Which?",
            "next": "then",
        },
        "then": {"set": {"y": 2}},
    },
}
YES = Given("red", by="ann")


@pytest.fixture(params=["file", "sqlite", "postgres"])
def stores(request: pytest.FixtureRequest, here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], RunStore]:
    """Makes the store as another process would. With PostgreSQL nothing but a notice tells that something was left."""
    monkeypatch.setattr("magent.life.LOOK_EVERY", 0.05)
    url = {"file": f"file:{here}/.magent", "sqlite": "sqlite:///runs.db"}.get(request.param)
    url = url or request.getfixturevalue("postgres").url(lease="1h")
    return lambda: open_store(url)


@pytest.fixture
def store(stores: Callable[[], RunStore]) -> RunStore:
    return stores()


class Driven:
    """A run that is driven, by somebody who is asked and does not answer."""

    def __init__(self, store: RunStore, **options: Any) -> None:
        self.asked = asyncio.Event()
        self.withdrawn: list[str] = []
        run = magent.load(ASKS).run(store=store, run_id="r1", human=self.ask, on_event=self.see, **options)
        self.running = asyncio.create_task(run)

    async def ask(self, _question: Question) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as why:
            self.withdrawn += map(str, why.args)
            raise

    def see(self, event: Event) -> None:
        if event.type == "visit.started":
            self.asked.set()


async def answers(store: RunStore) -> list[Event]:
    return [event for event in (await store.read("r1", checkpoint=False)).events if event.type == "visit.answered"]


async def tried(store: RunStore, given: Given) -> Answered | AnsweredAlready:
    try:
        return await respond(store, "r1", "ask", given)
    except AnsweredAlready as late:
        return late


async def test_of_two_answers_to_a_run_that_is_driven_the_driver_takes_one(stores: Callable[[], RunStore]) -> None:
    driven = Driven(stores())
    await driven.asked.wait()
    two = (tried(stores(), Given("red", by="ann")), tried(stores(), Given("blue", by="bob")))
    found = await asyncio.gather(*two)
    result = await driven.running
    (event,) = await answers(stores())
    first, late = sorted(found, key=lambda each: isinstance(each, AnsweredAlready))
    assert isinstance(first, Answered)
    assert first.taken
    assert isinstance(late, AnsweredAlready)
    who = event.data["answer"]
    assert (late.by, late.at, late.via) == (who["by"], who["at"], "command")
    assert driven.withdrawn == [f"answered by {who['by']} (command)"]
    assert (result.status, result.state["ask"]["choice"]) == ("completed", {"ann": "red", "bob": "blue"}[who["by"]])
    assert await stores().notes("r1") == {}
    with pytest.raises(AnsweredAlready, match=f"'ask' of run r1 is answered already, by {who['by']} at 20"):
        await respond(stores(), "r1", None, YES)


async def test_a_driver_that_comes_to_the_end_of_the_run_has_gone_on_with_it(here: Path, monkeypatch: Any) -> None:
    """Though it ended before it took the note away: who answered is not told to resume what is completed."""

    async def dies(*_: Any) -> None:
        raise StoreError("the life is over")

    url, slow = f"file:{here}/.magent", open_store(f"file:{here}/.magent")
    monkeypatch.setattr(slow, "take_away", dies)
    driven = Driven(slow)
    await driven.asked.wait()
    answered = await respond(open_store(url), "r1", "ask", YES)
    assert (await driven.running).status == "completed"
    assert (answered.driven, answered.taken) == (True, True)


async def test_of_two_answers_to_a_run_that_waits_one_is_recorded(stores: Callable[[], RunStore]) -> None:
    await magent.load(ASKS).run(store=stores(), run_id="r1")
    found = await asyncio.gather(*(tried(stores(), Given("red", by=by)) for by in ("ann", "bob")))
    assert sorted(type(each).__name__ for each in found) == ["Answered", "AnsweredAlready"]
    (event,) = await answers(stores())
    (late,) = [each for each in found if isinstance(each, AnsweredAlready)]
    assert late.by == event.data["answer"]["by"]
    assert (await magent.resume("r1", store=stores())).status == "completed"
    assert await stores().notes("r1") == {}


async def test_an_answer_that_no_holder_looked_at_is_there_for_the_next_life(stores: Callable[[], RunStore]) -> None:
    await magent.load(ASKS).run(store=stores(), run_id="r1")
    journal, _ = await stores().open("r1")
    left = await respond(stores(), "r1", "ask", YES, patience=0)
    assert (left.question.node, left.driven, left.taken) == ("ask", True, False)
    with pytest.raises(AnsweredAlready, match="by ann"):
        await respond(stores(), "r1", "ask", Given("blue", by="bob"), patience=0)
    await journal.close()
    result = await magent.resume("r1", store=stores())
    assert (result.status, result.state["ask"]["by"]) == ("completed", "ann")
    assert len(await answers(stores())) == 1
    assert await stores().notes("r1") == {}


async def test_whoever_is_second_is_told_who_was_first_on_the_record(stores: Callable[[], RunStore]) -> None:
    """Not who only left a note, while somebody held the run who had an answer of their own."""
    await magent.load(ASKS).run(store=stores(), run_id="r1")
    journal, _ = await stores().open("r1")
    ann, bob = (asyncio.create_task(tried(stores(), Given("red", by=by))) for by in ("ann", "bob"))
    while not await stores().notes("r1"):
        await asyncio.sleep(0.01)
    answer = {"choice": "blue", "by": "eve", "at": iso(1e9), "via": "command"}
    last = (await stores().read("r1", checkpoint=False)).events[-1].seq
    data = {"scope": 0, "path": "ask", "answer": answer}
    await journal.append([Event(last + 1, 1e9, "visit.answered", data)], sync=True)
    await journal.close()
    assert [late.by for late in await asyncio.gather(ann, bob) if isinstance(late, AnsweredAlready)] == ["eve", "eve"]
    assert await stores().notes("r1") == {}


async def test_an_answer_that_does_not_fit_is_refused_before_it_is_left(store: RunStore) -> None:
    driven = Driven(store)
    await driven.asked.wait()
    with pytest.raises(AnswerRefused, match="green"):
        await respond(store, "r1", "ask", Given("green"))
    with pytest.raises(UsageError, match="does not wait at 'aks'"):
        await respond(store, "r1", "aks", YES)
    assert await store.notes("r1") == {}
    driven.running.cancel()
    await asyncio.gather(driven.running, return_exceptions=True)


async def test_a_note_that_answers_nothing_is_taken_away_and_harms_nothing(store: RunStore) -> None:
    driven = Driven(store)
    await driven.asked.wait()
    notes: list[dict[str, Any]] = [{}, {"answer": {"choice": "red"}}, {"path": "ask", "answer": 3}]
    for number, note in enumerate(notes):
        await store.leave("r1", f"answer-{number}", note)
    await respond(store, "r1", "ask", YES)
    assert (await driven.running).status == "completed"
    assert set(await store.notes("r1")) <= {f"answer-{number}" for number in range(3)}
    assert len(await answers(store)) == 1


async def _event(store: RunStore) -> Event:
    events = (await store.read("r1", checkpoint=False)).events
    return next(event for event in events if event.type == "visit.started")


async def test_what_was_shown_is_proved_by_what_is_kept_with_the_answer(here: Path) -> None:
    store = open_store(f"file:{here}/.magent")
    await magent.load(ASKS).run(store=store, run_id="r1")
    ask = (await _event(store)).data["ask"]
    shown = {name: ask[name] for name in ("content", "context", "form", "input", "options", "prompt")}
    seal = hashlib.sha256(json.dumps(shown, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode())
    with pytest.raises(AnswerRefused, match=f"it is not what was shown: that has the digest {seal.hexdigest()} now"):
        await respond(store, "r1", None, Given("red", digest="0" * 64))
    await respond(store, "r1", None, Given("red", digest=f"sha256:{seal.hexdigest()}"))
    result = await magent.resume("r1", store=store)
    (answered,) = await answers(store)
    events = (await store.read("r1", checkpoint=False)).events
    (done,) = [event for event in events if event.type == "visit.completed" and event.data["node"] == "ask"]
    assert answered.data["digest"] == done.data["digest"] == seal.hexdigest()
    asked = next(event.time for event in events if event.type == "visit.started")
    assert done.data["took"] == pytest.approx(from_iso(answered.data["answer"]["at"]) - asked, abs=0.002)
    assert "digest" not in result.state["ask"]


async def test_whoever_is_notified_knows_who_is_asked_until_when_and_of_what(here: Path) -> None:
    ask = {"type": "human_input", "input": "approval", "assignee": "maria", "timeout": "2d"}
    url = f"file:{here}/.magent"
    (waits,) = (await magent.load({"name": "w", "nodes": {"ask": ask}}).run(store=url, run_id="r1")).waiting
    opened = await _event(open_store(url))
    assert waits["assignee"] == "maria"
    assert from_iso(waits["deadline"]) == pytest.approx(opened.time + 2 * 86400, abs=1)
    answered = await respond(open_store(url), "r1", "ask", Given(True, digest=waits["digest"]))
    assert answered.question.path == "ask"


async def test_an_answer_to_doubtful_work_reaches_its_driver_too(here: Path) -> None:
    """Work with effects outside that was interrupted: what became of it is asked, and answered from elsewhere."""
    store = open_store(f"file:{here}/.magent")
    source = {"name": "w", "nodes": {"pay": {"run": "echo $$ > pid; sleep 600", "effects": "external"}}}
    running = asyncio.create_task(magent.load(source).run(store=store, run_id="r1"))
    while not (here / "pid").exists():
        await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    asked = asyncio.Event()

    async def ask(_question: Question) -> None:
        asked.set()
        await asyncio.Event().wait()

    again = asyncio.create_task(magent.resume("r1", store=store, human=ask))
    await asked.wait()
    await respond(store, "r1", "pay", Given("fail", by="ann"))
    assert (await again).status == "failed"


async def test_a_run_that_waits_always_has_a_checkpoint_of_how_it_waits(stores: Callable[[], RunStore]) -> None:
    await magent.load(ASKS).run(store=stores(), run_id="r1")
    last = (await stores().read("r1", checkpoint=False)).events[-1]
    (kept,) = await stores().checkpoints("r1")
    assert (kept.seq, kept.sound, last.type) == (last.seq, True, "run.waiting")
    assert list((await stores().read("r1")).events) == []
