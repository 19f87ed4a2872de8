"""The bounds of an agent hold however it comes into a run: from a library, in another's place, handed over."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.agents.throttle import Throttled
from magent.engine.fold import Run
from magent.outfit import Outfit
from magent.ports import Reply, Request

CALLED = "magent: 1\nname: called\ninclude: [team.yaml]\nnodes: {s: {prompt: s, agent: clerk}}\n"
CALLER = """
magent: 1
name: caller
include: [team.yaml]
nodes:
  fan: {type: parallel, branches: [a, b, s, t]}
  a: {prompt: a, agent: clerk}
  b: {prompt: b, agent: other}
  s: {type: subgraph, uses: ./called.yaml, with: {}}
  t: {type: subgraph, uses: ./called.yaml, with: {}}
outputs: {fan: "{{ state.fan }}"}
"""
TEAM = "magent: 1\nagents:\n  clerk: {replies: [x], %s}\n  other: {call: 'beside:work', %s}\n"
BESIDE = """
import asyncio
at_work = 0
async def work(prompt, context):
    global at_work
    at_work += 1
    most = at_work
    for _ in range(200):
        await asyncio.sleep(0)
        most = max(most, at_work)
    at_work -= 1
    return f"{most} at once"
"""


class Busy:
    """Works until whoever else comes meanwhile has come."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def ask(self, request: Request, on_text: Any) -> Reply:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(200):
            await asyncio.sleep(0)
        self.now -= 1
        return Reply("ok")


class Mute:
    async def ask(self, request: Request, on_text: Any) -> Reply:
        await asyncio.Event().wait()
        return Reply("never")


def flow(place: Path, *, clerk: str = "timeout: 1h", other: str = "timeout: 1h") -> magent.LoadedWorkflow:
    (place / "team.yaml").write_text(TEAM % (clerk, other), "utf-8")
    (place / "beside.py").write_text(BESIDE, "utf-8")
    (place / "called.yaml").write_text(CALLED, "utf-8")
    (place / "caller.yaml").write_text(CALLER, "utf-8")
    return magent.load(place / "caller.yaml")


async def test_files_that_include_a_library_share_the_bounds_of_its_agents(tmp_path: Path) -> None:
    busy = Busy()
    result = await flow(tmp_path, clerk="max_concurrency: 1").run(store=None, agents={"clerk": busy, "other": Busy()})
    assert (result.status, busy.most) == ("completed", 1)


async def test_who_stands_in_for_another_keeps_within_its_own_bounds(tmp_path: Path) -> None:
    result = await flow(tmp_path, other="max_concurrency: 1").run(store=None, agents={"clerk": "other"})
    assert result.outputs["fan"] == {
        "a": "1 at once",
        "b": "1 at once",
        "s": {"s": "1 at once"},
        "t": {"s": "1 at once"},
    }


@pytest.mark.parametrize(("bound", "most"), [("max_concurrency: 2", 2), ("timeout: 1h", 3)])
async def test_an_agent_that_is_handed_over_is_asked_within_the_bounds_of_the_file(
    bound: str, most: int, tmp_path: Path
) -> None:
    busy = Busy()
    await flow(tmp_path, clerk=bound).run(store=None, agents={"clerk": busy})
    assert busy.most == most


async def test_an_agent_that_is_handed_over_has_the_time_that_the_file_gives_it(tmp_path: Path) -> None:
    result = await flow(tmp_path, clerk="timeout: 10ms").run(store=None, agents={"clerk": Mute()})
    assert result.error is not None
    assert (result.error["type"], result.error["message"]) == (
        "timeout",
        "agent 'clerk' did not answer in time after 0.01s",
    )


async def test_calls_of_earlier_lives_count_for_all_who_share_the_rate(tmp_path: Path) -> None:
    workflow = flow(tmp_path, clerk="requests_per_minute: 1").workflow
    called = next(graph for graph in workflow.graphs.values() if graph is not workflow.graph)
    run = Run(workflow)
    run.turns = {f"{called.key}|clerk": [time.time()], "no graph of now|clerk": [0.0], f"{called.key}|nobody": [0.0]}
    outfit = Outfit(workflow, {}, {"inputs": {}}, str(tmp_path))
    outfit.services(run)
    agents = [outfit.agent(outfit.home(graph), "clerk") for graph in (workflow.graph, called)]
    assert [isinstance(agent, Throttled) and agent.busy for agent in agents] == [True, True]
    await outfit.close()
