"""The state of a run, step by step: differences, scopes, and what it costs to find them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

import magent
from magent.history import Change, Step, difference, steps
from magent.stores import open_store

ONE, TWO = {"a": 1}, {"a": 2}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (None, 1, [("add", "k", None, 1)]),
        (1, None, [("remove", "k", 1, None)]),
        (1, 2, [("change", "k", 1, 2)]),
        (1, 1, []),
        (1, True, [("change", "k", 1, True)]),
        ([], ["x"], [("add", "k[0]", None, "x")]),
        (["x"], ["x", "y", "z"], [("add", "k[1]", None, "y"), ("add", "k[2]", None, "z")]),
        (["x", "y"], ["x", "z"], [("change", "k[1]", "y", "z")]),
        (["x", "y"], ["z"], [("change", "k", ["x", "y"], ["z"])]),
        ({"a": ONE, "b": 1}, {"a": TWO, "b": 1}, [("change", "k.a.a", 1, 2)]),
        ({"a": 1}, {"b": 1}, [("remove", "k.a", 1, None), ("add", "k.b", None, 1)]),
        ({"a": [ONE]}, {"a": [ONE, TWO]}, [("add", "k.a[1]", None, TWO)]),
        ("x", ["x"], [("change", "k", "x", ["x"])]),
        ({"a": True}, {"a": 1}, [("change", "k.a", True, 1)]),
        ([True], [1, 2], [("change", "k", [True], [1, 2])]),
        ({}, {"a": None}, []),
    ],
)
def test_a_difference_names_what_changed_by_its_path(before: Any, after: Any, found: list[tuple[Any, ...]]) -> None:
    assert difference("k", before, after) == [Change(*each) for each in found]


def test_data_of_any_depth_is_compared() -> None:
    deep: Any = 1
    for _ in range(190):
        deep = {"k": deep}
    (change,) = difference("k", {"k": 0}, {"k": deep})
    assert change.path == "k.k"
    assert len(difference("k", deep, {**deep, "k": 2})) == 1


async def told(**workflow: Any) -> list[Step]:
    store = open_store("memory:")
    loaded = magent.load({"name": "w", **workflow})
    await loaded.run(store=store, run_id="r1")
    return list(steps(loaded.workflow, (await store.read("r1", checkpoint=False)).events, "r1"))


def shown(found: list[Step]) -> list[tuple[str, str, list[str]]]:
    return [(step.path, step.scope, [f"{each.what} {each.path}" for each in step.changes]) for step in found]


STATE: Mapping[str, Any] = {"log": {"reduce": "append", "default": []}, "n": {"reduce": "sum", "default": 1}}


async def test_branches_keep_their_writes_until_the_join() -> None:
    nodes = {
        "fan": {"type": "parallel", "branches": ["b", "c"]},
        "b": {"set": {"log": "b", "n": 2}},
        "c": {"set": {"log": "c"}},
    }
    assert shown(await told(state=STATE, nodes=nodes)) == [
        ("", "", ["add log", "add n"]),
        ("b", "branch b of fan", ["add log[0]", "change n"]),
        ("c", "branch c of fan", ["add log[0]"]),
        ("fan", "", ["add log[0]", "add log[1]", "change n", "add fan"]),
    ]


async def test_a_step_says_by_which_reducers_its_writes_were_taken_in() -> None:
    found = await told(state=STATE, nodes={"a": {"set": {"log": "x", "plain": 1}}})
    assert [dict(step.reducers) for step in found] == [{}, {"log": "append"}]
    assert found[1].as_json()["reducers"] == {"log": "append"}


async def test_rounds_write_where_their_loop_does_and_items_to_themselves() -> None:
    nodes = {
        "loop": {"type": "loop", "for_each": [1, 2], "body": "inner"},
        "inner": {"type": "parallel", "for_each": ["x"], "body": "work"},
        "work": {"set": {"log": "{{ item }}"}},
    }
    found = shown(await told(state=STATE, nodes=nodes))[1:]
    assert [(path, scope) for path, scope, _ in found] == [
        ("loop[0]/inner[0]/work", "item 0 of loop[0]/inner"),
        ("loop[0]/inner", ""),
        ("loop[1]/inner[0]/work", "item 0 of loop[1]/inner"),
        ("loop[1]/inner", ""),
        ("loop", ""),
    ]
    assert found[3][2] == ["add log[1]"]


async def test_a_subgraph_has_a_state_of_its_own() -> None:
    inner = {"nodes": {"a": {"set": {"y": 1}}}, "outputs": {"y": "{{ state.y }}"}}
    found = shown(await told(subgraphs={"inner": inner}, nodes={"sub": {"type": "subgraph", "uses": "inner"}}))
    assert found[1] == ("sub/a", "subgraph sub", ["add y"])
    assert found[-1] == ("sub", "", ["add sub"])


async def test_a_failure_that_is_passed_over_is_a_step() -> None:
    nodes = {"a": {"run": "exit 3", "on_error": "continue", "next": "b"}, "b": {"set": {"x": 1}}}
    found = await told(nodes=nodes)
    assert [(step.path, step.status) for step in found] == [("", "begins"), ("a", "failed"), ("b", "completed")]


@pytest.mark.untraced
async def test_ten_thousand_steps_are_quick() -> None:
    store = open_store("memory:")
    nodes = {"loop": {"type": "loop", "for_each": "range(5000) | list", "body": "work"},
             "work": {"set": {"log": "{{ item }}", "n": 1}}}  # fmt: skip
    loaded = magent.load({"name": "w", "limits": {"max_steps": 20_000}, "state": STATE, "nodes": nodes})
    await loaded.run(store=store, run_id="r1")
    events = (await store.read("r1", checkpoint=False)).events
    began = time.process_time()
    assert len(list(steps(loaded.workflow, events, "r1"))) == 5002
    assert len(events) > 10_000
    assert time.process_time() - began < 5
