"""The terminal as the live view uses it: lines that scroll away, and below them a region that is redrawn.

Between frames the cursor rests at the beginning of the region. So whatever a window does when its size changes, what
stands from the cursor to the end is ours; it is erased and drawn anew. A frame is one write.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
from collections.abc import Sequence
from typing import TextIO

_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # a terminal that knows it shows the frame as a whole
_HIDE, _SHOW = "\x1b[?25l", "\x1b[?25h"
_CUT, _WRAP = "\x1b[?7l", "\x1b[?7h"  # what does not fit after all is cut, and begins no new line
_ERASE_LINE, _ERASE_BELOW = "\x1b[K", "\x1b[J"


class Screen:
    """Where nothing can be written any more, `dead` is true and nothing is tried again. Raises nothing."""

    def __init__(self, stream: TextIO) -> None:
        self.dead = False
        self._stream = stream
        self._handle = _descriptor(stream)
        self._region: list[str] | None = []  # what stands there; None: unknown
        self._size = self.size
        self._hidden = False
        self._echoes = False  # the terminal showed what is typed, and is to do so again

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        try:
            columns, rows = os.get_terminal_size(self._handle)
        except (OSError, ValueError):
            columns = rows = 0
        return columns or 80, rows or 24

    @property
    def resized(self) -> bool:
        return self._size != self.size

    @property
    def in_front(self) -> bool:
        """Whether the terminal is ours: in the background, the shell draws on it."""
        try:
            return os.tcgetpgrp(self._handle) == os.getpgrp()
        except OSError:  # it controls no processes
            return True

    @property
    def ready(self) -> bool:
        """Whether it takes text now: Ctrl-S stops the screen, not the run."""
        try:
            return bool(select.select([], [self._handle], [], 0)[1])
        except (OSError, ValueError):
            return True

    def forget(self) -> None:
        """Somebody else may have written: what stands in the region is unknown."""
        if self._region != []:
            self._region = None

    def show(self, above: Sequence[str], region: Sequence[str]) -> None:
        """Puts lines above the region, and makes it look so."""
        if self.resized:
            self._size = self.size
            self.forget()
        if self._region is None or above:
            body = self._erase() + "".join(f"{line}\r\n" for line in above) + _whole(region)
        else:
            body = _difference(self._region, region)
        self._region = list(region)
        if body:
            self._write(_BEGIN + self._hide(bool(region)) + body + _END)

    def leave(self, above: Sequence[str] = ()) -> None:
        """Erases the region and gives the terminal back as it was, with the cursor at the beginning of a line."""
        if above or self._region != [] or self._hidden:
            self._write(self._erase() + "".join(f"{line}\r\n" for line in above) + (_SHOW if self._hidden else ""))
        self._region, self._hidden = [], False
        self._echo(True)

    def _erase(self) -> str:
        return "\r" + _ERASE_BELOW if self._region != [] else ""

    def _hide(self, wanted: bool) -> str:
        self._echo(not wanted)
        if wanted == self._hidden:
            return ""
        self._hidden = wanted
        return _HIDE if wanted else _SHOW

    def _echo(self, wanted: bool) -> None:
        """Keys that are typed while the region stands are not shown in its midst; whoever reads next gets them."""
        if self._handle < 0 or wanted != self._echoes or not self.in_front:
            return
        with contextlib.suppress(termios.error, OSError):
            attributes = termios.tcgetattr(self._handle)
            if not wanted and not attributes[3] & termios.ECHO:
                return
            attributes[3] = attributes[3] | termios.ECHO if wanted else attributes[3] & ~termios.ECHO
            termios.tcsetattr(self._handle, termios.TCSANOW, attributes)
            self._echoes = not wanted

    def _write(self, text: str) -> None:
        if self.dead:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BlockingIOError:  # somebody made the terminal one that does not wait
            self.forget()
        except (OSError, ValueError):  # it went away
            self.dead = True


def _descriptor(stream: TextIO) -> int:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return -1


def _whole(region: Sequence[str]) -> str:
    if not region:
        return ""
    return _CUT + "\r\n".join(region) + _WRAP + _up(len(region) - 1)


def _difference(old: Sequence[str], new: Sequence[str]) -> str:
    """From one region to another: lines that stay are not written."""
    parts: list[str] = []
    at = 0
    for place, line in enumerate(new):
        if place < len(old):
            if line == old[place]:
                continue
            parts.append(f"{_down(place - at)}{line}{_ERASE_LINE}")
        else:  # below the last one there may be no row yet
            parts.append((f"{_down(place - 1 - at)}\n" if place else "") + line)
        at = place
    if len(new) < len(old):
        parts.append(_down(len(new) - at) + _ERASE_BELOW)
        at = len(new)
    return _CUT + "".join(parts) + _WRAP + _up(at) if parts else ""


def _down(rows: int) -> str:
    return f"\x1b[{rows}B\r" if rows > 0 else "\r"


def _up(rows: int) -> str:
    return f"\x1b[{rows}A\r" if rows > 0 else "\r"
