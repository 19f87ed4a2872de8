"""What agents were asked. A prompt is not in the journal, as it follows from it: here it is made anew, from the state
as it stood when the node was reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from magent.engine.fold import Run
from magent.engine.run import apply_all
from magent.engine.view import names
from magent.events import Event
from magent.expressions import EvaluationError
from magent.model import Prompt, Task, Workflow


class Said(NamedTuple):
    """The texts of a task's `prompt` and `system` (None: it has none of its own). `whole` False: something that they
    name is not known any more, so they are as they stand in the file."""

    prompt: str
    system: str | None
    whole: bool


def prompts(workflow: Workflow, events: Iterable[Event], run_id: str) -> dict[int, Said]:
    """By the number of the event with which a visit of a prompt began. Raises RunDamaged where events do not fit."""
    listener = Listener(workflow, run_id)
    return {event.seq: told for event in events if (told := listener.take(event)) is not None}


class Listener:
    """Takes a run's events one by one."""

    def __init__(self, workflow: Workflow, run_id: str = "") -> None:
        self._run = Run(workflow)
        self._run_id = run_id

    def asked(self, event: Event) -> tuple[str, str | None] | None:
        """The same, as far as it is told to others."""
        said = self.take(event)
        return None if said is None else (said.prompt, said.system)

    def take(self, event: Event) -> Said | None:
        """What the agent is asked in the visit that begins with the event. Raises RunDamaged."""
        run = self._run
        apply_all(run, (event,), self._run_id)
        if event.type != "visit.started":
            return None
        scope = run.scopes.get(event.data["scope"])
        node = scope.graph.nodes.get(str(event.data["node"])) if scope is not None else None
        if scope is None or not isinstance(node, Task) or not isinstance(node.work, Prompt):
            return None
        return _said(node.work, names(run, scope))


def _said(work: Prompt, seen: Mapping[str, Any]) -> Said:
    try:
        return Said(work.prompt.text(seen), work.system.text(seen) if work.system is not None else None, True)
    except EvaluationError:
        return Said(work.prompt.source, work.system.source if work.system is not None else None, False)
