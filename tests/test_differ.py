"""What differs between two workflows, and between two runs: told once, at its place, and never where nothing does."""

from __future__ import annotations

import asyncio
import json
import random
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.cli import diff as verb
from magent.cli.console import Console, Globals
from magent.cli.main import main
from magent.cli.tables import Sheet
from magent.differ import files, runs
from magent.differ.runs import Compared, Told
from magent.engine.fold import Run
from magent.events import Event
from magent.explained import explain
from magent.model import Workflow
from magent.ports import Reply, Usage
from magent.spec.build import build
from magent.spec.loader import load_data
from tests.build import Lab, workflow
from tests.cli.helpers import Screen
from tests.cli.helpers import magent as cli
from tests.engine.crew import crew
from tests.engine.graphs import Maker
from tests.engine.test_properties import made, run_once, seeds

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def told(name: str, flow: Workflow, run: Run, events: list[Event], inputs: Any = None) -> Told:
    results = {event.seq: event.data for event in events}
    return Told(
        name,
        run.status,
        inputs,
        run.outputs,
        None,
        run.path,
        0.0,
        run.steps,
        {},
        0.0,
        explain(flow, events, name),
        results,
    )


def both(text: str, *inputs: dict[str, Any]) -> Compared:
    """Two runs of a workflow with these inputs, held against each other."""
    flow, found = workflow(text), []
    for name, given_ in zip("ab", inputs, strict=True):
        lab = Lab(flow)
        run = asyncio.run(lab.start(given_))
        found.append(told(name, flow, run, lab.journal.events, given_))
    return runs.compare(*found)


# ---- files: other names


NAMES = """
    magent: 1
    name: r
    agents: {bot: {replies: [hi]}}
    nodes:
      draft: {prompt: Write, agent: bot, next: each}
      each: {type: parallel, for_each: [1, 2], body: part, next: judge}
      part: {set: {x: "{{ state.draft }}"}}
      judge:
        run: "echo {{ state.draft }}"
        next: [{loop_back: draft, when: nodes.judge.visits > 3, max: 2}, {to: out}]
      out: {set: {z: "{{ state.judge.data }}"}}
    outputs: {v: "{{ state.draft }}", w: "{{ nodes.judge.visits }}"}
"""


def sections(old: str, new: str) -> dict[str, list[tuple[str, str, str | None]]]:
    found = files.compare(workflow(old), workflow(new))
    return {section.title: [(item.what, item.name, item.was) for item in section.items] for section in found}


def test_nodes_that_only_have_another_name_are_renamed_whoever_names_them() -> None:
    other = NAMES
    for old, new in (("draft", "sketch"), ("judge", "review"), ("part", "piece")):
        other = re.sub(rf"\b{old}\b", new, other)
    renames = [("rename", "sketch", "draft"), ("rename", "piece", "part"), ("rename", "review", "judge")]
    assert sections(NAMES, other) == {"nodes": renames}
    (section,) = files.compare(workflow(NAMES), workflow(other))
    assert section.as_json()["items"][0] == {"what": "rename", "name": "sketch", "changes": [], "was": "draft"}


def test_what_differs_beside_a_name_is_told_under_the_new_one() -> None:
    other = re.sub(r"\bjudge\b", "review", NAMES).replace("max: 2", "max: 5")
    assert sections(NAMES, other) == {
        "nodes": [("rename", "review", "judge")],
        "edges": [("change", "review → draft", None)],
    }


def test_another_definition_is_another_node_and_of_two_alike_none_is_taken_for_the_other() -> None:
    other = re.sub(r"\bpart\b", "piece", NAMES).replace('x: "{{ state.draft }}"', "x: 1")
    told = sections(NAMES, other)["nodes"]
    assert [each for each in told if each[0] != "change"] == [("remove", "part", None), ("add", "piece", None)]
    twins = (
        "nodes: {{a: {{run: x, next: {0}}}, {0}: {{run: y, next: {1}}}, {1}: {{run: y, next: {0}2}}, {0}2: {{run: y}}}}"
    )
    told = sections(twins.format("b", "c"), twins.format("d", "e"))["nodes"]
    assert told == [("rename", "d2", "b2"), ("rename", "e", "c"), ("rename", "d", "b")]
    pair = "nodes: {{a: {{type: parallel, branches: [{0}, {1}]}}, {0}: {{run: y}}, {1}: {{run: y}}}}"
    told = sections(pair.format("b", "c"), pair.format("d", "e"))["nodes"]
    assert {what for what, *_ in told} == {"remove", "add", "change"}


# ---- runs


@pytest.mark.untraced
@quick
@given(seeds, seeds, st.integers(1, 16))
def test_timing_makes_no_difference_between_runs(seed: int, timing: int, width: int) -> None:
    flow = made(seed)
    one, events, _ = run_once(flow, 0)
    other, others, _ = run_once(flow, timing, width)
    assert runs.compare(told("a", flow, one, events), told("b", flow, other, others)).same


SPENT = """
    agents: {writer: {model: "openai:gpt-5-mini"}, critic: {model: "openai:gpt-5-mini"}}
    nodes:
      draft: {prompt: Write, agent: writer, next: judge}
      judge: {prompt: Judge, agent: critic, next: polish}
      polish: {prompt: Polish, agent: writer}
"""


async def spent(name: str, *costs: tuple[int, float]) -> Told:
    """A run whose three calls used so many tokens, and cost so many dollars."""
    one, two, three = (Reply("x", usage=Usage(tokens, 0, cost, 1)) for tokens, cost in costs)
    room = crew(dedent(SPENT), [], writer=[one, three], critic=[two])
    run = await room.start()
    shown = {"run_id": name, "status": run.status, "inputs": {}, "outputs": run.outputs, "error": None}
    shown |= {"path": run.path, "duration": 0.0, "steps": run.steps, "cost_usd": run.cost}
    tokens = {"input": run.tokens[0], "output": run.tokens[1]}
    return runs.told_of(shown | {"tokens": tokens}, room.workflow, room.journal.events)


async def test_tokens_and_cost_of_runs_are_told_by_agent_and_by_node() -> None:
    first = await spent("a", (1000, 0.5), (10, 0.25), (1, 0.125))
    second = await spent("b", (1000, 0.5), (30, 0.75), (1, 0.125))
    found = runs.compare(first, second)
    shown = found.as_json()
    assert {each["agent"]: each["tokens"]["input"] for each in shown["b"]["agents"]} == {"writer": 1001, "critic": 30}
    assert {each["node"]: each["cost_usd"] for each in shown["a"]["nodes"]} == {
        "draft": 0.5,
        "judge": 0.25,
        "polish": 0.125,
    }
    screen = Screen()
    sheet = Sheet(Console(Globals(no_color=True), screen, Screen()))
    verb._runs(sheet, found, everything=False)
    sheet.print()
    lines = [" ".join(line.split()) for line in screen.getvalue().splitlines()]
    at = lines.index("Agents")
    assert lines[at + 1 : at + 4] == [
        "TOKENS A B COST A COST B",
        "critic 10 30 +20 $0.2500 $0.7500",
        "writer 1,001 1,001 $0.6250 $0.6250",
    ]
    assert lines[lines.index("Nodes") + 2] == "judge 10 30 +20 $0.2500 $0.7500"


FORK = """
    inputs: {n: {type: integer}}
    nodes:
      a: {set: {x: "{{ 1 }}"}, next: fan}
      fan: {type: parallel, branches: [b, c], next: [{to: d, when: "inputs.n > 1"}, {to: e}]}
      b: {set: {y: 1}}
      c: {set: {z: 1}}
      d: {set: {w: "{{ inputs.n }}"}, next: e}
      e: {set: {v: 1}}
"""


def test_the_first_decision_that_differs_is_told_with_what_both_saw() -> None:
    found = both(FORK, {"n": 1}, {"n": 2})
    assert not found.same
    first = found.divergence
    assert first is not None
    assert (first.kind, first.path) == ("decision", "fan")
    assert first.why == "it went on to e in A, and to d in B"
    assert [each.test and each.test.values for each in (first.first.ways[0], first.second.ways[0])] == [  # type: ignore[union-attr]
        {"inputs.n": 1},
        {"inputs.n": 2},
    ]
    assert found.path == [("+", "d#1")]
    assert [change.path for change in found.inputs] == ["inputs.n"]


def test_a_result_that_differs_comes_before_what_follows_from_it() -> None:
    text = """
        inputs: {n: {type: integer}}
        nodes:
          a: {set: {x: "{{ inputs.n }}"}, next: b}
          b: {type: condition, next: [{to: c, when: "state.x > 1"}, {to: end}]}
          c: {set: {y: 1}}
    """
    found = both(text, {"n": 1}, {"n": 2})
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.path) == ("result", "a")
    assert [(change.path, change.after) for change in found.divergence.changes] == [("set.x", 2)]
    assert found.results == ["a#1"]


def test_a_run_that_went_less_far_is_told_where_it_stood() -> None:
    flow = workflow("nodes: {a: {set: {x: 1}, next: b}, b: {set: {y: 1}}}")
    lab = Lab(flow)
    run = asyncio.run(lab.start())
    events = lab.journal.events
    found = runs.compare(told("a", flow, run, events), told("b", flow, run, events[:2]))
    assert found.divergence is not None
    assert (found.divergence.kind, found.divergence.path, found.divergence.why) == (
        "path",
        "b",
        "only A came to it",
    )


# ---- workflows


@quick
@given(seeds)
def test_a_workflow_differs_from_itself_in_nothing_and_from_another_by_its_nodes(seed: int) -> None:
    data = Maker(random.Random(seed)).workflow()
    first, second = build(load_data(data, ".")), build(load_data(json.loads(json.dumps(data)), "."))
    assert files.compare(first, second) == []
    name = next(iter(data["nodes"]))
    node = {**data["nodes"][name], "description": "another"}
    third = build(load_data({**data, "nodes": {**data["nodes"], name: node}}, "."))
    (section,) = files.compare(first, third)
    assert [(item.what, item.name, [change.path for change in item.changes]) for item in section.items] == [
        ("change", name, ["description"])
    ]


OLD = """\
magent: 1
name: tides
inputs: {topic: {type: string, default: tides}}
agents: {bot: {replies: [It rises.], max_concurrency: 1}}
roles: {sailor: {agent: bot, skills: [boats]}}
nodes:
  draft:
    prompt: |
      Write about {{ inputs.topic }}.
      Be brief.
      No jokes.
    role: sailor
    next: [{loop_back: draft, max: 1, when: "output == 'no'"}, {to: keep}]
  keep: {set: {kept: true}, on_error: continue}
"""
NEW = (
    OLD.replace("default: tides", "default: null")
    .replace("No jokes.", "Jokes are welcome.")
    .replace("max: 1", "max: 3")
    .replace("[boats]", "[boats, reefs]")
    .replace("max_concurrency: 1", "max_concurrency: 2")
    .replace(", on_error: continue}", ", next: last}\n  last: {wait: 1s}")
)


@pytest.fixture
def tides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("old.yaml").write_text(OLD, "utf-8")
    tmp_path.joinpath("new.yaml").write_text(NEW, "utf-8")
    return tmp_path


def test_files_are_told_apart_by_section_with_texts_line_by_line(tides: Path, capsys: Any) -> None:
    outcome = cli(capsys, "diff", "old.yaml", "new.yaml")
    assert (outcome.code, outcome.err) == (1, "")
    assert (
        outcome.out
        == """\
nodes
  ~ draft
      ~ prompt:
          …
            Write about {{ inputs.topic }}.
            Be brief.
          - No jokes.
          + Jokes are welcome.

  + last

edges
  - keep (on_error: continue)
  ~ draft → draft
      ~ max: 1 → 3
  + keep → last

inputs
  ~ topic
      ~ default: "tides" → null

agents
  ~ bot
      ~ max_concurrency: 1 → 2

roles
  ~ sailor
      + skills[1]: "reefs"
"""
    )


def test_the_exit_code_says_as_diff_does_whether_they_differ(tides: Path, capsys: Any) -> None:
    assert main(["-q", "run", "old.yaml", "--id", "one"]) == 0
    assert main(["-q", "run", "new.yaml", "-i", "topic=x", "--id", "two"]) == 0
    same, apart, edited = (
        cli(capsys, "diff", *pair) for pair in (("one", "old.yaml"), ("one", "two"), ("new.yaml", "one"))
    )
    assert (same.code, same.out, apart.code, edited.code) == (0, "", 1, 1)
    assert "one and old.yaml are the same workflow" in same.err
    assert cli(capsys, "diff", "one", "one").code == 0
    lines = apart.out.splitlines()
    assert lines[lines.index("Where they part") + 1] == "  keep: it went on to the end in A, and to last in B"
    assert lines[lines.index("Path") + 1] == "  + last"
    shown = json.loads(cli(capsys, "diff", "one", "two", "--output", "json").out)
    assert (shown["same"], shown["runs"]["first_divergence"]["path"]) == (False, "keep")
    assert [section["of"] for section in shown["workflow"]] == ["nodes", "edges", "inputs", "agents", "roles"]


@pytest.mark.parametrize("words", [("nope.yaml", "old.yaml"), ("nope", "old.yaml"), (".", "old.yaml"), ("old.yaml",)])
def test_what_is_not_there_is_an_error_and_no_difference(tides: Path, capsys: Any, words: tuple[str, ...]) -> None:
    outcome = cli(capsys, "diff", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err


def test_long_errors_of_runs_stand_beneath_their_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    edges = "[{to: b, when: 'output == inputs.c'}]"
    nodes = f"nodes: {{a: {{tool: calculator, with: {{expression: '1'}}, next: {edges}}}, b: {{set: {{x: 1}}}}}}"
    head = "magent: 1\nname: f\ninputs: {c: {type: integer}}\ntools: {calculator: {builtin: calculator}}\n"
    Path("f.yaml").write_text(head + nodes, "utf-8")
    for number, value in enumerate((1, 3, 3), 1):
        main(["run", "f.yaml", "--id", f"f{number}", "-i", f"c={value}", "-q"])
    capsys.readouterr()
    assert main(["diff", "f1", "f2"]) == 1
    told = capsys.readouterr().out
    assert "\nstatus  completed  failed\n" in told
    assert "\nErrors\n  A: none\n  B: no_route at a: no edge of 'a' holds" in told
    assert main(["diff", "f2", "f3"]) == 0
    assert "\nErrors\n  both: no_route at a: no edge of 'a' holds" in capsys.readouterr().out
