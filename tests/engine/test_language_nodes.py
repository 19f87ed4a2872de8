"""What expressions see at run time, and what a visit does: sections 0, 2 and 3 of the language page."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from magent.ports import ProcessResult
from tests.engine.language import People, Programs, code, failure, lab, outputs, ran

# ---- nodes.x


async def test_a_node_that_has_not_run_has_four_facts() -> None:
    text = "nodes: {a: {set: {facts: '{{ nodes.b }}'}, next: b}, b: {run: [say]}}"
    assert (await outputs(text))["facts"] == {"status": "pending", "visits": 0, "attempts": 0, "error": None}


async def test_a_node_that_ran_has_all_its_facts() -> None:
    text = "nodes: {a: {wait: 5s, next: b}, b: {set: {facts: '{{ nodes.a }}'}}}"
    assert (await outputs(text))["facts"] == {
        "status": "completed",
        "visits": 1,
        "attempts": 1,
        "duration": 5,
        "tokens": {"input": 0, "output": 0},
        "cost": 0,
        "error": None,
        "errors": {},
    }


async def test_own_set_and_next_include_the_current_visit() -> None:
    text = """
nodes:
  a: {run: [say], set: {v: "{{ nodes.a.visits }}", s: "{{ nodes.a.status }}"},
      next: [{loop_back: a, when: nodes.a.visits < 3}, {to: b}]}
  b: {wait: 0}
"""
    found = await outputs(text)
    assert (found["v"], found["s"]) == (3, "completed")


async def test_the_whole_of_a_name_can_be_taken_as_a_value() -> None:
    text = """
env: [HOME]
inputs: {n: {type: integer}}
nodes:
  a: {run: [say], set: {x: 1}, next: b}
  b: {set: {names: "{{ nodes | list }}", keys: "{{ run | list }}", i: "{{ inputs }}", e: "{{ env }}", s: "{{ state }}"}}
"""
    room = lab(text)
    run = await room.start({"n": 2}, env={"HOME": "/h"})
    assert run.status == "completed", run.failure
    assert run.outputs["names"] == ["a", "b"]
    assert run.outputs["keys"] == ["id", "name", "dir", "workspace", "home", "key"]
    assert (run.outputs["i"], run.outputs["e"]) == ({"n": 2}, {"HOME": "/h"})
    assert run.outputs["s"]["x"] == 1


async def test_the_duration_of_a_composite_is_that_of_its_whole_visit() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [a, b], set: {long: "{{ nodes.fan.duration }}"}}
  a: {wait: 2s, next: c}
  c: {wait: 3s}
  b: {wait: 4s}
"""
    assert (await outputs(text))["long"] == 5


async def test_a_failed_node_that_continued_has_its_error_and_attempts_among_its_facts() -> None:
    text = """
nodes:
  a: {run: [fail, 4], retry: {max_attempts: 3, delay: 1s}, on_error: continue, next: b}
  b: {set: {f: "{{ nodes.a }}"}}
"""
    found = (await outputs(text))["f"]
    assert (found["status"], found["visits"], found["attempts"]) == ("failed", 1, 3)
    assert (found["error"]["type"], found["error"]["node"], found["error"]["attempts"]) == ("exit", "a", 3)
    assert found["error"]["data"]["exit_code"] == 4


async def test_a_cancelled_branch_says_so_among_its_facts_also_in_the_parallels_own_set() -> None:
    text = """
nodes:
  fan: {type: parallel, branches: [slow, fast], wait_for: any, set: {own: "{{ nodes.slow.status }}"}, next: z}
  slow: {run: [hang]}
  fast: {run: [say]}
  z: {set: {after: "{{ nodes.slow.status }}"}}
"""
    found = await outputs(text)
    assert (found["own"], found["after"]) == ("cancelled", "cancelled")


# ---- state.x


async def test_a_known_name_without_a_value_is_null() -> None:
    text = """
state: {k: {type: string}}
nodes:
  a: {set: {n: "{{ state.b }}", d: "{{ state.k }}", w: "{{ state.later }}", e: "{{ state.b is none }}"}, next: b}
  b: {run: [say], set: {later: 1}}
"""
    found = await outputs(text)
    assert [found[key] for key in "ndwe"] == [None, None, None, True]


async def test_a_missing_key_is_an_error_unless_default_or_is_defined_handles_it_at_any_depth() -> None:
    text = """
inputs: {v: {default: {}}}
nodes:
  a:
    set:
      d: "{{ inputs.v.a.b.c | default(7) }}"
      i: "{{ inputs.v.a.b is defined }}"
      n: "{{ inputs.v.n | default(3) }}"
    next: b
  b: {set: {x: "{{ inputs.v.gone }}"}}
"""
    run = await ran(text, {"v": {"n": None}})
    assert run.failure is not None
    assert (run.failure.type, run.failure.node) == ("value", "b")
    state = run.root.state.as_dict()
    assert (state["d"], state["i"], state["n"]) == (7, False, 3)


@pytest.mark.parametrize(
    "expression", ["1e308 * 10", "[1e308 * 10]", "{'a': [1e308 * -10]}", "1e308 * 10 - 1e308 * 10"]
)
async def test_state_holds_json_only_so_infinity_is_an_error_at_the_node_that_made_it(expression: str) -> None:
    found = await failure(f'nodes: {{a: {{set: {{x: "{{{{ {expression} }}}}"}}}}}}')
    assert (found.type, found.node) == ("value", "a")


@pytest.mark.parametrize("kind", ["object", "nan", "set", "keys", "bytes"])
async def test_what_a_function_returns_must_be_json(kind: str) -> None:
    text = f"nodes: {{a: {{call: 'tests.engine.functions:odd', with: {{kind: {kind}}}}}}}"
    found = await failure(text)
    assert (found.type, found.node) == ("value", "a")


async def test_what_a_function_returns_is_a_copy_and_tuples_are_lists() -> None:
    text = """
nodes:
  a: {call: "tests.engine.functions:shared", next: b}
  b: {call: "tests.engine.functions:shared", next: c}
  c: {call: "tests.engine.functions:pair"}
"""
    found = await outputs(text)
    assert (found["a"], found["b"], found["c"]) == ([1], [1, 1], ["x", "y"])


async def test_lazy_results_and_ranges_become_lists() -> None:
    text = """
nodes:
  a: {set: {r: "{{ range(3) }}", m: "{{ ['a', 'b'] | map('upper') }}"}}
"""
    found = await outputs(text)
    assert (found["r"], found["m"]) == ([0, 1, 2], ["A", "B"])


# ---- round, run


async def test_round_has_three_facts_and_the_item_a_name() -> None:
    text = """
state: {seen: {type: array, default: [], reduce: append}}
nodes:
  l: {type: loop, for_each: ["x", "y"], as: letter, body: b, next: p}
  b: {set: {seen: ["{{ round }}", "{{ letter }}"]}, next: end}
  p: {type: parallel, for_each: ["z"], body: c}
  c: {set: {seen: ["{{ round }}", "{{ item }}"]}}
"""
    first, second = {"index": 0, "number": 1, "first": True}, {"index": 1, "number": 2, "first": False}
    assert (await outputs(text))["seen"] == [[first, "x"], [second, "y"], [first, "z"]]


async def test_an_inner_loop_shadows_round_and_item_and_the_outer_ones_come_back() -> None:
    text = """
state: {seen: {type: array, default: [], reduce: append}}
nodes:
  outer: {type: loop, for_each: ["a", "b"], body: before}
  before: {set: {seen: "{{ item }}{{ round.index }}"}, next: inner}
  inner: {type: loop, for_each: [1, 2], body: in, next: after}
  in: {set: {seen: "{{ item }}{{ round.index }}"}}
  after: {set: {seen: "{{ item }}{{ round.index }}"}}
"""
    assert (await outputs(text))["seen"] == ["a0", "10", "21", "a0", "b1", "10", "21", "b1"]


async def test_items_with_names_of_their_own_are_both_seen_and_a_subgraph_sees_neither() -> None:
    text = """
nodes:
  outer: {type: parallel, for_each: ["a", "b"], as: x, body: inner}
  inner: {type: loop, for_each: [1, 2], as: y, body: s}
  s: {type: subgraph, uses: sub, with: {both: "{{ x }}{{ y }}"}}
subgraphs:
  sub: {inputs: {both: {type: string}}, nodes: {n: {wait: 0}}, outputs: {v: "{{ inputs.both }}"}}
"""
    found = await outputs(text)
    assert [[each["v"] for each in row] for row in found["outer"]] == [["a1", "a2"], ["b1", "b2"]]


async def test_run_key_is_of_the_visit_and_differs_between_all_visits_of_a_run() -> None:
    text = """
nodes:
  twice: {type: loop, for_each: [1, 2], body: fan}
  fan: {type: parallel, branches: [a, each], next: again}
  a: {run: [say], next: [{loop_back: a, max: 1}, {to: end}]}
  each: {type: parallel, for_each: [1, 2], body: s}
  s: {type: subgraph, uses: sub}
  again: {wait: 0, next: [{loop_back: fan, max: 1}, {to: end}]}
subgraphs: {sub: {nodes: {p: {run: [say], next: [{loop_back: p, max: 1}, {to: end}]}}, outputs: {x: 1}}}
"""
    programs = Programs()
    await outputs(text, executor=programs)
    assert len(programs.keys) == 2 * 2 * (2 + 2 * 2)
    assert len({*programs.keys}) == len(programs.keys)
    assert all(key.startswith("test/") for key in programs.keys)


async def test_run_key_in_a_template_is_the_one_the_program_gets_and_stays_over_attempts_and_resumes() -> None:
    text = "nodes: {a: {run: [work, '{{ run.key }}'], retry: {max_attempts: 2, delay: 1s}}}"
    seen: list[str] = []

    def work(key: str) -> ProcessResult:
        seen.append(key)
        return code(0 if len(seen) == 3 else 1)

    room = lab(text, executor=Programs(work=work))
    assert (await room.start()).status == "failed"
    run = await room.resume()
    assert run.status == "completed"
    assert {*seen} == {"test/a#1"}
    assert {*room.executor.keys} == {"test/a#1"}  # type: ignore[attr-defined]


# ---- a visit


async def test_the_output_is_stored_before_set_and_set_before_next() -> None:
    text = """
nodes:
  a: {run: [say, hi], set: {copy: "{{ state.a.stdout }}", out: "{{ output.stdout }}"},
      next: [{to: b, when: state.copy == 'hi' and state.out == 'hi'}, {to: c}]}
  b: {set: {went: b}}
  c: {set: {went: c}}
"""
    assert (await outputs(text))["went"] == "b"


@pytest.mark.parametrize(
    "node",
    [
        "x: {run: [say, v], set: {k: '{{ output.stdout }}'}}",
        "x: {wait: 0, set: {k: '{{ \"v\" if output is none }}'}}",
        "x: {type: parallel, branches: [y], set: {k: '{{ output.y.stdout }}'}}\n  y: {run: [say, v]}",
        "x: {type: parallel, for_each: [1], body: y, set: {k: '{{ output[0].stdout }}'}}\n  y: {run: [say, v]}",
        "x: {type: loop, for_each: [1], body: y, set: {k: '{{ output[0].stdout }}'}}\n  y: {run: [say, v]}",
        "x: {type: loop, until: true, max_iterations: 1, body: y, set: {k: '{{ output.data }}'}}\n  y: {run: [say, v]}",
        "x: {type: subgraph, uses: s, set: {k: '{{ output.o }}'}}",
        "x: {type: human_input, input: feedback, set: {k: '{{ output.text }}'}}",
        "x: {call: 'tests.engine.functions:given', with: {value: v}, set: {k: '{{ output }}'}}",
    ],
)
async def test_every_type_that_takes_set_computes_it_from_its_output(node: str) -> None:
    sub = "subgraphs: {s: {nodes: {i: {wait: 0}}, outputs: {o: v}}}" if "uses" in node else ""
    people = People({"x": {"text": "v"}})
    assert (await outputs(f"nodes:\n  {node}\n{sub}", human=people))["k"] == "v"


async def test_set_and_wait_give_null_and_are_not_stored() -> None:
    found = await outputs("nodes: {a: {wait: 0, next: b}, b: {set: {x: 1}}}")
    assert found == {"x": 1}


async def test_set_takes_nested_values_and_null_and_a_lone_placeholder_gives_the_value_itself() -> None:
    text = """
inputs: {l: {type: array}}
nodes:
  a:
    set:
      deep: {a: ["{{ inputs.l }}", "n{{ inputs.l | length }}"]}
      none: null
      t: "{{ '1' }}"
      n: " {{ 1 }} "
      list: "x{{ inputs.l }}"
"""
    found = await outputs(text, {"l": [1, {"b": None}]})
    assert found["deep"] == {"a": [[1, {"b": None}], "n2"]}
    assert (found["none"], found["t"], found["n"], found["list"]) == (None, "1", 1, 'x[1, {"b": null}]')


# ---- the work of tasks


async def test_wait_takes_a_template_and_its_deadline_is_absolute_over_a_resume() -> None:
    text = "inputs: {pause: {type: string}}\nnodes: {a: {wait: '{{ inputs.pause }}', next: b}, b: {set: {x: 1}}}"
    room = lab(text)
    start = room.clock.time
    await room.start({"pause": "90s"})
    assert room.clock.time == start + 90
    begun = [event for event in room.journal.events if event.type in ("run.started", "visit.started")]
    room = lab(text)
    room.clock.time = start + 60
    run = await room.resume(begun)
    assert (run.status, room.clock.time) == ("completed", start + 90)


async def test_run_gives_streams_as_printed_and_data_without_one_final_newline() -> None:
    text = """
nodes:
  t: {run: [p, "a\\nb\\n\\n"], next: l}
  l: {run: [p, "a\\nb\\n\\n"], parse: lines, next: j}
  j: {run: [p, "{\\"a\\": [1, 2.5, null]}\\n"], parse: json, next: e}
  e: {run: [p, ""], parse: lines}
"""
    found = await outputs(text, executor=Programs(p=lambda text: ProcessResult(0, text, "err")))
    assert found["t"] == {"exit_code": 0, "stdout": "a\nb\n\n", "stderr": "err", "data": "a\nb\n"}
    assert found["l"]["data"] == ["a", "b", ""]
    assert found["j"]["data"] == {"a": [1, 2.5, None]}
    assert found["e"]["data"] == []


@pytest.mark.parametrize("printed", ["{", "NaN", "", "1 2"])
async def test_output_that_is_no_json_is_an_error_of_type_output(printed: str) -> None:
    text = "nodes: {a: {run: [p], parse: json}}"
    found = await failure(text, executor=Programs(p=lambda: ProcessResult(0, printed, "")))
    assert (found.type, found.node) == ("output", "a")


@pytest.mark.parametrize(("codes", "fine"), [("[0, 1]", True), ("any", True), ("[2]", False)])
async def test_exit_codes_outside_the_accepted_ones_fail_and_keep_what_was_printed(codes: str, fine: bool) -> None:
    text = f"nodes: {{a: {{run: [p], ok_exit_codes: {codes}}}}}"
    run = await ran(text, executor=Programs(p=lambda: ProcessResult(1, "out", "err")))
    assert (run.status == "completed") is fine
    if not fine:
        assert run.failure is not None
        assert run.failure.type == "exit"
        assert (run.failure.data["exit_code"], run.failure.data["stdout"]) == (1, "out")
        assert run.failure.data["stderr"] == "err"


async def test_output_on_a_run_checks_data_and_fills_defaults_in() -> None:
    text = """
nodes:
  a: {run: [p], parse: json, output: {n: {type: integer}, m: {type: string, default: none}}}
"""
    found = await outputs(text, executor=Programs(p=lambda: {"n": 1}))
    assert found["a"]["data"] == {"n": 1, "m": "none"}
    bad = await failure(text, executor=Programs(p=lambda: {"n": "x"}))
    assert bad.type == "output"


async def test_output_on_a_call_checks_its_result() -> None:
    text = "nodes: {a: {call: 'tests.engine.functions:given', with: {value: {n: 1}}, output: {n: {type: %s}}}}"
    assert (await outputs(text % "integer"))["a"] == {"n": 1}
    assert (await failure(text % "string")).type == "output"


@pytest.mark.parametrize("name", ["plain", "waits", "coroutine_later"])
async def test_call_takes_functions_sync_and_async(name: str) -> None:
    assert (await outputs(f"nodes: {{a: {{call: 'tests.engine.functions:{name}', with: {{n: 2}}}}}}"))["a"] == 4


async def test_what_a_function_raises_is_an_error_of_type_call() -> None:
    found = await failure("nodes: {a: {call: 'tests.engine.functions:broken'}}")
    assert (found.type, found.data) == ("call", {"exception": "KeyError"})


async def test_an_undefined_value_while_a_task_works_is_of_type_value_and_not_retried() -> None:
    text = """
inputs: {v: {default: {}}}
nodes: {a: {run: [say, "{{ inputs.v.gone }}"], retry: {max_attempts: 3}}}
"""
    found = await failure(text, {"v": {}})
    assert (found.type, found.attempts) == ("value", 1)


# ---- time limits and further attempts


async def test_the_timeout_of_a_task_is_for_each_attempt() -> None:
    text = "nodes: {a: {run: [hang], timeout: 10ms, retry: {max_attempts: 3, delay: 1s}}}"
    programs = Programs()
    found = await failure(text, executor=programs)
    assert (found.type, found.node, found.attempts) == ("timeout", "a", 3)
    assert len(programs.cancelled) == 3


async def test_a_timeout_may_be_a_template_and_a_wrong_one_is_of_type_value() -> None:
    text = "inputs: {t: {}}\nnodes: {a: {run: [hang], timeout: '{{ inputs.t }}'}}"
    assert (await failure(text, {"t": "10ms"})).type == "timeout"
    assert (await failure(text, {"t": "soon"})).type == "value"
    assert (await failure(text, {"t": -1})).type == "value"


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        ("backoff: constant, delay: 2s", [2, 2, 2]),
        ("backoff: linear, delay: 2s", [2, 4, 6]),
        ("backoff: exponential, delay: 2s", [2, 4, 8]),
        ("delay: 2s, max_delay: 5s", [2, 4, 5]),
        ("", [1, 2, 4]),
    ],
)
async def test_the_delay_before_a_further_attempt_grows_as_the_policy_says(policy: str, delays: list[int]) -> None:
    text = f"nodes: {{a: {{run: [fail], retry: {{max_attempts: 4, jitter: 0, {policy}}}}}}}"
    room = lab(text)
    await room.start()
    begun = [event.time for event in room.journal.events if event.type == "visit.started"]
    assert [round(after - before, 3) for before, after in itertools.pairwise(begun)] == delays


async def test_jitter_stays_within_its_share_and_is_no_chance() -> None:
    text = "nodes: {a: {run: [fail], retry: {max_attempts: 6, backoff: constant, delay: 10s, jitter: 0.5}}}"
    found = []
    for _ in range(2):
        room = lab(text)
        await room.start()
        begun = [event.time for event in room.journal.events if event.type == "visit.started"]
        found.append([round(after - before, 6) for before, after in itertools.pairwise(begun)])
    assert found[0] == found[1]
    assert all(5 <= delay <= 15 for delay in found[0])
    assert len({*found[0]}) > 1


@pytest.mark.parametrize(("errors", "attempts"), [("[exit]", 3), ("[timeout, call]", 1)])
async def test_only_errors_of_the_listed_types_are_tried_again(errors: str, attempts: int) -> None:
    text = f"nodes: {{a: {{run: [fail], retry: {{max_attempts: 3, delay: 1ms, errors: {errors}}}}}}}"
    assert (await failure(text)).attempts == attempts


async def test_defaults_hold_for_tasks_that_work_and_the_nodes_own_keys_win_one_by_one() -> None:
    text = """
defaults: {retry: {max_attempts: 3, delay: 1s, jitter: 0}, timeout: 10ms}
nodes:
  a: {run: [fail], retry: {delay: 5s}, on_error: continue, next: b}
  b: {run: [hang], timeout: 20ms, retry: {max_attempts: 1}, on_error: continue, next: c}
  c: {wait: 5s, next: d}
  d: {set: {n: "{{ nodes.a.attempts }} {{ nodes.b.attempts }} {{ nodes.b.error.type }}"}}
"""
    room = lab(text)
    run = await room.start()
    assert run.outputs["n"] == "3 1 timeout"
    begun = [event.time for event in room.journal.events if event.type == "visit.started" and event.data["node"] == "a"]
    assert [after - before for before, after in itertools.pairwise(begun)] == [5, 10]


async def test_attempts_go_on_counting_over_a_resume_in_the_middle_of_a_series() -> None:
    text = """
nodes: {a: {run: [flaky, "3"], retry: {max_attempts: 3, delay: 1s, jitter: 0}, set: {n: "{{ nodes.a.attempts }}"}}}
"""
    room = lab(text)
    await room.start()
    events = room.journal.events
    for cut in range(2, len(events)):
        again = lab(text, executor=Programs(flaky=lambda _: "now"))
        again.clock.time = events[cut - 1].time
        run = await again.resume(events[:cut])
        assert run.status == "completed", run.failure
        started = [event for event in events[:cut] if event.type in ("visit.retry",)]
        done = any(event.type == "visit.completed" for event in events[:cut])
        assert run.outputs["n"] == (3 if done else len(started) + 1)


# ---- types of declared state


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("type: integer", 1, True),
        ("type: integer", "1", False),
        ("type: integer", True, False),
        ("type: integer", None, True),
        ("type: string, enum: [a, b]", "c", False),
        ("type: array, items: {type: integer}", [1, "x"], False),
        ("type: object, properties: {n: {type: integer}}, required: [n]", {"n": "x"}, False),
        ("type: number, minimum: 3", 2, False),
        ("pattern: '^a+$'", "aab", False),
        ("type: [string, 'null']", None, True),
    ],
)
async def test_the_type_of_a_declared_key_is_checked_when_it_is_set(key: str, value: Any, fits: bool) -> None:
    text = f"inputs: {{v: {{}}}}\nstate: {{k: {{{key}}}}}\nnodes: {{a: {{set: {{k: '{{{{ inputs.v }}}}'}}}}}}"
    run = await ran(text, {"v": value})
    assert (run.status == "completed") is fits
    if not fits:
        assert run.failure is not None
        assert (run.failure.type, run.failure.node) == ("value", "a")
        assert "state.k" in run.failure.message


async def test_null_puts_back_the_default_of_a_list_whose_items_have_a_type() -> None:
    text = """
state: {k: {type: array, items: {type: integer}, default: [7], reduce: append}}
nodes: {a: {set: {k: 1}, next: b}, b: {set: {k: null}, next: c}, c: {set: {k: 2}}}
"""
    assert (await outputs(text))["k"] == [7, 2]


async def test_each_element_that_is_appended_is_checked() -> None:
    for how, value in (("append", "x"), ("extend", "[1, x]"), ("union", "[x]")):
        text = f"""
state: {{k: {{type: array, items: {{type: integer}}, default: [7], reduce: {how}}}}}
nodes: {{a: {{set: {{k: {value}}}}}}}
"""
        assert (await failure(text)).type == "value"


async def test_a_secret_that_the_environment_lacks_is_named_where_a_command_needs_it() -> None:
    text = """
secrets: [HOUSE_KEY]
nodes: {a: {run: [say], env: {KEY: "{{ secrets.HOUSE_KEY }}"}}}
"""
    failed = await failure(text)
    assert (failed.type, failed.message) == ("value", "the secret HOUSE_KEY is not set in the environment")
    assert "export HOUSE_KEY=" in (failed.hint or "")
