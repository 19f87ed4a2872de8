"""A run is taken along from any store to any other, and goes on there as it would have here."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.copying import copy, whole
from magent.errors import StoreError, UsageError
from magent.ports import Kept, RunStore
from magent.records import story
from magent.stores import open_store
from magent.stores.file import FileStore
from magent.stores.sealed import Keyring
from tests.cli.helpers import magent as cli

KEY, OTHER = Keyring([bytes(range(100, 132))]), Keyring([bytes(range(150, 182))])
PLACE = "{{ run.workspace }}"
WORKFLOW = {
    "magent": 1,
    "name": "tides",
    "nodes": {
        "make": {"run": f"cd {PLACE}; echo made > made.txt; ln -s $PWD/made.txt link; mkdir d; > d/x", "next": "sign"},
        "sign": {"type": "human_input", "input": "approval", "prompt": "well?", "next": "use"},
        "use": {"run": f"cat {PLACE}/link", "parse": "text"},
    },
    "outputs": {"made": "{{ state.use.stdout | trim }}"},
    "checkpoints": {"every": 1, "keep": 3},
}


async def _waiting(store: RunStore) -> None:
    result = await magent.load(WORKFLOW).run(store=store, run_id="a")
    assert result.status == "waiting"
    await store.leave("a", "answer-9", {"path": "elsewhere"})


async def test_a_run_goes_around_all_stores_and_on_in_the_last(here: Path, postgres: Any) -> None:
    stores = [
        open_store("file:one"),
        open_store("sqlite:///two.db"),
        open_store("sqlite:///three.db", codec=KEY),
        open_store(postgres.url(), codec=OTHER),
        open_store("memory:"),
        open_store("file:four", codec=OTHER),
        open_store(postgres.url()),
    ]
    await _waiting(stores[0])
    first = await whole(stores[0], "a")
    digests = set()
    for source, target in itertools.pairwise(stores):
        done = await copy(source, "a", target)
        digests.add((done.files, done.made))
        there = await whole(target, "a")
        points = first.checkpoints if target in stores[:4] else there.checkpoints  # in memory the newest alone is kept
        assert there == replace(first, checkpoints=points)
    assert len(digests) == 1
    assert (len(first.checkpoints), len(points)) == (3, 1)
    places = [await store.workspace("a") for store in stores]
    assert len({*places}) == len(stores)
    assert os.readlink(places[-1] / "link") == str(places[-1] / "made.txt")
    answers = {"sign": {"approved": True}}
    for store in (stores[-1], stores[3]):
        result = await magent.resume("a", store=store, answers=answers)
        assert (result.status, result.outputs) == ("completed", {"made": "made"}), result.error
    assert (await stores[0].info("a")).status == "waiting"


class Wrong(FileStore):
    """A disk that lies."""

    async def put(self, run_id: str, kept: Kept, fill: Callable[[Path, Path], None]) -> None:
        await super().put(run_id, Kept(kept.header, kept.workflow, kept.events, {}, None, {}), fill)


async def test_a_copy_that_differs_is_told_and_removed(here: Path) -> None:
    source, target = open_store("file:one"), Wrong("file:two")
    await _waiting(source)
    with pytest.raises(StoreError, match="is not like the original: its record differ"):
        await copy(source, "a", target)
    assert list(await target.list()) == []


async def test_an_id_that_is_taken_there_is_refused(here: Path) -> None:
    source = open_store("file:one")
    await _waiting(source)
    await copy(source, "a", open_store("file:two"))
    with pytest.raises(UsageError, match=r"there is a run 'a' in file:.*two already") as seen:
        await copy(source, "a", open_store("file:two"))
    assert "magent runs rm a --store file:" in str(seen.value.hint)
    with pytest.raises(UsageError, match="already"):
        await copy(source, "a", source)
    assert (await source.info("a")).status == "waiting"


async def test_a_run_that_is_being_driven_is_copied_as_it_stands(here: Path) -> None:
    source, target = open_store("file:one"), open_store("sqlite:///two.db")
    await _waiting(source)
    journal, _ = await source.open("a")
    try:
        done = await copy(source, "a", target)
    finally:
        await journal.close()
    result = await magent.resume("a", store=target, answers={"sign": {"approved": True}})
    assert (done.events > 3, result.status) == (True, "completed")


def test_the_verb_copies_moves_and_seals(here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(_waiting(open_store("file:.magent")))
    monkeypatch.setenv("VAULT_KEY", base64.b64encode(bytes(range(100, 132))).decode())
    copied = cli(capsys, "runs", "copy", "a", "--to", "file:sealed", "--key-env", "VAULT_KEY")
    assert copied.code == 0, copied.err
    assert copied.err.startswith("run a is copied to file:")
    assert asyncio.run(open_store("file:sealed", codec=KEY).info("a")).status == "waiting"
    monkeypatch.setenv("MAGENT_ENCRYPTION_KEY_ENV", "VAULT_KEY")
    refused = cli(capsys, "resume", "a")
    assert (refused.code, "seal it by a copy: magent runs copy a --to URL" in refused.err) == (5, True)
    moved = cli(capsys, "runs", "copy", "a", "--to", "sqlite:///other.db", "--move")
    assert moved.code == 0, moved.err
    assert cli(capsys, "runs", "show", "a").code == 2
    clear = cli(capsys, "--store", "sqlite:///other.db", "runs", "copy", "a", "--to", "file:clear", "--key-env", "none")
    assert clear.code == 0, clear.err
    monkeypatch.delenv("MAGENT_ENCRYPTION_KEY_ENV")
    for store, code in (("file:clear", 0), ("file:sealed", 5)):
        assert cli(capsys, "--store", store, "respond", "a", "--approve", "--resume").code == code
    assert cli(capsys, "runs", "copy", "a").code == 2


def test_a_run_that_is_being_driven_is_not_moved(here: Path, capsys: Any) -> None:
    async def held() -> int:
        store = open_store("file:.magent")
        await _waiting(store)
        journal, _ = await store.open("a")
        await journal.append(
            [magent.Event(len((await store.read("a", checkpoint=False)).events) + 1, 1.0, "run.resumed", {})], sync=True
        )
        code = await asyncio.to_thread(lambda: cli(capsys, "runs", "copy", "a", "--to", "file:other", "--move").code)
        await journal.close()
        return code

    assert asyncio.run(held()) == 5
    assert not (here / "other").exists()


@pytest.mark.parametrize("url", ["file:there", "sqlite:///there.db"])
async def test_a_run_that_was_moved_is_told_of_with_what_it_made_where_it_is_now(here: Path, url: str) -> None:
    source, target = open_store("file:here"), open_store(url)
    await _waiting(source)
    before = (await story(source, "a")).shown
    assert before["workspace"] == str(await source.workspace("a"))
    await copy(source, "a", target)
    await source.remove("a")
    place = await target.workspace("a")
    for _ in range(2):  # as it was copied, and after it went on there
        shown = (await story(target, "a")).shown
        assert shown["workspace"] == str(place)
        assert Path(shown["dir"]) in (place, place.parent)
        assert [each["path"] for each in shown["files"]] == [each["path"] for each in before["files"]]
        await magent.resume("a", store=target, answers={"sign": True})
    events = (await target.read("a", checkpoint=False)).events
    (resumed,) = [event for event in events if event.type == "run.resumed"]
    assert resumed.data["run"]["workspace"] == str(place)
