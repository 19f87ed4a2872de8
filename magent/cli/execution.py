"""What `run`, `resume` and `respond --resume` share: from flags to a run that is watched and told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from magent import app
from magent.cli import files, flags, results
from magent.cli.console import Console
from magent.cli.progress import Progress
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

    def options(self, console: Console) -> dict[str, Any]:
        """The fields of `app.Options` that they mean. Raises UsageError."""
        return {
            "limits": flags.limits(self.limit),
            "max_concurrency": flags.whole("--max-concurrency", self.max_concurrency),
            "use_defaults": self.use_defaults,
            "interactive": not self.no_input and console.interactive,
            "answers": files.read_document("--answers", self.answers, console, "answers") if self.answers else {},
        }


class Relay:
    """Where progress is written: to stderr, or past the question that is on the terminal."""

    def __init__(self, console: Console) -> None:
        self._write = console.raw

    def attach(self, terminal: Any) -> None:
        self._write = terminal.write

    def __call__(self, text: str) -> None:
        self._write(text)


def carry_out(
    console: Console, watch: Watch, start: Callable[[dict[str, Any]], Coroutine[Any, Any, app.Result]]
) -> int:
    """Runs to the end of this life, telling what happens, and tells the result. Returns the run's exit code.

    `start` is given the fields of `app.Options` that say who watches.
    """
    relay = Relay(console)
    lines = results.Lines(console, stream=watch.stream is not False)
    sinks: list[Sink] = [lines] if watch.output == "jsonl" else []
    if not console.settings.quiet:
        stream = watch.stream if watch.stream is not None else console.terminal or console.settings.verbose
        sinks.append(Progress(console, relay, stream=stream))
    watching = {"sinks": tuple(sinks), "color": console.color, "on_terminal": relay.attach}
    result = asyncio.run(start(watching))
    code = results.tell(console, result, watch.output)
    if lines.fault is not None:
        raise lines.fault
    return code
