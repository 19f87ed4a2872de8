"""How a run ended: its result on stdout, one summary and what to do next on stderr."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from magent import durations, plain
from magent.cli import progress
from magent.cli.console import Console, apart, dump, one_line
from magent.cli.questions import of_whom
from magent.clock import SystemClock, from_iso
from magent.errors import MagentError
from magent.events import Event
from magent.streaming import Writer

if TYPE_CHECKING:
    from magent.outcome import Result

OUTPUTS = ("text", "json", "jsonl")
MOST_QUESTIONS = 10  # told at the end of a life; where more wait, `respond` shows them
_SIGNS = {"completed": ("✔", "green"), "waiting": ("⏸", "yellow"), "interrupted": ("■", "yellow")}


class Lines:
    """A Sink that prints each event as a line of JSON, at the pace of whoever reads stdout: the run does not wait.
    What stops stdout is kept in `fault`."""

    def __init__(self, console: Console, *, stream: bool) -> None:
        self._console = console
        self._stream = stream
        self._writer = Writer(self._print)
        self.fault: MagentError | None = None

    def __call__(self, event: Event) -> None:
        if self.fault is None and (self._stream or event.type != "text"):
            self._writer(event)

    def end(self) -> None:
        """Returns when all is printed."""
        self._writer.end()

    def _print(self, event: Event) -> None:
        if self.fault is not None:
            return
        try:
            self._console.result(dump(event.as_json(), indent=None))
        except MagentError as fault:
            self.fault = fault


def tell(console: Console, result: Result, output: str) -> int:
    """Prints the result as asked for, the summary, and the next command. Returns the exit code of the run."""
    if output == "json":
        console.result(dump(result.as_json()))
    elif output == "text" and result.outputs is not None:
        console.result(plain.show(result.outputs))
    console.problems(result.warnings, {})
    for line in result.unsent:
        console.told(f"magent: warning: {one_line(line, 400)}", "yellow")
    if result.untold:
        console.told(f"magent: warning: nobody was notified: {one_line(result.untold, 400)}", "yellow")
    summarise(console, result)
    return result.exit_code


def summarise(console: Console, result: Result) -> None:
    sign, color = _SIGNS.get(result.status, ("✘", "red"))
    facts = [steps(result.steps), durations.show(result.duration)]
    facts += spent(result.tokens, result.cost_usd)
    if result.status == "interrupted" and console.terminal:
        console.raw("\r")  # over the ^C that the terminal shows
    if result.note:
        if result.status != "completed" or not console.settings.quiet:  # that all is well is no news
            console.told(result.note)
    elif result.error:
        _tell_error(console, result.error)
    _tell_questions(console, result)
    told = console.say if result.status == "completed" else console.hint
    told(console.fitted(f"{sign} {result.status}: {', '.join(facts)} (run {result.run_id})"), color)
    if step := next_step(result.status, result.error, len(result.waiting)):
        limit = flag_of(result.error) if result.status == "interrupted" else []
        console.suggest(console.command("resume", result.run_id, *limit), step)
    elif result.status != "completed":
        console.suggest(console.command("runs", "show", result.run_id), "says what happened")


def steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def spent(tokens: Mapping[str, int] | None, cost: float | None) -> list[str]:
    """`["1,052 tokens", "$0.0031"]`; nothing where no model was asked."""
    count = progress.total(tokens)
    return [*filter(None, (f"{count:,} tokens" if count else "", progress.price(cost)))]


def next_step(status: str, error: Mapping[str, Any] | None, questions: int = 1) -> str | None:
    """What a resume would do now; None where there is nothing left to do. `questions`: how many are open."""
    kind = (error or {}).get("type")
    if (status == "failed" and kind == "end") or (kind == "limit" and not flag_of(error)):
        return None
    answered = "goes on once it is answered" if questions < 2 else "goes on once they are answered"
    steps = {"waiting": answered, "failed": "tries again what failed"}
    return (steps | {"interrupted": "goes on from here"}).get(status)


def flag_of(error: Mapping[str, Any] | None) -> list[str]:
    """The flag that raises the limit which stopped the run: `["--limit", "steps=20"]`."""
    found = re.search(r"--limit (\w+=[\w.+-]+)", str((error or {}).get("hint") or ""))
    return ["--limit", found[1]] if found else []


def _tell_error(console: Console, error: Mapping[str, Any]) -> None:
    if error.get("type") == "end":
        console.told(f"magent: {apart(str(error.get('message', '')))}", "red")
        console.told(f"  so the run ended as failed, at its `end` node '{error.get('node')}'")
        return
    node = f" at {error['node']}" if error.get("node") else ""
    message = apart(str(error.get("message", "")))
    console.told(f"magent: {error.get('type', 'error')}{node}: {message}", "red")
    if error.get("hint"):
        console.told(f"  {error['hint']}")


def _tell_questions(console: Console, result: Result) -> None:
    for question in result.waiting[:MOST_QUESTIONS]:
        place = question.get("path") or question.get("node") or ""
        prompt = f": {one_line(str(question['prompt']))}" if question.get("prompt") else ""
        console.told(f"⏸ {place} waits{prompt}", "yellow")
        deadline = question.get("deadline")
        until = None if deadline is None else from_iso(str(deadline))
        if facts := of_whom(question.get("assignee"), until, SystemClock().now()):
            console.told(f"  {', '.join(facts)}")
        console.hint(f"  {question.get('command', '')}")
    if (more := len(result.waiting) - MOST_QUESTIONS) > 0:
        console.hint(f"⏸ {more:,} more question{'' if more == 1 else 's'}", "yellow")
        console.suggest(console.command("respond", result.run_id), "shows them all")
