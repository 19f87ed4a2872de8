"""Runs under a key: nothing of them can be read or changed without it."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

import magent
from magent.errors import RunDamaged, RunSealed, StoreError, UsageError
from magent.events import BadLine, Event
from magent.ports import RunStore
from magent.stores import open_store
from magent.stores.codec import Unsound, plain
from magent.stores.file import FileStore
from magent.stores.sealed import Keyring, SealedRun, parse_key
from magent.stores.sqlite import SqliteStore
from tests import own_store
from tests.adapters.storing import forget_tails
from tests.cli.helpers import magent as cli

KEY, OTHER = bytes(range(100, 132)), bytes(range(150, 182))
TEXT = base64.b64encode(KEY).decode()
MARK = "xyzzymark"
WORKFLOW = {
    "magent": 1,
    "name": f"name_{MARK}",
    "inputs": {f"in_{MARK}": {"type": "string"}},
    "agents": {f"writer_{MARK}": {"replies": [f"a reply, {MARK}"]}},
    "defaults": {"agent": f"writer_{MARK}"},
    "nodes": {
        f"node_{MARK}": {"prompt": f"say {MARK} {{{{ inputs.in_{MARK} }}}}", "next": f"ask_{MARK}"},
        f"ask_{MARK}": {"type": "human_input", "input": "approval", "prompt": f"well, {MARK}?"},
    },
    "outputs": {f"out_{MARK}": f"{{{{ state.node_{MARK} }}}}"},
    "checkpoints": {"every": 1},
}


def events(count: int, first: int = 1, **data: Any) -> list[Event]:
    return [Event(seq, 1000.0 + seq, "x", {"n": seq, **data}) for seq in range(first, first + count)]


async def write(store: RunStore, run_id: str = "a", count: int = 5, *, over: bool = True, **data: Any) -> None:
    journal = await store.create(run_id, {"created": 1.0, "said": MARK}, {"text": MARK})
    await journal.append(events(count, **data), sync=True)
    await journal.checkpoint(count, {"text": MARK})
    if over:
        await journal.finish({"text": MARK})
    await journal.close()


# ---- nothing in the clear


def _kept_in_files(place: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in place.rglob("*") if path.is_file()}


async def _a_waiting_run(store: RunStore) -> None:
    result = await magent.load(WORKFLOW).run({f"in_{MARK}": MARK}, store=store, run_id="a")
    assert result.status == "waiting"
    await store.leave("a", "cancel", {"reason": MARK})
    assert len(await store.checkpoints("a")) > 1


@pytest.mark.parametrize("ring", [None, Keyring([KEY])])
async def test_no_byte_stands_in_files(here: Path, ring: Keyring | None) -> None:
    await _a_waiting_run(open_store("file:kept", codec=ring))
    kept = _kept_in_files(here / "kept")
    assert len(kept) > 6
    assert any(MARK.encode() in data for data in kept.values()) == (ring is None)


@pytest.mark.parametrize("ring", [None, Keyring([KEY])])
async def test_no_byte_stands_in_a_file_of_sqlite_nor_in_its_wal(here: Path, ring: Keyring | None) -> None:
    store = open_store("sqlite:///kept.db", codec=ring)
    await _a_waiting_run(store)
    last = (await store.read("a", checkpoint=False)).events[-1].seq
    journal, _ = await store.open("a")
    await journal.append([Event(last + 1, 1.0, "visit.answered", {"path": MARK})], sync=True)
    kept = {
        path.name: path.read_bytes() for path in here.iterdir() if path.name.startswith("kept.db") and path.is_file()
    }
    await journal.close()
    for name in ("kept.db", "kept.db-wal"):
        assert (MARK.encode() in kept[name]) == (ring is None)


@pytest.mark.parametrize("ring", [None, Keyring([KEY])])
async def test_no_byte_stands_in_rows_of_postgresql(here: Path, postgres: Any, ring: Keyring | None) -> None:
    schema = f"sealed_{ring is not None}".lower()
    await _a_waiting_run(open_store(postgres.url(schema), codec=ring))
    kept = []
    for table in ("run", "event", "checkpoint", "note", "lease"):
        for (data,) in postgres.run(f"SELECT row_to_json(t) FROM {schema}.{table} AS t"):
            kept += [
                bytes.fromhex(value[2:]) if str(value).startswith("\\x") else str(value).encode()
                for value in data.values()
            ]
    assert len(kept) > 30
    assert any(MARK.encode() in data for data in kept) == (ring is None)


# ---- nothing changed unseen


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(f"file:{tmp_path}/home", Keyring([KEY]))


def lines(store: FileStore, run_id: str = "a") -> list[bytes]:
    return (store.runs / run_id / "journal.jsonl").read_bytes().splitlines(keepends=True)


Change = Callable[[list[bytes], list[bytes]], list[bytes]]
CHANGES: dict[str, Change] = {
    "swapped": lambda ours, _: [ours[1], ours[0], *ours[2:]],
    "taken out": lambda ours, _: [*ours[:2], *ours[3:]],
    "doubled": lambda ours, _: [*ours[:2], ours[1], *ours[2:]],
    "renumbered": lambda ours, _: [*ours[:2], ours[3].replace(b"~4 ", b"~3 "), *ours[3:]],
    "of another run": lambda ours, others: [*ours[:4], others[4]],
    "cut off": lambda ours, _: ours[:3],
    "cut off to nothing": lambda ours, _: [],
    "in the clear": lambda ours, _: [*ours[:4], plain("").line(events(1, 5)[0])],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("checkpoint", [True, False])
async def test_lines_cannot_be_changed_unseen(store: FileStore, change: Change, checkpoint: bool) -> None:
    await write(store)
    await write(store, "b")
    forget_tails(store.runs / "a", Keyring([KEY]))
    await _damaged(store, change, checkpoint)


async def _damaged(store: FileStore, change: Change, checkpoint: bool) -> None:
    if not checkpoint:
        shutil.rmtree(store.runs / "a" / "checkpoints")
    changed = change(lines(store), lines(store, "b"))
    (store.runs / "a" / "journal.jsonl").write_bytes(b"".join(changed))
    with pytest.raises(RunDamaged):
        await store.read("a", checkpoint=False)
    with contextlib.suppress(RunDamaged):  # what stands before a checkpoint is not read again, as it is of no account
        assert (await store.read("a")).checkpoint == (5, {"text": MARK})
        assert checkpoint


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("checkpoint", [True, False])
async def test_lines_that_are_kept_elsewhere_make_no_change_unseen_but_undo_a_cut(
    store: FileStore, change: Change, checkpoint: bool
) -> None:
    await write(store)
    await write(store, "b")
    if "cut off" not in next(name for name, each in CHANGES.items() if each is change):
        await _damaged(store, change, checkpoint)
        return
    if not checkpoint:
        shutil.rmtree(store.runs / "a" / "checkpoints")
    before = lines(store)
    (store.runs / "a" / "journal.jsonl").write_bytes(b"".join(change(before, [])))
    assert list((await store.read("a", checkpoint=False)).events) == events(5)
    journal, record = await store.open("a")
    await journal.close()
    assert (lines(store), record.checkpoint) == (before, (5, {"text": MARK}) if checkpoint else None)


@pytest.mark.parametrize("gone", [1, 2])
async def test_an_end_that_only_a_checkpoint_knows_of_is_missed(store: FileStore, gone: int) -> None:
    await write(store, over=False)
    forget_tails(store.runs / "a", Keyring([KEY]))
    (store.runs / "a" / "journal.jsonl").write_bytes(b"".join(lines(store)[:-gone]))
    with pytest.raises(
        RunDamaged, match=f"goes to event {5 - gone}, and 00000005.json was written after event 5"
    ) as seen:
        await store.open("a")
    assert "or give up what is missing: rm " in str(seen.value.hint)
    (store.runs / "a" / "checkpoints" / "00000005.json").unlink()
    journal, record = await store.open("a")
    await journal.close()
    assert len(record.events) == 5 - gone


@pytest.mark.parametrize("cut", range(5))
async def test_lines_kept_by_a_checkpoint_of_another_history_do_not_make_one_of_two(store: FileStore, cut: int) -> None:
    """Somebody puts an old checkpoint back, with the end of a journal that went on otherwise."""
    await write(store, over=False, answer="no")
    place = store.runs / "a"
    old, point = lines(store), (place / "checkpoints" / "00000005.json").read_bytes()
    (place / "journal.jsonl").write_bytes(b"".join(old[:4]))
    shutil.rmtree(place / "checkpoints")
    journal, _ = await store.open("a")
    await journal.append(events(2, 5, answer="yes"), sync=True)
    await journal.finish({"text": "yes"})
    await journal.close()
    new = lines(store)
    (place / "checkpoints").mkdir(exist_ok=True)
    (place / "checkpoints" / "00000005.json").write_bytes(point)
    (place / "journal.jsonl").write_bytes(b"".join(new[: cut + 1]))
    with pytest.raises(RunDamaged, match="its end is"):
        await store.read("a")
    (place / "result.json").unlink()
    if cut < 4:  # with all that came after gone, this is the whole run as it once was
        assert [event.data["answer"] for event in (await store.read("a", checkpoint=False)).events] == ["no"] * 5
    else:
        with pytest.raises(RunDamaged, match="its end is another's"):
            await store.read("a")


async def test_an_end_that_was_written_otherwise_cannot_be_put_back(store: FileStore) -> None:
    """Somebody kept the line of an answer, the run went back before it and got another."""
    await write(store, over=False, answer="no")
    place = store.runs / "a"
    before, checkpoints = lines(store), _kept_in_files(place / "checkpoints")
    (place / "journal.jsonl").write_bytes(b"".join(before[:4]))
    shutil.rmtree(place / "checkpoints")
    journal, _ = await store.open("a")
    await journal.append(events(2, 5, answer="yes"), sync=True)
    await journal.finish({"text": "yes"})
    await journal.close()
    after = lines(store)
    (place / "journal.jsonl").write_bytes(b"".join([*before, after[5]]))
    with pytest.raises(RunDamaged, match="does not follow"):
        await store.read("a")
    (place / "journal.jsonl").write_bytes(b"".join(after))
    (place / "checkpoints").mkdir()
    for name, data in checkpoints.items():
        Path(name).write_bytes(data)
    with pytest.raises(RunDamaged, match="its end is another's"):  # the old checkpoint is of another event 5
        await store.read("a")


async def test_what_a_run_of_the_same_name_left_does_not_fit(store: FileStore) -> None:
    await write(store)
    old = _kept_in_files(store.runs / "a")
    await store.remove("a")
    await write(store)
    new = _kept_in_files(store.runs / "a")
    for name, data in old.items():
        if name.endswith(("run.json", "workflow.json", "journal.jsonl")):
            Path(name).write_bytes(data)
            with pytest.raises(RunDamaged):
                await store.read("a", checkpoint=False)
            Path(name).write_bytes(new[name])
    assert len((await store.read("a", checkpoint=False)).events) == 5


async def test_documents_cannot_stand_for_each_other(store: FileStore) -> None:
    await write(store)
    place = store.runs / "a"
    shutil.copy(place / "workflow.json", place / "result.json")
    with pytest.raises(RunDamaged):
        await store.result("a")
    point = place / "checkpoints" / "00000005.json"
    shutil.copy(point, point.with_name("00000004.json"))
    assert [(each.seq, each.sound) for each in await store.checkpoints("a")] == [(4, False), (5, True)]


def _database(kind: str, place: Path, request: pytest.FixtureRequest) -> tuple[Callable[..., None], str]:
    """What runs statements in a new database, and its URL as a store."""
    if kind == "sqlite":
        path = place / "runs.db"
        return partial(_execute, path), f"sqlite:///{path}"
    postgres, schema = request.getfixturevalue("postgres"), f"rows_{place.name}".lower().replace("-", "_")
    return partial(postgres.run, f"SET search_path TO {schema}"), postgres.url(schema)


def _execute(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_rows_cannot_be_changed_unseen(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run, url = _database(kind, tmp_path, request)
    store = open_store(url, codec=Keyring([KEY]))
    await write(store)
    assert (await store.read("a")).checkpoint == (5, {"text": MARK})
    for before, after in ((2, 9), (3, 2), (9, 3)):
        run(f"UPDATE event SET seq = {after} WHERE seq = {before}")
    with pytest.raises(RunDamaged, match="event 2 of run a cannot be read"):
        await store.read("a", checkpoint=False)
    for before, after in ((2, 9), (3, 2), (9, 3)):
        run(f"UPDATE event SET seq = {after} WHERE seq = {before}")
    assert len((await store.read("a", checkpoint=False)).events) == 5
    run("DELETE FROM event WHERE seq = 5", "DELETE FROM checkpoint")
    with pytest.raises(RunDamaged, match="the end of run a is missing, or another's: it has 4 events, and its result"):
        await store.open("a")


def _read(codec: SealedRun, kind: str, data: bytes, header: bytes, first: bytes) -> None:
    codec.decode("header", header)
    if kind == "line":
        codec.event(data, first)
    elif kind == "result":
        codec.decode("result", data, 1)


@trials(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_always_seen(place: int, bits: int) -> None:
    ring = Keyring([KEY])
    codec = ring("a")
    header = codec.encode("header", {"created": 1.0})
    first = codec.line(events(1)[0])
    written = {
        "header": header,
        "line": codec.line(events(1, 2)[0], first),
        "result": codec.encode("result", {"text": "x" * 50}, 1, first),
    }
    for kind, data in written.items():
        at = place % (len(data) - 1)  # the line feed apart
        changed = data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]
        with pytest.raises((BadLine, Unsound, RunSealed)):
            _read(ring("a"), kind, changed, header if kind != "header" else changed, first)


def test_no_two_records_share_a_nonce() -> None:
    codec = Keyring([KEY])("a")
    codec.encode("header", {})
    event = events(1)[0]
    assert len({base64.b64decode(codec.line(event).split()[1])[16:28] for _ in range(1000)}) == 1000


# ---- keys


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("="), KEY.hex(), KEY.hex().upper(), f" {TEXT}\n"])
def test_a_key_is_base64_or_hexadecimal(text: str) -> None:
    assert parse_key(text, "$K") == KEY


def test_a_key_may_be_base64_as_urls_have_it() -> None:
    key = bytes(range(0xE0, 0x100))
    assert parse_key(base64.urlsafe_b64encode(key).decode(), "$K") == key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hunter2", "$K holds no key: 32 random bytes are wanted"),
        ("a" * 42, "$K holds no key"),
        ("0" * 64, "the key in $K is too easy to guess"),
        (base64.b64encode(b"correct horse battery staple 123").decode(), "the key in $K is too easy to guess"),
    ],
)
def test_a_weak_key_is_refused_with_how_to_make_one(text: str, said: str) -> None:
    with pytest.raises(UsageError) as seen:
        parse_key(text, "$K")
    assert seen.value.message.startswith(said)
    assert seen.value.hint == "make one with: openssl rand -base64 32"
    assert text not in seen.value.message


@pytest.mark.parametrize("kind", ["file", "sqlite"])
async def test_without_the_key_a_run_is_named_and_no_more(kind: str, tmp_path: Path) -> None:
    url = {"file": f"file:{tmp_path}/home", "sqlite": f"sqlite:///{tmp_path}/runs.db"}[kind]
    await write(open_store(url, codec=Keyring([KEY])))
    for store, said in (
        (open_store(url), "encrypted, and no key is given"),
        (open_store(url, codec=Keyring([OTHER])), "encrypted under another key"),
    ):
        assert [(info.id, info.status, info.workflow) for info in await store.list()] == [("a", "sealed", "")]
        assert await store.resolve("latest") == "a"
        for verb in (store.read, store.open, store.result, store.checkpoints):
            with pytest.raises(RunSealed, match=said) as seen:
                await verb("a")
            assert (seen.value.exit_code, bool(seen.value.hint)) == (5, True)


@pytest.mark.parametrize("kind", ["file", "sqlite", "own"])
async def test_a_run_begun_in_the_clear_is_read_under_a_key_and_not_gone_on_with(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(own_store.distribution(tmp_path / "site"))
    places = {
        "file": f"file:{tmp_path}/home",
        "sqlite": f"sqlite:///{tmp_path}/runs.db",
        "own": f"shelf:{tmp_path}/shelf",
    }
    url = places[kind]
    await write(open_store(url), "old")
    store = open_store(url, codec=Keyring([KEY]))
    await write(store, "new")
    assert [info.status for info in await store.list()] == ["interrupted", "interrupted"]
    for run_id in ("old", "new"):
        assert len((await store.read(run_id, checkpoint=False)).events) == 5
        assert await store.result(run_id) == {"text": MARK}
    with pytest.raises(StoreError, match="begun in the clear") as seen:
        await store.open("old")
    assert "magent runs copy old --to" in str(seen.value.hint)
    assert [(await store.read(run_id)).unsealed for run_id in ("old", "new")] == [True, False]
    assert not (await open_store(url).read("old")).unsealed
    await store.remove("old")
    assert [info.id for info in await store.list()] == ["new"]


async def test_what_was_written_under_an_old_key_goes_on_under_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/runs.db"
    await write(open_store(url, codec=Keyring([KEY])), "old")
    both = open_store(url, codec=Keyring([OTHER, KEY]))
    await write(both, "new")
    journal, _ = await both.open("old")
    await journal.append(events(1, 6), sync=True)
    await journal.close()
    assert isinstance(both, SqliteStore)
    for key, statuses in (
        (KEY, {"old": "interrupted", "new": "sealed"}),
        (OTHER, {"old": "sealed", "new": "interrupted"}),
    ):
        store = open_store(url, codec=Keyring([key]))
        assert {info.id: info.status for info in await store.list()} == statuses


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_the_statements_that_give_up_what_is_damaged_leave_a_run_that_is_read(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run, url = _database(kind, tmp_path, request)
    store = open_store(url, codec=Keyring([KEY]))
    await write(store)
    run("UPDATE event SET line = substr(line, 9) WHERE seq = 5")
    for said, left in (("event 5 of run a cannot be read", 4), ("the end of run a is missing", 3)):
        with pytest.raises(RunDamaged, match=said) as seen:
            await store.read("a")
        run(*str(seen.value.hint).rpartition(": ")[2].split("; "))
        journal, record = await store.open("a")
        assert (len(record.events), await store.result("a"), await store.checkpoints("a")) == (left, None, [])
        await journal.finish({})
        await journal.close()
        run(f"DELETE FROM event WHERE seq = {left}")


# ---- settings and verbs

ASKS = """
magent: 1
name: asks
nodes:
  a: {run: 'env; echo "$VAULT_KEY"', next: b}
  b: {type: human_input, input: approval, prompt: well?}
"""


def test_the_settings_name_the_key_and_all_verbs_obey(here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    here.joinpath("workflow.yaml").write_text(ASKS)
    here.joinpath(".magent.yaml").write_text("encryption: {key_env: VAULT_KEY}\n")
    missing = cli(capsys, "run")
    assert (missing.code, "$VAULT_KEY holds no key" in missing.err) == (2, True)
    monkeypatch.setenv("VAULT_KEY", "hunter2")
    assert cli(capsys, "runs", "list").code == 2
    monkeypatch.setenv("VAULT_KEY", TEXT)
    assert cli(capsys, "run", "--no-input", "--id", "r1").code == 3
    kept = _kept_in_files(here / ".magent" / "runs" / "r1")
    assert [name for name, data in kept.items() if b"approval" in data or TEXT.encode() in data] == []
    shown = cli(capsys, "runs", "show", "r1", "--output", "json")
    assert (json.loads(shown.out)["status"], TEXT in shown.out) == ("waiting", False)
    told = cli(capsys, "doctor", "--offline")
    assert "the key is in VAULT_KEY" in " ".join(told.out.split())
    assert TEXT not in told.out
    monkeypatch.setenv("VAULT_KEY", OTHER.hex())
    (listed,) = json.loads(cli(capsys, "runs", "list", "--output", "json").out)
    assert (listed["run_id"], listed["status"]) == ("r1", "sealed")
    for words in (("runs", "show", "r1"), ("resume", "r1"), ("respond", "r1", "--approve"), ("runs", "history", "r1")):
        refused = cli(capsys, *words)
        assert (refused.code, "run r1 is encrypted under another key" in refused.err) == (5, True), refused.err
    here.joinpath(".magent.yaml").unlink()
    assert "no key is given" in cli(capsys, "resume", "r1").err
    monkeypatch.setenv("MAGENT_ENCRYPTION_KEY_ENV", "OLD_KEY")
    monkeypatch.setenv("OLD_KEY", TEXT)
    assert cli(capsys, "respond", "r1", "--approve", "--resume").code == 0


def test_under_a_key_nothing_comes_of_a_run_that_anybody_may_have_written(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.joinpath("asks.yaml").write_text(ASKS)
    assert cli(capsys, "run", "asks.yaml", "-q", "--no-input", "--id", "a").code == 3
    monkeypatch.setenv("VAULT_KEY", TEXT)
    monkeypatch.setenv("MAGENT_ENCRYPTION_KEY_ENV", "VAULT_KEY")
    assert "in the clear, though there is a key" in cli(capsys, "runs", "show", "a").out
    for words in (["resume", "a"], ["resume", "a", "--from", "a"], ["respond", "a", "--approve"]):
        told = cli(capsys, *words)
        assert (told.code, "magent runs copy a --to" in told.err) == (5, True)
    assert [each["run_id"] for each in json.loads(cli(capsys, "runs", "list", "--output", "json").out)] == ["a"]
    assert cli(capsys, "runs", "copy", "a", "--to", "file:sealed").code == 0
    assert "in the clear" not in cli(capsys, "runs", "show", "a", "--store", "file:sealed").out


def test_what_waits_in_runs_that_cannot_be_read_is_not_passed_over_in_silence(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.joinpath("asks.yaml").write_text(ASKS)
    monkeypatch.setenv("VAULT_KEY", TEXT)
    monkeypatch.setenv("MAGENT_ENCRYPTION_KEY_ENV", "VAULT_KEY")
    assert cli(capsys, "run", "asks.yaml", "-q", "--no-input", "--id", "a").code == 3
    monkeypatch.setenv("VAULT_KEY", base64.b64encode(OTHER).decode())
    told = cli(capsys, "respond", "--list")
    assert "1 run is encrypted, and not under a key that is given: what waits there" in told.err
