"""A real pseudo-terminal with a program in it, and a terminal emulator that says what its user sees."""

from __future__ import annotations

import itertools
import os
import re
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import pexpect
import pyte
import pytest

ROOT = Path(__file__).parent.parent
ENTER, TAB, ESC, SPACE, BACKSPACE = "\r", "\t", "\x1b", " ", "\x7f"
UP, DOWN, RIGHT, LEFT = "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D"
CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"
PATIENCE = 60.0  # seconds; a machine may be busy

VOLATILE: tuple[tuple[str, str], ...] = (
    (r"\b20\d{6}-\d{6}-[0-9a-f]{4}\b", "20260101-000000-0000"),  # ids of runs
    (r"\b20\d\d-\d\d-\d\d\b", "2026-01-01"),
    (r"\b\d\d:\d\d:\d\d(?:\.\d+)?Z?\b", "00:00:00"),
    (r"\b\d+\.\d+s\b", "0.00s"),
)
"""What differs from run to run, and what golden screens have in its place."""


def paste(text: str) -> str:
    """What a terminal sends when a person pastes, in bracketed paste mode."""
    return f"\x1b[200~{text}\x1b[201~"


class Spawned(pexpect.spawn):  # type: ignore[misc]
    """pexpect takes a child that wrote and ended between two looks at it for one that has nothing more to say."""

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> str:
        try:
            return str(super().read_nonblocking(size, timeout))
        except pexpect.EOF:
            if self.closed or not select.select([self.child_fd], [], [], 0)[0]:
                raise
            self.flag_eof = False
            return str(super(pexpect.spawn, self).read_nonblocking(size))


class Terminal:
    """A child in a pseudo-terminal of `rows` by `columns`, and its screen with what scrolled away above it.

    Use as a context manager: on the way out the child is ended if it still runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        term: str = "xterm-256color",
    ) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "TERM": term, **(env or {})}
        for name in ("NO_COLOR", "CI", "COLUMNS", "LINES"):
            if name not in (env or {}):
                environment.pop(name, None)
        self.raw = ""  # all that the child wrote
        self.screen = pyte.HistoryScreen(columns, rows, history=100_000, ratio=1)
        self._stream = pyte.Stream(self.screen)
        self._above: tuple[list[str], Any, Any, int] = ([], None, None, columns)
        self.child: Any = Spawned(
            command[0],
            list(command[1:]),
            env=environment,
            cwd=None if cwd is None else os.fspath(cwd),
            encoding="utf-8",
            codec_errors="replace",
            timeout=PATIENCE,
            dimensions=(rows, columns),
        )
        self.child.delaybeforesend = None
        self.child.ptyproc.delayafterclose = 0.0  # what has not ended by itself is told to

    @classmethod
    def magent(cls, *words: str, **options: Any) -> Terminal:
        """`magent WORDS…`."""
        return cls([sys.executable, "-m", "magent", *words], **options)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            self.child.close(force=True)
        except pexpect.ExceptionPexpect:  # killed, but this busy machine has not yet taken it away
            self.child.wait()

    # What is seen

    @property
    def lines(self) -> list[str]:
        """The lines on the screen, without blanks at their ends and without empty ones at the end."""
        return _trimmed(self.screen.display)

    @property
    def history(self) -> list[str]:
        """The lines that scrolled away, and those on the screen."""
        return _trimmed([*self._scrolled_away(), *self.screen.display])

    def _scrolled_away(self) -> list[str]:
        """Put together once a line: this is asked again and again while something is waited for."""
        top, columns = self.screen.history.top, self.screen.columns
        known, first, last, width = self._above
        same = known and len(known) <= len(top) and top[0] is first and top[len(known) - 1] is last
        if not same or columns != width:
            known = []
        known += ["".join(line[x].data for x in range(columns)) for line in itertools.islice(top, len(known), None)]
        self._above = (known, top[0], top[-1], columns) if top else ([], None, None, columns)
        return known

    @property
    def text(self) -> str:
        return "\n".join(self.history)

    # What is done

    def read(self, seconds: float = 0.05) -> bool:
        """Takes what the child has written, waiting a moment for it. False at the end of its output."""
        try:
            self._feed(self.child.read_nonblocking(65536, seconds))
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        return True

    def _feed(self, text: str) -> None:
        self.raw += text
        self._stream.feed(text)

    def wait(self, seen: str | Callable[[Terminal], bool], patience: float = PATIENCE) -> None:
        """Until the text is on the screen (or what scrolled off it), or the function of this says yes."""
        end = time.monotonic() + patience
        there = seen if callable(seen) else lambda terminal: seen in terminal.text
        alive = True
        while not there(self):
            if not alive or time.monotonic() > end:
                pytest.fail(f"{seen!r} was not seen; the screen shows:\n" + "\n".join(self.history))
            alive = self.read()

    def type(self, *steps: str | tuple[str, str]) -> None:
        """Sends keys; of a pair, waits for the first text to be seen before it sends the second."""
        for step in steps:
            expected, keys = step if isinstance(step, tuple) else ("", step)
            if expected:
                self.wait(expected)
            self.child.send(keys)

    def resize(self, columns: int, rows: int = 24) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def end(self) -> int:
        """Reads until the child ends. Returns its exit code, or minus the signal that ended it."""
        end = time.monotonic() + PATIENCE
        while self.read():
            if time.monotonic() > end:
                pytest.fail("the program does not end; the screen shows:\n" + "\n".join(self.history))
        self.child.wait()
        return int(self.child.exitstatus) if self.child.exitstatus is not None else -int(self.child.signalstatus)


def _trimmed(display: Sequence[str]) -> list[str]:
    lines = [line.rstrip() for line in display]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def steady(lines: Sequence[str]) -> str:
    """The lines as one text, with what differs from run to run made the same."""
    text = "\n".join(lines) + "\n"
    for pattern, replacement in VOLATILE:
        text = re.sub(pattern, replacement, text)
    return text


class Golden:
    """Screens that were looked at once and are to stay as they are: `tests/screens/<name>.txt`."""

    def __init__(self, update: bool) -> None:
        self._update = update

    def __call__(self, name: str, lines: Sequence[str]) -> None:
        """Compares; with `pytest --update-screens` writes them anew instead, to be looked at again."""
        file = self._file(name)
        shown = steady(lines)
        if self._update:
            file.parent.mkdir(exist_ok=True)
            file.write_text(shown, "utf-8")
        assert file.exists(), f"there is no screen '{name}': look at it, then keep it with --update-screens:\n{shown}"
        assert shown == file.read_text("utf-8")

    def drawn(self, name: str, terminal: Terminal, lines: Callable[[], Sequence[str]]) -> None:
        """The same of a program that still runs, and may be in the middle of drawing: until it is so."""
        end = time.monotonic() + (1.0 if self._update else PATIENCE)
        while self._update or steady(lines()) != self._file(name).read_text("utf-8"):
            if not terminal.read() or time.monotonic() > end:
                break
        self(name, lines())

    def _file(self, name: str) -> Path:
        return ROOT / "tests" / "screens" / f"{name}.txt"
