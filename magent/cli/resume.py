"""`magent resume`: a run goes on from where it stood, or a new one begins with what of it still holds."""

from __future__ import annotations

import asyncio

from magent import app, forks
from magent.cli import execution, flags, resume_plan
from magent.cli.console import Console, dump
from magent.cli.execution import Conditions, Watch
from magent.cli.run import load
from magent.forks import WHERE_IT_STOOD, Origin
from magent.ports import RunStore

Words = list[str] | None


def resume(
    console: Console,
    *,
    id: str,
    origin: str | None,
    workflow: str | None,
    only_failed: bool,
    plan: bool,
    answers: str | None,
    no_input: bool,
    use_defaults: bool,
    max_concurrency: str | None,
    otlp: str | None,
    output: str | None,
    stream: bool | None,
    limit: Words,
) -> int:
    """Go on with a run from where it stood."""
    watch = Watch.of(output, stream)
    conditions = Conditions(answers, no_input, use_defaults, limit, max_concurrency, otlp)
    edited = None if workflow is None else load(console, workflow).workflow
    whence = Origin(origin, edited, only_failed)
    store = app.open_store(console.settings.store)
    run_id = asyncio.run(store.resolve(id))
    if plan:
        given = [("--from", origin), ("--workflow", workflow), *(("--limit", each) for each in limit or ())]
        words = [word for flag, value in given if value for word in (flag, value)]
        return _plan(console, store, run_id, whence, [*words, *(["--only-failed"] if only_failed else [])], output)
    return go_on(console, store, run_id, conditions, watch, whence)


def _plan(console: Console, store: RunStore, run_id: str, origin: Origin, words: list[str], output: str | None) -> int:
    form = flags.one_of("--output", output, resume_plan.OUTPUTS) or "text"
    found = asyncio.run(forks.plan(store, run_id, origin))
    if form == "json":
        console.result(dump(found.as_json()))
    else:
        resume_plan.show(console, found, words)
    return 0


def go_on(
    console: Console,
    store: RunStore,
    run_id: str,
    conditions: Conditions,
    watch: Watch,
    origin: Origin = WHERE_IT_STOOD,
) -> int:
    """Resumes one run. Returns its exit code."""
    settings = conditions.options(console)
    return execution.carry_out(
        console, watch, lambda watching: app.resume(store, run_id, app.Options(**settings, **watching), origin)
    )
