"""What the tests of the language share: checked workflows, programs that do as they are told, runs of one call."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.snapshot import to_json
from magent.events import Event, Failure
from magent.model import Workflow
from magent.ports import ProcessResult, Question, Record
from magent.spec.build import build
from magent.spec.checks import check
from magent.spec.loader import load
from tests.build import Lab

NOBODY = {"by": None, "at": None, "comment": None, "via": "file"}


def checked(text: str, file: str = "workflow.yaml") -> Workflow:
    """The model of a YAML text that `validate` has nothing against; `magent: 1` and a name are added."""
    bundle = load(file, text=f"magent: 1\nname: test\n{text}".encode())
    found = [str(problem) for problem in (*bundle.problems, *check(bundle)) if problem.severity == "error"]
    assert not found, "\n".join(found)
    return build(bundle)


async def forever(*_: Any) -> None:
    await asyncio.Event().wait()


def code(number: int) -> ProcessResult:
    return ProcessResult(number, "", "")


class Programs:
    """`[say, x]` prints x, `[fail, 3]` ends with 3, `[hang]` never ends, `[flaky, 3]` succeeds at its third call.

    `begun` holds every command line, `cancelled` those that were ended from outside, `keys` the idempotency keys.
    """

    def __init__(self, **scripted: Callable[..., Any]) -> None:
        self.scripted = scripted
        self.begun: list[list[str]] = []
        self.cancelled: list[list[str]] = []
        self.keys: list[str] = []
        self.at_work = 0
        self.most = 0

    async def run(self, argv: Sequence[str], *, env: Mapping[str, str], **_: Any) -> ProcessResult:
        words = list(argv)
        self.begun.append(words)
        self.keys.append(env["MAGENT_IDEMPOTENCY_KEY"])
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            return await self._result(words)
        except asyncio.CancelledError:
            self.cancelled.append(words)
            raise
        finally:
            self.at_work -= 1

    async def _result(self, words: list[str]) -> ProcessResult:
        name, *rest = words
        if name in self.scripted:
            result = self.scripted[name](*rest)
            result = await result if inspect.isawaitable(result) else result
            return result if isinstance(result, ProcessResult) else ProcessResult(0, json.dumps(result), "")
        if name == "hang":
            await forever()
        if name == "fail":
            return ProcessResult(int(rest[0]) if rest else 1, "", "it failed")
        if name == "flaky":
            return ProcessResult(0 if self.begun.count(words) >= int(rest[0]) else 1, "", "")
        await asyncio.sleep(0)
        return ProcessResult(0, " ".join(rest), "")


class People:
    """Answers by address, else by name, else nobody; a list is used up. `asked` holds every question."""

    def __init__(self, answers: Mapping[str, Any] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        self.asked.append(question)
        found = self.answers.get(question.path, self.answers.get(question.node))
        given = found.pop(0) if isinstance(found, list) and found else found
        return None if not given else {**NOBODY, **given}


def lab(text: str, **more: Any) -> Lab:
    return Lab(checked(text), **{"executor": Programs(), "human": People(), **more})


async def ran(text: str, inputs: Mapping[str, Any] | None = None, **more: Any) -> Run:
    return await lab(text, **more).start(inputs)


async def outputs(text: str, inputs: Mapping[str, Any] | None = None, **more: Any) -> Any:
    """What the run returns; it must complete."""
    run = await ran(text, inputs, **more)
    assert run.status == "completed", run.failure
    return run.outputs


async def failure(text: str, inputs: Mapping[str, Any] | None = None, **more: Any) -> Failure:
    """Why the run failed; it must fail."""
    run = await ran(text, inputs, **more)
    assert run.status == "failed"
    assert run.failure is not None
    return run.failure


def refolded(room: Lab, events: Sequence[Event] | None = None) -> Run:
    return lives.refold(room.workflow, Record({}, {}, None, list(room.journal.events if events is None else events)))


def assert_replayable(room: Lab, run: Run) -> None:
    """The journal alone gives the same fold as the run that wrote it."""
    assert to_json(refolded(room)) == to_json(run)
