"""`magent resume`: a run goes on from where it stood."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from magent import app
from magent.cli import execution
from magent.cli.console import Console
from magent.cli.execution import Conditions, Watch
from magent.ports import RunStore

Words = list[str] | None


def resume(
    ctx: typer.Context,
    id: Annotated[
        str, typer.Argument(metavar="[ID]", help="The run: its id, or the beginning or end of it.")
    ] = "latest",
    answers: Annotated[str | None, typer.Option("--answers", metavar="FILE", help="Answers to its questions.")] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing in the terminal.")] = False,
    use_defaults: Annotated[bool, typer.Option("--use-defaults", help="Where nobody answers, take defaults.")] = False,
    max_concurrency: Annotated[
        str | None, typer.Option("--max-concurrency", metavar="N", help="So many tasks at a time.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", metavar="text|json|jsonl", help="What stdout gets.")] = None,
    stream: Annotated[bool | None, typer.Option("--stream/--no-stream", help="Show text as it is written.")] = None,
    limit: Annotated[
        Words, typer.Option("--limit", metavar="NAME=N", help="Raise a limit: steps, tokens, usd or timeout.")
    ] = None,
) -> int:
    """Go on with a run from where it stood.

    Example: magent resume latest --limit usd=5
    """
    console: Console = ctx.obj
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
