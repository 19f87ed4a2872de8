"""Every workflow in `workflows/`, cut after every event and resumed: same path, same state, no work done again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest

from magent import app
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.events import Event, decode, encode
from magent.model import Graph, Workflow
from magent.ports import Agent, ProcessResult, Record
from tests.build import Lab
from tests.docs.samples import FILES, WORKFLOWS, agents
from tests.fakes import ManualClock, MemoryJournal, ScriptedPeople


class Machine:
    """Runs no program, but says what it would print. `done` lists what was asked of it."""

    def __init__(self, says: Callable[[str, str], ProcessResult]) -> None:
        self.says = says
        self.done: list[str] = []

    async def run(self, argv: Sequence[str], *, cwd: str, **_: Any) -> ProcessResult:
        await asyncio.sleep(0)
        command = " ".join(argv)
        self.done.append(command)
        return self.says(command, cwd)


def ferry(command: str, cwd: str) -> ProcessResult:
    reports = WORKFLOWS / "quickstart" / "reports"
    if command.endswith("ls -1 -- *.txt"):
        return ProcessResult(0, "".join(f"{file.name}\n" for file in sorted(reports.iterdir())), "")
    if command.startswith("cat -- "):
        return ProcessResult(0, (reports / command.split()[-1]).read_text(), "")
    return ProcessResult(0, "", "")


def change(command: str, cwd: str) -> ProcessResult:
    if command.startswith("cat -- "):
        return ProcessResult(0, (WORKFLOWS / "review_change" / "sample.diff").read_text(), "")
    return ProcessResult(0, "a.py:1: it is long\n" if command.startswith("awk") else "", "")


def site(command: str, cwd: str) -> ProcessResult:
    if command.endswith("/health"):
        return ProcessResult(1, "", "no database") if cwd == "broken" else ProcessResult(0, "well", "")
    for words, output in (("readlink", "releases/1.0\n"), ("ls -1", "1.0\n1.1\n"), ("df -Pk", "99999\n")):
        if words in command:
            return ProcessResult(0, output, "")
    return ProcessResult(0, "", "")


@dataclass(frozen=True)
class Case:
    """How a workflow is run here. With `broken` the machine answers as where a release is broken."""

    name: str
    says: Callable[[str, str], ProcessResult]
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False

    def __str__(self) -> str:
        return f"{self.name}-broken" if self.broken else self.name


REVIEW = {"decision": "approve", "comments": None, "content": "# Review\n"}
GO = {"approved": True, "form": {"ticket": "OPS-17"}}
CASES = [
    Case("quickstart", ferry, {"agreed": {"approved": True}}),
    Case("review_change", change, {"sign_off": REVIEW}, {"second_look": True}),
    Case("runbook", site, {"go": GO}),
    Case("runbook", site, {"go": GO}, broken=True),
]


def test_every_workflow_is_tried() -> None:
    assert {case.name for case in CASES} == set(FILES)


@cache
def loaded(name: str) -> Workflow:
    return app.load(FILES[name]).workflow


class Life:
    """One life of a run, with its own machine, people and agents."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.workflow = loaded(case.name)
        self.agents = agents(case.name)
        self.machine = Machine(lambda command, _: case.says(command, "broken" if case.broken else ""))
        self.lab = Lab(
            self.workflow,
            clock=ManualClock(auto=True),
            human=ScriptedPeople(case.answers),
            executor=self.machine,
            agents=self.agent,
        )

    def agent(self, _graph: Graph, name: str) -> Agent:
        return self.agents[name]

    def start(self) -> Run:
        return asyncio.run(self.lab.start(app.check_inputs(self.workflow, self.case.inputs)))

    def resume(self, kept: list[Event]) -> Run:
        self.lab.clock.time = max(event.time for event in kept)
        run = lives.refold(self.workflow, Record({}, {}, None, kept))
        return run if run.status in ("completed", "failed") else asyncio.run(self.lab.resume(kept))

    def work(self) -> int:
        """How much was done: commands, and questions to agents."""
        return len(self.machine.done) + sum(len(agent.asked) for agent in self.agents.values())


def summary(run: Run) -> dict[str, Any]:
    failure = None if run.failure is None else (run.failure.type, run.failure.node, run.failure.message)
    state = run.root.state.as_dict()
    return {"status": run.status, "failure": failure, "path": sorted(run.path), "state": state, "outputs": run.outputs}


def finished_work(events: Sequence[Event], workflow: Workflow) -> int:
    """The visits of tasks with `run` or `prompt` that these events say are over."""
    work = {
        name
        for name, node in workflow.graph.nodes.items()
        if type(getattr(node, "work", None)).__name__ in ("Run", "Prompt")
    }
    return sum(event.type in ("visit.completed", "visit.failed") and event.data["node"] in work for event in events)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_workflow_cut_anywhere_and_resumed_ends_as_one_left_alone(case: Case) -> None:
    first = Life(case)
    alone = first.start()
    assert alone.status == ("failed" if case.broken else "completed"), alone.failure
    events = journal(first)
    for cut in range(1, len(events) + 1):
        again = Life(case)
        run = again.resume([decode(encode(event)) for event in events[:cut]])
        assert summary(run) == summary(alone), f"cut after event {cut}: {events[cut - 1]}"
        assert again.work() <= first.work() - finished_work(events[:cut], first.workflow), f"cut after event {cut}"


def journal(life: Life) -> list[Event]:
    assert isinstance(life.lab.journal, MemoryJournal)
    return life.lab.journal.events
