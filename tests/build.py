"""A workflow in one line a node, run with fakes: what the engine's tests are written with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Any

from magent.engine import run as lives
from magent.engine.driver import Driver
from magent.engine.fold import Run
from magent.engine.recorder import Recorder
from magent.engine.work import Services
from magent.events import Event
from magent.model import Workflow
from magent.ports import Executor, Human, Record
from magent.spec.build import build
from magent.spec.loader import load
from tests.fakes import FakeExecutor, ManualClock, MemoryJournal, Nobody, NoBudget, missing


def workflow(text: str, file: str = "workflow.yaml") -> Workflow:
    """The model of a YAML text; `magent: 1` and a name are added where they are missing."""
    text = dedent(text)
    if "magent:" not in text:
        text = f"magent: 1\nname: test\n{text}"
    bundle = load(file, text=text.encode())
    assert bundle.problems == [], bundle.problems
    return build(bundle)


@dataclass
class Lab:
    """Runs one workflow, with everything fake that is outside."""

    workflow: Workflow
    clock: ManualClock = field(default_factory=lambda: ManualClock(auto=True))
    human: Human = field(default_factory=Nobody)
    executor: Executor = field(default_factory=FakeExecutor)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    agents: Any = None
    tools: Any = None
    options: dict[str, Any] = field(default_factory=dict)  # of the driver
    recording: dict[str, Any] = field(default_factory=dict)  # options of the recorder

    def driver(self, run: Run) -> Driver:
        services = Services(
            executor=self.executor,
            agent=self.agents or missing("agent"),
            tool=self.tools or missing("tool"),
            tools=self.offered,
            budget=NoBudget(),
            child_env={},
            secrets={},
            cwd=".",
            on_text=lambda _path, _text, _structured: None,
            mask=self.recording.get("mask") or (lambda value: value),
        )
        recorder = Recorder(run, self.journal, self.clock, **self.recording)
        return Driver(run, recorder, services, self.human, self.clock, **self.options)

    async def offered(self, graph: Any, names: Sequence[str]) -> dict[str, Any]:
        return {name: await self.tools(graph, name) for name in names}

    async def start(
        self,
        inputs: Mapping[str, Any] | None = None,
        limits: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Run:
        run = Run(self.workflow)
        names = {"id": "test", "name": self.workflow.name, "dir": "", "workspace": "", "home": ""}
        read = {"inputs": dict(inputs or {}), "env": dict(env or {}), "limits": dict(limits or {})}
        data = {"run_id": "test", **read, "run": names}
        await lives.start(self.driver(run), data)
        return run

    async def resume(self, events: list[Event] | None = None, limits: Mapping[str, Any] | None = None) -> Run:
        kept = list(self.journal.events if events is None else events)
        self.journal = MemoryJournal()
        self.journal.events = list(kept)
        run = lives.refold(self.workflow, Record({}, {}, None, kept))
        await lives.resume(self.driver(run), {"limits": dict(limits or {})})
        return run


async def ran(text: str, inputs: Mapping[str, Any] | None = None, **lab: Any) -> Run:
    return await Lab(workflow(text), **lab).start(inputs)
