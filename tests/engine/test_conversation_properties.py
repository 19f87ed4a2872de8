"""Whatever agents call, and wherever a run is cut: resumed, it comes to the same state, sessions and path."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.snapshot import from_json, to_json
from magent.events import Event, decode, encode
from magent.ports import Message, Record, Reply, Request, Usage
from tests.build import Lab
from tests.engine.crew import FakeTool, Scripted, broken, calls, crew
from tests.engine.language import NOBODY

seeds = st.integers(0, 2**32)
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

TEXT = """
agents: {a: {model: local}, b: {model: local, fallback: [a]}}
defaults: {agent: a, retry: {max_attempts: 2, delay: 0}}
tools: {add: {call: 'm:f'}, pay: {call: 'm:f'}, flop: {call: 'm:f'}}
roles:
  lead: {agent: a, can_delegate: true, skills: [planning], max_subtasks: 2}
  coder: {agent: b, can_delegate: true, skills: [python], tools: [add, both]}
  tester: {agent: a, skills: [testing], tools: [pay]}
chains:
  both:
    inputs: {n: {type: integer, default: 1}}
    steps:
      - {tool: add, with: {n: "{{ inputs.n }}"}, as: one}
      - {tool: flop, with: {n: "{{ inputs.n }}"}, when: inputs.n > 2, on_error: continue}
      - {tool: pay, with: {n: "{{ steps.one }}"}}
nodes:
"""


def workflow(rng: random.Random) -> str:
    """Some tasks in a row, then two at once, then a loop; prompts differ from seed to seed."""

    def task(name: str, after: str | None) -> str:
        keys = [f"prompt: {name}{rng.randrange(1000)}"]
        keys.append(rng.choice(["agent: a", "agent: b", "role: lead", "role: coder", "route: {skills: [testing]}"]))
        if rng.random() < 0.5:
            keys.append("tools: [add, both, flop, pay]")
        if rng.random() < 0.6:
            keys.append(f"session: s{rng.randrange(2)}")
        if rng.random() < 0.3:
            keys.append("output: {n: {type: integer}}")
        keys.append("on_error: continue")
        keys += [f"next: {after}"] if after else []
        return f"  {name}: {{{', '.join(keys)}}}"

    def chain(name: str, after: str) -> str:
        return f"  {name}: {{chain: both, with: {{n: {rng.randrange(6)}}}, on_error: continue, next: {after}}}"

    lines = [task("t1", "t2"), chain("t2", "t3"), task("t3", "fan")]
    lines += ["  fan: {type: parallel, branches: [l, r], next: rounds}", task("l", None), task("r", None)]
    lines += ["  rounds: {type: loop, for_each: [1, 2], body: x, next: last}", task("x", None), task("last", None)]
    return TEXT + "\n".join(lines)


def number(*parts: Any) -> int:
    return zlib.crc32(json.dumps(parts).encode())


def speak(request: Request) -> Any:
    """What is said follows from what was said: an agent has no memory but the conversation."""
    said = [(message.role, message.text, len(message.calls)) for message in request.messages]
    rng = random.Random(number(request.prompt, said))
    turns = sum(message.role == "assistant" for message in _own(request))
    if request.tools and turns < 3 and rng.random() < 0.7:
        names = [offer.name for offer in request.tools]
        return calls(*[_call(rng, names) for _ in range(rng.randint(1, 2))])
    if request.schema is None:
        return f"said {rng.randrange(100)}"
    return Reply("", {"n": rng.choice([1, "x"])}, True, Usage(1, 1, 0.0, 1))


def _own(request: Request) -> list[Message]:
    """The messages of this attempt: after the last time that its prompt stands there."""
    places = [at for at, message in enumerate(request.messages) if message == Message("user", request.prompt)]
    return list(request.messages[places[-1] :])


def _call(rng: random.Random, names: list[str]) -> tuple[str, Any]:
    name = rng.choice([*names, "nothing"])
    if name == "delegate":
        return name, {"task": f"sub{rng.randrange(50)}", "skills": [rng.choice(["python", "testing", "planning"])]}
    return name, rng.choice([{"n": rng.randrange(5)}, {"n": rng.randrange(5)}, {}, "no json", {"m": 1}])


class Again:
    """Work that was cut is done again; whoever is asked agrees."""

    async def ask(self, question: Any) -> Any:
        return {**NOBODY, "choice": "again"} if question.input == "choice" else {**NOBODY, "approved": True}


def made(text: str) -> Lab:
    def fails(**given: Any) -> Any:
        if number(given) % 2:
            raise broken("tool", "it flopped")
        return "fine"

    tools = [
        FakeTool("add", lambda **given: number(given) % 7),
        FakeTool("pay", lambda **given: given, external=True, confirm=True),
        FakeTool("flop", fails),
    ]
    return crew(text, tools, people=Again(), a=Scripted(speak), b=Scripted(speak))


def summary(run: Run) -> dict[str, Any]:
    failure = None if run.failure is None else (run.failure.type, run.failure.message)
    status = {name: run.root.facts[name]["status"] for name in run.root.graph.nodes}
    return {
        "status": run.status,
        "failure": failure,
        "path": sorted(run.path),
        "outputs": run.outputs,
        "sessions": run.root.sessions,
        "nodes": status,
    }


def resumed(text: str, kept: list[Event]) -> Run:
    return asyncio.run(made(text).resume([decode(encode(event)) for event in kept]))


@quick
@given(seeds, st.data())
def test_a_run_of_agents_cut_anywhere_and_resumed_ends_as_one_left_alone(seed: int, data: st.DataObject) -> None:
    text = workflow(random.Random(seed))
    room = made(text)
    alone = asyncio.run(room.start())
    assert alone.status == "completed", alone.failure
    events = room.journal.events
    cut = data.draw(st.integers(1, len(events) - 1))
    assert summary(resumed(text, events[:cut])) == summary(alone)


def test_every_cut_of_one_run() -> None:
    text = workflow(random.Random(5))
    room = made(text)
    alone = asyncio.run(room.start())
    kinds = {event.type for event in room.journal.events}
    assert {
        "tool.returned",
        "tool.skipped",
        "delegation.started",
        "agent.replied",
        "role.routed",
        "visit.failed",
    } <= kinds
    for cut in range(1, len(room.journal.events)):
        assert summary(resumed(text, room.journal.events[:cut])) == summary(alone), f"cut after event {cut}"


@quick
@given(seeds, st.data())
def test_a_checkpoint_is_the_fold_of_the_events_before_it(seed: int, data: st.DataObject) -> None:
    room = made(workflow(random.Random(seed)))
    asyncio.run(room.start())
    cut = data.draw(st.integers(1, len(room.journal.events)))
    folded = lives.refold(room.workflow, Record({}, {}, None, room.journal.events[:cut]))
    checkpoint = json.loads(json.dumps(to_json(folded)))
    assert json.loads(json.dumps(to_json(from_json(room.workflow, checkpoint)))) == checkpoint
