"""Mermaid's flowcharts. Whatever stands in a name or condition is escaped: a label is never syntax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magent.draw.overlay import COLORS, Overlay
from magent.draw.pictures import (
    Picture,
    StepLabel,
    chain_of,
    edge_label,
    last_step,
    node_lines,
    pictures,
    short,
    steps_of,
)
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


def mermaid(workflow: Workflow, overlay: Overlay | None = None) -> str:
    """A Mermaid flowchart. Ids carry a prefix, so that no name is one of Mermaid's words (`end`, `graph`, `style`)."""
    lines = ["flowchart TD"]
    edges: list[tuple[str, str, int | None]] = []  # line, type, times taken
    for number, picture in enumerate(pictures(workflow)):
        if number:
            lines.append(f'  subgraph {picture.prefix}["subgraph {_mermaid_escape(picture.title)}"]')
        lines += _mermaid_boxes(picture, "    " if number else "  ", overlay)
        lines += ["  end"] if number else []
        edges += _mermaid_edges(picture, overlay)
        edges += _mermaid_steps(picture)
    lines += [line for line, _, _ in edges]
    lines += _mermaid_styles(edges)
    lines += _mermaid_classes(overlay) if overlay else []
    return "\n".join(lines) + "\n"


def _mermaid_boxes(picture: Picture, indent: str, overlay: Overlay | None) -> Iterator[str]:
    open_boxes = 0
    for depth, box, name in picture.walk():
        while open_boxes > depth:
            open_boxes -= 1
            yield f"{indent}{'  ' * open_boxes}end"
        space = indent + "  " * depth
        if box is not None:
            yield f'{space}subgraph {picture.prefix}b_{name}["{_mermaid_escape(box)}"]'
            if picture.ends_at_point(name):
                yield f'{space}  {picture.prefix}e_{name}((" "))'
            open_boxes += 1
        else:
            data = picture.compiled.nodes[name]
            opening, closing = _MERMAID_SHAPES[data["type"]]
            marks = overlay.node(picture.graph.key, name) if overlay else None
            label = "<br/>".join(_mermaid_escape(line) for line in node_lines(name, data, marks))
            status = f":::{marks.status}" if marks else ":::unreached" if overlay else ""
            drawn = f"{picture.prefix}n_{name}{opening}{label}{closing}{status}"
            yield from _mermaid_node(picture, name, drawn, space)
    for left in reversed(range(open_boxes)):
        yield f"{indent}{'  ' * left}end"


def _mermaid_node(picture: Picture, name: str, drawn: str, space: str) -> Iterator[str]:
    """A node, or a chain's cluster around the task and its steps."""
    node = picture.graph.nodes.get(name)
    steps = steps_of(node, picture.graph)
    if not steps:
        yield space + drawn
        return
    yield f'{space}subgraph {picture.prefix}c_{name}["chain {_mermaid_escape(chain_of(node))}"]'
    yield f"{space}  {drawn}"
    yield from _mermaid_boxes_of(f"{picture.prefix}s_{name}_", steps, f"{space}  ")
    yield f"{space}end"


def _mermaid_boxes_of(prefix: str, steps: Sequence[StepLabel], space: str) -> Iterator[str]:
    """The steps, those of a chain in a subgraph of their own."""
    for step in steps:
        own = _mermaid_id(prefix, step)
        if step.steps:
            yield f'{space}subgraph c_{own}["chain {_mermaid_escape(step.callee)}"]'
        inside = f"{space}  " if step.steps else space
        yield f'{inside}{own}("{_mermaid_escape(short(step.title))}")'
        if step.steps:
            yield from _mermaid_boxes_of(prefix, step.steps, inside)
            yield f"{space}end"


def _mermaid_id(prefix: str, step: StepLabel) -> str:
    return f"{prefix}{step.place.replace('.', 'x')}"  # names may hold `_1`, and no two ids are one


def _mermaid_steps(picture: Picture) -> Iterator[tuple[str, str, int | None]]:
    """The lines between the steps of chains."""
    for name, node in picture.graph.nodes.items():
        before = f"{picture.prefix}n_{name}"
        for _, step in (each for outer in steps_of(node, picture.graph) for each in outer.walk()):
            kind = "normal" if step.when is None else "conditional"
            label = f'|"{_mermaid_escape(short(step.when))}"|' if step.when is not None else ""
            own = _mermaid_id(f"{picture.prefix}s_{name}_", step)
            yield f"  {before} {_MERMAID_ARROWS[kind]}{label} {own}", kind, None
            before = own


def _mermaid_styles(edges: Sequence[tuple[str, str, int | None]]) -> Iterator[str]:
    """A later style of an edge would take the place of an earlier one: each edge is named once."""
    styles: dict[str, list[str]] = {}
    for kind in ("normal", *_MERMAID_DASHES):
        for index, (_, its_kind, count) in enumerate(edges):
            if its_kind == kind:
                dashes = [f"stroke-dasharray:{_MERMAID_DASHES[kind]}"] if kind in _MERMAID_DASHES else []
                style = ",".join(dashes + (["stroke-width:4px"] if count else []))
                styles.setdefault(style, []).append(str(index))
    for style, numbers in styles.items():
        if style:
            yield f"  linkStyle {','.join(numbers)} {style}"


def _mermaid_classes(overlay: Overlay) -> Iterator[str]:
    for status in dict.fromkeys(marks.status for marks in overlay.nodes.values()):
        yield f"  classDef {status} fill:{COLORS[status]},stroke:#333,color:#000"
    yield "  classDef unreached fill:#fff,stroke:#bbb,color:#888"


def _mermaid_edges(picture: Picture, overlay: Overlay | None) -> Iterator[tuple[str, str, int | None]]:
    for line in picture.lines(overlay):
        kind, label = line.data["type"], edge_label(line.data, line.count)
        shown = f'|"{_mermaid_escape(label)}"|' if label else ""
        source = f"e_{line.source}" if line.from_point else _mermaid_last(picture, line.source)
        target = f"e_{line.target}" if line.to_point else f"n_{line.target}"
        yield f"  {picture.prefix}{source} {_MERMAID_ARROWS[kind]}{shown} {picture.prefix}{target}", kind, line.count


def _mermaid_last(picture: Picture, name: str) -> str:
    """The box that edges leave: of a chain that of its last step."""
    last = last_step(picture.graph.nodes.get(name), picture.graph)
    return f"n_{name}" if last is None else _mermaid_id(f"s_{name}_", last)


def _mermaid_escape(text: str) -> str:
    """Mermaid reads quotes, HTML, `#…;` codes, `%%` comments, `$$` formulas and Markdown in labels."""
    visible = (char if char.isprintable() else "�" for char in text)
    return "".join(f"#{ord(char)};" if char in _MERMAID_SPECIAL else char for char in visible)
