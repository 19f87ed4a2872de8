"""An answers file: its keys held against the workflow's human nodes, and the answer for a question found in it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from magent.answers.schema import read_options, shown
from magent.answers.whole import check_literal, reasons_against
from magent.model import Graph, HumanInput, Loop, Node, Parallel, Subgraph, Task, Workflow
from magent.ports import Question
from magent.source import Position, Problem, did_you_mean, dotted, locate

_STEP = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\[(?:0|[1-9][0-9]*)\])?")


def answers_for(document: Mapping[str, Any], question: Question) -> tuple[bool, Any, str]:
    """(found, answer as given, key) for the question: the entry under its address, else the one under its node's name.

    A list has one answer a visit, counted over the address's visits under an address, over the node's under its name;
    where it ran out, nothing is found. With `multiple` a list is one answer for every visit; one that has a list or a
    mapping in it has an answer a visit.
    """
    for key in (question.path, question.node):
        if key in document:
            value = document[key]
            ordinal = question.ordinal if key == question.node else question.address_ordinal
            if not _counts_visits(value, question.multiple and question.input == "choice"):
                return True, value, key
            return (True, value[ordinal], key) if ordinal < len(value) else (False, None, key)
    return False, None, ""


def _counts_visits(value: Any, list_is_answer: bool) -> bool:
    if not isinstance(value, (list, tuple)):
        return False
    return not list_is_answer or any(isinstance(item, (list, tuple, Mapping)) for item in value)


def check_document(document: Any, workflow: Workflow) -> list[Problem]:
    """What is wrong with an answers file before the run starts: keys that name no human node, values that cannot fit.

    Values are checked where the node's options and form are literal. Names of tools that `confirm` are keys too, and
    those of tasks with `effects: external`, or that may call such a tool, as `resume` may ask about them.
    """
    if not isinstance(document, Mapping):
        return [
            _problem(
                document, (), "answers", f"an answers file is a mapping of nodes to answers, not {shown(document)}"
            )
        ]
    by_name: dict[str, list[Node]] = {}
    for graph in workflow.graphs.values():
        for node in graph.nodes.values():
            if _asks(node):
                by_name.setdefault(node.name, []).append(node)
    tools = {
        name for graph in workflow.graphs.values() for name, tool in graph.tools.items() if "confirm" in tool.settings
    }
    problems: list[Problem] = []
    for key, value in document.items():
        if not str(key).startswith("x-"):
            problems += _check_entry(document, str(key), value, workflow, by_name, tools)
    return problems


def _check_entry(
    document: Any,
    key: str,
    value: Any,
    workflow: Workflow,
    by_name: Mapping[str, list[Node]],
    tools: Collection[str],
) -> Iterator[Problem]:
    nodes = by_name.get(key) or list(_at_address(workflow, key))
    if nodes:
        faults = [_check_answers(node, value) for node in nodes]
        for step, fault in [] if [] in faults else faults[0]:
            yield _problem(document, (key, *step), "answer", f"the answer to '{key}' does not fit: {fault}")
    elif key in tools or key.partition(".")[0] in tools:
        for step, given in _per_visit(value, list_is_answer=False):
            for fault in check_literal("approval", given):
                yield _problem(document, (key, *step), "answer", f"the answer to '{key}' does not fit: {fault}")
    else:
        yield _problem(document, (key,), "unknown-node", *_unknown_key(key, by_name, tools), key=True)


def _unknown_key(key: str, by_name: Collection[str], tools: Collection[str]) -> tuple[str, str | None]:
    last = key.rpartition("/")[2]
    if last != key and last in by_name:
        return f"'{key}' is the address of no human_input node", f"'{last}' alone answers all its visits"
    known = [*by_name, *tools]
    hint = did_you_mean(last, known)
    if not known:
        hint = "the workflow asks nobody: leave the answers out"
    return f"'{key}' names no human_input node", hint or f"what it asks: {', '.join(known[:12])}"


def _asks(node: Node) -> bool:
    return isinstance(node, HumanInput) or (isinstance(node, Task) and (node.external or node.calls_out))


def _check_answers(node: Node, value: Any) -> list[tuple[tuple[int, ...], str]]:
    """What cannot fit, as (place within the value, fault); nothing where the node's options or form hold templates."""
    question = _literal_question(node) if isinstance(node, HumanInput) else None
    if question is None:
        return []
    visits = _per_visit(value, question.multiple and question.input == "choice")
    return [(step, reason) for step, given in visits for reason in reasons_against(question, given)]


def _per_visit(value: Any, list_is_answer: bool) -> list[tuple[tuple[int, ...], Any]]:
    if _counts_visits(value, list_is_answer):
        return [((index,), item) for index, item in enumerate(value)]
    return [((), value)]


def _literal_question(node: HumanInput) -> Question | None:
    """The question as far as answers are concerned, or None where it is only known when the node is reached."""
    if not all(part is None or part.literal for part in (node.options, node.form)):
        return None
    try:
        options = read_options(node.options.data) if node.input == "choice" and node.options else ()
    except ValueError:
        return None  # the static checks tell
    form = node.form.data if node.form else {}
    return Question(
        node.name, node.name, 1, node.input, options=options, multiple=node.multiple, scale=node.scale, form=form
    )


def _at_address(workflow: Workflow, key: str) -> Iterator[Node]:
    """The human node at an address: steps that open rounds, items and subgraphs, then its name."""
    steps = [_STEP.fullmatch(part) for part in key.split("/")]
    graph, above = workflow.graph, list[tuple[str, bool]]()
    for place, step in enumerate(steps, 1):
        node = graph.nodes.get(step[1]) if step else None
        if node is None or step is None:
            return
        if (isinstance(node, Subgraph) or _asks(node)) and (step[2] or above != _scopes_around(graph, node)):
            return
        if _asks(node) and place == len(steps):
            yield node
        if isinstance(node, Subgraph):
            graph, above = workflow.graphs[node.uses], []
        else:
            above.append((node.name, step[2] is not None))


def _scopes_around(graph: Graph, node: Node) -> list[tuple[str, bool]]:
    """The loops and `for_each` nodes around a node within its graph, outermost first: what an address counts."""
    around: list[tuple[str, bool]] = []
    owner = graph.regions[node.region].owner if node.region in graph.regions else None
    while owner is not None:
        opener = graph.nodes[owner]
        if isinstance(opener, Loop) or (isinstance(opener, Parallel) and opener.for_each is not None):
            around.insert(0, (owner, True))
        owner = graph.regions[opener.region].owner if opener.region in graph.regions else None
    return around


def unused(document: Mapping[str, Any], used: Collection[str]) -> list[Problem]:
    """A warning for each key of the answers file that answered nothing; `used` are the keys that did."""
    return [
        _problem(
            document, (key,), "unused-answer", f"'{key}' answered nothing in this run", severity="warning", key=True
        )
        for key in document
        if key not in used and not str(key).startswith("x-")
    ]


def _problem(
    document: Any,
    path: tuple[str | int, ...],
    code: str,
    message: str,
    hint: str | None = None,
    *,
    severity: Literal["error", "warning"] = "error",
    key: bool = False,
) -> Problem:
    place = locate(document, path, key=key, fallback=Position("<answers>", 1, 1))
    return Problem(code, message, place, dotted(path), hint, severity)
