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


NESTED = TEXT.replace(
    "      - {tool: calculator, with",
    "      - {chain: check, as: deep, when: steps.hits > 1}\n      - {tool: calculator, with",
).replace("chains:", "chains:\n  check: {steps: [{tool: web}, {tool: calculator, as: sum}]}")


def test_a_chain_within_a_chain_is_a_cluster_within_the_cluster() -> None:
    drawn = workflow(NESTED)
    graph = dot(drawn)
    outer = graph[graph.index('subgraph "cluster_survey:chain"') :]
    inner = outer[outer.index('subgraph "cluster_survey:1:chain"') :].partition("}")[0]
    assert 'label="chain check"' in inner
    assert '"survey:1" [shape=box, style=rounded, label="deep: chain check"]' in inner
    assert '"survey:1.0" -> "survey:1.1"' in inner
    assert '"survey:0" -> "survey:1" [style=dashed, label="steps.hits > 1"]' in outer
    assert '"survey:1.1" -> "survey:2"' in outer
    shown = mermaid(drawn)
    assert 'subgraph c_s_survey_1["chain check"]' in shown
    assert 's_survey_1x1("sum: calculator")' in shown
    assert "s_survey_1x1 -.->" in shown
    told = lines(drawn)
    assert any("  ↳ sum: calculator" in line for line in told)
    (node, _) = as_json(drawn)["nodes"]
    assert node["steps"][1] == {
        "chain": "check",
        "name": "deep",
        "when": "steps.hits > 1",
        "steps": [{"tool": "web", "name": None, "when": None}, {"tool": "calculator", "name": "sum", "when": None}],
    }


def test_chains_that_multiply_are_drawn_in_part() -> None:
    doubled = "\n".join(f"  c{n}: {{steps: [{{chain: c{n + 1}}}, {{chain: c{n + 1}}}]}}" for n in range(12))
    drawn = workflow(f"tools: {{web: {{builtin: calculator}}}}\nchains:\n{doubled}\n  c12: {{steps: [{{tool: web}}]}}\n"
                     "nodes: {survey: {chain: c0}}")  # fmt: skip
    assert dot(drawn).count("shape=box, style=rounded") < 300  # of 8,190
    assert any("… " in line for line in lines(drawn))
