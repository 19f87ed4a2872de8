"""How much of the local model's file has arrived: a line of the live view in a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable

_STEPS = 4  # lines where nothing can be redrawn


class Download:
    """Is told, from a thread, how many bytes of how many are there; `total` may be 0 while nobody knows."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._told = -1

    def __call__(self, what: str, done: int, total: int) -> None:
        share = share_of(done, total)
        step = int(share * _STEPS)
        if step != self._told:
            self._told = step
            self._write(f"{what} {share:.0%}{size_of(total)}\n")


def share_of(done: int, total: int) -> float:
    return min(1.0, done / total) if total else 0.0


def size_of(total: int) -> str:
    return f" of {total / 1e6:.0f} MB" if total else ""
