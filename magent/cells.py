"""How many columns of a terminal a text takes: two for a wide character, none for a combining one."""

from __future__ import annotations

import os


def width(text: str) -> int:
    """The columns of a text that holds nothing a terminal obeys."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth

    return max(0, wcswidth(text))


def cut(text: str, columns: int, *, mark: str = "…") -> str:
    """The text, or, where it is wider than `columns`, its beginning and `mark`, together no wider."""
    if (len(text) <= columns and text.isascii()) or width(text) <= columns:
        return text
    left = columns - width(mark)
    if left < 0:
        return ""
    kept, taken = "", 0
    for character in text:
        wide = width(kept + character) - taken if not character.isascii() else 1
        if taken + wide > left:
            break
        kept += character
        taken += wide
    return kept + mark


def is_ascii_locale() -> bool:
    """Whether the locale was said to be one without Unicode, whatever Python makes of it for itself."""
    coerced = os.environ.get("LC_CTYPE", "").replace("C.UTF-8", "")  # Python's own doing, where LANG is C
    return (os.environ.get("LC_ALL") or coerced or os.environ.get("LANG")) in ("C", "POSIX")


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text with blanks behind it (with `right`, before it), `columns` wide at least."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks
