"""What a run would do, said before it runs: the nodes in the order in which they can be reached, with their prompts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from magent.engine.casting import wanted_of
from magent.engine.company import Companies, Company
from magent.errors import MagentError
from magent.events import WorkFailed
from magent.expressions import EvaluationError, Template, Value
from magent.model import Edge, Graph, HumanInput, Loop, Node, Parallel, Prompt, Run, Subgraph, Task, Workflow
from magent.roles import Role


def forecast(workflow: Workflow, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{node, type, scope, next, …}]`; prompts are rendered, and roles found, where that needs nothing but the
    inputs; what the run will decide is null."""
    order: list[dict[str, Any]] = []
    companies = Companies()
    for key, graph in workflow.graphs.items():
        known = {"inputs": dict(inputs)} if key == workflow.root else {}
        scope = "" if key == workflow.root else key.rpartition("#")[2].rpartition("/")[2]
        company = companies.of(graph)
        order += [{**_told(graph.nodes[name], graph, known, company), "scope": scope} for name in _reached(graph)]
    return order


def _reached(graph: Graph) -> list[str]:
    seen = [graph.entry]
    known, work = {graph.entry}, deque([graph.entry])
    while work:
        for target in _targets(graph.nodes[work.popleft()]):
            if target in graph.nodes and target not in known:
                known.add(target)
                seen.append(target)
                work.append(target)
    return seen


def _targets(node: Node) -> list[str]:
    return _inner(node) + [edge.target for edge in _edges(node)]


def _inner(node: Node) -> list[str]:
    """Where the scopes that a node opens begin."""
    branches = [branch.to for branch in node.branches] if isinstance(node, Parallel) else []
    body = node.body if isinstance(node, (Parallel, Loop)) else None
    return branches + ([body] if body else [])


def _edges(node: Node) -> list[Edge]:
    edges = list(node.next)
    edges += [case.edge for case in getattr(node, "cases", ())]
    default = getattr(node, "default", None)
    if isinstance(default, Edge):
        edges.append(default)
    if node.on_error.edge is not None:
        edges.append(node.on_error.edge)
    return edges


def _told(node: Node, graph: Graph, known: Mapping[str, Any], company: Company) -> dict[str, Any]:
    told: dict[str, Any] = {"node": node.name, "type": node.type, "next": [edge.target for edge in _edges(node)]}
    if isinstance(node, Parallel) and node.branches:
        told["branches"] = [branch.to for branch in node.branches]
    elif isinstance(node, (Parallel, Loop)):
        told["body"] = node.body
    if isinstance(node, Task) and isinstance(node.work, Prompt):
        told |= _cast(node.work, graph, known, company)
        told["prompt"] = _rendered(node.work.prompt, known)
    elif isinstance(node, Task) and isinstance(node.work, Run):
        told["run"] = node.work.shell.source if node.work.shell else [word.data for word in node.work.words]
    elif isinstance(node, HumanInput):
        told["input"] = node.input
        told["prompt"] = _rendered(node.prompt, known) if node.prompt else ""
    elif isinstance(node, Subgraph):
        told["uses"] = node.uses.rpartition("#")[2].rpartition("/")[2]
    return told


def _cast(work: Prompt, graph: Graph, known: Mapping[str, Any], company: Company) -> dict[str, Any]:
    """Who does a prompt: a role, where one is asked for, and the agent."""
    if work.role is None and work.route is None:
        return {"agent": _written(work.agent or graph.default_agent, known)}
    role = _named(work, known, company) if work.role is not None else _routed(work, known, company)
    if role is None and work.role is not None:
        return {"role": work.role.data, "agent": None}
    if role is None:
        return {"role": None, "route": _written(work.route, known), "agent": None}
    agent = graph.default_agent if role.agent is None else Value(role.agent)
    return {"role": role.name, "agent": _written(agent, known)}


def _named(work: Prompt, known: Mapping[str, Any], company: Company) -> Role | None:
    name = _evaluated(work.role, known)
    return company.team.known.get(name) if isinstance(name, str) else None


def _routed(work: Prompt, known: Mapping[str, Any], company: Company) -> Role | None:
    """By what it requires, or by the prompt's words, where they are known by now."""
    route = _evaluated(work.route, known)
    if not isinstance(route, Mapping):
        return None
    try:
        wanted = wanted_of(route, company)
        by_text = not (wanted.skills or wanted.expertise)
        chosen = company.route(wanted, work.prompt.text(known) if by_text else "").chosen
    except (EvaluationError, MagentError, WorkFailed):
        return None
    return company.team.known[chosen] if chosen is not None else None


def _evaluated(value: Value | None, known: Mapping[str, Any]) -> Any:
    """None where that is not known yet."""
    try:
        return None if value is None else value.evaluate(known)
    except EvaluationError:
        return None


def _written(value: Value | None, known: Mapping[str, Any]) -> Any:
    """What it gives, or as it is written where that is not known yet."""
    given = _evaluated(value, known)
    return value.data if given is None and value is not None else given


def _rendered(template: Template, known: Mapping[str, Any]) -> str:
    try:
        return template.text(known)
    except EvaluationError:
        return template.source
