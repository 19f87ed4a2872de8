"""Mermaid's flowcharts. Whatever stands in a name or condition is escaped: a label is never syntax."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magent.draw.marks import COLORS, Marks
from magent.draw.overlay import Overlay
from magent.draw.pictures import (
    Line,
    Picture,
    StepLabel,
    chain_of,
    edge_label,
    last_step,
    node_lines,
    pad,
    passed,
    pictures,
    short,
    step_lines,
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
_MOST_EDGES, _LONGEST = 500, 50_000  # Mermaid's own bounds: edges, characters
_PORTS = {"node": "n_", "whole": "n_", "meeting": "j_", "end": "e_"}
_MERMAID_DASHES = {"conditional": "6 4", "loop_back": "1 4"}


def mermaid(workflow: Workflow, overlay: Overlay | None = None) -> str:
    """A Mermaid flowchart. Ids carry a prefix, so that no name is one of Mermaid's words (`end`, `graph`, `style`).
    What is larger than Mermaid draws unasked begins with a comment that says what it has to be told."""
    lines = ["flowchart TD"]
    edges: list[tuple[str, str, int | None]] = []  # line, type, times taken
    for number, picture in enumerate(pictures(workflow)):
        if number:
            lines.append(f'  subgraph {picture.prefix}["subgraph {_mermaid_escape(picture.title)}"]')
        lines += _mermaid_boxes(picture, "    " if number else "  ", overlay)
        lines += ["  end"] if number else []
        edges += _mermaid_edges(picture, overlay)
        edges += _mermaid_steps(picture, overlay)
    lines += [line for line, _, _ in edges]
    lines += _mermaid_styles(edges)
    lines += _mermaid_classes(overlay) if overlay else []
    text = "\n".join(lines) + "\n"
    if len(edges) < _MOST_EDGES and len(text) <= _LONGEST:
        return text
    return f"%% mermaid.initialize needs maxEdges: {len(edges) + 1}, maxTextSize: {2 * len(text)}\n{text}"


def _mermaid_boxes(picture: Picture, indent: str, overlay: Overlay | None) -> Iterator[str]:
    open_boxes = 0
    for depth, box, name in picture.walk():
        while open_boxes > depth:
            open_boxes -= 1
            yield f"{indent}{pad(open_boxes)}end"
        space = indent + pad(depth)
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
            drawn = f"{picture.prefix}n_{name}{opening}{label}{closing}{_mermaid_status(overlay, marks)}"
            yield from _mermaid_node(picture, name, drawn, space, overlay)
            if picture.meets(name):
                yield f'{space}{picture.prefix}j_{name}((" "))'
    for left in reversed(range(open_boxes)):
        yield f"{indent}{pad(left)}end"


def _mermaid_status(overlay: Overlay | None, marks: Marks | None) -> str:
    return f":::{marks.status}" if marks else ":::unreached" if overlay else ""


def _mermaid_node(picture: Picture, name: str, drawn: str, space: str, overlay: Overlay | None) -> Iterator[str]:
    """A node, or a chain's cluster around the task and its steps."""
    node = picture.graph.nodes.get(name)
    steps = steps_of(node, picture.graph)
    if not steps:
        yield space + drawn
        return
    yield f'{space}subgraph {picture.prefix}c_{name}["chain {_mermaid_escape(chain_of(node))}"]'
    yield f"{space}  {drawn}"
    yield from _mermaid_boxes_of(picture, name, steps, f"{space}  ", overlay)
    yield f"{space}end"


def _mermaid_boxes_of(
    picture: Picture, name: str, steps: Sequence[StepLabel], space: str, overlay: Overlay | None
) -> Iterator[str]:
    """The steps, those of a chain in a subgraph of their own."""
    for step in steps:
        own = _mermaid_id(picture, name, step)
        marks = overlay.step(picture.graph.key, name, step.place) if overlay else None
        if step.steps:
            yield f'{space}subgraph c_{own}["chain {_mermaid_escape(step.callee)}"]'
        inside = f"{space}  " if step.steps else space
        label = "<br/>".join(_mermaid_escape(line) for line in step_lines(step, marks))
        yield f'{inside}{own}("{label}"){_mermaid_status(overlay, marks)}'
        if step.steps:
            yield from _mermaid_boxes_of(picture, name, step.steps, inside, overlay)
            yield f"{space}end"


def _mermaid_id(picture: Picture, name: str, step: StepLabel) -> str:
    """Names may hold `_1`, and no two ids are one."""
    return f"{picture.prefix}s_{name}_{step.place.replace('.', 'x')}"


def _mermaid_steps(picture: Picture, overlay: Overlay | None) -> Iterator[tuple[str, str, int | None]]:
    """The lines between the steps of chains."""
    for name, node in picture.graph.nodes.items():
        before = f"{picture.prefix}n_{name}"
        for _, step in (each for outer in steps_of(node, picture.graph) for each in outer.walk()):
            kind = "normal" if step.when is None else "conditional"
            label = f'|"{_mermaid_escape(short(step.when))}"|' if step.when is not None else ""
            own = _mermaid_id(picture, name, step)
            count = passed(overlay.step(picture.graph.key, name, step.place)) if overlay else None
            yield f"  {before} {_MERMAID_ARROWS[kind]}{label} {own}", kind, count
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
    for status in dict.fromkeys(marks.status for marks in (*overlay.nodes.values(), *overlay.steps.values())):
        yield f"  classDef {status} fill:{COLORS[status]},stroke:#333,color:#000"
    yield "  classDef unreached fill:#fff,stroke:#bbb,color:#888"


def _mermaid_edges(picture: Picture, overlay: Overlay | None) -> Iterator[tuple[str, str, int | None]]:
    for line in picture.lines(overlay):
        label = edge_label(line)
        shown = f'|"{_mermaid_escape(label)}"|' if label else ""
        source, target = _mermaid_source(picture, line), f"{picture.prefix}{_PORTS[line.target.part]}{line.target.name}"
        yield f"  {source} {_MERMAID_ARROWS[line.kind]}{shown} {target}", line.kind, line.count


def _mermaid_source(picture: Picture, line: Line) -> str:
    """The box or point that an edge leaves; a chain is left at its last step, or, on an error, as a whole."""
    port = line.source
    last = last_step(picture.graph.nodes.get(port.name), picture.graph)
    if last is not None and port.part == "node":
        return _mermaid_id(picture, port.name, last)
    around = last is not None and port.part == "whole" and line.target.name != port.name
    return f"{picture.prefix}{'c_' if around else _PORTS[port.part]}{port.name}"


def _mermaid_escape(text: str) -> str:
    """Mermaid reads quotes, HTML, `#…;` codes, `%%` comments, `$$` formulas and Markdown in labels."""
    visible = (char if char.isprintable() else "�" for char in text)
    return "".join(f"#{ord(char)};" if char in _MERMAID_SPECIAL else char for char in visible)
