"""What a node works out when it is reached: items, branches, bounds, deadlines, inputs, the question to a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magent import durations
from magent.answers import check_question, read_options
from magent.engine.fold import Run
from magent.engine.route import short
from magent.engine.scopes import Scope
from magent.engine.view import names
from magent.events import Failure
from magent.expressions import EvaluationError, Value
from magent.model import HumanInput, Loop, Node, Parallel, Subgraph, Task, Wait
from magent.ports import Question
from magent.spec.schema import check_value, field_schema, fill

DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Arrival:
    """What `visit.started` records of a node beside its name, or why it cannot begin."""

    data: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
    limit: Failure | None = None


def arrive(run: Run, scope: Scope, node: Node, now: float) -> Arrival:
    """Raises EvaluationError where a template fails or gives a value of the wrong kind."""
    seen = names(run, scope)
    if isinstance(node, Parallel):
        return _timed(_parallel(node, seen), node, seen)
    if isinstance(node, Loop):
        return _timed(_loop(node, seen), node, seen)
    if isinstance(node, Subgraph):
        return _subgraph(run, scope, node, seen)
    if isinstance(node, HumanInput):
        return _question(run, scope, node, seen, now)
    assert isinstance(node, Task)
    assert isinstance(node.work, Wait)
    return Arrival({"deadline": now + seconds(node.work.duration, seen, "wait")})


def seconds(value: Value, seen: Mapping[str, Any], key: str) -> float:
    """The duration that a template gives. Raises EvaluationError."""
    try:
        return durations.parse(value.evaluate(seen))
    except ValueError as error:
        raise EvaluationError(f"`{key}`: {error}") from error


def whole(value: Value, seen: Mapping[str, Any], key: str, least: int) -> int:
    """The whole number that a template gives. Raises EvaluationError."""
    number = value.evaluate(seen)
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise EvaluationError(f"`{key}` must be a whole number of at least {least}, not {short(number)}")
    return number


def _timed(data: dict[str, Any], node: Node, seen: Mapping[str, Any]) -> Arrival:
    if node.timeout is not None:
        data["timeout"] = seconds(node.timeout, seen, "timeout")
    return Arrival(data)


def _items(source: Any, seen: Mapping[str, Any]) -> list[Any]:
    items = source.evaluate(seen)
    if not isinstance(items, list):
        raise EvaluationError(f"`for_each` takes a list, but `{source.source}` gave {short(items)}")
    return items


def _parallel(node: Parallel, seen: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if node.for_each is not None:
        data["items"] = _items(node.for_each, seen)
        total = len(data["items"])
    else:
        data["branches"] = [
            index for index, branch in enumerate(node.branches) if branch.when is None or branch.when.holds(seen)
        ]
        total = len(data["branches"])
    data["need"] = min(1, total) and _need(node, seen, total)
    if node.max_concurrency is not None:
        data["width"] = whole(node.max_concurrency, seen, "max_concurrency", 1)
    return data


def _need(node: Parallel, seen: Mapping[str, Any], total: int) -> int:
    wanted = "all" if node.wait_for is None else node.wait_for.evaluate(seen)
    if wanted == "all":
        return total
    if wanted == "any":
        return 1
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 1:
        raise EvaluationError(f"`wait_for` is all, any or a whole number of at least 1, not {short(wanted)}")
    return wanted


def _loop(node: Loop, seen: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if node.for_each is not None:
        data["items"] = _items(node.for_each, seen)
    if node.max_iterations is not None:
        data["max"] = whole(node.max_iterations, seen, "max_iterations", 0)
    return data


def _subgraph(run: Run, scope: Scope, node: Subgraph, seen: Mapping[str, Any]) -> Arrival:
    if scope.depth + 1 > DEEPEST:
        message = f"subgraphs are nested deeper than {DEEPEST}"
        return Arrival(limit=Failure("limit", message, node.name, hint="end the recursion with a condition"))
    given = {} if node.arguments is None else node.arguments.evaluate(seen)
    fields = run.workflow.graphs[node.uses].inputs
    faults = check_value(field_schema(fields), given)
    if faults:
        raise EvaluationError(f"`with` does not fit the inputs of '{node.name}': {faults[0]}")
    return _timed({"inputs": fill(fields, given)}, node, seen)


def _question(run: Run, scope: Scope, node: HumanInput, seen: Mapping[str, Any], now: float) -> Arrival:
    path = scope.prefix + node.name
    fields: dict[str, Any] = {
        "prompt": node.prompt.text(seen) if node.prompt else "",
        "context": node.context.evaluate(seen) if node.context else None,
        "content": node.content.evaluate(seen) if node.content else None,
        "options": _options(node, seen),
        "form": _form(node, seen),
        "assignee": node.assignee.text(seen) if node.assignee else None,
        "deadline": now + seconds(node.timeout, seen, "timeout") if node.timeout else None,
    }
    visit = int(scope.facts[node.name]["visits"]) + 1
    question = Question(
        node.name,
        path,
        visit,
        node.input,
        multiple=node.multiple,
        multiline=node.multiline,
        scale=node.scale,
        ordinal=run.asked.get(node.name, 0),
        address_ordinal=run.asked.get("/" + path, 0),
        **fields,
    )
    if node.default is not None:
        default = node.default.evaluate(seen)
        question = Question.from_json({**question.as_json(), "default": default, "has_default": default is not None})
    faults = check_question(question)
    if faults:
        raise EvaluationError(f"the question of '{node.name}' cannot be asked: {'; '.join(faults)}")
    ask = question.as_json()
    data = {"ask": ask} if question.deadline is None else {"ask": ask, "deadline": question.deadline}
    return Arrival(data)


def _form(node: HumanInput, seen: Mapping[str, Any]) -> Mapping[str, Any]:
    form = node.form.evaluate(seen) if node.form else {}
    if not isinstance(form, dict):
        raise EvaluationError(f"`form` takes a mapping of names to JSON Schemas, not {short(form)}")
    return form


def _options(node: HumanInput, seen: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    if node.options is None:
        return ()
    try:
        return read_options(node.options.evaluate(seen))
    except ValueError as error:
        raise EvaluationError(str(error)) from error
