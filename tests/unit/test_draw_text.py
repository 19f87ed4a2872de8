"""Drawings in text: what is in them, that they fit, and that every line can be followed."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent import cells, draw
from magent.draw import LEAST_COLUMNS, plain
from magent.draw.words import ways
from magent.model import Loop, Parallel, Workflow
from tests.build import workflow
from tests.terminal import Golden
from tests.unit.trace import Trace

REVIEW = """
    magent: 1
    name: review
    description: Draft, critique, revise until it is good.
    agents: {writer: {replies: [a]}}
    inputs: {files: {type: array, default: []}, deep: {type: boolean, default: true}}
    nodes:
      begin: {type: start, next: draft}
      draft: {prompt: Write, agent: writer, next: critique}
      critique:
        prompt: Judge
        agent: writer
        output: {score: {type: integer}}
        next:
          - {to: checks, when: output.score >= 8}
          - {loop_back: draft, max: 3}
          - {to: give_up}
      give_up: {type: end, status: failed}
      checks: {type: parallel, branches: [links, {to: legal, when: inputs.deep}, spelling], next: each}
      links: {run: check-links}
      legal: {call: "rules:legal"}
      spelling: {tool: speller}
      each: {type: parallel, for_each: inputs.files, as: file, body: refine, next: sign_off}
      refine: {type: loop, until: output.ok, max_iterations: 5, body: mend}
      mend: {run: "mend {{ file }}"}
      sign_off: {type: human_input, input: approval, prompt: ok?, next: route}
      route:
        type: condition
        switch: state.sign_off.approved
        cases: {"true": publish}
        default: give_up_too
      give_up_too: {type: end, status: failed}
      publish: {type: subgraph, uses: send, on_error: {goto: tell}, next: pause}
      pause: {wait: 3s, next: end}
      tell: {set: {told: true}}
    tools: {speller: {call: "rules:spell"}}
    subgraphs:
      send: {nodes: {pack: {set: {a: 1}, next: ship}, ship: {run: ship it}}}
"""


def lines(text: str | Workflow, columns: int = 80) -> list[str]:
    return [plain(line) for line in draw.text(workflow(text) if isinstance(text, str) else text, columns)]


def shown(text: str, columns: int = 80) -> str:
    return "\n".join(lines(text, columns))


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_workflow_is_drawn_for_the_window(columns: int, golden: Golden) -> None:
    golden(f"graph-review-{columns}", lines(REVIEW, columns))


def test_each_type_has_its_look() -> None:
    picture = shown(REVIEW)
    for look in (
        "╭",
        "< route",
        "╒",
        "? sign_off",
        "╔═ checks: parallel",
        "╭┈ refine: loop until output.ok, max 5",
        "╓",
    ):
        assert look in picture
    assert "╔═ each: parallel for_each inputs.files" in picture


@pytest.mark.parametrize(
    "line",
    ["prompt · writer", "run check-links", "call rules:legal", "tool speller", "wait 3s", "set told",
     "asks for approval", "subgraph send", "failed"],
)  # fmt: skip
def test_a_box_says_what_its_node_does(line: str) -> None:
    assert f" {line} " in shown(REVIEW)


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ("role: reviewer", "role reviewer"),
        ("route: {skills: [python], expertise: [security]}", "route python, security"),
        ("route: {expertise: [security], role_type: coder}", "route security, type coder"),
        ('route: {skills: "{{ inputs.s }}"}', "route {{ inputs.s }}"),
        ("route: {prefer: dev}", "route rather dev"),
        ("route: {}", "route by its words"),
    ],
)
def test_a_box_says_whom_its_prompt_goes_to(asked: str, line: str) -> None:
    roles = "roles: {dev: {extends: coder, skills: [python], expertise: [security]}}"
    text = "magent: 1\nname: w\nagents: {a: {replies: [x]}}\ndefaults: {agent: a}\ninputs: {s: {type: array}}\n"
    assert f" prompt · {line} " in shown(f"{text}{roles}\nnodes: {{t: {{prompt: Hi, {asked}}}}}")


def test_edges_carry_their_conditions_and_bounds() -> None:
    picture = lines(REVIEW)
    assert any("↓ output.score >= 8" in line for line in picture)
    assert any("┈┤ max 3" in line for line in picture)
    assert any("├─ else ──▶│ give_up" in line for line in picture)
    assert any("▼ when inputs.deep" in line for line in picture)
    assert any("├╌ on error ╌" in line for line in picture)
    assert any("↓ 'true'" in line for line in picture)


def test_a_subgraph_is_drawn_once_below() -> None:
    text = """
        nodes: {a: {type: subgraph, uses: s, next: b}, b: {type: subgraph, uses: s}}
        subgraphs: {s: {nodes: {c: {type: subgraph, uses: s, when: "false", next: end}}}}
    """
    assert [line for line in lines(text) if line.startswith("subgraph")] == ["subgraph s"]


def test_branches_stand_side_by_side_where_there_is_room() -> None:
    text = """
        nodes: {p: {type: parallel, branches: [a, b, c]}, a: {set: {x: 1}}, b: {set: {y: 1}}, c: {set: {z: 1}}}
    """
    assert any("│ a " in line and "│ b " in line and "│ c " in line for line in lines(text, 60))
    assert not any("│ a " in line and "│ b " in line for line in lines(text, 24))


def test_what_goes_on_stands_below_and_what_only_ends_beside() -> None:
    text = """
        nodes:
          a: {set: {x: 1}, next: [{to: go_on, when: "state.x == 1"}, {to: give_up}]}
          go_on: {wait: 1s}
          give_up: {type: end}
    """
    picture = lines(text)
    assert any("├─ else ──▶│ give_up" in line for line in picture)
    assert any(line.startswith("│ go_on") for line in picture)


LONG = "state.x == '" + "long " * 40 + "'"


def test_a_condition_that_does_not_fit_is_told_in_full_below_with_its_node() -> None:
    picture = lines(
        f'nodes: {{a: {{set: {{x: 1}}, next: [{{to: b, when: "{LONG}"}}, {{to: end}}]}}, b: {{wait: 1s}}}}', 60
    )
    assert any("…[1]" in line for line in picture)
    note = picture[picture.index(next(line for line in picture if line.startswith("[1] "))) :]
    assert " ".join(" ".join(note).removeprefix("[1] a: ").split()) == " ".join(LONG.split())


def test_no_condition_is_lost_where_there_is_little_room() -> None:
    text = """
        nodes:
          a: {set: {x: 1}, when: state.x == 'what_a_box_has_no_room_for', next: c}
          c: {type: condition, switch: state.a_rather_long_name_of_a_key, cases: {one: l}, default: end}
          l: {type: loop, until: state.x == 'what_a_frame_has_no_room_for', max_iterations: 3, body: b}
          b: {wait: 1s}
    """
    for columns in (24, 32, 80):
        told = "".join("".join(lines(text, columns)).split())
        for words in ("what_a_box_has_no_room_for'", "a_rather_long_name_of_a_key==", "what_a_frame_has_no_room_for'"):
            assert words in told


def test_wide_characters_keep_the_boxes_straight() -> None:
    text = """
        agents: {w: {replies: [a]}}
        nodes:
          a:
            run: "echo 漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"
            next: [{to: b, when: "state.x == '漢字é'"}, {to: c}]
          b: {run: "echo e\\u0301e\\u0301", next: c}
          c: {wait: 1s}
    """
    for columns in (24, 40, 80):
        boxes = [line for line in lines(text, columns) if line.startswith(("┌", "│", "└"))]
        assert len({cells.width(line.rstrip("◀─╮╯╌╎│ ").rstrip()) for line in boxes if line[0] in "┌└"}) == 1
        assert all(cells.width(line) <= columns for line in lines(text, columns))


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "\\e[31mred\\e[0m", "\\u202Eevil", "a\\nb\\tc", "\\u0007\\u009b2J"])
def test_text_of_a_file_never_steers_the_terminal(text: str) -> None:
    edges = f"[{{to: b, when: \"state.x == '{text}'\"}}, {{to: end}}]"
    picture = shown(f'nodes: {{a: {{run: "echo {text}", next: {edges}}}, b: {{wait: 1s}}}}')
    assert all(char.isprintable() or char == "\n" for char in picture)
    assert "[bold]x[/bold]" in picture or "bold" not in text


def test_ascii_has_the_same_shape() -> None:
    picture = shown(REVIEW)
    ascii_picture = draw.to_ascii(picture)
    assert ascii_picture.isascii()
    assert [len(line) for line in ascii_picture.splitlines()] == [len(line) for line in picture.splitlines()]
    assert "?" not in ascii_picture.replace("? sign_off", "")
    assert draw.to_ascii("漢字 é") == "???? ?"


def test_frames_without_room_are_drawn_apart() -> None:
    nodes: dict[str, Any] = {
        f"n{depth}": {"type": "loop", "for_each": [1], "body": f"n{depth + 1}"} for depth in range(40)
    }
    nodes["n40"] = {"wait": "1s"}
    picture = lines("nodes: " + json.dumps(nodes), 60)
    assert max(map(len, picture)) <= 60
    assert sum("drawn below" in line for line in picture) >= 2
    assert sum("│ n40 " in line for line in picture) == 1


@pytest.mark.untraced
def test_the_nest_may_be_as_deep_as_a_file_allows() -> None:
    nodes: dict[str, Any] = {
        f"n{depth}": {"type": "loop", "for_each": [1], "body": f"n{depth + 1}"} for depth in range(1100)
    }
    nodes["n1100"] = {"wait": "1s"}
    assert len(lines("nodes: " + json.dumps(nodes))) > 1100


@pytest.mark.untraced
def test_500_nodes_take_well_under_a_second() -> None:
    nodes: dict[str, Any] = {}
    for index in range(500):
        ways = [{"to": f"n{min(499, index + step)}", "when": f"state.x == {step}"} for step in (2, 5, 90)]
        nodes[f"n{index}"] = {"set": {"x": index}, "next": [*ways, {"loop_back": f"n{index // 2}"}, f"n{index + 1}"]}
    nodes["n499"] = {"set": {"x": 1}}
    nodes = {
        name: {**node, "next": [w if isinstance(w, dict) else {"to": w} for w in node["next"]]}
        if "next" in node
        else node
        for name, node in nodes.items()
    }
    large = workflow("nodes: " + json.dumps(nodes))
    took = []
    for _ in range(3):  # the least of them: what else the machine does only adds to it
        begun = time.process_time()
        picture = lines(large)
        took.append(time.process_time() - begun)
    assert min(took) < 1.5
    assert sum("│ n250 " in line for line in picture) == 1


@pytest.mark.untraced
def test_thousands_of_cases_that_lead_to_one_node_share_its_lane() -> None:
    cases = {f"c{i}": "b" for i in range(4_000)}
    nodes = {"a": {"type": "condition", "switch": "inputs.x", "cases": cases, "default": "b"}, "b": {"wait": 0}}
    large = workflow("inputs: {x: {default: ''}}\nnodes: " + json.dumps(nodes))
    begun = time.process_time()
    picture = lines(large)
    assert time.process_time() - begun < 15
    assert sum("c3999" in line for line in picture) == 1


# ---- any workflow


@st.composite
def graphs(draw_: Any) -> dict[str, Any]:
    """Nodes of a valid workflow: scopes in scopes, each a mesh of forward edges with loop_backs to ancestors."""
    nodes: dict[str, Any] = {}
    todo: list[tuple[str, int]] = [("n0", 0)]
    count = 1
    while todo:
        entry, depth = todo.pop()
        size = draw_(st.integers(1, 5 if depth == 0 else 3))
        names = [entry] + [f"n{count + index}" for index in range(size - 1)]
        count += size - 1
        parents = {name: names[draw_(st.integers(0, index))] for index, name in enumerate(names[1:])}
        for index, name in enumerate(names):
            nodes[name] = node = _node(draw_)
            opened = draw_(st.integers(0, 3)) if depth < 3 and count < 25 else 0
            if opened:
                bodies = [f"n{count + number}" for number in range(opened)]
                count += opened
                if opened == 1:
                    node.clear()
                    node.update({"type": "loop", "for_each": [1], "body": bodies[0]})
                else:
                    node.clear()
                    node.update({"type": "parallel", "branches": [{"to": body, **_when(draw_)} for body in bodies]})
                todo += [(body, depth + 1) for body in bodies]
            later = names[index + 1 :]
            targets = [child for child, parent in parents.items() if parent == name]
            targets += [target for target in later if draw_(st.integers(0, 4)) == 0]
            edges: list[dict[str, Any]] = [{"to": target, "when": _label(draw_)} for target in targets]
            ancestor = name
            while draw_(st.booleans()) and ancestor in parents:
                ancestor = parents[ancestor]
            if draw_(st.integers(0, 3)) == 0:
                edges.append({"loop_back": ancestor, "max": draw_(st.integers(1, 99))})
            if edges and "when" in edges[-1] and draw_(st.booleans()):
                del edges[-1]["when"]
            elif edges and draw_(st.booleans()):
                edges.append({"to": "end"})
            if edges:
                node["next"] = edges
    return nodes


def _node(draw_: Any) -> dict[str, Any]:
    kinds = ({"set": {"x": 1}}, {"run": "make " * 12}, {"type": "human_input", "input": "approval"}, {"wait": "1s"})
    return dict(draw_(st.sampled_from(kinds)))


def _label(draw_: Any) -> str:
    return f"state.x == {'1' * draw_(st.sampled_from([1, 10, 30, 90]))}"


def _when(draw_: Any) -> dict[str, Any]:
    return {"when": _label(draw_)} if draw_(st.booleans()) else {}


@pytest.mark.untraced
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.integers(LEAST_COLUMNS, 130))
def test_every_node_stands_once_and_every_edge_can_be_followed(nodes: dict[str, Any], columns: int) -> None:
    drawn = workflow("nodes: " + json.dumps(nodes))
    picture = draw.text(drawn, columns)
    assert all(cells.width(plain(line)) <= columns for line in picture)
    trace = Trace(picture)
    apart = [
        box.name for box in trace.boxes if not box.framed and type(drawn.graph.nodes[box.name]) in (Loop, Parallel)
    ]
    assert Counter(box.name for box in trace.boxes) == Counter([*drawn.graph.nodes, *apart])
    assert trace.edges == sorted(_edges(drawn))
    _every_label_is_there(drawn, [plain(line) for line in picture])


def _edges(drawn: Workflow) -> list[tuple[str, str]]:
    found = [(node.name, way.target) for node in drawn.graph.nodes.values() for way in ways(node)]
    opened = [(region.owner, entry) for entry, region in drawn.graph.regions.items() if region.owner]
    return found + opened


def _every_label_is_there(drawn: Workflow, picture: list[str]) -> None:
    notes = "".join("".join(picture).split())
    for node in drawn.graph.nodes.values():
        for way in ways(node):
            assert "".join(way.label.split()) in notes
