"""What a run would do, said before it runs: the nodes in the order in which they can be reached, with their prompts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from magent.expressions import EvaluationError, Template
from magent.model import Edge, Graph, HumanInput, Loop, Node, Parallel, Prompt, Run, Subgraph, Task, Workflow


def forecast(workflow: Workflow, inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{node, type, scope, next, …}]`; prompts are rendered where they need nothing but the inputs."""
    order: list[dict[str, Any]] = []
    for key, graph in workflow.graphs.items():
        known = {"inputs": dict(inputs)} if key == workflow.root else {}
        scope = "" if key == workflow.root else key.rpartition("#")[2].rpartition("/")[2]
        order += [{**_told(graph.nodes[name], graph, known), "scope": scope} for name in _reached(graph)]
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


def _told(node: Node, graph: Graph, known: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"node": node.name, "type": node.type, "next": [edge.target for edge in _edges(node)]}
    if isinstance(node, Parallel) and node.branches:
        told["branches"] = [branch.to for branch in node.branches]
    elif isinstance(node, (Parallel, Loop)):
        told["body"] = node.body
    if isinstance(node, Task) and isinstance(node.work, Prompt):
        agent = node.work.agent or graph.default_agent
        told["agent"] = agent.data if agent is not None else None
        told["prompt"] = _rendered(node.work.prompt, known)
    elif isinstance(node, Task) and isinstance(node.work, Run):
        told["run"] = node.work.shell.source if node.work.shell else [word.data for word in node.work.words]
    elif isinstance(node, HumanInput):
        told["input"] = node.input
        told["prompt"] = _rendered(node.prompt, known) if node.prompt else ""
    elif isinstance(node, Subgraph):
        told["uses"] = node.uses.rpartition("#")[2].rpartition("/")[2]
    return told


def _rendered(template: Template, known: Mapping[str, Any]) -> str:
    try:
        return template.text(known)
    except EvaluationError:
        return template.source
