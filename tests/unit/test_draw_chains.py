"""A chain is drawn as a cluster: the task, and the steps in their order."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from magent.draw import as_json, dot, mermaid, text
from magent.model import Workflow
from tests.build import workflow

TEXT = """
tools: {web: {builtin: calculator}, calculator: {builtin: calculator}}
chains:
  research:
    steps:
      - {tool: web, as: hits}
      - {tool: calculator, with: {expression: "1"}, when: 'steps.hits > "<0>"'}
nodes:
  survey: {chain: research, next: after}
  after: {wait: 0}
"""


def made(old: str = "", new: str = "") -> Workflow:
    return workflow(TEXT.replace(old, new) if old else TEXT)


def lines(drawn: Workflow, columns: int = 80) -> list[str]:
    return ["".join(shown for _, shown in line) for line in text(drawn, columns)]


def test_dot_has_a_cluster_with_the_task_and_its_steps() -> None:
    drawn = dot(made())
    cluster = drawn[drawn.index('subgraph "cluster_survey:chain"') :]
    cluster = cluster[: cluster.index("}")]
    assert 'label="chain research"' in cluster
    assert '"survey" [shape=box' in cluster
    assert '"survey:0" [shape=box, style=rounded, label="hits: web"]' in cluster
    assert '"survey:0" -> "survey:1" [style=dashed' in cluster
    assert '"survey" -> "after"' not in cluster


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_it() -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=dot(made()), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "chain research" in done.stdout


def test_mermaid_has_a_subgraph_with_the_task_and_its_steps_and_conditions_are_escaped() -> None:
    drawn = mermaid(made())
    assert 'subgraph c_survey["chain research"]' in drawn
    assert 's_survey_0("hits: web")' in drawn
    assert "n_survey --> s_survey_0" in drawn
    assert "<0>" not in drawn


def test_text_has_the_steps_in_the_box_of_the_task() -> None:
    shown = lines(made())
    assert any("↳ hits: web" in line for line in shown)
    assert any('↳ calculator when steps.hits > "<0>"' in line for line in shown)
    assert max(map(len, lines(made(), 40))) <= 40


def test_a_long_chain_is_told_in_part() -> None:
    steps = "\n".join("      - {tool: web}" for _ in range(12))
    shown = lines(made("      - {tool: web, as: hits}", steps))
    assert sum("↳" in line for line in shown) == 7
    assert any("… 6 more" in line for line in shown)


def test_data_has_the_steps() -> None:
    (node, _) = as_json(made())["nodes"]
    assert [(step["tool"], step["name"]) for step in node["steps"]] == [("web", "hits"), ("calculator", None)]


def test_a_chain_that_a_template_names_has_no_steps_to_draw() -> None:
    drawn = dot(made("chain: research", 'chain: "{{ inputs.x }}"'))
    assert "cluster" not in drawn
