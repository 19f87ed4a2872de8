"""Random graphs of every element of the language, cut, stopped, waited in, failed and resumed: one outcome."""

from __future__ import annotations

import asyncio
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.snapshot import from_json, to_json
from magent.events import Event, decode, encode
from magent.model import Parallel, Workflow
from magent.ports import ProcessResult, Question, Record
from magent.spec.build import build
from magent.spec.checks import check
from magent.spec.loader import load_data
from tests.build import Lab
from tests.engine.graphs import Chancy, Maker
from tests.engine.language import NOBODY

seeds = st.integers(0, 2**32)
many = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Whole(Maker):
    """Adds people, failed ends, failures that are not caught, skipped composites, switches and early joins."""

    early_joins = False

    def element(self, depth: int, *, shared: bool) -> str:
        kinds = ["set", "run", "run", "bare", "condition", "switch", "wait", "human", "human"]
        if depth < self.deepest:
            kinds += ["branches", "for_each", "loop", "loop_each", "subgraph"]
        name = str(getattr(self, self.chance.choice(kinds))(depth, shared))
        node = self.nodes[name]
        if node.get("type") in ("parallel", "loop", "subgraph"):
            self.dress(node)
        return name

    def dress(self, node: dict[str, Any]) -> None:
        if self.chance.random() < 0.15:
            node["when"] = "state.n % 4 != 2"
        if self.chance.random() < 0.5:
            node["on_error"] = "continue"
        if self.early_joins and node["type"] == "parallel" and "on_branch_error" not in node:
            node["wait_for"] = "any"

    def connect(self, this: str, following: str, before: Any) -> None:
        super().connect(this, following, before)
        node = self.nodes[this]
        if node.get("type") == "condition" and "switch" in node:
            del node["next"]
            node["cases"]["1"] = following
        elif node.get("type") != "condition" and self.chance.random() < 0.1:
            stop = self.add("x", {"type": "end", "status": "failed", "reason": "n is {{ state.n }}"})
            edges = node["next"] if isinstance(node["next"], list) else [{"to": node["next"]}]
            node["next"] = [{"to": stop, "when": "state.n % 11 == 7"}, *edges]

    def bare(self, _depth: int, _shared: bool) -> str:
        name = self.name("r")
        self.nodes[name] = {"run": [name], "parse": "json", "set": {"n": "{{ output.data }}"}}
        if self.chance.random() < 0.3:
            self.nodes[name]["on_error"] = {"loop_back": name, "max": 1}
        return name

    def switch(self, _depth: int, _shared: bool) -> str:
        return self.add("c", {"type": "condition", "switch": "state.n % 3", "cases": {"0": "end"}, "default": "end"})

    def human(self, _depth: int, _shared: bool) -> str:
        node = {"type": "human_input", "input": "rating", "set": {"n": "{{ output.rating }}"}}
        return self.add("h", node)

    def loop_each(self, depth: int, shared: bool) -> str:
        name = self.name("l")
        self.nodes[name] = {"type": "loop", "for_each": list(range(self.chance.randint(0, 3)))}
        self.nodes[name]["body"] = self.sequence(depth + 1, shared=shared)
        return name


class Early(Whole):
    early_joins = True


class Answering:
    """Answers by address and visit; with `chance`, sometimes not yet."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self.chance = chance

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        if self.chance is not None and self.chance.random() < 0.5:
            return None
        if question.input == "choice":
            return {"choice": "again", "form": {"output": None}, **NOBODY}
        return {"rating": zlib.crc32(question.path.encode()) % 5 + 1, **NOBODY}


class Steady(Chancy):
    """What it does depends on the address alone: how often a cancelled branch was tried before depends on timing."""

    async def run(self, argv: Any, *, env: Mapping[str, str], **more: Any) -> ProcessResult:
        place = env["MAGENT_IDEMPOTENCY_KEY"].partition("#")[0]
        return await super().run(argv, env={**env, "MAGENT_IDEMPOTENCY_KEY": place}, **more)


class Healed(Chancy):
    """From now on, everything works."""

    async def run(self, argv: Any, *, env: Mapping[str, str], **more: Any) -> ProcessResult:
        await super().run(argv, env=env, **more)
        return ProcessResult(0, "1", "")


def made(seed: int, maker: type[Maker] = Whole) -> Workflow:
    data = maker(random.Random(seed), deepest=2).workflow()
    bundle = load_data(data, ".")
    errors = [problem.message for problem in check(bundle) if problem.severity == "error"]
    assert not errors, f"{errors}\n{json.dumps(data)}"
    return build(bundle)


def room_of(workflow: Workflow, timing: int, *, hesitant: bool = False, width: int = 16, heal: bool = False) -> Lab:
    chance = random.Random(timing)
    executor = Healed(chance) if heal else Steady(chance)
    return Lab(workflow, executor=executor, human=Answering(chance if hesitant else None), options={"width": width})


def summary(run: Run, events: Sequence[Event]) -> dict[str, Any]:
    """What never depends on timing. How far a branch came before its parallel node failed without it does: a later
    visit hides that it was cancelled, but its `visits` go on counting."""
    facts = {name: {**run.root.facts[name], "duration": 0} for name in run.root.graph.nodes}
    parallels = {name for name, node in run.root.graph.nodes.items() if isinstance(node, Parallel)}
    failed = (event.data["node"] for event in events if event.type == "visit.failed")
    steady = run.status == "completed" and parallels.isdisjoint(failed)
    return {
        "status": run.status,
        "state": run.root.state.as_dict() if run.status == "completed" else None,
        "outputs": run.outputs,
        "facts": facts if steady else None,
    }


def first_life(workflow: Workflow, timing: int, **more: Any) -> tuple[Run, list[Event], Lab]:
    room = room_of(workflow, timing, **more)
    run = asyncio.run(room.start())
    return run, room.journal.events, room


def replayed(workflow: Workflow, events: list[Event]) -> Run:
    return lives.refold(workflow, Record({}, {}, None, [decode(encode(event)) for event in events]))


def fold(run: Run) -> Any:
    """The fold as JSON, but for which branches were given a place: that is planned anew in each life."""
    data = json.loads(json.dumps(to_json(run)))
    for scope in data["scopes"]:
        for each in (scope, scope["current"] or {}):
            each.pop("begun", None)
    return data


@many
@given(seeds, seeds)
def test_the_journal_alone_gives_the_fold_that_wrote_it(seed: int, timing: int) -> None:
    for maker in (Whole, Early):
        workflow = made(seed, maker)
        run, events, _ = first_life(workflow, timing)
        assert run.status in ("completed", "failed")
        assert fold(replayed(workflow, events)) == fold(run)


@many
@given(seeds, seeds, st.data())
def test_cut_anywhere_and_resumed_with_other_timing_ends_the_same(seed: int, timing: int, data: st.DataObject) -> None:
    workflow = made(seed)
    alone, events, _ = first_life(workflow, 0)
    cut = data.draw(st.integers(1, len(events) - 1))
    room = room_of(workflow, timing, width=data.draw(st.integers(1, 4)))
    room.clock.time = events[cut - 1].time
    run = asyncio.run(room.resume([decode(encode(event)) for event in events[:cut]]))
    assert summary(run, room.journal.events) == summary(alone, events)
    assert fold(replayed(workflow, room.journal.events)) == fold(run)


@many
@given(seeds, seeds)
def test_people_who_answer_late_over_many_lives_lead_to_the_same_end(seed: int, timing: int) -> None:
    workflow = made(seed)
    alone, before, _ = first_life(workflow, 0)
    run, events, _ = first_life(workflow, timing, hesitant=True)
    for life in range(100):
        if run.status != "waiting":
            break
        assert lives.open_questions(run)
        room = room_of(workflow, timing + life, hesitant=True)
        room.clock.time = events[-1].time + 1000
        run = asyncio.run(room.resume(list(events)))
        events = room.journal.events
    assert summary(run, events) == summary(alone, before)


@few
@given(seeds, st.data())
def test_from_a_checkpoint_of_any_moment_the_end_is_the_same(seed: int, data: st.DataObject) -> None:
    workflow = made(seed)
    alone, before, _ = first_life(workflow, 0)
    cut = data.draw(st.integers(1, len(before) - 1))
    same_end_from_a_checkpoint(workflow, alone, before, cut)


def test_from_a_checkpoint_where_a_cancelled_branch_had_come_further_the_end_is_the_same() -> None:
    """Later the branch's nodes complete, and only their number of visits tells."""
    workflow = made(4993)
    alone, before, _ = first_life(workflow, 0)
    same_end_from_a_checkpoint(workflow, alone, before, 6)


def same_end_from_a_checkpoint(workflow: Workflow, alone: Run, before: list[Event], cut: int) -> None:
    events = before[:cut]
    kept = json.loads(json.dumps(to_json(replayed(workflow, events))))
    assert json.loads(json.dumps(to_json(from_json(workflow, kept)))) == kept
    room = room_of(workflow, 1)
    room.clock.time = events[-1].time
    run = lives.refold(workflow, Record({}, {}, (cut, kept), []))

    async def resume() -> None:
        await lives.resume(room.driver(run), {"limits": {}})

    asyncio.run(resume())
    assert summary(run, [*events, *room.journal.events]) == summary(alone, before)


@many
@given(seeds, seeds)
def test_a_failed_run_ends_well_once_everything_works_unless_an_end_or_a_route_forbids_it(
    seed: int, timing: int
) -> None:
    for maker in (Whole, Early):
        workflow = made(seed, maker)
        run, events, _ = first_life(workflow, timing)
        for life in range(4):
            if run.status != "failed" or run.failure is None or run.failure.type == "end":
                break
            room = room_of(workflow, timing + life, heal=True)
            room.clock.time = events[-1].time + 10
            run = asyncio.run(room.resume(list(events)))
            events = room.journal.events
            assert fold(replayed(workflow, events)) == fold(run)
        assert run.status in ("completed", "failed")
        if run.status == "failed":
            assert run.failure is not None
            assert run.failure.type in ("end", "exhausted", "no_route", "value")


@many
@given(seeds, seeds, seeds, st.integers(1, 30))
def test_a_step_limit_that_is_raised_again_and_again_changes_nothing(
    seed: int, timing: int, other: int, first: int
) -> None:
    workflow = made(seed)
    alone, before, _ = first_life(workflow, timing)
    room = room_of(workflow, other)
    run, limit = asyncio.run(room.start(limits={"steps": first})), first
    while run.status == "interrupted":
        assert run.steps <= limit
        limit += 3
        room.clock.time += 5
        run = asyncio.run(room.resume(limits={"steps": limit}))
    assert summary(run, room.journal.events) == summary(alone, before)
