"""What a run is doing, as dated lines: a Sink. Streamed text is told line by line, each under its node's address."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from magent import durations
from magent.cli.console import Console, neutral, one_line
from magent.events import Event
from magent.model import Prompt, Subgraph, Task, Workflow

TEXT_WIDTH = 100
STEPS = ("role.routed", "tool.called", "tool.returned", "tool.passed", "delegation.started")


class Chunks:
    """Text that streams from several visits, as lines of each; long ones are broken before they end."""

    def __init__(self) -> None:
        self._partial: dict[str, str] = {}

    def feed(self, path: str, text: str) -> list[str]:
        *lines, rest = (self._partial.pop(path, "") + text).split("\n")
        while len(rest) > TEXT_WIDTH:
            cut = rest.rfind(" ", 1, TEXT_WIDTH) + 1 or TEXT_WIDTH
            lines.append(rest[:cut])
            rest = rest[cut:]
        if rest:
            self._partial[path] = rest
        return lines

    def flush(self, path: str) -> list[str]:
        rest = self._partial.pop(path, "")
        return [rest] if rest else []


class Progress:
    """Writes a line an event through `write`, which takes whole lines (and may hold them back while a person types)."""

    def __init__(
        self, console: Console, write: Callable[[str], None], *, stream: bool, workflow: Workflow | None = None
    ) -> None:
        self._console = console
        self._out = write
        self._stream = stream
        self._workflow = workflow
        self._terminal: Any = None
        self._held: list[str] = []
        self._started: dict[str, float] = {}
        self._chunks = Chunks()

    def __call__(self, event: Event) -> None:
        tell = _TELLERS.get(event.type)
        if tell is not None:
            tell(self, event, str(event.data.get("path") or event.data.get("node") or ""))

    def attach(self, terminal: Any) -> None:
        """From now on `terminal` puts the questions; while one is on the screen, what is written is held back."""
        self._terminal = terminal
        terminal.on_busy = self._step_aside

    def _step_aside(self, busy: bool) -> None:
        held, self._held = self._held, []
        if not busy and held:
            self._out("".join(held))

    def write(self, text: str) -> None:
        """Whole lines, or one that is redrawn."""
        if self._terminal is not None and self._terminal.busy:
            self._held.append(text)
        else:
            self._out(text)

    def _line(self, event: Event, sign: str, text: str, *styles: str) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(event.time))
        styled = self._console.styled(f"{sign} {one_line(text, 400)}", *styles)
        self.write(f"{self._console.styled(clock, 'dim')} {styled}\n")

    def _run(self, event: Event, _: str) -> None:
        data = event.data
        name = f" of {data['workflow']}" if isinstance(data.get("workflow"), str) else ""
        what = "resumes" if event.type == "run.resumed" else "starts"
        self._line(event, "●", f"run {data.get('run_id', '')}{name} {what}".replace("run  ", "run "), "bold")

    def _begins(self, event: Event, path: str) -> None:
        self._started[path] = event.time
        question = event.data.get("ask")
        if isinstance(question, Mapping) and self._terminal is not None:
            return
        if isinstance(question, Mapping):
            prompt = f": {question['prompt']}" if question.get("prompt") else ""
            self._line(event, "?", f"{path} asks{prompt}", "yellow")
        else:
            agent = agent_of(self._workflow, path) if self._workflow else None
            self._line(event, "▶", f"{path}{_about(event.data, agent)}", "blue")

    def _completes(self, event: Event, path: str) -> None:
        self._flush(path)
        self._line(event, "✔", f"{path}{answer_of(event)}{self._costs(event, path)}", "green")

    def _fails(self, event: Event, path: str) -> None:
        self._flush(path)
        caught = f" (goes on: {event.data['next']})" if isinstance(event.data.get("next"), str) else ""
        self._line(event, "✘", f"{path} failed: {describe_error(event.data.get('error'))}{caught}", "red")

    def _retries(self, event: Event, path: str) -> None:
        self._flush(path)
        delay = durations.show(max(0.0, float(event.data.get("at") or event.time) - event.time))
        self._line(event, "↻", f"{path} tries again in {delay}: {describe_error(event.data.get('error'))}", "yellow")

    def _waits(self, event: Event, path: str) -> None:
        self._line(event, "⏸", f"{path} waits for an answer", "yellow")

    def _answered(self, event: Event, path: str) -> None:
        answer = event.data.get("answer")
        answer = answer if isinstance(answer, Mapping) else {}
        by = f" by {answer['by']}" if answer.get("by") else ""
        via = f" ({answer['via']})" if answer.get("via") else ""
        self._line(event, "✎", f"{path} answered{by}{via}", "green")

    def _skips(self, event: Event, path: str) -> None:
        self._line(event, "○", f"{path} skipped", "dim")

    def _cancels(self, event: Event, path: str) -> None:
        self._flush(path)
        self._line(event, "⊘", f"{path} cancelled", "dim")

    def _round(self, event: Event, path: str) -> None:
        self._line(event, "·", f"{path} round {int(event.data.get('index', 0)) + 1}", "dim")

    def _step(self, event: Event, path: str) -> None:
        told = step_of(event)
        if told is not None:
            self._flush(path)
            self._line(event, told[0], f"{path} {told[1]}", "dim")

    def _text(self, event: Event, path: str) -> None:
        if self._stream and not event.data.get("structured"):  # pieces of JSON tell a reader nothing
            for line in self._chunks.feed(path, str(event.data.get("text", ""))):
                self._streamed(path, line)

    def _flush(self, path: str) -> None:
        for line in self._chunks.flush(path):
            self._streamed(path, line)

    def _streamed(self, path: str, line: str) -> None:
        self.write(f"         {self._console.styled(path + ' │', 'dim')} {neutral(line)}\n")

    def _costs(self, event: Event, path: str) -> str:
        parts = []
        if path in self._started:
            parts.append(durations.show(max(0.0, event.time - self._started.pop(path))))
        if event.data.get("fallback"):
            parts.append(f"(agent {event.data.get('agent')})")
        if tokens := total(event.data.get("tokens")):
            parts.append(f"{tokens:,} tokens")
        if cost := event.data.get("cost"):
            parts.append(dollars(cost))
        return f" {' '.join(parts)}" if parts else ""


def answer_of(event: Event) -> str:
    """`: approved (default)`, where a person's answer, or what stood in for it, ended the visit; else nothing."""
    output = event.data.get("output")
    if not isinstance(output, Mapping) or "via" not in output or "by" not in output:
        return ""
    name, first = next(iter(output.items()))
    words = {"approved": ("approved", "rejected"), "valid": ("valid", "not valid")}.get(name)
    said = words[not first] if words else one_line(str(first), 60)
    return f": {said} ({output['via']})"


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
    if event.type == "role.routed":
        return "⇒", f"role {data.get('role')} (agent {data.get('agent')})"
    if event.type in ("tool.returned", "tool.passed") and "error" in data:
        goes_on = " (the chain goes on)" if event.type == "tool.passed" else ""
        return "←", f"{who}{data.get('tool')} failed: {data['error'].get('message', '')}{goes_on}"
    return None


def step_words(data: Mapping[str, Any]) -> tuple[str, str]:
    """A call of a tool, or a subtask (which has no `tool`), in a sign and words."""
    if "tool" not in data:
        return "⇢", f"{data.get('role')}: {data.get('task')}"
    return "→", f"{data['tool']}({_arguments(data.get('arguments', {}))})"


def _arguments(given: Any) -> str:
    if not isinstance(given, Mapping):
        return one_line(str(given), TEXT_WIDTH)
    told = (f"{name}={json.dumps(value, ensure_ascii=False)[:TEXT_WIDTH]}" for name, value in given.items())
    return one_line(", ".join(told), TEXT_WIDTH)


_TELLERS: dict[str, Callable[[Progress, Event, str], None]] = {
    "run.started": Progress._run,
    "run.resumed": Progress._run,
    "visit.started": Progress._begins,
    "visit.retry": Progress._retries,
    "visit.waiting": Progress._waits,
    "visit.answered": Progress._answered,
    "visit.completed": Progress._completes,
    "visit.skipped": Progress._skips,
    "visit.failed": Progress._fails,
    "visit.cancelled": Progress._cancels,
    "round.started": Progress._round,
    "text": Progress._text,
    **dict.fromkeys(STEPS, Progress._step),
}


def agent_of(workflow: Workflow, path: str) -> str | None:
    """The agent that the node at an address asks, as far as the file says it."""
    graph = workflow.graph
    *around, last = [step.partition("[")[0] for step in path.split("/")]
    for name in around:
        node = graph.nodes.get(name)
        graph = workflow.graphs[node.uses] if isinstance(node, Subgraph) else graph
    task = graph.nodes.get(last)
    if not isinstance(task, Task) or not isinstance(task.work, Prompt):
        return None
    agent = task.work.agent or graph.default_agent
    return agent.data if agent and agent.literal and isinstance(agent.data, str) else None


def _about(data: Mapping[str, Any], agent: str | None) -> str:
    parts = [f"agent {agent}"] if agent else []
    for key, word in (("items", "item"), ("branches", "branch")):
        if isinstance(data.get(key), list):
            count = len(data[key])
            parts.append(f"{count} {word if count == 1 else word + ('es' if word == 'branch' else 's')}")
    if isinstance(data.get("attempt"), int) and data["attempt"] > 1:
        parts.append(f"attempt {data['attempt']}")
    return f" ({', '.join(parts)})" if parts else ""


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
