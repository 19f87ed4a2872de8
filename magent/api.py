"""The Python API: the same as the command line, small and typed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from magent import app, records
from magent.app import LoadedWorkflow, Options
from magent.outcome import Result
from magent.ports import RunInfo, RunStore, Sink


def load(source: str | os.PathLike[str] | Mapping[str, Any]) -> LoadedWorkflow:
    """A checked workflow from a file or a mapping. Raises InvalidWorkflow, with `.problems`."""
    return app.load(source)


def run(
    source: str | os.PathLike[str] | Mapping[str, Any], inputs: Mapping[str, Any] | None = None, **options: Any
) -> Result:
    """Runs a workflow from synchronous code; `options` are those of `LoadedWorkflow.run`."""
    return asyncio.run(load(source).run(inputs, **options))


async def resume(
    run_id: str = "latest",
    *,
    store: str | RunStore | None = None,
    on_event: Sink | None = None,
    **options: Any,
) -> Result:
    """Goes on with a run; `run_id` may be any unique part of an id. Raises UsageError, StoreError."""
    opened = app.open_store(store) if store is None or isinstance(store, str) else store
    sinks = (*options.pop("sinks", ()), *([on_event] if on_event else ()))
    return await app.resume(opened, await opened.resolve(run_id), Options(sinks=sinks, **options))


async def cancel(
    run_id: str, *, store: str | RunStore | None = None, by: str | None = None, reason: str | None = None
) -> str:
    """Ends a run for good; whoever drives it is asked to, and waited for. Returns the status it has then: `cancelled`,
    what it was if it was over already, or `running` where it was not obeyed in time. Raises UsageError, StoreError."""
    opened = app.open_store(store) if store is None or isinstance(store, str) else store
    status, _ = await records.cancel(opened, await opened.resolve(run_id), by=by or "somebody", reason=reason)
    return status


def runs(store: str | RunStore | None = None) -> list[RunInfo]:
    """Every run of a store, newest first."""
    opened = app.open_store(store) if store is None or isinstance(store, str) else store
    return asyncio.run(_listed(opened))


async def _listed(store: RunStore) -> list[RunInfo]:
    return list(await store.list())
