"""`runs clean`, `checkpoints clean` and retention: what has had its time goes, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from magent import retention
from magent.events import Event
from magent.ports import RunStore
from magent.stores import open_store
from magent.stores.file import FileStore
from tests.cli.helpers import ROOT, magent
from tests.terminal import ENTER, Terminal

DAY = 86400.0
RUNS = (  # id, days since its last event, how it ended; begun in this order
    ("old-done", 40, "completed"),
    ("old-failed", 39, "failed"),
    ("old-waits", 38, "waiting"),
    ("old-broken-off", 37, "interrupted"),
    ("new-done", 2, "completed"),
    ("new-cancelled", 1, "cancelled"),
)


async def fill(store: RunStore, runs: Iterable[tuple[str, float, str]] = RUNS) -> None:
    now = time.time()
    for run_id, days, status in runs:
        when = now - days * DAY
        journal = await store.create(run_id, {"created": when - 60, "workflow": "tides"}, {})
        nodes = {"nodes": ["sign"]} if status == "waiting" else {}
        ends = [Event(1, when - 60, "run.started", {}), Event(2, when, f"run.{status}", nodes)]
        await journal.append(ends, sync=False)
        await journal.checkpoint(1, {"n": 1})
        await journal.checkpoint(2, {"n": 2})
        await journal.close()
        if isinstance(store, FileStore):  # when a run was begun whose id does not tell
            os.utime(store.runs / run_id / "run.json", (when, when))


@pytest.fixture
def store(here: Path) -> RunStore:
    here.joinpath(".magent").mkdir()
    made = open_store("file:.magent")
    asyncio.run(fill(made))
    return made


def left(store: RunStore) -> list[str]:
    return sorted(info.id for info in asyncio.run(_list(store)))


async def _list(store: RunStore) -> list[Any]:
    return list(await store.list())


def cleaned(capsys: Any, *words: str) -> list[str]:
    outcome = magent(capsys, "runs", "clean", "--output", "json", *words)
    assert outcome.code == 0, outcome.err
    return [run["run_id"] for run in json.loads(outcome.out)["runs"]]


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (["--older-than", "30d"], ["old-done", "old-failed"]),
        (["--older-than", "30d", "--status", "waiting"], ["old-waits"]),
        (["--older-than", "1d", "--status", "interrupted", "--status", "failed"], ["old-failed", "old-broken-off"]),
        (["--keep", "1"], ["old-done", "old-failed", "new-done"]),
        (["--keep", "0"], ["old-done", "old-failed", "new-done", "new-cancelled"]),
        (["--keep", "5", "--older-than", "1d"], ["old-done"]),
        (["--keep", "0", "--workflow", "other"], []),
        (["--status", "damaged"], []),
    ],
)
def test_runs_go_by_age_count_and_status(store: RunStore, capsys: Any, words: list[str], gone: list[str]) -> None:
    every = left(store)
    assert cleaned(capsys, *words, "--dry-run") == gone
    assert left(store) == every
    assert cleaned(capsys, *words, "--yes") == gone
    assert left(store) == sorted({*every} - {*gone})


def test_what_would_go_is_told_with_how_much_it_is(store: RunStore, capsys: Any) -> None:
    outcome = magent(capsys, "runs", "clean", "--older-than", "30d", "--dry-run")
    rows = [line.split()[:3] for line in outcome.out.splitlines()]
    assert rows[1:] == [["old-done", "completed", "tides"], ["old-failed", "failed", "tides"]]
    assert outcome.err.startswith("2 runs would be removed, ")
    told = json.loads(magent(capsys, "runs", "clean", "--older-than", "30d", "--dry-run", "--output", "json").out)
    assert (told["dry_run"], told["count"]) == (True, 2)
    assert told["bytes"] == sum(run["bytes"] for run in told["runs"]) > 500


def test_a_run_that_is_held_stays_whatever_is_named(store: RunStore, capsys: Any) -> None:
    async def meanwhile() -> list[str]:
        held, _ = await store.open("old-broken-off")
        try:
            return await asyncio.to_thread(cleaned, capsys, "--keep", "0", "--status", "interrupted", "--yes")
        finally:
            await held.close()

    assert asyncio.run(meanwhile()) == []
    assert "old-broken-off" in left(store)


def test_a_run_that_is_taken_up_after_the_look_stays(store: RunStore) -> None:
    async def race() -> list[str]:
        found = retention.chosen(await store.list(), retention.Rule(), time.time())
        journal, _ = await store.open("old-failed")
        await journal.append([Event(3, time.time(), "run.resumed", {})], sync=True)
        held = [info.id async for info in retention.remove(store, found[:2])]
        await journal.append([Event(4, time.time(), "run.waiting", {"nodes": ["x"]})], sync=True)
        await journal.close()
        return held + [info.id async for info in retention.remove(store, found[:2])]

    assert asyncio.run(race()) == ["old-done"]
    assert "old-failed" in left(store)


def test_without_saying_which_nothing_goes(store: RunStore, here: Path, capsys: Any) -> None:
    refused = magent(capsys, "runs", "clean", "--yes")
    assert (refused.code, "--older-than, --keep or --status" in refused.err) == (2, True)
    assert magent(capsys, "runs", "clean", "--older-than", "soon").code == 2
    assert magent(capsys, "runs", "clean", "--status", "running").code == 2
    unsure = magent(capsys, "runs", "clean", "--older-than", "1d")
    assert (unsure.code, "say --yes" in unsure.err) == (2, True)
    here.joinpath(".magent.yaml").write_text("retention: {older_than: 30d, status: [failed]}\n")
    assert cleaned(capsys, "--yes") == ["old-failed"]
    here.joinpath(".magent.yaml").write_text("retention: {status: [completed]}\n")
    vague = magent(capsys, "runs", "clean", "--yes")
    assert (vague.code, "says neither how old nor how many" in vague.err) == (2, True)


@pytest.mark.parametrize(("answer", "code", "count"), [("y", 0, 4), ("n", 1, 6)])
def test_in_a_terminal_it_asks(store: RunStore, here: Path, answer: str, code: int, count: int) -> None:
    words = ["-m", "magent", "runs", "clean", "--older-than", "30d"]
    with Terminal([sys.executable, *words], env={**os.environ, "PYTHONPATH": ROOT, "CI": ""}) as terminal:
        terminal.type(("[y/N]", answer + ENTER))
        assert terminal.end() == code
        assert "Remove these 2 runs and the files they made" in terminal.text
    assert len(left(store)) == count


# ---- checkpoints


def points(store: RunStore, run_id: str) -> list[int]:
    return [info.seq for info in asyncio.run(_points(store, run_id))]


async def _points(store: RunStore, run_id: str) -> list[Any]:
    return list(await store.checkpoints(run_id))


def test_checkpoints_go_by_age_count_and_status(store: RunStore, capsys: Any) -> None:
    dry = magent(capsys, "checkpoints", "clean", "--all", "--keep", "1", "--dry-run")
    assert dry.err.startswith("6 checkpoints of 6 runs would be dropped, ")
    assert points(store, "old-done") == [1, 2]
    assert magent(capsys, "checkpoints", "clean", "old-waits", "--keep", "1").code == 0
    assert points(store, "old-waits") == [2]
    outcome = magent(
        capsys, "checkpoints", "clean", "--all", "--older-than", "30d", "--status", "failed", "--output", "json"
    )
    assert [(each["run_id"], each["seq"]) for each in json.loads(outcome.out)["checkpoints"]] == [
        ("old-failed", 1),
        ("old-failed", 2),
    ]
    assert magent(capsys, "checkpoints", "clean", "--all").err.startswith("9 checkpoints of 5 runs are dropped")
    assert magent(capsys, "checkpoints", "clean").code == 2
    assert magent(capsys, "checkpoints", "clean", "old-done", "--all").code == 2


LONG = """
magent: 1
name: long
checkpoints: {every: 1, keep: 9}
nodes:
  a: {set: {x: 1}, next: b}
  b: {run: "true", next: b2}
  b2: {run: "true", next: b3}
  b3: {run: "true", next: ask}
  ask: {type: human_input, input: approval, prompt: well?, next: c}
  c: {set: {x: "{{ state.x + 1 }}"}}
outputs: {x: "{{ state.x }}"}
"""


def test_a_resume_does_as_well_without_checkpoints(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(LONG)
    assert magent(capsys, "run", "--no-input", "--id", "r1").code == 3
    assert len(json.loads(magent(capsys, "checkpoints", "list", "r1", "--output", "json").out)) > 2
    assert magent(capsys, "checkpoints", "clean", "r1").code == 0
    assert json.loads(magent(capsys, "checkpoints", "list", "r1", "--output", "json").out) == []
    done = magent(capsys, "respond", "r1", "--approve", "--resume", "--output", "json")
    assert (done.code, json.loads(done.out)["outputs"]) == (0, {"x": 2})


def test_how_many_checkpoints_are_made_and_kept_is_said_by_environment_workflow_and_settings_in_that_order(
    here: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(run_id: str) -> int:
        assert magent(capsys, "run", "--no-input", "--id", run_id).code == 3
        return len(json.loads(magent(capsys, "checkpoints", "list", run_id, "--output", "json").out))

    here.joinpath("workflow.yaml").write_text(LONG.replace("checkpoints: {every: 1, keep: 9}\n", ""))
    assert kept("built-in") == 1  # a run that waits has one
    here.joinpath(".magent.yaml").write_text("checkpoints: {every: 1, keep: 3}\n")
    assert kept("settings") == 3
    here.joinpath("workflow.yaml").write_text(LONG.replace("keep: 9", "keep: 2"))
    assert kept("workflow") == 2
    monkeypatch.setenv("MAGENT_CHECKPOINTS_KEEP", "1")
    assert kept("environment") == 1
    monkeypatch.setenv("MAGENT_CHECKPOINTS_EVERY", "100000")
    monkeypatch.setenv("MAGENT_CHECKPOINTS_INTERVAL", "0s")
    assert kept("seconds") == 1


@pytest.mark.parametrize("words", [["--no-input"], ["--stop-after", "b"]])
def test_a_run_that_waits_or_was_stopped_on_demand_has_a_checkpoint_of_where_it_stands(
    here: Path, capsys: Any, words: list[str]
) -> None:
    here.joinpath("workflow.yaml").write_text(LONG.replace("every: 1,", "every: 1000,"))
    assert magent(capsys, "run", "--id", "r1", *words).code in (0, 3)
    (kept,) = json.loads(magent(capsys, "checkpoints", "list", "r1", "--output", "json").out)
    shown = json.loads(magent(capsys, "checkpoints", "show", "r1", "--output", "json").out)
    assert (shown["checkpoint"], shown["seq"], shown["events"]) == (True, kept["seq"], kept["seq"])


# ---- retention


def test_the_end_of_a_run_removes_what_the_settings_let_go_of(store: RunStore, here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text("magent: 1\nname: w\nnodes: {a: {set: {x: 1}}}\n")
    assert magent(capsys, "run", "-q", "--id", "r1").code == 0
    assert len(left(store)) == 7
    here.joinpath(".magent.yaml").write_text("retention: {older_than: 30d}\n")
    assert magent(capsys, "run", "-q", "--id", "r2", "--store", "file:elsewhere").code == 0
    assert len(left(store)) == 7
    assert magent(capsys, "run", "-q", "--id", "r3").code == 0
    assert left(store) == ["new-cancelled", "new-done", "old-broken-off", "old-waits", "r1", "r3"]
    here.joinpath(".magent.yaml").write_text("retention: {keep: 1, status: [completed, cancelled]}\n")
    assert magent(capsys, "run", "-q", "--id", "r4").code == 0
    assert left(store) == ["old-broken-off", "old-waits", "r4"]


async def test_many_old_runs_go_a_few_at_a_time_and_all_at_once_by_sweep(here: Path) -> None:
    here.joinpath(".magent").mkdir()
    here.joinpath(".magent.yaml").write_text("retention: {older_than: 30d, keep: 1}\n")
    store = open_store("file:.magent")
    await fill(store, [(f"r{n}", 40, "completed" if n % 2 else "waiting") for n in range(50)])
    await retention.tidy(store)
    remaining = len(list(await store.list()))
    assert 30 <= remaining < 50
    assert len(await retention.sweep(store)) == remaining - 26
    assert {info.status for info in await store.list()} == {"waiting", "completed"}
    assert len(list(await store.list())) == 26
