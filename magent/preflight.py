"""What would fail late is found before a run begins: agents, tools and prices, as far as they are known by then."""

from __future__ import annotations

from collections.abc import Sequence

from magent.agents.base import Unusable
from magent.engine.budget import PRICE_HINT, UNPRICED
from magent.engine.reach import reach
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.model import Call, Graph, Prompt, Run, SetOnly, Task, Wait
from magent.outfit import Outfit, file_of, missing, raw_of, rendering
from magent.source import did_you_mean


def check(outfit: Outfit, usd: float | None) -> None:
    """Raises UsageError for an agent, a tool or a feature that cannot be used; with a budget of `usd` dollars also for
    a model of unknown price."""
    _check_stand_ins(outfit)
    graphs = outfit.workflow.graphs.values()
    declared = {name for graph in graphs for name in graph.tools}
    for name in outfit.given_tools:
        if name not in declared:
            hint = did_you_mean(name, declared) or f"there are: {', '.join(sorted(declared)) or 'none'}"
            raise UsageError(f"no tool is named '{name}' in the workflow", hint)
    for graph in graphs:
        for node in graph.nodes.values():
            if isinstance(node, Task) and not isinstance(node.work, (Call, Run, SetOnly, Wait)):
                _check_task(outfit, graph, node, usd)


def _check_stand_ins(outfit: Outfit) -> None:
    """Who stands in for an agent exists, whether or not another would answer where it does not."""
    graphs = outfit.workflow.graphs.values()
    known = dict.fromkeys(name for graph in graphs for name in graph.agents)
    for name, wanted in outfit.overrides.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"there are: {', '.join(known) or 'none'}"
            raise UsageError(f"--agent {name}=…: no agent is named '{name}'", hint)
        for graph in (graph for graph in graphs if name in graph.agents):
            failure = _unusable(outfit, graph, name)
            if failure is not None and isinstance(wanted, str):
                near = did_you_mean(wanted, known)
                raise UsageError(f"--agent {name}={wanted}: {failure.message}", near or failure.hint)
            if failure is not None:
                raise UsageError(failure.message, failure.hint)
            if isinstance(wanted, str):
                _check_company(outfit, graph, name, wanted)


def _check_company(outfit: Outfit, graph: Graph, name: str, wanted: str) -> None:
    """An agent of the workflow's own file that stands in for one of a called file finds its tools there, and those that
    stand in for it."""
    if wanted in graph.agents or file_of(graph) == file_of(outfit.workflow.graph):
        return
    settings = outfit.settings(graph, name)
    tools = [str(tool) for tool in settings.get("tools", ()) if "{{" not in str(tool)]
    lost = [tool for tool in tools if tool.partition(".")[0] not in graph.tools and tool not in graph.chains]
    lost += [str(other) for other in settings.get("fallback", ()) if other not in graph.agents]
    if lost:
        message = f"--agent {name}={wanted}: '{wanted}' needs '{lost[0]}', which the called file {file_of(graph)}"
        raise UsageError(
            f"{message} does not have", "let it stand there, too, or name a model: provider:name, or local"
        )


def _check_task(outfit: Outfit, graph: Graph, node: Task, usd: float | None) -> None:
    found = reach(outfit.replaced(graph), node, outfit.companies.of(graph))
    for tool in found.tools:
        _check_tool(outfit, graph, tool)
    if found.first is not None and node.on_error.action == "fail":
        _check_agent(outfit, graph, found.first)
    if usd is not None and isinstance(node.work, Prompt):
        _check_prices(outfit, graph, list(graph.agents) if found.agents is None else found.agents)


def _check_tool(outfit: Outfit, graph: Graph, name: str) -> None:
    spec, home = graph.tools.get(name.partition(".")[0]), outfit.home(graph)
    if spec is not None and not outfit.is_known(rendering(spec.settings, raw_of(spec)), home):
        return
    if spec is not None and not outfit.opens and spec.kind == "uses" and name not in outfit.given_tools:
        if failure := missing(str(spec.settings["uses"]), spec.home, "tool"):
            raise UsageError(f"tool '{name}': {failure.message}", failure.hint)
        return
    try:
        outfit.toolbox(home, name).check(name)
    except WorkFailed as error:
        raise UsageError(f"tool '{name}': {error.failure.message}", error.failure.hint) from error


def _check_prices(outfit: Outfit, graph: Graph, names: Sequence[str]) -> None:
    """Of every agent that a prompt may come to, and of those that stand in for it."""
    home = outfit.home(graph)
    for each in dict.fromkeys(names):
        for other in (each, *outfit.settings(graph, each).get("fallback", ())):
            if other not in graph.agents or not outfit.is_known(rendering(outfit.priced(graph, other)), home):
                continue
            if outfit.price(home, other) is None:
                model = outfit.settings(graph, other).get("model", "its model")
                raise UsageError(UNPRICED.format(model, other), PRICE_HINT)


def _check_agent(outfit: Outfit, graph: Graph, name: str) -> None:
    """One that can be asked is enough: the agent itself, or one that stands in for it."""
    failures = [_unusable(outfit, graph, each) for each in (name, *outfit.settings(graph, name).get("fallback", ()))]
    if failures[0] is not None and None not in failures:
        message = failures[0].message
        told = message if f"'{name}'" in message else f"agent '{name}': {message}"
        raise UsageError(told, failures[0].hint)


def _unusable(outfit: Outfit, graph: Graph, name: str) -> Failure | None:
    """Why the agent can never be asked, as far as that is known before the run."""
    home = outfit.home(graph)
    if name in graph.agents and not outfit.is_known(rendering(outfit.settings(graph, name)), home):
        return None
    try:
        if not outfit.opens and (code := outfit.code_of(home, name)) is not None:
            return missing(code, graph.agents[name].home, "agent")
        agent = outfit.agent(home, name)
    except WorkFailed as error:
        return error.failure
    return agent.why.failure if isinstance(agent, Unusable) else None
