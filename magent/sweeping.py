"""What a clock does for runs that nobody drives: deadlines that have passed fire, and what follows from them is done.

Made to be called by cron: it asks nobody, never waits for a deadline to come, and two of it do not get in one another's
way, as a run has one driver.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from magent import app
from magent.clock import iso
from magent.engine.fold import Run
from magent.errors import MagentError, RunLocked, StoreError
from magent.life import Options
from magent.model import HumanInput, Task, Wait
from magent.outcome import Result, over
from magent.ports import Question, RunInfo, RunStore
from magent.records import look
from magent.retention import UNREADABLE

LINGER = 60.0  # seconds that a `wait` may still take for a sweep to stay for it
STANDING = ("waiting", "interrupted")


class Due(NamedTuple):
    """Why a run is gone on with. `kind`: `question` or `wait`, whose `deadline` has passed; `answer`, that was given at
    that time."""

    path: str
    kind: str
    deadline: float

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "kind": self.kind, "deadline": iso(self.deadline)}


class Swept(NamedTuple):
    """A run that something was due in, and what it has come to; `why` says why it was not gone on with."""

    run_id: str
    workflow: str
    due: list[Due]
    result: Result | None = None
    why: str | None = None
    exit_code: int = 0

    def as_json(self) -> dict[str, Any]:
        result = self.result
        return {
            "run_id": self.run_id,
            "workflow": self.workflow,
            "due": [each.as_json() for each in self.due],
            "status": None if result is None else result.status,
            "error": None if result is None else result.error,
            "exit_code": self.exit_code,
            "why": self.why,
        }


def due(run: Run, now: float, *, answered: bool = False) -> list[Due]:
    """What is due in a run that stands still, the earliest first; with `answered` also what was answered since."""
    found = []
    for scope in run.scopes.values():
        visit = scope.current
        if scope.status != "open" or visit is None:
            continue
        if answered and visit.answer is not None:
            found.append(Due(visit.path, "answer", now))
        timed = isinstance(visit.node, HumanInput) or (
            isinstance(visit.node, Task) and isinstance(visit.node.work, Wait)
        )
        if timed and visit.answer is None and visit.deadline is not None and visit.deadline <= now:
            kind = "question" if isinstance(visit.node, HumanInput) else "wait"
            found.append(Due(visit.path, kind, visit.deadline))
    return sorted(found, key=lambda each: each.deadline)


async def sweep(store: RunStore, options: Options, now: float, *, answered: bool = False) -> AsyncIterator[Swept]:
    """Goes on with every run in which something is due, one after the other, the longest overdue first. Ends early
    where a signal ended one. Raises StoreError where there is no listing."""
    found: list[tuple[RunInfo, list[Due]]] = []
    for info in await store.list():
        if info.status in UNREADABLE:
            yield Swept(info.id, info.workflow, [], None, f"its record is {info.status}", StoreError.exit_code)
        elif info.status in STANDING:
            try:
                run = await look(store, info.id)
            except MagentError as error:
                yield Swept(info.id, info.workflow, [], None, error.message, error.exit_code)
                continue
            if what := due(run, now, answered=answered):
                found.append((info, what))
    for info, what in sorted(found, key=lambda each: each[1][0].deadline):
        swept = await _go_on(store, info, what, options, now, answered)
        yield swept
        if swept.exit_code >= 128:
            return


async def _go_on(
    store: RunStore, info: RunInfo, what: list[Due], options: Options, now: float, answered: bool
) -> Swept:
    def idle(run: Run) -> str | None:
        """Another may have been here meanwhile."""
        if note := over(run):
            return note
        if run.status == "interrupted" and run.failure is not None and run.failure.type == "limit":
            return f"it was stopped by a limit: {run.failure.hint or 'raise it'}"
        return None if due(run, now, answered=answered) else "somebody went on with it meanwhile"

    swept = Swept(info.id, info.workflow, what)
    try:
        quietly = replace(options, human=_nobody, interactive=False, linger=LINGER)
        result = await app.resume(store, info.id, quietly, idle=idle)
    except RunLocked as locked:
        return swept._replace(why=f"it is held by {locked.holder}")
    except MagentError as error:
        return swept._replace(why=error.message, exit_code=error.exit_code)
    except Exception as error:  # noqa: BLE001 — what one run stumbles over must not hold up the others
        return swept._replace(why=f"internal error: {type(error).__name__}: {error}", exit_code=1)
    if result.note is not None:
        stopped = result.status == "interrupted" and (result.error or {}).get("type") == "limit"
        return swept._replace(result=result, why=result.note, exit_code=4 if stopped else 0)
    return swept._replace(result=result, exit_code=0 if result.exit_code == 3 else result.exit_code)


async def _nobody(_question: Question) -> Mapping[str, Any] | None:
    return None
