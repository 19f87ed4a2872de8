"""Mermaid's flowcharts. Whatever stands in a name or condition is escaped: a label is never syntax."""

from __future__ import annotations

from collections.abc import Iterator

from magent.draw.pictures import Picture, edge_label, node_lines, pictures
from magent.model import Workflow

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


def mermaid(workflow: Workflow) -> str:
    """A Mermaid flowchart. Ids carry a prefix, so that no name is one of Mermaid's words (`end`, `graph`, `style`)."""
    lines = ["flowchart TD"]
    edges: list[tuple[str, str]] = []  # line, type
    for number, picture in enumerate(pictures(workflow)):
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


def _mermaid_boxes(picture: Picture, indent: str) -> Iterator[str]:
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
            label = "<br/>".join(_mermaid_escape(line) for line in node_lines(name, data))
            yield f"{space}{picture.prefix}n_{name}{opening}{label}{closing}"
    for left in reversed(range(open_boxes)):
        yield f"{indent}{'  ' * left}end"


def _mermaid_edges(picture: Picture) -> Iterator[tuple[str, str]]:
    for source, target, data in picture.compiled.edges(data=True):
        label = edge_label(data)
        shown = f'|"{_mermaid_escape(label)}"|' if label else ""
        ends = (f"{picture.prefix}n_{source}", f"{picture.prefix}n_{target}")
        yield f"  {ends[0]} {_MERMAID_ARROWS[data['type']]}{shown} {ends[1]}", data["type"]


def _mermaid_escape(text: str) -> str:
    """Mermaid reads quotes, HTML, `#…;` codes, `%%` comments, `$$` formulas and Markdown in labels."""
    visible = (char if char.isprintable() else "�" for char in text)
    return "".join(f"#{ord(char)};" if char in _MERMAID_SPECIAL else char for char in visible)
