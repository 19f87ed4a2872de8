"""`magent run`: from a file to a result."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from magent import app
from magent.cli import execution, flags, inputs, plain
from magent.cli.console import Console, dump
from magent.cli.execution import Conditions, Watch

DURABILITIES = ("sync", "async", "exit")
Words = list[str] | None


def run(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="[FILE]", help="The workflow.")] = "workflow.yaml",
    input: Annotated[
        Words,
        typer.Option("-i", "--input", metavar="NAME=VALUE", help="An input; NAME=@FILE reads a file, NAME=- stdin."),
    ] = None,
    inputs_file: Annotated[
        str | None, typer.Option("--inputs", metavar="FILE", help="Inputs from a JSON or YAML file.")
    ] = None,
    answers: Annotated[str | None, typer.Option("--answers", metavar="FILE", help="Answers to its questions.")] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing in the terminal.")] = False,
    use_defaults: Annotated[bool, typer.Option("--use-defaults", help="Where nobody answers, take defaults.")] = False,
    agent: Annotated[
        Words, typer.Option("--agent", metavar="NAME=MODEL", help="Another model for an agent, in this run.")
    ] = None,
    id: Annotated[str | None, typer.Option("--id", metavar="ID", help="The id of the run.")] = None,
    max_concurrency: Annotated[
        str | None, typer.Option("--max-concurrency", metavar="N", help="So many tasks at a time.")
    ] = None,
    durability: Annotated[
        str | None, typer.Option("--durability", metavar="sync|async|exit", help="When the record is on the disk.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", metavar="text|json|jsonl", help="What stdout gets.")] = None,
    stream: Annotated[bool | None, typer.Option("--stream/--no-stream", help="Show text as it is written.")] = None,
    limit: Annotated[
        Words, typer.Option("--limit", metavar="NAME=N", help="A limit: steps, tokens, usd or timeout.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; run nothing.")] = False,
    stop_after: Annotated[
        str | None, typer.Option("--stop-after", metavar="NODE", help="Stop after this node.")
    ] = None,
) -> int:
    """Run a workflow.

    Example: magent run workflow.yaml -i topic=tides --output json
    """
    console: Console = ctx.obj
    watch = Watch.of(output, stream)
    conditions = Conditions(answers, no_input, use_defaults, limit, max_concurrency)
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
    """The workflow, its warnings told. Raises InvalidWorkflow."""
    loaded = app.load(file)
    if not console.settings.quiet:
        console.problems(loaded.problems, loaded.sources)
    return loaded


def _tell_plan(console: Console, plan: dict[str, Any], output: str) -> int:
    console.result(plain.show(plan) if output == "text" else dump(plan))
    console.say("nothing was run (--dry-run)")
    return 0
