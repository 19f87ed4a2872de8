"""What events say of a run, in words: answers, agents, tokens, cost, errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from magent import durations
from magent.answers import text_of
from magent.cli.console import one_line
from magent.events import Event
from magent.model import Prompt, Subgraph, Task, Workflow

STEPS = (
    "role.routed", "agent.waits", "agent.replied", "agent.fallback", "tool.called", "tool.returned", "tool.passed",
    "tool.unusable", "delegation.started", "span.ended",
)  # fmt: skip
_ARGUMENTS = 100  # characters


def life_words(event: Event) -> str:
    """`run r1 of tides starts`; of a fork, what it begins with."""
    data = event.data
    run = f"run {data['run_id']}" if data.get("run_id") else "run"
    name = f" of {data['workflow']}" if isinstance(data.get("workflow"), str) else ""
    if "forked" in data:
        kept, parent = data["forked"]["kept"], data["forked"]["run_id"]
        with_ = f"with {kept:,} visit{'' if kept == 1 else 's'} of" if kept else "anew, after"
        what = f"begins {with_} run {parent}"
    else:
        what = "resumes" if event.type == "run.resumed" else "starts"
    return f"{run}{name} {what}"


def answer_of(event: Event) -> str:
    """`: approved (default)`, where a person's answer, or what stood in for it, ended the visit; else nothing."""
    output = event.data.get("output")
    if not isinstance(output, Mapping) or "via" not in output or "by" not in output:
        return ""
    return f": {said(output)} ({output['via']})"


def said(answer: Mapping[str, Any]) -> str:
    """An answer in a few words: its first field."""
    name, first = next(iter(answer.items()))
    words = {"approved": ("approved", "rejected"), "valid": ("valid", "not valid")}.get(name)
    return words[not first] if words else one_line(text_of(first), 60)


def step_of(event: Event) -> tuple[str, str] | None:
    """A sign and a few words for what an agent or a chain does within its visit: `→`, `calculator(expression="6*7")`.
    None for what need not be told."""
    data = event.data
    who = f"{str(data['delegation']).rpartition('>')[2]}: " if "delegation" in data else ""
    if event.type == "tool.called" and data.get("tool") != "delegate":
        sign, words = step_words(data)
        return sign, who + words
    if event.type == "delegation.started":
        sign, words = step_words(data)
        return sign, f"{data.get('by')} hands to {words}"
    if event.type == "agent.fallback" or (event.type == "agent.replied" and "faults" in data):
        sign, words = step_words(data)
        return sign, f"{who}{words}: {why_of(data)}"
    if event.type == "span.ended":
        sign, words = step_words(data)
        failed = f" failed: {describe_error(data['error'])}" if "error" in data else ""
        return sign, f"{words}{failed} {durations.show(float(data.get('duration') or 0.0))}"
    if event.type == "agent.waits":
        return "⏸", f"{who}waits until agent {data.get('agent')} may be asked"
    if event.type == "role.routed":
        return "⇒", f"role {data.get('role')} (agent {data.get('agent')})"
    if event.type == "tool.unusable":
        return "⚠", f"{who}{data['error'].get('message', '')}"
    if event.type in ("tool.returned", "tool.passed") and "message" in data.get("error", ()):  # else the visit says it
        goes_on = " (the chain goes on)" if event.type == "tool.passed" else ""
        return "←", f"{who}{data.get('tool')} failed: {data['error']['message']}{goes_on}"
    return None


def step_words(data: Mapping[str, Any]) -> tuple[str, str]:
    """A call of a tool, an answer that did not fit, an agent that stands in, a span of the workflow's own code, or a
    subtask, in a sign and words."""
    if "span" in data:
        values = data.get("values") or {}
        return "◇", f"{one_line(str(data.get('name')))}{f' ({_arguments(values)})' if values else ''}"
    if "to" in data:
        return "↷", f"agent {data.get('agent')} → {data['to']}"
    if "faults" in data:
        return "↺", f"agent {data.get('agent')} is asked again"
    if "tool" not in data:
        return "⇢", f"{data.get('role')}: {data.get('task')}"
    return "→", f"{data['tool']}({_arguments(data.get('arguments', {}))}){agreed_of(data)}"


def agreed_of(step: Mapping[str, Any]) -> str:
    """` — ann agreed (terminal)`, where a person was asked before a tool was called."""
    said = step.get("agreed")
    if not isinstance(said, Mapping):
        return ""
    via = f" ({said['via']})" if said.get("via") else ""
    words = "agreed" if said.get("approved") is True else "said no"
    comment = f": {one_line(str(said['comment']), _ARGUMENTS)}" if said.get("comment") else ""
    return f" — {one_line(str(said.get('by') or 'a person'))} {words}{via}{comment}"


def why_of(step: Mapping[str, Any]) -> str:
    """What went wrong in a step; empty where nothing did."""
    if "error" in step:
        return describe_error(step["error"])
    return one_line("; ".join(str(fault) for fault in step.get("faults", ())), 400)


def _arguments(given: Any) -> str:
    if not isinstance(given, Mapping):
        return one_line(str(given), _ARGUMENTS)
    told = (f"{name}={json.dumps(value, ensure_ascii=False)[:_ARGUMENTS]}" for name, value in given.items())
    return one_line(", ".join(told), _ARGUMENTS)


def is_no(event: Event) -> bool:
    """Whether a person's answer ended the visit, and was no, not yet, or not valid."""
    output = event.data.get("output")
    if not answer_of(event) or not isinstance(output, Mapping):
        return False
    return output.get("approved", output.get("valid", output.get("decision") in (None, "approve"))) is False


def ended_as_failed(event: Event) -> str | None:
    """The reason of an `end` node that failed its scope; empty where it gives none; None for all else."""
    error = event.data.get("error")
    if event.type != "visit.completed" or event.data.get("status") != "failed":
        return None
    return one_line(str(error.get("message") or ""), 400) if isinstance(error, Mapping) else ""


def going_on(event: Event) -> str:
    """` (goes on: repair)`, where a failure was caught."""
    if "caught" not in event.data:
        return ""
    following = event.data.get("next")
    return f" (goes on: {following})" if isinstance(following, str) else " (goes on)"


def who_of(workflow: Workflow, path: str) -> str | None:
    """Whom the node at an address asks, as far as the file says it: `agent writer`, `role lead`."""
    graph = workflow.graph
    *around, last = [step.partition("[")[0] for step in path.split("/")]
    for name in around:
        node = graph.nodes.get(name)
        graph = workflow.graphs[node.uses] if isinstance(node, Subgraph) else graph
    task = graph.nodes.get(last)
    if not isinstance(task, Task) or not isinstance(task.work, Prompt):
        return None
    if task.work.route is not None:
        return None  # that is told when it is known
    word, who = "role", task.work.role
    if who is None:
        word, who = "agent", task.work.agent or graph.default_agent
    return f"{word} {who.data}" if who and who.literal and isinstance(who.data, str) else None


def price(cost: float | None) -> str:
    """`$0.0031`, or that nobody knows it; nothing for what is free."""
    return "cost unknown" if cost is None else dollars(cost) if cost else ""


def dollars(cost: float) -> str:
    return f"${cost:.4f}" if cost >= 0.0001 else "under $0.0001"


def total(tokens: Any) -> int:
    """Tokens of a call, however they are told: a number, a pair, or a mapping of input and output."""
    if isinstance(tokens, Mapping):
        return sum(int(value) for value in tokens.values())
    if isinstance(tokens, (list, tuple)):
        return sum(int(value) for value in tokens)
    return int(tokens or 0)


def describe_error(error: Any) -> str:
    """`exit: the command ended with 1`."""
    if not isinstance(error, Mapping):
        return str(error or "unknown")
    return f"{error.get('type', 'error')}: {error.get('message', '')}"
