"""The PostgreSQL store on a real server, with real second processes: leases and who loses them, a server that goes
away, notices, migrations, and what is refused."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import OperationalError

from magent import api
from magent.errors import RunDamaged, RunLocked, StoreError, UsageError
from magent.ports import Hears, Journal
from magent.stores import open_store, postgres_link, postgres_tables
from magent.stores.postgres import PostgresStore
from magent.stores.postgres_link import Link, Place, connect
from magent.stores.postgres_writer import Writer
from tests.adapters.storing import events, header, processes, write
from tests.cli.helpers import magent
from tests.postgres import Postgres

Open = Callable[..., PostgresStore]


@pytest.fixture
def another(postgres: Postgres, here: Path) -> Open:
    """Makes a store as another process would: of the same new schema, with options, and connections of its own."""
    schema = postgres.url().rpartition("=")[2]
    numbers = itertools.count(1)
    return lambda **options: PostgresStore(postgres.url(schema, application_name=f"p{next(numbers)}", **options))


@pytest.fixture
def store(another: Open) -> PostgresStore:
    return another()


def query(postgres: Postgres, store: PostgresStore, *statements: str) -> list[Any]:
    return postgres.run(f"SET search_path TO {store.place.schema}", *statements)


async def until(found: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    """Looks again and again; the test's time limit ends it."""
    while True:
        answer = found()
        if answer if isinstance(answer, bool) else await answer:
            return
        await asyncio.sleep(0.02)


async def opens(store: PostgresStore, run_id: str) -> bool:
    try:
        journal, _ = await store.open(run_id)
    except RunLocked:
        return False
    await journal.close()
    return True


# ---- leases


HOLD = """
import asyncio, sys
from magent.events import Event
from magent.stores.postgres import PostgresStore
async def main():
    journal, record = await PostgresStore(sys.argv[1]).open("a")
    print("held", flush=True)
    sys.stdin.readline()
    await journal.append([Event(4, 1.0, "x", {"by": "holder"})], sync=True)
    await journal.close()
asyncio.run(main())
"""
Holder = Callable[[PostgresStore], "subprocess.Popen[str]"]


@pytest.fixture
def hold(postgres: Postgres) -> Iterator[Holder]:
    """Starts a process that holds run `a` until it gets a line, and then appends to it."""
    with processes() as start:
        yield lambda store: start(HOLD, postgres.url(store.place.schema, lease=f"{store.place.lease:g}s"))


async def test_a_run_that_another_process_holds_is_refused_and_says_who(store: PostgresStore, hold: Holder) -> None:
    await write(store, "a")
    process = hold(store)
    for verb in (store.open, store.remove):
        with pytest.raises(RunLocked, match=f"run a is held by process {process.pid} on .* since 20"):
            await verb("a")
    assert (await store.info("a")).status == "running"
    process.communicate("\n")
    assert [event.data for event in (await store.read("a")).events][3:] == [{"by": "holder"}]
    assert await opens(store, "a")


async def test_a_holder_that_was_killed_on_this_machine_blocks_nobody(another: Open, hold: Holder) -> None:
    store = another(lease="1h")
    await write(store, "a")
    process = hold(store)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (await store.info("a")).status == "interrupted"
    assert await opens(store, "a")


async def test_a_holder_that_died_elsewhere_loses_the_run_when_its_lease_is_over(
    another: Open, hold: Holder, postgres: Postgres
) -> None:
    store = another(lease="1s")
    await write(store, "a")
    process = hold(store)
    process.send_signal(signal.SIGKILL)
    process.wait()
    query(postgres, store, """UPDATE lease SET holder = replace(holder, '"on": "', '"on": "another machine ')""")
    assert not await opens(store, "a")
    assert (await store.info("a")).status == "running"
    await until(lambda: opens(store, "a"))
    assert (await store.info("a")).status == "interrupted"


async def test_a_process_that_was_paused_for_too_long_writes_nothing_more(another: Open, hold: Holder) -> None:
    store = another(lease="0.5s")
    await write(store, "a")
    process = hold(store)
    process.send_signal(signal.SIGSTOP)
    await until(lambda: opens(store, "a"))
    journal, _ = await store.open("a")
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate("\n")
    assert process.returncode == 1
    assert f"StoreError: run a was taken over by process {os.getpid()} on " in said
    await journal.append(events(4, 4), sync=True)
    await journal.close()
    assert list((await store.read("a")).events) == events(1, 4)


async def test_who_lost_the_lease_can_write_nothing(another: Open, postgres: Postgres) -> None:
    first, second = another(lease="1h"), another(lease="1h")
    journal = await first.create("a", header("a"), {})
    await journal.append(events(1, 2), sync=True)
    query(postgres, first, "UPDATE lease SET term = interval '-1 hour'")
    heir, record = await second.open("a")
    assert list(record.events) == events(1, 2)
    await heir.append(events(3, 3, by="heir"), sync=True)
    await journal.checkpoint(2, {"n": "lost"})
    with pytest.raises(StoreError, match="run a was taken over by this process") as caught:
        await journal.append(events(3, 3, by="lost"), sync=True)
    assert caught.value.exit_code == 5
    with pytest.raises(StoreError, match="was taken over"):
        await journal.finish({"status": "lost"})
    with pytest.raises(StoreError, match="was taken over"):
        journal.notes()
    await journal.close()
    with pytest.raises(RunLocked):
        await first.open("a")
    await heir.close()
    record = await second.read("a")
    assert ([event.data for event in record.events][2:], record.checkpoint) == ([{"by": "heir"}], None)
    assert await second.result("a") is None


async def test_a_lease_that_is_held_lasts_for_as_long_as_it_is_held(another: Open, postgres: Postgres) -> None:
    store, other = another(lease="0.4s"), another()
    journal = await store.create("a", header("a"), {})
    for _ in range(4):
        (before,) = query(postgres, store, "SELECT beat FROM lease")
        await until(lambda before=before: query(postgres, store, "SELECT beat FROM lease") != [before])
        assert not await opens(other, "a")
    await journal.close()
    assert await opens(other, "a")


async def test_who_lost_the_lease_hears_of_it_without_writing(another: Open, postgres: Postgres) -> None:
    store, other = another(lease="0.4s"), another()
    journal = await store.create("a", header("a"), {})
    heard = threading.Event()
    assert isinstance(journal, Hears)
    journal.on_notice(heard.set)
    query(postgres, store, "UPDATE lease SET token = 7, holder = NULL")
    await until(heard.is_set)
    with pytest.raises(StoreError, match="was taken over"):
        journal.notes()
    await journal.close()
    assert await opens(other, "a")


async def test_of_many_who_want_a_run_one_gets_it(another: Open) -> None:
    await write(another(), "a")
    stores = [another() for _ in range(10)]
    found = await asyncio.gather(*(store.open("a") for store in stores), return_exceptions=True)
    held = [each[0] for each in found if not isinstance(each, BaseException)]
    assert [type(each) for each in found if isinstance(each, BaseException)] == [RunLocked] * 9
    await held[0].close()
    assert await opens(stores[0], "a")


async def test_of_two_holds_of_a_run_in_one_process_the_heir_s_is_the_one_that_counts(postgres: Postgres) -> None:
    url = postgres.url(lease="1h")
    first, second = PostgresStore(url), PostgresStore(url)
    lost = await first.create("a", header("a"), {})
    query(postgres, first, "UPDATE lease SET term = interval '-1 hour'")
    heir, _ = await second.open("a")
    one, two = threading.Event(), threading.Event()
    assert isinstance(lost, Hears)
    assert isinstance(heir, Hears)
    lost.on_notice(one.set)
    heir.on_notice(two.set)
    await until(one.is_set)
    await lost.close()
    await PostgresStore(url).leave("a", "cancel", {"by": "ann"})
    await until(two.is_set)
    assert heir.notes() == {"cancel": {"by": "ann"}}
    await heir.append(events(1, 1), sync=True)
    await heir.close()


async def test_a_lease_that_somebody_has_locked_keeps_no_other_from_lasting(
    store: PostgresStore, postgres: Postgres
) -> None:
    store = PostgresStore(postgres.url(store.place.schema, lease="0.4s"))
    journals = [await store.create(name, header(name), {}) for name in "ab"]
    with connect(store.place) as connection, connection.transaction():
        connection.execute(f"SELECT FROM {store.place.schema}.lease WHERE run = 1 FOR UPDATE")
        for _ in range(2):
            (before,) = query(postgres, store, "SELECT beat FROM lease WHERE run = 2")
            await until(lambda b=before: query(postgres, store, "SELECT beat FROM lease WHERE run = 2") != [b])
    for journal in journals:
        await journal.append(events(1, 1), sync=True)
        await journal.close()


# ---- what somebody else has locked


@contextlib.contextmanager
def locked(store: PostgresStore, statement: str) -> Iterator[None]:
    """By a session that has begun something and hangs."""
    with connect(store.place) as connection, connection.transaction():
        connection.execute(f"SET search_path TO {store.place.schema}")
        connection.execute(statement)
        yield


@pytest.mark.parametrize("lock", ["SELECT FROM lease WHERE run = 1 FOR UPDATE", "INSERT INTO event VALUES (1, 2, '')"])
async def test_a_run_that_somebody_has_locked_waits_and_holds_up_no_other(
    lock: str, store: PostgresStore, postgres: Postgres
) -> None:
    first, second = [await store.create(name, header(name), {}) for name in "ab"]
    await first.append(events(1, 1), sync=True)
    with contextlib.suppress(Undone), locked(store, lock):
        waiting = [asyncio.ensure_future(first.append(events(seq, seq), sync=True)) for seq in (2, 3, 4)]
        for seq in range(1, 6):
            await second.append(events(seq, seq), sync=True)
            await second.checkpoint(seq, {"n": seq})
        await second.finish({"status": "completed"})
        await second.close()
        await write(store, "c")
        assert [info.id for info in await store.list() if info.status == "running"] == ["a"]
        assert not any(each.done() for each in waiting)
        raise Undone
    await asyncio.gather(*waiting)
    await first.close()
    for name, count in (("a", 4), ("b", 5), ("c", 3)):
        assert list((await store.read(name, checkpoint=False)).events) == events(1, count)


class Undone(Exception):
    """A transaction that is rolled back."""


async def test_a_run_that_is_locked_is_let_go_of_later_and_others_meanwhile(
    store: PostgresStore, another: Open
) -> None:
    first, second = [await store.create(name, header(name), {}) for name in "ab"]
    with locked(store, "SELECT FROM lease WHERE run = 1 FOR UPDATE"):
        closing = asyncio.ensure_future(first.close())
        await second.append(events(1, 1), sync=True)
        await second.close()
        assert await opens(another(), "b")
        assert not closing.done()
    await closing
    assert await opens(another(), "a")


async def test_a_table_that_is_locked_is_waited_for(store: PostgresStore) -> None:
    journals = [await store.create(name, header(name), {}) for name in "ab"]
    with locked(store, "LOCK TABLE event IN ACCESS EXCLUSIVE MODE"):
        waiting = [asyncio.ensure_future(journal.append(events(1, 2), sync=True)) for journal in journals]
        done, _ = await asyncio.wait(waiting, timeout=0.5)
        assert not done
    await asyncio.gather(*waiting)
    for journal in journals:
        await journal.close()
        assert list((await store.read(journal.run_id)).events) == events(1, 2)


async def test_whoever_never_lets_go_of_a_run_is_told_of_and_others_go_on(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "PATIENCE", 0.3)
    first, second = [await store.create(name, header(name), {}) for name in "ab"]
    with locked(store, "SELECT FROM lease WHERE run = 1 FOR UPDATE"):
        with pytest.raises(StoreError, match="another session has locked its run a") as seen:
            await first.append(events(1, 1), sync=True)
        assert "pg_stat_activity" in str(seen.value.hint)
        await second.append(events(1, 1), sync=True)
        with pytest.raises(StoreError, match="another session has locked its tables"):
            await first.close()
        await second.close()
    assert list((await store.read("b")).events) == events(1, 1)
    assert await opens(store, "a")


# ---- many in one process


async def test_runs_of_one_process_share_their_connections_however_many_there_are(postgres: Postgres) -> None:
    """The server takes 100; each run had three."""
    url = postgres.url(application_name="crowd")
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'crowd'"
    workflow = api.load({"magent": 1, "name": "one", "nodes": {"mark": {"set": {"stage": "drafted"}}}})
    running = asyncio.gather(*(workflow.run(store=url) for _ in range(60)))
    counts = []
    while not running.done():
        counts += await asyncio.to_thread(postgres.run, sql)
    assert {result.status for result in await running} == {"completed"}
    assert max(counts) <= (4,)  # one more while a writer ends as the next begins
    assert len(found := list(await PostgresStore(url).list())) == 60
    assert {info.status for info in found} == {"completed"}
    gc.collect()
    await until(lambda: postgres.run(sql) == [(0,)])


async def test_who_waits_behind_others_for_a_server_that_stays_away_waits_no_longer_than_they(
    store: PostgresStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    journals = [await store.create(f"r{number}", header("r"), {}) for number in range(10)]
    monkeypatch.setattr("magent.stores.postgres_link.PATIENCE", 0.5)
    postgres.stop()
    begun = time.monotonic()
    try:
        closing = asyncio.gather(*(journal.finish({}) for journal in journals), return_exceptions=True)
        assert [type(found) for found in await closing] == [StoreError] * 10
        assert time.monotonic() - begun < 2.5
    finally:
        postgres.start()
    for journal in journals:
        await journal.close()


# ---- a server that goes away


async def test_a_run_goes_on_when_the_server_was_killed_and_started_again(
    store: PostgresStore, postgres: Postgres
) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 2), sync=True)
    postgres.stop()
    waiting = asyncio.ensure_future(journal.append(events(3, 4), sync=True))
    await asyncio.sleep(0)
    await asyncio.to_thread(postgres.start)
    await waiting
    await journal.append(events(5, 5), sync=False)
    assert list((await store.read("a")).events) == events(1, 5)
    await journal.close()
    assert await opens(store, "a")


async def test_what_was_written_before_the_connection_broke_is_not_written_again(
    store: PostgresStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer to the first append is lost: nobody here knows whether it was written."""
    journal = await store.create("a", header("a"), {})
    plain = Writer._write
    broken: list[set[int]] = []

    def breaks(self: Writer, connection: Any, batch: Any) -> set[int]:
        written = plain(self, connection, batch)
        if len(broken) < 2:
            broken.append(written)
            postgres.run(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
            connection.execute("SELECT 1")
        return written

    monkeypatch.setattr(Writer, "_write", breaks)
    await journal.append(events(1, 2), sync=True)
    await journal.append(events(3, 3), sync=True)
    await journal.close()
    assert [len(each) for each in broken] == [1, 0]
    assert list((await store.read("a")).events) == events(1, 3)


async def test_a_take_whose_answer_was_lost_is_known_again(
    store: PostgresStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(store, "a")
    plain = Writer.do
    broken: list[Any] = []

    def breaks(self: Writer, job: Any) -> Any:
        def whole(connection: Any) -> Any:
            found = job(connection)
            if not broken:
                broken.append(found)
                connection.execute("COMMIT")
                postgres.run(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
                connection.execute("SELECT 1")
            return found

        return plain(self, whole)

    monkeypatch.setattr(Writer, "do", breaks)
    for take in (lambda: store.create("b", header("b"), {}), lambda: store.open("a")):
        broken.clear()
        taken = await take()
        journal: Journal = taken[0] if isinstance(taken, tuple) else taken
        await journal.append(events(1 if journal.run_id == "b" else 4, 5), sync=True)
        await journal.close()
        assert len(broken) == 1


async def test_a_server_that_stays_away_ends_the_run_with_a_word(
    store: PostgresStore, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magent.stores.postgres_link.PATIENCE", 0.3)
    journal = await store.create("a", header("a"), {})
    postgres.stop()
    try:
        with pytest.raises(StoreError, match=r"cannot write to postgresql://.*cannot be reached") as caught:
            await journal.append(events(1, 1), sync=True)
        assert caught.value.hint
        with pytest.raises(StoreError, match="cannot write to"):
            await journal.close()
    finally:
        postgres.start()
    assert await opens(store, "a")


# ---- notices


async def test_a_request_of_another_process_is_heard_at_once(another: Open) -> None:
    """The lease is so long that nothing but the notice can tell of it."""
    store, other = another(lease="1h"), another()
    journal = await store.create("a", header("a"), {})
    bystander = await store.create("b", header("b"), {})
    heard = threading.Event()
    assert isinstance(journal, Hears)
    journal.on_notice(heard.set)
    await until(lambda: store.watch.listens)
    assert not journal.notes()
    await other.leave("a", "cancel", {"by": "ann"})
    await until(heard.is_set)
    assert (journal.notes(), bystander.notes()) == ({"cancel": {"by": "ann"}}, {})
    heard.clear()
    await other.take_away("a", "cancel")
    await until(heard.is_set)
    assert not journal.notes()
    await journal.close()
    await bystander.close()


async def test_notices_are_heard_again_after_the_connection_broke(another: Open, postgres: Postgres) -> None:
    store, other = another(lease="1h"), another()
    journal = await store.create("a", header("a"), {})
    await until(lambda: store.watch.listens)
    postgres.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE '%FROM note%' AND pid <> pg_backend_pid()"
    )
    await other.leave("a", "cancel", {"by": "ann"})
    await until(lambda: bool(journal.notes()))
    await journal.close()


# ---- what is in it


async def test_appends_that_come_together_are_committed_together(store: PostgresStore, postgres: Postgres) -> None:
    journals = [await store.create(f"r{number}", header("r"), {}) for number in range(30)]
    await asyncio.gather(*(journal.append(events(1, 2), sync=True) for journal in journals))
    ((count, transactions),) = query(postgres, store, "SELECT count(*), count(DISTINCT xmin::text) FROM event")
    assert (count, transactions < 20) == (60, True)
    for journal in journals:
        await journal.close()


async def test_of_a_removed_run_nothing_is_left(store: PostgresStore, postgres: Postgres, here: Path) -> None:
    journal = await store.create("a", header("a"), {})
    await journal.append(events(1, 2), sync=True)
    await journal.checkpoint(2, {"n": 2})
    await journal.close()
    await store.leave("a", "cancel", {"by": "ann"})
    await store.remove("a")
    for table in ("run", "event", "checkpoint", "note", "lease"):
        assert (table, query(postgres, store, f"SELECT count(*) FROM {table}")) == (table, [(0,)])
    assert list((here / ".magent/workspaces").iterdir()) == []


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE event SET line = '{}' WHERE seq = 2", "event 2 of run a cannot be read: the line does not end"),
        ("DELETE FROM event WHERE seq = 2", "event 2 of run a cannot be read: it is missing"),
        ("UPDATE run SET header = '{'", "the header of run a is damaged"),
    ],
)
async def test_damage_is_told_with_its_place(store: PostgresStore, postgres: Postgres, sql: str, said: str) -> None:
    await write(store, "a")
    query(postgres, store, sql)
    for verb in (store.open, store.read):
        with pytest.raises(RunDamaged, match=said) as caught:
            await verb("a")
        assert caught.value.hint
    assert (await store.info("a")).status in ("interrupted", "damaged")
    await store.remove("a")


async def test_what_the_error_says_about_damage_mends_it(store: PostgresStore, postgres: Postgres) -> None:
    await write(store, "a")
    query(postgres, store, "UPDATE event SET line = '' WHERE seq = 3")
    with pytest.raises(RunDamaged) as caught:
        await store.open("a")
    query(postgres, store, str(caught.value.hint).rpartition(": ")[2])
    journal, record = await store.open("a")
    assert list(record.events) == events(1, 2)
    await journal.append(events(3, 3), sync=True)
    await journal.close()


async def test_looking_makes_nothing(store: PostgresStore, postgres: Postgres) -> None:
    assert list(await store.list()) == []
    assert postgres.run(f"SELECT to_regnamespace('{store.place.schema}')") == [(None,)]


# ---- migrations


async def test_many_who_come_at_once_make_the_tables_once(another: Open, postgres: Postgres) -> None:
    stores = [another() for _ in range(6)]
    await asyncio.gather(*(write(store, f"r{number}") for number, store in enumerate(stores)))
    assert len(list(await stores[0].list())) == 6
    assert query(postgres, stores[0], "SELECT version FROM migration") == [(1,)]


async def test_a_newer_version_brings_the_tables_up_to_date(
    another: Open, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write(another(), "a")
    newer = (*postgres_tables.MIGRATIONS, ("ALTER TABLE run ADD COLUMN label text",))
    monkeypatch.setattr(postgres_tables, "MIGRATIONS", newer)
    store = another()
    assert len(list(await store.list())) == 1
    assert query(postgres, store, "SELECT version FROM migration ORDER BY 1") == [(1,), (2,)]
    monkeypatch.undo()
    older = another()
    for job in (older.list(), older.create("b", header("b"), {})):
        with pytest.raises(StoreError, match=f"schema '{older.place.schema}' was made by a newer magent") as caught:
            await job
        assert "pip install -U" in str(caught.value.hint)


# ---- what is refused


async def refused(url: str) -> StoreError:
    store = open_store(url)
    with pytest.raises(StoreError) as caught:
        await store.create("a", header("a"), {})
    return caught.value


async def test_a_wrong_password_is_told_without_it(postgres: Postgres) -> None:
    postgres.run("DROP ROLE IF EXISTS tide", "CREATE ROLE tide LOGIN PASSWORD 'high water 7'")
    postgres.hba("local all tide scram-sha-256")
    error = await refused(postgres.url(user="tide:low%20water%207"))
    assert "the server does not accept the password" in error.message
    assert "PGPASSWORD" in str(error.hint)
    assert "low" not in error.message
    error = await refused(postgres.url(user="tide"))
    assert "the server does not accept the password" in error.message
    with pytest.raises(StoreError, match="permission denied"):
        await open_store(postgres.url(user="tide:high%20water%207")).create("a", header("a"), {})


@pytest.mark.parametrize(
    ("options", "said", "hint"),
    [
        ({"database": "nowhere"}, "there is no such database", "createdb"),
        ({"user": "nobody"}, "the server does not let this user in", "pg_hba.conf"),
        ({"host": "/nowhere"}, "the server cannot be reached", "is it running"),
    ],
)
async def test_what_the_server_says_is_told_with_what_to_do(
    postgres: Postgres, options: dict[str, str], said: str, hint: str
) -> None:
    error = await refused(postgres.url(**options))
    assert said in error.message
    assert hint in str(error.hint)


async def test_a_host_that_does_not_answer_is_told(unused_tcp_port: int) -> None:
    error = await refused(f"postgresql://me:secret-of-mine@127.0.0.1:{unused_tcp_port}/db?connect_timeout=5")
    assert error.message.startswith(f"cannot read postgresql://me@127.0.0.1:{unused_tcp_port}/db")
    assert "the server cannot be reached" in error.message
    assert "secret" not in error.message + str(error.hint)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me@h/db?schema=a-b", "'a-b' cannot be the schema"),
        ("postgresql://me@h/db?schema=pg.x;DROP", "cannot be the schema"),
        ("postgresql://me@h/db?lease=soon", "'soon' cannot be the lease"),
        ("postgresql://me@h/db?lease=1ms", "'1ms' cannot be the lease"),
    ],
)
def test_options_that_cannot_be_are_bad_usage(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        open_store(url)
    assert caught.value.hint


async def test_a_url_that_libpq_does_not_know_is_bad_usage() -> None:
    with pytest.raises(UsageError, match="is no URL of a database") as caught:
        await open_store("postgresql://me:se/cret%zz@h:x/db?colour=red").list()
    assert "cret" not in str(caught.value)


async def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match="needs psycopg") as caught:
        await open_store("postgresql://me@h/db").list()
    assert caught.value.hint == "pip install 'magent-cli[postgres]'"


@pytest.mark.parametrize("password", ["low-water-at-seven", "7_low"])
def test_a_password_is_in_nothing_that_is_shown(
    postgres: Postgres, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, password: str
) -> None:
    """Not in what a run prints, records, or hands to its children; of a short one it may be somewhere else."""
    url = postgres.url(user=f"postgres:{password}")
    leak = "env; echo $MAGENT_STORE" if len(password) > 8 else "true"
    file = here / "workflow.yaml"
    file.write_text(f"magent: 1\nname: leaky\nnodes: {{leak: {{run: [sh, -c, '{leak}; false']}}}}\n")
    said = ""
    for words in (["run"], ["runs", "list"], ["doctor", "--offline"], ["doctor", "--offline", "--output", "json"]):
        monkeypatch.setenv("MAGENT_STORE", url)
        told = magent(capsys, *words)
        said += told.out + told.err
        monkeypatch.delenv("MAGENT_STORE")
        told = magent(capsys, *words, "--store", url)
        said += told.out + told.err
    assert "leaky" in said
    assert password not in said
    assert "postgresql://postgres@/postgres" in said
    schema = url.partition("schema=")[2].partition("&")[0]
    rows = postgres.run(f"SELECT convert_from(line, 'UTF8') FROM {schema}.event")
    assert len(rows) > 6
    assert password not in json.dumps(rows)


async def test_a_server_that_goes_while_the_first_connection_is_prepared_may_come_back(store: PostgresStore) -> None:
    prepared = []

    def prepare(connection: Any) -> None:
        prepared.append(connection)
        if len(prepared) == 1:
            connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    link = Link(store.place, prepare)
    found = await asyncio.to_thread(link.do, lambda connection: connection.execute("SELECT 1").fetchone(), "read")
    assert (found, len(prepared)) == ((1,), 2)
    link.close()


def test_a_server_that_hangs_up_while_it_is_first_called_may_take_us_in_a_moment_later(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is going down, and comes again."""
    place = store.place._replace(shown="never reached")
    calls = []

    def hangs_up_once(where: Place) -> Any:
        calls.append(where)
        if len(calls) == 1:
            raise OperationalError("connection failed: server closed the connection unexpectedly")
        return connect(store.place)

    monkeypatch.setattr(postgres_link, "connect", hangs_up_once)
    link = Link(place, lambda _: None)
    assert link.do(lambda connection: connection.execute("SELECT 1").fetchone(), "read") == (1,)
    link.close()
