"""A run is ended for good: by its holder, who is asked to, or at once where it has none."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import magent
from magent import records
from magent.outcome import Result
from magent.ports import RunStore
from magent.stores import open_store
from magent.stores.memory import MemoryJournal, MemoryStore

SLOW = {"nodes": {"first": {"set": {"x": 1}, "next": "slow"}, "slow": {"run": "echo $$ > pid; sleep 600"}}}
ASKS = {"nodes": {"ask": {"type": "human_input", "input": "approval", "next": "then"}, "then": {"set": {"y": 2}}}}
FAILS = {"nodes": {"bad": {"run": "exit 3"}}}


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, here: Path) -> RunStore:
    return open_store({"file": f"file:{here}/.magent", "memory": "memory:"}[request.param])


async def run(store: RunStore, source: Mapping[str, Any]) -> Result:
    return await magent.load({"name": "w", **source}).run(store=store, run_id="r1")


async def begun(here: Path) -> int:
    """The process id of the child, once it is at work."""
    while not (here / "pid").exists() or not (here / "pid").read_text().strip():
        await asyncio.sleep(0.01)
    return int((here / "pid").read_text())


async def test_the_holder_ends_the_run_in_good_order(store: RunStore, here: Path) -> None:
    running = asyncio.create_task(run(store, SLOW))
    child = await begun(here)
    assert await records.cancel(store, "r1", by="ann", reason="too slow") == ("cancelled", True)
    result = await running
    assert (result.status, result.exit_code, result.path) == ("cancelled", 1, ["first"])
    assert result.error is not None
    assert result.error["type"] == "cancelled"
    assert result.error["message"] == "ann asked for it: too slow"
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert (await store.info("r1")).status == "cancelled"


async def test_the_python_api_cancels_by_a_part_of_the_id(store: RunStore) -> None:
    await run(store, ASKS)
    assert await magent.cancel("r", store=store, reason="no need") == "cancelled"
    result = await store.result("r1")
    assert result is not None
    assert result["error"]["message"] == "somebody asked for it: no need"
    assert await magent.cancel("r1", store=store) == "cancelled"


async def test_a_run_that_waits_is_cancelled_at_once(store: RunStore) -> None:
    assert (await run(store, ASKS)).status == "waiting"
    assert await records.cancel(store, "r1", by="ann", patience=0) == ("cancelled", True)
    again = await magent.resume("r1", store=store)
    assert (again.status, again.exit_code, again.note) == ("cancelled", 1, "run r1 is cancelled already")
    result = await store.result("r1")
    assert result is not None
    assert (result["status"], result["waiting"]) == ("cancelled", [])


@pytest.mark.parametrize(("source", "status"), [(FAILS, "failed"), ({"nodes": {"a": {"set": {"x": 1}}}}, "completed")])
async def test_a_run_that_is_over_is_left_as_it_is(store: RunStore, source: Mapping[str, Any], status: str) -> None:
    await run(store, source)
    before = (await store.read("r1")).events
    assert await records.cancel(store, "r1", by="ann") == (status, False)
    assert list((await store.read("r1")).events) == list(before)


async def test_a_request_outlives_the_holder_and_the_next_life_obeys_it(store: RunStore) -> None:
    await run(store, ASKS)
    await store.leave("r1", "cancel", {"by": "ann"})
    result = await magent.resume("r1", store=store, answers={"ask": True})
    assert (result.status, result.path) == ("cancelled", [])


async def test_a_holder_that_does_not_obey_is_told_of(store: RunStore) -> None:
    await run(store, ASKS)
    journal, _ = await store.open("r1")
    assert await records.cancel(store, "r1", by="ann", patience=0) == ("running", False)
    assert journal.notes()
    await journal.close()


async def test_a_request_that_came_too_late_is_taken_back(store: RunStore) -> None:
    await run(store, FAILS)
    journal, _ = await store.open("r1")
    asking = asyncio.create_task(records.cancel(store, "r1", by="ann"))
    while not journal.notes():
        await asyncio.sleep(0.01)
    await journal.close()
    assert await asking == ("failed", False)
    journal, _ = await store.open("r1")
    assert not journal.notes()
    await journal.close()


class Heard(MemoryStore):
    """Tells its holders of notices, and counts how often they look."""

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> MemoryJournal:
        journal = await super().create(run_id, header, workflow)
        self.looks = 0

        def look() -> Mapping[str, Mapping[str, Any]]:
            self.looks += 1
            return {}

        def on_notice(heard: Callable[[], None]) -> None:
            self.notify = heard

        journal.notes = look  # type: ignore[method-assign]
        journal.on_notice = on_notice  # type: ignore[attr-defined]
        return journal


async def test_a_notice_makes_the_holder_look_at_once_and_nobody_once_the_life_is_over() -> None:
    store: Any = Heard()
    seen: list[int] = []

    def tell(_event: magent.Event) -> None:
        seen.append(store.looks)
        store.notify()

    await magent.load({"name": "w", "nodes": {"pause": {"wait": 0.05}}}).run(store=store, on_event=tell)
    looks = store.looks
    assert looks > seen[0] == 1
    store.notify()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert store.looks == looks
