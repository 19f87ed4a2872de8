"""What the crash harness found, each as small as it can be."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import magent
from magent import clock, life
from magent.answering import name_of
from magent.clock import SystemClock
from magent.errors import RunDamaged, UsageError
from magent.ports import Question, RunStore
from magent.stores import open_store
from magent.stores.codec import plain
from magent.stores.file import FileStore
from tests.engine.language import lab

ONE = {"name": "w", "nodes": {"a": {"set": {"x": 1}}}}


@pytest.fixture(params=["file", "sqlite"])
def store(request: pytest.FixtureRequest, here: Path) -> RunStore:
    return open_store({"file": f"file:{here}/.magent", "sqlite": f"sqlite:///{here}/runs.db"}[request.param])


async def test_killed_before_its_result_was_written_a_run_has_it_after_a_resume(store: RunStore) -> None:
    result = await magent.load(ONE).run(store=store, run_id="r1")
    journal, _ = await store.open("r1")
    await journal.finish({"status": "interrupted"})  # that of the life before
    await journal.close()
    assert (await magent.resume("r1", store=store)).note == "run r1 is completed already"
    assert await store.result("r1") == result.as_json()


class Unhurried(FileStore):
    """It takes its time over notes."""

    async def take_away(self, run_id: str, name: str) -> None:
        for _ in range(1000):
            await asyncio.sleep(0)
        await super().take_away(run_id, name)


async def test_the_note_of_an_answer_is_gone_when_the_life_that_used_it_is_over(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever left it was killed, and nobody comes after who would take it away."""
    store = Unhurried(f"file:{here}/.magent")
    monkeypatch.setattr(life, "LOOK_EVERY", 0.01)

    async def leaves(question: Question) -> Any:
        await store.leave("r1", name_of(question), {"path": "ask", "answer": {"approved": True}, "note": "mine"})
        await asyncio.Event().wait()

    asks = magent.load({"name": "w", "nodes": {"ask": {"type": "human_input", "input": "approval"}}})
    result = await asks.run(store=store, run_id="r1", human=leaves)
    assert (result.status, result.state["ask"]["approved"]) == ("completed", True)
    assert await store.notes("r1") == {}


@pytest.mark.parametrize("file", ["run.json", "workflow.json"])
def test_a_bit_that_flipped_in_what_a_run_began_with_is_refused(here: Path, file: str) -> None:
    """The workflow is still JSON, and another."""
    magent.run(ONE, store=f"file:{here}/.magent", run_id="r1")
    path = here / ".magent/runs/r1" / file
    path.write_bytes(path.read_bytes().replace(b'"w"', b'"v"'))
    with pytest.raises(RunDamaged, match=f"{file} is damaged: the checksum does not fit") as caught:
        asyncio.run(magent.resume("r1", store=f"file:{here}/.magent"))
    assert caught.value.hint == "put it back from a copy, or remove the run: magent runs rm r1"


def test_what_was_written_without_a_checksum_is_read(here: Path) -> None:
    older = b'{"outputs":{"a":1,"sum":"12345678"}}\n'
    assert plain("r1").decode("result", older) == {"outputs": {"a": 1, "sum": "12345678"}}


RUNS = {"name": "w", "nodes": {"ask": {"type": "human_input", "input": "approval", "next": "a"}, "a": {"run": ["pwd"]}}}


def test_without_the_directory_that_its_commands_start_in_a_run_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would all fail, and the run would go on without them."""
    store, away = f"file:{tmp_path}/store", tmp_path / "away it goes"
    away.mkdir()
    monkeypatch.chdir(away)
    assert magent.run(RUNS, store=store, run_id="r1").status == "waiting"
    monkeypatch.chdir(tmp_path)
    away.rmdir()
    with pytest.raises(UsageError, match="and there is no such directory") as caught:
        asyncio.run(magent.resume("r1", store=store, answers={"ask": True}))
    assert str(away) in caught.value.message
    assert caught.value.hint == f"put it back, or make it: mkdir -p '{away}'"
    away.mkdir()
    assert asyncio.run(magent.resume("r1", store=store, answers={"ask": True})).status == "completed"


WAITS = {
    "wait": "nodes: {a: {wait: 30s}}",
    "retry": "nodes: {a: {run: [flaky, '2'], retry: {max_attempts: 2, delay: 30s}}}",
}


BEGUN = {"wait": "started", "retry": "retry"}


@pytest.mark.parametrize("waits", WAITS)
async def test_a_clock_that_was_set_back_makes_nobody_wait_for_days(waits: str) -> None:
    """A life was killed while it waited; since then the clock was put right, by ten days."""
    room = lab(WAITS[waits])
    await room.start()
    began = room.clock.time
    cut = next(at for at, event in enumerate(room.journal.events, 1) if event.type == f"visit.{BEGUN[waits]}")
    room.clock.time -= 10 * 86400.0
    run = await room.resume(room.journal.events[:cut])
    assert run.status == "completed"
    assert room.clock.time <= began - 10 * 86400.0 + 40


async def test_a_machine_that_has_slept_calls_at_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    called = asyncio.Event()
    monkeypatch.setattr(clock, "LOOK_EVERY", 0.01)
    SystemClock().call_at(time.time() + 3600, called.set)
    slept = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: slept)
    await called.wait()


async def test_a_clock_that_is_set_back_holds_up_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    called = asyncio.Event()
    SystemClock().call_at(time.time() + 0.02, called.set)
    before = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: before)
    await called.wait()
