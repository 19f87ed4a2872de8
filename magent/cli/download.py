"""How much of the local model's file has arrived: a bar that redraws itself in a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable

_WIDTH = 30
_STEPS = 4  # lines where nothing can be redrawn


class Download:
    """Is told, from a thread, how many bytes of how many are there; `total` may be 0 while nobody knows."""

    def __init__(self, write: Callable[[str], None], terminal: bool) -> None:
        self._write = write
        self._terminal = terminal
        self._told = -1

    def __call__(self, what: str, done: int, total: int) -> None:
        share = min(1.0, done / total) if total else 0.0
        steps = 100 if self._terminal else _STEPS
        step = int(share * steps)
        if step != self._told:
            self._told = step
            self._write(_bar(what, share, total) if self._terminal else _line(what, share, total))


def _bar(what: str, share: float, total: int) -> str:
    full = round(share * _WIDTH)
    end = "\n" if share >= 1.0 else ""
    return f"\r{what} [{'#' * full}{'-' * (_WIDTH - full)}] {share:4.0%}{_of(total)}{end}"


def _line(what: str, share: float, total: int) -> str:
    return f"{what} {share:.0%}{_of(total)}\n"


def _of(total: int) -> str:
    return f" of {total / 1e6:.0f} MB" if total else ""
