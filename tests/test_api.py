"""The Python API, as `cli.md` shows it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.ports import Question, Reply, Request

WORKFLOW = {
    "name": "greet",
    "inputs": {"topic": {"type": "string", "default": "tides"}},
    "agents": {"writer": {"replies": ["one", "two"]}},
    "defaults": {"agent": "writer"},
    "nodes": {
        "draft": {"prompt": "About {{ inputs.topic }}", "next": "ok"},
        "ok": {"type": "human_input", "input": "approval", "prompt": "Fine?"},
    },
    "outputs": {"draft": "{{ state.draft }}", "ok": "{{ state.ok.approved }}"},
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGENT_STORE", raising=False)


def test_a_mapping_runs_in_memory_and_writes_nothing(tmp_path: Path) -> None:
    result = magent.run(WORKFLOW, {"topic": "sea"}, store=None, answers={"ok": True})
    assert (result.status, result.outputs) == ("completed", {"draft": "one", "ok": True})
    assert result.usage == {"tokens": {"input": 0, "output": 0}, "cost_usd": 0.0}
    assert list(tmp_path.iterdir()) == []


def test_an_invalid_workflow_has_problems_with_places(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("magent: 1\nname: bad\nnodes:\n  a: {promt: hi}\n")
    with pytest.raises(magent.InvalidWorkflow) as caught:
        magent.load("bad.yaml")
    problem = caught.value.problems[0]
    assert (problem.position.file, problem.position.line, problem.code) == ("bad.yaml", 4, "unknown-key")


def test_a_handler_answers_and_an_agent_object_stands_in() -> None:
    class Shouting:
        async def ask(self, request: Request, on_text: Any) -> Reply:
            on_text("LOUD")
            return Reply(request.prompt.upper())

        async def close(self) -> None:
            return None

    asked: list[Question] = []

    async def person(question: Question) -> bool:
        asked.append(question)
        return False

    result = magent.run(WORKFLOW, store=None, human=person, agents={"writer": Shouting()})
    assert result.outputs == {"draft": "ABOUT TIDES", "ok": False}
    assert [question.prompt for question in asked] == ["Fine?"]


def test_a_waiting_run_is_listed_and_resumed() -> None:
    result = magent.run(WORKFLOW)
    assert (result.status, result.exit_code, result.waiting[0]["node"]) == ("waiting", 3, "ok")
    assert [run.id for run in magent.runs()] == [result.run_id]
    again = asyncio.run(magent.resume(result.run_id, answers={"ok": True}))
    assert (again.status, again.outputs["draft"]) == ("completed", "one")


async def test_the_stream_gives_every_event_and_the_text_as_it_comes() -> None:
    workflow = magent.load(WORKFLOW)
    types = [event.type async for event in workflow.stream(store=None, answers={"ok": True})]
    assert types[0] == "run.started"
    assert types[-1] == "run.completed"
    assert "text" in types


def test_the_graph_is_a_networkx_graph() -> None:
    graph = magent.load(WORKFLOW).graph
    assert graph.nodes["ok"]["type"] == "human_input"
    assert graph.has_edge("draft", "ok")
