"""The Python API: the same as the command line, small and typed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from magent import answering, app, forks
from magent.answering import Given
from magent.app import LoadedWorkflow, Options
from magent.forks import Origin, Plan
from magent.outcome import Result
from magent.ports import RunInfo, RunStore, Sink

Source = str | os.PathLike[str] | Mapping[str, Any]


def load(source: Source) -> LoadedWorkflow:
    """A checked workflow from a file or a mapping. Raises InvalidWorkflow, with `.problems`."""
    return app.load(source)


def run(source: Source, inputs: Mapping[str, Any] | None = None, **options: Any) -> Result:
    """Runs a workflow from synchronous code; `options` are those of `LoadedWorkflow.run`."""
    return asyncio.run(load(source).run(inputs, **options))


async def resume(
    run_id: str = "latest",
    *,
    store: str | RunStore | None = None,
    on_event: Sink | None = None,
    from_: str | int | None = None,
    workflow: Source | LoadedWorkflow | None = None,
    only_failed: bool = False,
    **options: Any,
) -> Result:
    """Goes on with a run; `run_id` may be any unique part of an id.

    `from_` (a node, an address, the number of an event), `workflow` (an edited one) and `only_failed` (branches that
    failed and were gone on without) begin a new run with what of the old one still holds; the old one stays as it is.
    Raises UsageError, InvalidWorkflow, StoreError.
    """
    opened = _opened(store)
    sinks = (*options.pop("sinks", ()), *([on_event] if on_event else ()))
    origin = _origin(from_, workflow, only_failed)
    return await app.resume(opened, await opened.resolve(run_id), Options(sinks=sinks, **options), origin)


async def plan_resume(
    run_id: str = "latest",
    *,
    store: str | RunStore | None = None,
    from_: str | int | None = None,
    workflow: Source | LoadedWorkflow | None = None,
    only_failed: bool = False,
) -> Plan:
    """What `resume` would keep, do again, and no longer count, visit by visit, and why. Nothing is done, and nothing is
    held. Raises UsageError, InvalidWorkflow, StoreError."""
    opened = _opened(store)
    return await forks.plan(opened, await opened.resolve(run_id), _origin(from_, workflow, only_failed))


def _origin(from_: str | int | None, workflow: Source | LoadedWorkflow | None, only_failed: bool) -> Origin:
    if workflow is not None and not isinstance(workflow, LoadedWorkflow):
        workflow = app.load(workflow)
    edited = None if workflow is None else workflow.workflow
    return Origin(None if from_ is None else str(from_), edited, only_failed)


async def cancel(
    run_id: str, *, store: str | RunStore | None = None, by: str | None = None, reason: str | None = None
) -> str:
    """Ends a run for good; whoever drives it is asked to, and waited for. Returns the status it has then: `cancelled`,
    what it was if it was over already, or `running` where it was not obeyed in time. Raises UsageError, StoreError."""
    opened = _opened(store)
    status, _ = await app.cancel(opened, await opened.resolve(run_id), by=by or "somebody", reason=reason)
    return status


async def respond(
    run_id: str,
    node: str | None,
    answer: Any,
    *,
    store: str | RunStore | None = None,
    by: str | None = None,
    comment: str | None = None,
    digest: str | None = None,
    via: str = "api",
) -> bool:
    """Answers a question of a run, whoever drives it; `node` (a name or an address) may be None where only one is open,
    `digest` is that of the question as it was shown. Returns False where the answer is kept, but whoever drives the run
    has not looked yet. Raises AnswerRefused, AnsweredAlready, UsageError, StoreError."""
    opened = _opened(store)
    given = Given(answer, by, comment, via, digest)
    return (await answering.respond(opened, await opened.resolve(run_id), node, given)).taken


def runs(store: str | RunStore | None = None) -> list[RunInfo]:
    """Every run of a store, newest first."""
    return asyncio.run(_listed(_opened(store)))


def _opened(store: str | RunStore | None) -> RunStore:
    return app.open_store(store) if store is None or isinstance(store, str) else store


async def _listed(store: RunStore) -> list[RunInfo]:
    return list(await store.list())
