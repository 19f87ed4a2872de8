"""What a prompt is, however it is drawn, and what is known of the terminal that it is drawn on."""

from __future__ import annotations

import os
import re
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from magent import cells

Check = Callable[[str], str | None]
"""Says what is wrong with a text that was typed, or None."""
Option = tuple[str, Any]
"""(label, value)"""

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class LeftOpen(Exception):
    """End of input (Ctrl-D): the question stays unanswered."""


class Stopped(Exception):
    """Ctrl-C: the person stops the run."""


@dataclass
class Around:
    """What stands beside every prompt of one question.

    `now` gives seconds since 1970, as `deadline` is; `behind` counts the questions that wait for this one. `name` is a
    word for files; `whole` the text to look through where only a part of it was shown. `comment` turns true where the
    person wants to say something beside the answer, which `may_comment` allows.
    """

    now: Callable[[], float]
    name: str = "text"
    deadline: float | None = None
    behind: Callable[[], int] = lambda: 0
    whole: str | None = None
    comment: bool = False
    may_comment: bool = True


class Prompts(Protocol):
    """Each returns what was entered, or raises LeftOpen or Stopped, or OSError where the terminal is gone.

    `about` is what a person should know beside the message.
    """

    draws: bool  # whether it knows keys that show more than the first part of a long text

    def begin(self, around: Around) -> None:
        """A new question: from now on its surroundings are these. What was typed before answers nothing."""
        ...

    def refresh(self) -> None:
        """The surroundings have changed."""
        ...

    async def line(
        self,
        message: str,
        *,
        about: str = "",
        default: str = "",
        check: Check,
        multiline: bool = False,
        edits: str | None = None,
    ) -> str:
        """A text; nothing entered means `default`. `edits`: the editor may take it over, as a file that ends so."""
        ...

    async def yes_no(self, message: str, default: bool | None, *, about: str = "") -> bool:
        """Without a default nothing is taken for an answer but yes or no."""
        ...

    async def number(self, message: str, scale: tuple[int, int], default: int | None) -> int: ...

    async def choose(
        self,
        message: str,
        options: Sequence[Option],
        default: int | None,
        *,
        about: str = "",
        keys: Mapping[str, tuple[str, Any]] = {},
    ) -> Any:
        """The value of one option. `keys`: a key, its word in the toolbar, and the value that it chooses at once."""
        ...

    async def choose_many(
        self,
        message: str,
        options: Sequence[Option],
        chosen: Sequence[int],
        *,
        about: str = "",
        check: Callable[[list[Any]], str | None] = lambda _: None,
    ) -> list[Any]: ...

    async def edit(self, text: str, ending: str, check: Check) -> str:
        """The text as the person edited it, in the editor or, where there is none, here."""
        ...


# Text that only is read


def printable(text: str) -> str:
    """The text without what would steer a terminal or reorder what is read."""
    return _UNPRINTABLE.sub("�", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def wrapped(text: str, columns: int) -> list[str]:
    """The text as lines of at most so many columns, broken between words where that can be."""
    lines = [""]
    for word in one_line(text).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if cells.width(longer) <= columns:
            lines[-1] = longer
            continue
        lines += [] if lines == [""] else [""]
        for character in word:
            if cells.width(lines[-1] + character) > columns:
                lines.append("")
            lines[-1] += character
    return lines


# The terminal


def is_terminal() -> bool:
    """Whether somebody can be asked: stdin and stderr are terminals, and this process is in the foreground."""
    try:
        if not (sys.stdin.isatty() and sys.stderr.isatty() and sys.__stderr__ and sys.__stderr__.isatty()):
            return False
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):  # closed, replaced or missing streams; no controlling terminal
        return False


def window() -> tuple[int, int]:
    """Columns and rows."""
    try:
        columns, rows = os.get_terminal_size(2)
    except OSError:
        columns = rows = 0
    return columns or 80, rows or 24


def is_unicode() -> bool:
    """Whether the terminal shows more than ASCII, as far as stderr's encoding and the locale say."""
    encoding = (getattr(sys.__stderr__, "encoding", None) or "ascii").lower().replace("-", "")
    return encoding.startswith("utf") and not cells.is_ascii_locale()


_SIGNS = {"…": "...", "•": "*", "─": "-", "━": "=", "│": "|", "▌": "|", "·": "-", "»": ">", "✔": "+", "●": "#"}
_SIGNS |= {"○": ".", "−": "-", "–": "-", "—": "-", "’": "'", "“": '"', "”": '"', "�": "?", "↑↓": "Up/Down"}
_SIGNS |= {"←→": "Left/Right"}


def shown(text: str) -> str:
    """The text as this terminal can show it: without Unicode, our own signs as ASCII has them, the rest escaped."""
    if is_unicode():
        return text
    encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
    for sign, plain in _SIGNS.items():
        text = text.replace(sign, plain)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def say(text: str) -> None:
    """Writes to the terminal. Raises OSError where it is gone."""
    stream = sys.__stderr__
    if stream is not None:
        stream.write(shown(text))
        stream.flush()


def forget_input() -> None:
    """Drops what was typed and not yet read."""
    try:
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except (OSError, ValueError, termios.error):
        return  # not a terminal after all: there is nothing to drop
