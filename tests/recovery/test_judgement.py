"""What the crash harness holds records to: each judgement sees the fault that it is there for, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.engine import snapshot
from magent.events import Event
from magent.ports import Record, RunStore
from magent.stores import open_store
from tests.recovery.judgement import (
    attempts_are_counted,
    checkpoints_fit,
    every_fold_can_be_kept,
    result_is_sum,
    used_notes,
)
from tests.recovery.made import make

SEEDS = (0, 4, 5, 9, 15)  # the workflows of these have attempts, items, conversations, rounds, subgraphs


def recorded(here: Path, seed: int) -> tuple[RunStore, Record]:
    made = make(seed, nodes=range(4, 25))
    made.put(here / "home")
    store = open_store(f"file:{here}/store")
    magent.run(str(here / "home/workflow.yaml"), store=store, run_id="r1", answers=dict(made.answers))
    return store, asyncio.run(store.read("r1", checkpoint=False))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_in_peace_is_as_it_should_be(here: Path, seed: int) -> None:
    store, record = recorded(here, seed)
    attempts_are_counted(record)
    every_fold_can_be_kept(record)
    checkpoints_fit(store, "r1", record)
    result = asyncio.run(store.result("r1"))
    assert result is not None
    result_is_sum(result, record, store)


KEPT = {"_RUN": ("tokens", "steps", "asked", "path"), "_SCOPE": ("begun", "output"), "_VISIT": ("attempt", "deadline")}


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, names in KEPT.items() for name in names])
def test_what_a_checkpoint_forgets_is_seen(here: Path, monkeypatch: pytest.MonkeyPatch, table: str, name: str) -> None:
    def look_at_all() -> None:
        for seed in SEEDS:
            every_fold_can_be_kept(recorded(here / str(seed), seed)[1])

    monkeypatch.setattr(snapshot, table, tuple(each for each in getattr(snapshot, table) if each != name))
    with pytest.raises(AssertionError, match="would not hold all"):
        look_at_all()


RETRIES = {
    "name": "w",
    "nodes": {"a": {"run": ["false"], "retry": {"max_attempts": 2, "delay": "1ms"}, "on_error": "continue"}},
}


def retried(here: Path) -> tuple[RunStore, Record]:
    store = open_store(f"file:{here}/store")
    magent.run(RETRIES, store=store, run_id="r1")
    return store, asyncio.run(store.read("r1", checkpoint=False))


def renumbered(events: Sequence[Event]) -> tuple[Event, ...]:
    return tuple(event._replace(seq=seq) for seq, event in enumerate(events, 1))


def place(record: Record, kind: str) -> int:
    return next(at for at, event in enumerate(record.events) if event.type == kind)


def test_an_attempt_that_begins_twice_is_seen(here: Path) -> None:
    _, record = retried(here)
    attempts_are_counted(record)
    events, at = list(record.events), place(record, "visit.started")
    with pytest.raises(AssertionError, match="begins it twice"):
        attempts_are_counted(replace(record, events=renumbered([*events[: at + 1], *events[at:]])))


def test_an_attempt_too_many_is_seen(here: Path) -> None:
    _, record = retried(here)
    events, at = list(record.events), place(record, "visit.retry")
    more: dict[str, Any] = {**events[at].data, "attempt": 2}
    another = [events[at + 1], events[at]._replace(data=more)]
    with pytest.raises(AssertionError, match="lets attempt 3 of 2 follow"):
        attempts_are_counted(replace(record, events=renumbered([*events[: at + 1], *another, *events[at + 1 :]])))


def test_a_result_that_forgot_what_was_used_is_seen(here: Path) -> None:
    store, record = retried(here)
    result = asyncio.run(store.result("r1"))
    assert result is not None
    result_is_sum(result, record, store)
    with pytest.raises(AssertionError):
        result_is_sum({**result, "steps": 0}, record, store)
    used = record.events[-1]._replace(type="unknown", data={"tokens": {"input": 1, "output": 1}})
    with pytest.raises(AssertionError, match="were used"):
        result_is_sum(result, replace(record, events=(*record.events, used)), store)


def test_a_note_whose_answer_is_on_the_record_is_seen(here: Path) -> None:
    store, _ = retried(here)
    asyncio.run(store.leave("r1", "answer-0", {"answer": 1, "note": "mine"}))
    assert used_notes(store, "r1", ()) == []
    answered = Event(9, 1.0, "visit.answered", {"note": "mine"})
    assert used_notes(store, "r1", [answered]) == ["answer-0"]
