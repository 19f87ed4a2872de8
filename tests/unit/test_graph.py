"""Scopes, cycles and the compiled graph."""

from __future__ import annotations

import time
from typing import Any

import pytest

from magent.expressions import Condition, Expression, Value
from magent.graph import compile
from magent.layout import Fault, Layout, layout, sketch
from magent.model import (
    Branch,
    Case,
    Choice,
    Edge,
    End,
    Graph,
    Loop,
    Node,
    OnError,
    Parallel,
    SetOnly,
    Subgraph,
    Task,
    Workflow,
)


def cut(nodes: dict[str, Any]) -> Layout:
    return layout({name: sketch(name, node) for name, node in nodes.items()})


def faults(nodes: dict[str, Any]) -> list[Fault]:
    return list(cut(nodes).faults)


def kinds(nodes: dict[str, Any]) -> list[tuple[str, str]]:
    return [(fault.kind, fault.node) for fault in faults(nodes)]


def test_the_first_node_is_the_entry() -> None:
    assert cut({"b": {"next": "a"}, "a": {}}).entry == "b"


def test_a_start_node_is_the_entry_wherever_it_stands() -> None:
    assert cut({"a": {}, "go": {"type": "start", "next": "a"}}).entry == "go"


def test_a_second_start_is_one_fault_that_names_the_first() -> None:
    [fault] = faults({"s": {"type": "start", "next": "a"}, "a": {}, "t": {"type": "start", "next": "a"}})
    assert (fault.kind, fault.node, fault.other) == ("starts", "t", "s")


def test_branches_and_bodies_are_regions_of_their_own_outer_ones_first() -> None:
    found = cut(
        {
            "fan": {"type": "parallel", "branches": ["x", {"to": "y", "when": "inputs.deep"}], "next": "z"},
            "x": {"next": "x2"},
            "x2": {"type": "loop", "body": "inner"},
            "inner": {},
            "y": {"on_error": {"goto": "mend"}},
            "mend": {},
            "z": {},
        }
    )
    assert found.faults == ()
    assert {entry: (region.owner, region.nodes) for entry, region in found.regions.items()} == {
        "fan": (None, ("fan", "z")),
        "x": ("fan", ("x", "x2")),
        "y": ("fan", ("y", "mend")),
        "inner": ("x2", ("inner",)),
    }
    assert list(found.regions) == ["fan", "x", "y", "inner"]
    assert found.region_of["mend"] == "y"


def test_an_edge_out_of_a_branch_is_a_fault_at_the_edge() -> None:
    [fault] = faults({"fan": {"type": "parallel", "branches": ["x"], "next": "z"}, "x": {"next": "z"}, "z": {}})
    assert (fault.kind, fault.node, fault.path, fault.target) == ("out", "x", ("next",), "z")


def test_an_edge_into_a_branch_is_a_fault_at_the_edge() -> None:
    [fault] = faults({"fan": {"type": "parallel", "branches": ["x"], "next": [{"to": "x"}]}, "x": {}})
    assert (fault.kind, fault.node, fault.path, fault.other) == ("into", "fan", ("next", 0, "to"), "x")


def test_a_node_that_two_branches_share_is_a_fault_at_the_second_way() -> None:
    [fault] = faults(
        {"fan": {"type": "parallel", "branches": ["x", "y"]}, "x": {"next": "z"}, "y": {"next": "z"}, "z": {}}
    )
    assert (fault.kind, fault.node, fault.target, fault.other) == ("shared", "y", "z", "x")


def test_a_branch_named_twice_is_a_fault() -> None:
    assert kinds({"fan": {"type": "parallel", "branches": ["x", "x"]}, "x": {}}) == [("opened_twice", "fan")]


def test_a_body_that_is_the_first_node_is_a_fault_of_the_body() -> None:
    assert ("entry", "l") in kinds({"x": {"next": "l"}, "l": {"type": "loop", "body": "x"}})


def test_a_node_that_is_its_own_body_is_a_fault() -> None:
    assert kinds({"l": {"type": "loop", "body": "l"}}) == [("itself", "l")]


def test_of_nodes_that_nothing_reaches_the_first_is_told_with_its_followers() -> None:
    [fault] = faults({"a": {}, "b": {"next": "c"}, "c": {"next": "d"}, "d": {}})
    assert (fault.kind, fault.node, fault.names) == ("unreachable", "b", ("c", "d"))


def test_a_circle_that_nothing_reaches_is_told_once() -> None:
    found = kinds({"a": {}, "b": {"next": "c"}, "c": {"next": {"loop_back": "b"}}})
    assert found == [("unreachable", "b")]


def test_a_cycle_is_told_at_the_edge_that_closes_it() -> None:
    [fault] = faults({"a": {"next": "b"}, "b": {"next": "c"}, "c": {"next": [{"to": "b", "when": "inputs.x"}]}})
    assert (fault.kind, fault.node, fault.path, fault.names) == ("cycle", "c", ("next", 0, "to"), ("b", "c", "b"))


def test_a_node_that_follows_itself_is_a_cycle() -> None:
    assert faults({"a": {"next": "a"}})[0].names == ("a", "a")


def test_an_error_handler_that_leads_back_is_a_cycle() -> None:
    assert kinds({"a": {"on_error": {"goto": "mend"}}, "mend": {"next": "a"}}) == [("cycle", "mend")]


def test_each_edge_that_closes_a_cycle_is_told() -> None:
    nodes = {
        "a": {"next": [{"to": "b", "when": "x"}, {"to": "c"}]},
        "b": {"next": "a"},
        "c": {"next": [{"to": "a", "when": "x"}, {"to": "d"}]},
        "d": {"next": "c"},
    }
    assert sorted(kinds(nodes)) == [("cycle", "b"), ("cycle", "c"), ("cycle", "d")]


def test_a_long_cycle_is_shown_shortened() -> None:
    nodes: dict[str, Any] = {f"n{number}": {"next": f"n{number + 1}"} for number in range(100)}
    nodes["n100"] = {"next": "n0"}
    [fault] = faults(nodes)
    assert len(fault.names) < 20
    assert fault.names[-3:] == ("…", "n100", "n0")


def test_a_loop_back_may_go_to_the_node_itself_or_to_one_before_it() -> None:
    nodes = {
        "a": {"next": [{"to": "b", "when": "x"}, {"to": "c"}]},
        "b": {"next": "d"},
        "c": {"next": [{"loop_back": "c", "max": 2}, {"to": "d"}]},
        "d": {"next": [{"loop_back": "b"}]},
    }
    assert faults(nodes) == []


def test_a_loop_back_to_a_sibling_or_forward_is_a_fault() -> None:
    nodes = {
        "a": {"next": [{"to": "b", "when": "x"}, {"to": "c"}]},
        "b": {"on_error": {"loop_back": "c"}},
        "c": {"next": {"loop_back": "d"}},
        "d": {},
    }
    found = [(fault.kind, fault.node, fault.path) for fault in faults(nodes)]
    assert found == [("loop_back", "b", ("on_error", "loop_back")), ("loop_back", "c", ("next", "loop_back"))]


@pytest.mark.parametrize(
    "node",
    [7, {"next": 7}, {"next": [None]}, {"branches": 3}, {"body": {}}, {"cases": []}, {"type": []}, {"next": {"t": 1}}],
)
def test_a_malformed_node_is_sketched_as_not_whole(node: Any) -> None:
    assert not sketch("a", node).whole


def test_cases_and_default_are_edges() -> None:
    node = {"type": "condition", "switch": "x", "cases": {"p": "a", "q": {"loop_back": "b", "max": 2}}, "default": "c"}
    found = [(link.kind, link.target, link.path) for link in sketch("n", node).links]
    assert found == [
        ("conditional", "a", ("cases", "p")),
        ("loop_back", "b", ("cases", "q", "loop_back")),
        ("normal", "c", ("default",)),
    ]


def test_a_graph_without_nodes_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        layout({})


@pytest.mark.untraced
def test_chains_nests_and_fans_of_ten_thousand_are_cut_quickly() -> None:
    chain = {f"n{i}": {"next": [{"loop_back": f"n{i // 2}", "when": "x"}, {"to": f"n{i + 1}"}]} for i in range(10_000)}
    nest: dict[str, Any] = {f"n{i}": {"type": "loop", "body": f"n{i + 1}"} for i in range(10_000)}
    fan = {"fan": {"type": "parallel", "branches": [f"n{i}" for i in range(1, 10_001)]}} | {
        f"n{i}": {} for i in range(1, 10_000)
    }
    started = time.process_time()
    for nodes in (chain, nest, fan):
        assert cut(nodes | {"n10000": {}}).faults == ()
    assert time.process_time() - started < 10


def task(name: str, *edges: Edge, region: str = "", on_error: OnError = OnError()) -> Task:  # noqa: B008 - frozen
    return Task(name=name, work=SetOnly(), next=edges, region=region, on_error=on_error)


def workflow(*nodes: Node) -> Workflow:
    table = {node.name: node for node in nodes}
    kinds = {
        name: {"type": node.type, "next": [{"to": edge.target} for edge in node.next]} for name, node in table.items()
    }
    for name, node in table.items():
        if isinstance(node, Parallel):
            kinds[name]["branches"] = [branch.to for branch in node.branches] or [str(node.body)]
        if isinstance(node, Loop):
            kinds[name]["body"] = node.body
    found = cut(kinds)
    graph = Graph(key="", home=".", nodes=table, entry=found.entry, regions=found.regions)
    return Workflow(name="w", file="w.yaml", home=".", root="", graphs={"": graph}, frozen={})


def edges(nodes: Workflow) -> set[tuple[str, str, str, str | None, bool]]:
    return {
        (source, target, data["type"], data["when"], data["implied"])
        for source, target, data in compile(nodes).edges(data=True)
    }


def test_the_compiled_graph_has_the_edges_that_scopes_imply() -> None:
    found = edges(
        workflow(
            Parallel(
                name="fan",
                branches=(Branch("x"), Branch("y", Condition("inputs.deep"))),
                next=(Edge("normal", "l"),),
            ),
            task("x", region="x"),
            task("y", Edge("normal", "end"), region="y"),
            Loop(name="l", body="b", condition=Condition("output > 1"), kind="while", region="fan"),
            task("b", region="b"),
        )
    )
    assert found == {
        ("fan", "l", "normal", None, False),
        ("fan", "x", "normal", None, True),
        ("fan", "y", "conditional", "inputs.deep", True),
        ("x", "l", "normal", None, True),
        ("y", "l", "normal", None, True),  # one edge: its `to: end` ends the branch, and not the run
        ("l", "b", "conditional", "output > 1", True),
        ("b", "l", "loop_back", None, True),
    }


def test_each_to_end_of_a_branch_is_one_edge_with_its_condition() -> None:
    found = edges(
        workflow(
            Parallel(name="fan", branches=(Branch("x"),), next=(Edge("normal", "l"),)),
            task("x", Edge("conditional", "end", Condition("output > 1")), Edge("normal", "x2"), region="x"),
            task("x2", Edge("conditional", "end", Condition("output > 2")), Edge("normal", "end"), region="x"),
            Loop(name="l", body="b", for_each=Expression("[1]"), kind="for_each", region="fan"),
            task("b", Edge("normal", "end"), on_error=OnError("go", Edge("normal", "end")), region="b"),
        )
    )
    assert found == {
        ("fan", "x", "normal", None, True),
        ("fan", "l", "normal", None, False),
        ("x", "x2", "normal", None, False),
        ("x", "l", "conditional", "output > 1", True),
        ("x2", "l", "conditional", "output > 2", True),
        ("x2", "l", "normal", None, True),
        ("l", "b", "normal", None, True),
        ("b", "l", "loop_back", None, True),
        ("b", "l", "loop_back", "on error", True),
    }


def test_a_branch_of_a_parallel_that_ends_a_round_leads_back_to_the_loop() -> None:
    found = edges(
        workflow(
            Loop(name="l", body="fan", for_each=Expression("[1]"), kind="for_each"),
            Parallel(name="fan", branches=(Branch("x"),), region="fan"),
            task("x", region="x"),
        )
    )
    assert ("x", "l", "loop_back", None, True) in found


def test_conditions_cases_loop_backs_and_error_edges_carry_their_text() -> None:
    choice = Choice(
        name="c",
        switch=Expression("state.a.label"),
        cases=(Case("bug", Edge("loop_back", "a", max=Value(3))),),
        default=Edge("normal", "d"),
    )
    found = compile(
        workflow(
            task("a", Edge("conditional", "c", Condition("output.ok")), on_error=OnError("go", Edge("normal", "d"))),
            choice,
            task("d", Edge("loop_back", "d")),
        )
    )
    shown = {(a, b): (data["type"], data["when"], data["max"]) for a, b, data in found.edges(data=True)}
    assert shown == {
        ("a", "c"): ("conditional", "output.ok", None),
        ("a", "d"): ("conditional", "on error", None),
        ("c", "a"): ("loop_back", "state.a.label == 'bug'", 3),
        ("c", "d"): ("normal", None, None),
        ("d", "d"): ("loop_back", None, 100),
    }


def test_a_subgraph_is_one_node_and_nodes_carry_their_type() -> None:
    found = compile(workflow(Subgraph(name="s", uses="other", next=(Edge("normal", "done"),)), End(name="done")))
    assert {name: (data["type"], data["label"]) for name, data in found.nodes(data=True)} == {
        "s": ("subgraph", ""),
        "done": ("end", "success"),
    }


def test_the_end_that_is_not_declared_is_a_node_where_an_edge_names_it() -> None:
    found = compile(workflow(task("a", Edge("normal", "end"))))
    assert found.nodes["end"]["type"] == "end"
