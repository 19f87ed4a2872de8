"""One input under watch."""

from __future__ import annotations

import faulthandler
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tests.fuzz.every import TARGETS
from tests.watched import Watch

SLOW = 3.0  # seconds of the processor
HANGS = 20  # seconds of the processor: a machine that is busy with something else is no hang
WAITS = 200  # seconds of the clock


class Hangs(BaseException):
    """An input took far too long; not to be caught by what is looked for."""


@dataclass(frozen=True)
class Finding:
    """`place` tells findings apart: the same fault found by many inputs is one."""

    place: str
    said: str


class Checker:
    """Feeds a target. Where nothing is to be written, whatever is written is a finding; `scratch` is where it may."""

    def __init__(self, scratch: str) -> None:
        self.watch = Watch(scratch, scratch)

    def check(self, target: str, data: bytes) -> Finding | None:
        feed = TARGETS[target].feed
        self.watch.tried, self.watch.on = [], True
        began = time.process_time()
        try:
            with _alarm():
                feed(data)
        except (Exception, Hangs) as error:  # noqa: BLE001 - that is what is looked for
            told = traceback.format_exception(error)
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if "/magent/" in frame.filename] or frames
            place = f"{type(error).__name__} at {own[-1].filename.rpartition('/magent/')[2]}:{own[-1].lineno}"
            if isinstance(error, AssertionError):  # of the target itself, which says where
                place = f"{error!s:.60}"
            return Finding(place, "".join(told[-12:]))
        finally:
            self.watch.on = False
        if (spent := time.process_time() - began) > SLOW:
            return Finding("slow", f"{spent:.1f} seconds")
        if self.watch.tried:
            return Finding(f"tried {self.watch.tried[0].partition(' ')[0]}", "\n".join(self.watch.tried))
        return None


@contextmanager
def _alarm() -> Iterator[None]:
    """Ends what hangs; where even that does not help, tells where it hangs and ends the process."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Hangs(f"it takes longer than {HANGS} seconds")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, HANGS)
    faulthandler.dump_traceback_later(WAITS, exit=True)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, before)
