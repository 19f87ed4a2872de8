"""The file store on a real disk, with real second processes: what is written where, who may, and what is refused."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from magent.errors import RunDamaged, RunLocked, StoreError, UsageError
from magent.events import Event
from magent.stores.file import FileStore
from magent.stores.journal import FileJournal
from tests.adapters.storing import events, forget_tails, header, processes, python, write


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(f"file:{tmp_path}/.magent")


async def status(store: FileStore, run_id: str) -> str:
    return next(info.status for info in await store.list() if info.id == run_id)


async def test_a_run_is_laid_out_as_the_architecture_draws_it(store: FileStore, tmp_path: Path) -> None:
    journal = await store.create("a", header("a"), {"name": "tides"})
    await journal.append(events(1, 2), sync=True)
    await journal.checkpoint(2, {"n": 2})
    await journal.finish({"status": "completed"})
    await journal.close()
    run = tmp_path / ".magent/runs/a"
    found = {str(path.relative_to(run)) for path in run.rglob("*")}
    files = {"run.json", "workflow.json", "journal.jsonl", "result.json", "lock", "checkpoints/00000002.json"}
    assert found == {*files, "checkpoints", "workspace"}
    assert (journal.directory, journal.workspace) == (run, run / "workspace")
    for name, data in (("run.json", header("a")), ("workflow.json", {"name": "tides"})):
        written = json.loads((run / name).read_text())
        assert (len(written.pop("sum")), written) == (8, data)
    assert json.loads((run / "journal.jsonl").read_text().splitlines()[1])["seq"] == 2


async def test_nobody_else_may_read_a_run(store: FileStore, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        journal = await store.create("a", header("a"), {})
        await journal.append(events(1, 1), sync=False)
        await journal.checkpoint(1, {})
        await journal.finish({})
        await journal.close()
        await store.leave("a", "cancel", {})
    finally:
        os.umask(umask)
    for path in (store.home, *store.home.rglob("*")):
        expected = 0o700 if path.is_dir() else 0o600
        assert (path, stat.S_IMODE(path.lstat().st_mode)) == (path, expected)


async def test_what_magent_makes_git_ignores(store: FileStore) -> None:
    await write(store, "a")
    assert (store.home / ".gitignore").read_text() == "*\n"


async def test_a_directory_that_was_there_is_left_as_it_is(store: FileStore) -> None:
    store.home.mkdir()
    await write(store, "a")
    assert sorted(path.name for path in store.home.iterdir()) == ["runs"]


@pytest.mark.parametrize("url", ["file:.magent", "file:"])
def test_the_store_is_found_upwards(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / ".magent").mkdir()
    monkeypatch.chdir(tmp_path / "a/b")
    assert FileStore(url).home == tmp_path / ".magent"
    (tmp_path / "a/.magent").mkdir()
    assert FileStore(url).home == tmp_path / "a/.magent"


async def test_where_there_is_none_it_is_made_here_by_the_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".magent").write_text("a file does not count")
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    store = FileStore("file:.magent")
    assert list(await store.list()) == []
    assert not (tmp_path / "a/.magent").exists()
    await write(store, "a")
    assert (tmp_path / "a/.magent/runs/a").is_dir()


def test_a_path_that_begins_with_a_dot_means_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".magent").mkdir()
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert FileStore("file:./.magent").home == tmp_path / "a/.magent"


def test_where_the_current_directory_is_gone_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    (tmp_path / "a").rmdir()
    with pytest.raises(StoreError, match="cannot find the current directory"):
        FileStore("file:.magent")
    assert FileStore(f"file:{tmp_path}").home == tmp_path


def test_a_store_stays_where_it_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileStore("file:.magent")
    monkeypatch.chdir("/")
    assert (store.home, store.url) == (tmp_path / ".magent", f"file:{tmp_path}/.magent")


@pytest.mark.parametrize("url", ["file:b/.magent", "file:./b/.magent", "file:{}/b/.magent", "file://{}/b/.magent"])
def test_any_other_path_is_taken_as_given(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".magent").mkdir()
    monkeypatch.chdir(tmp_path)
    assert FileStore(url.format(tmp_path)).home == tmp_path / "b/.magent"


FIND = """
import os, sys
from pathlib import Path
from magent.stores.file import find_home
os.seteuid(65534)
print(find_home(Path(sys.argv[1])))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
@pytest.mark.parametrize(("owner", "found"), [(65534, ".magent"), (65533, "a/.magent")])
def test_somebody_elses_store_is_not_found(owner: int, found: str) -> None:
    """A run of theirs would be executed as ours."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        (place / "a").mkdir()
        (place / ".magent").mkdir()
        os.chown(place / ".magent", owner, owner)
        assert python(FIND, f"{place}/a") == f"{place / found}\n"


@pytest.mark.parametrize("url", ["file:/dev/null", "file:/dev/null/x", "file:/proc/x"])
async def test_a_place_that_cannot_be_written_is_said(url: str) -> None:
    with pytest.raises(StoreError, match="cannot make a run in"):
        await FileStore(url).create("a", header("a"), {})


async def test_a_run_directory_that_is_a_symlink_is_none(store: FileStore, tmp_path: Path) -> None:
    directory = await write(store, "a")
    outside = directory.rename(tmp_path / "outside")
    (store.runs / "b").symlink_to(outside)
    assert list(await store.list()) == []
    for verb in (store.open, store.read, store.remove, store.resolve):
        with pytest.raises(UsageError, match="there is no run 'b'"):
            await verb("b")
    with pytest.raises(UsageError, match="there is a run 'b' already"):
        await store.create("b", header("b"), {})
    assert outside.is_dir()


async def test_a_file_of_a_run_that_is_a_symlink_is_refused(store: FileStore, tmp_path: Path) -> None:
    directory = await write(store, "a")
    (directory / "journal.jsonl").rename(tmp_path / "outside")
    (directory / "journal.jsonl").symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError):
        await store.open("a")


async def test_removing_a_run_touches_nothing_outside_it(store: FileStore, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir(mode=0o500)
    directory = await write(store, "a")
    (directory / "workspace/link").symlink_to(tmp_path / "outside")
    (directory / "workspace/sealed").mkdir()
    (directory / "workspace/sealed/x").write_text("")
    (directory / "workspace/sealed").chmod(0o500)
    await store.remove("a")
    assert not directory.exists()
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) == 0o500
    assert list((store.runs / ".tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["run.json", "workflow.json", "journal.jsonl"])
async def test_a_missing_file_is_damage_with_its_name(store: FileStore, name: str) -> None:
    directory = await write(store, "a")
    (directory / name).unlink()
    for verb in (store.open, store.read):
        with pytest.raises(RunDamaged, match=f"{name} is missing") as caught:
            await verb("a")
        assert (caught.value.exit_code, bool(caught.value.hint)) == (5, True)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"\0" * 100])
@pytest.mark.parametrize("name", ["run.json", "workflow.json"])
async def test_a_damaged_file_is_damage_with_its_name(store: FileStore, name: str, content: bytes) -> None:
    directory = await write(store, "a")
    (directory / name).write_bytes(content)
    with pytest.raises(RunDamaged, match=f"{name} is damaged"):
        await store.open("a")


@pytest.mark.parametrize("name", ["run.json", "journal.jsonl"])
async def test_a_damaged_run_is_listed_as_such_and_can_be_removed(store: FileStore, name: str) -> None:
    directory = await write(store, "a")
    await write(store, "b")
    (directory / name).write_bytes(b"garbage\n")
    assert [(await status(store, "a")), (await status(store, "b"))] == ["damaged", "interrupted"]
    await store.remove("a")
    assert [info.id for info in await store.list()] == ["b"]


async def test_latest_passes_over_damaged_runs(store: FileStore) -> None:
    await write(store, "a")
    ((await write(store, "b")) / "run.json").unlink()
    assert await store.resolve("latest") == "a"


async def _made(store: FileStore, run_id: str, created: float) -> None:
    await (await store.create(run_id, {**header(run_id), "created": created}, {"name": "tides"})).close()


async def test_latest_by_its_id_passes_over_damaged_runs_and_knows_those_whose_ids_were_chosen(
    store: FileStore,
) -> None:
    for name, created in (("mine", 5.0), ("20261122-141530-7f3a", 7.0), ("20261122-141530-8a01", 8.0)):
        await _made(store, name, created)
    ((await write(store, "20261123-000000-aaaa")) / "run.json").unlink()
    assert await store.resolve("latest") == "20261122-141530-8a01"
    await _made(store, "yours", 9.0)
    assert await store.resolve("latest") == "yours"


async def test_a_damaged_result_is_damage(store: FileStore) -> None:
    ((await write(store, "a")) / "result.json").write_text("{")
    with pytest.raises(RunDamaged, match=r"result\.json is damaged"):
        await store.result("a")


async def test_the_listing_reads_only_the_end_of_a_journal(store: FileStore) -> None:
    directory = await write(store, "a", 500, text="x" * 200)
    journal, _ = await store.open("a")
    await journal.append([Event(501, 5000.0, "run.completed", {"outputs": "y" * 100_000})], sync=True)
    await journal.close()
    content = (directory / "journal.jsonl").read_bytes()
    (directory / "journal.jsonl").write_bytes(b"?" + content[1:])
    info = next(iter(await store.list()))
    assert (info.status, info.updated) == ("completed", 5000.0)


async def test_what_is_no_run_is_not_listed(store: FileStore) -> None:
    await write(store, "a")
    (store.runs / ".DS_Store").write_text("")
    (store.runs / "notes").write_text("")
    (store.runs / "b.bak").mkdir()
    assert [info.id for info in await store.list()] == ["a"]


@pytest.mark.untraced
async def test_thousands_of_runs_are_listed_and_found(store: FileStore) -> None:
    directory = await write(store, "r00000")
    files = {name: (directory / name).read_bytes() for name in ("run.json", "journal.jsonl")}
    for number in range(1, 2000):
        (store.runs / f"r{number:05}").mkdir()
        for name, content in files.items():
            (store.runs / f"r{number:05}" / name).write_bytes(content)
    started = time.process_time()
    assert len(list(await store.list())) == 2000
    assert await store.resolve("01999") == "r01999"
    assert await store.resolve("latest") == "r01999"
    assert time.process_time() - started < 5


async def test_only_the_newest_checkpoints_are_kept(store: FileStore) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 9), sync=False)
    for seq in range(1, 10):
        await journal.checkpoint(seq, {"n": seq}, keep=3)
    await journal.close()
    names = sorted(path.name for path in (journal.directory / "checkpoints").iterdir())
    assert names == ["00000007.json", "00000008.json", "00000009.json"]


async def test_a_checkpoint_is_of_the_moment_when_it_was_asked_for(store: FileStore) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 2), sync=False)
    fold = {"n": 2}
    await journal.checkpoint(2, fold)
    fold["n"] = 3
    await journal.append(events(3, 3), sync=False)
    await journal.close()
    record = await store.read("a")
    assert (record.checkpoint, list(record.events)) == ((2, {"n": 2}), events(3, 3))


async def with_checkpoints(store: FileStore) -> Path:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 9), sync=True)
    await journal.checkpoint(3, {"n": 3})
    await journal.checkpoint(6, {"n": 6})
    await journal.close()
    return journal.directory


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"seq":6,"offset":0,"fold":{}}', b"\xff" * 200])
async def test_an_unsound_checkpoint_gives_way_to_the_one_before(store: FileStore, damage: bytes) -> None:
    directory = await with_checkpoints(store)
    (directory / "checkpoints/00000006.json").write_bytes(damage)
    record = await store.read("a")
    assert (record.checkpoint, list(record.events)) == ((3, {"n": 3}), events(4, 9))
    (directory / "checkpoints/00000003.json").write_bytes(damage)
    record = await store.read("a")
    assert (record.checkpoint, list(record.events)) == (None, events(1, 9))


async def test_a_checkpoint_under_another_number_is_unsound(store: FileStore) -> None:
    directory = await with_checkpoints(store)
    (directory / "checkpoints/00000003.json").rename(directory / "checkpoints/00000007.json")
    assert (await store.read("a")).checkpoint == (6, {"n": 6})


async def test_an_unsound_checkpoint_is_listed_as_such(store: FileStore, tmp_path: Path) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 3), sync=True)
    for seq in (1, 2, 3):
        await journal.checkpoint(seq, {"n": seq})
    await journal.close()
    place = tmp_path / ".magent" / "runs" / "a" / "checkpoints"
    place.joinpath("00000001.json").write_text("{}")
    place.joinpath("00000009.json").write_bytes(place.joinpath("00000003.json").read_bytes())
    found = [(kept.seq, kept.sound) for kept in await store.checkpoints("a")]
    assert found == [(1, False), (2, True), (3, True), (9, False)]
    assert [await store.checkpoint("a", seq) for seq in (1, 2, 9)] == [None, {"n": 2}, None]


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
async def test_a_request_to_end_a_run_that_cannot_be_read_is_one(store: FileStore, content: bytes) -> None:
    journal = await store.create("a", header("a"), {})
    journal.directory.joinpath("notes").mkdir()
    journal.directory.joinpath("notes/cancel.json").write_bytes(content)
    assert journal.notes() == {"cancel": {}}
    await journal.close()


async def test_with_a_checkpoint_what_is_before_it_is_not_read(store: FileStore) -> None:
    directory = await with_checkpoints(store)
    content = (directory / "journal.jsonl").read_bytes()
    (directory / "journal.jsonl").write_bytes(b"?" + content[1:])
    assert (await store.read("a")).checkpoint == (6, {"n": 6})
    with pytest.raises(RunDamaged, match=r"journal\.jsonl:1:"):
        await store.read("a", checkpoint=False)


async def test_damage_after_the_checkpoint_is_named_by_its_line(store: FileStore) -> None:
    directory = await with_checkpoints(store)
    lines = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "journal.jsonl").write_bytes(b"".join([*lines[:7], b"?" + lines[7][1:], lines[8]]))
    with pytest.raises(RunDamaged, match=r"journal\.jsonl:8: the checksum does not fit"):
        await store.open("a")


async def test_a_checkpoint_of_events_that_were_cut_off_is_never_used_again(store: FileStore) -> None:
    """Where it has not kept them, as it did not at first."""
    directory = await with_checkpoints(store)
    forget_tails(directory)
    lines = (directory / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (directory / "journal.jsonl").write_bytes(b"".join(lines[:5]))
    assert (await store.read("a")).checkpoint == (3, {"n": 3})
    journal, record = await store.open("a")
    assert (record.checkpoint, list(record.events)) == ((3, {"n": 3}), events(4, 5))
    await journal.append(events(6, 9), sync=True)
    await journal.close()
    assert (await store.read("a")).checkpoint == (3, {"n": 3})


async def test_a_child_does_not_inherit_the_lock(store: FileStore) -> None:
    await write(store, "a")
    journal, _ = await store.open("a")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False) as child:
        await journal.close()
        again, _ = await store.open("a")
        await again.close()
        child.communicate(b"")


LOOK = """
import asyncio, sys
from magent.stores.file import FileStore
async def main():
    store = FileStore(sys.argv[1])
    print("held", flush=True)
    while True: await store.list()
asyncio.run(main())
"""


async def test_looking_at_the_list_never_stands_in_the_way_of_opening(store: FileStore) -> None:
    await write(store, "a")
    with processes() as start:
        for _ in range(2):
            start(LOOK, store.url)
        for _ in range(150):
            journal, _ = await store.open("a")
            await journal.close()


LIMITED = """
import asyncio, json, resource, sys
from magent.errors import StoreError
from magent.events import Event
from magent.stores.file import FileStore
async def main():
    journal, record = await FileStore(sys.argv[1]).open("a")
    size = (journal.directory / "journal.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 150, size + 150))
    found = []
    for seq in (4, 5, 6):
        try: await journal.append([Event(4, 1.0, "x", {"text": "y" * 100 * (5 - seq)})], sync=True)
        except StoreError as error: found.append([error.message, error.hint])
    await journal.close()
    print(json.dumps(found))
asyncio.run(main())
"""


async def test_after_a_write_that_failed_the_journal_takes_no_more_and_stays_sound(store: FileStore) -> None:
    """The limit on a file's size stands for a full disk: a part of a long line goes in, a short one would fit then."""
    directory = await write(store, "a")
    before = (directory / "journal.jsonl").read_bytes()
    found = json.loads(python(LIMITED, store.url))
    assert [message for message, _ in found] == [f"cannot write to {directory}/journal.jsonl: File too large"] * 3
    assert "magent resume" in found[0][1]
    assert (directory / "journal.jsonl").read_bytes() == before


async def test_what_is_left_of_a_crash_is_ignored_and_then_removed(store: FileStore) -> None:
    await write(store, "a")
    for name, age in (("old-1", 3600), ("young-1", 0)):
        path = store.runs / ".tmp" / name
        path.mkdir()
        (path / "run.json").write_text("{}")
        os.utime(path, (time.time() - age, time.time() - age))
    assert [info.id for info in await store.list()] == ["a"]
    await write(store, "b")
    assert [path.name for path in (store.runs / ".tmp").iterdir()] == ["young-1"]


async def test_a_run_in_the_making_is_not_swept_away_however_long_it_takes(store: FileStore) -> None:
    journal = await store.create("a", header("a"), {})
    making = store.runs / ".tmp" / "a-1"
    journal.directory.rename(making)
    os.utime(making, (0, 0))
    await write(store, "b")
    assert making.is_dir()
    await journal.close()


async def test_no_handle_stays_open(store: FileStore) -> None:
    await write(store, "a")
    before = len(os.listdir("/proc/self/fd"))
    journal, _ = await store.open("a")
    with pytest.raises(RunLocked):
        await store.open("a")
    await journal.close()
    (store.runs / "a/workflow.json").unlink()
    with pytest.raises(RunDamaged):
        await store.open("a")
    assert len(os.listdir("/proc/self/fd")) == before


async def test_events_that_are_no_json_leave_the_journal_as_it_was(store: FileStore) -> None:
    journal: FileJournal = await store.create("a", header("a"), {})
    with pytest.raises(ValueError, match="Out of range float"):
        await journal.append(events(1, 2, n=float("nan")), sync=True)
    await journal.append(events(1, 2), sync=True)
    await journal.close()
    assert list((await store.read("a")).events) == events(1, 2)
