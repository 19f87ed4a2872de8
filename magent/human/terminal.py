"""Asks the person at the terminal: one question at a time, on stderr, while the rest of the run goes on."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from magent.answers import check_value
from magent.clock import Clock, iso
from magent.human import display, kinds, stage
from magent.human.drawn import Drawn
from magent.human.lines import Plain
from magent.human.prompts import Around, LeftOpen, Prompts, Stopped, say, window, wrapped
from magent.ports import Question


class Terminal:
    """A person at the terminal.

    Ctrl-C at a prompt calls `on_interrupt` and leaves this and all later questions unanswered; Ctrl-D leaves only this
    one. While a question is on the screen `busy` is true; nobody else may write to the terminal then. `on_busy` is
    called with True before a question is drawn, with False once it is gone and the cursor begins a clean line.
    """

    def __init__(self, clock: Clock, on_interrupt: Callable[[], None], *, color: bool = True) -> None:
        self.busy = False
        self.on_busy: Callable[[bool], None] = lambda _: None
        self._clock = clock
        self._on_interrupt = on_interrupt
        self._color = color
        self._prompts: Prompts | None = None
        self._preparing: threading.Thread | None = None
        self._turn = asyncio.Lock()
        self._behind = 0
        self._stopped = False

    def prepare(self) -> None:
        """A question will come: what drawing it takes is imported meanwhile."""
        if _draws():
            self._preparing = threading.Thread(target=_ready, daemon=True)
            self._preparing.start()

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        self._waits(1)
        try:
            await self._turn.acquire()
        finally:
            self._waits(-1)
        try:
            return None if self._stopped else await self._alone(question)
        finally:
            self._turn.release()

    def _waits(self, more: int) -> None:
        self._behind += more
        if self._prompts is not None:
            self._prompts.refresh()

    async def _alone(self, question: Question) -> Mapping[str, Any] | None:
        if self._preparing is not None:  # two threads that import one package find it half made
            await asyncio.to_thread(self._preparing.join)
        self._busy(True)
        try:
            return await self._ask(question)
        except (LeftOpen, OSError):  # end of input, or the terminal went away
            self._off_the_line()
            return None
        except Stopped:
            self._stopped = True
            self._on_interrupt()
            return None
        except asyncio.CancelledError as cancelled:
            self._off_the_line()
            with contextlib.suppress(OSError):
                text = f"'{question.path or question.node}' is no longer asked{self._reason(question, cancelled)}"
                say("".join(f"  {line}\n" for line in wrapped(text, window()[0] - 3)))
            raise
        finally:
            self._busy(False)

    def _off_the_line(self) -> None:
        """A prompt that is drawn is erased; one that is a plain line stays, with the cursor behind it."""
        if self._prompts is not None and not self._prompts.draws:
            with contextlib.suppress(OSError):
                say("\n")

    def _busy(self, busy: bool) -> None:
        self.busy = busy
        self.on_busy(busy)

    def _reason(self, question: Question, cancelled: asyncio.CancelledError) -> str:
        if cancelled.args and cancelled.args[0]:
            return f": {cancelled.args[0]}"
        late = question.deadline is not None and self._clock.now() >= question.deadline
        return ": its time is up" if late else ""

    async def _ask(self, question: Question) -> Mapping[str, Any]:
        prompts = self._prompts = self._prompts or (Drawn(color=self._color) if _draws() else Plain())
        shown = display.show(question, self._clock.now(), color=self._color, bounded=prompts.draws)
        say(shown.text)
        around = Around(
            now=self._clock.now,
            name=question.node,
            deadline=question.deadline,
            behind=lambda: self._behind,
            whole=shown.whole,
        )
        prompts.begin(around)
        answer = await kinds.ask(prompts, question)
        if around.comment:
            around.may_comment = False
            answer = await kinds.ask_comment(prompts, question, answer)
        return answer | {"via": "terminal", "by": _login(), "at": iso(self._clock.now())}


def _draws() -> bool:
    """Whether the terminal can move its cursor."""
    return os.environ.get("TERM", "").lower() not in ("", "dumb", "unknown")


def _ready() -> None:
    """Imports what a question takes, and does it once, so that the first question need not wait for it."""
    display.ready()
    stage.ready()
    check_value({"type": "integer"}, 1)


def _login() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name
        return None
