"""`magent run`: from a file to a result."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
from pathlib import Path
from typing import Any

from magent import app, plain
from magent.cli import execution, flags, inputs
from magent.cli.console import Console, dump
from magent.cli.execution import Conditions, Watch
from magent.errors import InvalidWorkflow, MagentError, UsageError

DURABILITIES = ("sync", "async", "exit")
Words = list[str] | None


def run(
    console: Console,
    *,
    file: str,
    input: Words,
    inputs_file: str | None,
    answers: str | None,
    no_input: bool,
    use_defaults: bool,
    agent: Words,
    id: str | None,
    max_concurrency: str | None,
    otlp: str | None,
    durability: str | None,
    output: str | None,
    stream: bool | None,
    limit: Words,
    dry_run: bool,
    stop_after: str | None,
) -> int:
    """Run a workflow."""
    watch = Watch.of(output, stream)
    conditions = Conditions(answers, no_input, use_defaults, limit, max_concurrency, otlp)
    settings = conditions.options(console) | {
        "agents": flags.agents(agent),
        "run_id": id,
        "durability": flags.one_of("--durability", durability, DURABILITIES),
        "stop_after": stop_after,
    }
    loaded = load(console, file)
    settings["inputs"] = inputs.gather(loaded.workflow.graph.inputs, input, inputs_file, console)
    if dry_run:
        return _tell_plan(console, app.plan(loaded, app.Options(**settings)), watch.output)
    store = app.open_store(console.settings.store)
    return execution.carry_out(
        console, watch, lambda watching: app.start(loaded, store, app.Options(**settings, **watching)), loaded.workflow
    )


def load(console: Console, file: str) -> app.LoadedWorkflow:
    """The workflow, its warnings told. Raises InvalidWorkflow; UsageError where there is no such file."""
    try:
        loaded = app.load(file)
    except InvalidWorkflow as invalid:
        only = invalid.problems[0]
        if (
            only.code != "unreadable-file" or only.path
        ):  # of a file that it names, or the file's content: its place tells
            raise
        raise UsageError(only.message, only.hint or _instead(console, file)) from invalid
    if not console.settings.quiet:
        console.problems(loaded.problems, loaded.sources)
    return loaded


def _instead(console: Console, file: str) -> str | None:
    """What may have been meant by a file that is not there."""
    if not Path(file).suffix and os.path.sep not in file:
        with contextlib.suppress(MagentError):
            run_id = asyncio.run(app.open_store(console.settings.store).resolve(file))
            return f"it is a run; to go on with it: {console.command('resume', run_id)}"
    files = sorted(each.name for each in Path().glob("*.y*ml") if not each.name.startswith(".") and each.is_file())
    named = ", ".join(shlex.join(["magent", "run", each]) for each in files[:3])
    return f"name one that is here: {named}" if files else "there is none here: magent run path/to/workflow.yaml"


def _tell_plan(console: Console, plan: dict[str, Any], output: str) -> int:
    console.result(plain.show(plan) if output == "text" else dump(plan))
    console.say("nothing was run (--dry-run)")
    return 0
