"""What one run works with: its agents, tools, child processes and secrets, made when first used."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from magent import agents
from magent.agents import AgentEnvironment
from magent.agents.base import Unusable
from magent.clock import SystemClock
from magent.engine.budget import Price, RunBudget
from magent.engine.company import Companies
from magent.engine.fold import Run
from magent.engine.reach import reach
from magent.engine.work import Services
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError, Value
from magent.functions import FunctionNotFound
from magent.glance import glance
from magent.keys import clean_environment
from magent.masks import mask_of, names_of, secrets_of, words_of
from magent.model import AgentSpec, Call, Graph, Prompt, SetOnly, Task, ToolSpec, Wait, Workflow
from magent.model import Run as RunTask
from magent.ports import Agent, Remembers
from magent.ports import Tool as ToolPort
from magent.process import ProcessExecutor
from magent.source import did_you_mean
from magent.tools import RAW, Toolbox, ToolEnvironment, Toolset
from magent.tools import make as make_toolset
from magent.tools.custom import handed

KEPT_RAW = ("command", "replies", "system")  # of agents: rendered later, with what the task sees
TOOL_TEXTS = ("description", "parameters", "type", "function", "call", "builtin", "uses")  # of tools: no templates


class Outfit:
    """Made before the run starts; `check` finds early what would fail late. `close` frees everything.

    `seen` is what the settings of agents see beside secrets: `inputs`, `env`, and `run` as soon as it has begun.
    Without `opens`, `check` neither imports nor makes what would run somebody's code: it looks whether it is there.
    """

    def __init__(
        self,
        workflow: Workflow,
        overrides: Mapping[str, str | Agent],
        seen: Mapping[str, Any],
        cwd: str,
        on_progress: Callable[[str, int, int], None] | None = None,
        tools: Mapping[str, Any] = MappingProxyType({}),
        opens: bool = True,
    ) -> None:
        self.opens = opens
        self.workflow = workflow
        self.overrides = overrides
        self.given_tools = tools
        self.seen = dict(seen)
        self.cwd = cwd
        self.clock = SystemClock()
        self.executor = ProcessExecutor()
        self.secrets = secrets_of(workflow)
        self.child_env = clean_environment(os.environ, names_of(workflow), {})
        self.on_text: Callable[[str, str, bool], None] = lambda _path, _text, _structured: None
        self.on_progress: Callable[[str, int, int], None] = on_progress or (lambda _what, _done, _total: None)
        self.hidden = words_of(workflow)
        self.mask = mask_of(self.hidden) if self.hidden else None
        self._agents: dict[tuple[str, str], Agent] = {}
        self._toolboxes: dict[str, Toolbox] = {}
        self._toolsets: dict[str, Toolset] = {}
        self._companies = Companies()
        self._prices: dict[str, Price | None] = {}
        self._run: Run | None = None

    # ---- before the run

    def check(self, usd: float | None) -> None:
        """Raises UsageError for an agent, a tool or a feature that cannot be used, before anything runs; with a budget
        of `usd` dollars also for a model of unknown price."""
        self._check_overrides()
        declared = {name for graph in self.workflow.graphs.values() for name in graph.tools}
        for name in self.given_tools:
            if name not in declared:
                hint = did_you_mean(name, declared) or f"there are: {', '.join(sorted(declared)) or 'none'}"
                raise UsageError(f"no tool is named '{name}' in the workflow", hint)
        for graph in self.workflow.graphs.values():
            for node in graph.nodes.values():
                if isinstance(node, Task) and not isinstance(node.work, (Call, RunTask, SetOnly, Wait)):
                    self._check_task(graph, node, usd)

    def _check_overrides(self) -> None:
        """Who stands in for an agent exists, whether or not another would answer where it does not."""
        known = dict.fromkeys(name for graph in self.workflow.graphs.values() for name in graph.agents)
        for name, wanted in self.overrides.items():
            if name not in known:
                hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
                raise UsageError(f"--agent {name}=…: no agent is named '{name}'", hint)
            graphs = [graph for graph in self.workflow.graphs.values() if name in graph.agents]
            failure = next(filter(None, (self._unusable(graph, name) for graph in graphs)), None)
            if failure is not None and isinstance(wanted, str):
                near = did_you_mean(wanted, known)
                raise UsageError(f"--agent {name}={wanted}: {failure.message}", near or failure.hint)
            if failure is not None:
                raise UsageError(failure.message, failure.hint)

    def _check_task(self, graph: Graph, node: Task, usd: float | None) -> None:
        found = reach(graph, node, self._companies.of(graph))
        for tool in found.tools:
            self._check_tool(graph, tool)
        if found.first is not None and node.on_error.action == "fail":
            self._check_agent(graph, found.first)
        if usd is not None and isinstance(node.work, Prompt):
            self._check_prices(graph, list(graph.agents) if found.agents is None else found.agents)

    def _check_tool(self, graph: Graph, name: str) -> None:
        spec = graph.tools.get(name.partition(".")[0])
        if spec is not None and "run" not in self.seen and spec.kind != "run":
            raw = _rendering(spec.settings, TOOL_TEXTS)
            if any(access.path[:1] == ("run",) for access in raw.accesses):
                return  # that is known when the run has begun
        if spec is not None and not self.opens and spec.kind == "uses" and name not in self.given_tools:
            if failure := missing(str(spec.settings["uses"]), spec.home, "tool"):
                raise UsageError(f"tool '{name}': {failure.message}", failure.hint)
            return
        try:
            self.toolbox(graph).check(name)
        except WorkFailed as error:
            raise UsageError(f"tool '{name}': {error.failure.message}", error.failure.hint) from error

    def _check_prices(self, graph: Graph, names: Sequence[str]) -> None:
        """Of every agent that a prompt may come to, and of those that stand in for it."""
        for each in dict.fromkeys(names):
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
            if not self.opens and (code := self.code_of(graph, name)) is not None:
                return missing(code, graph.agents[name].home, "agent")
            agent = self._agent(graph, name)
        except WorkFailed as error:
            return error.failure
        return agent.why.failure if isinstance(agent, Unusable) else None

    def code_of(self, graph: Graph, name: str) -> str | None:
        """Of an agent that is somebody's class: its `module:name`, or the name under which an installed package offers
        it. None for all others. Raises WorkFailed."""
        if name not in graph.agents or not isinstance(self.overrides.get(name, ""), str):
            return None
        spec = self._spec(graph, name)
        return agents.foreign(spec, self._rendered({"model": spec.settings.get("model")}))

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
        for toolbox in self._toolboxes.values():
            toolbox.renew()  # what was made for `check` did not know the run
        self._toolsets.clear()
        for place, marks in run.marks.items():
            key, _, name = place.rpartition("|")
            agent = self._agent(run.workflow.graphs[key], name)
            if isinstance(agent, Remembers):
                for mark in marks:
                    agent.recall(mark)
        return Services(
            executor=self.executor,
            agent=self._agent,
            tool=self.tool,
            tools=self.tools,
            budget=RunBudget(run, self._price),
            child_env=self.child_env,
            secrets=self.secrets,
            cwd=self.cwd,
            on_text=lambda path, text, structured: self.on_text(path, text, structured),
            bound=self._bound,
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

    def agent(self, name: str) -> Agent:
        """One of the workflow's own agents, made where it was not yet. Raises WorkFailed."""
        return self._agent(self.workflow.graph, name)

    def _agent(self, graph: Graph, name: str) -> Agent:
        spec = self._spec(graph, name)
        given = self.overrides.get(name)
        key = (graph.key.partition("#")[0], name)  # each file has its own agents; its subgraphs share them
        agent = self._agents.get(key)
        if agent is None:
            environment = AgentEnvironment(
                executor=self.executor,
                environ=os.environ,
                child_environ=self.child_env,
                on_progress=self.on_progress,
            )
            if given is None or isinstance(given, str):
                agent = agents.make(spec, self._rendered(spec.settings), environment)
            else:
                agent = agents.handed(given, spec, environment)
            self._agents[key] = agent
        return agent

    def _rendered(
        self, settings: Mapping[str, Any], raw_keys: Sequence[str] = KEPT_RAW, kind: str = "agent"
    ) -> dict[str, Any]:
        """The settings with their templates filled in, but those of `raw_keys`. Raises WorkFailed of type `kind`."""
        raw = {key: value for key, value in settings.items() if key in raw_keys}
        template = _rendering(settings, raw_keys)
        begun = {"run": self._run.facts} if self._run is not None and self._run.facts else {}
        try:
            rest = template.evaluate({**self.seen, **begun, "secrets": self.secrets})
        except EvaluationError as error:
            read = {access.path[1] for access in template.accesses if access.path[0] == "secrets" and access.path[1:]}
            for name in sorted(read & set(self.workflow.secrets) - set(self.secrets)):
                message = f"the secret {name} is not set in the environment"
                raise WorkFailed(Failure(kind, message, hint=f"export {name}=…")) from error
            raise WorkFailed(Failure(kind, error.message, hint=error.hint)) from error
        return {**raw, **rest}

    # ---- tools

    async def tool(self, graph: Graph, name: str) -> ToolPort:
        """One tool, by its name. Raises WorkFailed (`tool`)."""
        try:
            return await self.toolbox(graph).tool(name)
        except UsageError as error:
            raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error

    async def tools(self, graph: Graph, names: Sequence[str]) -> Mapping[str, ToolPort]:
        """Those that the names mean: of a group or a server, all. Raises WorkFailed (`tool`)."""
        try:
            return await self.toolbox(graph).tools(names)
        except UsageError as error:
            raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error

    def toolbox(self, graph: Graph) -> Toolbox:
        """Each file has its own tools; its subgraphs share them."""
        key = graph.key.partition("#")[0]
        if key not in self._toolboxes:
            self._toolboxes[key] = Toolbox(graph.tools, self._toolset)
        return self._toolboxes[key]

    def _toolset(self, spec: ToolSpec) -> Toolset:
        """Files that include the same library have what it defines in common: its servers are started once a run."""
        key = json.dumps([spec.name, spec.kind, spec.home, spec.settings], sort_keys=True, default=str)
        if key not in self._toolsets:
            self._toolsets[key] = self._made_tool(spec)
        return self._toolsets[key]

    def _made_tool(self, spec: ToolSpec) -> Toolset:
        if spec.name in self.given_tools:
            return handed(self.given_tools[spec.name], spec.name)
        raw = (*TOOL_TEXTS, *(RAW if spec.kind == "run" else ()))
        settings = self._rendered(spec.settings, raw, "tool")
        run = self._run.facts if self._run is not None else {}
        environment = ToolEnvironment(self.executor, self.child_env, self.secrets, {**self.seen, "run": run}, self.cwd)
        return make_toolset(spec, settings, environment)

    def _bound(self, graph: Graph, name: str) -> int | None:
        """The `max_tokens` of an agent, be it a template, or one of the settings that are passed on."""
        settings = self._spec(graph, name).settings
        rendered = self._rendered({key: settings[key] for key in ("max_tokens", "settings") if key in settings})
        most = rendered.get("max_tokens") or (rendered.get("settings") or {}).get("max_tokens")
        return agents.whole(name, "max_tokens", most) if most is not None else None

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
        """All at once: servers and clients take a moment to end. One that cannot be closed keeps no other open."""
        open_ones: list[Agent | Toolbox] = [*self._agents.values(), *self._toolboxes.values()]
        self._agents.clear()
        self._toolboxes.clear()
        self._toolsets.clear()
        for done in await asyncio.gather(*(each.close() for each in open_ones), return_exceptions=True):
            if isinstance(done, BaseException):
                raise done


def missing(code: str, home: str, kind: str) -> Failure | None:
    """Why what a file names as `module:name` cannot be there, as far as that is seen without importing it."""
    try:
        if ":" in code:
            glance(code, home)
    except FunctionNotFound as error:
        return Failure(kind, error.message, hint=error.hint)
    return None


def _rendering(settings: Mapping[str, Any], raw_keys: Sequence[str] = KEPT_RAW) -> Value:
    return Value({key: value for key, value in settings.items() if key not in raw_keys})
