"""Edges, scopes, skipping and errors that are caught: section 2 of the language page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.language import People, Programs, code, failure, lab, outputs, ran

# ---- loop_back


async def test_a_node_may_go_back_to_itself_and_the_default_bound_is_a_hundred() -> None:
    text = "nodes: {a: {set: {n: '{{ nodes.a.visits }}'}, next: [{loop_back: a}, {to: b}]}, b: {wait: 0}}"
    run = await ran(text)
    assert run.outputs["n"] == 101
    assert run.path == ["a"] * 101 + ["b"]


@pytest.mark.parametrize(("bound", "visits"), [(1, 2), ("'{{ inputs.n }}'", 4), ("'{{ inputs.n - 3 }}'", 1)])
async def test_max_bounds_the_uses_and_may_be_a_template(bound: Any, visits: int) -> None:
    text = f"""
inputs: {{n: {{type: integer, default: 3}}}}
nodes:
  a: {{wait: 0, next: [{{loop_back: a, max: {bound}}}, {{to: b}}]}}
  b: {{set: {{n: "{{{{ nodes.a.visits }}}}"}}}}
"""
    assert (await outputs(text, {"n": 3}))["n"] == visits


async def test_a_max_that_is_no_whole_number_fails_the_node_with_value() -> None:
    text = (
        "inputs: {n: {}}\nnodes: {a: {wait: 0, next: [{loop_back: a, max: '{{ inputs.n }}'}, {to: b}]}, b: {wait: 0}}"
    )
    for wrong in (-1, 1.5, "3", True, None):
        found = await failure(text, {"n": wrong})
        assert (found.type, found.node) == ("value", "a")


async def test_a_loop_back_may_carry_when_and_is_used_only_where_it_holds() -> None:
    text = """
nodes:
  a: {set: {n: "{{ nodes.a.visits }}"}, next: [{loop_back: a, when: state.n < 3, max: 10}, {to: b}]}
  b: {set: {done: true}}
"""
    assert (await ran(text)).path == ["a", "a", "a", "b"]


async def test_two_loop_backs_to_one_target_count_apart() -> None:
    text = """
nodes:
  a: {wait: 0, next: b}
  b: {wait: 0, next: [{loop_back: a, max: 1}, {to: c}]}
  c: {wait: 0, next: [{loop_back: a, max: 1}, {to: d}]}
  d: {wait: 0}
"""
    assert (await ran(text)).path == ["a", "b", "a", "b", "c", "a", "b", "c", "d"]


async def test_on_error_and_next_count_their_uses_of_one_target_apart() -> None:
    text = """
nodes:
  a: {wait: 0, next: b}
  b: {run: [work], on_error: {loop_back: a, max: 1}, next: [{loop_back: a, max: 1}, {to: c}]}
  c: {set: {n: "{{ nodes.b.visits }}"}}
"""
    answers = [code(1), code(0), code(0)]
    run = await ran(text, executor=Programs(work=lambda: answers.pop(0)))
    assert run.path == ["a", "a", "b", "a", "b", "c"]
    assert run.outputs["n"] == 3


async def test_a_loop_back_that_a_loop_back_enters_does_not_begin_its_count_anew() -> None:
    text = """
nodes:
  a: {wait: 0, next: b}
  b: {wait: 0, next: [{loop_back: b, max: 1}, {to: c}]}
  c: {wait: 0, next: [{loop_back: b, max: 1}, {to: d}]}
  d: {wait: 0}
"""
    assert (await ran(text)).path == ["a", "b", "b", "c", "b", "c", "d"]


async def test_each_round_of_a_loop_counts_anew() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [1, 2], body: a}
  a: {wait: 0, next: [{loop_back: a, max: 1}, {to: b}]}
  b: {wait: 0}
"""
    assert (await ran(text)).path == ["l[0]/a", "l[0]/a", "l[0]/b", "l[1]/a", "l[1]/a", "l[1]/b", "l"]


async def test_each_branch_and_each_subgraph_counts_on_its_own() -> None:
    text = """
nodes:
  e: {type: parallel, for_each: [1, 2], body: s, max_concurrency: 1}
  s: {type: subgraph, uses: inner}
subgraphs:
  inner:
    nodes: {a: {wait: 0, next: [{loop_back: a, max: 1}, {to: end}]}}
    outputs: {n: 1}
"""
    assert sorted((await ran(text)).path) == sorted(["e", "e[0]/s", "e[1]/s"] + ["e[0]/s/a", "e[1]/s/a"] * 2)


async def test_a_case_may_go_back_and_when_it_is_used_up_the_default_is_taken() -> None:
    text = """
nodes:
  a: {set: {label: again}, next: c}
  c: {type: condition, switch: state.label, cases: {again: {loop_back: a, max: 2}}, default: z}
  z: {set: {route: "{{ state.c }}"}}
"""
    run = await ran(text)
    assert run.path == ["a", "c", "a", "c", "a", "c", "z"]
    assert run.outputs["route"] == "z"


async def test_a_case_that_is_used_up_and_has_no_default_is_no_route() -> None:
    text = """
nodes:
  a: {set: {label: again}, next: c}
  c: {type: condition, switch: state.label, cases: {again: {loop_back: a, max: 1}, other: z}}
  z: {wait: 0}
"""
    found = await failure(text)
    assert (found.type, found.node) == ("no_route", "c")
    assert "1 of 1" in found.message


# ---- skipping

SKIPPED = {
    "run": "x: {run: [say], when: 'false', set: {wrote: 1}, next: z}",
    "set": "x: {set: {wrote: 1}, when: 'false', next: z}",
    "wait": "x: {wait: 1h, when: 'false', set: {wrote: 1}, next: z}",
    "branches": "x: {type: parallel, branches: [y], when: 'false', set: {wrote: 1}, next: z}\n  y: {run: [say]}",
    "items": "x: {type: parallel, for_each: [1], body: y, when: 'false', set: {wrote: 1}, next: z}\n  y: {run: [say]}",
    "loop": "x: {type: loop, for_each: [1], body: y, when: 'false', set: {wrote: 1}, next: z}\n  y: {run: [say]}",
    "subgraph": "x: {type: subgraph, uses: s, when: 'false', set: {wrote: 1}, next: z}",
    "human": "x: {type: human_input, input: approval, when: 'false', set: {wrote: 1}, next: z}",
}


@pytest.mark.parametrize("kind", SKIPPED)
async def test_a_skipped_node_of_every_type_does_no_work_and_no_set(kind: str) -> None:
    text = f"""
nodes:
  {SKIPPED[kind]}
  z: {{set: {{status: "{{{{ nodes.x.status }}}}", visits: "{{{{ nodes.x.visits }}}}", value: "{{{{ state.x }}}}"}}}}
{"subgraphs: {s: {nodes: {i: {run: [say]}}}}" if kind == "subgraph" else ""}
"""
    people, programs = People(), Programs()
    run = await ran(text, human=people, executor=programs)
    assert run.outputs == {"status": "skipped", "visits": 0, "value": None}
    assert (run.path, run.steps, people.asked, programs.begun) == (["z"], 1, [], [])


async def test_a_condition_that_gives_null_skips() -> None:
    text = "inputs: {deep: {default: null}}\nnodes: {a: {set: {x: 1}, when: inputs.deep, next: b}, b: {set: {y: 1}}}"
    assert await outputs(text, {"deep": None}) == {"y": 1}


async def test_a_condition_of_text_or_number_is_an_error_that_on_error_catches() -> None:
    text = """
inputs: {v: {}}
nodes:
  a: {set: {x: 1}, when: inputs.v, on_error: {goto: b}, next: c}
  b: {set: {why: "{{ error.type }}"}, next: c}
  c: {wait: 0}
"""
    wrongs: list[Any] = ["yes", 1, [], {}]
    for wrong in wrongs:
        assert await outputs(text, {"v": wrong}) == {"why": "condition"}


async def test_a_skipped_visit_leaves_the_earlier_value_and_takes_the_edge_without_a_condition() -> None:
    text = """
nodes:
  a: {run: [say, once], when: nodes.a.visits == 0, next: [{to: b, when: "true"}, {to: c}]}
  b: {wait: 0, next: [{loop_back: a, max: 1}, {to: c}]}
  c: {set: {x: "{{ state.a.stdout }}", s: "{{ nodes.a.status }}", v: "{{ nodes.a.visits }}"}}
"""
    run = await ran(text)
    assert (run.path, run.outputs["x"]) == (["a", "b", "c"], "once")
    assert (run.outputs["s"], run.outputs["v"]) == ("skipped", 1)


async def test_a_skipped_node_without_next_ends_its_scope() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], next: z}
  a: {run: [say, x], next: a2}
  a2: {run: [say, y], when: "false"}
  b: {run: [say], when: "false"}
  z: {set: {x: "{{ state.fan.a.stdout }}", y: "{{ state.fan.b }}"}}
"""
    found = await outputs(text)
    assert (found["x"], found["y"]) == ("x", None)


async def test_when_may_be_a_yaml_boolean() -> None:
    assert await outputs("nodes: {a: {set: {x: 1}, when: false, next: b}, b: {set: {y: 1}, when: true}}") == {"y": 1}


# ---- errors

FAILING = {
    "task": "x: {run: [fail], %s}",
    "set": "x: {set: {y: '{{ inputs.gone.y }}'}, %s}",
    "wait": "x: {wait: '{{ inputs.gone }}', %s}",
    "branches": "x: {type: parallel, branches: [y], %s}\n  y: {run: [fail]}",
    "items": "x: {type: parallel, for_each: [1, 2], body: y, %s}\n  y: {run: [fail]}",
    "loop": "x: {type: loop, for_each: [1, 2], body: y, %s}\n  y: {run: [fail]}",
    "subgraph": "x: {type: subgraph, uses: s, %s}",
    "human": "x: {type: human_input, input: choice, options: '{{ inputs.gone }}', %s}",
}
INNER = "subgraphs: {s: {nodes: {y: {run: [fail]}}}}"
ORIGIN = {"set": "x", "wait": "x", "human": "x", "task": "x"}


def failing(kind: str, more: str, tail: str = "") -> str:
    return f"""
inputs: {{gone: {{default: null}}}}
nodes:
  {FAILING[kind] % more}
{tail}{INNER if kind == "subgraph" else ""}
"""


@pytest.mark.parametrize("kind", FAILING)
async def test_on_error_continue_gives_null_and_applies_next_but_not_set(kind: str) -> None:
    after = '  z: {set: {seen: "{{ state.x }}", type: "{{ error.type }}", node: "{{ error.node }}"}}\n'
    more = "on_error: continue, next: z" if kind == "set" else "on_error: continue, set: {wrote: 1}, next: z"
    run = await ran(failing(kind, more, after), {"gone": None})
    expected = "value" if kind in ("set", "wait", "human") else "exit"
    assert run.status == "completed", run.failure
    assert (run.outputs["seen"], run.outputs["type"], run.outputs["node"]) == (None, expected, ORIGIN.get(kind, "y"))
    assert run.outputs["x"] is None
    assert "wrote" not in run.outputs
    assert "x" not in run.path
    assert run.root.facts["x"]["status"] == "failed"
    assert run.root.facts["x"]["error"]["type"] == expected


@pytest.mark.parametrize("kind", FAILING)
async def test_on_error_goto_leaves_the_earlier_value_and_goes_there(kind: str) -> None:
    after = '  n: {set: {never: 1}}\n  z: {set: {why: "{{ error.type }}", value: "{{ state.x }}"}}\n'
    run = await ran(failing(kind, "on_error: {goto: z}, next: n", after), {"gone": None})
    assert run.status == "completed", run.failure
    assert "never" not in run.outputs
    assert run.outputs["why"] in ("exit", "value")
    assert run.outputs["value"] is None


@pytest.mark.parametrize("kind", FAILING)
async def test_a_failure_that_nothing_catches_fails_the_run_and_names_the_node_that_failed_first(kind: str) -> None:
    run = await ran(failing(kind, "on_error: fail"), {"gone": None})
    assert run.status == "failed"
    assert run.failure is not None
    assert run.failure.node == ORIGIN.get(kind, "y")


async def test_an_on_error_loop_back_that_is_used_up_lets_the_failure_itself_travel_on() -> None:
    text = "nodes: {a: {run: [fail, 7], on_error: {loop_back: a, max: 2}}}"
    programs = Programs()
    found = await failure(text, executor=programs)
    assert (found.type, found.node, len(programs.begun)) == ("exit", "a", 3)
    assert found.data["exit_code"] == 7


async def test_continue_sees_null_as_its_output_and_conditions_of_next_are_tested() -> None:
    text = """
nodes:
  a: {run: [fail], on_error: continue, next: [{to: b, when: output is none and error.type == 'exit'}, {to: c}]}
  b: {set: {went: b}}
  c: {set: {went: c}}
"""
    assert (await outputs(text))["went"] == "b"


async def test_continue_without_a_route_fails_with_no_route() -> None:
    text = """
nodes:
  a: {run: [fail], on_error: continue, next: [{to: b, when: output is not none}]}
  b: {wait: 0}
"""
    found = await failure(text)
    assert (found.type, found.node) == ("no_route", "a")
    assert found.data["type"] == "exit"


async def test_no_route_and_a_failed_set_are_caught_by_on_error_too() -> None:
    for bad in ("next: [{to: z, when: 'false'}]", "set: {x: '{{ output.stdout.x }}'}, next: z"):
        text = f"""
nodes:
  a: {{run: [say], {bad}, on_error: {{goto: r}}}}
  r: {{set: {{why: "{{{{ error.type }}}}"}}, next: z}}
  z: {{wait: 0}}
"""
        assert (await outputs(text))["why"] in ("no_route", "value")


async def test_no_route_of_a_condition_is_caught_by_its_goto() -> None:
    text = """
inputs: {n: {type: integer, default: 1}}
nodes:
  c: {type: condition, next: [{to: a, when: inputs.n > 1}], on_error: {goto: b}}
  a: {wait: 0}
  b: {set: {why: "{{ error.type }} {{ error.node }}", was: "{{ nodes.c.status }}"}}
"""
    assert await outputs(text, {"n": 1}) == {"why": "no_route c", "was": "failed"}


@pytest.mark.parametrize("level", ["loop", "parallel", "subgraph"])
async def test_no_route_inside_a_scope_travels_outwards(level: str) -> None:
    owner = {
        "loop": "x: {type: loop, for_each: [1], body: y, on_error: {goto: z}}",
        "parallel": "x: {type: parallel, branches: [y], on_error: {goto: z}}",
        "subgraph": "x: {type: subgraph, uses: s, on_error: {goto: z}}",
    }[level]
    inner = "y: {set: {n: 1}, next: [{to: w, when: 'false'}]}"
    body = f"  {inner}\n  w: {{wait: 0}}\n" if level != "subgraph" else ""
    sub = f"subgraphs: {{s: {{nodes: {{{inner}, w: {{wait: 0}}}}}}}}\n" if level == "subgraph" else ""
    text = f"nodes:\n  {owner}\n{body}  z: {{set: {{why: '{{{{ error.type }}}} {{{{ error.node }}}}'}}}}\n{sub}"
    assert (await outputs(text))["why"] == "no_route y"


async def test_the_inner_on_error_catches_first_and_the_outer_never_sees_it() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [1, 2], body: fan, on_error: {goto: outer}, next: z}
  fan: {type: parallel, branches: [bad], on_error: continue}
  bad: {run: [fail]}
  outer: {set: {caught: outer}, next: z}
  z: {set: {rounds: "{{ state.l }}", error: "{{ error }}"}}
"""
    found = await outputs(text)
    assert (found["rounds"], found["error"]) == ([None, None], None)
    assert "caught" not in found


async def test_error_is_of_its_own_scope_and_holds_the_last_that_was_caught() -> None:
    text = """
nodes:
  a: {run: [fail, 1], on_error: continue, next: b}
  b: {run: [fail, 2], on_error: continue, next: l}
  l: {type: loop, for_each: [1, 2], body: c, next: fan}
  c: {set: {inner: "{{ error }}"}, next: d}
  d: {run: [fail, 3], on_error: continue, next: e}
  e: {set: {round_error: "{{ error.data.exit_code }}"}}
  fan: {type: parallel, branches: [g], next: s}
  g: {set: {branch_error: "{{ error }}"}}
  s: {type: subgraph, uses: sub, next: h}
  h: {set: {outer: "{{ error.data.exit_code }}", keys: "{{ error | list }}"}}
subgraphs: {sub: {nodes: {i: {set: {e: "{{ error }}"}}}, outputs: {e: "{{ state.e }}"}}}
"""
    found = await outputs(text)
    assert (found["inner"], found["round_error"], found["branch_error"]) == (None, 3, None)
    assert (found["outer"], found["s"]) == (2, {"e": None})
    assert found["keys"] == ["type", "message", "node", "attempts", "data"]


async def test_a_limit_is_never_caught() -> None:
    text = """
nodes:
  l: {type: loop, for_each: [1, 2, 3], body: b, on_error: continue}
  b: {run: [say], on_error: continue}
"""
    run = await lab(text).start(limits={"steps": 2})
    assert (run.status, run.path) == ("interrupted", ["l[0]/b"])
    assert run.failure is not None
    assert "--limit steps=" in str(run.failure.hint)


async def test_facts_of_the_branches_of_a_failed_parallel_are_there_after_it() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [good, bad], on_error: {goto: z}}
  good: {run: [say]}
  bad: {wait: 1s, next: worse}
  worse: {run: [fail]}
  z:
    set:
      first: "{{ nodes.good.status }}"
      second: "{{ nodes.worse.status }} {{ nodes.worse.error.type }}"
      all: "{{ nodes.fan.status }} {{ nodes.fan.visits }}"
"""
    found = await outputs(text)
    assert (found["first"], found["second"], found["all"]) == ("completed", "failed exit", "failed 1")


# ---- ends


@pytest.mark.parametrize("target", ["end", "stop"])
async def test_an_end_ends_the_innermost_scope_only(target: str) -> None:
    text = f"""
nodes:
  l: {{type: loop, for_each: [1, 2], body: a, next: z}}
  a: {{run: [say, "{{{{ item }}}}"], next: [{{to: {target}, when: item == 1}}, {{to: b}}]}}
  b: {{run: [say, b]}}
  {"stop: {type: end}" if target == "stop" else ""}
  z: {{set: {{x: "{{{{ state.l | map(attribute='stdout') | list }}}}"}}}}
"""
    run = await ran(text)
    assert run.path == ["l[0]/a", "l[1]/a", "l[1]/b", "l", "z"]
    assert run.outputs["x"] == ["1", "b"]


async def test_the_outputs_of_an_end_are_the_output_of_its_scope() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], next: each}
  a: {run: [say], next: a_end}
  a_end: {type: end, outputs: {x: 1}}
  b: {run: [say, b], next: b_end}
  b_end: {type: end}
  each: {type: parallel, for_each: [1, 2], body: c, next: l}
  c: {wait: 0, next: c_end}
  c_end: {type: end, outputs: {n: "{{ item }}"}}
  l: {type: loop, until: output.n == 2, max_iterations: 5, body: d}
  d: {wait: 0, next: d_end}
  d_end: {type: end, outputs: {n: "{{ round.number }}"}}
"""
    found = await outputs(text)
    assert found["fan"]["a"] == {"x": 1}
    assert found["fan"]["b"]["stdout"] == "b"
    assert found["each"] == [{"n": 1}, {"n": 2}]
    assert found["l"] == {"n": 2}


@pytest.mark.parametrize("level", ["branch", "item", "round", "subgraph"])
async def test_a_failed_end_fails_its_scope_and_the_composite_can_catch_it(level: str) -> None:
    owner = {
        "branch": "x: {type: parallel, branches: [y], on_error: {goto: z}}",
        "item": "x: {type: parallel, for_each: [1], body: y, on_error: {goto: z}}",
        "round": "x: {type: loop, for_each: [1], body: y, on_error: {goto: z}}",
        "subgraph": "x: {type: subgraph, uses: s, on_error: {goto: z}}",
    }[level]
    inner = 'y: {set: {n: 1}, next: no}, no: {type: end, status: failed, reason: "was {{ state.n }}"}'
    if level == "subgraph":
        text = f"nodes:\n  {owner}\n  z: &z {{set: {{why: '{{{{ error.type }}}}: {{{{ error.message }}}}'}}}}\n"
        text += f"subgraphs: {{s: {{nodes: {{{inner}}}}}}}"
    else:
        text = f"nodes: {{{owner}, {inner}, z: {{set: {{why: '{{{{ error.type }}}}: {{{{ error.message }}}}'}}}}}}"
    assert (await outputs(text))["why"] == "end: was 1"


async def test_a_failed_end_counts_as_a_failed_branch() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], on_branch_error: collect, set: {e: "{{ nodes.fan.errors }}"}}
  a: {wait: 0, next: no}
  no: {type: end, status: failed, reason: no}
  b: {run: [say]}
"""
    found = await outputs(text)
    assert found["e"] == {"a": {"type": "end", "message": "no"}}


async def test_several_ends_and_the_one_reached_gives_the_outputs_unless_the_workflow_does() -> None:
    text = """
inputs: {n: {type: integer}}
nodes:
  c: {type: condition, next: [{to: low, when: inputs.n < 5}, {to: high}]}
  low: {type: end, outputs: {was: low}}
  high: {type: end, outputs: {was: high}}
"""
    assert await outputs(text, {"n": 1}) == {"was": "low"}
    assert await outputs(text, {"n": 9}) == {"was": "high"}
    assert await outputs(f"{text}outputs: {{n: '{{{{ inputs.n }}}}'}}", {"n": 9}) == {"n": 9}


async def test_without_outputs_the_whole_state_is_returned_by_a_run_and_by_a_subgraph() -> None:
    text = """
state: {d: {type: integer, default: 4}}
nodes: {a: {run: [say, x], set: {k: 1}, next: s}, s: {type: subgraph, uses: u}}
subgraphs: {u: {state: {m: {default: 2}}, nodes: {b: {set: {l: 1}}}}}
"""
    found = await outputs(text)
    assert {**found, "a": None} == {"d": 4, "a": None, "k": 1, "s": {"m": 2, "l": 1}}


async def test_the_precedence_of_outputs_holds_for_subgraphs_too() -> None:
    text = """
nodes: {s: {type: subgraph, uses: u, next: t}, t: {type: subgraph, uses: v}}
subgraphs:
  u: {nodes: {b: {set: {l: 1}, next: e}, e: {type: end, outputs: {from: end}}}}
  v: {nodes: {b: {set: {l: 1}, next: e}, e: {type: end, outputs: {from: end}}}, outputs: {from: "graph {{ state.l }}"}}
"""
    found = await outputs(text)
    assert (found["s"], found["t"]) == ({"from": "end"}, {"from": "graph 1"})


async def test_the_output_of_a_scope_is_that_of_the_last_node_that_completed_and_gives_one() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, e, h]}
  a: {run: [say, kept], next: b}
  b: {wait: 0, next: c}
  c: {set: {x: 1}, next: d}
  d: {type: condition, next: [{to: g, when: "false"}, {to: end}]}
  g: {run: [say]}
  e: {run: [say, kept], next: f}
  f: {run: [fail], on_error: continue}
  h: {run: [say], next: i}
  i: {type: loop, for_each: [1], body: j}
  j: {run: [say, inner]}
"""
    found = (await outputs(text))["fan"]
    assert found["a"]["stdout"] == "kept"
    assert found["e"]["stdout"] == "kept"
    assert [each["stdout"] for each in found["h"]] == ["inner"]


async def test_the_order_of_next_decides_and_a_set_is_seen_by_it() -> None:
    text = """
nodes:
  a: {run: [say, "5"], parse: json, set: {n: "{{ output.data + 1 }}"}, next: [
      {to: b, when: state.n == 5}, {to: c, when: state.n == 6 and state.a.data == 5}, {to: d, when: output.data == 5}]}
  b: {set: {went: b}}
  c: {set: {went: c}}
  d: {set: {went: d}}
"""
    assert (await outputs(text))["went"] == "c"
