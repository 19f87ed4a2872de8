"""One behaviour for every store: what `ports.RunStore` and `ports.Journal` promise."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from magent.copying import whole
from magent.errors import RunLocked, StoreError, UsageError
from magent.events import Event
from magent.ports import Journal, Kept, Puts, Record, RunInfo, RunStore, Tended
from magent.stores import ids, known, open_store
from magent.stores.file import FileStore
from magent.stores.memory import MemoryStore
from magent.stores.sealed import Keyring
from magent.stores.sqlite import SqliteStore
from tests import own_store
from tests.packages import install

WORKFLOW = {"magent": 1, "name": "tides", "text": "ä \ud800 €"}


def header(run_id: str, created: float = 100.0) -> dict[str, Any]:
    return {"run_id": run_id, "workflow": "tides", "file": "tides.yaml", "inputs": {"n": [1, None]}, "created": created}


def events(types: str, first: int = 1, **data: Any) -> list[Event]:
    return [Event(seq, 1000.0 + seq, kind, data) for seq, kind in enumerate(types.split(), first)]


async def write(store: RunStore, run_id: str, types: str, created: float = 100.0, **data: Any) -> None:
    journal = await store.create(run_id, header(run_id, created), WORKFLOW)
    await journal.append(events(types, **data), sync=True)
    await journal.close()


async def listed(store: RunStore) -> dict[str, RunInfo]:
    return {info.id: info for info in await store.list()}


SEALED = Keyring([bytes(range(100, 132))])
KINDS = (
    "file",
    "memory",
    "sqlite",
    "postgres",
    "own",
    "file, sealed",
    "sqlite, sealed",
    "postgres, sealed",
    "own, sealed",
)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.chdir(tmp_path)
    name, _, sealed = request.param.partition(", ")
    if name == "own":
        monkeypatch.syspath_prepend(own_store.distribution(tmp_path / "site"))
        url = f"shelf:{tmp_path}/shelf"
    elif name == "postgres":
        url = request.getfixturevalue("postgres").url()
    else:
        url = {"file": f"file:{tmp_path}/.magent", "memory": "memory:", "sqlite": "sqlite:///runs.db"}[name]
    return open_store(url, codec=SEALED if sealed else None)


async def test_what_was_appended_is_read_back(store: RunStore) -> None:
    await write(
        store, "a", "run.started visit.started visit.completed", node="x", output={"text": "ä\n\u2028", "n": 1.5}
    )
    record = await store.read("a")
    expected = events("run.started visit.started visit.completed", node="x", output={"text": "ä\n\u2028", "n": 1.5})
    assert record == Record(header("a"), WORKFLOW, None, expected)


async def test_a_run_can_be_read_while_it_is_held(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    await journal.append(events("run.started"), sync=False)
    assert list((await store.read("a")).events) == events("run.started")
    await journal.close()


async def test_a_run_without_events_is_sound(store: RunStore) -> None:
    await write(store, "a", "")
    journal, record = await store.open("a")
    await journal.append(events("run.started"), sync=True)
    await journal.close()
    assert (list(record.events), list((await store.read("a")).events)) == ([], events("run.started"))


async def test_an_opened_run_goes_on_where_it_stood(store: RunStore) -> None:
    await write(store, "a", "run.started")
    journal, record = await store.open("a")
    assert list(record.events) == events("run.started")
    await journal.append(events("run.resumed run.completed", 2), sync=True)
    await journal.close()
    assert [event.type for event in (await store.read("a")).events] == ["run.started", "run.resumed", "run.completed"]


@pytest.mark.parametrize("batch", [events("x", 3), events("x", 1), events("x", 0)])
async def test_an_event_out_of_turn_is_the_callers_mistake(store: RunStore, batch: list[Event]) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    await journal.append(events("run.started"), sync=True)
    with pytest.raises(ValueError, match="event 2 must come next"):
        await journal.append(batch, sync=True)
    await journal.append([], sync=True)
    await journal.append(events("run.completed", 2), sync=True)
    await journal.close()
    assert len((await store.read("a")).events) == 2


async def test_nothing_can_be_appended_after_closing(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    await journal.close()
    await journal.close()
    with pytest.raises(StoreError, match="closed"):
        await journal.append(events("run.started"), sync=True)
    with pytest.raises(StoreError, match="closed"):
        await journal.finish({})


async def test_a_held_run_is_refused_to_a_second_holder(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    with pytest.raises(RunLocked, match="this process") as caught:
        await store.open("a")
    assert caught.value.exit_code == 5
    await journal.close()
    again, _ = await store.open("a")
    with pytest.raises(RunLocked):
        await store.open("a")
    with pytest.raises(RunLocked):
        await store.remove("a")
    await again.close()


async def test_the_files_of_a_run_are_found_whether_it_is_held_or_not(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    (journal.workspace / "notes.txt").write_text("high water")
    held = await store.workspace("a")
    await journal.close()
    assert (held, (held / "notes.txt").read_text()) == (journal.workspace, "high water")
    assert await store.workspace("a") == held
    with pytest.raises(UsageError):
        await store.workspace("b")


async def test_an_id_is_used_once(store: RunStore) -> None:
    await write(store, "a", "run.started")
    with pytest.raises(UsageError, match="there is a run 'a' already"):
        await store.create("a", header("a"), {})
    assert len((await store.read("a")).events) == 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "a.b", "a b", "ä", "a\n", "a\0", "/a", "x" * 101, "latest", "²"]
)
async def test_a_name_that_could_lead_elsewhere_is_refused(store: RunStore, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the id"):
        await store.create(name, header(name), WORKFLOW)
    assert list(await store.list()) == []


@pytest.mark.parametrize("name", ["7", "A_b-c", "-x", "x" * 100])
async def test_letters_digits_underscores_and_hyphens_make_a_name(store: RunStore, name: str) -> None:
    await write(store, name, "run.started")
    assert list(await listed(store)) == [name]


@pytest.mark.parametrize("name", ["review-8", "", "..", "a/b", "a\0", "x" * 5000])
@pytest.mark.parametrize("verb", ["open", "read", "info", "checkpoints", "result", "remove", "resolve"])
async def test_an_unknown_id_is_bad_usage(store: RunStore, verb: str, name: str) -> None:
    await write(store, "review-7", "run.started")
    with pytest.raises(UsageError, match="there is no run") as caught:
        await getattr(store, verb)(name)
    assert caught.value.hint
    if name == "review-8":
        assert caught.value.hint == "did you mean 'review-7'?"


async def test_in_an_empty_store_the_error_says_so(store: RunStore) -> None:
    with pytest.raises(UsageError, match="holds no runs"):
        await store.resolve("latest")


async def test_ids_are_found_by_what_is_unique_of_them(store: RunStore) -> None:
    for name in ("20261122-141530-7f3a", "20261122-141530-8a01", "20261123-090000-11aa", "7f3"):
        await write(store, name, "run.started")
    assert await store.resolve("20261123") == "20261123-090000-11aa"
    assert await store.resolve("8a01") == "20261122-141530-8a01"
    assert await store.resolve("7f3") == "7f3"
    with pytest.raises(UsageError, match="fits 2 runs: 20261122-141530-7f3a, 20261122-141530-8a01"):
        await store.resolve("20261122-")


async def test_latest_is_the_one_created_last_whatever_its_name(store: RunStore) -> None:
    for name, created in (("z", 5.0), ("a", 9.0), ("m", 7.0)):
        await write(store, name, "run.started", created)
    assert await store.resolve("latest") == "a"


async def test_the_listing_shows_the_newest_first(store: RunStore) -> None:
    for name, created in (("z", 5.0), ("a", 9.0), ("m", 7.0)):
        await write(store, name, "run.started run.completed", created)
    assert [info.id for info in await store.list()] == ["a", "m", "z"]
    assert (await listed(store))["m"] == RunInfo("m", "tides", "completed", 7.0, 1002.0, "tides.yaml")


@pytest.mark.parametrize(
    ("types", "status"),
    [
        ("", "interrupted"),
        ("run.started", "interrupted"),
        ("run.started visit.started", "interrupted"),
        ("run.started run.interrupted", "interrupted"),
        ("run.started run.interrupted run.resumed", "interrupted"),
        ("run.started run.interrupted visit.answered", "interrupted"),
        ("run.started run.completed", "completed"),
        ("run.started run.failed", "failed"),
        ("run.started run.failed run.resumed run.completed", "completed"),
        ("run.started run.cancelled", "cancelled"),
    ],
)
async def test_the_status_is_what_the_last_event_says(store: RunStore, types: str, status: str) -> None:
    await write(store, "a", types)
    assert (await listed(store))["a"].status == status


@pytest.mark.parametrize(
    "types", ["", "run.started", "run.started run.waiting run.resumed", "run.started visit.started"]
)
async def test_a_run_that_is_held_and_has_not_ended_is_running(store: RunStore, types: str) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    await journal.append(events(types), sync=False)
    assert (await listed(store))["a"].status == "running"
    await journal.close()


async def test_a_waiting_run_says_for_whom_until_all_have_answered(store: RunStore) -> None:
    await write(store, "a", "run.started run.waiting", nodes=["ok", "fan/sign"])
    assert (await listed(store))["a"].waiting == ("ok", "fan/sign")
    journal, _ = await store.open("a")
    await journal.append([Event(3, 2000.0, "visit.answered", {"path": "ok"})], sync=True)
    info = (await listed(store))["a"]
    assert (info.status, info.waiting, info.updated) == ("waiting", ("fan/sign",), 2000.0)
    await journal.append([Event(4, 2001.0, "visit.answered", {"path": "fan/sign"})], sync=True)
    await journal.close()
    info = (await listed(store))["a"]
    assert (info.status, info.waiting) == ("interrupted", ())


async def test_a_checkpoint_stands_for_the_events_before_it(store: RunStore) -> None:
    await write(store, "a", "run.started b c d")
    journal, _ = await store.open("a")
    await journal.checkpoint(2, {"n": 2})
    await journal.close()
    journal, record = await store.open("a")
    assert record.checkpoint == (2, {"n": 2})
    assert list(record.events) == events("c d", 3)
    await journal.append(events("e", 5), sync=True)
    await journal.checkpoint(5, {"n": 5})
    await journal.close()
    record = await store.read("a")
    assert (record.checkpoint, list(record.events)) == ((5, {"n": 5}), [])
    record = await store.read("a", checkpoint=False)
    assert (record.checkpoint, list(record.events)) == (None, events("run.started b c d e"))


@pytest.mark.parametrize("seq", [0, 2, -1])
async def test_a_checkpoint_of_what_did_not_happen_is_the_callers_mistake(store: RunStore, seq: int) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    await journal.append(events("run.started"), sync=True)
    with pytest.raises(ValueError, match=f"no event {seq}"):
        await journal.checkpoint(seq, {})
    await journal.close()


async def test_the_result_is_the_last_one_written(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    assert await store.result("a") is None
    await journal.finish({"status": "waiting"})
    await journal.finish({"status": "completed", "outputs": {"text": "ä\ud800"}})
    await journal.close()
    assert await store.result("a") == {"status": "completed", "outputs": {"text": "ä\ud800"}}


async def test_one_run_is_told_as_the_listing_tells_it(store: RunStore) -> None:
    await write(store, "a", "run.started run.waiting", nodes=["ask"])
    await write(store, "b", "run.started")
    assert [await store.info("a"), await store.info("b")] == sorted(await store.list(), key=lambda info: info.id)


async def test_whoever_holds_a_run_sees_that_its_end_is_asked_for(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    assert not journal.notes()
    assert await store.leave("a", "cancel", {"by": "ann", "reason": "ä"}) is None
    assert journal.notes() == await store.notes("a") == {"cancel": {"by": "ann", "reason": "ä"}}
    await journal.close()


async def test_a_request_that_nobody_obeyed_is_there_for_the_next_holder(store: RunStore) -> None:
    await write(store, "a", "run.started")
    await store.leave("a", "cancel", {"by": "ann"})
    journal, _ = await store.open("a")
    assert journal.notes() == {"cancel": {"by": "ann"}}
    await store.take_away("a", "cancel")
    await store.take_away("a", "cancel")
    assert not journal.notes()
    await journal.close()


async def test_of_several_notes_under_one_name_the_first_stays(store: RunStore) -> None:
    await write(store, "a", "run.started")
    left = await asyncio.gather(*(store.leave("a", "answer-1", {"by": by}) for by in ("ann", "bob", "eve")))
    (kept,) = (await store.notes("a")).values()
    assert sorted(map(str, left)) == sorted(["None", str(kept), str(kept)])
    assert await store.leave("a", "answer-2", {"by": "ann"}) is None
    await store.take_away("a", "answer-1")
    assert await store.notes("a") == {"answer-2": {"by": "ann"}}


async def test_a_note_needs_a_run_and_a_name_that_leads_nowhere(store: RunStore) -> None:
    with pytest.raises(UsageError):
        await store.leave("nobody", "cancel", {})
    await write(store, "a", "run.started")
    with pytest.raises(ValueError, match="cannot be the name of a note"):
        await store.leave("a", "../cancel", {})
    assert await store.notes("a") == {}


async def test_events_of_some_types_are_read_of_runs_that_have_what_is_looked_for(store: RunStore) -> None:
    await write(store, "a", "run.started visit.started visit.completed", ask={"input": "ä"})
    await write(store, "b", "run.started visit.started", task={"ask": 1})
    wanted = ("visit.started", "visit.failed")
    found = await store.events(["b", "nobody", "a"], wanted, "ask")
    assert {run_id: [event.seq for event in those] for run_id, those in found.items()} == {"a": [2]}  # type: ignore[union-attr]
    assert dict(await store.events(["a"], ("visit.failed",), "ask")) == {}
    assert dict(await store.events([], wanted, "ask")) == {}


async def test_checkpoints_are_listed_and_read(store: RunStore) -> None:
    await write(store, "a", "run.started")
    assert list(await store.checkpoints("a")) == []
    journal, _ = await store.open("a")
    await journal.append(events("x y", 2), sync=True)
    await journal.checkpoint(2, {"n": 2})
    await journal.close()
    (kept,) = await store.checkpoints("a")
    assert (kept.seq, kept.time, kept.sound) == (2, 1002.0, True)
    assert kept.size >= len('{"n":2}')
    assert await store.checkpoint("a", 2) == {"n": 2}
    assert await store.checkpoint("a", 3) is None


async def test_a_removed_run_is_gone_and_its_name_is_free(store: RunStore) -> None:
    await write(store, "a", "run.started")
    await store.remove("a")
    assert list(await store.list()) == []
    await write(store, "a", "")
    assert list((await store.read("a")).events) == []


async def test_a_run_has_a_directory_to_work_in(store: RunStore) -> None:
    journal: Journal = await store.create("a", header("a"), WORKFLOW)
    assert journal.run_id == "a"
    assert journal.directory.is_dir()
    (journal.workspace / "note").write_text("x")
    await journal.close()
    again, _ = await store.open("a")
    assert (again.workspace / "note").read_text() == "x"
    await again.close()


async def test_checkpoints_are_dropped_whoever_holds_the_run(store: RunStore) -> None:
    journal = await store.create("a", header("a"), WORKFLOW)
    await journal.append(events("run.started x y"), sync=True)
    await journal.checkpoint(3, {"n": 3})
    await journal.close()
    held, _ = await store.open("a")
    await store.forget("a", [2, 3])
    await held.close()
    assert list(await store.checkpoints("a")) == []
    record = await store.read("a")
    assert (record.checkpoint, len(record.events)) == (None, 3)
    with pytest.raises(UsageError):
        await store.forget("b", [1])


async def test_a_run_that_went_on_since_is_not_removed(store: RunStore) -> None:
    await write(store, "a", "run.started run.failed")
    before = (await store.info("a")).updated
    journal, _ = await store.open("a")
    await journal.append(events("run.resumed run.waiting", 3), sync=True)
    await journal.close()
    assert not await store.remove("a", updated=before)
    assert len((await store.read("a")).events) == 4
    assert await store.remove("a", updated=(await store.info("a")).updated)
    assert list(await store.list()) == []


KEPT = Kept(header("a"), WORKFLOW, events("run.started x y z"), {2: {"n": 2}, 4: {"n": 4}}, {"ok": "ä"}, {"cancel": {}})


async def test_a_run_is_taken_over_in_one_piece(store: RunStore) -> None:
    if not isinstance(store, Puts):
        return

    def fill(place: Path, named: Path) -> None:
        (place / "made").write_text("x")

    await store.put("a", KEPT, fill)
    assert await whole(store, "a") == KEPT
    assert ((await store.workspace("a")) / "made").read_text() == "x"
    with pytest.raises(UsageError, match="there is a run 'a' already"):
        await store.put("a", KEPT, lambda place, named: None)
    journal, record = await store.open("a")
    assert (record.checkpoint, list(record.events)) == ((4, {"n": 4}), [])
    await journal.append(events("run.resumed", 5), sync=True)
    await journal.close()
    assert len((await store.read("a", checkpoint=False)).events) == 5
    assert ((await store.workspace("a")) / "made").read_text() == "x"


async def test_a_run_that_cannot_be_taken_over_leaves_nothing(store: RunStore) -> None:
    if not isinstance(store, Puts):
        return

    def fail(place: Path, named: Path) -> None:
        (place / "made").write_text("x")
        raise StoreError("no room")

    with pytest.raises(StoreError, match="no room"):
        await store.put("a", KEPT, fail)
    assert list(await store.list()) == []
    await store.put("a", KEPT, lambda place, named: None)
    assert list((await store.workspace("a")).iterdir()) == []


async def test_what_a_run_takes_is_counted_with_its_files(store: RunStore) -> None:
    if not isinstance(store, Tended):
        return
    await write(store, "a", "run.started", text="x" * 1000)
    small = await store.size("a")
    assert 1000 < small < 4000
    ((await store.workspace("a")) / "made").write_bytes(b"x" * 5000)
    assert await store.size("a") == small + 5000


async def test_older_runs_are_told_without_the_newest(store: RunStore) -> None:
    if not isinstance(store, Tended):
        return
    now = time.time()
    for age in (50, 40, 30, 20, 10):
        await write(store, ids.new_id(now - age, bytes(2)), "run.started", now - age)
    await write(store, "named", "run.started", now)
    every = [info.id for info in await store.list()][::-1]
    assert sorted(await store.older(now + 60, 0)) == sorted(every)
    assert list(await store.older(now - 25, 0)) == every[:3]
    assert list(await store.older(now + 60, 4)) == every[:2]
    assert list(await store.older(now + 60, 9)) == []


def test_an_id_tells_the_time_and_sorts_by_it() -> None:
    assert ids.new_id(1795356930.9, b"\x7f\x3a") == "20261122-141530-7f3a"
    assert ids.check_new(ids.new_id(0, b"\0\0"))


def test_a_url_names_its_store_by_the_scheme(tmp_path: Path) -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(open_store(f"file:{tmp_path}"), FileStore)
    assert isinstance(open_store(f"sqlite:///{tmp_path}/runs.db"), SqliteStore)
    assert known() == ["file", "memory", "postgres", "postgresql", "sqlite"]


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        (
            "flie:.magent",
            "there is no store 'flie:'; there are file:, memory:, postgres:, postgresql:, sqlite:",
            "did you mean 'file'?",
        ),
        ("/srv/runs", "'/srv/runs' is no URL of a store", "write file:/srv/runs"),
        ("", "'' is no URL of a store", "write file:.magent"),
        (
            "file://host/runs",
            "'file://host/runs' names another machine",
            "write file:/absolute/directory or file:directory",
        ),
        (
            "no.such.Store:x",
            "the store 'no.such.Store:' cannot be loaded: No module named 'no'",
            "is its package installed?",
        ),
    ],
)
def test_a_url_that_names_none_is_bad_usage(url: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(url)
    assert (caught.value.message, caught.value.hint) == (message, hint)


STORE = """
from magent.stores.memory import MemoryStore
from magent.stores.sealed import Keyring
class Redis(MemoryStore):
    pass
"""


def test_other_peoples_stores_come_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "[magent.stores]\nredis = ours_stores:Redis\ngone = ours_stores:Gone\n"
    install(tmp_path / "site", monkeypatch, {"ours_stores": STORE}, entries)
    made = open_store("redis:somewhere")
    assert (type(made).__name__, made.url) == ("Redis", "redis:somewhere")
    assert "redis" in known()
    with pytest.raises(UsageError, match="the store 'gone:' cannot be loaded: ours_stores:Gone: AttributeError"):
        open_store("gone:")


def test_a_store_that_would_pass_a_codec_over_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clear = "class Clear:\n    def __init__(self, url):\n        self.url = url\n"
    install(tmp_path / "site", monkeypatch, {"ours_stores": clear + STORE})
    with pytest.raises(UsageError, match="would write in the clear: it takes no codec"):
        open_store("ours_stores.Clear:x", codec=SEALED)
    assert open_store("ours_stores.Redis:x", codec=SEALED).url == "ours_stores.Redis:x"


async def test_every_byte_that_is_kept_goes_through_the_codec(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/.magent", codec=SEALED)
    said = {"said": "low water"}
    journal = await store.create("a", {**header("a"), **said}, said)
    await journal.append([Event(1, 1.0, "run.started", said)], sync=True)
    await journal.checkpoint(1, said)
    await store.leave("a", "cancel", said)
    assert journal.notes() == {"cancel": said}
    await journal.finish(said)
    await journal.close()
    files = {path.name: path.read_bytes() for path in journal.directory.rglob("*") if path.is_file()}
    assert [name for name, data in files.items() if b"said" in data or b"water" in data] == []
    assert len(files) == 7  # and the lock, which names its holder


def test_other_peoples_stores_come_by_dotted_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", monkeypatch, {"ours_stores": STORE})
    assert open_store("ours_stores.Redis:x").url == "ours_stores.Redis:x"
