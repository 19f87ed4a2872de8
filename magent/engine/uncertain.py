"""Work with `effects: external` that a crash left unfinished is not done again unasked: a person says what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.engine.attempt import Outcome
from magent.engine.scopes import Visit
from magent.events import Failure
from magent.model import Call, Run, Task, Tool
from magent.ports import Question

OPTIONS = (
    {"value": "done", "label": "it was done; go on (with the output given in the form, if any)"},
    {"value": "again", "label": "it was not done; do it again"},
    {"value": "fail", "label": "count it as failed"},
)


def doubt(visit: Visit) -> Question:
    """The question what became of an unfinished visit."""
    return Question(
        visit.node.name,
        visit.path,
        visit.number,
        "choice",
        prompt=f"'{visit.path}' has effects outside and was interrupted. Was it done?",
        options=OPTIONS,
        form={"output": {"description": "The output of the work, if it was done.", "default": None}},
    )


def decide(visit: Visit, answer: Mapping[str, Any]) -> Outcome | None:
    """The outcome that the answer stands for, or None: do it again."""
    if answer["choice"] == "again":
        return None
    if answer["choice"] == "done":
        return Outcome((answer.get("form") or {}).get("output"), None, {})
    work = visit.node.work if isinstance(visit.node, Task) else None
    kind = {Run: "exit", Call: "call", Tool: "tool"}.get(type(work), "agent")
    return Outcome(None, Failure(kind, f"'{visit.path}' was interrupted, and a person counted it as failed"), {})
