"""A copy of a run that was at work: its journal is from one moment, what stands beside it from a later one. It is whole
again, as far as that knows, and goes on to the same outputs."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import magent
from magent.errors import RunDamaged
from magent.events import Event
from magent.ports import Journal
from magent.stores.codec import Codec, plain
from magent.stores.file import FileStore
from magent.stores.sealed import Keyring
from magent.stores.tails import Piece, joined
from tests.adapters.storing import events, forget_tails, header

CODECS: dict[str, Codec] = {"plain": plain, "sealed": Keyring([bytes(range(100, 132))])}
NODES = {
    **{f"n{i}": {"set": {f"x{i}": i}, "next": f"n{i + 1}"} for i in range(3)},
    "n3": {"type": "human_input", "input": "rating", "next": "n4"},
    **{f"n{i}": {"set": {f"x{i}": i}, "next": f"n{i + 1}"} for i in range(4, 7)},
    "n7": {"set": {"done": "{{ state.n3.rating }}"}},
}
WORKFLOW: dict[str, Any] = {"magent": 1, "name": "w", "nodes": NODES, "outputs": {"done": "{{ state.done }}"}}


class Moment(NamedTuple):
    """A run as it stood: how many lines its journal had, and every other file."""

    lines: int
    files: dict[str, bytes]


class Watched(FileStore):
    """Looks at the run after each thing that is written of it."""

    def __init__(self, url: str, codec: Codec) -> None:
        super().__init__(url, codec)
        self.moments: list[Moment] = []

    async def create(self, run_id: str, header: Mapping[str, Any], workflow: Mapping[str, Any]) -> Any:
        return _Watching(await super().create(run_id, header, workflow), self.moments)

    async def open(self, run_id: str) -> Any:
        journal, record = await super().open(run_id)
        return _Watching(journal, self.moments), record


class _Watching:
    def __init__(self, journal: Journal, moments: list[Moment]) -> None:
        self._journal = journal
        self._moments = moments

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    def _look(self) -> None:
        directory = self._journal.directory
        files = {f"{path.relative_to(directory)}": path.read_bytes() for path in directory.rglob("*") if path.is_file()}
        del files["lock"]  # which tells who has it
        self._moments.append(Moment(files.pop("journal.jsonl").count(b"\n"), files))

    async def append(self, events: Sequence[Event], *, sync: bool) -> None:
        await self._journal.append(events, sync=sync)
        self._look()

    async def checkpoint(self, seq: int, fold: Mapping[str, Any], *, keep: int = 5) -> None:
        await self._journal.checkpoint(seq, fold, keep=keep)
        while not (self._journal.directory / f"checkpoints/{seq:08}.json").exists():
            await asyncio.sleep(0)
        self._look()

    async def finish(self, result: Mapping[str, Any]) -> None:
        await self._journal.finish(result)
        self._look()


class Copies:
    """Copies of one run, each with the journal of one moment and the files of another."""

    def __init__(self, moments: list[Moment], journal: bytes, codec: Codec, place: Path) -> None:
        self.moments = moments
        self.lines = journal.splitlines(keepends=True)
        self.codec = codec
        self._place = place

    def made(self, journal: bytes, files: Mapping[str, bytes]) -> FileStore:
        shutil.rmtree(self._place, ignore_errors=True)
        store = FileStore(f"file:{self._place}", self.codec)
        for name, data in {**files, "journal.jsonl": journal}.items():
            path = store.runs / "a" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return store

    def journal(self, store: FileStore) -> list[bytes]:
        return (store.runs / "a/journal.jsonl").read_bytes().splitlines(keepends=True)


async def _led(place: Path, codec: Codec, every: int) -> Copies:
    store = Watched(f"file:{place}/run", codec)
    workflow = magent.load({**WORKFLOW, "checkpoints": {"every": every}})
    assert (await workflow.run(store=store, run_id="a")).status == "waiting"
    assert (await magent.resume("a", store=store, answers={"n3": 4})).outputs == {"done": 4}
    return Copies(store.moments, (store.runs / "a/journal.jsonl").read_bytes(), codec, place / "copy")


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return CODECS[request.param]


@pytest.mark.parametrize("every", [2, 7, 500])
async def test_whatever_was_written_after_the_journal_was_copied_it_is_whole_and_goes_on(
    every: int, codec: Codec, tmp_path: Path
) -> None:
    copies = await _led(tmp_path, codec, every)
    known, pairs = 0, 0
    for before, moment in pairwise(copies.moments):
        if moment.files == before.files:
            continue  # only the journal has grown
        known = moment.lines
        for lines in range(known + 1):
            torn = copies.lines[lines][:-1][: 20 * lines] if lines < known else b""
            await _is_whole(copies, copies.made(b"".join(copies.lines[:lines]) + torn, moment.files), known)
            pairs += 1
    assert known == len(copies.lines)
    assert pairs > known


async def _is_whole(copies: Copies, store: FileStore, known: int) -> None:
    """It has all events up to that number, for whoever reads it and whoever goes on with it."""
    whole = (await store.read("a", checkpoint=False)).events
    cached = await store.read("a")
    assert [event.seq for event in whole] == [*range(1, known + 1)]
    assert list(cached.events) == list(whole[cached.checkpoint[0] if cached.checkpoint else 0 :])
    picked = (await store.events(["a"], {event.type for event in whole}, "workflow"))["a"]
    assert picked == list(whole)
    assert all(kept.sound for kept in await store.checkpoints("a"))
    over = known == len(copies.lines)
    assert ((await store.info("a")).status == "completed") == over
    result = await magent.resume("a", store=store, answers={"n3": 4})
    assert (result.status, result.outputs) == ("completed", {"done": 4})
    assert copies.journal(store)[:known] == copies.lines[:known]
    assert len(copies.journal(store)) > known or over


async def test_a_copy_that_was_made_in_any_order_is_whole(codec: Codec, tmp_path: Path) -> None:
    """Checkpoints of one moment, the journal of a later one, the result of the last."""
    copies = await _led(tmp_path, codec, 2)
    last = copies.moments[-1].files
    for moment in copies.moments:
        files = {**moment.files, "result.json": last["result.json"]}
        for lines in range(0, len(copies.lines) + 1, 5):
            await _is_whole(copies, copies.made(b"".join(copies.lines[:lines]), files), len(copies.lines))


async def test_a_life_that_dies_while_it_completes_a_copy_is_made_good(codec: Codec, tmp_path: Path) -> None:
    copies = await _led(tmp_path, codec, 7)
    journal = b"".join(copies.lines)
    for length in range(0, len(journal), 101):
        await _is_whole(copies, copies.made(journal[:length], copies.moments[-1].files), len(copies.lines))


# ---- where what stands beside the journal does not reach


async def _written(place: Path, codec: Codec, size: int, each: int = 3) -> FileStore:
    """Three lives of so many events, of that many characters: two leave a checkpoint, the last a result."""
    store = FileStore(f"file:{place}", codec)
    journal = await store.create("a", header("a"), {"name": "tides"})
    for last in (each, 2 * each, 3 * each):
        await journal.append(events(last - each + 1, last, text="x" * size), sync=True)
        if last < 3 * each:
            await journal.checkpoint(last, {"n": last})
            await journal.close()
            journal, _ = await store.open("a")
    await journal.finish({"status": "completed"})
    await journal.close()
    return store


def _cut(store: FileStore, lines: int) -> None:
    path = store.runs / "a/journal.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:lines]))


async def _goes_on_from(store: FileStore, lines: int, codec: Codec) -> None:
    """In the clear it goes on from there; under a key it is refused."""
    before = (store.runs / "a/journal.jsonl").read_bytes()
    if codec is not plain:
        for verb in (store.read, store.open):
            with pytest.raises(RunDamaged, match=f"its end is missing: it goes to event {lines}, and") as seen:
                await verb("a")
            assert "or give up what is missing: rm " in str(seen.value.hint)
        assert (store.runs / "a/journal.jsonl").read_bytes() == before
        return
    assert len((await store.read("a", checkpoint=False)).events) == lines
    journal, _ = await store.open("a")
    await journal.append(events(lines + 1, lines + 3, text="otherwise"), sync=True)
    await journal.close()
    now = (await store.read("a", checkpoint=False)).events
    assert [event.data["text"] for event in now[lines:]] == ["otherwise"] * 3


async def test_of_what_is_long_the_newest_is_kept_since_the_checkpoint_before(codec: Codec, tmp_path: Path) -> None:
    store = await _written(tmp_path, codec, 300_000)
    sound = (store.runs / "a/journal.jsonl").read_bytes()
    for lines in (6, 7, 8):
        _cut(store, lines)
        journal, _ = await store.open("a")
        await journal.close()
        assert (store.runs / "a/journal.jsonl").read_bytes() == sound
    (store.runs / "a/result.json").unlink()
    (store.runs / "a/checkpoints/00000003.json").unlink()
    _cut(store, 4)
    assert len((await store.read("a", checkpoint=False)).events) == 6
    _cut(store, 2)
    await _goes_on_from(store, 2, codec)


async def test_a_line_that_is_too_long_to_be_kept_twice_is_not(codec: Codec, tmp_path: Path) -> None:
    store = await _written(tmp_path, codec, 4_200_000, 1)
    assert max(path.stat().st_size for path in (store.runs / "a/checkpoints").iterdir()) < 5_000
    assert await store.result("a") == {"status": "completed"}
    _cut(store, 2)
    await _goes_on_from(store, 2, codec)


@pytest.mark.parametrize("lines", [0, 1, 4, 5, 8])
async def test_an_end_that_nobody_has_kept_is_told_or_given_up_as_ever(
    lines: int, codec: Codec, tmp_path: Path
) -> None:
    store = await _written(tmp_path, codec, 10)
    forget_tails(store.runs / "a", codec)
    _cut(store, lines)
    await _goes_on_from(store, lines, codec)


async def test_an_end_that_no_checkpoint_knows_of_is_lost(codec: Codec, tmp_path: Path) -> None:
    store = await _written(tmp_path, codec, 10)
    (store.runs / "a/result.json").unlink()
    _cut(store, 8)
    assert len((await store.read("a", checkpoint=False)).events) == 8
    journal, record = await store.open("a")
    await journal.close()
    assert (record.checkpoint, len(record.events)) == ((6, {"n": 6}), 2)


async def test_what_is_kept_of_a_journal_that_went_on_otherwise_is_not_put_on(tmp_path: Path) -> None:
    """In the clear nothing else would tell: the lines are as long as those which were kept, and have their numbers."""
    store = await _written(tmp_path, plain, 300_000)
    shutil.rmtree(store.runs / "a/checkpoints")
    _cut(store, 2)
    for lines in range(3, 10):
        journal, _ = await store.open("a")
        await journal.append(events(lines, lines, text="y" * 300_000), sync=True)
        await journal.close()
        now = (await store.read("a", checkpoint=False)).events
        assert (len(now), now[-1].data["text"][0]) == (lines, "y")


@given(data=st.data())
def test_pieces_that_touch_are_joined_and_others_left_out(data: st.DataObject) -> None:
    codec = plain("a")
    lines = [codec.line(Event(seq, 1.0, "x", {})) for seq in range(1, 13)]
    starts = [sum(map(len, lines[:at])) for at in range(len(lines) + 1)]
    have = data.draw(st.integers(0, 12))
    spans = data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda s: s[0] < s[1])))
    others = [Piece(starts[a], b"".join(lines[a:b]).replace(b'"x"', b'"y"')) for a, b in spans]
    pieces = [Piece(starts[a], b"".join(lines[a:b])) for a, b in spans]
    reached = have
    for a, b in sorted(spans):
        reached = max(reached, b) if a < reached or not a else reached
    assert joined(codec, b"".join(lines[:have]), pieces) == b"".join(lines[:reached])
    assert joined(codec, b"".join(lines[:have]), others) == b"".join(lines[:have])
