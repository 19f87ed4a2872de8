"""parallel, loop and subgraph: what they open, wait for, give and cancel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.build import Lab
from tests.engine.language import People, Programs, checked, code, failure, forever, lab, outputs, ran

# ---- parallel


async def test_wait_for_a_number_takes_the_first_that_succeed_and_cancels_the_programs_of_the_rest() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [hang, say, fail, say, hang], as: what, body: b, wait_for: 2}
  b: {run: ["{{ what }}"]}
"""
    programs = Programs()
    found = await outputs(text, executor=programs)
    assert [each is None for each in found["each"]] == [True, False, True, False, True]
    assert programs.cancelled == [["hang"], ["hang"]]


async def test_wait_for_may_be_a_template() -> None:
    text = """
inputs: {n: {}}
nodes:
  each: {type: parallel, for_each: [1, 2, 3], body: b, wait_for: "{{ inputs.n }}"}
  b: {run: [say]}
"""
    for wanted, count in ((1, 1), (3, 3), ("all", 3), ("any", 1)):
        found = await outputs(text, {"n": wanted})
        assert sum(each is not None for each in found["each"]) == count
    wrongs: list[Any] = [0, -1, "2", "some", 1.5, None, True]
    for wrong in wrongs:
        assert (await failure(text, {"n": wrong})).type == "value"


async def test_more_than_there_are_can_never_be_reached() -> None:
    text = """
inputs: {n: {type: integer}}
nodes:
  each: {type: parallel, for_each: "range(inputs.n)", body: b, wait_for: 3}
  b: {run: [say]}
"""
    found = await failure(text, {"n": 2})
    assert found.node == "each"
    assert (await outputs(text, {"n": 0}))["each"] == []


async def test_any_fails_when_the_last_branch_has_failed_with_the_failure_that_came_first() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], wait_for: any}
  a: {wait: 1s, next: a2}
  a2: {run: [fail, 3]}
  b: {run: [fail, 4]}
"""
    found = await failure(text)
    assert (found.node, found.data["exit_code"]) == ("b", 4)


async def test_a_branch_fails_only_when_its_own_on_error_did_not_catch_it() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], set: {e: "{{ nodes.fan.errors }}"}}
  a: {run: [fail], on_error: continue}
  b: {run: [fail], on_error: {goto: c}}
  c: {run: [say, mended]}
"""
    found = await outputs(text)
    assert (found["e"], found["fan"]["a"], found["fan"]["b"]["stdout"]) == ({}, None, "mended")


async def test_every_branch_left_out_goes_on_at_once_all_null() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [{to: a, when: "false"}, {to: b, when: "false"}], wait_for: any, next: z}
  a: {run: [say]}
  b: {run: [say]}
  z: {set: {x: "{{ state.fan }}", s: "{{ nodes.a.status }}"}}
"""
    found = await outputs(text)
    assert (found["x"], found["s"]) == ({"a": None, "b": None}, "pending")


async def test_all_means_all_that_are_taken() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [{to: a, when: "false"}, b, c]}
  a: {run: [say]}
  b: {run: [say, b]}
  c: {run: [say, c]}
"""
    found = (await outputs(text))["fan"]
    assert [found[name] and found[name]["stdout"] for name in "abc"] == [None, "b", "c"]


async def test_collect_waits_for_every_branch_and_no_failure_fails_the_node() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [1, 2, 3, 4], body: b, on_branch_error: collect,
         next: [{to: z, when: nodes.each.errors | length == 2}]}
  b: {run: [work, "{{ item }}"]}
  z: {set: {e: "{{ nodes.each.errors }}", s: "{{ nodes.each.status }}"}}
"""
    programs = Programs(work=lambda n: code(int(n) % 2))
    found = await outputs(text, executor=programs)
    assert {key: each["type"] for key, each in found["e"].items()} == {"0": "exit", "2": "exit"}
    assert all(set(each) == {"type", "message"} for each in found["e"].values())
    assert [each is None for each in found["each"]] == [True, False, True, False]
    assert found["s"] == "completed"


async def test_max_concurrency_bounds_the_branches_at_work_and_starts_them_in_order() -> None:
    for owner in ('for_each: "range(6)", body: b', "branches: [b, c, d, e, f, g]"):
        names = ["b"] if "body" in owner else list("bcdefg")
        nodes = "\n".join(f"  {name}: {{run: [say, {name}]}}" for name in names)
        programs = Programs()
        room = lab(f"nodes:\n  p: {{type: parallel, {owner}, max_concurrency: 2}}\n{nodes}", executor=programs)
        assert (await room.start()).status == "completed"
        assert programs.most == 2
        assert len(programs.begun) == 6
        assert [words[1] for words in programs.begun] == (names if len(names) > 1 else ["b"] * 6)


async def test_the_runs_own_bound_holds_over_all_scopes_and_composites_take_no_place() -> None:
    text = """
nodes:
  outer: {type: parallel, for_each: "range(3)", body: inner}
  inner: {type: parallel, for_each: "range(3)", body: l}
  l: {type: loop, for_each: [1, 2], body: s}
  s: {type: subgraph, uses: u}
subgraphs: {u: {nodes: {w: {run: [say]}}, outputs: {x: 1}}}
"""
    for width in (1, 2, 16):
        programs = Programs()
        room = lab(text, executor=programs, options={"width": width})
        assert (await room.start()).status == "completed"
        assert len(programs.begun) == 18
        assert programs.most == min(width, 9)


async def test_a_time_limit_cancels_what_is_unfinished_in_every_depth() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, l], timeout: 10s, on_error: {goto: z}}
  a: {run: [hang]}
  l: {type: loop, for_each: [1, 2], body: s}
  s: {type: subgraph, uses: u}
  z: {set: {why: "{{ error.type }} {{ error.node }}", visits: "{{ nodes.a.status }} {{ nodes.l.status }}"}}
subgraphs: {u: {nodes: {w: {run: [hang]}}, outputs: {x: 1}}}
"""
    programs = Programs()
    room = lab(text, executor=programs)
    run = await room.start()
    assert (run.outputs["why"], run.outputs["visits"]) == ("timeout fan", "cancelled cancelled")
    assert programs.cancelled == [["hang"], ["hang"]]
    cancelled = [event.data["path"] for event in room.journal.events if event.type == "visit.cancelled"]
    assert sorted(cancelled) == ["a", "l", "l[0]/s", "l[0]/s/w"]


@pytest.mark.parametrize(
    "node",
    [
        "x: {type: loop, for_each: [1, 2], body: y, timeout: 10s}\n  y: {wait: 6s}",
        "x: {type: loop, until: 'false', max_iterations: 9, body: y, timeout: 10s}\n  y: {wait: 6s}",
        "x: {type: subgraph, uses: u, timeout: 10s}",
        "x: {type: parallel, for_each: [1], body: y, timeout: 10s}\n  y: {wait: 6s, next: z}\n  z: {wait: 6s}",
    ],
)
async def test_the_timeout_of_a_composite_is_for_the_whole_visit(node: str) -> None:
    sub = "subgraphs: {u: {nodes: {w: {wait: 6s, next: v}, v: {wait: 6s}}, outputs: {x: 1}}}"
    room = lab(f"nodes:\n  {node}\n{sub if 'uses' in node else ''}")
    begun = room.clock.time
    run = await room.start()
    assert run.failure is not None
    assert (run.failure.type, run.failure.node, room.clock.time - begun) == ("timeout", "x", 10)


async def test_a_parallel_of_branches_may_be_entered_again_and_starts_afresh() -> None:
    text = """
state: {n: {type: integer, default: 0, reduce: sum}}
nodes:
  fan: {type: parallel, branches: [a, b], next: back}
  a: {set: {n: 1}, next: a2}
  a2: {run: [say, "{{ nodes.a.visits }}"]}
  b: {run: [say, b]}
  back: {wait: 0, next: [{loop_back: fan, max: 2}, {to: end}]}
"""
    found = await outputs(text)
    assert found["n"] == 3
    assert found["fan"]["a"]["stdout"] == "3"


async def test_items_may_be_anything_json_and_what_is_no_list_is_of_type_value() -> None:
    text = "inputs: {v: {}}\nnodes: {p: {type: %s, for_each: inputs.v, body: b}, b: {set: {x: '{{ item }}'}}}"
    for kind in ("parallel", "loop"):
        assert (await ran(text % kind, {"v": [None, {"a": [1]}, "x"]})).status == "completed"
        wrongs: list[Any] = ["text", {"a": 1}, 3, None, True]
        for wrong in wrongs:
            found = await failure(text % kind, {"v": wrong})
            assert (found.type, found.node) == ("value", "p")


# ---- loop


async def test_while_sees_null_first_and_then_the_last_output_and_the_round_to_come() -> None:
    text = """
nodes:
  l: {type: loop, while: "output is none or output.stdout != '2'", max_iterations: 9, body: b,
      set: {last: "{{ output.stdout }}"}}
  b: {run: [say, "{{ round.index }}"]}
"""
    run = await ran(text)
    assert run.path == ["l[0]/b", "l[1]/b", "l[2]/b", "l"]
    assert run.outputs["last"] == "2"


async def test_until_sees_the_output_state_and_round_of_the_round_that_ended() -> None:
    text = """
nodes:
  l: {type: loop, until: "output.stdout == '1' and state.k == 1 and round.index == 1", max_iterations: 3, body: b}
  b: {run: [say, "{{ round.index }}"], set: {k: "{{ round.index }}"}}
"""
    assert (await ran(text)).path == ["l[0]/b", "l[1]/b", "l"]


async def test_a_while_that_is_false_at_once_makes_no_round_and_gives_null() -> None:
    text = """
nodes:
  l: {type: loop, while: false, max_iterations: 3, body: b, next: z}
  b: {run: [say]}
  z: {set: {x: "{{ state.l }}"}}
"""
    run = await ran(text)
    assert (run.path, run.outputs) == (["l", "z"], {"l": None, "x": None})


async def test_a_while_that_becomes_false_with_the_last_round_is_not_exhausted() -> None:
    text = "nodes: {l: {type: loop, while: 'round.index < 3', max_iterations: 3, body: b}, b: {run: [say]}}"
    assert (await ran(text)).path == ["l[0]/b", "l[1]/b", "l[2]/b", "l"]


async def test_max_iterations_may_be_a_template() -> None:
    text = """
inputs: {n: {}}
nodes:
  l: {type: loop, until: "false", max_iterations: "{{ inputs.n }}", body: b, on_exhausted: continue}
  b: {run: [say]}
"""
    assert len((await ran(text, {"n": 3})).path) == 4
    wrongs: list[Any] = ["x", None, -1, 1.5]
    for wrong in wrongs:
        assert (await failure(text, {"n": wrong})).type == "value"


async def test_an_exhausted_loop_says_so_and_can_be_caught() -> None:
    text = """
nodes:
  l: {type: loop, until: "false", max_iterations: 2, body: b, on_error: {goto: z}}
  b: {run: [say]}
  z: {set: {why: "{{ error.type }} {{ error.node }}"}}
"""
    assert (await outputs(text))["why"] == "exhausted l"


async def test_on_exhausted_continue_gives_the_last_rounds_output() -> None:
    text = """
nodes:
  l: {type: loop, until: "false", max_iterations: 2, body: b, on_exhausted: continue}
  b: {run: [say, "{{ round.number }}"]}
"""
    assert (await outputs(text))["l"]["stdout"] == "2"


async def test_an_empty_list_makes_no_round_and_gives_an_empty_list() -> None:
    text = "nodes: {l: {type: loop, for_each: [], body: b, next: z}, b: {run: [say]}, z: {set: {x: '{{ state.l }}'}}}"
    assert (await outputs(text))["x"] == []


async def test_the_rounds_of_a_loop_over_a_list_can_be_bounded_too() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [1, 2, 3], max_iterations: 2, body: b, on_exhausted: continue}
  b: {run: [say]}
"""
    assert len((await outputs(text))["l"]) == 2


async def test_a_condition_of_a_loop_that_is_no_boolean_is_of_type_condition() -> None:
    for key in ("while", "until"):
        loop = f"l: {{type: loop, {key}: inputs.v, max_iterations: 2, body: b}}"
        text = f"inputs: {{v: {{}}}}\nnodes: {{{loop}, b: {{run: [say]}}}}"
        found = await failure(text, {"v": "text"})
        assert (found.type, found.node) == ("condition", "l")


async def test_null_ends_a_while_and_does_not_end_an_until() -> None:
    text = """
inputs: {v: {default: null}}
nodes: {l: {type: loop, %s: inputs.v, max_iterations: 2, body: b, on_exhausted: continue}, b: {run: [say]}}
"""
    assert (await ran(text % "while", {"v": None})).path == ["l"]
    assert len((await ran(text % "until", {"v": None})).path) == 3


async def test_addresses_of_a_parallel_in_a_loop_in_a_subgraph_in_a_for_each() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [1, 2], body: s, max_concurrency: 1}
  s: {type: subgraph, uses: u}
subgraphs:
  u:
    nodes:
      l: {type: loop, for_each: [1, 2], body: fan}
      fan: {type: parallel, branches: [a, b], max_concurrency: 1}
      a: {run: [say]}
      b: {type: parallel, for_each: [1], body: c}
      c: {run: [say]}
    outputs: {x: 1}
"""
    run = await ran(text, options={"width": 1})

    def rounds(index: int, number: int) -> list[str]:
        here = f"each[{index}]/s/l[{number}]/"
        return [f"{here}a", f"{here}b[0]/c", f"{here}b", f"{here}fan"]

    expected: list[str] = []
    for index in (0, 1):
        expected += [*rounds(index, 0), *rounds(index, 1), f"each[{index}]/s/l", f"each[{index}]/s"]
    assert run.path == [*expected, "each"]
    assert run.steps == len(run.path)


# ---- subgraph


async def test_inputs_of_a_subgraph_are_checked_and_defaults_filled_in() -> None:
    text = """
inputs: {v: {}}
nodes: {s: {type: subgraph, uses: u, with: {n: "{{ inputs.v }}"}}}
subgraphs:
  u:
    inputs: {n: {type: integer, minimum: 1}, m: {type: string, default: "d"}, o: {type: integer, default: null}}
    nodes: {i: {wait: 0}}
    outputs: {all: "{{ inputs }}"}
"""
    assert (await outputs(text, {"v": 3}))["s"] == {"all": {"n": 3, "m": "d", "o": None}}
    for wrong in ("3", 0, None):
        found = await failure(text, {"v": wrong})
        assert (found.type, found.node) == ("value", "s")


async def test_a_subgraph_may_call_itself_with_a_condition_to_end() -> None:
    text = """
nodes: {s: {type: subgraph, uses: count, with: {n: 4}}}
subgraphs:
  count:
    inputs: {n: {type: integer}}
    nodes:
      more: {type: condition, next: [{to: deeper, when: inputs.n > 0}, {to: end}]}
      deeper: {type: subgraph, uses: count, with: {n: "{{ inputs.n - 1 }}"}}
    outputs: {depth: "{{ (state.deeper.depth if state.deeper else 0) + 1 }}"}
"""
    run = await ran(text)
    assert run.outputs["s"] == {"depth": 5}
    assert "s/deeper/deeper/deeper/deeper" in run.path


async def test_subgraphs_may_name_one_another_and_sixteen_levels_are_allowed() -> None:
    text = """
inputs: {n: {type: integer}}
nodes: {s: {type: subgraph, uses: ping, with: {n: "{{ inputs.n }}"}}}
subgraphs:
  ping:
    inputs: {n: {type: integer}}
    nodes: {q: {type: subgraph, uses: pong, with: {n: "{{ inputs.n - 1 }}"}, when: inputs.n > 1}}
    outputs: {x: 1}
  pong:
    inputs: {n: {type: integer}}
    nodes: {p: {type: subgraph, uses: ping, with: {n: "{{ inputs.n - 1 }}"}, when: inputs.n > 1}}
    outputs: {x: 1}
"""
    assert (await outputs(text, {"n": 16})) == {"s": {"x": 1}}
    run = await ran(text, {"n": 17})
    assert (run.status, run.failure and run.failure.type) == ("interrupted", "limit")


async def test_a_subgraph_of_a_file_has_its_own_home_and_names(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "inner.yaml").write_text("""
magent: 1
name: inner
inputs: {n: {type: integer, default: 2}}
state: {k: {type: integer, default: 0, reduce: sum}}
nodes: {a: {set: {k: "{{ inputs.n }}"}, next: b}, b: {set: {home: "{{ run.home }}", name: "{{ run.name }}"}}}
outputs: {k: "{{ state.k }}", home: "{{ state.home }}", name: "{{ state.name }}"}
""")
    main = tmp_path / "main.yaml"
    text = "nodes: {s: {type: subgraph, uses: ./sub/inner.yaml, with: {n: 5}}}"
    run = await Lab(checked(text, str(main))).start()
    assert run.outputs["s"] == {"k": 5, "home": str(tmp_path / "sub"), "name": "test"}


async def test_the_outputs_of_a_subgraph_that_cannot_be_computed_fail_the_node() -> None:
    text = """
inputs: {v: {default: {}}}
nodes:
  s: {type: subgraph, uses: u, with: {v: "{{ inputs.v }}"}, on_error: {goto: z}}
  z: {set: {why: "{{ error.type }} {{ error.node }}"}}
subgraphs: {u: {inputs: {v: {}}, nodes: {i: {wait: 0}}, outputs: {x: "{{ inputs.v.gone }}"}}}
"""
    assert (await outputs(text, {"v": {}}))["why"] == "value s"


# ---- places that people leave


async def test_a_person_awaited_deep_inside_leaves_the_place_of_every_item_around_it() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [1, 2], body: inner, max_concurrency: 1}
  inner: {type: parallel, branches: [ask, work]}
  ask: {type: human_input, input: approval}
  work: {run: [say, "{{ item }}"]}
"""
    programs, people = Programs(), People()
    run = await ran(text, executor=programs, human=people)
    assert run.status == "waiting"
    assert len(people.asked) == 2
    assert programs.begun == [["say", "1"], ["say", "2"]]


async def test_an_item_that_still_works_keeps_its_place_although_a_person_is_awaited_in_it() -> None:
    text = """
nodes:
  each: {type: parallel, for_each: [1, 2], body: inner, max_concurrency: 1, timeout: 10s}
  inner: {type: parallel, branches: [ask, work]}
  ask: {type: human_input, input: approval}
  work: {run: [work, "{{ item }}"]}
"""
    programs = Programs(work=forever)
    await ran(text, executor=programs)
    assert programs.begun == [["work", "1"]]
