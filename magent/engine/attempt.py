"""One attempt at the work of a task, under its time limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from magent import durations
from magent.engine.ask import who
from magent.engine.conclude import error_of
from magent.engine.nodes import perform
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: an output or a failure, and what it used (tokens, cost, agent)."""

    output: Any
    failure: Failure | None
    used: dict[str, Any]


async def attempt_once(attempt: Attempt) -> Outcome:
    """Never raises but for cancellation: a node's failure is a value."""
    try:
        await who(attempt)
        return Outcome(await _bounded(attempt), None, attempt.used)
    except WorkFailed as error:
        return Outcome(None, error.failure, attempt.used)
    except EvaluationError as error:
        return Outcome(None, error_of(error), attempt.used)


async def _bounded(attempt: Attempt) -> Any:
    if attempt.node.timeout is None:
        return await perform(attempt)
    try:
        limit = durations.parse(attempt.node.timeout.evaluate(attempt.seen))
    except ValueError as error:
        raise EvaluationError(f"`timeout`: {error}") from error
    timer = attempt.timer = asyncio.timeout(limit)
    try:
        async with timer:
            return await perform(attempt)
    except TimeoutError as error:
        if timer.expired():
            message = f"'{attempt.node.name}' was not done within {durations.show(limit)}"
            raise WorkFailed(Failure("timeout", message, hint="raise its `timeout`")) from error
        raise WorkFailed(Failure("timeout", str(error) or "timed out")) from error
