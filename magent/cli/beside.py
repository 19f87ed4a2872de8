"""What others in the process print while a run is shown: Python functions, warnings, logging."""

from __future__ import annotations

import codecs
import io
import os
import re
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from magent.cli.console import neutral
from magent.hiding import MaskedText
from magent.keys import GUARD

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_LONGEST = 4096  # characters of a line that does not end
_BLOCK = 65536
_LAST_BLOCKS = 16  # that are read once nobody here writes any more


class Beside(io.RawIOBase):
    """Hands whole lines to `tell`; the one that is not finished is `rest`. What a carriage return goes back over is
    gone, as it would be on the screen; colours and cursor movements are dropped."""

    def __init__(self, real: TextIO, tell: Callable[[str], None]) -> None:
        self.rest = ""
        self._real = real
        self._tell = tell
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._real.fileno()

    def write(self, data: Any) -> int:
        *lines, self.rest = (self.rest + self._decoder.decode(bytes(data))).split("\n")
        for line in lines:
            self._tell(plain(line))
        self.rest = self.rest[self.rest.rfind("\r", 0, -1) + 1 :]
        if len(self.rest) > _LONGEST:
            self.finish()
        return len(data)

    def finish(self) -> None:
        """What is not finished is told as it is."""
        rest, self.rest = plain(self.rest), ""
        if rest:
            self._tell(rest)


def plain(line: str) -> str:
    """The line as a terminal would show it in the end, without colours and secrets."""
    return neutral(GUARD.hide(_SEQUENCE.sub("", line.rstrip("\r").rpartition("\r")[2])))


@contextmanager
def piped(real: TextIO, tell: Callable[[str], None]) -> Iterator[int]:
    """A descriptor: what is written there, by anyone who inherits it too, goes to `tell`, line by line."""
    (source, sink), (over, end) = os.pipe(), os.pipe()  # a child that lives on may hold `sink`: it tells no end
    raw = Beside(real, tell)

    def read() -> None:
        left = _LAST_BLOCKS
        while left and source in (ready := select.select([source, over], [], [])[0]):
            raw.write(os.read(source, _BLOCK))
            left -= over in ready
        raw.finish()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield sink
    finally:
        os.close(end)
        reader.join()
        for descriptor in (sink, source, over):
            os.close(descriptor)


@contextmanager
def beside(real: TextIO, tell: Callable[[str], None]) -> Iterator[Beside]:
    """What is printed meanwhile, on stdout or stderr, goes to `tell`, line by line."""
    raw = Beside(real, tell)
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[type-var]
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = stream
    try:
        yield raw
    finally:
        sys.stdout, sys.stderr = before
        raw.finish()


class Guarded(io.TextIOBase):
    """A stream whose writers may print secrets: those do not get through, also where they come in pieces. Lines are
    written whole, or as far as they are when they are flushed: others write there, too."""

    def __init__(self, real: TextIO) -> None:
        self._real = real
        self._words = GUARD.words()
        self._text = MaskedText(self._words)
        self._line = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._real.encoding

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._real.isatty()

    def fileno(self) -> int:
        return self._real.fileno()

    def write(self, text: str) -> int:
        if self._words is not GUARD.words():  # another workflow was read meanwhile
            self._line += self._text.end()
            self._words = GUARD.words()
            self._text = MaskedText(self._words)
        whole, end, self._line = (self._line + self._text.add(text)).rpartition("\n")
        if whole or end:
            self._real.write(whole + end)
        if len(self._line) > _LONGEST:
            self.flush()
        return len(text)

    def flush(self) -> None:
        line, self._line = self._line, ""
        self._real.write(line)
        self._real.flush()

    def close(self) -> None:
        """The stream behind is not ours, and may be gone when nobody holds this one any more."""

    def finish(self) -> None:
        self._line += self._text.end()
        self.flush()


@contextmanager
def guarded(real: TextIO) -> Iterator[None]:
    """What is printed meanwhile, on stdout or stderr, goes to `real`, without secrets."""
    stream = Guarded(real)
    before = sys.stdout, sys.stderr
    sys.stdout = sys.stderr = stream
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        stream.finish()
