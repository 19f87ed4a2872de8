"""The visits of a run for shell completion, as `--from` takes them: what is not to be had says nothing."""

from __future__ import annotations

import asyncio

from magent import settings
from magent.engine.origin import where
from magent.engine.visited import Visited, survey
from magent.errors import MagentError
from magent.loading import workflow_of


def visits(store: str | None, run: str) -> list[tuple[str, str]]:
    """`draft`, `each[2]/draft`, `draft#2`, each with its status, in the order of the journal."""
    try:
        found = asyncio.run(_visits(store, run))
    except (MagentError, OSError):
        return []
    return [(where(visit), f"{visit.type}, {visit.status}") for visit in found]


async def _visits(url: str | None, run: str) -> list[Visited]:
    store = settings.open_store(url)
    record = await store.read(await store.resolve(run), checkpoint=False)
    return list(survey(workflow_of(record), record.events).visits)
