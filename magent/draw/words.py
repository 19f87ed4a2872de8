"""What a drawing in text says of nodes and edges: short lines, neutral, as wide as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from magent.cells import cut
from magent.draw.canvas import visible
from magent.draw.marks import SIGNS
from magent.draw.overlay import Overlay
from magent.draw.pictures import StepLabel, steps_of, title_of
from magent.graph import limit_of, node_edges
from magent.model import (
    Call,
    Chain,
    Choice,
    Edge,
    End,
    Graph,
    HumanInput,
    Loop,
    Node,
    Parallel,
    Prompt,
    Run,
    SetOnly,
    Start,
    Subgraph,
    Task,
    Tool,
    Wait,
    Work,
    Workflow,
)

MOST_STEPS = 8  # of a chain, that are told
LONGEST_ABOUT = 44  # columns of the line that says what a node does


@dataclass(frozen=True, slots=True)
class Way:
    """An edge out of a node, as it is drawn. `number` counts those between the same two nodes."""

    edge: Edge
    number: int
    label: str

    @property
    def target(self) -> str:
        return self.edge.target

    @property
    def back(self) -> bool:
        return self.edge.kind == "loop_back"


def ways(node: Node) -> list[Way]:
    """Every edge of a node in the order in which they are tried, with what stands beside it."""
    found: list[Way] = []
    numbers: Counter[str] = Counter()
    prefix = f"{visible(node.switch.source)} == " if isinstance(node, Choice) and node.switch is not None else ""
    conditions = False
    for edge, when in node_edges(node):
        text = "" if when is None else visible(when)
        if prefix and text.startswith(prefix):
            text = text.removeprefix(prefix)
        elif when is None and edge.kind != "loop_back" and conditions:
            text = "else"
        if edge.kind == "loop_back":
            text = f"{text}{', ' if text else ''}max {visible(limit_of(edge))}"
        conditions = True
        found.append(Way(edge, numbers[edge.target], text))
        numbers[edge.target] += 1
    return found


def about(node: Node, graph: Graph, workflow: Workflow, overlay: Overlay | None = None) -> list[str]:
    """What the node does, on a line below its name."""
    lines = [text for text in (does(node, graph, workflow),) if text]
    return [cut(text, LONGEST_ABOUT) for text in (*lines, *_steps(node, graph, overlay))]


def _steps(node: Node, graph: Graph, overlay: Overlay | None) -> list[str]:
    """The steps of the chain that a task runs: they stand in its box, with what became of them in a run."""
    steps = [each for step in steps_of(node, graph) for each in step.walk()]
    told = steps if len(steps) <= MOST_STEPS else steps[: MOST_STEPS - 1]
    lines = []
    for depth, step in told:
        when = f" when {visible(step.when)}" if step.when else ""
        lines.append(f"{'  ' * depth}↳ {_sign(overlay, graph, node, step)}{visible(step.title)}{when}")
    return lines + ([f"  … {len(steps) - len(told)} more"] if len(told) < len(steps) else [])


def _sign(overlay: Overlay | None, graph: Graph, node: Node, step: StepLabel) -> str:
    marks = overlay.step(graph.key, node.name, step.place) if overlay is not None else None
    return f"{SIGNS[marks.status]} " if marks is not None else ""


def conditions(node: Node) -> list[str]:
    """What decides whether the node does anything, or which way it goes."""
    found = [f"{_source(node.switch)} =="] if isinstance(node, Choice) and node.switch is not None else []
    return found + ([f"only when {_source(node.when)}"] if node.when is not None else [])


def does(node: Node, graph: Graph, workflow: Workflow) -> str:
    """The same, however long it is, and without the steps of a chain; "" where there is nothing to say."""
    if isinstance(node, Task):
        return _work(node.work, node, graph)
    if isinstance(node, HumanInput):
        asked = f" · {visible(node.assignee.source)}" if node.assignee is not None else ""
        return f"asks for {_INPUTS[node.input]}{asked}"
    if isinstance(node, End):
        return "failed" if node.status == "failed" else ""
    if isinstance(node, Subgraph):
        return f"subgraph {visible(title_of(node.uses, workflow))}"
    return "start" if isinstance(node, Start) and node.name != "start" else ""


_INPUTS = {
    "approval": "approval",
    "feedback": "feedback",
    "choice": "a choice",
    "rating": "a rating",
    "review": "a review",
    "validation": "validation",
}


def _work(work: Work, node: Task, graph: Graph) -> str:
    if isinstance(work, Prompt):
        return f"prompt{_asked(work, graph)}"
    if isinstance(work, Run):
        command = work.shell.source if work.shell is not None else " ".join(str(word.data) for word in work.words)
        first = next((line for line in str(command).splitlines() if line.strip()), "")
        return f"run {visible(first)}"
    if isinstance(work, Call):
        return f"call {visible(work.target)}"
    if isinstance(work, Tool):
        return f"tool {visible(work.tool.data)}"
    if isinstance(work, Chain):
        return f"chain {visible(work.chain.data)}"
    if isinstance(work, Wait):
        return f"wait {visible(work.duration.data)}"
    assert isinstance(work, SetOnly)
    return f"set {', '.join(map(visible, node.set))}"


def _asked(work: Prompt, graph: Graph) -> str:
    if work.role is not None:
        return f" · role {visible(work.role.data)}"
    if work.route is not None:
        return f" · route {visible(', '.join(_required(work.route.data)) or 'by its words')}"
    agent = work.agent or graph.default_agent
    return f" · {visible(agent.data)}" if agent is not None else ""


def _required(route: Mapping[str, Any]) -> Iterator[str]:
    """`python`, `security`, `type coder`: what a route asks for, in the order of the file."""
    for name, value in route.items():
        if name in ("skills", "expertise"):
            yield from map(str, value if isinstance(value, list) else [value])
        elif value is not None:
            yield f"{'type' if name == 'role_type' else 'rather'} {value}"


def _source(expression: Any) -> str:
    source = expression.source
    return str(source).lower() if isinstance(source, bool) else visible(source)


def frame_title(node: Node) -> str:
    """What stands in the border of a parallel's or loop's frame, behind its name."""
    if isinstance(node, Parallel):
        return ", ".join(["parallel" + _each(node), *_parallel_words(node)])
    assert isinstance(node, Loop)
    until = f" {node.kind} {_source(node.condition)}" if node.condition is not None else ""
    most = [f"max {visible(node.max_iterations.data)}"] if node.max_iterations is not None else []
    return ", ".join([f"loop{_each(node)}{until}", *most, *([f"only when {_source(node.when)}"] if node.when else [])])


def _each(node: Parallel | Loop) -> str:
    return f" for_each {_source(node.for_each)}" if node.for_each is not None else ""


def _parallel_words(node: Parallel) -> list[str]:
    words = []
    if node.wait_for is not None and node.wait_for.data != "all":
        words.append(f"wait_for {visible(node.wait_for.data)}")
    if node.max_concurrency is not None:
        words.append(f"{visible(node.max_concurrency.data)} at a time")
    if node.collect:
        words.append("collect")
    return words + ([f"only when {_source(node.when)}"] if node.when is not None else [])


def branch_label(node: Node, entry: str) -> str:
    """The condition of a branch."""
    if isinstance(node, Parallel):
        branch = next((branch for branch in node.branches if branch.to == entry), None)
        if branch is not None and branch.when is not None:
            return f"when {_source(branch.when)}"
    return ""
