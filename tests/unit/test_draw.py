"""Drawings of a compiled workflow."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import networkx
import pytest

from magent import draw
from magent.graph import compile as compile_graph
from magent.model import Workflow
from tests.build import workflow

ALL_TYPES = """
    nodes:
      begin: {type: start, next: draft}
      draft: {run: "true", next: check}
      check:
        type: condition
        next:
          - {to: fan, when: "state.draft.exit_code == 0"}
          - {loop_back: draft, max: 3}
          - {to: stop}
      fan: {type: parallel, branches: [style, {to: safety, when: "inputs.deep"}], next: refine}
      style: {set: {a: 1}}
      safety: {set: {b: 1}, next: deeper}
      deeper: {type: loop, until: "true", max_iterations: 2, body: again}
      again: {set: {c: 1}}
      refine: {type: subgraph, uses: polish, next: sign_off}
      sign_off: {type: human_input, input: approval, prompt: ok?, next: end}
      stop: {type: end, status: failed}
    inputs: {deep: {type: boolean, default: true}}
    subgraphs:
      polish: {nodes: {shine: {set: {d: 1}, next: check}, check: {wait: 1s}}}
"""


@pytest.fixture(scope="module")
def drawn() -> Workflow:
    return workflow(ALL_TYPES)


def test_dot_gives_each_type_its_shape(drawn: Workflow) -> None:
    text = draw.dot(drawn)
    shapes = dict(re.findall(r'^ *"(\w+)" \[shape=(\w+)', text, re.M))
    assert (
        len({shapes[name] for name in ("begin", "draft", "check", "fan", "deeper", "refine", "sign_off", "stop")}) == 8
    )


def test_dot_gives_each_edge_its_line(drawn: Workflow) -> None:
    text = draw.dot(drawn)
    assert '"begin" -> "draft" [style=solid];' in text
    assert '"check" -> "fan" [style=dashed, label="state.draft.exit_code == 0"];' in text
    assert re.search(r'"check" -> "draft" \[style=dotted, label="max 3"', text)
    assert re.search(r'"fan" -> "safety" \[style=dashed, label="inputs.deep"', text)


def test_dot_draws_a_box_around_each_scope_and_subgraph(drawn: Workflow) -> None:
    text = draw.dot(drawn)
    labels = re.findall(r'label="([^"]*)"; style=rounded', text)
    assert labels == ["fan: style", "fan: safety", "deeper: again"]
    assert 'label="subgraph polish"' in text
    assert text.count("{") == text.count("}")


def test_a_node_of_a_subgraph_is_not_the_node_of_the_same_name(drawn: Workflow) -> None:
    assert '"g1_shine" -> "g1_check"' in draw.dot(drawn)
    assert "g1_n_shine --> g1_n_check" in draw.mermaid(drawn)


def test_mermaid_draws_the_same_edges(drawn: Workflow) -> None:
    text = draw.mermaid(drawn)
    assert text.startswith("flowchart TD\n")
    assert "n_begin --> n_draft" in text
    assert 'n_check -.->|"state.draft.exit_code == 0"| n_fan' in text
    assert 'n_check -.->|"max 3"| n_draft' in text
    assert re.search(r"linkStyle [\d,]+ stroke-dasharray:1 4", text)


def test_what_is_more_than_mermaid_draws_unasked_says_what_it_needs() -> None:
    chain = "".join(f"  n{n}: {{set: {{k{n}: 1}}, next: n{n + 1}}}\n" for n in range(500))
    text = draw.mermaid(workflow(f"nodes:\n{chain}  n500: {{wait: 1s}}"))
    first, second, *_ = text.splitlines()
    assert first.startswith("%% mermaid.initialize needs maxEdges: 501, maxTextSize: ")
    assert second == "flowchart TD"
    assert draw.mermaid(workflow(ALL_TYPES)).startswith("flowchart TD")


def test_mermaid_uses_no_reserved_word_as_an_id() -> None:
    text = draw.mermaid(workflow("nodes: {graph: {set: {a: 1}, next: end}}"))
    assert "n_graph --> n_end" in text
    assert not re.search(r"^\s*(graph|end)\b", text, re.M)


def test_json_is_read_by_networkx(drawn: Workflow) -> None:
    data = json.loads(json.dumps(draw.as_json(drawn)))
    graph: Any = networkx.node_link_graph(data, edges="edges")
    assert graph.nodes["sign_off"]["type"] == "human_input"
    assert graph.nodes["again"]["scope"] == "deeper: again"
    assert {data["type"] for _, _, data in graph.edges(data=True)} == {"normal", "conditional", "loop_back"}
    assert graph.edges["check", "draft", 0]["max"] == 3
    assert list(data["subgraphs"]) == ["polish"]
    assert graph.nodes["refine"]["uses"] == "polish"


@pytest.mark.parametrize("form", [draw.dot, draw.mermaid, draw.as_json])
def test_a_drawing_is_the_same_every_time(form: Any) -> None:
    assert form(workflow(ALL_TYPES)) == form(workflow(ALL_TYPES))


HOSTILE = """
    nodes:
      a:
        set: {x: 1}
        next:
          - {to: b, when: 'state.x == "]; } & <b>\\\\N --> %%{init: {}}%% $$x$$ `y` #quot; | end"'}
          - {to: c}
      b: {set: {x: 1}}
      c: {set: {x: 1}}
"""


def test_a_condition_never_ends_its_label_in_dot() -> None:
    text = draw.dot(workflow(HOSTILE))
    line = next(line for line in text.splitlines() if '"a" -> "b"' in line)
    label = re.search(r'label="((?:[^"\\]|\\.)*)"\];$', line)
    assert label is not None
    assert "&amp; <b>\\\\\\\\N" in label[1] or "&amp; <b>\\\\N" in label[1]


def test_a_condition_never_ends_its_label_in_mermaid() -> None:
    text = draw.mermaid(workflow(HOSTILE))
    line = next(line for line in text.splitlines() if "n_a" in line and "n_b" in line)
    label = re.search(r'\|"(.*)"\| n_b$', line)
    assert label is not None
    assert not set('"<>%$`&|{}[]\\') & set(label[1])
    assert re.sub(r"#\d+;", "", label[1]).count("#") == 0


def test_a_long_condition_is_cut_in_labels_and_whole_in_json() -> None:
    condition = " or ".join(["state.x == 1"] * 40)
    drawn = workflow(
        f"nodes: {{a: {{set: {{x: 1}}, next: [{{to: b, when: {condition}}}, {{to: end}}]}}, b: {{set: {{x: 2}}}}}}"
    )
    assert max(len(line) for line in draw.dot(drawn).splitlines()) < 250
    assert condition in json.dumps(draw.as_json(drawn))


def test_a_subgraph_that_calls_itself_is_drawn_once() -> None:
    drawn = workflow("""
        nodes: {a: {type: subgraph, uses: s}}
        subgraphs: {s: {nodes: {b: {type: subgraph, uses: s, when: "false", next: end}}}}
    """)
    assert draw.dot(drawn).count("cluster_") == 1


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("name", ["ALL_TYPES", "HOSTILE", "ENDS", "JOINS"])
def test_graphviz_reads_the_drawing(name: str) -> None:
    text = globals()[name]
    done = subprocess.run(["dot", "-Tsvg"], input=draw.dot(workflow(text)), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "<svg" in done.stdout


ENDS = """
    inputs: {deep: {type: boolean, default: true}}
    tools: {calculator: {builtin: calculator}}
    chains:
      sums: {steps: [{tool: calculator, with: {expression: "1"}}, {chain: more}]}
      more: {steps: [{tool: calculator, with: {expression: "2"}, as: two}]}
    nodes:
      fan: {type: parallel, branches: [style, other], next: merge}
      style: {set: {a: 1}, next: [{to: end, when: inputs.deep}, {to: after}]}
      after: {set: {b: 1}}
      other: {type: loop, for_each: "[1, 2]", body: inc}
      inc: {chain: sums, next: [{to: end, when: inputs.deep}, {to: end}]}
      merge: {chain: sums, next: [{to: end, when: inputs.deep}, {to: last}]}
      last: {set: {c: 1}}
"""


def test_to_end_in_a_branch_or_body_leads_to_its_own_end_and_on_from_there() -> None:
    text, mermaid = draw.dot(workflow(ENDS)), draw.mermaid(workflow(ENDS))
    arrows = [(source, target) for source, target in re.findall(r'"([^"]+)" -> "([^"]+)"', text)]
    assert [source for source, target in arrows if target == "end"] == ["merge:1.0"], "the run's end is the run's alone"
    assert [edge for edge in arrows if "style:end" in edge] == [
        ("style", "style:end"),
        ("after", "style:end"),
        ("style:end", "fan:join"),
    ]
    assert ("inc:end", "other") in arrows
    assert re.findall(r"(\w+) \S+ n_end", re.sub(r'\|".*?"\|', "", mermaid)) == ["s_merge_1x0"]
    assert all(line in mermaid for line in ("n_after --> e_style", "e_style --> j_fan", "e_inc -.-> n_other"))


JOINS = """
    inputs: {deep: {type: boolean, default: true}, xs: {type: array, default: [1]}}
    tools: {calculator: {builtin: calculator}}
    chains: {sums: {steps: [{tool: calculator, with: {expression: "1"}}]}}
    nodes:
      fan: {type: parallel, branches: [a, b], on_error: {goto: mend}, next: [{to: last, when: inputs.deep}, {to: sum}]}
      a: {type: parallel, for_each: inputs.xs, body: one}
      one: {set: {x: 1}}
      b: {set: {y: 1}, next: end}
      sum: {chain: sums, on_error: {goto: mend}, next: last}
      mend: {chain: sums, on_error: {loop_back: mend, max: 2}, next: last}
      last: {set: {z: 1}}
"""


def test_what_follows_a_parallel_leaves_from_where_its_branches_meet() -> None:
    text, mermaid = draw.dot(workflow(JOINS)), draw.mermaid(workflow(JOINS))
    arrows = re.findall(r'"([^"]+)" -> "([^"]+)"', text)
    assert [target for source, target in arrows if source == "fan"] == ["mend", "a", "b"], "an error is the whole's"
    assert [target for source, target in arrows if source == "fan:join"] == ["last", "sum"]
    assert [source for source, target in arrows if target == "fan:join"] == ["a:join", "b:end"]
    assert ("one", "a:join") in arrows
    assert text.count('"fan:join" [shape=point') == 1
    assert '"fan:join" -> "last" [style=dashed, label="inputs.deep"];' in text
    assert 'j_fan((" "))' in mermaid
    assert 'j_fan -.->|"inputs.deep"| n_last' in mermaid
    assert re.findall(r"(\w+) \S+ j_fan\b", mermaid) == ["j_a", "e_b"]


def test_what_an_error_of_a_chain_leads_to_leaves_the_chain_as_a_whole() -> None:
    text, mermaid = draw.dot(workflow(JOINS)), draw.mermaid(workflow(JOINS))
    assert '"sum" -> "mend" [style=dashed, label="on error", ltail="cluster_sum:chain"];' in text
    assert '"sum:0" -> "last"' in text
    assert "compound=true;" in text
    assert 'c_sum -.->|"on error"| n_mend' in mermaid
    back = next(line for line in text.splitlines() if '"mend" -> "mend"' in line)
    assert "ltail" not in back, "not out of a cluster into itself"
    assert 'n_mend -.->|"on error, max 2"| n_mend' in mermaid


def test_data_has_one_edge_for_each_to_end() -> None:
    data = draw.as_json(workflow(ENDS))
    found = [(edge["source"], edge["target"], edge["type"], edge["when"]) for edge in data["edges"]]
    assert [edge for edge in found if edge[0] == "style"] == [
        ("style", "after", "normal", None),
        ("style", "merge", "conditional", "inputs.deep"),
    ]
    assert [edge for edge in found if edge[0] == "inc"] == [
        ("inc", "other", "loop_back", "inputs.deep"),
        ("inc", "other", "loop_back", None),
    ]
    assert [edge[0] for edge in found if edge[1] == "end"] == ["merge"], "the run's own"
    graph: Any = networkx.node_link_graph(data, edges="edges")
    assert set(graph.edges(keys=True)) == set(compile_graph(workflow(ENDS)).edges(keys=True))


def test_the_way_on_from_a_chain_leaves_its_last_step() -> None:
    text, mermaid = draw.dot(workflow(ENDS)), draw.mermaid(workflow(ENDS))
    assert re.findall(r'"(merge\S*)" -> "last"', text) == ["merge:1.0"]
    assert "s_merge_1x0 --> n_last" in mermaid


def test_the_end_after_a_parallel_in_a_loop_is_the_end_of_the_round() -> None:
    drawn = workflow("""
        nodes:
          each: {type: loop, for_each: "[1, 2]", body: fan}
          fan: {type: parallel, branches: [a, b], next: [{to: end, when: inputs.deep}, {to: c}]}
          a: {set: {x: 1}}
          b: {set: {y: 1}}
          c: {set: {z: 1}}
        inputs: {deep: {type: boolean, default: true}}
    """)
    found = compile_graph(drawn)
    assert [(target, data["type"], data["when"]) for _, target, data in found.out_edges("a", data=True)] == [
        ("each", "loop_back", "inputs.deep"),
        ("c", "normal", None),
    ]
    assert '"end"' not in draw.dot(drawn), "nothing leads to the end of the run"
    assert "n_end" not in draw.mermaid(drawn)


def test_what_is_nested_by_the_hundred_is_drawn_in_lines_of_bounded_length() -> None:
    nodes: dict[str, Any] = {
        f"l{i}": {"type": "loop", "while": True, "max_iterations": 2, "body": f"l{i + 1}"} for i in range(300)
    }
    drawn = workflow("nodes: " + json.dumps({**nodes, "l300": {"wait": 0}}))
    for text in (draw.dot(drawn), draw.mermaid(drawn)):
        assert max(map(len, text.splitlines()[:-3])) < 250
        assert "l300" in text
