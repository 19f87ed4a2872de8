"""What is typed, as it arrives: a terminal's input for prompt_toolkit, where a paste stays one piece.

A terminal in bracketed paste mode says where a paste begins and ends. From one that does not, a text with line ends
arrives as if each line were typed and entered; nobody types so fast, so such a text is marked as a paste here.
"""

from __future__ import annotations

import codecs
import os
import re
import select

_BEGIN, _END = "\x1b[200~", "\x1b[201~"
_LINES = re.compile(
    r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*[\r\n][\r\n]*[^\x00-\x1f\x7f][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*"
)
_PATIENCE = 0.01  # seconds between the pieces in which a terminal hands a long paste over
_BLOCK = 65536
_MOST = 8 * 1024 * 1024


class Reader:
    """Reads a terminal for prompt_toolkit; `closed` once there is nothing to be read any more."""

    def __init__(self, descriptor: int) -> None:
        self.closed = False
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._in_paste = False

    def read(self, count: int = _BLOCK) -> str:
        """What has arrived; empty where nothing has."""
        text = self._take(0.0, count)
        if len(text) > 1 and not self._in_paste and _BEGIN not in text and ("\r" in text or "\n" in text):
            while len(text) < _MOST and (more := self._take(_PATIENCE, _BLOCK)):
                text += more
            if _LINES.fullmatch(text):
                return f"{_BEGIN}{text}{_END}"
        if _BEGIN in text or _END in text:
            self._in_paste = text.rfind(_BEGIN) > text.rfind(_END)
        return text

    def _take(self, patience: float, count: int) -> str:
        try:
            if self.closed or not select.select([self._descriptor], [], [], patience)[0]:
                return ""
            data = os.read(self._descriptor, count)
        except (OSError, ValueError):  # the terminal went away
            data = b""
        self.closed = not data
        return self._decoder.decode(data)
