"""A run as it is seen in a terminal: what is finished scrolls away as plain lines, what is at work stands below them.

Only this writes to the terminal while the run goes on; for a question to the person there it steps aside. It looks ten
times a second whether there is something to draw; the run waits for nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from magent.cli import paint
from magent.cli.beside import Beside, beside, piped, plain
from magent.cli.board import Board
from magent.cli.chunks import WITHDRAWN, Chunks
from magent.cli.console import Console
from magent.cli.download import share_of, size_of
from magent.cli.paint import Line, Window, bar, folded, render
from magent.cli.screen import Screen
from magent.cli.story import Story
from magent.engine.fold import Run
from magent.events import Event

PACE = 0.1  # seconds between two looks, and so between two frames at least
_LAST = ("run.completed", "run.failed", "run.waiting", "run.interrupted", "run.cancelled")


class Live:
    """A Sink. `text`: whether streamed text is shown; `tell_text`: for good, above the region; `everything`: also what
    is told together otherwise."""

    def __init__(
        self, console: Console, *, text: bool = True, everything: bool = False, tell_text: bool = False
    ) -> None:
        self._console = console
        self._screen = Screen(console.stream)
        self._encoding = _encoding(console.stream)
        self._board = Board()
        self._story = Story(everything=everything)
        self._shows_text = text and not tell_text
        self._chunks = Chunks() if tell_text else None
        self._above: deque[str] = deque()
        self._downloads: dict[str, tuple[float, str]] = {}
        self._beside: Beside | None = None
        self._aside = False  # a question is on the screen
        self._stopping = False
        self._changed = False
        self._second = 0
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self._caught: list[int] = []

    # ---- what it is told

    def watch(self, run: Run) -> None:
        """The run before this life of it begins."""
        self._board = Board.of(run)

    def stopping(self) -> None:
        """A signal was heard: what is at work is being ended, which may take a moment."""
        self._stopping = self._changed = True

    def attach(self, terminal: Any) -> None:
        """From now on `terminal` puts the questions."""
        self._story.asked_here = True
        terminal.on_busy = self.step_aside

    def __call__(self, event: Event) -> None:
        spot = self._board(event)
        self._changed = True
        if event.type == "text":
            self._stream(event)
            return
        if self._chunks is not None and spot is not None and event.type != "visit.started":
            self._tell_text(spot.path, self._chunks.flush(spot.path))
        if self._chunks is not None and event.type == "text.withdrawn" and not event.data.get("structured"):
            self._tell_text(str(event.data.get("path")), [WITHDRAWN])
        for line in self._story(event, spot):
            self._tell(line)
        if event.type in _LAST:
            self.end()
        elif self._timer is None and not self._over:
            self._begin()

    def _stream(self, event: Event) -> None:
        if self._chunks is not None and not event.data.get("structured"):
            path = str(event.data.get("path", ""))
            self._tell_text(path, self._chunks.feed(path, str(event.data.get("text", ""))))

    def _tell_text(self, path: str, lines: list[str]) -> None:
        for line in lines:
            self._tell([(f"  {path} │ ", "dim"), (plain(line), "dim")])

    def _tell(self, line: Line) -> None:
        window = self._window()
        self._above.extend(render(row, window, cut=False) for row in folded(line, window))

    def tell(self, text: str) -> None:
        """A line of somebody else's; from any thread."""
        self._above.append(text)
        self._changed = True

    def fetched(self, what: str, done: int, total: int) -> None:
        """How many bytes of something have arrived, of how many (0: nobody knows); from any thread."""
        share, size = share_of(done, total), size_of(total)
        if share < 1.0:
            self._downloads[what] = share, size
        elif self._downloads.pop(what, None):
            self._tell([("✔ ", "green"), (f"{what} 100%{size}", "")])
        self._changed = True

    # ---- when it draws

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Until the end of this, the terminal is the live view's; then it is as it was before."""
        stream = self._console.stream
        with beside(stream, self.tell) as self._beside:
            try:
                with piped(stream, self.tell) as sink, self._console.results_apart(sink):
                    yield
            finally:
                self._beside.finish()
                self.end()

    def step_aside(self, busy: bool) -> None:
        """For a question: nothing is drawn until it is gone."""
        if busy:
            self._pause()
        else:
            self._aside = False
            self._catch()
            self._changed = True

    def _pause(self) -> None:
        self._screen.leave(self._take())
        self._aside = True
        self._release()

    def _begin(self) -> None:
        self._catch()
        self._timer = asyncio.get_running_loop().call_later(PACE, self._look)

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(PACE, self._look)
        now = time.time()
        if self._aside or self._screen.dead or not self._screen.ready:
            return
        if self._changed or int(now) != self._second or self._screen.resized:
            self._second, self._changed = int(now), False
            self._screen.show(self._take(), self._region(now))

    def _region(self, now: float) -> list[str]:
        if not self._screen.in_front:
            return []
        window = self._window()
        notes = [bar(what, share, size, window) for what, (share, size) in list(self._downloads.items())]
        if self._beside is not None and self._beside.rest:
            notes.append([(plain(self._beside.rest), "")])
        return paint.paint(self._board, window, now, text=self._shows_text, notes=notes, stopping=self._stopping)

    def _window(self) -> Window:
        columns, rows = self._screen.size
        return Window(columns, rows, self._console.color, self._encoding)

    def _take(self) -> list[str]:
        """The lines that are to be told; others may add to them meanwhile."""
        return [self._above.popleft() for _ in range(len(self._above))]

    def end(self) -> None:
        """The terminal as it was, all told. Idempotent."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._release()
        if not self._aside:
            self._screen.leave(self._take())

    # ---- signals: only while the region stands

    def _catch(self) -> None:
        if self._over:
            return
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGTSTP: self._stop,
            signal.SIGCONT: self._screen.forget,
            signal.SIGQUIT: self._quit,
        }
        for number, handler in handlers.items():
            if signal.getsignal(number) == signal.SIG_IGN:
                continue
            with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread
                asyncio.get_running_loop().add_signal_handler(number, handler)
                self._caught.append(number)

    def _release(self) -> None:
        caught, self._caught = self._caught, []
        for number in caught:
            with contextlib.suppress(ValueError, RuntimeError):
                asyncio.get_running_loop().remove_signal_handler(number)

    def _stop(self) -> None:
        """Ctrl-Z: the shell finds its terminal as it was; `fg` goes on here."""
        self._screen.leave(self._take())
        self._release()
        os.kill(os.getpid(), signal.SIGTSTP)
        self._catch()
        self._changed = True

    def _quit(self) -> None:
        self._screen.leave()
        self._release()
        os.kill(os.getpid(), signal.SIGQUIT)


def _encoding(stream: TextIO) -> str | None:
    """What the terminal can show, where that is not all of Unicode."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower()
    return None if encoding.replace("-", "").replace("_", "") in ("utf8", "utf16", "utf32") else encoding


def fits(console: Console) -> bool:
    """Whether the terminal is one for a live view: it moves its cursor, and a person looks at it."""
    if os.environ.get("TERM", "").lower() in ("", "dumb", "unknown"):
        return False
    return console.terminal and os.environ.get("CI", "").lower() in ("", "0", "false")
