"""A compiled workflow as data, for networkx and other programs."""

from __future__ import annotations

from typing import Any

from magent.draw.pictures import Picture, pictures, title_of
from magent.model import Subgraph, Workflow


def as_json(workflow: Workflow) -> dict[str, Any]:
    """`{name, entry, nodes, edges, subgraphs}`, as networkx's `node_link_graph(…, edges="edges")` reads it."""
    root, *others = pictures(workflow)
    subgraphs = {other.title: _data(other, workflow) for other in others}
    return {"name": workflow.name, **_data(root, workflow), "subgraphs": subgraphs}


def _data(picture: Picture, workflow: Workflow) -> dict[str, Any]:
    compiled = picture.compiled
    nodes = []
    for name, data in compiled.nodes(data=True):
        node = picture.graph.nodes.get(name)
        owner = picture.graph.regions[data["region"]].owner
        shown = {"id": name, "type": data["type"], "label": data["label"], "description": data["description"]}
        uses = {"uses": title_of(node.uses, workflow)} if isinstance(node, Subgraph) else {}
        nodes.append(shown | {"scope": owner and f"{owner}: {data['region']}", **uses})
    edges = [{"source": source, "target": target, **data} for source, target, data in compiled.edges(data=True)]
    return {"directed": True, "multigraph": True, "entry": picture.graph.entry, "nodes": nodes, "edges": edges}
