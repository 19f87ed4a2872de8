"""How wide a text is in a picture, and what of it fits. Measured by DejaVu Sans, the widest of the usual sans-serifs:
what fits here fits in the others."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

# Hundredths of an em, from the blank to the tilde.
_ASCII = (
    32, 41, 46, 84, 64, 96, 78, 28, 40, 40, 50, 84, 32, 37, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
    84, 84, 54, 100, 69, 69, 70, 77, 64, 58, 78, 76, 30, 30, 66, 56, 87, 75, 79, 61, 79, 70, 64, 62, 74, 69, 99, 69, 62,
    69, 40, 34, 40, 84, 50, 50, 62, 64, 55, 64, 62, 36, 64, 64, 28, 28, 58, 28, 98, 64, 62, 64, 64, 42, 53, 40, 64, 60,
    82, 60, 60, 53, 64, 34, 64, 84,
)  # fmt: skip
_BOLD = 1.14
_ELLIPSIS = "…"


@lru_cache(maxsize=4096)
def _em(char: str) -> float:
    code = ord(char)
    if 32 <= code < 127:
        return _ASCII[code - 32] / 100
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0.0
    if unicodedata.east_asian_width(char) in "WF":
        return 1.4 if code > 0xFFFF else 1.05  # emoji are wider than ideographs in some fonts
    return 1.1 if unicodedata.category(char) in ("Lu", "So", "Sm") else 1.0


def length(text: str, size: float, *, bold: bool = False) -> float:
    """The width of a line, in the unit of the font's `size`."""
    return sum(map(_em, text)) * size * (_BOLD if bold else 1.0)


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """The text, or its beginning with an ellipsis, no wider than `width`."""
    if length(text, size, bold=bold) <= width:
        return text
    return _beginning(text, width / size / (_BOLD if bold else 1.0) - _em(_ELLIPSIS)).rstrip() + _ELLIPSIS


def _beginning(text: str, room: float) -> str:
    """As much of the text as fits into so many ems."""
    for at, char in enumerate(text):
        room -= _em(char)
        if room < 0:
            return text[:at]
    return text


def wrap(text: str, width: float, size: float, most: int) -> list[str]:
    """The text in at most so many lines, broken at blanks where there are some; the last one is cut."""
    lines: list[str] = []
    left = text
    while left and len(lines) < most - 1 and length(left, size) > width:
        whole = _beginning(left, width / size)
        head = whole if left[len(whole)] == " " else whole.rpartition(" ")[0]
        head = head if len(head) > len(whole) // 3 else whole
        if not head:
            break
        lines.append(head.rstrip())
        left = left[len(head) :].lstrip()
    return [*lines, fit(left, width, size)] if left else lines
