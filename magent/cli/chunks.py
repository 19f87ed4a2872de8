"""Streamed text, as lines."""

from __future__ import annotations

TEXT_WIDTH = 100
WITHDRAWN = "(withdrawn: what stands above is no answer)"


class Chunks:
    """Text that streams from several visits, as lines of each; long ones are broken before they end."""

    def __init__(self) -> None:
        self._partial: dict[str, str] = {}

    def feed(self, path: str, text: str) -> list[str]:
        *lines, rest = (self._partial.pop(path, "") + text).split("\n")
        while len(rest) > TEXT_WIDTH:
            cut = rest.rfind(" ", 1, TEXT_WIDTH) + 1 or TEXT_WIDTH
            lines.append(rest[:cut])
            rest = rest[cut:]
        if rest:
            self._partial[path] = rest
        return lines

    def flush(self, path: str) -> list[str]:
        rest = self._partial.pop(path, "")
        return [rest] if rest else []
