"""The policy that says whether another attempt follows a failure. It returns a decision."""

from __future__ import annotations

import zlib

from magent.events import Failure
from magent.model import Retry


def retry_at(policy: Retry, failure: Failure, attempt: int, key: str, now: float) -> float | None:
    """When the next attempt begins, or None where the failure is final. Jitter comes from the key: no chance."""
    if attempt >= policy.max_attempts or failure.type not in policy.errors or failure.final:
        return None
    growth = {"exponential": 2.0 ** min(attempt - 1, 60), "linear": float(attempt), "constant": 1.0}[policy.backoff]
    delay = min(policy.delay * growth, policy.max_delay)
    spread = zlib.crc32(f"{key}@{attempt}".encode()) / 2**32 * 2 - 1
    delay *= 1 + policy.jitter * spread
    return now + max(delay, failure.retry_after or 0.0, 0.0)
