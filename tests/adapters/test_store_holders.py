"""A run that a second, real process holds, in the stores whose locks are files."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from magent.errors import RunLocked
from magent.ports import RunStore
from magent.stores import open_store
from tests.adapters.storing import HOLD, HOLD_AND_FORK, Start, processes, write


@pytest.fixture(params=["file:.magent", "sqlite:///runs.db"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.chdir(tmp_path)
    return open_store(request.param)


@pytest.fixture
def start() -> Iterator[Start]:
    with processes() as start:
        yield start


async def status(store: RunStore) -> str:
    (listed,) = await store.list()
    assert listed.status == (await store.info("a")).status
    return listed.status


async def test_a_run_that_another_process_holds_is_refused_and_says_who(store: RunStore, start: Start) -> None:
    await write(store, "a")
    process = start(HOLD, store.url)
    for verb in (store.open, store.remove):
        with pytest.raises(RunLocked, match=f"run a is held by process {process.pid} on .* since 20"):
            await verb("a")
    assert len((await store.read("a")).events) == 3
    assert await status(store) == "running"
    process.communicate("")
    journal, _ = await store.open("a")
    await journal.close()


async def test_a_holder_that_was_killed_blocks_nobody_and_leaves_nothing(store: RunStore, start: Start) -> None:
    await write(store, "a")
    process = start(HOLD, store.url)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert await status(store) == "interrupted"
    journal, _ = await store.open("a")
    await journal.close()
    assert not Path("runs.db-locks").exists()


async def test_a_worker_that_was_forked_does_not_hold_on(store: RunStore, start: Start) -> None:
    """It lives on, as workers of a pool do, when the process that held the run is gone."""
    await write(store, "a")
    process = start(HOLD_AND_FORK, store.url)
    process.send_signal(signal.SIGKILL)
    process.wait()
    journal, _ = await store.open("a")
    await journal.close()
