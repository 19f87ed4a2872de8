"""Shared state: reducers wherever a key is set, what branches see and what comes out of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.language import Programs, failure, lab, outputs, ran


async def kept(how: str, *writes: Any, default: Any = None, more: str = "") -> Any:
    """What a key holds after a series of writes in one scope."""
    given = {"writes": list(writes)}
    text = f"""
inputs: {{writes: {{type: array}}}}
state: {{k: {{reduce: {how}, default: {json.dumps(default)}{more}}}}}
nodes:
  l: {{type: loop, for_each: inputs.writes, as: w, body: b}}
  b: {{set: {{k: "{{{{ w }}}}"}}}}
outputs: {{k: "{{{{ state.k }}}}"}}
"""
    return (await outputs(text, given))["k"]


@pytest.mark.parametrize(
    ("how", "default", "writes", "expected"),
    [
        ("replace", 1, [2, None, 3], 3),
        ("replace", 1, [2, None], None),
        ("append", [], [1, [2], "x"], [1, [2], "x"]),
        ("append", None, [1], [1]),
        ("append", [0], [1, None, 2], [0, 2]),
        ("extend", [], [[1], [], [2, [3]]], [1, 2, [3]]),
        ("extend", None, [[1]], [1]),
        ("extend", ["d"], [[1], None, [2]], ["d", 2]),
        ("merge", {}, [{"a": {"b": 1}}, {"a": {"c": 2}, "d": [1]}, {"d": [2]}], {"a": {"b": 1, "c": 2}, "d": [2]}),
        ("merge", None, [{"a": 1}, {"a": None}], {"a": None}),
        ("merge", {"z": 0}, [{"a": 1}, None], {"z": 0}),
        ("merge", {}, [{"a": {"b": 1}}, {"a": 5}, {"a": {"c": 1}}], {"a": {"c": 1}}),
        ("sum", 0, [1, 2.5, -1], 2.5),
        ("sum", None, [4, 5], 9),
        ("sum", 10, [1, None, 2], 12),
        ("min", None, [3, 1, 2], 1),
        ("min", 0, [3], 0),
        ("max", None, [3, 1, 7.5], 7.5),
        ("max", 10, [3, None], 10),
        ("union", [], [["a", "b"], ["b", "c"]], ["a", "b", "c"]),
        ("union", None, [[1, True, 1.0, [1], [True], {"a": 1}, {"a": 1}]], [1, True, [1], [True], {"a": 1}]),
        ("union", ["a"], [["b"], None], ["a"]),
    ],
)
async def test_each_reducer_makes_of_writes_what_its_name_says(
    how: str, default: Any, writes: list[Any], expected: Any
) -> None:
    found = await kept(how, *writes, default=default)
    assert found == expected
    assert str(found) == str(expected)


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ("extend", "text"),
        ("extend", {"a": 1}),
        ("merge", [1]),
        ("merge", "x"),
        ("sum", "1"),
        ("sum", True),
        ("min", [1]),
        ("max", "x"),
        ("union", {"a": 1}),
        ("union", "x"),
    ],
)
async def test_what_a_reducer_cannot_take_fails_the_node_with_value(how: str, wrong: Any) -> None:
    text = f"inputs: {{w: {{}}}}\nstate: {{k: {{reduce: {how}}}}}\nnodes: {{a: {{set: {{k: '{{{{ inputs.w }}}}'}}}}}}"
    found = await failure(text, {"w": wrong})
    assert (found.type, found.node) == ("value", "a")
    assert "state.k" in found.message


async def test_a_failed_set_writes_none_of_its_keys() -> None:
    text = """
state: {n: {type: integer, default: 0, reduce: sum}}
nodes:
  a: {set: {x: 1, n: text}, on_error: {goto: b}}
  b: {set: {y: "{{ state.x }}"}}
"""
    assert await outputs(text) == {"n": 0, "y": None}


async def test_reducers_work_in_branches_items_rounds_and_nested_joins_in_the_order_of_the_file() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}, n: {type: integer, default: 0, reduce: sum}}
nodes:
  start: {set: {log: s, n: 1}, next: fan}
  fan: {type: parallel, branches: [slow, each, l], next: done}
  slow: {wait: 9s, next: slow2}
  slow2: {set: {log: slow, n: 10}}
  each: {type: parallel, for_each: [3, 1, 2], as: s, body: pause}
  pause: {wait: "{{ s }}s", next: inner}
  inner: {type: parallel, branches: [p, q], next: last}
  p: {wait: 1s, next: p2}
  p2: {set: {log: "p{{ s }}", n: 100}}
  q: {set: {log: "q{{ s }}", n: 100}}
  last: {set: {log: "saw {{ state.n }}"}}
  l: {type: loop, for_each: [a, b], as: letter, body: r}
  r: {set: {log: "{{ letter }}{{ state.n }}", n: 1000}}
  done: {set: {total: "{{ state.n }}"}}
"""
    found = await outputs(text)
    each = [text for s in (3, 1, 2) for text in (f"p{s}", f"q{s}", "saw 201")]
    assert found["log"] == ["s", "slow", *each, "a1", "b1001"]
    assert (found["n"], found["total"]) == (2611, 2611)


async def test_the_order_of_a_join_is_that_of_the_items_whoever_is_done_first() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}, last: {type: integer}}
nodes:
  each: {type: parallel, for_each: [5, 1, 3], body: b}
  b: {wait: "{{ item }}s", next: c}
  c: {set: {log: "{{ item }}", last: "{{ item }}"}}
"""
    found = await outputs(text)
    assert (found["log"], found["last"]) == ([5, 1, 3], 3)


async def test_null_in_a_branch_puts_the_default_back_at_the_join_in_its_turn() -> None:
    text = """
state: {n: {type: integer, default: 5, reduce: sum}}
nodes:
  each: {type: parallel, for_each: [1, null, 2], body: b}
  b: {set: {n: "{{ item }}"}}
"""
    assert (await outputs(text))["n"] == 7


async def test_a_branch_never_sees_its_siblings_nor_their_facts_and_the_join_sees_all() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], next: z}
  a: {run: [say, A], set: {ka: 1}}
  b: {wait: 5s, next: c}
  c: {set: {kc: "{{ state.ka }} {{ state.a }} {{ nodes.a.status }}"}}
  z: {set: {all: "{{ state.ka }} {{ state.a.stdout }} {{ nodes.a.status }} {{ nodes.c.visits }}"}}
"""
    found = await outputs(text)
    assert (found["kc"], found["all"]) == ("  pending", "1 A completed 1")


async def test_items_do_not_see_one_anothers_keys_and_only_declared_ones_come_out() -> None:
    text = """
state: {known: {}}
nodes:
  each: {type: parallel, for_each: [1, 2], body: a, max_concurrency: 1, next: z}
  a: {run: [say], set: {hidden: "{{ (state.hidden | default(0)) + item }}", known: "{{ item }}"}, next: b}
  b: {set: {known: "{{ state.hidden }}{{ state.a.exit_code }}"}}
  z: {set: {all: "{{ state.hidden }} {{ state.a }} {{ nodes.a.visits }} {{ state.known }}"}}
"""
    found = await outputs(text)
    assert found["all"] == "  0 20"
    assert "hidden" not in found
    assert "a" not in found


async def test_writes_of_a_failed_or_cancelled_branch_do_not_come_out() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  fan: {type: parallel, branches: [a, c, e], on_branch_error: collect, timeout: 10s}
  a: {set: {log: a}, next: b}
  b: {run: [fail]}
  c: {set: {log: c}, next: d}
  d: {wait: 1h}
  e: {set: {log: e}}
"""
    assert (await outputs(text))["log"] == ["e"]


async def test_rounds_share_the_state_and_the_facts() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [1, 2, 3], body: a}
  a:
    run: [say, "{{ (state.k | default(0)) }}"]
    set: {k: "{{ (state.k | default(0)) + item }}", v: "{{ nodes.a.visits }}"}
"""
    found = await outputs(text)
    assert (found["k"], found["v"], found["a"]["stdout"]) == (6, 3, "3")


async def test_a_subgraph_sees_nothing_of_the_outer_state_and_leaves_nothing_there() -> None:
    text = """
state: {k: {type: integer, default: 1, reduce: sum}}
nodes:
  a: {set: {k: 5}, next: s}
  s: {type: subgraph, uses: u, next: s2}
  s2: {type: subgraph, uses: u}
subgraphs: {u: {state: {k: {type: integer, default: 100, reduce: sum}}, nodes: {i: {set: {k: 1}}}}}
"""
    found = await outputs(text)
    assert (found["k"], found["s"], found["s2"]) == (6, {"k": 101}, {"k": 101})


async def test_a_value_that_was_forked_is_never_changed_by_a_branch() -> None:
    text = """
state: {m: {type: object, default: {a: {}}, reduce: merge}}
nodes:
  first: {set: {keep: "{{ state.m }}"}, next: each}
  each: {type: parallel, for_each: ["x", "y"], body: b, next: last}
  b: {set: {m: {a: {"k": "{{ item }}"}}, seen: "{{ state.m.a | length }}"}}
  last: {set: {m: {a: {z: 1}}}}
"""
    found = await outputs(text)
    assert found["keep"] == {"a": {}}
    assert found["m"] == {"a": {"k": "y", "z": 1}}


async def test_two_runs_of_one_workflow_do_not_share_a_default() -> None:
    text = "state: {k: {type: array, default: [], reduce: append}}\nnodes: {a: {set: {k: 1}}}"
    room = lab(text)
    assert (await room.start()).outputs == {"k": [1]}
    assert (await lab(text).start()).outputs == {"k": [1]}


async def test_only_so_many_successes_as_are_waited_for_are_taken_also_when_more_come_at_once() -> None:
    text = """
state: {log: {type: array, default: [], reduce: append}}
nodes:
  each: {type: parallel, for_each: "range(6)", body: b, wait_for: 2}
  b: {set: {log: "{{ item }}"}, next: c}
  c: {run: [say, "{{ item }}"]}
"""
    for executor in (Programs(), Programs(say=lambda n: int(n))):
        run = await ran(text, executor=executor)
        taken = [index for index, each in enumerate(run.outputs["each"]) if each is not None]
        assert len(taken) == 2
        assert run.outputs["log"] == taken


async def test_any_takes_one_also_of_branches_that_need_no_time() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b, c], wait_for: any}
  a: {set: {x: 1}}
  b: {set: {y: 1}}
  c: {set: {z: 1}}
"""
    found = await outputs(text)
    assert len({*found} & {"x", "y", "z"}) == 1
