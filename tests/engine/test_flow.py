"""The language page, sentence by sentence: scopes, edges, state, errors, composites."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from magent.app import load
from magent.engine.fold import Run
from magent.ports import ProcessResult
from tests.build import Lab, ran, workflow
from tests.fakes import FakeExecutor, ScriptedPeople


def output(text: str, code: int = 0) -> ProcessResult:
    return ProcessResult(code, text, "")


async def outputs(text: str, inputs: dict[str, Any] | None = None, **lab: Any) -> Any:
    run = await ran(text, inputs, **lab)
    assert run.status == "completed", run.failure
    return run.outputs


async def failure(text: str, **lab: Any) -> Any:
    run = await ran(text, **lab)
    assert run.status == "failed"
    assert run.failure is not None
    return run.failure


async def test_the_first_node_is_the_entry_and_a_node_without_next_ends_the_run() -> None:
    run = await ran("nodes: {a: {set: {x: 1}, next: b}, b: {set: {y: '{{ state.x + 1 }}'}}}")
    assert (run.status, run.path, run.outputs) == ("completed", ["a", "b"], {"x": 1, "y": 2})


async def test_a_start_node_is_the_entry_and_is_not_in_the_path() -> None:
    run = await ran("nodes: {a: {set: {x: 1}}, s: {type: start, next: a}}")
    assert (run.path, run.steps) == (["a"], 1)


async def test_set_values_are_all_computed_before_any_is_written() -> None:
    text = "nodes: {a: {set: {x: 1, y: 2}, next: b}, b: {set: {x: '{{ state.y }}', y: '{{ state.x }}'}}}"
    assert await outputs(text) == {"x": 2, "y": 1}


async def test_the_first_edge_that_holds_is_taken_and_null_is_false() -> None:
    text = """
    nodes:
      a: {set: {x: null}, next: [{to: b, when: state.x}, {to: c, when: state.x is none}, {to: b}]}
      b: {set: {went: b}}
      c: {set: {went: c}}
    """
    assert (await outputs(text))["went"] == "c"


async def test_no_route_names_the_values_that_each_condition_saw() -> None:
    found = await failure("nodes: {a: {set: {x: 3}, next: [{to: b, when: state.x > 5}]}, b: {wait: 0}}")
    assert found.type == "no_route"
    assert "`state.x > 5` is false (state.x = 3)" in found.message


async def test_a_failed_visit_leaves_the_earlier_value() -> None:
    text = """
    nodes:
      a: {set: {x: 1}, next: b}
      b: {set: {x: 2}, next: [{to: c, when: state.x > 5}], on_error: {goto: c}}
      c: {set: {seen: "{{ state.x }}", kind: "{{ error.type }}"}}
    """
    assert await outputs(text) == {"x": 1, "seen": 1, "kind": "no_route"}


async def test_a_loop_back_counts_its_own_uses_and_then_the_next_edge_is_tried() -> None:
    text = """
    state: {n: {type: integer, default: 0, reduce: sum}}
    nodes:
      a: {set: {n: 1}, next: b}
      b: {set: {n: 10}, next: [{loop_back: a, max: 2}, {to: c}]}
      c: {set: {n: 100}}
    """
    run = await ran(text)
    assert run.path == ["a", "b", "a", "b", "a", "b", "c"]
    assert run.outputs["n"] == 133


async def test_a_count_returns_to_zero_only_when_its_target_is_entered_by_another_edge() -> None:
    text = """
    state: {n: {type: integer, default: 0, reduce: sum}}
    nodes:
      outer: {set: {n: 1}, next: inner}
      inner: {set: {n: 1}, next: [{loop_back: inner, max: 1}, {to: again}]}
      again: {set: {n: 1}, next: [{loop_back: outer, max: 1}, {to: end}]}
    """
    assert (await ran(text)).path == ["outer", "inner", "inner", "again"] * 2


async def test_a_skipped_node_follows_the_edge_without_a_condition() -> None:
    text = """
    nodes:
      a: {set: {x: 1}, when: "false", next: [{to: b, when: "true"}, {to: c}]}
      b: {set: {went: b}}
      c: {set: {went: "{{ nodes.a.status }}"}}
    """
    run = await ran(text)
    assert run.outputs == {"went": "skipped"}
    assert run.path == ["c"]


async def test_a_condition_stores_the_target_but_is_no_output_of_its_scope() -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [a]}
      a: {run: [work], next: c}
      c: {type: condition, switch: state.a.data, cases: {yes: d}, default: e}
      d: {set: {x: 1}}
      e: {set: {x: 2}}
    """
    run = await ran(text, executor=FakeExecutor({"work": output("yes\n")}))
    assert run.outputs["c"] == "d"
    assert run.outputs["fan"]["a"]["data"] == "yes"


async def test_a_switch_compares_as_a_template_would_write_and_null_matches_nothing() -> None:
    text = """
    inputs: {v: {}}
    nodes:
      c: {type: condition, switch: inputs.v, cases: {"true": t, "1": one, "null": n}, default: d}
      t: {set: {x: t}}
      one: {set: {x: one}}
      n: {set: {x: n}}
      d: {set: {x: d}}
    """
    for value, expected in ((True, "t"), (1, "one"), ("1", "one"), (None, "d"), ("null", "n")):
        assert (await outputs(text, {"v": value}))["x"] == expected


async def test_branches_see_the_fork_and_their_own_writes_and_merge_in_declaration_order() -> None:
    text = """
    state: {log: {type: array, default: [], reduce: append}}
    nodes:
      first: {set: {log: start}, next: fan}
      fan: {type: parallel, branches: [slow, fast], next: done}
      slow: {wait: 5s, next: slow2}
      slow2: {set: {log: "slow saw {{ state.log | length }}"}}
      fast: {set: {log: "fast saw {{ state.log | length }}"}, next: fast2}
      fast2: {set: {log: "fast2 saw {{ state.log | length }}"}}
      done: {set: {total: "{{ state.log | length }}"}}
    """
    found = await outputs(text)
    assert found["log"] == ["start", "slow saw 1", "fast saw 1", "fast2 saw 2"]
    assert found["total"] == 4


async def test_out_of_an_item_come_only_its_output_and_writes_to_declared_keys() -> None:
    text = """
    state: {total: {type: number, default: 0, reduce: sum}}
    nodes:
      each: {type: parallel, for_each: "[1, 2, 3]", as: n, body: b, next: after}
      b: {run: [work], set: {total: "{{ n }}", other: "{{ n }}"}}
      after: {set: {seen: "{{ state.other }}", ran: "{{ nodes.b.visits }}"}}
    """
    found = await outputs(text, executor=FakeExecutor({"work": output("x")}))
    assert found["total"] == 6
    assert found["seen"] is None
    assert found["ran"] == 0
    assert [each["data"] for each in found["each"]] == ["x", "x", "x"]


async def test_an_empty_for_each_gives_an_empty_list_at_once() -> None:
    text = "nodes: {each: {type: parallel, for_each: [], body: b, wait_for: any}, b: {wait: 1s}}"
    assert (await outputs(text))["each"] == []


async def test_a_branch_left_out_gives_null() -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [{to: a, when: "false"}, b]}
      a: {run: [x]}
      b: {run: [x]}
    """
    found = await outputs(text)
    assert found["fan"]["a"] is None
    assert found["fan"]["b"]["exit_code"] == 0


async def test_wait_for_any_cancels_the_rest() -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [slow, fast], wait_for: any, next: after}
      slow: {wait: 1h, next: slow2}
      slow2: {set: {x: slow}}
      fast: {run: [f]}
      after: {set: {status: "{{ nodes.slow.status }}"}}
    """
    lab = Lab(workflow(text))
    run = await lab.start()
    assert run.status == "completed"
    assert run.outputs["fan"]["slow"] is None
    assert lab.clock.time < 1_000_010


async def test_a_parallel_fails_as_soon_as_enough_successes_are_out_of_reach() -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [bad, slow], next: after}
      bad: {run: [bad]}
      slow: {wait: 1h}
      after: {wait: 0}
    """
    lab = Lab(workflow(text), executor=FakeExecutor({"bad": output("", 3)}))
    run = await lab.start()
    assert run.status == "failed"
    assert run.failure is not None
    assert (run.failure.type, run.failure.node) == ("exit", "bad")
    assert lab.clock.time < 1_000_010


async def test_collect_keeps_the_errors_by_branch_or_index() -> None:
    text = """
    nodes:
      each: {type: parallel, for_each: "['ok', 'bad']", body: b, on_branch_error: collect,
             set: {errors: "{{ nodes.each.errors }}"}, next: fan}
      b: {run: ["{{ item }}"]}
      fan: {type: parallel, branches: [c], on_branch_error: collect, set: {more: "{{ nodes.fan.errors }}"}}
      c: {run: [bad]}
    """
    found = await outputs(text, executor=FakeExecutor({"bad": output("", 3)}))
    assert list(found["errors"]) == ["1"]
    assert found["errors"]["1"]["type"] == "exit"
    assert found["more"]["c"]["type"] == "exit"
    assert found["each"][1] is None


async def test_a_timeout_with_collect_ends_the_wait_with_what_there_is() -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [slow, fast], on_branch_error: collect, timeout: 10s,
            set: {late: "{{ nodes.fan.errors.slow.type }}"}}
      slow: {wait: 1h}
      fast: {run: [f]}
    """
    found = await outputs(text)
    assert found["late"] == "timeout"
    assert found["fan"]["slow"] is None
    assert found["fan"]["fast"]["exit_code"] == 0


async def test_a_composite_that_is_not_done_in_time_fails() -> None:
    text = "nodes: {fan: {type: parallel, branches: [slow], timeout: 10s}, slow: {wait: 1h}}"
    assert (await failure(text)).type == "timeout"


async def test_while_is_tested_before_each_round_and_until_after_each() -> None:
    text = """
    nodes:
      w: {type: loop, while: "output == 'never'", max_iterations: 5, body: wb, next: u}
      wb: {run: [x]}
      u: {type: loop, until: round.number >= 2, max_iterations: 5, body: ub}
      ub: {run: [x]}
    """
    run = await ran(text)
    assert run.path == ["w", "u[0]/ub", "u[1]/ub", "u"]
    assert run.outputs["w"] is None


async def test_an_exhausted_loop_fails_or_goes_on() -> None:
    text = "nodes: {l: {type: loop, until: 'false', max_iterations: 2, body: b%s}, b: {run: [x]}}"
    assert (await failure(text.replace("%s", ""))).type == "exhausted"
    run = await ran(text.replace("%s", ", on_exhausted: continue"))
    assert run.path == ["l[0]/b", "l[1]/b", "l"]


async def test_a_loop_over_a_list_gives_the_list_and_rounds_share_the_state() -> None:
    text = """
    nodes:
      l: {type: loop, for_each: "['a', 'b']", as: letter, body: b}
      b: {run: ["{{ letter }}"], set: {seen: "{{ (state.seen | default('')) ~ letter ~ round.index }}"}}
    """
    found = await outputs(text, executor=FakeExecutor({"a": output("A"), "b": output("B")}))
    assert [each["data"] for each in found["l"]] == ["A", "B"]
    assert found["seen"] == "a0b1"


async def test_a_subgraph_has_its_own_inputs_and_state_and_returns_its_outputs() -> None:
    text = """
    nodes:
      s: {type: subgraph, uses: inner, with: {text: hi}, next: after}
      after: {set: {got: "{{ state.s.loud }}"}}
    subgraphs:
      inner:
        inputs: {text: {type: string}, more: {type: string, default: "!"}}
        nodes: {a: {set: {x: "{{ inputs.text | upper }}{{ inputs.more }}"}}}
        outputs: {loud: "{{ state.x }}"}
    """
    run = await ran(text)
    assert run.path == ["s/a", "s", "after"]
    assert run.outputs["got"] == "HI!"
    assert "x" not in run.outputs


async def test_subgraphs_that_call_themselves_end_at_sixteen_with_a_limit() -> None:
    text = """
    nodes: {s: {type: subgraph, uses: again}}
    subgraphs: {again: {nodes: {s: {type: subgraph, uses: again, on_error: continue}}}}
    """
    run = await ran(text)
    assert run.status == "interrupted"
    assert run.failure is not None
    assert run.failure.type == "limit"


async def test_an_end_gives_outputs_and_a_failed_one_fails_the_run_with_its_reason() -> None:
    text = """
    nodes:
      a: {set: {x: 1}, next: bad}
      bad: {type: end, status: failed, reason: "x was {{ state.x }}", outputs: {x: "{{ state.x }}"}}
    """
    run = await ran(text)
    assert run.status == "failed"
    assert run.failure is not None
    assert (run.failure.type, run.failure.message, run.outputs) == ("end", "x was 1", {"x": 1})


async def test_on_error_continue_makes_the_value_null_and_goes_on_without_set() -> None:
    text = """
    nodes:
      a: {run: [bad], set: {x: 1}, on_error: continue, next: b}
      b: {set: {seen: "{{ error.type }} {{ nodes.a.status }} {{ nodes.a.error.type }}"}}
    """
    run = await ran(text, executor=FakeExecutor({"bad": output("", 1)}))
    assert run.outputs == {"a": None, "seen": "exit failed exit"}
    assert run.path == ["b"]


async def test_on_error_can_loop_back_a_number_of_times() -> None:
    text = "nodes: {a: {set: {n: 1}, next: b}, b: {run: [bad], on_error: {loop_back: a, max: 2}}}"
    run = await ran(text, executor=FakeExecutor({"bad": output("", 1)}))
    assert run.status == "failed"
    assert run.path == ["a", "a", "a"]


async def test_a_failure_travels_outwards_until_it_is_caught() -> None:
    text = """
    nodes:
      l: {type: loop, for_each: [1], body: fan, on_error: {goto: fix}}
      fan: {type: parallel, branches: [bad]}
      bad: {run: [bad]}
      fix: {set: {who: "{{ error.node }}", kind: "{{ error.type }}", code: "{{ error.data.exit_code }}"}}
    """
    found = await outputs(text, executor=FakeExecutor({"bad": output("", 7)}))
    assert (found["who"], found["kind"], found["code"]) == ("bad", "exit", 7)


async def test_retry_makes_further_attempts_and_counts_them() -> None:
    class Third(FakeExecutor):
        async def run(self, argv: Any, **more: Any) -> ProcessResult:
            result = await super().run(argv, **more)
            return output("", 1) if len(self.seen) < 3 else result

    text = "nodes: {a: {run: [x], retry: {max_attempts: 3, delay: 2s, jitter: 0}, set: {n: '{{ nodes.a.attempts }}'}}}"
    lab = Lab(workflow(text), executor=Third())
    run = await lab.start()
    assert run.outputs["n"] == 3
    assert lab.clock.time == pytest.approx(1_000_006)


async def test_a_type_that_is_not_listed_is_not_retried() -> None:
    text = "nodes: {a: {run: [x], retry: {max_attempts: 3, errors: [timeout]}}}"
    executor = FakeExecutor({"x": output("", 1)})
    await failure(text, executor=executor)
    assert len(executor.seen) == 1


async def test_the_step_limit_interrupts_and_a_raised_one_goes_on() -> None:
    text = "nodes: {a: {set: {x: 1}, next: b}, b: {set: {x: 2}, next: c}, c: {set: {x: 3}}}"
    lab = Lab(workflow(text))
    run = await lab.start(limits={"steps": 2})
    assert (run.status, run.path) == ("interrupted", ["a", "b"])
    again = await lab.resume(limits={"steps": 10})
    assert (again.status, again.path) == ("completed", ["a", "b", "c"])


async def test_a_value_that_does_not_fit_its_declared_type_fails_the_visit() -> None:
    text = "state: {n: {type: integer}}\nnodes: {a: {set: {n: text}}}"
    found = await failure(text)
    assert found.type == "value"
    assert "state.n" in found.message


async def test_null_on_a_reducing_key_puts_its_default_back() -> None:
    text = """
    state: {log: {type: array, default: [0], reduce: append}}
    nodes: {a: {set: {log: 1}, next: b}, b: {set: {log: null}, next: c}, c: {set: {log: 2}}}
    """
    assert (await outputs(text))["log"] == [0, 2]


async def test_a_person_who_is_not_there_leaves_the_run_waiting_when_all_else_is_done() -> None:
    text = """
    nodes:
      fan: {type: parallel, branches: [ask, work], next: after}
      ask: {type: human_input, input: approval}
      work: {wait: 10s, next: more}
      more: {set: {x: 1}}
      after: {set: {y: "{{ state.ask.approved }}"}}
    """
    lab = Lab(workflow(text))
    run = await lab.start()
    assert (run.status, run.path) == ("waiting", ["work", "more"])
    lab.human = ScriptedPeople({"ask": {"approved": True, "by": None, "at": None, "comment": None, "via": "file"}})
    again = await lab.resume()
    assert (again.status, again.outputs["y"]) == ("completed", True)


async def test_branches_that_wait_for_a_person_leave_their_place_to_others() -> None:
    text = """
    nodes:
      each: {type: parallel, for_each: "[1, 2, 3]", body: ask, max_concurrency: 1}
      ask: {type: human_input, input: approval}
    """
    run = await ran(text)
    assert run.status == "waiting"
    assert [event for event in run.asked if event.startswith("/")] == ["/each[0]/ask", "/each[1]/ask", "/each[2]/ask"]


async def test_a_deadline_takes_the_default_or_fails() -> None:
    text = """
    nodes: {ask: {type: human_input, input: approval, timeout: 1h, %s}}
    """
    lab = Lab(workflow(text.replace("%s", "default: false, on_timeout: default")))
    await lab.start()
    lab.clock.time += 3601
    run = await lab.resume()
    assert run.outputs["ask"]["approved"] is False
    assert run.outputs["ask"]["via"] == "timeout"
    lab = Lab(workflow(text.replace("%s", "on_timeout: fail")))
    await lab.start()
    lab.clock.time += 3601
    failed = await lab.resume()
    assert failed.failure is not None
    assert failed.failure.type == "timeout"


async def test_a_failed_run_tries_the_failed_visit_anew_and_keeps_what_was_done() -> None:
    text = """
    nodes:
      a: {run: [a], next: fan}
      fan: {type: parallel, branches: [good, bad], next: z}
      good: {run: [good]}
      bad: {run: [bad]}
      z: {run: [z]}
    """
    lab = Lab(workflow(text), executor=FakeExecutor({"bad": output("", 1)}))
    assert (await lab.start()).status == "failed"
    executor = FakeExecutor()
    lab.executor = executor
    run = await lab.resume()
    assert run.status == "completed"
    ran_again = [argv[0] for argv in executor.seen]
    assert "a" not in ran_again
    assert ran_again[-1] == "z"
    assert "bad" in ran_again


async def test_external_work_that_a_crash_left_unfinished_is_asked_about() -> None:
    text = "nodes: {a: {run: [pay], effects: external, next: b}, b: {run: [b]}}"
    lab = Lab(workflow(text))
    await lab.start()
    begun = [event for event in lab.journal.events if event.type in ("run.started", "visit.started")][:2]
    executor = FakeExecutor()
    lab.executor = executor
    run = await lab.resume(begun)
    assert (run.status, executor.seen) == ("waiting", [])
    lab.human = ScriptedPeople({"a": {"choice": "done", "form": {"output": {"paid": True}}}})
    again = await lab.resume()
    assert again.status == "completed"
    assert again.outputs["a"] == {"paid": True}
    assert executor.seen == [["b"]]


async def test_external_work_is_on_the_disk_before_it_begins_in_every_durability() -> None:
    text = "nodes: {a: {run: [pay], effects: external}}"
    lab = Lab(workflow(text), recording={"durability": "exit"})
    await lab.start()
    events, sync = lab.journal.batches[0]
    assert [event.type for event in events] == ["run.started", "visit.started"]
    assert sync


@pytest.mark.untraced
async def test_a_chain_of_many_nodes_and_a_nest_of_many_scopes_need_no_stack() -> None:
    chain = "".join(f"  n{i}: {{set: {{x: {i}}}, next: n{i + 1}}}\n" for i in range(3000))
    run = await ran(f"nodes:\n{chain}  n3000: {{set: {{x: done}}}}\n")
    assert run.outputs["x"] == "done"
    nest = "".join(f"  n{i}: {{type: parallel, branches: [n{i + 1}]}}\n" for i in range(500))
    run = await ran(f"nodes:\n{nest}  n500: {{set: {{x: deep}}}}\n")
    assert run.status == "completed"


@pytest.mark.untraced
async def test_thousands_of_branches_are_fine() -> None:
    run: Run = await ran("nodes: {e: {type: parallel, for_each: 'range(5000)', body: b}, b: {run: [x]}}")
    assert len(run.outputs["e"]) == 5000


async def test_the_time_limit_counts_work_and_stops_the_run_at_once() -> None:
    text = "nodes: {a: {wait: 1h, next: b}, b: {set: {x: 1}}}"
    lab = Lab(workflow(text))
    run = await lab.start(limits={"timeout": 60})
    assert run.status == "interrupted"
    assert "b" not in run.path
    assert run.failure is not None
    assert run.failure.type == "limit"
    again = await lab.resume(limits={"timeout": 7200})
    assert again.status == "completed"


async def test_a_condition_that_is_no_boolean_is_an_error_of_type_condition() -> None:
    found = await failure("nodes: {a: {set: {x: 3}, next: [{to: b, when: state.x}, {to: b}]}, b: {wait: 0}}")
    assert found.type == "condition"


async def test_literal_data_reaches_state_and_questions_as_plain_data() -> None:
    text = """
    nodes:
      a: {set: {x: {deep: [1, {two: 2}]}}, next: ask}
      ask: {type: human_input, input: review, context: {who: ana}, content: {a: [1]}}
    """
    people = ScriptedPeople({})
    run = await ran(text, human=people)
    assert type(run.root.state.get("x")) is dict
    assert people.asked[0].context == {"who": "ana"}
    assert people.asked[0].content == {"a": [1]}


async def test_a_fallback_is_asked_in_order_within_one_attempt_and_recorded() -> None:
    data = {
        "name": "fallback",
        "agents": {
            "first": {"command": ["false"], "fallback": ["second", "third"]},
            "second": {"replies": []},
            "third": {"replies": ["I am here."]},
        },
        "nodes": {"a": {"prompt": "hi", "agent": "first"}},
    }
    events: list[Any] = []
    result = await load(data).run(store=None, on_event=events.append)
    assert (result.status, result.outputs["a"]) == ("completed", "I am here.")
    done = next(event for event in events if event.type == "visit.completed")
    assert [each["agent"] for each in done.data["fallback"]] == ["first", "second"]
    assert done.data["agent"] == "third"


async def test_time_in_which_only_a_person_is_awaited_is_no_running_time() -> None:
    class Slow(ScriptedPeople):
        async def ask(self, question: Any) -> Any:
            lab.clock.time += 100
            await asyncio.sleep(0)
            return await super().ask(question)

    answer = {"approved": True, "by": None, "at": None, "comment": None, "via": "terminal"}
    lab = Lab(workflow("nodes: {a: {wait: 5s, next: b}, b: {type: human_input, input: approval}}"))
    lab.human = Slow({"b": answer})
    run = await lab.start(limits={"timeout": 50})
    assert run.status == "completed"
    assert run.spent == pytest.approx(5)


async def test_the_collector_is_as_it_was_once_the_last_of_several_runs_has_ended() -> None:
    before = gc.get_threshold()
    seen: list[tuple[int, int, int]] = []
    labs = [Lab(workflow(f"nodes: {{a: {{wait: {seconds}s}}}}")) for seconds in (1, 2)]
    labs[0].recording["sinks"] = [lambda _event: seen.append(gc.get_threshold())]
    await asyncio.gather(*(each.start() for each in labs))
    assert min(each[0] for each in seen) > before[0]
    assert gc.get_threshold() == before
