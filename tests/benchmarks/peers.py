"""The same work done by others, where they are installed."""

from __future__ import annotations

from tests.benchmarks.measure import Effort

HEAD = ("peer", "work", "each")


def measured(effort: Effort) -> list[tuple[str, ...]]:
    return []
