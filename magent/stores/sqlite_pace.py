"""When what was committed to an SQLite file goes from its WAL to the file itself, which is what people copy.

Only then the file changes, so only then a copy can be torn: half older than the other half. Where nobody writes it goes
there at once. Where writing never pauses it goes there seldom: the time in which a copy can be torn stays small against
the time in which it cannot. All processes that write to a file see the same, so they need not agree.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from magent.clock import SystemClock

QUIET = 0.05  # seconds without a commit after which nobody is at work
AT_LEAST = 1.0  # seconds between two times where somebody is
_BYTES = 10_000_000  # to be copied and to be moved, for each second between them: a 50th of what a disk does
LONGEST_WAL = 32_000_000  # bytes, as good as


class Turn(NamedTuple):
    """`wait`: seconds until it is time, or to look again; 0 is now. `shorten`: and the WAL has become too long."""

    wait: float
    shorten: bool = False


def turn(path: Path) -> Turn:
    """Raises OSError."""
    main, wal = os.stat(path), os.stat(f"{path}-wal")
    now = SystemClock().now()
    sizes = main.st_size + wal.st_size
    return decide(sizes, wal.st_size, since_moved=now - main.st_mtime, since_written=now - wal.st_mtime)


def written(path: Path) -> int:
    """When somebody last committed, in nanoseconds of the file system. Raises OSError."""
    return os.stat(f"{path}-wal").st_mtime_ns


def decide(sizes: int, wal: int, *, since_moved: float, since_written: float) -> Turn:
    """By the bytes of both files and of the WAL, and the seconds since each was changed, which are less than 0 where
    the clock was set back."""
    if wal > LONGEST_WAL:
        return Turn(0.0, shorten=True)
    if min(since_moved, since_written) < 0:
        return Turn(0.0)
    wait = min(QUIET - since_written, max(AT_LEAST, sizes / _BYTES) - since_moved)
    return Turn(max(0.0, wait))
