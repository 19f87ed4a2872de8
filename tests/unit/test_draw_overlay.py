"""What a run did to its graph, read from its events."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from magent import draw, load
from magent.draw import Overlay, plain
from magent.events import Event
from magent.ports import ProcessResult
from tests.build import Lab, workflow
from tests.fakes import FakeExecutor, ScriptedPeople

LOOPS = """
    state: {n: {type: integer, default: 0, reduce: sum}}
    nodes:
      draft: {set: {n: 1}, next: check}
      check:
        type: condition
        next:
          - {to: fan, when: state.n >= 3}
          - {loop_back: draft, max: 5}
          - {to: give_up}
      give_up: {type: end, status: failed}
      fan: {type: parallel, branches: [left, {to: right, when: "false"}], next: each}
      left: {set: {a: 1}}
      right: {set: {b: 1}}
      each: {type: parallel, for_each: [0, 1, 2, 3], body: one, on_branch_error: collect, next: rounds}
      one: {run: "test {{ item }}", next: two}
      two: {wait: 2s}
      rounds: {type: loop, for_each: [1, 2], body: again, next: skipped}
      again: {set: {c: 1}}
      skipped: {set: {d: 1}, when: "false", next: risky}
      risky: {run: "risky", on_error: {goto: mend}, next: finish}
      finish: {set: {e: 1}}
      mend: {type: subgraph, uses: inner, next: ask}
      ask: {type: human_input, input: approval, next: finish2}
      finish2: {set: {e: 2}}
    subgraphs: {inner: {nodes: {deep: {set: {x: 1}, next: deeper}, deeper: {wait: 1s}}}}
"""


class Odd(FakeExecutor):
    """`risky` fails, and so does the item 2."""

    async def run(self, argv: Any, **options: Any) -> ProcessResult:
        bad = "risky" in argv[-1] or "2" in (options.get("env") or {}).values()
        return ProcessResult(1 if bad else 0, "", "")


async def ran(text: str, **options: Any) -> tuple[Overlay, Lab]:
    lab = Lab(workflow(text), executor=Odd(), **options)
    await lab.start()
    return draw.overlay(lab.workflow, lab.journal.events), lab


def taken(overlay: Overlay, lab: Lab) -> dict[tuple[str, str], int]:
    """The edges that were taken, by names."""
    return {(source, target): count for (_, source, target, _), count in overlay.edges.items() if count}


async def test_visits_and_the_way_taken_are_counted() -> None:
    overlay, lab = await ran(LOOPS)
    edges = taken(overlay, lab)
    assert edges["draft", "check"] == 3
    assert edges["check", "draft"] == 2
    assert edges["check", "fan"] == 1
    assert ("check", "give_up") not in edges
    root = lab.workflow.root
    draft = overlay.node(root, "draft")
    assert draft is not None
    assert (draft.visits, draft.status) == (3, "completed")
    assert overlay.node(root, "give_up") is None


async def test_branches_items_and_rounds_are_counted() -> None:
    overlay, lab = await ran(LOOPS)
    edges, root = taken(overlay, lab), lab.workflow.root
    assert (edges["fan", "left"], edges["left", "each"]) == (1, 1)
    assert ("fan", "right") not in edges
    assert (edges["each", "one"], edges["one", "two"]) == (4, 3)
    assert (edges["rounds", "again"], edges["again", "rounds"]) == (2, 2)
    each, one = overlay.node(root, "each"), overlay.node(root, "one")
    assert each is not None
    assert one is not None
    assert (each.items, each.done, each.failed) == (4, 3, 1)
    assert dict(one.statuses) == {"completed": 3, "failed": 1}


async def test_times_of_visits_add_up() -> None:
    overlay, lab = await ran(LOOPS)
    two, each = overlay.node(lab.workflow.root, "two"), overlay.node(lab.workflow.root, "each")
    assert two is not None
    assert each is not None
    assert two.seconds == pytest.approx(6.0)
    assert each.seconds == pytest.approx(2.0)


async def test_skipped_failed_and_waiting_are_told_apart() -> None:
    overlay, lab = await ran(LOOPS)
    status = {name: marks.status for (key, name), marks in overlay.nodes.items() if key == lab.workflow.root}
    assert (status["skipped"], status["risky"], status["ask"]) == ("skipped", "failed", "waiting")
    edges = taken(overlay, lab)
    assert (edges["skipped", "risky"], edges["risky", "mend"]) == (1, 1)
    assert ("risky", "finish") not in edges


async def test_nodes_of_a_subgraph_are_its_own() -> None:
    overlay, lab = await ran(LOOPS)
    inner = next(key for key in lab.workflow.graphs if key.endswith("inner"))
    assert overlay.taken(inner, "deep", "deeper", 0) == 1
    assert overlay.node(inner, "deep") is not None


async def test_a_later_life_goes_on_with_the_same_visits() -> None:
    lab = Lab(workflow(LOOPS), executor=Odd())
    await lab.start()
    lab.human = ScriptedPeople({"ask": {"approved": True}})
    await lab.resume()
    overlay = draw.overlay(lab.workflow, lab.journal.events)
    ask = overlay.node(lab.workflow.root, "ask")
    assert ask is not None
    assert dict(ask.statuses) == {"completed": 1}
    assert overlay.taken(lab.workflow.root, "ask", "finish2", 0) == 1


async def test_every_visit_came_by_an_edge() -> None:
    overlay, lab = await ran(LOOPS)
    for key, graph in lab.workflow.graphs.items():
        entered = {graph.entry}
        for name in graph.nodes:
            came = sum(
                count
                for (where, source, target, _), count in overlay.edges.items()
                if where == key and target == name and source not in _inside(graph, name)
            )
            marks = overlay.node(key, name)
            assert (marks.visits if marks else 0) == came + (name in entered), name


def _inside(graph: Any, name: str) -> set[str]:
    """The nodes whose edges to `name` only stand for the end of a scope."""
    ends = {node for region in graph.regions.values() if region.owner for node in region.nodes}
    return {node for node in ends if graph.nodes[node].region != graph.nodes[name].region}


def test_what_seems_to_run_was_interrupted_where_nobody_drives_it() -> None:
    drawn = workflow("nodes: {a: {run: sleep}}")
    events = [Event(2, 1.0, "visit.started", {"scope": 0, "node": "a", "path": "a", "visit": 1, "attempt": 1})]
    alive, dead = draw.overlay(drawn, events), draw.overlay(drawn, events, alive=False)
    assert [found.status for found in alive.nodes.values()] == ["running"]
    assert [found.status for found in dead.nodes.values()] == ["interrupted"]


def test_tokens_and_cost_add_up_over_attempts() -> None:
    drawn = workflow("nodes: {a: {run: sleep}}")
    spent = {"scope": 0, "node": "a", "path": "a", "tokens": {"input": 1000, "output": 26}, "cost": 0.0015}
    events = [
        Event(2, 1.0, "visit.started", {"scope": 0, "node": "a", "path": "a", "visit": 1, "attempt": 1}),
        Event(3, 2.0, "visit.retry", {**spent, "attempt": 1, "at": 3.0, "error": {}}),
        Event(4, 3.0, "visit.started", {"scope": 0, "node": "a", "path": "a", "visit": 1, "attempt": 2}),
        Event(5, 5.0, "visit.completed", {**spent, "next": None}),
    ]
    picture = "\n".join(plain(line) for line in draw.text(drawn, 80, draw.overlay(drawn, events)))
    assert "✔ 4.00s 2,052 tokens $0.0030" in picture


async def test_the_text_shows_the_way_in_signs_alone() -> None:
    overlay, lab = await ran(LOOPS)
    picture = "\n".join(plain(line) for line in draw.text(lab.workflow, 100, overlay))
    assert "✔ ×3" in picture
    assert "✔ 3/4 ✘ 1" in picture
    assert "○ skipped" in picture
    assert "⏸ waiting" in picture
    assert re.search(r"┉┫ max 5 ×2", picture)
    assert re.search(r"├?─ else ──▷", picture)
    assert "▽ when false" in picture


async def test_dot_mermaid_and_json_take_the_same_overlay() -> None:
    overlay, lab = await ran(LOOPS)
    dot, mermaid = draw.dot(lab.workflow, overlay), draw.mermaid(lab.workflow, overlay)
    assert re.search(r'"check" -> "draft" \[style=dotted, label="max 5 ×2", penwidth=2.5', dot)
    assert re.search(r'"draft" \[shape=box, label="draft\\nset\\n✔ ×3", style=filled', dot)
    assert re.search(r'n_draft\["draft<br/>set<br/>✔ ×3"\]:::completed', mermaid)
    assert "n_right" in mermaid
    assert ":::unreached" in mermaid
    styled = [number for line in re.findall(r"linkStyle ([\d,]+) ", mermaid) for number in line.split(",")]
    assert len(styled) == len(set(styled))
    data = json.loads(json.dumps(draw.as_json(lab.workflow, overlay)))
    nodes = {node["id"]: node for node in data["nodes"]}
    assert nodes["each"]["run"]["items"] == {"total": 4, "completed": 3, "failed": 1}
    assert nodes["give_up"]["run"] is None
    assert {(edge["source"], edge["target"]): edge["taken"] for edge in data["edges"]}["check", "draft"] == 2


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
async def test_graphviz_reads_a_run() -> None:
    overlay, lab = await ran(LOOPS)
    text = draw.dot(lab.workflow, overlay)
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def _started(seq: int, time: float, path: str, number: int = 1) -> Event:
    return Event(seq, time, "visit.started", {"scope": 0, "node": path, "path": path, "visit": number, "attempt": 1})


def _life(seq: int, time: float, what: str) -> Event:
    return Event(seq, time, f"run.{what}", {})


def test_the_time_of_a_node_that_is_tried_again_later_leaves_out_that_nobody_worked() -> None:
    drawn = workflow("nodes: {a: {run: sleep}}")
    over = {"scope": 0, "node": "a", "path": "a"}
    failed = [_started(2, 1.0, "a"), Event(3, 2.0, "visit.failed", over), _life(4, 2.0, "failed")]
    again = [
        _life(5, 500.0, "resumed"),
        _started(6, 501.0, "a"),
        Event(7, 504.0, "visit.completed", {**over, "next": None}),
    ]
    marks = draw.overlay(drawn, [*failed, *again]).node(drawn.root, "a")
    assert marks is not None
    assert (marks.visits, marks.status, marks.seconds) == (1, "completed", 4.0)


def test_a_killed_life_counts_until_its_last_event_and_a_person_s_time_as_it_passes() -> None:
    drawn = workflow("nodes: {a: {run: sleep, next: q}, q: {type: human_input, input: approval}}")
    work = [_started(2, 1.0, "a"), Event(3, 3.0, "visit.retry", {"scope": 0, "path": "a", "at": 3.0, "error": {}})]
    back = [_life(4, 100.0, "resumed"), _started(5, 100.0, "a")]
    done = Event(6, 101.0, "visit.completed", {"scope": 0, "node": "a", "path": "a", "next": "q"})
    asked = [
        _started(7, 101.0, "q"),
        Event(8, 101.0, "visit.waiting", {"scope": 0, "path": "q"}),
        _life(9, 101.0, "waiting"),
    ]
    answered = [
        _life(10, 200.0, "resumed"),
        Event(11, 201.0, "visit.completed", {"scope": 0, "node": "q", "path": "q", "next": None}),
    ]
    found = draw.overlay(drawn, [*work, *back, done, *asked, *answered])
    a, q = found.node(drawn.root, "a"), found.node(drawn.root, "q")
    assert a is not None
    assert q is not None
    assert (a.seconds, q.seconds) == (3.0, 100.0)


async def test_an_end_that_fails_its_scope_is_drawn_as_failed() -> None:
    lab = Lab(
        workflow("""
        nodes:
          each: {type: parallel, for_each: "[1, 2, 3]", body: look, on_branch_error: collect, next: no}
          look: {type: condition, next: [{to: odd, when: item == 2}, {to: well}]}
          odd: {type: end, status: failed, reason: it is even}
          well: {type: end}
          no: {type: end, status: failed, reason: enough}
        """)
    )
    run = await lab.start()
    assert run.status == "failed"
    found = draw.overlay(lab.workflow, lab.journal.events)
    seen = {name: found.node(lab.workflow.root, name) for name in ("odd", "well", "no", "each")}
    assert {name: marks.status for name, marks in seen.items() if marks} == {
        "odd": "failed", "well": "completed", "no": "failed", "each": "completed"
    }  # fmt: skip
    odd, each = seen["odd"], seen["each"]
    assert odd
    assert odd.error == "it is even"
    assert each
    assert (each.done, each.failed) == (2, 1)


def test_what_holds_a_question_waits_and_runs_again_in_the_next_life() -> None:
    drawn = workflow("nodes: {p: {type: parallel, branches: [q]}, q: {type: human_input, input: approval}}")
    opened = Event(2, 1.0, "visit.started", {"scope": 0, "node": "p", "path": "p", "visit": 1, "branches": [0]})
    asked = Event(4, 1.0, "visit.waiting", {"scope": 1, "path": "q"})
    first = [opened, _started(3, 1.0, "q"), asked, _life(5, 1.0, "waiting")]
    told = {name: marks.status for (_, name), marks in draw.overlay(drawn, first).nodes.items()}
    assert told["p"] == "waiting"
    resumed = draw.overlay(drawn, [*first, _life(6, 2.0, "resumed")])
    assert {name: marks.status for (_, name), marks in resumed.nodes.items()}["p"] == "running"


async def test_a_picture_tells_what_a_run_did() -> None:
    made = workflow("""
        nodes:
          draft: {set: {a: 1}, next: judge}
          judge: {wait: 1s, next: [{to: hurt, when: nodes.draft.visits > 2}, {loop_back: draft, max: 5}, {to: end}]}
          hurt: {call: "nowhere:nothing", next: ask}
          ask: {type: human_input, input: approval, prompt: ok?}
    """)
    lab = Lab(made)
    await lab.start()
    drawn = draw.svg(made, draw.overlay(made, lab.journal.events), "run test, failed")
    assert re.search(r'<path class="edge loop_back taken" .*', drawn)
    assert "draft → judge\ntaken 3 times" in drawn
    assert "×3</text>" in drawn
    assert re.search(r"hurt \(task\)\ncall nowhere:nothing\nfailed.*\nerror: .+\S</title>", drawn)
    assert '<path class="box task failed"' in drawn
    assert '<path class="box human_input untaken"' in drawn
    assert "judge → end: else\nnot taken" in drawn
    assert "Nodes: 2 completed, 1 failed." in drawn


async def test_the_end_that_nobody_declared_and_a_subgraph_are_reached_in_a_picture() -> None:
    made = workflow("""
        nodes:
          polish: {type: subgraph, uses: inner, next: [{to: more, when: "false"}, {to: end}]}
          more: {set: {b: 1}}
        subgraphs:
          inner: {nodes: {shine: {set: {a: 1}}}}
    """)
    lab = Lab(made)
    await lab.start()
    drawn = draw.svg(made, draw.overlay(made, lab.journal.events))
    assert '<path class="box end completed"' in drawn
    assert "polish → end: else\ntaken once" in drawn
    assert '<path class="edge normal implied taken"' in drawn
    assert "Nodes: 3 completed." in drawn


STEPS = """
    inputs: {n: {type: integer, default: 1}}
    tools: {calc: {builtin: calculator}, bad: {run: ["false"], description: fails}}
    chains:
      look:
        steps:
          - {tool: calc, with: {expression: "1 + 1"}, as: one}
          - {tool: calc, with: {expression: "2"}, when: steps.one > 5, as: two}
          - {chain: inner, as: three}
      inner: {steps: [{tool: calc, with: {expression: "3"}}, {tool: bad, on_error: continue}]}
      broken: {steps: [{tool: calc, with: {expression: "1"}}, {tool: bad}, {tool: calc, with: {expression: "9"}}]}
    nodes:
      survey: {chain: look, next: [{loop_back: survey, max: 1}, {to: hurt}]}
      hurt: {chain: broken, on_error: {goto: mend}}
      mend: {set: {done: true}}
"""


def _step_events(path: str, first: int, steps: list[tuple[str, Any, dict[str, Any]]]) -> list[Event]:
    """The events of the steps of one visit: what, at which place, and beside that."""
    common = {"scope": 0, "path": path, "tool": "calc", "chain": "look"}
    return [
        Event(first + at, float(first + at), f"tool.{what}", {**common, "step": place, **data})
        for at, (what, place, data) in enumerate(steps)
    ]


def _chain_run() -> list[Event]:
    over = {"scope": 0, "node": "survey", "path": "survey"}
    done, failed = {"output": 1, "duration": 0.5}, {"error": {"message": "no"}, "duration": 0.25}
    look: list[tuple[str, Any, dict[str, Any]]] = [
        ("called", 0, {}), ("returned", 0, done), ("skipped", 1, {}),
        ("called", "2.0", {}), ("returned", "2.0", done),
        ("called", "2.1", {}), ("returned", "2.1", failed), ("called", "2.1", {"attempt": 2}),
        ("returned", "2.1", failed), ("passed", "2.1", {"error": {}}),
    ]  # fmt: skip
    events = []
    for number, onward in ((1, {"next": "survey", "loop": "survey:0>survey"}), (2, {"next": "hurt"})):
        begin = 100 * number
        events += [_started(begin, float(begin), "survey", number), *_step_events("survey", begin + 1, look)]
        events += [Event(begin + 50, begin + 50.0, "visit.completed", {**over, **onward})]
    broken: list[tuple[str, Any, dict[str, Any]]] = [
        ("called", 0, {}), ("returned", 0, done), ("called", 1, {}), ("returned", 1, failed)
    ]  # fmt: skip
    fails = {"scope": 0, "node": "hurt", "path": "hurt", "caught": "go", "next": "mend", "error": {"message": "no"}}
    events += [_started(300, 300.0, "hurt"), *_step_events("hurt", 301, broken)]
    return [*events, Event(350, 350.0, "visit.failed", fails)]


def test_what_a_run_did_with_the_steps_of_chains_is_counted() -> None:
    drawn = workflow(STEPS)
    found = draw.overlay(drawn, _chain_run())
    told = {(name, place): dict(marks.statuses) for (_, name, place), marks in found.steps.items()}
    assert told == {
        ("survey", "0"): {"completed": 2},
        ("survey", "1"): {"skipped": 2},
        ("survey", "2"): {"completed": 2},  # its chain went on after what failed
        ("survey", "2.0"): {"completed": 2},
        ("survey", "2.1"): {"failed": 2},
        ("hurt", "0"): {"completed": 1},
        ("hurt", "1"): {"failed": 1},
    }
    one, two = found.step(drawn.root, "survey", "0"), found.step(drawn.root, "survey", "2")
    assert one is not None
    assert two is not None
    assert (one.seconds, two.seconds) == (1.0, 2.0)
    assert found.step(drawn.root, "hurt", "2") is None


def test_a_step_that_was_at_work_when_a_life_ended_goes_on_in_the_next() -> None:
    drawn = workflow(STEPS)
    began = [_started(1, 1.0, "survey"), *_step_events("survey", 2, [("called", 0, {})])]
    stopped = [*began, _life(3, 3.0, "interrupted")]
    again = _step_events("survey", 5, [("called", 0, {"attempt": 1}), ("returned", 0, {"output": 1})])
    resumed = [*stopped, _life(4, 4.0, "resumed"), _started(5, 5.0, "survey"), *again]
    lives = (began, stopped, resumed)
    statuses = [draw.overlay(drawn, events).steps[drawn.root, "survey", "0"].statuses for events in lives]
    assert [dict(each) for each in statuses] == [{"running": 1}, {"interrupted": 1}, {"completed": 1}]


def test_every_drawing_tells_what_became_of_steps() -> None:
    drawn = workflow(STEPS)
    found = draw.overlay(drawn, _chain_run())
    dot, mermaid, data = draw.dot(drawn, found), draw.mermaid(drawn, found), draw.as_json(drawn, found)
    assert '"survey:0" [shape=box, style="rounded,filled", label="one: calc\\n✔ ×2 1.00s in all", fillcolor=' in dot
    assert '"hurt:2" [shape=box, style=rounded, label="calc", color=gray70, fontcolor=gray50];' in dot
    assert '"survey:0" -> "survey:1" [style=dashed, label="steps.one > 5", color=gray70, fontcolor=gray50];' in dot
    assert '"hurt:0" -> "hurt:1" [style=solid, penwidth=2.5];' in dot
    assert 's_survey_1("two: calc<br/>○ skipped ×2"):::skipped' in mermaid
    assert 's_hurt_2("calc"):::unreached' in mermaid
    assert "classDef skipped" in mermaid
    steps = {node["id"]: node["steps"] for node in data["nodes"] if "steps" in node}
    assert [step["run"] and step["run"]["status"] for step in steps["hurt"]] == ["completed", "failed", None]
    assert [step["run"]["statuses"] for step in steps["survey"][2]["steps"]] == [{"completed": 2}, {"failed": 2}]
    text = "\n".join(plain(line) for line in draw.text(drawn, 80, found))
    assert all(f"↳ {step}" in text for step in ("✔ one: calc", "○ two: calc", "✔ three: chain inner", "✘ bad", "calc "))
    picture = draw.svg(drawn, found)
    assert picture.count('<path class="box step completed"') == 4
    assert picture.count('<path class="box step failed"') == 2
    assert picture.count('<path class="box step untaken"') == 1


async def test_a_run_with_chains_is_laid_over_as_it_went(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(f"magent: 1\nname: test\n{dedent(STEPS)}")
    loaded = load(str(tmp_path / "w.yaml"))
    events: list[Event] = []
    result = await loaded.run(store=None, on_event=events.append)
    assert result.status == "completed"
    found = draw.overlay(loaded.workflow, events)
    told = {(name, place): dict(marks.statuses) for (_, name, place), marks in found.steps.items()}
    assert told == {(name, place): dict(marks.statuses) for (_, name, place), marks in
                    draw.overlay(workflow(STEPS), _chain_run()).steps.items()}  # fmt: skip
