"""`magent sweep`: what is due in runs that nobody drives is done, once, whatever else goes on."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.answering import Given, respond
from magent.engine.fold import Run
from magent.life import Options
from magent.ports import RunStore
from magent.records import look
from magent.stores import open_store
from magent.sweeping import Swept, sweep
from tests.cli.helpers import magent as cli

LATER = 1e10  # when every deadline has passed


def asks(**more: Any) -> dict[str, Any]:
    return {"type": "human_input", "input": "approval", "prompt": "Ship?", "timeout": "1h", **more}


DEFAULT = {"ask": asks(default=False, on_timeout="default", next="then"), "then": {"run": "echo x >> ran"}}
FAILS = {"ask": asks(on_timeout="fail")}
NEVER = {"ask": {"type": "human_input", "input": "approval", "prompt": "Ship?"}}
PAUSE = {"first": {"set": {"x": 1}, "next": "pause"}, "pause": {"wait": "1h", "next": "ask"}, **NEVER}


@pytest.fixture(params=["file", "postgres"])
def store(request: pytest.FixtureRequest, here: Path) -> RunStore:
    return open_store(
        request.getfixturevalue("postgres").url() if request.param == "postgres" else f"file:{here}/.magent"
    )


async def begin(store: RunStore, run_id: str, nodes: dict[str, Any], **options: Any) -> None:
    await magent.load({"name": "w", "nodes": nodes}).run(store=store, run_id=run_id, **options)


async def swept(store: RunStore, now: float = LATER, **how: Any) -> dict[str, Swept]:
    return {each.run_id: each async for each in sweep(store, Options(), now, **how)}


def told(found: dict[str, Swept]) -> dict[str, Any]:
    return {run: (each.result.status if each.result else each.why, each.exit_code) for run, each in found.items()}


async def test_deadlines_fire_and_what_follows_is_done(store: RunStore, here: Path, monkeypatch: Any) -> None:
    for run_id, nodes in (("default", DEFAULT), ("fails", FAILS), ("never", NEVER)):
        await begin(store, run_id, nodes)
    await begin(store, "pause", PAUSE, stop_after="first")
    await magent.resume("pause", store=store, linger=60)  # which an hour is longer than
    assert (await store.info("pause")).status == "interrupted"
    assert await swept(store, now=0.0) == {}
    monkeypatch.setattr("magent.clock.time.time", lambda: LATER)
    found = await swept(store)
    assert told(found) == {"default": ("completed", 0), "fails": ("failed", 1), "pause": ("waiting", 0)}
    assert [(each.path, each.kind) for each in found["pause"].due] == [("pause", "wait")]
    result = await store.result("default")
    assert result is not None
    events = (await store.read("default", checkpoint=False)).events
    (answer,) = [event.data["output"] for event in events if event.data.get("node") == "ask" and "output" in event.data]
    assert (answer["via"], answer["approved"], (here / "ran").read_text()) == ("timeout", False, "x\n")
    before = [info.updated for info in await store.list()]
    assert await swept(store) == {}
    assert [info.updated for info in await store.list()] == before


async def test_two_sweeps_at_once_do_everything_once(store: RunStore, here: Path, monkeypatch: Any) -> None:
    for number in range(3):
        await begin(store, f"r{number}", DEFAULT)
    monkeypatch.setattr("magent.clock.time.time", lambda: LATER)
    await asyncio.gather(swept(store), swept(store))
    assert (here / "ran").read_text() == "x\n" * 3
    for number in range(3):
        events = (await store.read(f"r{number}", checkpoint=False)).events
        assert [event.type for event in events].count("run.resumed") == 1


async def test_a_run_that_is_driven_is_left_to_its_driver(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever drives it has taken it after the sweep has looked."""
    await begin(store, "r1", DEFAULT)
    journals = []

    async def look_and_lose(store: RunStore, run_id: str) -> Run:
        run = await look(store, run_id)
        journals.append((await store.open(run_id))[0])
        return run

    with monkeypatch.context() as patch:
        patch.setattr("magent.sweeping.look", look_and_lose)
        held = (await swept(store))["r1"]
    assert (held.result, str(held.why)[:26], held.exit_code) == (None, "it is held by this process", 0)
    await journals[0].close()
    monkeypatch.setattr("magent.clock.time.time", lambda: LATER)
    assert told(await swept(store)) == {"r1": ("completed", 0)}


async def test_what_was_answered_in_time_does_not_time_out(store: RunStore) -> None:
    await begin(store, "r1", FAILS)
    await respond(store, "r1", None, Given(True, by="ann"))
    assert await swept(store) == {}
    found = await swept(store, answered=True)
    assert told(found) == {"r1": ("completed", 0)}
    assert [(each.path, each.kind) for each in found["r1"].due] == [("ask", "answer")]


async def test_one_run_that_cannot_go_on_holds_up_no_other(here: Path, monkeypatch: Any) -> None:
    store = open_store(f"file:{here}/.magent")
    monkeypatch.setenv("KEY", "x")
    keyed = {"ask": asks(default=True, on_timeout="default", next="b"), "b": {"prompt": "hi", "agent": "a"}}
    agents = {"a": {"model": "openai:x", "base_url": "http://127.0.0.1:1", "api_key": "{{ secrets.KEY }}"}}
    flow = magent.load({"name": "w", "nodes": keyed, "agents": agents, "secrets": ["KEY"]})
    await flow.run(store=store, run_id="keyed")
    monkeypatch.delenv("KEY")
    fan = {"type": "parallel", "branches": ["ask", "more"]}
    await begin(store, "limited", {"fan": fan, "more": {"run": "true", "next": "end"}, **FAILS}, limits={"steps": 2})
    await begin(store, "fine", DEFAULT)
    await begin(store, "broken", DEFAULT)
    (here / ".magent/runs/broken/run.json").write_text("{")
    monkeypatch.setattr("magent.clock.time.time", lambda: LATER)
    found = await swept(store)
    assert found["fine"].exit_code == 0
    assert (found["broken"].exit_code, found["broken"].why) == (5, "its record is damaged")
    assert (found["keyed"].exit_code, "KEY is not set" in str(found["keyed"].why)) == (2, True)
    before = (await store.info("limited")).updated
    for each in (found["limited"], (await swept(store))["limited"]):
        assert (each.exit_code, each.why) == (4, "it was stopped by a limit: raise it with --limit steps=4")
    assert (await store.info("limited")).updated == before


def test_the_verb_prints_a_line_a_run_and_an_honest_code(here: Path, capsys: Any, monkeypatch: Any) -> None:
    here.joinpath("workflow.yaml").write_text(
        "magent: 1\nname: w\nnodes:\n  ask: {type: human_input, input: approval, timeout: 1h, on_timeout: fail}\n"
    )
    assert cli(capsys, "sweep").err == "nothing is due\n"
    assert cli(capsys, "run", "--id", "r1").code == 3
    assert cli(capsys, "run", "--id", "r2").code == 3
    assert cli(capsys, "sweep").out == ""
    monkeypatch.setattr("magent.clock.time.time", lambda: LATER)
    outcome = cli(capsys, "sweep")
    assert outcome.code == 1
    assert outcome.out.splitlines()[0] == "r1  w  ask: time was up  failed: nobody answered 'ask' in time"
    assert len(outcome.out.splitlines()) == 2
    outcome = cli(capsys, "sweep", "--output", "json")
    assert (outcome.code, json.loads(outcome.out)) == (0, {"runs": [], "removed": []})
    here.joinpath(".magent.yaml").write_text("retention: {keep: 1}\n")
    assert cli(capsys, "sweep").out == "r1  w  failed  removed\n"
