"""A journal after accidents: cut anywhere, bytes flipped, its writer killed. It gives the events that were written, a
beginning of them where the end was never finished, or is refused with what to do; never anything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magent.errors import RunDamaged
from magent.events import Event
from magent.ports import Record
from magent.stores.file import FileStore

ROOT = Path(__file__).parents[2]
HEADER = {"run_id": "a", "workflow": "tides", "created": 1.0}
EVENTS = [
    Event(1, 1000.125, "run.started", {"workflow": "tides", "inputs": {"n": 1}}),
    Event(2, 1000.5, "visit.started", {"scope": 0, "path": "draft", "visit": 1}),
    Event(3, 1001.0, "visit.completed", {"scope": 0, "path": "draft", "output": 'ä "sum":"00000000"}\n'}),
    Event(4, 1002.0, "visit.completed", {"scope": 0, "path": "publish", "output": None}),
    Event(5, 1003.0, "run.completed", {"outputs": {"text": "€"}}),
]


async def fill(store: FileStore) -> None:
    journal = await store.create("a", HEADER, {"name": "tides"})
    await journal.append(EVENTS[:3], sync=True)
    await journal.checkpoint(3, {"n": 3})
    await journal.append(EVENTS[3:], sync=True)
    await journal.close()


class Bench:
    """A run whose journal is replaced by others."""

    def __init__(self, home: Path, runner: asyncio.Runner) -> None:
        self.store = FileStore(f"file:{home}")
        self._runner = runner
        runner.run(fill(self.store))
        self.journal = self.store.runs / "a" / "journal.jsonl"
        self.sound = self.journal.read_bytes()
        self.lines = self.sound.splitlines(keepends=True)

    def put(self, content: bytes) -> None:
        self.journal.write_bytes(content)

    def read(self, *, checkpoint: bool = False) -> Record:
        return self._runner.run(self.store.read("a", checkpoint=checkpoint))

    def go_on(self) -> list[Event]:
        """What is there after the run was opened and one more event appended."""
        return self._runner.run(self._go_on())

    async def _go_on(self) -> list[Event]:
        journal, record = await self.store.open("a")
        known = [*EVENTS[: record.checkpoint[0]], *record.events] if record.checkpoint else list(record.events)
        await journal.append([Event(len(known) + 1, 2000.0, "run.resumed", {})], sync=True)
        await journal.close()
        now = (await self.store.read("a", checkpoint=False)).events
        assert (list(now[:-1]), now[-1].type) == (known, "run.resumed")
        return known


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """For the tests that only read."""
    with asyncio.Runner() as runner:
        yield Bench(tmp_path_factory.mktemp("spoiled"), runner)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with asyncio.Runner() as runner:
        yield Bench(tmp_path, runner)


def test_what_was_written_is_there(bench: Bench) -> None:
    assert list(bench.read().events) == EVENTS
    assert bench.go_on() == EVENTS


def test_cut_at_any_byte_it_gives_the_events_that_are_whole_or_that_a_checkpoint_has(spoiled: Bench) -> None:
    for length in range(len(spoiled.sound) + 1):
        spoiled.put(spoiled.sound[:length])
        whole = max(spoiled.sound[:length].count(b"\n"), 3)
        assert list(spoiled.read().events) == EVENTS[:whole]
        record = spoiled.read(checkpoint=True)
        assert (record.checkpoint, list(record.events)) == ((3, {"n": 3}), EVENTS[3:whole])


def test_cut_at_any_byte_without_a_checkpoint_it_gives_the_events_that_are_whole(bench: Bench) -> None:
    shutil.rmtree(bench.journal.parent / "checkpoints")
    for length in range(len(bench.sound) + 1):
        bench.put(bench.sound[:length])
        record = bench.read(checkpoint=True)
        assert (record.checkpoint, list(record.events)) == (None, EVENTS[: bench.sound[:length].count(b"\n")])


def test_cut_anywhere_in_its_last_line_it_goes_on_from_the_one_before(bench: Bench) -> None:
    for length in range(len(bench.sound) - len(bench.lines[-1]), len(bench.sound)):
        bench.put(bench.sound[:length])
        assert bench.go_on() == EVENTS[:4]


@pytest.mark.parametrize("tail", [b"\0" * 300, b"\xff", b"{", b'{"seq":6,"time":"'])
def test_what_follows_the_last_line_feed_was_never_finished(bench: Bench, tail: bytes) -> None:
    bench.put(bench.sound + tail)
    assert bench.go_on() == EVENTS


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_flipped_byte_is_refused_or_harmless(spoiled: Bench, data: st.DataObject) -> None:
    """In the last line too, as long as it ends as a line does: it had been finished."""
    place = data.draw(st.integers(0, len(spoiled.sound) - 2))
    mask = data.draw(st.integers(1, 255))
    content = bytearray(spoiled.sound)
    content[place] ^= mask
    spoiled.put(bytes(content))
    with contextlib.suppress(RunDamaged):
        assert list(spoiled.read().events) == EVENTS
    with contextlib.suppress(RunDamaged):
        record = spoiled.read(checkpoint=True)
        assert [*EVENTS[: record.checkpoint[0] if record.checkpoint else 0], *record.events] == EVENTS


@given(place=st.integers(1, 300), mask=st.integers(1, 255), checkpoint=st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_flipped_byte_in_a_checkpoint_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, spoiled: Bench, place: int, mask: int, checkpoint: bool
) -> None:
    spoiled.put(spoiled.sound)
    path = spoiled.store.runs / "a/checkpoints/00000003.json"
    sound = path.read_bytes()
    content = bytearray(sound)
    content[place % len(content)] ^= mask
    path.write_bytes(content)
    try:
        record = spoiled.read(checkpoint=checkpoint)
    finally:
        path.write_bytes(sound)
    assert record.checkpoint in (None, (3, {"n": 3}))
    assert list(record.events) == (EVENTS[3:] if record.checkpoint else EVENTS)


@pytest.mark.parametrize(
    ("lines", "line", "why"),
    [
        ([0, 1, 3, 4], 3, "event 3 should be here, but event 4 is"),
        ([0, 1, 1, 2], 3, "event 3 should be here, but event 2 is"),
        ([1, 2], 1, "event 1 should be here, but event 2 is"),
        ([0, 2, 1], 2, "event 2 should be here, but event 3 is"),
    ],
)
def test_lines_that_are_gone_doubled_or_swapped_are_refused(
    bench: Bench, lines: list[int], line: int, why: str
) -> None:
    bench.put(b"".join(bench.lines[index] for index in lines))
    with pytest.raises(RunDamaged) as caught:
        bench.read()
    assert caught.value.message == f"{bench.journal}:{line}: {why}"


def test_damage_is_refused_unchanged_and_the_way_on_is_one_that_works(bench: Bench) -> None:
    damaged = b"".join([*bench.lines[:3], b"?" + bench.lines[3][1:], bench.lines[4]])
    bench.put(damaged)
    with pytest.raises(RunDamaged) as caught:
        bench.go_on()
    assert bench.journal.read_bytes() == damaged
    assert caught.value.message == f"{bench.journal}:4: the checksum does not fit"
    assert caught.value.hint
    command = caught.value.hint.split("line 3: ")[1]
    assert "head -n 3 journal.jsonl" in command
    subprocess.run(["sh", "-ec", command], check=True)
    assert bench.go_on() == EVENTS[:3]


LIVES = """
import asyncio, itertools, os, sys
from magent.events import Event
from magent.stores.file import FileStore
{main}
for line in sys.stdin:
    child = os.fork()
    if not child:
        print(os.getpid(), flush=True)
        asyncio.run(main(FileStore(sys.argv[1]), line.strip()))
    os.waitpid(child, 0)
    print("ended", flush=True)
"""


class Lives:
    """Processes that do the same with a store, one after the other, each killed while it does it.

    They are forks of one process that has imported what they need.
    """

    def __init__(self, main: str, url: str) -> None:
        command = [sys.executable, "-c", LIVES.format(main=main), url]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Lives:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def kill_after(self, lines: int, name: str) -> list[str]:
        """Starts the next one and kills it as soon as it has told so many lines; gives all the lines it told."""
        assert self._process.stdin
        assert self._process.stdout
        print(name, file=self._process.stdin, flush=True)
        child = int(self._process.stdout.readline())
        told = [self._process.stdout.readline() for _ in range(lines)]
        os.kill(child, signal.SIGKILL)
        return [*told, *iter(self._process.stdout.readline, "ended\n")]


WRITER = """
async def main(store, _):
    journal, record = await store.open("a")
    seq = record.checkpoint[0] if record.checkpoint else 0
    seq += len(record.events)
    while True:
        numbers = range(seq + 1, seq + 8)
        batch = [Event(n, float(n), "visit.completed", {"n": n, "text": "x" * 700}) for n in numbers]
        await journal.append(batch, sync=True)
        seq += 7
        print(seq, flush=True)
        if seq % 35 == 0: await journal.checkpoint(seq, {"sum": seq})
"""


async def test_a_writer_that_is_killed_loses_nothing_it_had_been_promised(tmp_path: Path) -> None:
    """Twenty lives of one run, each killed after some of its batches."""
    store = FileStore(f"file:{tmp_path}")
    journal = await store.create("a", HEADER, {})
    await journal.close()
    chance = random.Random(7)
    with Lives(WRITER, store.url) as lives:
        for life in range(20):
            promised = int(lives.kill_after(chance.randrange(1, 30), str(life))[-1])
            record = await store.read("a", checkpoint=False)
            assert len(record.events) >= promised
            assert [event.data["n"] for event in record.events] == list(range(1, len(record.events) + 1))
            journal, cached = await store.open("a")
            await journal.close()
            if cached.checkpoint:
                assert cached.checkpoint[1] == {"sum": cached.checkpoint[0]}
            assert (cached.checkpoint[0] if cached.checkpoint else 0) + len(cached.events) == len(record.events)


MAKER = """
async def main(store, life):
    for n in itertools.count():
        name = life + "-" + str(n)
        header = {"run_id": name, "workflow": "tides", "created": float(n)}
        journal = await store.create(name, header, {"name": "tides"})
        print(name, flush=True)
        await journal.append([Event(1, 1.0, "run.started", {})], sync=True)
        await journal.close()
        if n % 3 == 1: await store.remove(name)
"""


async def test_killed_while_runs_are_made_and_removed_it_leaves_only_sound_ones(tmp_path: Path) -> None:
    store = FileStore(f"file:{tmp_path}/.magent")
    chance = random.Random(7)
    with Lives(MAKER, store.url) as lives:
        for life in range(8):
            lives.kill_after(chance.randrange(1, 20), str(life))
            assert {info.status for info in await store.list()} <= {"interrupted"}
    for info in await store.list():
        journal, record = await store.open(info.id)
        await journal.close()
        assert (record.header["run_id"], len(record.events) <= 1) == (info.id, True)


async def test_a_copy_of_a_run_is_as_good_as_the_run(tmp_path: Path) -> None:
    bench = FileStore(f"file:{tmp_path}/a")
    await fill(bench)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    record = await FileStore(f"file:{tmp_path}/b").read("a")
    assert (record.checkpoint, list(record.events)) == ((3, {"n": 3}), EVENTS[3:])
