"""What `run`, `resume` and `respond --resume` share: from flags to a run that is watched and told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from magent.cli import files, flags, results
from magent.cli.beside import guarded
from magent.cli.console import Console
from magent.cli.dated import Progress
from magent.cli.download import Download
from magent.cli.live import Live, fits
from magent.human.prompts import is_terminal
from magent.model import Workflow
from magent.outcome import Result
from magent.ports import Sink


@dataclass(frozen=True, slots=True)
class Watch:
    """How a run is shown: `output` is text, json or jsonl; `stream` is what --stream said, None: nothing."""

    output: str = "text"
    stream: bool | None = None

    @classmethod
    def of(cls, output: str | None, stream: bool | None) -> Watch:
        return cls(flags.one_of("--output", output, results.OUTPUTS) or "text", stream)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The flags that every life of a run takes, as words."""

    answers: str | None = None
    no_input: bool = False
    use_defaults: bool = False
    limit: Sequence[str] | None = None
    max_concurrency: str | None = None
    otlp: str | None = None

    def options(self, console: Console) -> dict[str, Any]:
        """The fields of `app.Options` that they mean. Raises UsageError."""
        return {
            "limits": flags.limits(self.limit),
            "max_concurrency": flags.whole("--max-concurrency", self.max_concurrency),
            "use_defaults": self.use_defaults,
            "otlp": self.otlp,
            "interactive": not self.no_input and is_terminal(),
            "answers": files.read_document("--answers", self.answers, console, "answers") if self.answers else {},
        }


def carry_out(
    console: Console,
    watch: Watch,
    start: Callable[[dict[str, Any]], Coroutine[Any, Any, Result]],
    workflow: Workflow | None = None,
) -> int:
    """Runs to the end of this life, telling what happens, and tells the result. Returns the run's exit code.

    `start` is given the fields of `app.Options` that say who watches. With the workflow, agents are told by name.
    """
    lines = results.Lines(console, stream=watch.stream is not False)
    told: list[Sink] = [lines] if watch.output == "jsonl" else []
    with _watching(console, watch, workflow) as watching:
        watching |= {"color": console.color, "sinks": (*told, *watching.pop("sinks", ()))}
        try:
            result = asyncio.run(start(watching))
        finally:
            lines.end()
    code = results.tell(console, result, watch.output)
    if lines.fault is not None:
        raise lines.fault
    return code


@contextlib.contextmanager
def _watching(console: Console, watch: Watch, workflow: Workflow | None) -> Iterator[dict[str, Any]]:
    """The fields of `app.Options` that say who watches. stdout is for the result, not for what a `call` function
    prints meanwhile."""
    if not console.settings.quiet and fits(console) and not (watch.output == "jsonl" and console.shares_terminal):
        told = watch.stream is True or console.settings.verbose
        live = Live(console, text=watch.stream is not False, everything=console.settings.verbose, tell_text=told)
        watching = {"sinks": (live,), "on_run": live.watch, "on_stop": live.stopping}
        watching |= {"on_terminal": live.attach, "on_download": live.fetched}
        with live.shown():
            yield watching
        return
    with guarded(console.stream), console.results_apart(2):
        yield {} if console.settings.quiet else _plainly(console, watch, workflow)


def _plainly(console: Console, watch: Watch, workflow: Workflow | None) -> dict[str, Any]:
    stream = watch.stream if watch.stream is not None else console.terminal or console.settings.verbose
    progress = Progress(console, console.raw, stream=stream, workflow=workflow)
    watching = {"sinks": (progress,), "on_run": progress.watch, "on_stop": progress.stopping}
    return watching | {"on_terminal": progress.attach, "on_download": Download(progress.write)}
