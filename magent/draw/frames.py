"""Frames around what a node opens: its head on top, and what it opens laid out below it. Chains, which need no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from magent.draw.canvas import visible
from magent.draw.layers import Item, Link
from magent.draw.marks import Marks, in_lines
from magent.draw.pictures import StepLabel, passed
from magent.draw.routes import Placed, place
from magent.draw.sheet import Block, Frame, Line, Sheet, card, chip, pill

PAD, HEAD = 16.0, 14.0  # inside a frame: at its sides and below, above
_MOST_STEPS = 24  # of a chain, that are drawn


def put_together(blocks: Sequence[Block], links: Sequence[tuple[Link, Line]], placed: Placed) -> Sheet:
    """Blocks and lines on one sheet, where they were placed."""
    made = Sheet(placed.width, placed.height)
    for block, (x, y) in zip(blocks, placed.corners, strict=True):
        made.parts.append((block.sheet, x, y))
    for at, ((_, line), way, middle) in enumerate(zip(links, placed.ways, placed.labels, strict=True)):
        made.lines.append(replace(line, way=tuple(way), middle=middle, fanned=at in placed.fanned))
    return made


def linked(
    source: int, target: int, look: str, label: str, count: int | None, title: str, implied: bool = False
) -> tuple[Link, Line]:
    """An edge to lay out, and how it is drawn."""
    whole = " ".join(part for part in (label, f"×{count:,}" if count and count > 1 else "") if part)
    rows, size = chip(whole)
    told = title + (f": {label}" if label else "")
    if count is not None:
        told += "\nnot taken" if not count else f"\ntaken {count:,} times" if count > 1 else "\ntaken once"
    link = Link(source, target, size, look == "loop_back")
    return link, Line(look, (), rows, None, size, told, count, implied)


def framed(
    kind: str, head: Block, parts: Sequence[Block], links: Sequence[tuple[Link, Line]], *, joined: bool = False
) -> Block:
    """A frame around a head and what stands below it. `joined`: the last part is where the frame is left."""
    blocks = [head, *parts]
    placed = place([block.item for block in blocks], [link for link, _ in links])
    inner = put_together(blocks, links, placed)
    width, height = placed.width + 2 * PAD, placed.height + HEAD + PAD
    marks = head.sheet.boxes[0].marks
    taken = None if not head.sheet.boxes[0].told else marks is not None
    made = Sheet(width, height, frames=[Frame(kind, 0.0, 0.0, width, height, taken=taken)])
    made.parts.append((inner, PAD, HEAD))
    inlet = PAD + placed.corners[0][0] + head.item.width / 2
    outlet, high = inlet, 0.0
    if joined:
        x, y = placed.corners[-1]
        last = blocks[-1].item
        outlet = PAD + x + (last.width / 2 if last.outlet < 0 else last.outlet)
        high = height - HEAD - y - last.height + last.high
    return Block(made, Item(width, height, inlet, outlet, HEAD + placed.corners[0][1], high))


Run = Callable[[str], Marks | None]  # what became of the step at a place of a chain


def chained(head: Block, steps: Sequence[StepLabel], run: Run | None = None) -> Block:
    """A task and the steps of its chain, one below another, with what a run did with them."""
    parts = [_step(step, run) for step in steps[:_MOST_STEPS]]
    links = []
    for number, step in enumerate(steps[:_MOST_STEPS]):
        when = visible(step.when) if step.when is not None else ""
        look, count = "conditional" if when else "normal", None if run is None else passed(run(step.place))
        links.append(linked(number, number + 1, look, when, count, step.title, True))
    if len(steps) > _MOST_STEPS:
        parts.append(pill("join", f"{len(steps) - _MOST_STEPS} more steps"))
        links.append((Link(_MOST_STEPS, _MOST_STEPS + 1), Line("normal", (), implied=True)))
    return framed("chain", head, parts, links, joined=True)


def _step(step: StepLabel, run: Run | None) -> Block:
    called = f"chain {visible(step.callee)}" if step.is_chain else visible(step.callee)
    name, about_it = (visible(step.name), [called]) if step.name else (called, [])
    marks, icon = run(step.place) if run is not None else None, "chain" if step.is_chain else "tool"
    facts = in_lines(marks) if marks is not None else ()
    title = "\n".join([step.title, *facts])
    box = card("step", name, about_it, facts, title=title, marks=marks, told=run is not None, icon=icon)
    return chained(box, step.steps, run) if step.steps else box
