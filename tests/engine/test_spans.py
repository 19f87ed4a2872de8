"""The spans of a run, as they follow from its events: what they are, how they hang together, what they are called."""

from __future__ import annotations

import asyncio
import contextvars
import json
import random
import re
import threading
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import magent
from magent.engine import run as lives
from magent.engine.snapshot import to_json
from magent.events import Event, decode, encode
from magent.figures import Figures
from magent.ports import ProcessResult, Record, Reply, Usage
from magent.spans import here, ids
from magent.spans.chrome import chrome
from magent.spans.measures import INSTRUMENTS, measures
from magent.spans.path import children, critical
from magent.spans.reading import Reader, Reading, read
from magent.spans.span import Link, Span
from magent.stores import open_store
from magent.traces import trace_of
from tests.build import Lab, workflow
from tests.engine.crew import FakeTool, Scripted, broken, calls, crew
from tests.engine.graphs import Chancy
from tests.engine.test_properties import made, run_once
from tests.fakes import FakeExecutor, ScriptedPeople

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def spans(room: Lab, **start: Any) -> Reading:
    await room.start(**start)
    return read(room.workflow, room.journal.events)


def tree(reading: Reading) -> dict[str, list[str]]:
    """What is in each span, by name."""
    known = {span.id: span for span in reading.spans}
    found: dict[str, list[str]] = {}
    for span in sorted(reading.spans, key=lambda span: (span.start, span.number)):
        outer = known.get(span.parent or "")
        found.setdefault("" if outer is None else outer.name, []).append(span.name)
    return found


def one(reading: Reading, name: str) -> Span:
    (found,) = (span for span in reading.spans if span.name == name)
    return found


# ---- how they hang together


TEAM = """
agents: {boss: {model: "openai:gpt-5-mini"}, hand: {model: "anthropic:claude-x"}}
roles:
  lead: {description: Leads, skills: [plan], agent: boss, can_delegate: true}
  coder: {description: Codes, skills: [python], agent: hand}
tools: {add: {call: 'm:f'}}
chains:
  twice: {inputs: {n: {type: integer}}, steps: [{tool: add, with: {a: 1}}, {chain: once}]}
  once: {inputs: {}, steps: [{tool: add, with: {a: 2}}]}
nodes: {t: {prompt: Work, role: lead, tools: [add, twice]}}
"""


async def test_models_tools_chains_and_subtasks_are_spans_within_the_attempt_that_they_serve() -> None:
    boss = Scripted(
        calls(("add", {"a": 1}), ("twice", {"n": 1})), calls(("delegate", {"task": "code", "skills": ["python"]})), "it"
    )
    reading = await spans(crew(TEAM, [FakeTool("add")], boss=boss, hand=Scripted(calls(("add", {})), "coded")))
    assert tree(reading) == {
        "": ["invoke_workflow test"],
        "invoke_workflow test": ["t"],
        "t": ["invoke_agent boss"],
        "invoke_agent boss": [
            "chat gpt-5-mini", "execute_tool add", "execute_tool twice", "chat gpt-5-mini", "execute_tool delegate",
            "chat gpt-5-mini",
        ],
        "execute_tool twice": ["execute_tool add", "execute_tool add"],
        "execute_tool delegate": ["invoke_agent hand"],
        "invoke_agent hand": ["chat claude-x", "execute_tool add", "chat claude-x"],
    }  # fmt: skip


async def test_tokens_and_dollars_are_those_of_model_calls_and_add_up_in_all_that_is_around_them() -> None:
    boss = Scripted(calls(("delegate", {"task": "code", "skills": ["python"]})), "it")
    room = crew(TEAM, [FakeTool("add")], boss=boss, hand=["coded"])
    run = await room.start()
    reading = read(room.workflow, room.journal.events)
    models = [span for span in reading.spans if span.kind == "model"]
    assert [span.tokens for span in models] == [(10, 5)] * 3
    life, subtask = one(reading, "invoke_workflow test"), one(reading, "invoke_agent hand")
    assert (list(life.tokens or ()), life.cost) == (run.tokens, run.cost)
    assert (subtask.tokens, subtask.cost) == ((10, 5), 0.001)
    assert models[0].attributes["gen_ai.usage.input_tokens"] == 10
    assert {span.attributes["gen_ai.provider.name"] for span in models} == {"openai", "anthropic"}


async def test_what_was_used_within_composite_nodes_is_told_of_them_too() -> None:
    text = """
agents: {a: {model: local}}
subgraphs: {sub: {nodes: {ask: {prompt: x, agent: a}}}}
nodes:
  fan: {type: parallel, branches: [left, right]}
  left: {type: subgraph, uses: sub, next: more}
  more: {prompt: y, agent: a}
  right: {type: parallel, for_each: "[1, 2]", body: item}
  item: {prompt: z, agent: a}
"""
    reading = await spans(crew(text, a=Scripted("done")))
    used = {span.name: span.tokens for span in reading.spans if span.kind in ("visit", "life") and span.name != "item"}
    assert used == {
        "ask": (10, 5), "left": (10, 5), "more": (10, 5), "right": (20, 10), "fan": (40, 20),
        "invoke_workflow test": (40, 20),
    }  # fmt: skip


async def test_branches_items_rounds_and_subgraphs_are_within_their_nodes() -> None:
    room = Lab(
        workflow("""
        subgraphs: {sub: {nodes: {inner: {run: i}}}}
        nodes:
          fan: {type: parallel, branches: [left, right], next: each}
          left: {run: l, next: after}
          after: {run: a}
          right: {type: subgraph, uses: sub}
          each: {type: parallel, for_each: "[1, 2]", body: item, next: again}
          item: {run: x}
          again: {type: loop, while: "round.index < 2", body: turn}
          turn: {run: y}
        """)
    )
    reading = await spans(room)
    found = tree(reading)
    assert found["invoke_workflow test"] == ["fan", "each", "again"]
    assert Counter(found["fan"]) == Counter(["left", "after", "right"])
    assert found["right"] == ["inner"]
    assert found["each"] == ["item", "item"]
    assert found["again"] == ["turn", "turn"]
    assert [moment.name for moment in one(reading, "again").moments] == ["round", "round", "route"]


async def test_an_attempt_that_failed_is_told_with_the_retry_that_follows() -> None:
    results = iter([ProcessResult(3, "", "no"), ProcessResult(0, "", "")])

    class Once(FakeExecutor):
        async def run(self, argv: Any, **_: Any) -> ProcessResult:
            return next(results)

    room = Lab(workflow("nodes: {t: {run: x, retry: {max_attempts: 2, delay: 2s, jitter: 0}}}"), executor=Once())
    reading = await spans(room)
    first, second = (span for span in reading.spans if span.kind == "attempt")
    assert (first.status, second.status) == ("failed", "completed")
    assert (first.error or {})["type"] == first.attributes["error.type"] == "exit"
    visit = one(reading, "t")
    retry, route = visit.moments
    assert (retry.name, retry.attributes["magent.delay"]) == ("retry", 2.0)
    assert (route.name, route.attributes) == ("route", {"magent.next": "end"})
    assert visit.start <= first.start <= (first.end or 0) <= second.start <= (second.end or 0) <= (visit.end or 0)


async def test_fallback_repair_and_the_role_that_was_routed_to_are_moments_of_the_attempt() -> None:
    text = """
agents: {a: {model: local, fallback: [b]}, b: {model: local}}
roles: {coder: {description: Codes python, skills: [python], agent: a}}
nodes: {t: {prompt: Code, route: {skills: [python]}, output: {n: {type: integer}}}}
"""
    room = crew(text, a=Scripted(broken("rate_limit")), b=Scripted({"n": "x"}, {"n": 1}))
    reading = await spans(room)
    attempt = next(span for span in reading.spans if span.kind == "attempt")
    assert [moment.name for moment in attempt.moments] == ["role", "fallback", "repair"]
    failed, *good = (span for span in reading.spans if span.kind == "model")
    assert (failed.status, failed.attributes["error.type"]) == ("failed", "rate_limit")
    assert [span.status for span in good] == ["completed", "completed"]


async def test_a_call_of_a_model_lasts_from_when_it_was_asked_to_its_reply() -> None:
    room = crew("agents: {a: {model: local}}\nnodes: {t: {prompt: x, agent: a}}")

    async def slow(_: Any) -> str:
        room.clock.time += 2.5
        return "done"

    room.agents = crew("agents: {a: {model: local}}\nnodes: {t: {prompt: x, agent: a}}", a=Scripted(slow)).agents
    reading = await spans(room)
    assert one(reading, "chat local").duration == 2.5


async def test_an_answer_that_was_cut_and_a_session_are_told_in_the_conventions_words() -> None:
    text = "agents: {a: {model: local}}\nnodes: {t: {prompt: x, agent: a, session: talk}}"
    reading = await spans(crew(text, a=Scripted(Reply("It ris", usage=Usage(1, 1, 0.0, 1), cut=True))))
    assert one(reading, "chat local").attributes["gen_ai.response.finish_reasons"] == ["length"]
    assert one(reading, "invoke_agent a").attributes["gen_ai.conversation.id"] == "test/talk"
    assert one(reading, "chat local").attributes["gen_ai.conversation.id"] == "test/talk"


async def test_branches_and_subgraphs_talk_for_themselves_and_all_rounds_of_a_loop_are_one_conversation() -> None:
    text = """
agents: {a: {model: local}}
nodes:
  each: {type: parallel, for_each: [1, 2], as: n, body: ask, next: again}
  ask: {prompt: x, agent: a, session: talk}
  again: {type: loop, for_each: [1, 2], as: n, body: more, next: sub}
  more: {prompt: y, agent: a, session: talk}
  sub: {type: subgraph, uses: inner}
subgraphs:
  inner: {nodes: {deep: {prompt: z, agent: a, session: talk}}}
"""
    reading = await spans(crew(text, a=Scripted(*["said"] * 5)))
    calls_of = [span for span in reading.spans if span.kind == "model"]
    assert {span.path: span.attributes["gen_ai.conversation.id"] for span in calls_of} == {
        "each[0]/ask": "test/each[0]/talk", "each[1]/ask": "test/each[1]/talk",
        "again[0]/more": "test/talk", "again[1]/more": "test/talk", "sub/deep": "test/sub/talk",
    }  # fmt: skip


async def test_spans_have_what_the_conventions_require_of_their_kind() -> None:
    """Of version 1.41, under older and newer names too; the spans are called as the conventions want it."""
    boss = Scripted(calls(("add", {})), calls(("delegate", {"task": "code", "skills": ["python"]})), "it")
    reading = await spans(crew(TEAM, [FakeTool("add")], boss=boss, hand=["coded"]))
    required = {
        "chat": ("gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model"),
        "invoke_agent": ("gen_ai.agent.name", "gen_ai.provider.name", "gen_ai.system", "gen_ai.request.model"),
        "execute_tool": ("gen_ai.tool.name", "gen_ai.tool.type"),
        "invoke_workflow": ("gen_ai.workflow.name", "gen_ai.agent.name"),
    }
    what = {
        "chat": "gen_ai.request.model", "invoke_agent": "gen_ai.agent.name", "execute_tool": "gen_ai.tool.name",
        "invoke_workflow": "gen_ai.workflow.name",
    }  # fmt: skip
    found = [span for span in reading.spans if "gen_ai.operation.name" in span.attributes]
    assert {span.attributes["gen_ai.operation.name"] for span in found} == required.keys()
    for span in found:
        operation = span.attributes["gen_ai.operation.name"]
        assert span.attributes.keys() >= set(required[operation])
        assert span.name == f"{operation} {span.attributes[what[operation]]}"
        assert span.attributes.get("gen_ai.system") == span.attributes.get("gen_ai.provider.name")


async def test_an_attempt_in_which_no_agent_was_asked_is_none_of_an_agents() -> None:
    room = crew("agents: {a: {model: local}}\nnodes: {t: {prompt: '{{ [] | first }}', agent: a, on_error: continue}}")
    (attempt,) = (span for span in (await spans(room)).spans if span.kind == "attempt")
    assert (attempt.name, "gen_ai.operation.name" in attempt.attributes) == ("attempt t", False)


async def test_a_models_answer_is_told_as_its_provider_names_the_model_and_with_the_form_that_was_asked_for() -> None:
    text = """
agents: {a: {model: "openai-chat:big"}, f: {call: "pkg:openai"}}
nodes:
  t: {prompt: x, agent: a, output: {n: {type: integer}}, next: u}
  u: {prompt: y, agent: f}
"""
    usage = Usage(1, 1, 0.0, 1)
    said = Scripted(Reply('{"n": 1}', {"n": 1}, usage=usage, model="openai-chat:big:2"))
    reading = await spans(crew(text, a=said, f=Scripted(Reply("z", usage=usage, model="pkg:openai"))))
    asked = one(reading, "chat big").attributes
    assert (asked["gen_ai.request.model"], asked["gen_ai.response.model"]) == ("big", "big:2")
    assert asked["gen_ai.output.type"] == "json"
    other = one(reading, "chat pkg:openai").attributes
    assert other["gen_ai.response.model"] == "pkg:openai"
    assert "gen_ai.output.type" not in other


async def test_an_older_journal_that_does_not_say_when_models_were_asked_is_read() -> None:
    room = crew(TEAM, [FakeTool("add")], boss=Scripted(calls(("add", {})), "it"), hand=["x"])
    await room.start()
    old = [
        event._replace(data={name: value for name, value in event.data.items() if name != "model_call"})
        for event in room.journal.events
    ]
    assert tree(read(room.workflow, old)) == tree(read(room.workflow, room.journal.events))


# ---- people and lives


ASKING = "nodes: {ask: {type: human_input, input: approval, prompt: ok?, next: t}, t: {run: x}}"


async def test_a_wait_for_a_person_lasts_over_lives_and_ends_with_the_answer() -> None:
    room = Lab(workflow(ASKING))
    await room.start()
    waiting = read(room.workflow, room.journal.events)
    assert [span.name for span in waiting.open] == ["ask", "wait for a person"]
    assert one(waiting, "invoke_workflow test").status == "waiting"
    room.clock.time += 3600
    answer = {"approved": True, "by": "ann", "via": "command", "at": "2026-01-01T00:00:00.000Z"}
    last = room.journal.events[-1]
    note = Event(last.seq + 1, room.clock.now(), "visit.answered", {"scope": 0, "path": "ask", "answer": answer})
    room.clock.time += 60
    await room.resume([*room.journal.events, note])
    reading = read(room.workflow, room.journal.events)
    assert not reading.open
    wait = one(reading, "wait for a person")
    assert (wait.duration, wait.moments[0].attributes) == (
        3600.0,
        {"magent.answer.via": "command", "magent.answer.by": "ann"},
    )
    first, second = (span for span in reading.spans if span.kind == "life")
    assert second.parent == first.id
    assert second.links == [Link(reading.trace.id, first.id, "previous")]
    assert (one(reading, "ask").parent, one(reading, "t").parent) == (first.id, second.id)


async def test_what_a_killed_life_left_open_ended_with_the_last_that_was_seen_of_it() -> None:
    room = Lab(workflow("nodes: {a: {run: x, next: b}, b: {run: y}}"))
    await room.start()
    events = room.journal.events
    killed = events[: next(at for at, event in enumerate(events) if event.data.get("node") == "b") + 1]
    left = read(room.workflow, killed, alive=False)
    assert [(span.name, span.end) for span in left.open] == [("b", None)]
    assert one(left, "invoke_workflow test").status == one(left, "attempt b").status == "interrupted"
    room.clock.time += 100
    await room.resume(killed)
    reading = read(room.workflow, room.journal.events)
    first = next(span for span in reading.spans if span.kind == "life")
    assert first.end == killed[-1].time
    assert first.id == one(left, "invoke_workflow test").id
    attempts = [span for span in reading.spans if span.name == "attempt b"]
    assert [span.status for span in attempts] == ["interrupted", "completed"]
    assert attempts[0].id != attempts[1].id


GONE_ON = """
    nodes:
      each: {type: parallel, for_each: [1, 2], body: work, max_concurrency: 1, next: ask}
      work: {run: x, next: rest}
      rest: {wait: 10s}
      ask: {type: human_input, input: approval}
"""


async def gone_on(apart: float) -> tuple[Lab, list[Event]]:
    """Killed in the second item, when it has waited for nothing yet, and gone on with so many seconds later; it waits
    for a person then, who answers an hour later, in a third life."""
    room = Lab(workflow(GONE_ON))
    await room.start()
    events = room.journal.events
    killed = events[: next(at for at, event in enumerate(events) if event.data.get("path") == "each[1]/work") + 1]
    room.clock.time = killed[-1].time + apart
    await room.resume(killed)
    answered = room.journal.events
    room.clock.time = answered[-1].time + 3600
    room.human = ScriptedPeople({"ask": {"approved": True}})
    await room.resume(answered)
    return room, killed


async def test_what_nobody_worked_at_between_two_lives_is_no_time_of_what_was_open() -> None:
    room, killed = await gone_on(500.0)
    reading = read(room.workflow, room.journal.events)
    gap = (killed[-1].time, killed[-1].time + 500.0)
    each, work, ask = one(reading, "each"), [span for span in reading.spans if span.path == "each[1]/work"], "ask"
    assert each.gaps == [gap]
    assert (each.duration, each.worked, each.attributes["magent.worked"]) == (520.0, 20.0, 20.0)
    assert [moment for moment in each.moments if moment.name == "resumed"] == [
        ("resumed", gap[1], {"magent.gap": 500.0})
    ]
    assert {(span.kind, span.worked) for span in work} == {("visit", 0.0), ("attempt", 0.0)}
    assert (one(reading, ask).worked, one(reading, "wait for a person").worked) == (3600.0, 3600.0)
    (of_each,) = (
        measure.value
        for span in reading.finished
        for measure in measures(span)
        if measure.instrument == "magent.visit.duration" and measure.attributes["node"] == "each"
    )
    assert of_each == 20.0


async def test_a_run_and_its_nodes_have_worked_as_long_as_they_were_driven_whatever_killed_them() -> None:
    room, killed = await gone_on(500.0)
    run = lives.refold(room.workflow, Record({}, {}, None, room.journal.events))
    assert run.spent == 20.0
    assert run.root.facts["each"]["duration"] == 20.0
    assert run.root.facts["ask"]["duration"] == 3600.0
    part = lives.refold(room.workflow, Record({}, {}, None, killed))
    kept = (len(killed), json.loads(json.dumps(to_json(part))))
    again = lives.refold(room.workflow, Record({}, {}, kept, room.journal.events[len(killed) :]))
    assert to_json(again) == to_json(run)
    before = {name: value for name, value in kept[1]["run"].items() if name != "last"}  # an older magent's
    older = (len(killed), {**kept[1], "run": before})
    assert lives.refold(room.workflow, Record({}, {}, older, room.journal.events[len(killed) :])).status == "completed"


async def test_stats_and_the_tree_count_what_was_worked_at_and_bars_have_a_gap() -> None:
    room, _ = await gone_on(500.0)
    found = trace_of("test", room.workflow, room.journal.events, "completed")
    each = next(span for span in found.spans if span.name == "each")
    assert (found.worked, round(found.now - found.begun), found.took(each)) == (20.0, 4120, 20.0)
    figures = Figures()
    figures.add("test", "completed", found.spans)
    assert {of.node: of.times for of in figures.nodes}["each"] == [20.0]
    sliced = [event for event in chrome(found.spans, "w", set(), found.now)["traceEvents"] if event["name"] == "each"]
    assert [(event["ph"], event["dur"]) for event in sliced] == [("X", 10_000_000), ("X", 10_000_000)]
    shown = found.as_json()
    (told,) = (span for span in shown["spans"] if span["name"] == "each")
    assert (shown["worked"], told["duration"], told["worked"], len(told["gaps"])) == (20.0, 520.0, 20.0, 1)


def test_the_critical_path_goes_through_lives_whatever_began_in_an_earlier_one() -> None:
    known = made_of(
        ("one", None, 0, 9), ("fan", "one", 1, 30), ("quick", "fan", 20, 22), ("slow", "fan", 20, 30),
        ("two", "one", 20, 40), ("last", "two", 30, 40),
    )  # fmt: skip
    known[0].kind = known[4].kind = "life"
    assert critical(children(known), 40.0) == {"one", "two", "fan", "slow", "last"}


async def test_a_fork_has_a_trace_of_its_own_of_what_it_did_itself_which_links_to_the_other() -> None:
    store = open_store("memory:")
    source = {"name": "w", "nodes": {"a": {"set": {"x": 1}, "next": "b"}, "b": {"set": {"y": 2}}}}
    first = await magent.load({"magent": 1, **source}).run(store=store)
    forked = await magent.resume(first.run_id, store=store, from_="b")
    assert forked.run_id != first.run_id
    flow = magent.load({"magent": 1, **source}).workflow
    old = read(flow, (await store.read(first.run_id, checkpoint=False)).events)
    new = read(flow, (await store.read(forked.run_id, checkpoint=False)).events)
    assert [span.name for span in new.spans] == ["b", "invoke_workflow w"]
    assert new.trace.id != old.trace.id
    assert one(new, "invoke_workflow w").links == [Link(old.trace.id, old.spans[-1].id, "forked_from")]


# ---- the same run gives the same trace


async def test_a_run_begun_within_a_trace_is_a_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", PARENT[:-1] + "0")
    monkeypatch.setenv("TRACESTATE", "vendor=1")
    store = open_store("memory:")
    loaded = magent.load(
        {"magent": 1, "name": "w", "nodes": {"a": {"run": ["sh", "-c", "echo $TRACEPARENT $TRACESTATE"]}}}
    )
    result = await loaded.run(store=store)
    reading = read(loaded.workflow, (await store.read(result.run_id, checkpoint=False)).events)
    assert (reading.trace.id, reading.trace.parent) == tuple(PARENT.split("-")[1:3])
    assert not reading.trace.sampled
    assert one(reading, "invoke_workflow w").parent == reading.trace.parent
    attempt = one(reading, "attempt a")
    assert result.outputs["a"]["data"] == f"00-{reading.trace.id}-{attempt.id}-00 vendor=1"


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (PARENT, True),
        ("cc" + PARENT[2:] + "-more", True),  # of a later version
        (PARENT + "-more", False),
        ("ff" + PARENT[2:], False),
        (PARENT.upper(), False),
        ("00-" + "0" * 32 + PARENT[35:], False),
        (PARENT[:36] + "0" * 16 + "-01", False),
        ("", False),
    ],
)
def test_only_what_w3c_calls_a_traceparent_is_taken_in(text: str, counts: bool) -> None:
    assert (ids.read(text) is not None) is counts
    assert ids.read(PARENT, "a" * 600) == ids.read(PARENT, "line\nfeed") == ids.read(PARENT)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.data())
def test_whatever_a_run_does_its_spans_fit_it_and_one_another(seed: int, timing: int, data: st.DataObject) -> None:
    flow = made(seed)
    _, events, _ = run_once(flow, timing)
    events = [decode(encode(event)) for event in events]
    whole = read(flow, events)
    assert not whole.open
    known = {span.id: span for span in whole.spans}
    assert len(known) == len(whole.spans)
    for span in whole.spans:
        outer = known.get(span.parent or "")
        assert (outer is None) == (span.kind == "life")
        assert outer is None or outer.start <= span.start <= (span.end or 0.0) <= (outer.end or 0.0)
    visits = Counter((each["path"], each["status"]) for each in lives.visits(events))
    told = Counter((span.path, span.status) for span in whole.spans if span.kind == "visit")
    assert told == visits - Counter(
        {(path, status): n for (path, status), n in visits.items() if path in ("start", "end")}
    )
    reader, live = Reader(flow), []
    for event in events:
        reader.take(event)
        live += reader.drain()
    assert live == whole.finished
    at = data.draw(st.integers(1, len(events)))
    part = read(flow, events[:at])
    assert all(known[span.id] == span for span in part.finished)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32), st.data())
def test_a_killed_life_and_the_next_give_one_trace_in_which_nothing_is_said_otherwise(
    seed: int, data: st.DataObject
) -> None:
    flow = made(seed)
    _, events, _ = run_once(flow, seed)
    at = data.draw(st.integers(1, len(events)))
    lab = Lab(flow, executor=Chancy(random.Random(seed)))
    if events[at - 1].type in ("run.completed", "run.cancelled"):
        return
    asyncio.run(lab.resume(events[:at]))
    whole = read(flow, lab.journal.events)
    known = {span.id: span for span in whole.spans}
    assert (whole.open, len(known)) == ([], len(whole.spans))
    assert all(known[span.id] == span for span in read(flow, events[:at], alive=False).finished)
    visits = Counter((each["path"], each["status"]) for each in lives.visits(lab.journal.events))
    assert Counter((span.path, span.status) for span in whole.spans if span.kind == "visit") == visits


# ---- spans of one's own


def test_outside_of_a_run_a_span_of_ones_own_does_nothing() -> None:
    with magent.span("index") as span:
        span.set("rows", 1)
        span.event("half way")
    assert here.context() is None
    assert here.environment() == here.headers() == {}


async def test_rounded_to_milliseconds_a_span_of_ones_own_does_not_outlast_the_one_that_it_is_in() -> None:
    room = crew("agents: {a: {model: local}}\nnodes: {t: {prompt: x, agent: a}}")

    def work() -> str:
        room.clock.time = 1000.0004
        with magent.span("outer"):
            room.clock.time = 1000.0016  # at …002 when rounded, and 1 ms long
            with magent.span("inner"):
                room.clock.time = 1000.0024
        return "done"

    room.agents = crew(
        "agents: {a: {model: local}}\nnodes: {t: {prompt: x, agent: a}}", a=Scripted(lambda _: work())
    ).agents
    reading = await spans(room)
    outer, inner = one(reading, "outer"), one(reading, "inner")
    assert (outer.start, outer.end) == (1000.0, 1000.002)
    assert (inner.start, inner.end) == (1000.002, 1000.002)


async def ran(function: Any) -> tuple[Reading, list[Event]]:
    """A workflow of one agent, which is the function."""
    room = crew("agents: {a: {model: local}}\nnodes: {t: {prompt: x, agent: a}}", a=Scripted(lambda _: function()))
    reading = await spans(room)
    return reading, room.journal.events


async def test_a_span_of_ones_own_is_within_the_attempt_also_in_a_thread_and_nested() -> None:
    def index() -> None:
        with magent.span("index") as span:
            span.set("rows", 12)
            span.event("half way", left=6)
            with magent.span("inner"):
                pass

    async def work() -> str:
        await asyncio.to_thread(index)
        with magent.span("index again"):
            await asyncio.sleep(0)
        return "done"

    reading, events = await ran(work)
    found = tree(reading)
    assert found["invoke_agent a"] == ["chat local", "index", "index again"]
    assert found["index"] == ["inner"]
    index_span = one(reading, "index")
    assert index_span.attributes["rows"] == 12
    assert [(moment.name, moment.attributes) for moment in index_span.moments] == [("half way", {"left": 6})]
    assert [event.type for event in events].count("span.ended") == 3


async def test_a_span_of_a_tools_code_is_within_the_call_and_hands_its_own_place_on() -> None:
    told: dict[str, str] = {}

    def work() -> str:
        with magent.span("look up"):
            told.update(here.headers())
        return "found"

    agent = Scripted(calls(("add", {})), "done")
    text = "agents: {a: {model: local}}\ntools: {add: {call: 'm:f'}}\nnodes: {t: {prompt: x, agent: a, tools: [add]}}"
    reading = await spans(crew(text, [FakeTool("add", work)], a=agent))
    assert tree(reading)["execute_tool add"] == ["look up"]
    assert told == {"traceparent": f"00-{reading.trace.id}-{one(reading, 'look up').id}-01"}


async def test_an_exception_that_leaves_it_is_its_error() -> None:
    async def work() -> str:
        with pytest.raises(ValueError, match="no"), magent.span("index"):
            raise ValueError("no")
        return "done"

    reading, _ = await ran(work)
    assert one(reading, "index").error == {"type": "ValueError", "message": "no"}


async def test_values_are_json_of_bounded_length_and_number() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError

    async def work() -> str:
        with magent.span("n" * 10_000) as span:
            span.set("object", object)
            span.set("odd", Odd())
            span.set("nan", float("nan"))
            span.set("long", "x" * 100_000)
            span.set("list", ["é", {"a": None}])
            span.set("half", "\ud800")
            for number in range(1000):
                span.set(f"v{number}", number)
                span.event("tick")
        for _ in range(2000):
            with magent.span("many"):
                pass
        return "done"

    reading, events = await ran(work)
    assert sum(event.type == "span.ended" for event in events) == here.MOST_SPANS
    (event,) = (event for event in events if event.type == "span.ended" and event.data["name"].startswith("n"))
    values = event.data["values"]
    assert (len(event.data["name"]), len(values["long"])) == (here.LONGEST, here.LONGEST)
    assert (len(values), len(event.data["events"])) == (here.MOST_VALUES, here.MOST_EVENTS)
    assert (values["list"], values["nan"], values["half"]) == (["é", {"a": None}], "nan", "?")
    assert (values["object"], values["odd"]) == ("<class 'object'>", "<Odd: RuntimeError>")
    assert all(decode(encode(event)) for event in events)
    assert len(reading.spans) > here.MOST_SPANS


async def test_a_thread_that_outlives_its_visit_harms_nothing() -> None:
    go, gone = threading.Event(), threading.Event()

    def late() -> None:
        with magent.span("late"):
            go.wait(10)
        gone.set()

    async def work() -> str:
        threading.Thread(target=contextvars.copy_context().run, args=(late,), daemon=True).start()
        return "done"

    _, events = await ran(work)
    go.set()
    assert await asyncio.to_thread(gone.wait, 10)
    assert "span.ended" not in [event.type for event in events]


# ---- readings of spans


def made_of(*facts: tuple[str, str | None, float, float]) -> list[Span]:
    return [
        Span(name, parent, "visit", name, name, at, start, end, "completed")
        for at, (name, parent, start, end) in enumerate(facts, 1)
    ]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([("r", None, 0, 9), ("a", "r", 0, 4), ("b", "r", 4, 9)], "r a b"),
        ([("r", None, 0, 9), ("a", "r", 0, 4), ("b", "r", 0, 8), ("c", "r", 8, 9)], "r b c"),
        ([("r", None, 0, 9), ("a", "r", 0, 8), ("x", "a", 1, 2), ("y", "a", 1, 8), ("b", "r", 0, 5)], "r a y"),
        ([("r", None, 0, 9), ("a", "r", 0, 12)], "r a"),  # it outlives what it is in
        ([("r", None, 0, 9), ("z", "r", 3, 3), ("a", "r", 3, 9)], "r z a"),
    ],
)
def test_the_critical_path_is_what_ended_last_before_what_followed(facts: Any, expected: str) -> None:
    assert critical(children(made_of(*facts)), 20.0) == set(expected.split())


def test_what_was_called_off_because_another_was_enough_is_not_on_the_critical_path() -> None:
    known = made_of(
        ("r", None, 0, 9), ("any", "r", 0, 6), ("fast", "any", 0, 4), ("slow", "any", 0, 6), ("z", "r", 6, 9)
    )
    known[3].status = "cancelled"
    assert critical(children(known), 9.0) == {"r", "any", "fast", "z"}
    known[1].attributes["magent.timed_out"] = True  # then what was called off is what it waited for
    assert critical(children(known), 9.0) == {"r", "any", "slow", "z"}


async def test_what_is_counted_is_what_the_run_did() -> None:
    room = crew(TEAM, [FakeTool("add")], boss=Scripted(calls(("add", {})), "it"), hand=["x"])
    room.human = ScriptedPeople({})
    reading = await spans(room)
    found = [measure for span in reading.finished for measure in measures(span)]
    assert {measure.instrument for measure in found} <= INSTRUMENTS.keys()
    totals: Counter[str] = Counter()
    for measure in found:
        if INSTRUMENTS[measure.instrument].kind == "counter":
            totals[measure.instrument] += round(measure.value * 1000)
    assert totals == {
        "magent.runs": 1000, "magent.visits": 1000, "magent.model.calls": 2000, "magent.tool.calls": 1000,
        "magent.tokens": 30_000, "magent.cost.usd": 2,
    }  # fmt: skip
    (run,) = (measure for measure in found if measure.instrument == "magent.runs")
    assert run.attributes == {"workflow": "test", "status": "completed"}


async def test_calls_that_failed_are_counted_under_the_same_model_as_those_that_did_not() -> None:
    text = 'agents: {a: {model: "openai:big"}}\nnodes: {t: {prompt: x, agent: a, retry: {max_attempts: 2, delay: 1ms}}}'
    answer = Reply("done", usage=Usage(1, 1, 0.1, 1), model="openai:big-2026-01-01")
    reading = await spans(crew(text, a=Scripted(broken("agent"), answer)))
    found = [measure for span in reading.finished for measure in measures(span)]
    calls_of = [each.attributes for each in found if each.instrument == "magent.model.calls"]
    assert [(each["model"], each["status"]) for each in calls_of] == [("big", "failed"), ("big", "completed")]


def test_instruments_are_named_as_opentelemetry_wants_them() -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9_.]*", name) for name in INSTRUMENTS)
