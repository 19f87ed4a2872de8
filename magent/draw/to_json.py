"""A compiled workflow as data, for networkx and other programs."""

from __future__ import annotations

from typing import Any

from magent.draw.overlay import Overlay
from magent.draw.pictures import Picture, StepLabel, pictures, steps_of, title_of
from magent.model import Subgraph, Workflow


def as_json(workflow: Workflow, overlay: Overlay | None = None) -> dict[str, Any]:
    """`{name, entry, nodes, edges, subgraphs}`, as networkx's `node_link_graph(…, edges="edges")` reads it. With an
    overlay, edges have `taken`, and nodes and steps that were reached `run`: status, visits, seconds, tokens, cost,
    items."""
    root, *others = pictures(workflow)
    subgraphs = {other.title: _data(other, workflow, overlay) for other in others}
    return {"name": workflow.name, **_data(root, workflow, overlay), "subgraphs": subgraphs}


def _data(picture: Picture, workflow: Workflow, overlay: Overlay | None) -> dict[str, Any]:
    compiled = picture.compiled
    nodes = []
    for name, data in compiled.nodes(data=True):
        node = picture.graph.nodes.get(name)
        owner = picture.graph.regions[data["region"]].owner
        shown = {"id": name, "type": data["type"], "label": data["label"], "description": data["description"]}
        uses = {"uses": title_of(node.uses, workflow)} if isinstance(node, Subgraph) else {}
        if steps := steps_of(node, picture.graph):
            shown["steps"] = [_step(picture.graph.key, name, step, overlay) for step in steps]
        nodes.append(shown | {"scope": owner and f"{owner}: {data['region']}", **uses})
        if overlay is not None:
            marks = overlay.node(picture.graph.key, name)
            nodes[-1]["run"] = marks.as_json() if marks else None
    edges = []
    for source, target, key, edge in compiled.edges(data=True, keys=True):
        taken = {"taken": overlay.taken(picture.graph.key, source, target, key)} if overlay else {}
        edges.append({"source": source, "target": target, **edge, **taken})
    return {"directed": True, "multigraph": True, "entry": picture.graph.entry, "nodes": nodes, "edges": edges}


def _step(key: str, name: str, step: StepLabel, overlay: Overlay | None) -> dict[str, Any]:
    shown = step.as_json()
    if step.is_chain:
        shown["steps"] = [_step(key, name, inner, overlay) for inner in step.steps]
    if overlay is not None:
        marks = overlay.step(key, name, step.place)
        shown["run"] = marks.as_json() if marks else None
    return shown
