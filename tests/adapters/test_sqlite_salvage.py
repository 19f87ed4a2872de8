"""A copy that is half older than the other half: what is whole in it is put in order, and all of the older half is."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import magent
from magent.errors import RunDamaged, StoreError
from magent.events import Event
from magent.ports import Record, RunStore
from magent.stores import open_store, sqlite_mend
from magent.stores.codec import Codec
from magent.stores.sealed import Keyring
from magent.stores.sqlite_pages import Pages, Unreadable, records
from tests.adapters.storing import events, header, write

KEY = bytes(range(100, 132))
PAGE = 4096
CODECS: dict[str, Codec | None] = {"plain": None, "key": Keyring([KEY])}


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec | None:
    return CODECS[request.param]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class State(NamedTuple):
    content: bytes
    counts: dict[str, int]  # of events, by run


class Work(NamedTuple):
    """Runs; appends between two states; sizes of events, in characters; how often there is a checkpoint, and how large
    it is; the size of a workflow; whether the runs end before the second state."""

    runs: int
    appends: int
    sizes: tuple[int, ...]
    often: float
    fold: int
    workflow: int
    ends: bool


WORK = {
    "many runs": Work(12, 70, (50, 300), 0.02, 300, 100, ends=False),
    "big outputs": Work(3, 15, (50, 6000), 0.05, 3000, 6000, ends=False),
    "deleted checkpoints": Work(3, 40, (50, 300), 0.4, 6000, 500, ends=False),
    "runs that end": Work(3, 30, (50, 300), 0.02, 300, 9000, ends=True),
    "one run": Work(1, 100, (300,), 0.02, 3000, 3000, ends=True),
}


async def states(work: Work, codec: Codec | None) -> tuple[State, State]:
    store = open_store("sqlite:///live.db", codec=codec)
    chosen = random.Random(1)
    names = [f"r{number}" for number in range(work.runs)]
    for name in names:
        await (await store.create(name, header(name), {"text": "z" * work.workflow})).close()
    before = await _state(store, await _append(store, names, work, chosen))
    await _append(store, names, work, chosen)
    if work.ends:
        for name in names:
            journal, record = await store.open(name)
            await journal.append([Event(_last(record) + 1, 1.0, "run.completed", {"outputs": {}})], sync=True)
            await journal.finish({"status": "completed", "outputs": {}})
            await journal.close()
    return before, await _state(store, names)


async def _append(store: RunStore, names: list[str], work: Work, chosen: random.Random) -> list[str]:
    opened = {name: await store.open(name) for name in names}
    last = {name: _last(record) for name, (_, record) in opened.items()}
    for _ in range(work.appends):
        name = chosen.choice(names)
        journal, last[name] = opened[name][0], last[name] + 1
        text = f"{chosen.getrandbits(64):0{chosen.choice(work.sizes)}x}"
        await journal.append([Event(last[name], 1.0, "x", {"text": text})], sync=False)
        if chosen.random() < work.often:
            await journal.checkpoint(last[name], {"text": "y" * work.fold}, keep=2)
    for journal, _ in opened.values():
        await journal.close()
    return names


def _last(record: Record) -> int:
    return record.events[-1].seq if record.events else record.checkpoint[0] if record.checkpoint else 0


async def _state(store: RunStore, names: list[str]) -> State:
    return State(Path("live.db").read_bytes(), {name: len(await _events(store, name)) for name in names})


async def _events(store: RunStore, name: str) -> list[Event]:
    return list((await store.read(name, checkpoint=False)).events)


def torn(one: bytes, other: bytes) -> Iterator[bytes]:
    """Cut at every page, either half the older."""
    for cut in range(PAGE, max(len(one), len(other)), PAGE):
        yield one[:cut] + other[cut:]
        yield other[:cut] + one[cut:]


@pytest.mark.parametrize("kind", WORK)
async def test_wherever_a_copy_is_torn_all_of_the_older_half_is_read(kind: str, codec: Codec | None) -> None:
    before, after = await states(WORK[kind], codec)
    copy = Path("copy.db")
    for content in torn(before.content, after.content):
        copy.write_bytes(content)
        store = open_store("sqlite:///copy.db", codec=codec)
        infos = {info.id: info.status for info in await store.list()}
        assert set(infos) == set(before.counts)
        for name, count in before.counts.items():
            found = await _events(store, name)
            assert [event.seq for event in found] == [*range(1, len(found) + 1)]
            assert count <= len(found) <= after.counts[name]
            assert infos[name] == ("completed" if found[-1].type == "run.completed" else "interrupted")
            assert _last(await store.read(name)) == len(found)
    assert copy.read_bytes() == content
    assert {each.name for each in Path().iterdir()} == {"live.db", "copy.db", ".magent"}


NODES = {f"n{i}": {"set": {f"x{i}": "'" + "long " * 100 + f"{i}'"}, "next": f"n{i + 1}"} for i in range(6)}
FLOW = {
    "magent": 1,
    "name": "w",
    "nodes": NODES | {"n6": {"set": {"done": True}}},
    "checkpoints": {"every": 3},
    "outputs": {"done": "{{ state.done }}", "last": "{{ state.x5 | length }}"},
}


async def test_runs_of_a_torn_copy_go_on_to_the_same_outputs(codec: Codec | None) -> None:
    store, names = open_store("sqlite:///live.db", codec=codec), ("a", "b", "c")
    for name in names:
        await magent.load(FLOW).run(store=store, run_id=name, stop_after="n2")
    before = Path("live.db").read_bytes()
    await magent.resume("a", store=store)
    await magent.resume("b", store=store, stop_after="n4")
    after = Path("live.db").read_bytes()
    outputs = (await magent.resume("b", store=store)).outputs
    assert outputs["done"] is True
    for number, content in enumerate(list(torn(before, after))[::5]):
        Path(f"copy{number}.db").write_bytes(content)
        copy = open_store(f"sqlite:///copy{number}.db", codec=codec)
        for name in names:
            result = await magent.resume(name, store=copy)
            if result.note is None:  # else it is over already
                assert (result.status, result.outputs) == ("completed", outputs)
            found = await copy.result(name)
            assert found is not None
            assert found["outputs"] == outputs


async def _torn_copy(name: str = "copy.db") -> tuple[Path, RunStore]:
    before, after = await states(WORK["many runs"], None)
    copy = Path(name)
    half = len(before.content) // 2 // PAGE * PAGE
    copy.write_bytes(before.content[:half] + after.content[half:])
    return copy, open_store(f"sqlite:///{name}")


async def test_what_is_written_to_is_put_in_order_first_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    copy, store = await _torn_copy()
    content = copy.read_bytes()
    copy.chmod(0o644)
    for name in ("copy.db-torn", "copy.db-torn-2"):
        Path(name).write_bytes(b"another's")
    await store.list()
    await store.list()
    await write(store, "new")
    await write(store, "newer")
    kept = Path("copy.db-torn-3")
    assert kept.read_bytes() == content
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert Path("copy.db-torn").read_bytes() == Path("copy.db-torn-2").read_bytes() == b"another's"
    assert len(list(await store.list())) == 14
    read, written = caplog.messages
    assert "was copied while runs were at work: part of it is older than the rest. It is read as if" in read
    assert written.endswith(f"It was put in order; as it was it is kept as {kept.absolute()}.")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


async def test_what_is_missing_is_told_by_run(caplog: pytest.LogCaptureFixture) -> None:
    """The end of the file did not come along."""
    store = open_store("sqlite:///live.db")
    journal = await store.create("ended", header("ended"), {})
    await journal.append(events(1, 80, text="x" * 300), sync=True)
    await journal.checkpoint(80, {"n": 80})
    await journal.append([Event(81, 1.0, "run.completed", {})], sync=True)
    await journal.finish({"status": "completed"})
    await journal.close()
    content = Path("live.db").read_bytes()
    Path("copy.db").write_bytes(content[: -3 * PAGE])
    copy = open_store("sqlite:///copy.db")
    left = len(await _events(copy, "ended"))
    assert 10 < left < 80
    assert (await copy.info("ended")).status == "interrupted"
    assert await copy.result("ended") is None
    (said,) = caplog.messages
    assert f"Run ended lacks {80 - left} events or more after event {left}: magent resume ended goes on from" in said


async def test_a_run_of_which_nothing_but_events_is_left_is_named(caplog: pytest.LogCaptureFixture) -> None:
    store = open_store("sqlite:///live.db")
    await write(store, "other")
    await write(store, "gone", 5)
    with sqlite3.connect("live.db") as connection:
        connection.execute("DELETE FROM begun WHERE id = 'gone'")
        connection.execute("UPDATE run SET header = x'00' WHERE id = 'gone'")
        connection.execute("UPDATE checkpoint SET seq = 9")
        connection.execute("INSERT INTO checkpoint VALUES (1, 99, x'00')")
    connection.close()
    Path("copy.db").write_bytes(Path("live.db").read_bytes())
    assert [info.id for info in await open_store("sqlite:///copy.db").list()] == ["other"]
    assert "Run gone is missing: nothing says what it was, unless it was removed just then." in caplog.text


# ---- what is left alone


async def test_the_file_that_was_written_to_last_is_damaged_and_not_torn() -> None:
    store = open_store("sqlite:///live.db")
    await write(store, "a", 100, text="x" * 300)
    path = Path("live.db")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(RunDamaged):
        await store.read("a")
    assert path.read_bytes() == content
    assert not list(Path().glob("*torn*"))


async def test_a_file_that_somebody_is_at_work_on_is_left_alone() -> None:
    copy, store = await _torn_copy()
    Path("copy.db-wal").write_bytes(b"x" * 100)
    assert sqlite_mend.to_read(copy.absolute()) is None
    assert sqlite_mend.to_write(copy.absolute()) is False
    Path("copy.db-wal").unlink()
    assert len(list(await store.list())) == 12


async def test_a_file_of_before_is_read_and_gone_on_with() -> None:
    """Its events stand in the index itself, and what runs began with stands there once."""
    store = open_store("sqlite:///live.db")
    await write(store, "a", 50, text="x" * 300)
    with sqlite3.connect("live.db") as connection:
        connection.executescript(
            "DROP TABLE begun; ALTER TABLE event RENAME TO old; CREATE TABLE event (run INTEGER NOT NULL,"
            " seq INTEGER NOT NULL, line BLOB NOT NULL, PRIMARY KEY (run, seq)) WITHOUT ROWID;"
            " INSERT INTO event SELECT * FROM old WHERE run > 0; DROP TABLE old"
        )
    connection.close()
    before = Path("live.db").read_bytes()
    assert len(await _events(store, "a")) == 50
    await write(store, "b", 50, text="x" * 300)
    after = Path("live.db").read_bytes()
    Path("copy.db").write_bytes(before[: 4 * PAGE] + after[4 * PAGE :])
    copy = open_store("sqlite:///copy.db")
    assert len(await _events(copy, "a")) <= 50
    await write(copy, "c")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET seq = 'text' WHERE seq = 2 AND run > 0",
        "UPDATE event SET line = 'text' WHERE run > 0",
        "UPDATE run SET header = 5, workflow = 'text', result = 1.5",
        "INSERT INTO checkpoint VALUES ('a', 'b', 'c')",
        "INSERT INTO note VALUES (1, x'00', 5)",
        "DROP TABLE begun; CREATE TABLE begun (number, header, workflow); INSERT INTO begun VALUES (1, 'x', 5)",
    ],
)
async def test_a_copy_that_somebody_has_made_up_is_a_whole_store_or_an_error(sql: str) -> None:
    await write(open_store("sqlite:///live.db"), "a")
    with sqlite3.connect("live.db") as connection:
        connection.executescript(sql)
    connection.close()
    Path("copy.db").write_bytes(Path("live.db").read_bytes())
    copy = open_store("sqlite:///copy.db")
    with contextlib.suppress(StoreError):
        assert {info.id for info in await copy.list()} <= {"a"}
        await write(copy, "b")
        assert len(await _events(copy, "b")) == 3


async def test_of_a_removed_run_nothing_is_left_of_what_it_began_with() -> None:
    store = open_store("sqlite:///live.db")
    await write(store, "b")
    await (await store.create("a", header("a"), {"text": "low water " * 900})).close()
    assert b"low water" in Path("live.db").read_bytes()
    await store.remove("a")
    assert b"low water" not in Path("live.db").read_bytes()


# ---- hostile files


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "runs.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)

        async def make() -> None:
            for name, size in (("a", 300), ("b", 9000)):
                await write(open_store(f"sqlite:///{path}"), name, 12, text="x" * size)

        asyncio.run(make())
    return path.read_bytes()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_whatever_the_bytes_are_it_is_a_whole_store_or_an_error(sound: bytes, data: st.DataObject) -> None:
    content = bytearray(sound)
    for at, byte in data.draw(
        st.lists(st.tuples(st.integers(100, len(content) - 1), st.integers(0, 255)), max_size=30)
    ):
        content[at] = byte
    pages = st.integers(1, len(content) // PAGE - 1)
    for one, other in data.draw(st.lists(st.tuples(pages, pages), max_size=3)):
        content[one * PAGE : one * PAGE + PAGE] = content[other * PAGE : other * PAGE + PAGE]
    del content[data.draw(st.integers(0, len(content))) :]
    path = Path("hostile.db")
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    store = open_store("sqlite:///hostile.db")
    with contextlib.suppress(StoreError):
        for info in await store.list():
            found = await _events(store, info.id)
            assert [event.seq for event in found] == [*range(1, len(found) + 1)]
        await write(store, f"new{data.draw(st.uuids())}")


@settings(deadline=None)
@given(st.binary(max_size=3 * 512), st.integers(0, 255))
def test_pages_of_anything_are_read_to_the_end(data: bytes, reserved: int) -> None:
    content = b"SQLite format 3\0" + (512).to_bytes(2) + bytes(2) + bytes([reserved]) + bytes(79) + data
    with contextlib.suppress(Unreadable):
        for record in records(Pages(lambda size, at: content[at : at + size], len(content))):
            assert len(record.values) <= 16


def test_records_that_are_longer_than_the_file_come_to_an_end() -> None:
    """Each of the cells of one page names the same pages as its own."""
    count = 400
    cells = b"".join((900).to_bytes(2) for _ in range(200))
    leaf = bytes([0x0D]) + bytes(2) + (200).to_bytes(2) + bytes(3) + cells
    leaf = leaf.ljust(900, b"\0") + b"\x83\xff\x7f\x01" + bytes(1)
    chain = [(number + 1).to_bytes(4) if number < count else bytes(4) for number in range(1, count + 1)]
    head = b"SQLite format 3\0" + (PAGE).to_bytes(2) + bytes(82)
    content = head.ljust(PAGE, b"\0") + b"".join(leaf.ljust(PAGE, b"\2") for _ in chain)
    read = 0

    def counted(size: int, at: int) -> bytes:
        nonlocal read
        read += 1
        return content[at : at + size]

    pages = Pages(counted, len(content))
    with contextlib.suppress(Unreadable):
        list(records(pages))
    assert read < 6 * pages.count
