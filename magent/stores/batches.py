"""One thread that writes to a database, and what it is handed: appends that come while it is at work are written
together, so that many runs share the cost of one commit; and what the stores of one process have in common.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakValueDictionary

Hold = TypeVar("Hold")
Found = TypeVar("Found")
Made = TypeVar("Made")
_SHORTEST, _LONGEST = 0.005, 0.5  # seconds until what was put off is tried again


async def settled(future: Future[Found]) -> Found:
    """What it comes to. Whoever gives up waiting for it does not take it back."""
    return await asyncio.shield(asyncio.wrap_future(future))


class Append(NamedTuple, Generic[Hold]):
    """Lines that go behind each other from number `first` on. Whoever writes them settles `done`."""

    hold: Hold
    first: int
    lines: Sequence[bytes]
    sync: bool
    done: Future[None]


class Batches(Generic[Hold]):
    """`write` gets what is to be written at once, and settles each; what it leaves open is settled here, unless it was
    put off. Whoever waits gets what it raises, be it a bug."""

    def __init__(self, write: Callable[[list[Append[Hold]]], None]) -> None:
        self._write = write
        self._pending: deque[Append[Hold]] = deque()
        self._put_off: list[Append[Hold]] = []
        self._pause = _SHORTEST
        self._thread = ThreadPoolExecutor(1, "magent-store")

    async def append(self, hold: Hold, first: int, lines: Sequence[bytes], *, sync: bool) -> None:
        """Raises StoreError."""
        done: Future[None] = Future()
        self._pending.append(Append(hold, first, lines, sync, done))
        self._thread.submit(self._flush)
        await settled(done)

    def put_off(self, append: Append[Hold]) -> None:
        """`write` could not write it just now: it comes again with what comes next, before that, or after a pause."""
        self._put_off.append(append)

    def _flush(self) -> None:
        batch, self._put_off = self._put_off, []
        while self._pending:
            batch.append(self._pending.popleft())
        if not batch:
            return  # another took them along
        try:
            self._write(batch)
        except BaseException as error:  # noqa: BLE001
            self._put_off = []
            for each in batch:
                if not each.done.done():
                    each.done.set_exception(error)
        open_still = {id(each) for each in self._put_off}
        for each in batch:
            if id(each) not in open_still and not each.done.done():
                each.done.set_result(None)
        self._pause = min(self._pause * 2, _LONGEST) if self._put_off else _SHORTEST
        if self._put_off:
            self.do_later(self._flush, self._pause)

    def do_later(self, job: Callable[[], None], pause: float) -> None:
        """Something, in its turn after so many seconds; not where the end comes first."""
        timer = threading.Timer(pause, self._submit, (job,))
        timer.daemon = True
        timer.start()

    def _submit(self, job: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended
            self._thread.submit(job)

    def do(self, job: Callable[[], Found]) -> Future[Found]:
        """Anything else, in its turn."""
        return self._thread.submit(job)

    def end(self, last: Callable[[], None]) -> Future[None]:
        """Does what was handed over, then `last`, and no more."""
        ending = self._thread.submit(last)
        self._thread.shutdown(wait=False)
        return ending


class Shared(Generic[Made]):
    """What is made for the first who uses it, and may be ended after the last."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make
        self._guard = threading.Lock()
        self._made: Made | None = None
        self._users = 0

    def use(self) -> Made:
        with self._guard:
            self._made = self._made or self._make()
            self._users += 1
            return self._made

    def leave(self) -> tuple[Made, bool]:
        """The opposite of `use`; whether that was the last who used it."""
        with self._guard:
            made = self._made
            assert made is not None
            self._users -= 1
            if not self._users:
                self._made = None
            return made, not self._users


_common: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()


def common(key: Hashable, make: Callable[[], Made]) -> Made:
    """What all in this process who name the same have together, for as long as anybody has it. A child that was forked
    has none of its parent's."""
    whose = (os.getpid(), key)
    found: Made | None = _common.get(whose)
    return _common.setdefault(whose, make()) if found is None else found
