"""A compiled workflow as DOT, Mermaid or JSON. Pure, and the same text every time.

Node shape by type; normal edges solid, conditional ones dashed with their condition, loop_backs dotted; a box around
the nodes of each branch, body and subgraph. Whatever stands in a name or condition is escaped: a label is never syntax.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magent.graph import compile as compile_graph
from magent.model import Graph, Subgraph, Workflow

if TYPE_CHECKING:
    import networkx

LONGEST_LABEL = 120
_DOT_SHAPES = {
    "start": "circle",
    "end": "doublecircle",
    "task": "box",
    "condition": "diamond",
    "parallel": "trapezium",
    "loop": "hexagon",
    "subgraph": "component",
    "human_input": "house",
}
_DOT_STYLES = {"normal": "solid", "conditional": "dashed", "loop_back": "dotted"}
_MERMAID_SHAPES = {
    "start": ('(["', '"])'),
    "end": ('((("', '")))'),
    "task": ('["', '"]'),
    "condition": ('{"', '"}'),
    "parallel": ('[/"', '"\\]'),
    "loop": ('{{"', '"}}'),
    "subgraph": ('[["', '"]]'),
    "human_input": ('[/"', '"/]'),
}
_MERMAID_SPECIAL = frozenset("\"'#&<>%$`*\\;|{}[]~")
_MERMAID_ARROWS = {"normal": "-->", "conditional": "-.->", "loop_back": "-.->"}
_MERMAID_DASHES = {"conditional": "6 4", "loop_back": "1 4"}


@dataclass(frozen=True, slots=True)
class _Picture:
    """One graph to draw. `prefix` keeps the ids of different graphs apart; the root's is empty."""

    prefix: str
    title: str
    graph: Graph
    compiled: networkx.MultiDiGraph[str]

    def children(self) -> dict[str | None, list[str]]:
        """Which regions stand directly inside which, by entry; the graph's own stands in None."""
        inside: dict[str | None, list[str]] = {}
        for entry, region in self.graph.regions.items():
            owner = self.graph.nodes[region.owner].region or self.graph.entry if region.owner else None
            inside.setdefault(owner, []).append(entry)
        return inside

    def members(self, entry: str) -> list[str]:
        return [name for name, data in self.compiled.nodes(data=True) if data["region"] == entry]

    def walk(self) -> Iterator[tuple[int, str | None, str]]:
        """(depth, box title or None, node): boxes as they open, nodes as they stand; depth falls where boxes end."""
        children = self.children()
        stack = [(0, entry) for entry in reversed(children.get(None, []))]
        while stack:
            depth, entry = stack.pop()
            owner = self.graph.regions[entry].owner
            if owner is not None:
                yield depth, f"{owner}: {entry}", entry
            for name in self.members(entry):
                yield depth + (owner is not None), None, name
            stack += [(depth + (owner is not None), inner) for inner in reversed(children.get(entry, []))]


def _pictures(workflow: Workflow) -> list[_Picture]:
    """The root and every subgraph that it uses, directly or not, in the order of their first use."""
    keys = [workflow.root]
    for key in keys:  # grows
        for node in workflow.graphs[key].nodes.values():
            if isinstance(node, Subgraph) and node.uses in workflow.graphs and node.uses not in keys:
                keys.append(node.uses)
    pictures = []
    for number, key in enumerate(keys):
        graph = workflow.graphs[key]
        title = _title(key, workflow) if number else workflow.name
        pictures.append(_Picture(f"g{number}_" if number else "", title, graph, compile_graph(workflow, graph)))
    return pictures


def _title(key: str, workflow: Workflow) -> str:
    """The key of a graph as people know it: by its name in the file, or its file's path from the workflow's own."""
    return key.removeprefix(f"{workflow.root}#").removeprefix(workflow.home.rstrip("/") + "/")


def _short(text: Any) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST_LABEL else line[: LONGEST_LABEL - 1] + "…"


def _edge_label(data: Mapping[str, Any]) -> str:
    parts = [_short(data["when"])] if data["when"] is not None else []
    if data["max"] is not None:
        parts.append(f"max {_short(data['max'])}")
    return ", ".join(parts)


def _node_lines(name: str, data: Mapping[str, Any]) -> list[str]:
    return [name, _short(data["label"])] if data["label"] else [name]


# DOT


def dot(workflow: Workflow) -> str:
    """The DOT text, for Graphviz."""
    lines = [f"digraph {_dot_text(workflow.name)} {{", "  rankdir=TB;", '  graph [fontname="sans-serif"];']
    lines.append('  node [fontname="sans-serif"];')
    lines.append('  edge [fontname="sans-serif", fontsize=10];')
    for number, picture in enumerate(_pictures(workflow)):
        inner = "  "
        if number:
            lines.append(f"  subgraph {_dot_text(f'cluster_{picture.prefix}')} {{")
            lines.append(f"    label={_dot_text(f'subgraph {picture.title}')};")
            inner = "    "
        lines += _dot_boxes(picture, inner)
        lines += _dot_edges(picture, inner)
        lines += ["  }"] if number else []
    return "\n".join([*lines, "}"]) + "\n"


def _dot_boxes(picture: _Picture, indent: str) -> Iterator[str]:
    open_boxes = 0
    for depth, box, name in picture.walk():
        while open_boxes > depth:
            open_boxes -= 1
            yield f"{indent}{'  ' * open_boxes}}}"
        space = indent + "  " * depth
        if box is not None:
            yield f"{space}subgraph {_dot_text(f'cluster_{picture.prefix}{name}')} {{"
            yield f"{space}  label={_dot_text(box)}; style=rounded;"
            open_boxes += 1
        else:
            data = picture.compiled.nodes[name]
            label = "\\n".join(_dot_escape(line) for line in _node_lines(name, data))
            yield f'{space}{_dot_text(picture.prefix + name)} [shape={_DOT_SHAPES[data["type"]]}, label="{label}"];'
    for left in reversed(range(open_boxes)):
        yield f"{indent}{'  ' * left}}}"


def _dot_edges(picture: _Picture, indent: str) -> Iterator[str]:
    for source, target, data in picture.compiled.edges(data=True):
        attributes = [f"style={_DOT_STYLES[data['type']]}"]
        if label := _edge_label(data):
            attributes.append(f"label={_dot_text(label)}")
        if data["implied"]:
            attributes.append("color=gray50")
        if data["type"] == "loop_back":
            attributes.append("constraint=false")
        ends = f"{_dot_text(picture.prefix + source)} -> {_dot_text(picture.prefix + target)}"
        yield f"{indent}{ends} [{', '.join(attributes)}];"


def _dot_escape(text: str) -> str:
    """Graphviz reads backslashes and, even in plain labels, HTML entities."""
    visible = "".join(char if char.isprintable() else "�" for char in text)
    return visible.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _dot_text(text: str) -> str:
    return f'"{_dot_escape(text)}"'


# Mermaid


def mermaid(workflow: Workflow) -> str:
    """A Mermaid flowchart. Ids carry a prefix, so that no name is one of Mermaid's words (`end`, `graph`, `style`)."""
    lines = ["flowchart TD"]
    edges: list[tuple[str, str]] = []  # line, type
    for number, picture in enumerate(_pictures(workflow)):
        if number:
            lines.append(f'  subgraph {picture.prefix}["subgraph {_mermaid_escape(picture.title)}"]')
        lines += _mermaid_boxes(picture, "    " if number else "  ")
        lines += ["  end"] if number else []
        edges += _mermaid_edges(picture)
    lines += [line for line, _ in edges]
    for kind, dashes in _MERMAID_DASHES.items():
        if numbers := [str(index) for index, edge in enumerate(edges) if edge[1] == kind]:
            lines.append(f"  linkStyle {','.join(numbers)} stroke-dasharray:{dashes}")
    return "\n".join(lines) + "\n"


def _mermaid_boxes(picture: _Picture, indent: str) -> Iterator[str]:
    open_boxes = 0
    for depth, box, name in picture.walk():
        while open_boxes > depth:
            open_boxes -= 1
            yield f"{indent}{'  ' * open_boxes}end"
        space = indent + "  " * depth
        if box is not None:
            yield f'{space}subgraph {picture.prefix}b_{name}["{_mermaid_escape(box)}"]'
            open_boxes += 1
        else:
            data = picture.compiled.nodes[name]
            opening, closing = _MERMAID_SHAPES[data["type"]]
            label = "<br/>".join(_mermaid_escape(line) for line in _node_lines(name, data))
            yield f"{space}{picture.prefix}n_{name}{opening}{label}{closing}"
    for left in reversed(range(open_boxes)):
        yield f"{indent}{'  ' * left}end"


def _mermaid_edges(picture: _Picture) -> Iterator[tuple[str, str]]:
    for source, target, data in picture.compiled.edges(data=True):
        label = _edge_label(data)
        shown = f'|"{_mermaid_escape(label)}"|' if label else ""
        ends = (f"{picture.prefix}n_{source}", f"{picture.prefix}n_{target}")
        yield f"  {ends[0]} {_MERMAID_ARROWS[data['type']]}{shown} {ends[1]}", data["type"]


def _mermaid_escape(text: str) -> str:
    """Mermaid reads quotes, HTML, `#…;` codes, `%%` comments, `$$` formulas and Markdown in labels."""
    visible = (char if char.isprintable() else "�" for char in text)
    return "".join(f"#{ord(char)};" if char in _MERMAID_SPECIAL else char for char in visible)


# JSON


def as_json(workflow: Workflow) -> dict[str, Any]:
    """`{name, entry, nodes, edges, subgraphs}`, as networkx's `node_link_graph(…, edges="edges")` reads it."""
    root, *others = _pictures(workflow)
    subgraphs = {other.title: _data(other, workflow) for other in others}
    return {"name": workflow.name, **_data(root, workflow), "subgraphs": subgraphs}


def _data(picture: _Picture, workflow: Workflow) -> dict[str, Any]:
    compiled = picture.compiled
    nodes = []
    for name, data in compiled.nodes(data=True):
        node = picture.graph.nodes.get(name)
        owner = picture.graph.regions[data["region"]].owner
        shown = {"id": name, "type": data["type"], "label": data["label"], "description": data["description"]}
        uses = {"uses": _title(node.uses, workflow)} if isinstance(node, Subgraph) else {}
        nodes.append(shown | {"scope": owner and f"{owner}: {data['region']}", **uses})
    edges = [{"source": source, "target": target, **data} for source, target, data in compiled.edges(data=True)]
    return {"directed": True, "multigraph": True, "entry": picture.graph.entry, "nodes": nodes, "edges": edges}
