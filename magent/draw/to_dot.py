"""DOT, Graphviz's language: node shape by type, normal edges solid, conditional dashed, loop_backs dotted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from magent.draw.marks import COLORS, Marks
from magent.draw.overlay import Overlay
from magent.draw.pictures import (
    Picture,
    Port,
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
_POINT = 'shape=point, width=0.12, label=""'
_DOT_STYLES = {"normal": "solid", "conditional": "dashed", "loop_back": "dotted"}


def dot(workflow: Workflow, overlay: Overlay | None = None) -> str:
    """The DOT text, for Graphviz; with an overlay, nodes in the colour of their status and taken edges heavy."""
    lines = [
        f"digraph {_dot_text(workflow.name)} {{",
        "  rankdir=TB;",
        "  compound=true;",
        '  graph [fontname="sans-serif"];',
    ]
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
            yield f"{indent}{pad(open_boxes)}}}"
        space = indent + pad(depth)
        if box is not None:
            yield f"{space}subgraph {_dot_text(f'cluster_{picture.prefix}{name}')} {{"
            yield f"{space}  label={_dot_text(box)}; style=rounded;"
            if picture.ends_at_point(name):
                yield f"{space}  {_dot_text(f'{picture.prefix}{name}:end')} [{_POINT}];"
            open_boxes += 1
        else:
            data = picture.compiled.nodes[name]
            marks = overlay.node(picture.graph.key, name) if overlay else None
            label = "\\n".join(_dot_escape(line) for line in node_lines(name, data, marks))
            shape = f'shape={_DOT_SHAPES[data["type"]]}, label="{label}"{", style=filled" if marks else ""}'
            shape += _dot_colors(overlay, marks)
            yield from _dot_node(picture, name, f"{_dot_text(picture.prefix + name)} [{shape}];", space, overlay)
            if picture.meets(name):
                yield f"{space}{_dot_text(f'{picture.prefix}{name}:join')} [{_POINT}];"
    for left in reversed(range(open_boxes)):
        yield f"{indent}{pad(left)}}}"


def _dot_node(picture: Picture, name: str, drawn: str, space: str, overlay: Overlay | None) -> Iterator[str]:
    """A node, or a chain's cluster: the task, and its steps in their order behind it."""
    node = picture.graph.nodes.get(name)
    steps = steps_of(node, picture.graph)
    if not steps:
        yield space + drawn
        return
    yield f"{space}subgraph {_dot_text(_cluster(picture, name))} {{"
    yield f"{space}  label={_dot_text(f'chain {chain_of(node)}')}; style=dashed;"
    yield f"{space}  {drawn}"
    yield from _Steps(picture, name, overlay).drawn(picture.prefix + name, steps, f"{space}  ")
    yield f"{space}}}"


def _cluster(picture: Picture, name: str) -> str:
    return f"cluster_{picture.prefix}{name}:chain"


@dataclass(frozen=True, slots=True)
class _Steps:
    """Of the chain of one task, with what a run did with them."""

    picture: Picture
    name: str
    overlay: Overlay | None

    def drawn(self, before: str, steps: Sequence[StepLabel], space: str) -> Iterator[str]:
        """Steps behind `before`, in their order; those of a chain in a cluster of its own."""
        node = self.picture.prefix + self.name
        for step in steps:
            own, inside = f"{node}:{step.place}", space
            marks = self.overlay.step(self.picture.graph.key, self.name, step.place) if self.overlay else None
            if step.steps:
                yield f"{space}subgraph {_dot_text(f'cluster_{own}:chain')} {{"
                inside = f"{space}  "
                yield f"{inside}label={_dot_text(f'chain {step.callee}')}; style=dashed;"
            label = "\\n".join(_dot_escape(line) for line in step_lines(step, marks))
            style = '"rounded,filled"' if marks else "rounded"
            look = f'shape=box, style={style}, label="{label}"{_dot_colors(self.overlay, marks)}'
            yield f"{inside}{_dot_text(own)} [{look}];"
            yield from self.drawn(own, step.steps, inside)
            if step.steps:
                yield f"{space}}}"
            line = [f"style={'solid' if step.when is None else 'dashed'}"]
            line += [f"label={_dot_text(short(step.when))}"] if step.when is not None else []
            line += _dot_taken(None if self.overlay is None else passed(marks))
            yield f"{space}{_dot_text(before)} -> {_dot_text(own)} [{', '.join(line)}];"
            before = f"{node}:{step.last.place}"


def _dot_edges(picture: Picture, indent: str, overlay: Overlay | None) -> Iterator[str]:
    for line in picture.lines(overlay):
        attributes = [f"style={_DOT_STYLES[line.kind]}"]
        if label := edge_label(line):
            attributes.append(f"label={_dot_text(label)}")
        attributes += _dot_taken(line.count)
        if line.count is None and line.implied:
            attributes.append("color=gray50")
        if line.kind == "loop_back":
            attributes.append("constraint=false")
        if line.source.part == "whole" and line.source.name != line.target.name and _last(picture, line.source.name):
            attributes.append(f"ltail={_dot_text(_cluster(picture, line.source.name))}")
        source = _dot_port(picture, line.source, _last(picture, line.source.name))
        yield f"{indent}{source} -> {_dot_port(picture, line.target, None)} [{', '.join(attributes)}];"


def _last(picture: Picture, name: str) -> StepLabel | None:
    return last_step(picture.graph.nodes.get(name), picture.graph)


def _dot_port(picture: Picture, port: Port, last: StepLabel | None) -> str:
    """The box or point that an edge leaves or comes to; a chain is left at its `last` step."""
    behind = {"meeting": ":join", "end": ":end", "node": f":{last.place}" if last else "", "whole": ""}[port.part]
    return _dot_text(f"{picture.prefix}{port.name}{behind}")


def _dot_taken(count: int | None) -> list[str]:
    if count is None:
        return []
    return ["penwidth=2.5"] if count else ["color=gray70", "fontcolor=gray50"]


def _dot_colors(overlay: Overlay | None, marks: Marks | None) -> str:
    if overlay is None:
        return ""
    return f', fillcolor="{COLORS[marks.status]}"' if marks else ", color=gray70, fontcolor=gray50"


def _dot_escape(text: str) -> str:
    """Graphviz reads backslashes and, even in plain labels, HTML entities."""
    visible = "".join(char if char.isprintable() else "�" for char in text)
    return visible.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')


def _dot_text(text: str) -> str:
    return f'"{_dot_escape(text)}"'
