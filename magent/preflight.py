"""What would fail late is found before a run begins: agents, tools and prices, as far as they are known by then."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from magent.agents.base import Unusable
from magent.engine.budget import PRICE_HINT, UNPRICED
from magent.engine.reach import reach
from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.model import Call, Graph, Prompt, Run, SetOnly, Task, Wait
from magent.outfit import Outfit, file_of, missing, raw_of, rendering
from magent.source import did_you_mean

_Need = tuple[Callable[..., None], Graph, tuple[str, ...]]


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
    tasks = ((graph, node) for graph in map(outfit.replaced, graphs) for node in graph.nodes.values())
    needs = (need for graph, node in tasks if isinstance(node, Task) for need in _needs(outfit, graph, node, usd))
    for check_one, graph, names in dict.fromkeys(needs):  # each once: thousands of tasks may ask one agent
        check_one(outfit, graph, *names)


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


def _needs(outfit: Outfit, graph: Graph, node: Task, usd: float | None) -> Iterator[_Need]:
    """What must be there for the task."""
    if isinstance(node.work, (Call, Run, SetOnly, Wait)):
        return
    found = reach(graph, node, outfit.companies.of(graph))
    yield from ((_check_tool, graph, (tool,)) for tool in found.tools)
    if found.first is not None and node.on_error.action == "fail":
        yield _check_agent, graph, (found.first,)
    if usd is not None and isinstance(node.work, Prompt):
        names = graph.agents if found.agents is None else found.agents
        yield from ((_check_price, graph, (name,)) for name in names)


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


def _check_price(outfit: Outfit, graph: Graph, name: str) -> None:
    """Of an agent that a prompt may come to, and of those that stand in for it."""
    home = outfit.home(graph)
    for each in (name, *outfit.settings(graph, name).get("fallback", ())):
        if each not in graph.agents or not outfit.is_known(rendering(outfit.priced(graph, each)), home):
            continue
        if outfit.price(home, each) is None:
            model = outfit.settings(graph, each).get("model", "its model")
            raise UsageError(UNPRICED.format(model, each), PRICE_HINT)


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
