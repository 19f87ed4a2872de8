"""What an attempt is made with: the adapters of the run, and what the visit sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from magent.model import Graph, Prompt, Task
from magent.ports import Agent, Executor, Reply, ToolContext, Usage
from magent.ports import Tool as ToolPort


class Reserved(NamedTuple):
    """What a call that has not come back yet may use."""

    tokens: int
    usd: float = 0.0


class Budget(Protocol):
    """Reserves what a call may use before it starts; `settle` puts what it did use in its place."""

    def reserve(self, agent: str, max_tokens: int | None) -> Reserved: ...

    def settle(self, reserved: Reserved, usage: Usage) -> None: ...

    def recorded(self, data: Mapping[str, Any]) -> None: ...


@dataclass(slots=True)
class Services:
    """What work is done with: the adapters of this run."""

    executor: Executor
    agent: Callable[[Graph, str], Agent]  # raises WorkFailed for an unknown name
    tool: Callable[[Graph, str], ToolPort]
    budget: Budget
    child_env: Mapping[str, str]
    secrets: Mapping[str, str]
    cwd: str
    on_text: Callable[[str, str, bool], None]  # path, text, whether it is a piece of JSON
    write: bool = True  # whether tools may write into the workspace


@dataclass(slots=True)
class Attempt:
    """One attempt at one visit: what it sees, and what it used so far."""

    graph: Graph
    node: Task
    path: str
    seen: Mapping[str, Any]
    services: Services
    used: dict[str, Any] = field(default_factory=dict)

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

    def spent(self, agent: str, reply: Reply) -> None:
        tokens = self.used.setdefault("tokens", {"input": 0, "output": 0})
        tokens["input"] += reply.usage.input
        tokens["output"] += reply.usage.output
        before = self.used.get("cost", 0.0)
        self.used["cost"] = None if before is None or reply.usage.cost is None else before + reply.usage.cost
        self.used["agent"] = agent
        if reply.model:
            self.used["model"] = reply.model
        if reply.mark is not None:
            self.used.setdefault("marks", []).append(reply.mark)
