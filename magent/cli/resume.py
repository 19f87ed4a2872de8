"""`magent resume`: a run goes on from where it stood."""

from __future__ import annotations

import asyncio

from magent import app
from magent.cli import execution
from magent.cli.console import Console
from magent.cli.execution import Conditions, Watch
from magent.ports import RunStore

Words = list[str] | None


def resume(
    console: Console,
    *,
    id: str,
    answers: str | None,
    no_input: bool,
    use_defaults: bool,
    max_concurrency: str | None,
    output: str | None,
    stream: bool | None,
    limit: Words,
) -> int:
    """Go on with a run from where it stood."""
    conditions = Conditions(answers, no_input, use_defaults, limit, max_concurrency)
    store = app.open_store(console.settings.store)
    run_id = asyncio.run(store.resolve(id))
    return go_on(console, store, run_id, conditions, Watch.of(output, stream))


def go_on(console: Console, store: RunStore, run_id: str, conditions: Conditions, watch: Watch) -> int:
    """Resumes one run. Returns its exit code."""
    settings = conditions.options(console)
    return execution.carry_out(
        console, watch, lambda watching: app.resume(store, run_id, app.Options(**settings, **watching))
    )
