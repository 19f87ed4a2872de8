"""What differs between two workflows, and between two runs: told once, at its place, and never where nothing does."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.cli.main import main
from magent.differ import files, runs
from magent.differ.runs import Compared, Told
from magent.engine.fold import Run
from magent.events import Event
from magent.explained import explain
from magent.model import Workflow
from magent.spec.build import build
from magent.spec.loader import load_data
from tests.build import Lab, workflow
from tests.cli.helpers import magent as cli
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


# ---- runs


@pytest.mark.untraced
@quick
@given(seeds, seeds, st.integers(1, 16))
def test_timing_makes_no_difference_between_runs(seed: int, timing: int, width: int) -> None:
    flow = made(seed)
    one, events, _ = run_once(flow, 0)
    other, others, _ = run_once(flow, timing, width)
    assert runs.compare(told("a", flow, one, events), told("b", flow, other, others)).same


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
