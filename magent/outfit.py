"""What one run works with: its agents, tools, child processes and secrets, made when first used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from magent import agents, tools
from magent.agents import AgentEnvironment
from magent.agents.base import Unusable
from magent.clock import SystemClock
from magent.engine.budget import Price, RunBudget
from magent.engine.fold import Run
from magent.engine.work import Services
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError, Value
from magent.masks import masker, secrets_of
from magent.model import AgentSpec, Chain, Graph, Prompt, Task, Tool, Workflow
from magent.ports import Agent, Remembers
from magent.ports import Tool as ToolPort
from magent.process import ProcessExecutor, clean_environment
from magent.source import did_you_mean

KEPT_RAW = ("command", "replies", "system")  # rendered later, with what the task sees


class Outfit:
    """Made before the run starts; `check` finds early what would fail late. `close` frees everything.

    `seen` is what the settings of agents see beside secrets: `inputs`, `env`, and `run` as soon as it has begun.
    """

    def __init__(
        self,
        workflow: Workflow,
        overrides: Mapping[str, str | Agent],
        seen: Mapping[str, Any],
        cwd: str,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        self.workflow = workflow
        self.overrides = overrides
        self.seen = dict(seen)
        self.cwd = cwd
        self.clock = SystemClock()
        self.executor = ProcessExecutor()
        self.secrets = secrets_of(workflow)
        self.child_env = clean_environment(os.environ, workflow.secrets, {})
        self.on_text: Callable[[str, str, bool], None] = lambda _path, _text, _structured: None
        self.on_progress: Callable[[str, int, int], None] = on_progress or (lambda _what, _done, _total: None)
        self.mask = masker(self.secrets.values())
        self._agents: dict[tuple[str, str], Agent] = {}
        self._tools: dict[tuple[str, str], ToolPort] = {}
        self._prices: dict[str, Price | None] = {}
        self._run: Run | None = None

    # ---- before the run

    def check(self, usd: float | None) -> None:
        """Raises UsageError for an agent, a tool or a feature that cannot be used, before anything runs; with a budget
        of `usd` dollars also for a model of unknown price."""
        known = dict.fromkeys(name for graph in self.workflow.graphs.values() for name in graph.agents)
        for name in self.overrides:
            if name not in known:
                hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
                raise UsageError(f"--agent {name}=…: no agent is named '{name}'", hint)
        for graph in self.workflow.graphs.values():
            for node in graph.nodes.values():
                if isinstance(node, Task):
                    self._check_task(graph, node)
                if usd is not None and isinstance(node, Task) and isinstance(node.work, Prompt):
                    self._check_prices(graph, node.work)

    def _check_task(self, graph: Graph, node: Task) -> None:
        work = node.work
        if isinstance(work, Chain):
            raise _not_yet(node, "chain")
        if isinstance(work, Tool) and work.tool.literal:
            self._tool(graph, str(work.tool.data))
        if not isinstance(work, Prompt):
            return
        for key in ("role", "route", "session"):
            if getattr(work, key) is not None:
                raise _not_yet(node, key)
        if work.tools:
            raise _not_yet(node, "tools")
        name = work.agent or graph.default_agent
        if name is not None and name.literal and node.on_error.action == "fail":
            self._check_agent(graph, str(name.data))

    def _check_prices(self, graph: Graph, work: Prompt) -> None:
        """Of every agent that the prompt may come to, and of those that stand in for it."""
        name = work.agent or graph.default_agent
        first = [str(name.data)] if name is not None and name.literal else list(graph.agents)
        for each in dict.fromkeys(first):
            spec = graph.agents.get(each)
            for other in (each, *(spec.settings.get("fallback", ()) if spec else ())):
                if other in graph.agents and self._price_in(graph, other) is None:
                    model = self._spec(graph, other).settings.get("model", "its model")
                    raise UsageError(
                        f"a budget in dollars cannot be kept: the price of {model} (agent '{other}') is not known",
                        "write `price: {input: 0.4, output: 1.6}` (dollars for a million tokens) on the agent,"
                        " or give a budget in tokens",
                    )

    def _check_agent(self, graph: Graph, name: str) -> None:
        """One that can be asked is enough: the agent itself, or one that stands in for it."""
        spec = graph.agents.get(name)
        others = spec.settings.get("fallback", ()) if spec is not None else ()
        failures = [self._unusable(graph, each) for each in (name, *others)]
        if failures[0] is not None and None not in failures:
            message = failures[0].message
            told = message if f"'{name}'" in message else f"agent '{name}': {message}"
            raise UsageError(told, failures[0].hint)

    def _unusable(self, graph: Graph, name: str) -> Failure | None:
        """Why the agent can never be asked, as far as that is known before the run."""
        settings = self._spec(graph, name).settings if name in graph.agents else {}
        if "run" not in self.seen and any(access.path[:1] == ("run",) for access in _rendering(settings).accesses):
            return None
        try:
            agent = self._agent(graph, name)
        except WorkFailed as error:
            return error.failure
        return agent.why.failure if isinstance(agent, Unusable) else None

    def described(self) -> dict[str, str]:
        """What each agent is, in a word: for `--dry-run`."""
        return {
            name: str(self._spec(graph, name).settings.get("model") or spec.kind)
            for graph in self.workflow.graphs.values()
            for name, spec in graph.agents.items()
        }

    # ---- during the run

    def services(self, run: Run) -> Services:
        self._run = run
        for place, marks in run.marks.items():
            key, _, name = place.rpartition("|")
            agent = self._agent(run.workflow.graphs[key], name)
            if isinstance(agent, Remembers):
                for mark in marks:
                    agent.recall(mark)
        return Services(
            executor=self.executor,
            agent=self._agent,
            tool=self._tool_of_task,
            budget=RunBudget(run, self._price),
            child_env=self.child_env,
            secrets=self.secrets,
            cwd=self.cwd,
            on_text=lambda path, text, structured: self.on_text(path, text, structured),
            write=self.writes,
        )

    @property
    def writes(self) -> bool:
        """Whether tools may write into the workspace: into the run's own, unless the workflow says otherwise."""
        workspace = self.workflow.workspace or {}
        return bool(workspace.get("write", "path" not in workspace))

    def _spec(self, graph: Graph, name: str) -> AgentSpec:
        spec = graph.agents.get(name)
        if spec is None:
            near = did_you_mean(name, graph.agents)
            hint = near or f"there are: {', '.join(graph.agents) or 'none'}"
            raise WorkFailed(Failure("agent", f"no agent is named '{name}'", hint=hint))
        wanted = self.overrides.get(name)
        if not isinstance(wanted, str):
            return spec
        other = graph.agents.get(wanted) or self.workflow.graph.agents.get(wanted)
        if other is not None:
            return replace(other, name=name)
        kept = {key: value for key, value in spec.settings.items() if key in ("system", "temperature", "max_tokens")}
        return AgentSpec(name, "model", {**kept, "model": wanted}, spec.home)

    def _agent(self, graph: Graph, name: str) -> Agent:
        spec = self._spec(graph, name)
        given = self.overrides.get(name)
        if given is not None and not isinstance(given, str):
            return given
        key = (graph.key.partition("#")[0], name)  # each file has its own agents; its subgraphs share them
        agent = self._agents.get(key)
        if agent is None:
            environment = AgentEnvironment(
                executor=self.executor,
                environ=os.environ,
                child_environ=self.child_env,
                on_progress=self.on_progress,
            )
            agent = self._agents[key] = agents.make(spec, self._rendered(spec.settings), environment)
        return agent

    def _rendered(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        raw = {key: value for key, value in settings.items() if key in KEPT_RAW}
        template = _rendering(settings)
        begun = {"run": self._run.facts} if self._run is not None and self._run.facts else {}
        try:
            rest = template.evaluate({**self.seen, **begun, "secrets": self.secrets})
        except EvaluationError as error:
            read = {access.path[1] for access in template.accesses if access.path[0] == "secrets" and access.path[1:]}
            for name in sorted(read & set(self.workflow.secrets) - set(self.secrets)):
                message = f"the secret {name} is not set in the environment"
                raise WorkFailed(Failure("agent", message, hint=f"export {name}=…")) from error
            raise WorkFailed(Failure("agent", error.message, hint=error.hint)) from error
        return {**raw, **rest}

    def _tool(self, graph: Graph, name: str) -> ToolPort:
        key = (graph.key, name)
        if key not in self._tools:
            spec = graph.tools.get(name)
            if spec is None:
                raise UsageError(f"no tool is named '{name}'", did_you_mean(name, graph.tools))
            self._tools[key] = tools.make(spec, spec.settings)
        return self._tools[key]

    def _tool_of_task(self, graph: Graph, name: str) -> ToolPort:
        try:
            return self._tool(graph, name)
        except UsageError as error:
            raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error

    def _price(self, name: str) -> Price | None:
        """What a budget reckons with: of the agents that several files call so, the dearest."""
        if name not in self._prices:
            found = [self._price_in(graph, name) for graph in self.workflow.graphs.values() if name in graph.agents]
            self._prices[name] = max((price for price in found if price is not None), default=None)
        return self._prices[name]

    def _price_in(self, graph: Graph, name: str) -> Price | None:
        if not isinstance(self.overrides.get(name, ""), str):
            return 0.0, 0.0  # an agent handed over by a program tells what it cost
        spec = self._spec(graph, name)
        settings = {key: value for key, value in spec.settings.items() if key in ("model", "price")}
        return agents.price_of(spec, self._rendered(settings))

    async def close(self) -> None:
        for agent in self._agents.values():
            await agent.close()
        self._agents.clear()


def _rendering(settings: Mapping[str, Any]) -> Value:
    return Value({key: value for key, value in settings.items() if key not in KEPT_RAW})


def _not_yet(node: Task, key: str) -> UsageError:
    return UsageError(f"'{node.name}' uses `{key}`, which this version of magent does not run yet")
