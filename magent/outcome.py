"""What a run has come to, as callers see it: the result's object, its exit code, what it waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from magent import settings, stores
from magent.answers import answer_schema, command, digest
from magent.clock import iso
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.ports import Question, RunStore
from magent.source import Problem

FINAL = ("completed", "cancelled")
SHOWN = (
    "run_id", "workflow", "status", "exit_code", "outputs", "path", "waiting", "error", "steps", "duration", "tokens",
    "cost_usd", "dir",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """What a life of a run came to. `exit_code` is the command line's; `note` says where nothing had to be done."""

    run_id: str
    workflow: str
    status: str
    exit_code: int
    outputs: Any
    state: Mapping[str, Any]
    path: list[str]
    waiting: list[dict[str, Any]]
    error: dict[str, Any] | None
    steps: int
    duration: float
    tokens: dict[str, int]
    cost_usd: float | None
    dir: str
    note: str | None = None
    unsent: tuple[str, ...] = ()  # lines that say which spans of it were not sent, and why
    untold: str | None = None  # why nobody was notified, where somebody was to be
    warnings: tuple[Problem, ...] = ()  # entries of the answers file that answered nothing

    @property
    def usage(self) -> dict[str, Any]:
        """`{"tokens": {"input", "output"}, "cost_usd"}`; a cost of None is unknown, not free."""
        return {"tokens": self.tokens, "cost_usd": self.cost_usd}

    def as_json(self) -> dict[str, Any]:
        names = (
            "run_id",
            "workflow",
            "status",
            "exit_code",
            "outputs",
            "path",
            "waiting",
            "error",
            "steps",
            "duration",
        )
        return {name: getattr(self, name) for name in (*names, "tokens", "cost_usd", "dir")}


def result_of(run: Run, directory: str, store: RunStore, *, note: str | None = None) -> Result:
    """What the run has come to so far."""
    root = run.root
    asked = waiting(run, store) if run.status == "waiting" else []
    return Result(
        run_id=run.id,
        workflow=run.workflow.name,
        status=run.status,
        exit_code=exit_code(run),
        outputs=run.outputs,
        state=root.state.as_dict(),
        path=list(run.path),
        waiting=asked,
        error=_error(run),
        steps=run.steps,
        duration=round(run.spent, 3),
        tokens={"input": run.tokens[0], "output": run.tokens[1]},
        cost_usd=None if run.cost_unknown else round(run.cost, 6),
        dir=directory,
        note=note,
    )


def over(run: Run) -> str | None:
    """Why there is nothing to go on with in a run, or None."""
    if run.status in FINAL:
        return f"run {run.id} is {run.status} already"
    if run.status == "failed" and run.failure is not None and run.failure.type == "end":
        return f"run {run.id} ended as failed, by its own `end` node: {run.failure.message}"
    return None


def exit_code(run: Run) -> int:
    """The exit code that the language page gives to how a run stands."""
    if run.status == "interrupted":
        if run.failure is not None and run.failure.type == "limit":
            return 4
        return 128 + run.signal if run.signal else 0
    return {"completed": 0, "failed": 1, "cancelled": 1, "waiting": 3}.get(run.status, 130)


def _error(run: Run) -> dict[str, Any] | None:
    if run.failure is None:
        return None
    data = {"type": run.failure.type, "message": run.failure.message, "node": run.failure.node or None}
    return {**data, "hint": run.failure.hint}


def waiting(run: Run, store: RunStore) -> list[dict[str, Any]]:
    """What the run waits for: `{node, path, visit, input, prompt, context, assignee, deadline, digest, schema,
    command}` each; `deadline` in ISO 8601, or None."""
    questions = lives.open_questions(run)
    place = named_store(store) if questions else None
    return [_waiting(run, question, questions, place) for question in questions]


def _waiting(run: Run, question: Question, questions: list[Question], store: str | None) -> dict[str, Any]:
    return {
        "node": question.node,
        "path": question.path,
        "visit": question.visit,
        "input": question.input,
        "prompt": question.prompt,
        "context": question.context,
        "assignee": question.assignee,
        "deadline": _until(question),
        "digest": digest(question),
        "schema": answer_schema(question),
        "command": command(question, run.id, _named(questions, question), store),
    }


class Asked(NamedTuple):
    """A question that waits: since when (seconds since 1970), and the line that answers it."""

    run_id: str
    workflow: str
    question: Question
    since: float
    command: str

    def as_json(self) -> dict[str, Any]:
        facts = {"run_id": self.run_id, "workflow": self.workflow, "since": iso(self.since)}
        asked = {**self.question.as_json(), "deadline": _until(self.question), "digest": digest(self.question)}
        return {**facts, **asked, "command": self.command}


def asked(run: Run, store: RunStore) -> list[Asked]:
    """Every open question of a run, in the order of their addresses' opening."""
    questions = lives.open_questions(run)
    place = named_store(store) if questions else None
    found = []
    for each in questions:
        visit = lives.scope_of(run, each.path).current
        line = command(each, run.id, _named(questions, each), place)
        found.append(Asked(run.id, run.workflow.name, each, visit.started if visit else run.created, line))
    return found


def _until(question: Question) -> str | None:
    return None if question.deadline is None else iso(question.deadline)


def _named(questions: list[Question], question: Question) -> str:
    """The node's name where it is plain which of the questions is meant, else its address."""
    same = [each for each in questions if each.node == question.node]
    return question.node if len(same) == 1 else question.path


def named_store(store: RunStore) -> str | None:
    """The URL that a command must name to find the store; None where it finds it by itself."""
    usual = settings.read().store()
    return None if store.url in (usual, stores.open_store(usual).url) else store.url
