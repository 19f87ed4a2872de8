"""DOT, Graphviz's language: node shape by type, normal edges solid, conditional dashed, loop_backs dotted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from magent.draw.overlay import COLORS, Marks, Overlay
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


def dot(workflow: Workflow, overlay: Overlay | None = None) -> str:
    """The DOT text, for Graphviz; with an overlay, nodes in the colour of their status and taken edges heavy."""
    lines = [f"digraph {_dot_text(workflow.name)} {{", "  rankdir=TB;", '  graph [fontname="sans-serif"];']
    lines.append('  node [fontname="sans-serif"];')
    lines.append('  edge [fontname="sans-serif", fontsize=10];')
    for number, picture in enumerate(pictures(workflow)):
        inner = "  "
        if number:
            lines.append(f"  subgraph {_dot_text(f'cluster_{picture.prefix}')} {{")
            lines.append(f"    label={_dot_text(f'subgraph {picture.title}')};")
            inner = "    "
        lines += _dot_boxes(picture, inner, overlay)
        lines += _dot_edges(picture, inner, overlay)
        lines += ["  }"] if number else []
    return "\n".join([*lines, "}"]) + "\n"


def _dot_boxes(picture: Picture, indent: str, overlay: Overlay | None) -> Iterator[str]:
    open_boxes = 0
    for depth, box, name in picture.walk():
        while open_boxes > depth:
            open_boxes -= 1
            yield f"{indent}{'  ' * open_boxes}}}"
        space = indent + "  " * depth
        if box is not None:
            yield f"{space}subgraph {_dot_text(f'cluster_{picture.prefix}{name}')} {{"
            yield f"{space}  label={_dot_text(box)}; style=rounded;"
            if picture.ends_at_point(name):
                yield f'{space}  {_dot_text(f"{picture.prefix}{name}:end")} [shape=point, width=0.12, label=""];'
            open_boxes += 1
        else:
            data = picture.compiled.nodes[name]
            marks = overlay.node(picture.graph.key, name) if overlay else None
            label = "\\n".join(_dot_escape(line) for line in node_lines(name, data, marks))
            shape = f'shape={_DOT_SHAPES[data["type"]]}, label="{label}"{_dot_marks(overlay, marks)}'
            yield from _dot_node(picture, name, f"{_dot_text(picture.prefix + name)} [{shape}];", space)
    for left in reversed(range(open_boxes)):
        yield f"{indent}{'  ' * left}}}"


def _dot_node(picture: Picture, name: str, drawn: str, space: str) -> Iterator[str]:
    """A node, or a chain's cluster: the task, and its steps in their order behind it."""
    node = picture.graph.nodes.get(name)
    steps = steps_of(node, picture.graph)
    if not steps:
        yield space + drawn
        return
    yield f"{space}subgraph {_dot_text(f'cluster_{picture.prefix}{name}:chain')} {{"
    yield f"{space}  label={_dot_text(f'chain {chain_of(node)}')}; style=dashed;"
    yield f"{space}  {drawn}"
    yield from _dot_steps(picture.prefix + name, picture.prefix + name, steps, f"{space}  ")
    yield f"{space}}}"


def _dot_steps(node: str, before: str, steps: Sequence[StepLabel], space: str) -> Iterator[str]:
    """Steps behind `before`, in their order; those of a chain in a cluster of its own."""
    for step in steps:
        own, inside = f"{node}:{step.place}", space
        if step.steps:
            yield f"{space}subgraph {_dot_text(f'cluster_{own}:chain')} {{"
            inside = f"{space}  "
            yield f"{inside}label={_dot_text(f'chain {step.callee}')}; style=dashed;"
        yield f"{inside}{_dot_text(own)} [shape=box, style=rounded, label={_dot_text(short(step.title))}];"
        yield from _dot_steps(node, own, step.steps, inside)
        if step.steps:
            yield f"{space}}}"
        label = f", label={_dot_text(short(step.when))}" if step.when is not None else ""
        look = "dashed" if step.when is not None else "solid"
        yield f"{space}{_dot_text(before)} -> {_dot_text(own)} [style={look}{label}];"
        before = f"{node}:{step.last.place}"


def _dot_edges(picture: Picture, indent: str, overlay: Overlay | None) -> Iterator[str]:
    for line in picture.lines(overlay):
        data, count = line.data, line.count
        attributes = [f"style={_DOT_STYLES[data['type']]}"]
        if label := edge_label(data, count):
            attributes.append(f"label={_dot_text(label)}")
        if count is not None:
            attributes.append("penwidth=2.5" if count else "color=gray70, fontcolor=gray50")
        elif data["implied"]:
            attributes.append("color=gray50")
        if data["type"] == "loop_back":
            attributes.append("constraint=false")
        source = f"{line.source}:end" if line.from_point else _dot_last(picture, line.source)
        target = f"{line.target}:end" if line.to_point else line.target
        ends = f"{_dot_text(picture.prefix + source)} -> {_dot_text(picture.prefix + target)}"
        yield f"{indent}{ends} [{', '.join(attributes)}];"


def _dot_last(picture: Picture, name: str) -> str:
    """The box that edges leave: of a chain that of its last step."""
    last = last_step(picture.graph.nodes.get(name), picture.graph)
    return name if last is None else f"{name}:{last.place}"


def _dot_marks(overlay: Overlay | None, marks: Marks | None) -> str:
    if overlay is None:
        return ""
    return f', style=filled, fillcolor="{COLORS[marks.status]}"' if marks else ", color=gray70, fontcolor=gray50"


def _dot_escape(text: str) -> str:
    """Graphviz reads backslashes and, even in plain labels, HTML entities."""
    visible = "".join(char if char.isprintable() else "�" for char in text)
    return visible.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _dot_text(text: str) -> str:
    return f'"{_dot_escape(text)}"'
