"""Document → model. Takes only bundles without errors: what the checks refuse does not come here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal

from magent import durations, model
from magent.expressions import Condition, Expression, ShellText, Template, Value
from magent.layout import layout, sketch
from magent.model import Edge, Graph, Node, OnError, Retry, StateKey, Task, Workflow
from magent.spec.catalogue import predefined_roles
from magent.spec.loader import Bundle, Document, is_file

DEFAULT_RETRY_ATTEMPTS = 3  # where `retry` is written without `max_attempts`
_AGENT_KINDS = ("model", "command", "call", "replies")
_TOOL_KINDS = ("builtin", "mcp", "call", "run", "uses")
_FACETS = ("default", "reduce", "description")


def build(bundle: Bundle) -> Workflow:
    """The frozen model of a checked bundle.

    It is built from the frozen JSON, so that a resumed run has the very same model, and plain data in its state. The
    predefined roles are frozen with a workflow that may use them.
    """
    if not bundle.predefined and _has_roles(bundle):
        bundle.predefined = predefined_roles()
    frozen = bundle.to_json()
    bundle = Bundle.from_json(frozen)
    graphs: dict[str, Graph] = {}
    for key, document in bundle.documents.items():
        house = _House(bundle, key, document)
        graphs[key] = house.graph(key, document.data)
        for name, inner in document.data.get("subgraphs", {}).items():
            graphs[f"{key}#{name}"] = house.graph(f"{key}#{name}", inner)
    root = bundle.documents[bundle.root]
    data = root.data
    return Workflow(
        name=str(data["name"]),
        file=root.file,
        home=root.home,
        root=bundle.root,
        graphs=graphs,
        frozen=frozen,
        description=str(data.get("description", "")),
        limits=_limits(data.get("limits", {})),
        secrets=tuple(data.get("secrets", ())),
        env=tuple({name: None for each in bundle.documents.values() for name in each.data.get("env", ())}),
        workspace=data.get("workspace"),
        checkpoints=_checkpoints(data.get("checkpoints", {})),
        notify=data.get("notify"),
    )


def _has_roles(bundle: Bundle) -> bool:
    """Whether any prompt names a role or is routed: only then roles count, the predefined ones too."""
    for document in bundle.documents.values():
        for graph in (document.data, *document.data.get("subgraphs", {}).values()):
            if any("role" in node or "route" in node for node in graph["nodes"].values()):
                return True
    return False


def _limits(data: Mapping[str, Any]) -> model.Limits:
    budget = data.get("budget") or {}
    timeout = data.get("timeout")
    plain = model.Limits()
    return model.Limits(
        max_steps=data.get("max_steps", plain.max_steps),
        max_concurrency=data.get("max_concurrency", plain.max_concurrency),
        timeout=None if timeout is None else durations.parse(timeout),
        tokens=budget.get("tokens"),
        usd=budget.get("usd"),
    )


def _checkpoints(data: Mapping[str, Any]) -> model.Checkpoints:
    plain = model.Checkpoints()
    interval = data.get("interval", plain.interval)
    return model.Checkpoints(data.get("every", plain.every), durations.parse(interval), data.get("keep", plain.keep))


def _optional(kind: Callable[[Any], Any], data: Mapping[str, Any], key: str) -> Any:
    return kind(data[key]) if data.get(key) is not None else None


def _template(data: Mapping[str, Any], key: str) -> Template | None:
    return Template(str(data[key])) if data.get(key) is not None else None


def tool_specs(bundle: Bundle) -> dict[str, model.ToolSpec]:
    """The tools of a workflow or library whose `tools` were checked, with those of its libraries."""
    return dict(_specs(bundle, bundle.root, "tools", model.ToolSpec, _TOOL_KINDS))


def _specs(bundle: Bundle, key: str, section: str, make: Any, kinds: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name, (settings, owner) in bundle.definitions(key, section).items():
        kind = next(kind for kind in kinds if kind in settings)
        yield name, make(name, kind, settings, owner.home)


class _House:
    """One document with what it may name: its own agents, roles, tools, chains and defaults, and its libraries'."""

    def __init__(self, bundle: Bundle, key: str, document: Document) -> None:
        self.bundle = bundle
        self.key = key
        self.document = document
        self.defaults = {name: value for name, (value, _) in bundle.definitions(key, "defaults").items()}
        self.agents = dict(_specs(bundle, key, "agents", model.AgentSpec, _AGENT_KINDS))
        self.tools = dict(_specs(bundle, key, "tools", model.ToolSpec, _TOOL_KINDS))
        self.roles = {name: value for name, (value, _) in bundle.definitions(key, "roles").items()}
        chains = bundle.definitions(key, "chains").items()
        self.chains = {name: _chain(str(name), value) for name, (value, _) in chains}

    def graph(self, key: str, data: Mapping[str, Any]) -> Graph:
        raw = data["nodes"]
        cut = layout({name: sketch(name, node) for name, node in raw.items()})
        nodes = {name: self.node(name, node, cut.region_of.get(name, cut.entry)) for name, node in raw.items()}
        return Graph(
            key=key,
            home=self.document.home,
            nodes=nodes,
            entry=cut.entry,
            regions=cut.regions,
            inputs=data.get("inputs", {}),
            state={name: _state_key(name, each) for name, each in data.get("state", {}).items()},
            written=frozenset(name for node in nodes.values() for name in node.set),
            outputs=_optional(Value, data, "outputs"),
            agents=self.agents,
            roles=self.roles,
            tools=self.tools,
            chains=self.chains,
            default_agent=_optional(Value, self.defaults, "agent"),
            predefined=self.bundle.predefined,
        )

    def node(self, name: str, data: Mapping[str, Any], region: str) -> Node:
        kind = data.get("type", "task")
        common: dict[str, Any] = {
            "name": str(name),
            "description": str(data.get("description", "")),
            "when": _optional(Condition, data, "when"),
            "region": region,
        }
        if kind != "end":
            common["next"] = tuple(_edges(data.get("next")))
        if kind not in ("start", "end"):
            common["on_error"] = _on_error(data.get("on_error", "fail"))
        if kind not in ("start", "end", "condition"):
            common["set"] = {key: Value(value) for key, value in (data.get("set") or {}).items()}
            common["timeout"] = _optional(Value, data, "timeout")
        made: Node = _MAKERS[kind](self, data, common)
        return made

    # ---- one function a type

    def start(self, _data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        return model.Start(**common)

    def end(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        status = data.get("status", "success")
        return model.End(
            **common, status=status, reason=_template(data, "reason"), outputs=_optional(Value, data, "outputs")
        )

    def task(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        work = self.work(data)
        works = not isinstance(work, (model.Wait, model.SetOnly))
        if works and common["timeout"] is None:
            common["timeout"] = _optional(Value, self.defaults, "timeout")
        external = data.get("effects") == "external" or self._calls_out(data)
        retry = Retry()
        if works:
            usual = {} if external else self.defaults.get("retry") or {}
            retry = _retry({**usual, **(data.get("retry") or {})})
        return Task(
            **common,
            work=work,
            output=data.get("output"),
            retry=retry,
            external=external,
            calls_out=isinstance(work, (model.Prompt, model.Chain, model.Tool)) and self.reaches_out,
            consents="retry" in data,
        )

    @cached_property
    def reaches_out(self) -> bool:
        return any(spec.kind == "uses" or spec.settings.get("effects") == "external" for spec in self.tools.values())

    def _calls_out(self, data: Mapping[str, Any]) -> bool:
        """Whether the tool that a task calls is declared to have effects outside."""
        spec = self.tools.get(str(data.get("tool", "")).partition(".")[0])
        return spec is not None and spec.settings.get("effects") == "external"

    def work(self, data: Mapping[str, Any]) -> model.Work:
        arguments = _optional(Value, data, "with")
        if "prompt" in data:
            return model.Prompt(
                Template(str(data["prompt"])),
                agent=_optional(Value, data, "agent"),
                role=_optional(Value, data, "role"),
                route=_optional(Value, data, "route"),
                system=_template(data, "system"),
                tools=tuple(data.get("tools", ())),
                session=data.get("session"),
            )
        if "run" in data:
            return run_of(data)
        if "call" in data:
            return model.Call(str(data["call"]), self.document.home, arguments)
        if "tool" in data:
            return model.Tool(Value(data["tool"]), arguments)
        if "chain" in data:
            return model.Chain(Value(data["chain"]), arguments)
        if "wait" in data:
            return model.Wait(Value(data["wait"]))
        return model.SetOnly()

    def condition(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        cases = tuple(
            model.Case(str(text), _edge(target, 100 + index))
            for index, (text, target) in enumerate((data.get("cases") or {}).items())
        )
        default = _edge(data["default"], 99) if "default" in data else None
        return model.Choice(**common, switch=_optional(Expression, data, "switch"), cases=cases, default=default)

    def parallel(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        branches = tuple(
            model.Branch(str(each["to"]), _optional(Condition, each, "when"))
            if isinstance(each, Mapping)
            else model.Branch(str(each))
            for each in data.get("branches", ())
        )
        return model.Parallel(
            **common,
            branches=branches,
            for_each=Expression(data["for_each"]) if "for_each" in data else None,
            item=str(data.get("as", "item")),
            body=_optional(str, data, "body"),
            max_concurrency=_optional(Value, data, "max_concurrency"),
            wait_for=_optional(Value, data, "wait_for"),
            collect=data.get("on_branch_error") == "collect",
        )

    def loop(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        kinds: tuple[Literal["while", "until", "for_each"], ...] = ("while", "until", "for_each")
        kind = next(key for key in kinds if key in data)
        return model.Loop(
            **common,
            body=str(data["body"]),
            kind=kind,
            condition=None if kind == "for_each" else Condition(data[kind]),
            for_each=Expression(data["for_each"]) if kind == "for_each" else None,
            item=str(data.get("as", "item")),
            max_iterations=_optional(Value, data, "max_iterations"),
            go_on=data.get("on_exhausted") == "continue",
        )

    def subgraph(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        uses = str(data["uses"])
        key = self.bundle.target(self.key, uses) if is_file(uses) else f"{self.key}#{uses}"
        assert key is not None
        return model.Subgraph(**common, uses=key, arguments=_optional(Value, data, "with"))

    def human_input(self, data: Mapping[str, Any], common: dict[str, Any]) -> Node:
        scale = data.get("scale") or {}
        return model.HumanInput(
            **common,
            input=data["input"],
            prompt=_template(data, "prompt"),
            context=_optional(Value, data, "context"),
            content=_optional(Value, data, "content"),
            options=_optional(Value, data, "options"),
            multiple=bool(data.get("multiple", False)),
            multiline=bool(data.get("multiline", False)),
            scale=(scale.get("min", 1), scale.get("max", 5)),
            form=_optional(Value, data, "form"),
            default=_optional(Value, data, "default"),
            on_timeout=data.get("on_timeout", "fail"),
            assignee=_template(data, "assignee"),
        )


_MAKERS: dict[str, Callable[[_House, Mapping[str, Any], dict[str, Any]], Node]] = {
    "start": _House.start,
    "end": _House.end,
    "task": _House.task,
    "condition": _House.condition,
    "parallel": _House.parallel,
    "loop": _House.loop,
    "subgraph": _House.subgraph,
    "human_input": _House.human_input,
}


def _edge(data: Any, index: int = 0) -> Edge:
    if not isinstance(data, Mapping):
        return Edge("normal", str(data), index=index)
    when = _optional(Condition, data, "when")
    if "loop_back" in data:
        return Edge("loop_back", str(data["loop_back"]), when, _optional(Value, data, "max"), index)
    return Edge("conditional" if when is not None else "normal", str(data["to"]), when, index=index)


def _edges(data: Any) -> Iterator[Edge]:
    if isinstance(data, list):
        for index, each in enumerate(data):
            yield _edge(each, index)
    elif data is not None:
        yield _edge(data)


def _on_error(data: Any) -> OnError:
    if data in ("fail", "continue"):
        return OnError(data)
    if "goto" in data:
        return OnError("go", Edge("normal", str(data["goto"]), index=-1))
    return OnError("go", _edge(data, -1))


def _retry(data: Mapping[str, Any]) -> Retry:
    if not data:
        return Retry()
    plain = Retry()
    return Retry(
        max_attempts=data.get("max_attempts", DEFAULT_RETRY_ATTEMPTS),
        backoff=data.get("backoff", plain.backoff),
        delay=durations.parse(data.get("delay", plain.delay)),
        max_delay=durations.parse(data.get("max_delay", plain.max_delay)),
        jitter=float(data.get("jitter", plain.jitter)),
        errors=tuple(data.get("errors", plain.errors)),
    )


def run_of(data: Mapping[str, Any]) -> model.Run:
    """The command of a task or a tool, from its keys `run`, `ok_exit_codes`, `parse`, `env`, `cwd`, `stdin`."""
    command, codes = data["run"], data.get("ok_exit_codes", [0])
    return model.Run(
        shell=ShellText(str(command)) if isinstance(command, str) else None,
        words=() if isinstance(command, str) else tuple(Value(word) for word in command),
        ok_exit_codes=None if codes == "any" else tuple(codes),
        parse=data.get("parse", "text"),
        env=_optional(Value, data, "env"),
        cwd=_template(data, "cwd"),
        stdin=_template(data, "stdin"),
    )


def _chain(name: str, data: Mapping[str, Any]) -> model.ChainSpec:
    steps = tuple(_step(step) for step in data["steps"])
    return model.ChainSpec(name, steps, data.get("inputs", {}), str(data.get("description", "")))


def _step(data: Mapping[str, Any]) -> model.Step:
    return model.Step(
        Value(data["chain"] if "chain" in data else data["tool"]),
        _optional(Value, data, "with"),
        _optional(str, data, "as"),
        _optional(Condition, data, "when"),
        _retry(data.get("retry") or {}),
        data.get("on_error") == "continue",
        "chain" in data,
    )


def _state_key(name: str, data: Mapping[str, Any]) -> StateKey:
    schema = {key: value for key, value in data.items() if key not in _FACETS}
    return StateKey(str(name), schema, data.get("default"), data.get("reduce", "replace"))
