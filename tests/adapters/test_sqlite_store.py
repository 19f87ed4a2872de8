"""The SQLite store on a real disk, with real second processes: one file, who may write to it, copies, and what is
refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from magent.errors import RunDamaged, RunLocked, StoreError, UsageError
from magent.stores.sqlite import SqliteStore
from tests.adapters.storing import ROOT, events, header, python, write


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.chdir(tmp_path)
    return SqliteStore("sqlite:///runs.db")


def files(path: Path) -> set[str]:
    return {each.name for each in path.iterdir()}


async def test_while_nobody_is_at_work_there_is_one_file(store: SqliteStore, tmp_path: Path) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 2), sync=True)
    assert files(tmp_path) == {"runs.db", "runs.db-wal", "runs.db-shm", "runs.db-locks", ".magent"}
    await journal.checkpoint(2, {"n": 2})
    await journal.close()
    assert files(tmp_path) == {"runs.db", ".magent"}
    assert list((await SqliteStore("sqlite:///runs.db").read("a", checkpoint=False)).events) == events(1, 2)


async def test_looking_makes_nothing(store: SqliteStore, tmp_path: Path) -> None:
    assert list(await store.list()) == []
    with pytest.raises(UsageError, match="holds no runs"):
        await store.open("a")
    assert files(tmp_path) == set()


async def test_the_files_of_a_run_are_in_the_magent_that_is_found_from_here(store: SqliteStore, tmp_path: Path) -> None:
    journal = await store.create("a", header("a"), {})
    assert journal.directory == journal.workspace == tmp_path / ".magent/workspaces/a"
    assert (tmp_path / ".magent/.gitignore").read_text() == "*\n"
    (journal.workspace / "note").write_text("x")
    await journal.close()
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    again, _ = await store.open("a")
    assert (again.workspace / "note").read_text() == "x"
    await again.close()
    await store.remove("a")
    assert files(tmp_path / ".magent/workspaces") == set()


@pytest.mark.parametrize("place", ["/", "/etc", "{}/.magent/workspaces/b", "{}/other", "relative/.magent/workspaces/a"])
async def test_a_workspace_is_not_where_a_stranger_says(store: SqliteStore, tmp_path: Path, place: str) -> None:
    """The file may come from anywhere, and tools may write in a workspace."""
    await write(store, "a")
    await write(store, "b")
    (tmp_path / "other").mkdir()
    with sqlite3.connect(store.path) as connection:
        connection.execute("UPDATE run SET place = ? WHERE id = 'a'", (place.format(tmp_path),))
    connection.close()
    journal, _ = await store.open("a")
    assert journal.workspace == tmp_path / ".magent/workspaces/a"
    await journal.close()
    await store.remove("a")
    assert (tmp_path / ".magent/workspaces/b").is_dir()
    assert (tmp_path / "other").is_dir()


async def test_a_link_beside_a_strangers_file_gives_away_no_directory(store: SqliteStore, tmp_path: Path) -> None:
    """Somebody sends `runs.db` and a `.magent` in which `workspaces` leads to where `documents` are."""
    await write(store, "documents")
    (tmp_path / "home" / "documents").mkdir(parents=True)
    (tmp_path / "gift" / ".magent").mkdir(parents=True)
    (tmp_path / "gift" / ".magent" / "workspaces").symlink_to(tmp_path / "home")
    with sqlite3.connect(store.path) as connection:
        place = f"{tmp_path}/gift/.magent/workspaces/documents"
        connection.execute("UPDATE run SET place = ? WHERE id = 'documents'", (place,))
    connection.close()
    assert await store.workspace("documents") == tmp_path / ".magent/workspaces/documents"
    await store.remove("documents")
    assert (tmp_path / "home" / "documents").is_dir()


async def test_nobody_else_may_read_it(store: SqliteStore, tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        journal = await SqliteStore("sqlite:///deep/runs.db").create("a", header("a"), {})
        await journal.append(events(1, 1), sync=False)
        for path in (tmp_path / "deep", *tmp_path.rglob("*")):
            expected = 0o700 if path.is_dir() else 0o600
            assert (path, stat.S_IMODE(path.lstat().st_mode)) == (path, expected)
        await journal.close()
    finally:
        os.umask(umask)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///runs.db", "{}/runs.db"),
        ("sqlite:///a/runs.db", "{}/a/runs.db"),
        ("sqlite:////srv/runs.db", "/srv/runs.db"),
        ("sqlite:runs.db", "{}/runs.db"),
        ("sqlite:/srv/runs.db", "/srv/runs.db"),
        ("sqlite:///~/runs.db", "{}/home/runs.db"),
        ("sqlite:///ä %20#.db", "{}/ä %20#.db"),
    ],
)
def test_a_url_names_a_file_as_sqlalchemy_does(
    url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    store = SqliteStore(url)
    assert str(store.path) == path.format(tmp_path)
    assert (store.url, SqliteStore(store.url).path) == (f"sqlite:///{store.path}", store.path)


async def test_a_name_with_signs_that_urls_have_is_a_files(tmp_path: Path) -> None:
    await write(SqliteStore(f"sqlite:///{tmp_path}/ä %20#&.db"), "a")
    assert files(tmp_path) >= {"ä %20#&.db"}


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?mode=ro"])
def test_a_url_without_a_file_is_bad_usage(url: str) -> None:
    with pytest.raises(UsageError, match="names") as caught:
        SqliteStore(url)
    assert "sqlite:///file.db" in str(caught.value.hint)


async def test_a_link_to_the_file_is_the_same_store(store: SqliteStore, tmp_path: Path) -> None:
    journal = await store.create("a", header("a"), {})
    (tmp_path / "link.db").symlink_to("runs.db")
    with pytest.raises(RunLocked):
        await SqliteStore("sqlite:///link.db").open("a")
    await journal.close()


# ---- other processes


async def status(store: SqliteStore, run_id: str) -> str:
    return (await store.info(run_id)).status


async def test_a_request_of_another_process_is_seen(store: SqliteStore) -> None:
    journal = await store.create("a", header("a"), {})
    assert not journal.notes()
    ask = "import asyncio,sys\nfrom magent.stores.sqlite import SqliteStore\n"
    python(ask + "asyncio.run(SqliteStore(sys.argv[1]).leave('a', 'cancel', {'by': 'ann'}))", store.url)
    assert journal.notes() == {"cancel": {"by": "ann"}}
    await journal.close()


WRITE = """
import asyncio, sys
from magent.events import Event
from magent.stores.sqlite import SqliteStore
async def one(store, run_id):
    journal = await store.create(run_id, {"created": 1.0}, {})
    for seq in range(1, 21):
        await journal.append([Event(seq, 1.0, "x", {"run": run_id})], sync=True)
    await journal.close()
async def main():
    store = SqliteStore(sys.argv[1])
    await asyncio.gather(*(one(store, f"{sys.argv[2]}-{number}") for number in range(10)))
asyncio.run(main())
"""


async def test_many_runs_of_several_processes_are_written_at_once(store: SqliteStore, tmp_path: Path) -> None:
    """The processes even make the file at the same time."""
    command = [sys.executable, "-c", WRITE, store.url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen([*command, name], cwd=tmp_path, env=environment) for name in "pqr"]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(list(await store.list())) == 30
    for number in range(10):
        assert [event.seq for event in (await store.read(f"q-{number}")).events] == list(range(1, 21))
    assert files(tmp_path) == {"runs.db", ".magent"}


async def test_who_writes_to_a_run_behind_its_holders_back_stops_it(store: SqliteStore) -> None:
    """Somebody has removed the locks, say: an event's number is written once all the same."""
    await write(store, "a")
    journal, _ = await store.open("a")
    other = await store.create("b", header("b"), {})
    shutil.rmtree(f"{store.path}-locks")
    second, _ = await SqliteStore(store.url).open("a")
    await second.append(events(4, 4, by="second"), sync=True)
    first = asyncio.gather(
        journal.append(events(4, 5, by="first"), sync=True),
        other.append(events(1, 1), sync=True),
        return_exceptions=True,
    )
    refused, passed = await first
    assert isinstance(refused, StoreError)
    assert (refused.message, passed) == ("another process has gone on with run a", None)
    with pytest.raises(StoreError, match="another process"):
        await journal.append(events(6, 6), sync=True)
    await journal.close()
    await second.close()
    await other.close()
    assert [event.data for event in (await store.read("a")).events][3:] == [{"by": "second"}]


# ---- what is in it


async def test_appends_that_come_together_are_committed_together(store: SqliteStore) -> None:
    journals = [await store.create(f"r{number}", header("r"), {}) for number in range(50)]
    commits = await _frames(store, journals)
    assert commits < 25
    for journal in journals:
        await journal.close()
    assert {len((await store.read(f"r{number}")).events) for number in range(50)} == {1}


async def _frames(store: SqliteStore, journals: list[Any]) -> int:
    """How many commits the WAL grows by while each of them appends one event."""
    with open(f"{store.path}-wal", "rb") as wal:
        before = len(wal.read())
        await asyncio.gather(*(journal.append(events(1, 1), sync=True) for journal in journals))
        wal.seek(0)
        content = wal.read()
    starts = range(before, len(content), 24 + 4096)
    return sum(content[start + 4 : start + 8] != b"\0\0\0\0" for start in starts)


async def test_runs_of_one_process_share_their_connections_however_many_there_are(store: SqliteStore) -> None:
    await write(store, "first")
    stores = [SqliteStore("sqlite:///runs.db") for _ in range(20)]
    # One after another: each looks first whether its run exists, and SQLite leaves what was closed meanwhile open for
    # the next who opens it, so that of several who look at once it would keep as many.
    journals = [await each.create(f"r{n}", header("r"), {}) for n, each in enumerate(stores)]
    await asyncio.gather(*(journal.append(events(1, 2), sync=True) for journal in journals))
    assert [journal.notes() for journal in journals] == [{}] * 20
    handles = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert handles.count(str(store.path)) == 2  # one writes, one looks for notes
    for journal in journals:
        await journal.close()


async def test_a_run_that_begins_after_the_file_was_put_away_is_in_the_new_one(store: SqliteStore) -> None:
    await write(store, "old")
    journal = await SqliteStore("sqlite:///runs.db").create("at-work", header("at-work"), {})
    for each in store.path.parent.glob("runs.db*"):
        each.rename(each.with_name(f"away-{each.name}"))
    await write(SqliteStore("sqlite:///runs.db"), "new")
    assert [info.id for info in await SqliteStore("sqlite:///runs.db").list()] == ["new"]
    await journal.close()


async def test_of_a_removed_run_nothing_is_left(store: SqliteStore, tmp_path: Path) -> None:
    await write(store, "b")
    before = store.path.stat().st_size
    await write(store, "a", 300, text="low water " * 30)
    assert store.path.stat().st_size > before + 50_000
    await store.remove("a")
    content = store.path.read_bytes()
    assert b"low water" not in content
    assert len(content) <= before + 3 * 4096


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE event SET line = x'7b7d' WHERE seq = 2", "event 2 of run a cannot be read: the line does not end"),
        ("DELETE FROM event WHERE seq = 2", "event 2 of run a cannot be read: it is missing"),
        ("UPDATE event SET seq = 9 WHERE seq = 3", "event 3 of run a cannot be read: it is missing"),
        ("UPDATE run SET header = x'7b'", "the header of run a is damaged"),
        ("UPDATE run SET workflow = x''", "the workflow of run a is damaged"),
        ("UPDATE event SET line = 'text' WHERE seq = 2", "event 2 of run a cannot be read"),
        ("UPDATE run SET header = 5", "the header of run a is damaged: it is empty"),
        ("UPDATE run SET workflow = 'text', place = x'00', created = 'never'", "the workflow of run a is damaged"),
    ],
)
async def test_damage_is_told_with_its_place(store: SqliteStore, sql: str, said: str) -> None:
    await write(store, "a")
    change(store, sql)
    for verb in (store.open, store.read):
        with pytest.raises(RunDamaged, match=said) as caught:
            await verb("a")
        assert caught.value.hint
    journal_is_free = await status(store, "a")
    assert journal_is_free in ("interrupted", "damaged")
    await store.remove("a")


def change(store: SqliteStore, sql: str) -> None:
    with sqlite3.connect(store.path) as connection:
        connection.executescript(sql)
    connection.close()


async def test_what_the_error_says_about_damage_mends_it(store: SqliteStore) -> None:
    await write(store, "a")
    change(store, "UPDATE event SET line = x'00' WHERE seq = 3")
    with pytest.raises(RunDamaged) as caught:
        await store.open("a")
    change(store, str(caught.value.hint).partition("go on from there: ")[0].rpartition(": ")[2])
    assert list((await store.read("a")).events) == events(1, 2)


async def test_an_unsound_checkpoint_gives_way_to_the_one_before(store: SqliteStore) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 9), sync=True)
    for seq in (3, 6, 8):
        await journal.checkpoint(seq, {"n": seq}, keep=2)
    await journal.close()
    assert [kept.seq for kept in await store.checkpoints("a")] == [6, 8]
    change(store, "UPDATE checkpoint SET body = x'00' WHERE seq = 8")
    record = await store.read("a")
    assert (record.checkpoint, list(record.events)) == ((6, {"n": 6}), events(7, 9))
    assert [(kept.seq, kept.sound) for kept in await store.checkpoints("a")] == [(6, True), (8, False)]
    change(store, "DELETE FROM event WHERE seq >= 5")
    journal, record = await store.open("a")
    assert (record.checkpoint, len(record.events)) == (None, 4)
    await journal.append(events(5, 9, other=True), sync=True)
    await journal.close()
    assert (await store.read("a")).checkpoint is None


async def test_events_that_are_no_json_leave_the_journal_as_it_was(store: SqliteStore) -> None:
    journal = await store.create("a", header("a"), {})
    with pytest.raises(ValueError, match="Out of range float"):
        await journal.append(events(1, 2, n=float("nan")), sync=True)
    await journal.append(events(1, 2), sync=True)
    await journal.close()
    assert list((await store.read("a")).events) == events(1, 2)


async def test_no_handle_stays_open(store: SqliteStore) -> None:
    await write(store, "a")
    before = len(os.listdir("/proc/self/fd"))
    journal, _ = await store.open("a")
    with pytest.raises(RunLocked):
        await store.open("a")
    journal.notes()
    await journal.close()
    change(store, "UPDATE run SET workflow = x''")
    with pytest.raises(RunDamaged):
        await store.open("a")
    await store.list()
    assert len(os.listdir("/proc/self/fd")) == before


# ---- what is refused


LIMITED = """
import asyncio, json, resource, sys
from magent.errors import StoreError
from magent.events import Event
from magent.stores.sqlite import SqliteStore
async def main():
    journal, record = await SqliteStore(sys.argv[1]).open("a")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    found = []
    for seq, size in ((4, 1000), (5, 1_000_000), (5, 10)):
        try: await journal.append([Event(seq, 1.0, "x", {"text": "y" * size})], sync=True)
        except StoreError as error: found.append([error.message, error.hint])
    await journal.close()
    print(json.dumps(found))
asyncio.run(main())
"""


async def test_after_a_write_that_failed_the_journal_takes_no_more_and_stays_sound(store: SqliteStore) -> None:
    """The limit on a file's size stands for a full disk."""
    await write(store, "a")
    found = json.loads(python(LIMITED, store.url))
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0][0].startswith(f"cannot write to {store.path}: ")
    assert found[0][1]
    assert [event.seq for event in (await store.read("a")).events] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello" * 200, "is no SQLite database"), (b"SQLite format 3\0" + b"\xff" * 4080, "cannot|damaged|no SQLite")],
)
async def test_what_is_no_database_is_left_as_it_is(store: SqliteStore, content: bytes, said: str) -> None:
    store.path.write_bytes(content)
    for job in (store.list(), store.create("a", header("a"), {})):
        with pytest.raises(StoreError, match=said) as caught:
            await job
        assert caught.value.exit_code == 5
    assert store.path.read_bytes() == content


async def test_somebody_elses_database_is_left_as_it_is(store: SqliteStore) -> None:
    change(store, "CREATE TABLE accounts (name TEXT)")
    content = store.path.read_bytes()
    for job in (store.list(), store.create("a", header("a"), {})):
        with pytest.raises(StoreError, match=r"runs\.db is a database of something else"):
            await job
    assert store.path.read_bytes() == content


async def test_a_file_of_a_newer_version_says_what_to_do(store: SqliteStore) -> None:
    await write(store, "a")
    change(store, "PRAGMA user_version = 99")
    for job in (store.list(), store.open("a")):
        with pytest.raises(StoreError, match="was written by a newer magent") as caught:
            await job
        assert "pip install -U" in str(caught.value.hint)


async def test_an_empty_file_is_a_store_without_runs(store: SqliteStore) -> None:
    store.path.touch()
    assert list(await store.list()) == []
    await write(store, "a")
    assert len(list(await store.list())) == 1


async def test_a_torn_file_says_so(store: SqliteStore) -> None:
    await write(store, "a", 300, text="x" * 300)
    content = store.path.read_bytes()
    store.path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(RunDamaged, match=r"runs\.db is damaged") as caught:
        await store.read("a")
    assert "copy it again" in str(caught.value.hint)


@pytest.mark.parametrize("url", ["sqlite:////dev/null/x.db", "sqlite:////proc/x.db", "sqlite:////"])
async def test_a_place_that_cannot_be_written_is_said(url: str, store: SqliteStore) -> None:
    with pytest.raises((StoreError, UsageError), match=r"cannot (make|lock|open)|names no file"):
        await SqliteStore(url).create("a", header("a"), {})


READ = """
import asyncio, os, sys
from magent.stores.sqlite import SqliteStore
if not os.geteuid(): os.seteuid(65534)
print(len(asyncio.run(SqliteStore(sys.argv[1]).read("a")).events))
"""


async def test_a_copy_where_nobody_may_write_can_be_read(store: SqliteStore) -> None:
    await write(store, "a")
    with tempfile.TemporaryDirectory() as name:
        still = Path(name)
        shutil.copy(store.path, still / "runs.db")
        (still / "runs.db").chmod(0o444)
        still.chmod(0o555)
        assert python(READ, f"sqlite:///{still}/runs.db") == "3\n"
        assert files(still) == {"runs.db"}
        still.chmod(0o755)
