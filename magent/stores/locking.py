"""One process at a time holds a run: `flock` on a file in its directory.

The kernel lets go when the holder ends, however it ends. The file's content only tells people who it is.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import time
from pathlib import Path

from magent.errors import RunLocked
from magent.stores import holders

_TRIES = 50
_PAUSE = 0.005
_holds: set[Hold] = set()


class Hold:
    """A lock that was taken, until `release`, which is idempotent."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        _close_in_children()
        _holds.add(self)

    def release(self) -> None:
        if self in _holds:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            self.forget()

    def forget(self) -> None:
        """Closes the file without unlocking it, for whoever else has it."""
        _holds.discard(self)
        os.close(self._handle)


@functools.cache
def _close_in_children() -> None:
    """A forked worker that outlives a killed magent must not go on holding its runs."""
    os.register_at_fork(after_in_child=_forget_all)


def _forget_all() -> None:
    for hold in tuple(_holds):
        hold.forget()


def take(path: Path, run_id: str) -> Hold:
    """Holds the run whose lock file this is. Raises RunLocked, OSError (FileNotFoundError: the run went meanwhile)."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        _lock(handle, run_id)
        _still_there(path, handle)
        _sign(handle)
    except BaseException:
        os.close(handle)
        raise
    return Hold(handle)


def _lock(handle: int, run_id: str) -> None:
    # A listing that looks (see `held`) has the lock for some microseconds, a process that was just killed for a while.
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return
    raise RunLocked(run_id, _holder(handle))


def _still_there(path: Path, handle: int) -> None:
    """Whoever had the lock before may have removed the run. Raises FileNotFoundError."""
    if os.lstat(path).st_ino != os.fstat(handle).st_ino:
        raise FileNotFoundError(path)


def _sign(handle: int) -> None:
    text = json.dumps(holders.me()).encode() + b"\n"
    with contextlib.suppress(OSError):  # on a full disk the lock is as good without a name
        os.pwrite(handle, text, 0)
        os.ftruncate(handle, len(text))


def _holder(handle: int) -> str:
    try:
        return holders.said(json.loads(os.pread(handle, 4096, 0)))
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def held(path: Path | str) -> bool:
    """Whether some process, this one included, holds the run just now."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False
