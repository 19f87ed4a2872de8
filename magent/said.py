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
    run = Run(workflow)
    found: dict[int, Said] = {}
    for event in events:
        apply_all(run, (event,), run_id)
        if event.type == "visit.started":
            scope = run.scopes.get(event.data["scope"])
            node = scope.graph.nodes.get(str(event.data["node"])) if scope is not None else None
            if scope is not None and isinstance(node, Task) and isinstance(node.work, Prompt):
                found[event.seq] = _said(node.work, names(run, scope))
    return found


def _said(work: Prompt, seen: Mapping[str, Any]) -> Said:
    try:
        return Said(work.prompt.text(seen), work.system.text(seen) if work.system is not None else None, True)
    except EvaluationError:
        return Said(work.prompt.source, work.system.source if work.system is not None else None, False)
