"""Work with `effects: external` that a crash left unfinished is not done again unasked: a person says what happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.engine.attempt import Outcome
from magent.engine.scopes import Visit
from magent.events import Failure
from magent.model import Call, Run, Task, Tool
from magent.ports import Question
from magent.spec.schema import check_value, field_schema, fill

OPTIONS = (
    {"value": "done", "label": "it was done; go on (with the output given in the form, if any)"},
    {"value": "again", "label": "it was not done; do it again"},
    {"value": "fail", "label": "count it as failed"},
)


def doubt(visit: Visit) -> Question:
    """The question what became of an unfinished visit. An output that is given must fit what the task declares."""
    declared = declared_output(visit)
    told = "The `data` that the command printed" if declared and is_command(visit) else "The output of the work"
    form = {**(field_schema(declared) if declared else {}), "description": f"{told}, if it was done.", "default": None}
    return Question(
        visit.node.name,
        visit.path,
        visit.number,
        "choice",
        prompt=_asked(visit),
        options=OPTIONS,
        form={"output": form},
    )


def _asked(visit: Visit) -> str:
    if not visit.touched:
        return f"'{visit.path}' has effects outside and was interrupted. Was it done?"
    tools = ", ".join(dict.fromkeys(visit.touched))
    return f"'{visit.path}' had called {tools}, with effects outside, and was interrupted. Was its work done?"


def decide(visit: Visit, answer: Mapping[str, Any]) -> Outcome | None:
    """The outcome that the answer stands for, or None: do it again."""
    if answer["choice"] == "again":
        return None
    if answer["choice"] == "done":
        return _done(visit, (answer.get("form") or {}).get("output"))
    work = visit.node.work if isinstance(visit.node, Task) else None
    kind = {Run: "exit", Call: "call", Tool: "tool"}.get(type(work), "agent")
    return Outcome(None, Failure(kind, f"'{visit.path}' was interrupted, and a person counted it as failed"), {})


def _done(visit: Visit, given: Any) -> Outcome:
    fields = declared_output(visit)
    if not fields:
        return Outcome(given, None, {})
    output = {} if given is None else given
    if faults := check_value(field_schema(fields), output):
        message = f"'{visit.path}' was done, a person said, but the output given does not fit `output`: {faults[0]}"
        return Outcome(None, Failure("output", message, hint="`magent resume` asks again"), {})
    output = fill(fields, output)
    if is_command(visit):
        output = {"exit_code": 0, "stdout": "", "stderr": "", "data": output}
    return Outcome(output, None, {})


def declared_output(visit: Visit) -> Mapping[str, Any] | None:
    return visit.node.output if isinstance(visit.node, Task) else None


def is_command(visit: Visit) -> bool:
    return isinstance(visit.node, Task) and isinstance(visit.node.work, Run)
