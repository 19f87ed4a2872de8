"""Work with `effects: external` that a crash left unfinished, or that a fork would do again, is not done unasked: a
person says what happened, and what is to be done."""

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


OPTIONS_OF_DONE = (
    {"value": "done", "label": "keep what was done; go on (with what it gave then, or the output in the form)"},
    {"value": "again", "label": "do it again"},
    OPTIONS[2],
)


def doubt(visit: Visit, before: Mapping[str, Any] | None = None) -> Question:
    """The question what became of an unfinished visit; with `before` (of `Run.repeats`), whether to do again what was
    done in the run that this one was forked from. An output that is given must fit what the task declares."""
    if visit.doubted is not None and before is None:
        return _doubt_of_step(visit, visit.doubted)
    declared = declared_output(visit)
    told = "The `data` that the command printed" if declared and is_command(visit) else "The output of the work"
    gave = (before or {}).get("output")
    if declared and is_command(visit) and gave is not None:
        gave = gave.get("data")
    form = {**(field_schema(declared) if declared else {}), "description": f"{told}, if it was done.", "default": gave}
    done = before is not None and before["done"]
    return Question(
        visit.node.name,
        visit.path,
        visit.number,
        "choice",
        prompt=_asked(visit) if before is None else _asked_again(visit, before),
        options=OPTIONS_OF_DONE if done else OPTIONS,
        form={"output": form},
    )


def _doubt_of_step(visit: Visit, step: Mapping[str, Any]) -> Question:
    """What became of a step of its chain: after one that was done the chain goes on."""
    name = f"step '{step['as']}'" if "as" in step else f"step {step['step']}, counted from 0,"
    where = f"'{visit.path}' was interrupted in {name} of the chain '{step['chain']}'"
    form = {"output": {"description": "The result of the step, if it was done.", "default": None}}
    options = (
        {"value": "done", "label": "the step was done; go on with the next (the result in the form, if any)"},
        *OPTIONS[1:],
    )
    number, prompt = visit.number, f"{where}: {step['tool']}, with effects outside. Was the step done?"
    return Question(visit.node.name, visit.path, number, "choice", prompt=prompt, options=options, form=form)


def done_step(visit: Visit, answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of the step that a person says was done: what `tool.returned` records of it; None where it was none."""
    if visit.doubted is None or answer["choice"] != "done":
        return None
    output = (answer.get("form") or {}).get("output")
    return {"scope": visit.scope.id, "path": visit.path, **visit.doubted, "output": output}


def _asked_again(visit: Visit, before: Mapping[str, Any]) -> str:
    tools = ", ".join(before.get("tools", ()))
    what = f"had called {tools}, with effects outside," if tools else "has effects outside, and"
    if before["done"]:
        return f"'{visit.path}' {what} {'' if tools else 'was done '}in run {before['run']}. Keep that, or do it again?"
    return f"'{visit.path}' {what} was interrupted in run {before['run']}. Was its work done?"


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
