"""What people were asked and how they answered, counted over many runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.answering import Given, respond
from magent.asking import Asking, askings, of_run, tally
from magent.clock import iso
from magent.events import Event
from magent.ports import Question, RunStore
from magent.stores import open_store
from tests.cli.helpers import magent as cli


def asked(run_id: str, kind: str, took: float | None, **answer: Any) -> Asking:
    base = Asking(run_id, "w", "ask", "ask", 1, kind, 100.0, "0" * 64)
    if took is None:
        return base._replace(state=answer.get("state", "open"))
    return base._replace(state="answered", answered=100.0 + took, answer={"via": "terminal", **answer})


def test_times_are_those_of_people_and_rates_those_of_their_answers() -> None:
    found = [asked(f"r{n}", "approval", float(n), approved=n % 4 != 0) for n in range(1, 21)]
    found += [
        asked("f", "approval", 0.0, approved=True, via="file"),
        asked("d", "approval", 0.0, approved=False, via="default"),
    ]
    found += [
        asked("t", "approval", None, state="timeout"),
        asked("o", "approval", None),
        asked("c", "choice", 3.0, choice="a"),
    ]
    approval, choice = tally(found)
    assert approval.as_json() == {
        "input": "approval",
        "asked": 24,
        "answered": 22,
        "open": 1,
        "timeouts": 1,
        "median": 10.5,
        "p95": 19.0,
        "approval_rate": round(16 / 21, 3),
    }
    assert (choice.median, choice.p95, choice.approval_rate) == (3.0, 3.0, None)
    assert tally([]) == []


@pytest.mark.parametrize(
    ("kind", "answer", "yes"),
    [
        ("review", {"decision": "request_changes"}, False),
        ("review", {"decision": "approve"}, True),
        ("validation", {"valid": False}, False),
        ("rating", {"rating": 5}, None),
    ],
)
def test_each_kind_has_its_own_yes(kind: str, answer: Mapping[str, Any], yes: bool | None) -> None:
    assert asked("r", kind, 1.0, **answer).said_yes is yes


NODES = {
    "fan": {"type": "parallel", "for_each": ["a", "b"], "as": "it", "body": "ask"},
    "ask": {"type": "human_input", "input": "approval", "prompt": "{{ it }}?"},
}
LATE = {"ask": {"type": "human_input", "input": "rating", "timeout": "1ms", "on_timeout": "fail"}}
LATE_DEFAULT = {
    "ask": {"type": "human_input", "input": "rating", "timeout": "1ms", "default": 3, "on_timeout": "default"}
}


@pytest.fixture(params=["file", "sqlite"])
def store(request: pytest.FixtureRequest, here: Path) -> RunStore:
    return open_store(f"file:{here}/.magent" if request.param == "file" else "sqlite:///runs.db")


async def run(store: RunStore, run_id: str, nodes: Mapping[str, Any], name: str = "w", **options: Any) -> None:
    await magent.load({"name": name, "nodes": nodes}).run(store=store, run_id=run_id, **options)


async def test_every_question_is_found_with_what_became_of_it(store: RunStore) -> None:
    await run(store, "two", NODES)
    await respond(store, "two", "fan[1]/ask", Given(False, by="ann", comment="no"))
    await run(store, "late", LATE)
    await run(store, "later", LATE_DEFAULT)
    for run_id in ("late", "later"):
        await magent.resume(run_id, store=store)
    await run(store, "none", {"a": {"set": {"ask": 1}}})
    found = {(each.run_id, each.path): each for each in await askings(store)}
    assert {key: each.state for key, each in found.items()} == {
        ("two", "fan[0]/ask"): "open",
        ("two", "fan[1]/ask"): "answered",
        ("late", "ask"): "timeout",
        ("later", "ask"): "timeout",
    }
    ann = found["two", "fan[1]/ask"]
    assert (ann.answer or {})["comment"] == "no"
    assert (ann.said_yes, ann.took is not None, found["later", "ask"].took) == (False, True, None)
    assert found["two", "fan[0]/ask"].digest != ann.digest
    await magent.resume("two", store=store, answers={"fan[0]/ask": True})
    approval, rating = tally(await askings(store))
    assert (approval.answered, approval.open, approval.approval_rate) == (2, 0, 0.5)
    assert (rating.asked, rating.timeouts, rating.median) == (2, 2, None)
    assert [each.run_id for each in await askings(store, workflow="other")] == []
    assert await askings(store, since=ann.asked + 3600) == []


async def test_a_fork_does_not_count_what_its_parent_asked(here: Path) -> None:
    store = open_store(f"file:{here}/.magent")
    nodes = {**LATE, "ask": {"type": "human_input", "input": "rating", "next": "then"}, "then": {"set": {"y": 1}}}
    await run(store, "r1", nodes, answers={"ask": 3})
    await magent.resume("r1", store=store, from_="then")
    assert len(list(await store.list())) == 2
    assert [each.run_id for each in await askings(store)] == ["r1"]


async def test_a_run_that_cannot_be_read_is_told_and_hides_no_other(here: Path) -> None:
    store = open_store(f"file:{here}/.magent")
    for run_id in ("r1", "r2"):
        await run(store, run_id, NODES)
    path = here / ".magent/runs/r1/journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"visit.started"', b'"visit.started",', 1))
    told: list[str] = []
    assert {each.run_id for each in await askings(store, told=told.append)} == {"r2"}
    assert len(told) == 1


def test_an_answer_that_ended_in_a_failure_is_an_answer() -> None:
    question = Question("ask", "ask", 1, "approval").as_json()
    answer = {"approved": True, "by": "ann", "via": "command", "at": iso(130.0)}
    error = {"type": "no_route", "message": "no edge holds"}
    events = [
        Event(1, 100.0, "visit.started", {"scope": 0, "path": "ask", "ask": question}),
        Event(2, 130.0, "visit.answered", {"scope": 0, "path": "ask", "answer": answer}),
        Event(3, 500.0, "visit.failed", {"scope": 0, "path": "ask", "error": error}),
    ]
    (each,) = of_run("r", "w", events)
    assert (each.state, each.took, each.said_yes) == ("answered", 30.0, True)


def test_the_verbs_tell_it_in_tables_and_as_json(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: w\nnodes:\n  ask: {type: human_input, input: approval, prompt: Ship?}\n"
    )
    assert "nobody was asked anything" in cli(capsys, "stats").err
    assert "nobody has answered anything" in cli(capsys, "respond", "--history").err
    cli(capsys, "run", "--id", "r1")
    cli(capsys, "respond", "r1", "--reject", "--by", "ann", "--resume")
    head, row = cli(capsys, "stats").out.splitlines()[-2:]
    assert (head.split()[:3], row.split()[:3]) == (["KIND", "ASKED", "ANSWERED"], ["approval", "1", "1"])
    assert row.endswith("0%")
    (kind,) = json.loads(cli(capsys, "stats", "--since", "1d", "--workflow", "w", "--output", "json").out)[
        "human_input"
    ]
    assert (kind["input"], kind["answered"], kind["approval_rate"]) == ("approval", 1, 0.0)
    told = json.loads(cli(capsys, "stats", "--workflow", "x", "--output", "json").out)
    assert told == {"workflows": [], "nodes": [], "agents": [], "human_input": []}
    (row,) = cli(capsys, "respond", "--history").out.splitlines()[1:]
    assert row.split()[2:7] == ["r1", "ask", "rejected", "ann", "(command)"]
    (answer,) = json.loads(cli(capsys, "respond", "--history", "--output", "json").out)
    shown = json.loads(cli(capsys, "runs", "show", "r1", "--output", "json").out)["visits"][0]["answered"]
    assert (answer["answer"]["by"], answer["digest"], answer["state"]) == ("ann", shown["digest"], "answered")
    assert (shown["by"], shown["via"]) == ("ann", "command")
    assert "answered by ann (command)" in cli(capsys, "runs", "show", "r1").out
    for words in (["--history", "--list"], ["r1", "--history"], ["r1", "--since", "1d"]):
        assert cli(capsys, "respond", *words).code == 2
