"""What an agent or a chain does within its visit, as it is seen: in plain progress, in the live view, afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magent.cli.board import Board
from magent.cli.progress import step_of
from magent.cli.story import Story
from magent.events import Event
from tests.cli.helpers import magent, process
from tests.cli.live import HARBOUR

TEAM = """
magent: 1
name: team
agents:
  boss:
    replies:
      - {call: delegate, with: {task: "Compute [bold]6*7[/bold]", skills: [math]}}
      - {reply: It is 42.}
  worker:
    replies:
      - {call: calculator, with: {expression: "6*7"}}
      - {call: calculator, with: {expression: "import os"}}
      - {reply: "42"}
tools: {calculator: {builtin: calculator}}
roles:
  lead: {agent: boss, can_delegate: true, skills: [planning]}
  mathematician: {agent: worker, skills: [math], tools: [calculator]}
chains:
  twice:
    inputs: {n: {type: integer}}
    steps: [{tool: calculator, with: {expression: "{{ inputs.n }} * 2"}, as: doubled}]
nodes:
  ask: {prompt: Lead, route: {skills: [planning]}, next: count}
  count: {chain: twice, with: {n: 5}}
"""


def event(kind: str, **data: Any) -> Event:
    return Event(1, 0.0, kind, {"path": "intro", "scope": 0, **data})


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (event("tool.called", tool="calculator", arguments={"expression": "6*7"}), '→ calculator(expression="6*7")'),
        (
            event("tool.called", tool="t", arguments={"n": 1, "m": None}, delegation="a>b>coder"),
            "→ coder: t(n=1, m=null)",
        ),
        (event("tool.called", tool="t", arguments="no json\n\x1b[31m"), "→ t(no json �[31m)"),
        (event("tool.called", tool="delegate", arguments={}), None),
        (event("tool.returned", tool="t", output=1), None),
        (event("tool.returned", tool="t", error={"type": "tool", "message": "no"}), "← t failed: no"),
        (event("tool.passed", tool="t", error={"type": "tool", "message": "no"}), "← t failed: no (the chain goes on)"),
        (event("delegation.started", by="lead", role="coder", task="Write it"), "⇢ lead hands to coder: Write it"),
        (event("role.routed", role="lead", agent="boss"), "⇒ role lead (agent boss)"),
        (event("agent.waits", agent="boss"), "⏸ waits until agent boss may be asked"),
    ],
)
def test_the_words_of_a_step(told: Event, words: str | None) -> None:
    found = step_of(told)
    assert (None if found is None else " ".join(found)) == words


def test_long_arguments_are_cut() -> None:
    found = step_of(event("tool.called", tool="t", arguments={"text": "x" * 10_000}))
    assert found is not None
    assert len(found[1]) < 120


def test_in_the_live_view_a_step_stands_among_the_text_of_its_visit() -> None:
    board = Board(HARBOUR)
    board(event("visit.started", node="intro", visit=1))
    board(event("text", text="let me see"))
    spot = board(event("tool.called", tool="calculator", arguments={"expression": "6*7"}))
    assert spot is not None
    assert spot.tail == 'let me see\n→ calculator(expression="6*7")\n'
    board(event("agent.replied", tokens={"input": 3, "output": 4}, cost=0.5))
    assert (spot.tokens, board.tokens) == (7, 7)


def test_above_it_steps_are_told_only_where_everything_is() -> None:
    told = event("tool.called", tool="t", arguments={})
    assert Story()(told, None) == []
    ((line),) = Story(everything=True)(told, None)
    assert "→ intro t()" in "".join(text for text, _ in line)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "team.yaml").write_text(TEAM)
    return tmp_path


def test_a_run_tells_its_steps_while_it_goes_on_and_afterwards(project: Path, capsys: Any) -> None:
    done = process("run", "team.yaml", "--no-input")
    assert done.code == 0
    for line in (
        "⇒ ask role lead (agent boss)",
        "⇢ ask lead hands to mathematician: Compute [bold]6*7[/bold]",
        '→ ask mathematician: calculator(expression="6*7")',
        "← ask mathematician: calculator failed",
        '→ count calculator(expression="5 * 2")',
    ):
        assert line in done.err
    shown = magent(capsys, "runs", "show", "latest").out
    assert "⇢ mathematician: Compute [bold]6*7[/bold]" in shown
    assert '    → calculator(expression="6*7")' in shown
    assert '  → calculator(expression="5 * 2")' in shown
    visits = json.loads(magent(capsys, "runs", "show", "latest", "--output", "json").out)["visits"]
    assert (visits[0]["role"], visits[0]["agent"]) == ("lead", "boss")
    assert [step.get("tool", "subtask") for step in visits[0]["steps"]] == [
        "delegate", "subtask", "calculator", "calculator",
    ]  # fmt: skip
    assert [step["status"] for step in visits[0]["steps"]] == ["completed", "completed", "completed", "failed"]
    assert visits[0]["decision"]["candidates"][0]["reasons"]
    assert visits[1]["steps"][0]["output"] == 10


def test_steps_are_events_of_the_stream_of_json_lines(project: Path) -> None:
    done = process("run", "team.yaml", "--no-input", "--output", "jsonl")
    events = [json.loads(line) for line in done.out.splitlines()]
    called = [each for each in events if each["type"] == "tool.called" and each["tool"] == "calculator"]
    assert called[0]["arguments"] == {"expression": "6*7"}
    assert called[0]["delegation"] == "ask>mathematician"
