"""What a run is doing, as dated lines: a Sink. Streamed text is told line by line, each under its node's address."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from magent import durations
from magent.cli.board import Board, Spot
from magent.cli.chunks import WITHDRAWN, Chunks
from magent.cli.console import Console, neutral, one_line
from magent.cli.progress import STEPS, answer_of, describe_error, ended_as_failed, going_on, life_words, step_of
from magent.cli.story import facts_of, is_from_terminal, sign_of
from magent.engine.fold import Run
from magent.events import Event
from magent.model import Workflow


class Progress:
    """Writes a line an event through `write`, which takes whole lines (and may hold them back while a person types)."""

    def __init__(
        self, console: Console, write: Callable[[str], None], *, stream: bool, workflow: Workflow | None = None
    ) -> None:
        self._console = console
        self._out = write
        self._stream = stream
        self._board = Board(workflow)
        self._terminal: Any = None
        self._held: list[str] = []
        self._chunks = Chunks()

    def __call__(self, event: Event) -> None:
        spot = self._board(event)
        tell = _TELLERS.get(event.type)
        if tell is not None:
            tell(self, event, str(event.data.get("path") or event.data.get("node") or ""), spot)

    def watch(self, run: Run) -> None:
        """The run before this life of it begins."""
        self._board = Board.of(run)

    def stopping(self) -> None:
        """A signal was heard: what is at work is being ended, which may take a moment."""
        if self._board.counts["runs"]:
            self.write("\r" if self._console.terminal else "")  # over the ^C that the terminal shows
            self._line(time.time(), "■", "stopping", "yellow")

    def attach(self, terminal: Any) -> None:
        """From now on `terminal` puts the questions; while one is on the screen, what is written is held back."""
        self._terminal = terminal
        terminal.on_busy = self._step_aside

    def _step_aside(self, busy: bool) -> None:
        held, self._held = self._held, []
        if not busy and held:
            self._out("".join(held))

    def write(self, text: str) -> None:
        """Whole lines, or one that is redrawn."""
        if self._terminal is not None and self._terminal.busy:
            self._held.append(text)
        else:
            self._out(text)

    def _line(self, at: float, sign: str, text: str, *styles: str) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        told = self._console.fitted(f"{clock} {sign} {one_line(text, 400)}").removeprefix(f"{clock} ")
        self.write(f"{self._console.styled(clock, 'dim')} {self._console.styled(told, *styles)}\n")

    def _run(self, event: Event, *_: object) -> None:
        self._line(event.time, "●", life_words(event), "bold")

    def _begins(self, event: Event, path: str, spot: Spot | None) -> None:
        question = event.data.get("ask")
        if isinstance(question, Mapping) and self._terminal is not None:
            return
        if isinstance(question, Mapping):
            prompt = f": {question['prompt']}" if question.get("prompt") else ""
            self._line(event.time, "?", f"{path} asks{prompt}", "yellow")
        else:
            who = spot.who if spot is not None else None
            self._line(event.time, "▶", f"{path}{_about(event.data, who)}", "blue")

    def _completes(self, event: Event, path: str, spot: Spot | None) -> None:
        self._flush(path)
        if (reason := ended_as_failed(event)) is not None:
            self._line(event.time, "✘", f"{path} ends as failed{f': {reason}' if reason else ''}", "red")
        elif self._terminal is None or not is_from_terminal(event):  # else the prompt has left a line on it
            sign, color = sign_of(event)
            facts = " · ".join(facts_of(event, spot))
            text = f"{path}{answer_of(event)}{f' {facts}' if facts else ''}"
            self._line(event.time, sign.strip(), text, color)

    def _fails(self, event: Event, path: str, *_: object) -> None:
        self._flush(path)
        told = f"{path} failed: {describe_error(event.data.get('error'))}{going_on(event)}"
        self._line(event.time, "✘", told, "red")

    def _retries(self, event: Event, path: str, *_: object) -> None:
        self._flush(path)
        delay = durations.show(max(0.0, float(event.data.get("at") or event.time) - event.time))
        self._line(
            event.time, "↻", f"{path} tries again in {delay}: {describe_error(event.data.get('error'))}", "yellow"
        )

    def _waits(self, event: Event, path: str, *_: object) -> None:
        why = f": {event.data['why']}" if event.data.get("why") else ""
        self._line(event.time, "⏸", f"{path} waits for an answer{why}", "yellow")

    def _answered(self, event: Event, path: str, *_: object) -> None:
        answer = event.data.get("answer")
        answer = answer if isinstance(answer, Mapping) else {}
        by = f" by {answer['by']}" if answer.get("by") else ""
        via = f" ({answer['via']})" if answer.get("via") else ""
        self._line(event.time, "✎", f"{path} answered{by}{via}", "green")

    def _skips(self, event: Event, path: str, *_: object) -> None:
        self._line(event.time, "○", f"{path} skipped", "dim")

    def _cancels(self, event: Event, path: str, *_: object) -> None:
        self._flush(path)
        self._line(event.time, "⊘", f"{path} cancelled", "dim")

    def _round(self, event: Event, path: str, *_: object) -> None:
        self._line(event.time, "·", f"{path} round {int(event.data.get('index', 0)) + 1}", "dim")

    def _step(self, event: Event, path: str, *_: object) -> None:
        told = step_of(event)
        if event.type == "agent.waits" and not self._console.settings.verbose:
            return  # of a thousand items each waits
        if told is not None:
            self._flush(path)
            self._line(event.time, told[0], f"{path} {told[1]}", "dim")

    def _text(self, event: Event, path: str, *_: object) -> None:
        if self._stream and not event.data.get("structured"):  # pieces of JSON tell a reader nothing
            for line in self._chunks.feed(path, str(event.data.get("text", ""))):
                self._streamed(path, line)

    def _withdraws(self, event: Event, path: str, *_: object) -> None:
        if self._stream and not event.data.get("structured"):
            self._flush(path)
            self._streamed(path, WITHDRAWN)

    def _flush(self, path: str) -> None:
        for line in self._chunks.flush(path):
            self._streamed(path, line)

    def _streamed(self, path: str, line: str) -> None:
        self.write(f"         {self._console.styled(path + ' │', 'dim')} {neutral(line)}\n")


def _about(data: Mapping[str, Any], who: str | None) -> str:
    parts = [who] if who else []
    for key, word in (("items", "item"), ("branches", "branch")):
        if isinstance(data.get(key), list):
            count = len(data[key])
            parts.append(f"{count} {word if count == 1 else word + ('es' if word == 'branch' else 's')}")
    if isinstance(data.get("attempt"), int) and data["attempt"] > 1:
        parts.append(f"attempt {data['attempt']}")
    return f" ({', '.join(parts)})" if parts else ""


_TELLERS: dict[str, Callable[[Progress, Event, str, Spot | None], None]] = {
    "run.started": Progress._run,
    "run.resumed": Progress._run,
    "visit.started": Progress._begins,
    "visit.retry": Progress._retries,
    "visit.waiting": Progress._waits,
    "visit.answered": Progress._answered,
    "visit.completed": Progress._completes,
    "visit.skipped": Progress._skips,
    "visit.failed": Progress._fails,
    "visit.cancelled": Progress._cancels,
    "round.started": Progress._round,
    "text": Progress._text,
    "text.withdrawn": Progress._withdraws,
    **dict.fromkeys(STEPS, Progress._step),
}
