"""What an attempt is made with: the adapters of the run, and what the visit sees."""

from __future__ import annotations

from asyncio import Timeout, get_running_loop
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from magent.engine.company import Companies, Speaker
from magent.model import Graph, Prompt, Task
from magent.ports import Agent, Executor, Meter, Question, ToolContext, Usage
from magent.ports import Tool as ToolPort

SPENT = ("tokens", "cost", "estimated")  # what an event says of what was used
ASKED = "model_call"  # and of the call of a model that used it: agent, at, took, first, failed


class Reserved(NamedTuple):
    """What a call that has not come back yet may use."""

    tokens: int
    usd: float = 0.0


class Home(NamedTuple):
    """Where names of agents and tools are looked up: a graph, and the inputs of the file that it stands in, which is
    what their settings see. None: they are known when the file is called."""

    graph: Graph
    inputs: Mapping[str, Any] | None = None


class Budget(Protocol):
    """Reserves what a call may use before it starts; `settle` puts what it did use in its place."""

    def reserve(self, home: Home, agent: str, max_tokens: int | None) -> Reserved: ...

    def settle(self, reserved: Reserved, usage: Usage) -> None: ...

    def recorded(self, data: Mapping[str, Any]) -> None: ...


class Desk(Protocol):
    """Where an attempt at work tells the run what it does, and asks of it what it needs."""

    async def note(self, kind: str, data: Mapping[str, Any], *, sync: bool) -> int:
        """On the record when it returns; with `sync` on the disk, whatever the durability. Gives the event's number."""
        ...

    def note_soon(self, kind: str, data: Mapping[str, Any]) -> None:
        """Recorded before anything that the attempt comes to; from any thread, and nobody waits for it."""
        ...

    def tell(self, kind: str, data: Mapping[str, Any]) -> None:
        """Told to those who watch, never recorded."""
        ...

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        """A person's whole answer; None: nobody answers here and now."""
        ...

    async def sleep(self, seconds: float) -> None: ...

    def now(self) -> float: ...

    def asked(self, name: str) -> int:
        """How often people were asked in the run about calls of the tool `name`; of a server or group, about calls of
        any of its tools."""
        ...


@dataclass(frozen=True, slots=True)
class Before:
    """What the record has of a visit when an attempt begins: the role it was routed to, the results of the steps of its
    chain that are done, and the sessions of its scope."""

    role: str | None = None
    steps: Mapping[str, Any] = field(default_factory=dict)
    sessions: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)


def settings_of(graph: Graph, agent: str) -> Mapping[str, Any]:
    """What stands in the graph's file."""
    spec = graph.agents.get(agent)
    return spec.settings if spec else {}


@dataclass(slots=True)
class Services:
    """What work is done with: the adapters of this run."""

    executor: Executor
    agent: Callable[[Home, str], Agent]  # raises WorkFailed for an unknown name
    tool: Callable[[Home, str], Awaitable[ToolPort]]  # raises WorkFailed for an unknown name
    tools: Callable[[Home, Sequence[str]], Awaitable[Mapping[str, ToolPort]]]  # of a group or a server: all; likewise
    budget: Budget
    child_env: Mapping[str, str]
    secrets: Mapping[str, str]
    cwd: str
    on_text: Callable[[str, str, bool], None]  # path, text, whether it is a piece of JSON
    settings: Callable[[Graph, str], Mapping[str, Any]] = settings_of  # of an agent, as they are written
    bound: Callable[[Home, str], int | None] = lambda _home, _agent: None  # the longest answer of an agent, in tokens
    write: bool = True  # whether tools may write into the workspace
    mask: Callable[[Any], Any] = lambda value: value  # hides secrets in JSON data
    companies: Companies = field(default_factory=Companies)


@dataclass(slots=True)
class Attempt:
    """One attempt at one visit: what it sees, and what it used so far."""

    graph: Graph
    node: Task
    path: str
    seen: Mapping[str, Any]
    services: Services
    desk: Desk
    before: Before = Before()
    inputs: Mapping[str, Any] | None = None  # of the file that the graph stands in
    used: dict[str, Any] = field(default_factory=dict)
    calls: int = 0  # of tools, so far
    subtasks: dict[str, int] = field(default_factory=dict)  # that each role has handed over
    left_out: set[str] = field(default_factory=set)  # tools that cannot be offered, and were told of
    timer: Timeout | None = None
    speaker: Speaker | None = None  # of a prompt, once it is known who does it
    asking: tuple[str, Meter] | None = None  # the agent that is asked now, and what that has used

    @property
    def is_late(self) -> bool:
        """Its time is up."""
        return self.timer is not None and self.timer.expired()

    @property
    def home(self) -> Home:
        return Home(self.graph, self.inputs)

    @property
    def key(self) -> str:
        """The idempotency key of the visit: worked out where it is asked for."""
        return str(self.seen["run"]["key"])

    def text(self, text: str) -> None:
        self.services.on_text(self.path, text, isinstance(self.node.work, Prompt) and self.node.output is not None)

    def with_secrets(self) -> Mapping[str, Any]:
        return {**self.seen, "secrets": self.services.secrets}

    def tool_context(self) -> ToolContext:
        """What a tool that this attempt calls may know and touch."""
        workspace = Path(str(self.seen["run"]["workspace"]))
        return ToolContext(self.path, self.key, self.services.cwd, workspace, self.services.write, self.text)

    async def note(self, kind: str, data: Mapping[str, Any], *, sync: bool = False) -> int:
        """On the record of the visit when it returns; gives the event's number."""
        return await self.desk.note(kind, data, sync=sync)

    async def ask_person(self, question: Question) -> Mapping[str, Any] | None:
        with self.standing():
            return await self.desk.ask(question)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """What is waited for in here does not count as the attempt's time: a person, a turn, an agent's making."""
        timer = self.timer
        if timer is None or self.is_late:
            yield
            return
        loop, ends = get_running_loop(), timer.when()
        began = loop.time()
        timer.reschedule(None)
        try:
            yield
        finally:
            timer.reschedule(None if ends is None else ends + loop.time() - began)

    def call_begins(self, agent: str) -> None:
        self.used[ASKED] = {"agent": agent, "at": round(self.desk.now(), 3)}

    def call_goes_on(self) -> None:
        """It has begun to answer."""
        call = self.used.get(ASKED)
        if call is not None and "first" not in call:
            self.used[ASKED] = {**call, "first": round(max(0.0, self.desk.now() - call["at"]), 3)}

    def call_ends(self, *, failed: bool) -> None:
        call = self.used.get(ASKED)
        if call is not None:
            took = round(max(0.0, self.desk.now() - call["at"]), 3)
            self.used[ASKED] = {**call, "took": took} | ({"failed": True} if failed else {})

    def spent(self, agent: str, usage: Usage, model: str = "", mark: Any = None) -> None:
        tokens = self.used.setdefault("tokens", {"input": 0, "output": 0})
        tokens["input"] += usage.input
        tokens["output"] += usage.output
        before = self.used.get("cost", 0.0)
        self.used["cost"] = None if before is None or usage.cost is None else before + usage.cost
        self.used["agent"] = agent
        if usage.estimated:
            self.used["estimated"] = True
        if model:
            self.used["model"] = model
        if mark is not None:
            self.used.setdefault("marks", {}).setdefault(agent, []).append(mark)

    def tally(self) -> None:
        """What the call at work has used so far is spent, where it is not already."""
        if self.asking is not None:
            (agent, meter), self.asking = self.asking, None
            usage = meter.read()
            if usage is not None:
                self.spent(agent, usage)

    def spent_so_far(self) -> dict[str, Any]:
        """What was used and is not recorded yet, by the call at work too; the caller records it."""
        self.tally()
        return {name: self.used.pop(name) for name in (*SPENT, ASKED) if name in self.used}
