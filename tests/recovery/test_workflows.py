"""Every workflow in `workflows/`, cut after every event and resumed: same path, same state, no work done again."""

from __future__ import annotations

import asyncio
import json
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
from tests.docs.samples import FILES, TOGETHER, WORKFLOWS, agents
from tests.fakes import ManualClock, MemoryJournal, ScriptedPeople


class Machine:
    """Runs no program, but says what it would print, given command and stdin. `done` lists what was asked of it."""

    def __init__(self, says: Callable[[str, str], ProcessResult]) -> None:
        self.says = says
        self.done: list[str] = []

    async def run(self, argv: Sequence[str], *, stdin: str | None = None, **_: Any) -> ProcessResult:
        await asyncio.sleep(0)
        command = " ".join(argv)
        self.done.append(command)
        return self.says(command, stdin or "")


def ferry(command: str, _stdin: str) -> ProcessResult:
    reports = WORKFLOWS / "quickstart" / "reports"
    if command.endswith("ls -1 -- *.txt"):
        return ProcessResult(0, "".join(f"{file.name}\n" for file in sorted(reports.iterdir())), "")
    if command.startswith("cat -- "):
        return ProcessResult(0, (reports / command.split()[-1]).read_text(), "")
    return ProcessResult(0, "", "")


def change(command: str, _stdin: str) -> ProcessResult:
    if command.startswith("cat -- "):
        return ProcessResult(0, (WORKFLOWS / "review_change" / "sample.diff").read_text(), "")
    return ProcessResult(0, "a.py:1: it is long\n" if command.startswith("awk") else "", "")


def site(command: str, _stdin: str) -> ProcessResult:
    for words, output in (("readlink", "releases/1.0\n"), ("ls -1", "1.0\n1.1\n"), ("df -Pk", "99999\n")):
        if words in command:
            return ProcessResult(0, output, "")
    return ProcessResult(0, "", "")


def broken_site(command: str, stdin: str) -> ProcessResult:
    return ProcessResult(1, "", "no database") if command.endswith("/health") else site(command, stdin)


def tracker(command: str, _stdin: str) -> ProcessResult:
    if command.startswith("cat -- "):
        return ProcessResult(0, (WORKFLOWS / "triage" / "issues.json").read_text(), "")
    return ProcessResult(0, '{"118": 104}' if command.startswith("awk") else "", "")


def folder(command: str, _stdin: str) -> ProcessResult:
    minutes = WORKFLOWS / "digest" / "minutes"
    if command.endswith("ls -1d -- *.txt"):
        return ProcessResult(0, "".join(f"{file.name}\n" for file in sorted(minutes.iterdir())), "")
    if command.startswith("cat -- "):
        return ProcessResult(0, (minutes / command.split()[-1]).read_text(), "")
    return ProcessResult(0, "", "")


def editor(command: str, stdin: str) -> ProcessResult:
    """Finds the second draft better than the first."""
    if command.startswith("awk"):
        return ProcessResult(0, json.dumps({"score": 8 if "2" in stdin else 3, "faults": ["dull"]}), "")
    return ProcessResult(0, "Must say: 8:15\n", "")


def glossary(command: str, stdin: str) -> ProcessResult:
    """Refuses the first translation into French."""
    if "check.awk" in command:
        return ProcessResult(0, "no glossary\n" if "French, attempt 1" in stdin else "", "")
    return ProcessResult(0, "The boat is late.\n" if "tr -d" in command else "", "")


def well(command: str, _stdin: str) -> ProcessResult:
    return ProcessResult(0, "2026-05-20\n" if "sample-day" in command else "", "")


def unwell(command: str, stdin: str) -> ProcessResult:
    if "app.log" in command:
        return ProcessResult(2, "", "no such file")
    return ProcessResult(0, "the disk is full\n", "") if "df -Pk" in command else well(command, stdin)


@dataclass(frozen=True)
class Case:
    """How a workflow is run here, on which machine. With `broken` it is to end as failed."""

    name: str
    says: Callable[[str, str], ProcessResult]
    answers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.says.__name__}"


REVIEW = {"decision": "approve", "comments": None, "content": "# Review\n"}
GO = {"approved": True, "form": {"ticket": "OPS-17"}}
CASES = [
    Case("quickstart", ferry, {"agreed": {"approved": True}}),
    Case("review_change", change, {"sign_off": REVIEW}, {"second_look": True}),
    Case("runbook", site, {"go": GO}),
    Case("runbook", broken_site, {"go": GO}, broken=True),
    Case("triage", tracker, {"confirm": {"choice": "feature"}}),
    Case("digest", folder, {"without": {"approved": True}}, {"group": 2}),
    Case("revise", editor, {"settle": {"approved": True}}, {"rounds": 3, "judge": True}),
    Case("translate", glossary, {"sign": {"decision": "approve", "comments": None, "content": "Bac.", "by": "jonas"}}),
    Case("nightly", well),
    Case("nightly", unwell, {"decide": {"choice": "seen"}}),
]


def test_every_workflow_is_tried() -> None:
    """Those in which agents work together are cut in `tests/docs/test_agents_gallery.py`, with their real tools."""
    assert {case.name for case in CASES} == set(FILES) - set(TOGETHER)


@cache
def loaded(name: str) -> Workflow:
    return app.load(FILES[name]).workflow


class Life:
    """One life of a run, with its own machine, people and agents."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.workflow = loaded(case.name)
        self.agents = agents(case.name)
        self.machine = Machine(case.says)
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
