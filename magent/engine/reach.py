"""Whom a task can come to before it runs: which agents may be asked, and which tools may be called. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from magent.engine.company import Company
from magent.expressions import Value
from magent.model import Chain, Graph, Prompt, Task, Tool
from magent.roles import Role, Wanted


@dataclass(frozen=True, slots=True)
class Reach:
    """`agents`: those that may be asked; None: any of the graph's, as a template decides. `first` is the one that is
    asked in any case, where that is known. `tools` are literal names, those of `chains` included; `roles` are those
    that may play a part."""

    agents: tuple[str, ...] | None = ()
    first: str | None = None
    tools: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()


def reach(graph: Graph, task: Task, company: Company) -> Reach:
    """What a task can come to, as far as that is known before the run."""
    work = task.work
    if isinstance(work, Tool):
        return Reach(tools=_literal([work.tool]))
    if isinstance(work, Chain):
        chains = _with_inner(graph, _literal([work.chain]))
        return Reach(tools=_tools_of(graph, chains), chains=chains)
    return _of_prompt(graph, work, company) if isinstance(work, Prompt) else Reach()


def _of_prompt(graph: Graph, work: Prompt, company: Company) -> Reach:
    roles = _roles(work, company)
    if roles is None:
        return Reach(None, None, *_expanded(graph, work.tools))
    named = work.agent or graph.default_agent
    values = [_value(role, graph) for role in roles] if roles and work.agent is None else [named]
    agents = None if any(value is not None and not value.literal for value in values) else _literal(values)
    first = agents[0] if agents and (len(set(agents)) == 1 or work.role is not None) else None
    names = [*work.tools, *(tool for role in roles for tool in role.tools)]
    for agent in agents or ():
        spec = graph.agents.get(agent)
        names += [str(tool) for tool in spec.settings.get("tools", ())] if spec else []
    return Reach(agents, first, *_expanded(graph, names), tuple(roles))


def _roles(work: Prompt, company: Company) -> list[Role] | None:
    """The roles that may play a part, the one that does the task itself first; None: any, as a template decides."""
    if work.role is not None:
        known = company.team.known
        if not work.role.literal:
            return None
        first = [known[str(work.role.data)]] if work.role.data in known else []
    elif work.route is not None:
        wanted = Wanted.of(work.route.data) if work.route.literal else Wanted()
        chosen = company.route(wanted, "").chosen if wanted.skills or wanted.expertise else None
        first = list(company.team.candidates) if chosen is None else [company.team.known[chosen]]
    else:
        return []
    found = {role.name: role for role in first}
    todo = list(first)
    while todo:
        for heir in company.heirs(todo.pop(), ()):
            if heir.name not in found:
                found[heir.name] = heir
                todo.append(heir)
    return list(found.values())


def _value(role: Role, graph: Graph) -> Value | None:
    return graph.default_agent if role.agent is None else Value(role.agent)


def _literal(values: Sequence[Value | None]) -> tuple[str, ...]:
    return tuple(str(value.data) for value in values if value is not None and value.literal)


def _expanded(graph: Graph, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The tools that are named, with those of the chains that are; and these chains."""
    chains = _with_inner(graph, [name for name in dict.fromkeys(names) if name not in graph.tools])
    tools = [name for name in names if name not in chains]
    return tuple(dict.fromkeys((*tools, *_tools_of(graph, chains)))), chains


def _with_inner(graph: Graph, names: Sequence[str]) -> tuple[str, ...]:
    """The chains among the names, with those that they come to."""
    found = [name for name in names if name in graph.chains]
    for name in found:  # grows
        inner = _literal([step.callee for step in graph.chains[name].steps if step.is_chain])
        found += [each for each in inner if each not in found and each in graph.chains]
    return tuple(found)


def _tools_of(graph: Graph, chains: Sequence[str]) -> tuple[str, ...]:
    """The tools that the steps of chains are."""
    steps = [step for name in chains for step in graph.chains[name].steps]
    return _literal([step.callee for step in steps if not step.is_chain])
