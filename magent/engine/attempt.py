"""One attempt under its time limit, and the policy that says whether another follows. The policy returns a decision."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass
from typing import Any

from magent import durations
from magent.engine.ask import prepare
from magent.engine.conclude import error_of
from magent.engine.nodes import perform
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import EvaluationError
from magent.model import Retry


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: an output or a failure, and what it used (tokens, cost, agent)."""

    output: Any
    failure: Failure | None
    used: dict[str, Any]


async def attempt_once(attempt: Attempt) -> Outcome:
    """Never raises but for cancellation: a node's failure is a value."""
    try:
        await prepare(attempt)
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
    timer = asyncio.timeout(limit)
    try:
        async with timer:
            return await perform(attempt)
    except TimeoutError as error:
        if timer.expired():
            message = f"'{attempt.node.name}' was not done within {durations.show(limit)}"
            raise WorkFailed(Failure("timeout", message, hint="raise its `timeout`")) from error
        raise WorkFailed(Failure("timeout", str(error) or "timed out")) from error


def retry_at(policy: Retry, failure: Failure, attempt: int, key: str, now: float) -> float | None:
    """When the next attempt begins, or None where the failure is final. Jitter comes from the key: no chance."""
    if attempt >= policy.max_attempts or failure.type not in policy.errors or failure.final:
        return None
    growth = {"exponential": 2.0 ** min(attempt - 1, 60), "linear": float(attempt), "constant": 1.0}[policy.backoff]
    delay = min(policy.delay * growth, policy.max_delay)
    spread = zlib.crc32(f"{key}@{attempt}".encode()) / 2**32 * 2 - 1
    delay *= 1 + policy.jitter * spread
    return now + max(delay, failure.retry_after or 0.0, 0.0)
