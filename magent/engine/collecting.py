"""Python's collector while a run is driven.

A fold is thousands of objects that stay, and the collector would look through them again and again. What is not
needed any more is freed at once, by counting; only circles wait for the collector, and few are made.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 50_000  # new objects between two looks at the young ones; Python's own number is 700

_driven = 0  # runs that are driven now: the last to end puts back what the first has found
_before = gc.get_threshold()


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """As it was before, once the last of the runs that are driven at the same time has ended."""
    global _driven, _before
    if _driven == 0:
        _before = gc.get_threshold()
        if _before[0]:  # 0: whoever uses magent has turned it off
            gc.set_threshold(max(SELDOM, _before[0]), *_before[1:])
    _driven += 1
    try:
        yield
    finally:
        _driven -= 1
        if _driven == 0:
            gc.set_threshold(*_before)
