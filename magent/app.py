"""The assembly: workflows are loaded, run and resumed here. The command line and the Python API are built on it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from magent import durations, loading, stores
from magent import graph as graphs
from magent.answers import check_document
from magent.clock import SystemClock
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.errors import InvalidWorkflow, UsageError
from magent.events import Event
from magent.forecast import forecast
from magent.life import Options, lead
from magent.loading import check, workflow_of
from magent.masks import frozen_of
from magent.model import Workflow
from magent.outcome import Result, result_of
from magent.outfit import Outfit
from magent.ports import Agent, Journal, RunStore, Sink
from magent.settings import open_store
from magent.source import Problem, did_you_mean, sort_key
from magent.spec.schema import check_value, field_schema, fill, validate
from magent.stores.ids import new_id
from magent.streaming import Pending
from magent.version import VERSION

if TYPE_CHECKING:
    import networkx

__all__ = ["LoadedWorkflow", "Options", "check", "check_inputs", "load", "open_store", "plan", "resume", "start"]

DURABILITIES = ("sync", "async", "exit")
LIMITS = ("steps", "tokens", "usd", "timeout")
FINAL = ("completed", "cancelled")


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
    limits = _limits(workflow, options)
    outfit = _prepared(workflow, options, {"inputs": inputs, "env": env}, limits["usd"])
    created = clock.now()
    journal = await _created(store, workflow, inputs, created, outfit, options.run_id)
    run_id = journal.run_id
    names = {"id": run_id, "name": workflow.name, "home": workflow.home, "dir": str(journal.directory)}
    data = {
        "run_id": run_id,
        "workflow": workflow.name,
        "inputs": inputs,
        "env": env,
        "limits": limits,
        "agents": _by_name(options.agents),
        "run": {**names, "workspace": _workspace(workflow, journal)},
        "cwd": outfit.cwd,
        "pid": os.getpid(),
    }
    run = Run(workflow)
    return await lead(run, store, journal, outfit, options, lambda driver: lives.start(driver, data))


async def _created(
    store: RunStore, workflow: Workflow, inputs: Mapping[str, Any], created: float, outfit: Outfit, wanted: str | None
) -> Journal:
    """A new record. Ids are short: where two runs of one second draw the same, the later draws again."""
    kept = frozen_of(workflow, outfit.hidden)
    for left in reversed(range(50 if wanted is None else 1)):
        run_id = new_id(created, os.urandom(2)) if wanted is None else wanted
        try:
            return await store.create(run_id, _header(workflow, run_id, inputs, created, outfit), kept)
        except UsageError:
            if not left:
                raise
    raise AssertionError


def _prepared(
    workflow: Workflow, options: Options, seen: Mapping[str, Any], usd: float | None, cwd: str | None = None
) -> Outfit:
    if options.durability not in (None, *DURABILITIES):
        hint = did_you_mean(options.durability, DURABILITIES)
        raise UsageError(f"there is no durability '{options.durability}': sync, async or exit", hint)
    if options.stop_after is not None:
        nodes = [name for each in workflow.graphs.values() for name in each.nodes]
        if options.stop_after not in nodes:
            raise UsageError(f"no node is named '{options.stop_after}'", did_you_mean(options.stop_after, nodes))
    _check_answers(workflow, options.answers)
    outfit = Outfit(workflow, options.agents, seen, cwd or os.getcwd(), options.on_download, options.tools)
    outfit.check(usd)
    return outfit


def _check_answers(workflow: Workflow, answers: Mapping[str, Any]) -> None:
    if not answers:
        return
    shape = validate(answers, "answers")
    wrong = [problem.path for problem in shape]
    shape += [
        problem
        for problem in check_document(answers, workflow)
        if not any(path == problem.path or path.startswith((f"{problem.path}.", f"{problem.path}[")) for path in wrong)
    ]
    if any(problem.severity == "error" for problem in shape):
        raise InvalidWorkflow(sorted(shape, key=sort_key))


def check_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with defaults filled in. Raises UsageError that names what is missing, unknown or of a wrong type."""
    fields = workflow.graph.inputs
    unknown = [name for name in given if name not in fields]
    if unknown:
        known = ", ".join(fields) or "none"
        raise UsageError(f"no input is named '{unknown[0]}' (there are: {known})", did_you_mean(unknown[0], fields))
    missing = [name for name, schema in fields.items() if name not in given and "default" not in schema]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        flags = " ".join(f"-i {name}=…" for name in missing)
        raise UsageError(f"input{'s' if len(missing) > 1 else ''} missing: {names}", f"write {flags}")
    faults = check_value(field_schema(fields), dict(given))
    if faults:
        raise UsageError(f"an input does not fit: {'; '.join(faults)}")
    return fill(fields, dict(given))


def _by_name(agents: Mapping[str, str | Agent]) -> dict[str, str]:
    """What a record can hold of replaced agents: their names. An agent handed over is handed over again on resume."""
    return {name: agent for name, agent in agents.items() if isinstance(agent, str)}


def _header(
    workflow: Workflow, run_id: str, inputs: Mapping[str, Any], created: float, outfit: Outfit
) -> dict[str, Any]:
    frozen = json.dumps(workflow.frozen, sort_keys=True).encode()
    return {
        "run_id": run_id,
        "workflow": workflow.name,
        "file": outfit.hidden.hide(workflow.file),
        "digest": hashlib.sha256(frozen).hexdigest(),
        "inputs": outfit.mask(dict(inputs)) if outfit.mask else dict(inputs),
        "created": created,
        "versions": {"magent": VERSION, "python": platform.python_version()},
        "parent": None,
        "cwd": outfit.cwd,
        "host": socket.gethostname(),
    }


def _workspace(workflow: Workflow, journal: Journal) -> str:
    """Where file tools may go: the directory that the workflow names (from its file), else the run's own."""
    path = (workflow.workspace or {}).get("path")
    return os.path.normpath(os.path.join(workflow.home, path)) if path else str(journal.workspace)


def _limits(workflow: Workflow, options: Options) -> dict[str, Any]:
    bounds = workflow.limits
    limits: dict[str, Any] = {
        "steps": bounds.max_steps,
        "tokens": bounds.tokens,
        "usd": bounds.usd,
        "timeout": bounds.timeout,
    }
    limits.update(options.limits)
    return limits


# ---- resuming


async def resume(store: RunStore, run_id: str, options: Options) -> Result:
    """Goes on with a run. One that is over is only told. Raises UsageError, StoreError."""
    journal, record = await store.open(run_id)
    try:
        run = lives.refold(workflow_of(record), record)
        over = _over(run)
        if over:
            return result_of(run, str(journal.directory), store, note=over)
        agents = {**run.agents, **options.agents}
        _check_raised(run, options)
        seen = {"inputs": run.inputs, "env": run.env, "run": run.facts}
        usd = options.limits.get("usd", run.limits.get("usd"))
        outfit = _prepared(run.workflow, replace(options, agents=agents), seen, usd, record.header.get("cwd"))
        run.facts = {**run.facts, "dir": str(journal.directory), "workspace": _workspace(run.workflow, journal)}
        shown = {"run_id": run.id, "workflow": run.workflow.name, "limits": dict(options.limits)}
        data = {**shown, "agents": _by_name(agents), "pid": os.getpid()}
        return await lead(run, store, journal, outfit, options, lambda driver: lives.resume(driver, data))
    finally:
        await journal.close()


def _over(run: Run) -> str | None:
    """Why there is nothing to go on with, or None."""
    if run.status in FINAL:
        return f"run {run.id} is {run.status} already"
    if run.status == "failed" and run.failure is not None and run.failure.type == "end":
        return f"run {run.id} ended as failed, by its own `end` node: {run.failure.message}"
    return None


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
    limits = _limits(workflow, options)
    seen = {"inputs": inputs, "env": {name: os.environ.get(name) for name in workflow.env}}
    outfit = _prepared(workflow, options, seen, limits["usd"])
    return {
        "workflow": workflow.name,
        "inputs": inputs,
        "limits": limits,
        "agents": outfit.described(),
        "order": forecast(workflow, inputs),
        "problems": [problem.as_json() for problem in loaded.problems],
    }
