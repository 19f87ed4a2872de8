"""The assembly: workflows are loaded, run and resumed here. The command line and the Python API are built on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from magent import durations, loading, records, stores
from magent import graph as graphs
from magent.answering import settle
from magent.clock import SystemClock
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.errors import RunDamaged, UsageError
from magent.events import Event
from magent.forecast import forecast
from magent.forks import WHERE_IT_STOOD, Origin, fork
from magent.life import Options, lead
from magent.loading import check, workflow_of
from magent.model import Workflow
from magent.notify import told_of
from magent.opening import by_name, check_inputs, create, limits_of, prepare, traced, workspace_of
from magent.outcome import Result, over, result_of
from magent.outfit import Outfit
from magent.ports import Journal, Record, RunStore, Sink
from magent.settings import open_store
from magent.source import Problem
from magent.streaming import Pending

if TYPE_CHECKING:
    import networkx

__all__ = ["LoadedWorkflow", "Options", "check", "check_inputs", "load", "open_store", "plan", "resume", "start"]


@dataclass(frozen=True, slots=True)
class LoadedWorkflow:
    """A checked workflow. `problems` are its warnings; `sources` gives each file's lines."""

    workflow: Workflow
    problems: list[Problem]
    sources: Mapping[str, list[str]]

    @property
    def graph(self) -> networkx.MultiDiGraph[str]:
        return graphs.compile(self.workflow)

    async def run(
        self,
        inputs: Mapping[str, Any] | None = None,
        *,
        store: str | RunStore | None = "file:.magent",
        on_event: Sink | None = None,
        **options: Any,
    ) -> Result:
        """Runs the workflow; `options` are those of `Options`. `store=None` keeps everything in memory."""
        sinks = (*options.pop("sinks", ()), *(() if on_event is None else (on_event,)))
        return await start(self, _store(store), Options(inputs=inputs or {}, sinks=sinks, **options))

    async def stream(self, inputs: Mapping[str, Any] | None = None, **options: Any) -> AsyncIterator[Event]:
        """The events of a run as they happen, with the text that streams: a slow reader gets it in larger pieces, and
        never slows the run. Ends with the run; leaving early stops it, with all that it asked for."""
        pending = Pending()
        running = asyncio.create_task(self.run(inputs, on_event=pending, **options))
        running.add_done_callback(lambda _: pending.end())
        try:
            async for event in pending.read():
                yield event
            await running
        finally:
            running.cancel()
            await asyncio.wait({running})


def load(source: str | os.PathLike[str] | Mapping[str, Any], *, name: str | None = None) -> LoadedWorkflow:
    """A workflow from a file or a mapping. Raises InvalidWorkflow with every problem and with `sources`."""
    return LoadedWorkflow(*loading.read(source, name))


def _store(store: str | RunStore | None) -> RunStore:
    if store is None:
        return stores.open_store("memory:")
    return open_store(store) if isinstance(store, str) else store


# ---- starting


async def start(loaded: LoadedWorkflow, store: RunStore, options: Options) -> Result:
    """Runs a workflow until it is over, waits, or is stopped. Raises UsageError before anything runs."""
    workflow, clock = loaded.workflow, SystemClock()
    inputs = check_inputs(workflow, options.inputs)
    env = {name: os.environ.get(name) for name in workflow.env}
    limits = limits_of(workflow, options)
    outfit = prepare(workflow, options, {"inputs": inputs, "env": env}, limits["usd"])
    created = clock.now()
    journal = await create(store, workflow, inputs, created, outfit, options.run_id)
    run_id = journal.run_id
    names = {"id": run_id, "name": workflow.name, "home": workflow.home, "dir": str(journal.directory)}
    data = {
        "run_id": run_id,
        "workflow": workflow.name,
        "inputs": inputs,
        "env": env,
        "limits": limits,
        "agents": by_name(options.agents),
        "run": {**names, "workspace": workspace_of(workflow, journal)},
        "cwd": outfit.cwd,
        "pid": os.getpid(),
        **traced(),
    }
    run = Run(workflow)
    return await lead(run, store, journal, outfit, options, lambda driver: lives.start(driver, data))


# ---- resuming


async def resume(
    store: RunStore,
    run_id: str,
    options: Options,
    origin: Origin = WHERE_IT_STOOD,
    *,
    idle: Callable[[Run], str | None] = over,
) -> Result:
    """Goes on with a run, or begins a new one where `origin` says. One that is over, or where `idle` says why there is
    nothing to be done, is only told. Raises UsageError, StoreError."""
    if origin.forks:
        return await fork(store, run_id, origin, options)
    journal, record = await store.open(run_id)
    try:
        run = lives.refold(workflow_of(record), record)
        await settle(store, journal, run)
        note = idle(run)
        if note:
            result = result_of(run, str(journal.directory), store, note=note)
            await _keep(result, store, journal)
            return result
        agents = {**run.agents, **options.agents}
        _check_raised(run, options)
        here = {"dir": str(journal.directory), "workspace": workspace_of(run.workflow, journal)}
        moved = {"run": here} if run.facts != {**run.facts, **here} else {}
        run.facts = {**run.facts, **here}
        seen = {"inputs": run.inputs, "env": run.env, "run": run.facts}
        usd = options.limits.get("usd", run.limits.get("usd"))
        outfit = prepare(run.workflow, replace(options, agents=agents), seen, usd, record.header.get("cwd"))
        shown = {"run_id": run.id, "workflow": run.workflow.name, "limits": dict(options.limits)}
        data = {**shown, "agents": by_name(agents), "pid": os.getpid(), **moved, **traced()}
        return await lead(run, store, journal, outfit, options, lambda driver: lives.resume(driver, data))
    finally:
        await journal.close()


async def _keep(result: Result, store: RunStore, journal: Journal) -> None:
    """A life that was killed as it ended may have left no result, an older one, or half of one: the journal knows."""
    with contextlib.suppress(RunDamaged):
        if await store.result(result.run_id) == result.as_json():
            return
    await journal.finish(result.as_json())


# ---- ending


async def cancel(
    store: RunStore, run_id: str, *, by: str, reason: str | None = None, untold: Callable[[str], None] = lambda _: None
) -> tuple[str, bool]:
    """As `records.cancel`; who wants to know is told. `untold` hears why nobody could be."""

    async def tell(run: Run, result: Result, journal: Journal, record: Record) -> None:
        seen = {"inputs": run.inputs, "env": run.env}
        outfit = Outfit(run.workflow, {}, seen, record.header.get("cwd") or os.getcwd(), opens=False)
        event = await told_of(run, result, outfit, journal)
        if event is not None and event.data.get("error"):
            untold(event.data["error"])

    return await records.cancel(store, run_id, by=by, reason=reason, after=tell)


def _check_raised(run: Run, options: Options) -> None:
    """A limit that is used up already stops the run at once: say so before anything starts."""
    spent = {"steps": run.steps, "tokens": sum(run.tokens), "usd": run.cost, "timeout": run.spent}
    for name, used in spent.items():
        limit = options.limits.get(name)
        if limit is not None and used >= limit and run.status == "interrupted":
            shown = durations.show(used) if name == "timeout" else f"{used:g}"
            raise UsageError(f"--limit {name}={limit:g} is used up already: the run has used {shown}", "give more")


def plan(loaded: LoadedWorkflow, options: Options) -> dict[str, Any]:
    """What a run would do, as far as can be said before: nothing runs, nothing is spent. Raises UsageError."""
    workflow = loaded.workflow
    inputs = check_inputs(workflow, options.inputs)
    limits = limits_of(workflow, options)
    seen = {"inputs": inputs, "env": {name: os.environ.get(name) for name in workflow.env}}
    outfit = prepare(workflow, options, seen, limits["usd"], opens=False)
    return {
        "workflow": workflow.name,
        "inputs": inputs,
        "limits": limits,
        "agents": outfit.described(),
        "order": forecast(workflow, inputs),
        "problems": [problem.as_json() for problem in loaded.problems],
    }
