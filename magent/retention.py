"""Which runs have had their time, and how they go: by hand (`runs clean`), from cron (`sweep`), at the end of a run.

A run that somebody holds never goes, nor one of another status than those named; what is not over is not named unless
somebody does so. Between the look and the removal a run may be resumed: then it stays.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from magent import durations, settings
from magent.clock import SystemClock
from magent.errors import RunLocked, StoreError, UsageError
from magent.ports import RunInfo, RunStore, Tended

OVER = ("completed", "failed", "cancelled")
UNREADABLE = ("damaged", "sealed")
_LOOKED_AT = 20  # old runs that the end of a run looks at, and
_MOST = 0.25  # seconds that it may remove


@dataclass(frozen=True, slots=True)
class Rule:
    """`older_than`: seconds since a run's last event. `keep`: the newest runs, of the workflow where one is named,
    that stay whatever they are."""

    older_than: float = 0.0
    keep: int = 0
    statuses: Collection[str] = OVER
    workflow: str | None = None

    def meets(self, info: RunInfo, now: float) -> bool:
        """But for `keep`."""
        named = info.status in self.statuses and self.workflow in (None, info.workflow)
        return named and now - info.updated >= self.older_than


def configured(read: settings.Settings) -> Rule | None:
    """What the settings say, None where they say nothing. Raises UsageError where they name statuses alone."""
    said: Mapping[str, Any] | None = read.get("retention")
    if not said:
        return None
    if "older_than" not in said and "keep" not in said:
        raise UsageError(f"`retention` in {read.file} says neither how old nor how many", "give it older_than, or keep")
    older = durations.parse(said.get("older_than", 0))
    return Rule(older, said.get("keep", 0), tuple(said.get("status", OVER)))


def chosen(every: Iterable[RunInfo], rule: Rule, now: float) -> list[RunInfo]:
    """Of all runs, the newest first, those that go; the oldest first."""
    of_workflow = [info for info in every if rule.workflow in (None, info.workflow)]
    return [info for info in reversed(of_workflow[rule.keep :]) if rule.meets(info, now)]


async def remove(store: RunStore, found: Sequence[RunInfo]) -> AsyncIterator[RunInfo]:
    """Removes them; gives those that went. One that was taken up since, or is gone already, is passed over. Raises
    StoreError."""
    for info in found:
        with suppress(RunLocked, UsageError):
            if await store.remove(info.id, updated=None if info.status in UNREADABLE else info.updated):
                yield info


async def sweep(store: RunStore) -> list[RunInfo]:
    """Removes all that the settings let go of; what went. For `magent sweep`. Raises StoreError, UsageError."""
    rule = configured(settings.read())
    if rule is None:
        return []
    found = chosen(await store.list(), rule, SystemClock().now())
    return [info async for info in remove(store, found)]


async def tidy(store: RunStore) -> None:
    """At the end of a run: removes a few of those that the settings let go of. It looks at some of the old ones, by
    chance, so that it costs the same however many there are, and all have their turn. Only where the store is the one
    that the settings mean. That something is wrong there is for others to tell."""
    with suppress(StoreError, UsageError):
        rule = configured(settings.read())
        if rule is None or settings.open_store().url != store.url:
            return
        begun = now = SystemClock().now()
        for info in await _some(store, rule, now):
            async for _ in remove(store, [info]):
                now = SystemClock().now()
            if now - begun > _MOST:
                return


async def _some(store: RunStore, rule: Rule, now: float) -> list[RunInfo]:
    if not isinstance(store, Tended):
        return chosen(await store.list(), rule, now)[:_LOOKED_AT]
    ids = await store.older(now - rule.older_than, rule.keep)
    found = []
    for run_id in random.sample(ids, min(len(ids), _LOOKED_AT)):
        with suppress(UsageError):  # it went meanwhile
            info = await store.info(run_id)
            if rule.meets(info, now):
                found.append(info)
    return found
