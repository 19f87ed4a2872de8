"""What one run works with: its agents, tools, child processes and secrets, made when first used."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from magent import agents, settings
from magent.agents import AgentEnvironment
from magent.clock import SystemClock
from magent.engine.budget import Price, RunBudget
from magent.engine.company import Companies
from magent.engine.fold import Run
from magent.engine.work import Home, Services
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError, Value
from magent.functions import FunctionNotFound
from magent.glance import glance
from magent.human import custom
from magent.keys import clean_environment
from magent.masks import mask_of, names_of, secrets_of, words_of
from magent.model import AgentSpec, Graph, ToolSpec, Workflow
from magent.ports import Agent, Human, Paced, Remembers
from magent.ports import Tool as ToolPort
from magent.process import ProcessExecutor
from magent.source import did_you_mean
from magent.tools import RAW, Toolbox, ToolEnvironment, Toolset
from magent.tools import make as make_toolset
from magent.tools.custom import handed

KEPT_RAW = ("command", "replies", "system")  # of agents: rendered later, with what the task sees
OF_MODEL = (  # what of an agent goes with its model
    "model", "base_url", "api_key", "price", "settings",
    "command", "parse", "envelope", "env", "cwd", "call", "replies",
)  # fmt: skip
TOOL_TEXTS = ("description", "parameters", "type", "function", "call", "builtin", "uses")  # of tools: no templates


class Outfit:
    """Made before the run starts; `preflight` finds early what would fail late. `close` frees everything.

    `seen` is what the settings of agents see beside secrets: `inputs`, `env`, and `run` as soon as it has begun.
    Without `opens`, the preflight neither imports nor makes what would run somebody's code: it looks whether it is
    there.
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
        for name in ("TRACEPARENT", "TRACESTATE"):  # each child is told its own
            self.child_env.pop(name, None)
        self.on_text: Callable[[str, str, bool], None] = lambda _path, _text, _structured: None
        self.on_progress: Callable[[str, int, int], None] = on_progress or (lambda _what, _done, _total: None)
        self.hidden = words_of(workflow)
        self.mask = mask_of(self.hidden) if self.hidden else None
        self._agents: dict[tuple[str, str, str], Agent] = {}
        self._toolboxes: dict[tuple[str, str], Toolbox] = {}
        self._toolsets: dict[str, Toolset] = {}
        self.companies = Companies()
        self._paces: dict[str, dict[Any, Any]] = {}
        self._marks: Mapping[tuple[str, str], Sequence[Any]] = {}
        self._turns: Mapping[str, Sequence[float]] = {}
        self._run: Run | None = None
        self.human: Human | None = None  # who asks people here, before the terminal does

    def people(self, given: Any) -> None:
        """Who asks people: handed over by a program, else named in the settings. Raises UsageError."""
        if given is not None:
            self.human = custom.handed(given, self.clock)
            return
        said = settings.read()
        if wanted := said.get("human"):
            from_environment = "human" in said.environment or said.file is None
            self.human = custom.named(str(wanted), os.getcwd(), self.clock, imports=from_environment)

    # ---- before the run

    def code_of(self, home: Home, name: str) -> str | None:
        """Of an agent that is somebody's class: its `module:name`, or the name under which an installed package offers
        it. None for all others. Raises WorkFailed."""
        if name not in home.graph.agents or not isinstance(self.overrides.get(name, ""), str):
            return None
        spec = self.spec(home.graph, name)
        rendered = self._rendered({"model": spec.settings.get("model")}, self._standing(home, name))
        return agents.foreign(spec, rendered)

    def described(self) -> dict[str, str]:
        """What each agent is, in a word: for `--dry-run`."""
        return {
            name: str(self.spec(graph, name).settings.get("model") or spec.kind)
            for graph in self.workflow.graphs.values()
            for name, spec in graph.agents.items()
        }

    # ---- during the run

    def services(self, run: Run) -> Services:
        self._run = run
        for toolbox in self._toolboxes.values():
            toolbox.renew()  # what was made for the preflight did not know the run
        self._toolsets.clear()
        self._marks = _marks(run)
        self._turns = self._begun(run)
        for (file, name, _), agent in self._agents.items():
            self._remind(agent, file, name, self._who(self.workflow.graphs[file], name))
        return Services(
            executor=self.executor,
            agent=self.agent,
            tool=self.tool,
            tools=self.tools,
            budget=RunBudget(run, self.price),
            settings=self.settings,
            child_env=self.child_env,
            secrets=self.secrets,
            cwd=self.cwd,
            on_text=lambda path, text, structured: self.on_text(path, text, structured),
            bound=self._bound,
            write=self.writes,
            mask=self.mask or (lambda value: value),
        )

    @property
    def writes(self) -> bool:
        """Whether tools may write into the workspace: into the run's own, unless the workflow says otherwise."""
        workspace = self.workflow.workspace or {}
        return bool(workspace.get("write", "path" not in workspace))

    def home(self, graph: Graph) -> Home:
        """What is known of it before anything is called: the inputs of the workflow's own file."""
        own = file_of(graph) == file_of(self.workflow.graph)
        return Home(graph, self.seen["inputs"] if own else None)

    def settings(self, graph: Graph, name: str) -> Mapping[str, Any]:
        """Of an agent, or of what stands in for it, as they are written; none where there is no such agent."""
        return self.spec(graph, name).settings if name in graph.agents else {}

    def replaced(self, graph: Graph) -> Graph:
        """With what stands in for agents in their place."""
        if not any(isinstance(self.overrides.get(name), str) for name in graph.agents):
            return graph
        return replace(graph, agents={name: self.spec(graph, name) for name in graph.agents})

    def spec(self, graph: Graph, name: str) -> AgentSpec:
        """Another agent of the file (else of the workflow's own) stands in as it is; a model leaves an agent all that
        is not of its own."""
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
        kept = {key: value for key, value in spec.settings.items() if key not in OF_MODEL}
        return AgentSpec(name, "model", {**kept, "model": wanted}, spec.home)

    def _standing(self, home: Home, name: str) -> Home:
        """Where the agent that answers to the name stands: what stands in for it may be of the workflow's own file."""
        wanted = self.overrides.get(name)
        own = self.workflow.graph
        return self.home(own) if wanted in own.agents and wanted not in home.graph.agents else home

    def agent(self, home: Home, name: str) -> Agent:
        """Each file has its own agents; its subgraphs share them. One whose settings read the file's inputs is made
        for each value of these."""
        spec = self.spec(home.graph, name)
        standing = self._standing(home, name)
        key = (file_of(home.graph), name, _variant(spec.settings, standing.inputs, ("replies", "system")))
        agent = self._agents.get(key)
        if agent is None:
            who = self._who(home.graph, name)
            agent = self._agents[key] = self._made_agent(spec, standing, self._paces.setdefault(who, {}))
            self._remind(agent, key[0], name, who)
        return agent

    def _who(self, graph: Graph, name: str) -> str:
        """What agents have in common that keep one pace: files that include the same library, all that is defined
        there; who stands in for another, all that is its own."""
        wanted, spec = self.overrides.get(name), self.spec(graph, name)
        named = wanted if wanted in graph.agents or wanted in self.workflow.graph.agents else name
        return json.dumps([named, spec.kind, spec.home, spec.settings], sort_keys=True, default=str)

    def _made_agent(self, spec: AgentSpec, home: Home, paces: dict[Any, Any]) -> Agent:
        given = self.overrides.get(spec.name)
        environment = AgentEnvironment(
            executor=self.executor,
            environ=os.environ,
            child_environ=self.child_env,
            on_progress=self.on_progress,
            seen=lambda: self._names(home),
            paces=paces,
        )
        if given is not None and not isinstance(given, str):
            kept = {key: value for key, value in spec.settings.items() if key not in OF_MODEL}
            return agents.handed(given, spec, self._rendered(kept, home), environment)
        return agents.make(spec, self._rendered(spec.settings, home), environment)

    def _remind(self, agent: Agent, file: str, name: str, who: str) -> None:
        """Tells an agent what it did in earlier lives of the run."""
        if isinstance(agent, Remembers):
            for mark in self._marks.get((file, name), ()):
                agent.recall(mark)
        if isinstance(agent, Paced) and who in self._turns:
            now = self.clock.now()
            agent.recall_turns([now - turn for turn in self._turns[who]])

    def _begun(self, run: Run) -> dict[str, list[float]]:
        """When calls began in earlier lives of the run, the earliest first, by whose pace they were at."""
        found: dict[str, list[float]] = {}
        for place, turns in run.turns.items():
            key, _, name = place.rpartition("|")
            graph = self.workflow.graphs.get(key)
            if graph is not None and name in graph.agents:  # the file may have been edited meanwhile
                found.setdefault(self._who(graph, name), []).extend(turns)
        return {who: sorted(turns) for who, turns in found.items()}

    def _names(self, home: Home) -> dict[str, Any]:
        """What settings see."""
        inputs = {} if home.inputs is None else {"inputs": home.inputs}
        facts = self._run.facts if self._run is not None else {}
        facts = facts or self.seen.get("run") or {}
        begun = {"run": {**facts, "home": home.graph.home}} if facts else {}
        rest = {name: value for name, value in self.seen.items() if name != "inputs"}
        return {**rest, **inputs, **begun, "secrets": self.secrets}

    def is_known(self, template: Value, home: Home) -> bool:
        """Whether all that it reads is known by now: `run` is when the run has begun, the inputs of a file when it is
        called."""
        heads = {access.path[:1] for access in template.accesses}
        names = self._names(home)
        return not any((name,) in heads and name not in names for name in ("run", "inputs"))

    def _rendered(
        self, settings: Mapping[str, Any], home: Home, raw_keys: Sequence[str] = KEPT_RAW, kind: str = "agent"
    ) -> dict[str, Any]:
        """The settings with their templates filled in, but those of `raw_keys`. Raises WorkFailed of type `kind`."""
        raw = {key: value for key, value in settings.items() if key in raw_keys}
        template = rendering(settings, raw_keys)
        try:
            rest = template.evaluate(self._names(home))
        except EvaluationError as error:
            read = {access.path[1] for access in template.accesses if access.path[0] == "secrets" and access.path[1:]}
            for name in sorted(read & set(self.workflow.secrets) - set(self.secrets)):
                message = f"the secret {name} is not set in the environment"
                raise WorkFailed(Failure(kind, message, hint=f"export {name}=…")) from error
            raise WorkFailed(Failure(kind, error.message, hint=error.hint)) from error
        return {**raw, **rest}

    # ---- tools

    async def tool(self, home: Home, name: str) -> ToolPort:
        """One tool, by its name. Raises WorkFailed (`tool`)."""
        try:
            return await self.toolbox(home, name).tool(name)
        except UsageError as error:
            raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error

    async def tools(self, home: Home, names: Sequence[str]) -> Mapping[str, ToolPort]:
        """Those that the names mean: of a group or a server, all. Raises WorkFailed (`tool`)."""
        try:
            found: dict[str, ToolPort] = {}
            for name in names:
                found |= await self.toolbox(home, name).tools([name])
            return found
        except UsageError as error:
            raise WorkFailed(Failure("tool", error.message, hint=error.hint)) from error

    def toolbox(self, home: Home, name: str) -> Toolbox:
        """Each file has its own tools; its subgraphs share them. Those whose settings read the file's inputs are made
        for each value of these."""
        spec = home.graph.tools.get(name.partition(".")[0])
        key = (file_of(home.graph), "" if spec is None else _variant(spec.settings, home.inputs, TOOL_TEXTS))
        if key not in self._toolboxes:
            self._toolboxes[key] = Toolbox(home.graph.tools, lambda each: self._toolset(each, home))
        return self._toolboxes[key]

    def _toolset(self, spec: ToolSpec, home: Home) -> Toolset:
        """Files that include the same library have what it defines in common: its servers are started once a run."""
        what = json.dumps([spec.name, spec.kind, spec.home, spec.settings], sort_keys=True, default=str)
        key = what + _variant(spec.settings, home.inputs, TOOL_TEXTS) + (home.graph.home if "run." in what else "")
        if key not in self._toolsets:
            self._toolsets[key] = self._made_tool(spec, home)
        return self._toolsets[key]

    def _made_tool(self, spec: ToolSpec, home: Home) -> Toolset:
        if spec.name in self.given_tools:
            return handed(self.given_tools[spec.name], spec.name)
        settings = self._rendered(spec.settings, home, raw_of(spec), "tool")
        environment = ToolEnvironment(self.executor, self.child_env, self.secrets, self._names(home), self.cwd)
        return make_toolset(spec, settings, environment)

    def _bound(self, home: Home, name: str) -> int | None:
        """The `max_tokens` of an agent, be it a template, or one of the settings that are passed on."""
        settings = self.spec(home.graph, name).settings
        bounds = {key: settings[key] for key in ("max_tokens", "settings") if key in settings}
        rendered = self._rendered(bounds, self._standing(home, name))
        most = rendered.get("max_tokens") or (rendered.get("settings") or {}).get("max_tokens")
        return agents.whole(name, "max_tokens", most) if most is not None else None

    def price(self, home: Home, name: str) -> Price | None:
        """What a budget reckons with."""
        if not isinstance(self.overrides.get(name, ""), str):
            return 0.0, 0.0  # an agent handed over by a program tells what it cost
        rendered = self._rendered(self.priced(home.graph, name), self._standing(home, name))
        return agents.price_of(self.spec(home.graph, name), rendered)

    def priced(self, graph: Graph, name: str) -> dict[str, Any]:
        """What says what the agent costs."""
        return {key: value for key, value in self.settings(graph, name).items() if key in ("model", "price")}

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


def _marks(run: Run) -> dict[tuple[str, str], list[Any]]:
    """What answers left behind in earlier lives, by file and agent: the graphs of a file share its agents."""
    found: dict[tuple[str, str], list[Any]] = {}
    for place, marks in run.marks.items():
        graph, _, name = place.rpartition("|")
        found.setdefault((graph.partition("#")[0], name), []).extend(marks)
    return found


def file_of(graph: Graph) -> str:
    return graph.key.partition("#")[0]


def raw_of(spec: ToolSpec) -> tuple[str, ...]:
    return (*TOOL_TEXTS, *(RAW if spec.kind == "run" else ()))


def _variant(settings: Mapping[str, Any], inputs: Mapping[str, Any] | None, literal: Sequence[str]) -> str:
    """The values of those inputs that the settings read; of all, where a command may read any."""
    read = {key: value for key, value in settings.items() if key not in literal}
    if inputs is None or "inputs" not in json.dumps(read, default=str):
        return ""
    paths = {access.path for access in rendering(read, RAW).accesses if access.path[0] == "inputs"}
    if ("inputs",) in paths or "inputs" in json.dumps([read.get(key) for key in RAW], default=str):
        return json.dumps(inputs, sort_keys=True)
    return json.dumps({name: inputs.get(name) for _, name, *_ in paths}, sort_keys=True)


def rendering(settings: Mapping[str, Any], raw_keys: Sequence[str] = KEPT_RAW) -> Value:
    return Value({key: value for key, value in settings.items() if key not in raw_keys})
