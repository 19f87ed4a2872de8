"""One exporter, behind a queue of bounded length and a thread that does not outlive the process."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

from magent.ports import Exporter
from magent.spans.ids import Trace
from magent.spans.span import Span

T = TypeVar("T")
MOST = 20_000  # spans that wait
BATCH = 512
_LOOK = 0.05  # seconds between two looks how it fares, at the end
EVERY = 1.0  # seconds for which spans are gathered


@runtime_checkable
class Troubled(Protocol):
    """An exporter that tries again where it may be of use, and can be asked how it fares meanwhile."""

    def trouble(self) -> str:
        """Why it is trying again; "" where it is not."""
        ...

    def give_up(self) -> None:
        """In any thread: it tries no more."""
        ...


class Line:
    """`make` is called in the thread, and may take its time. `close` says what became of it all."""

    def __init__(self, name: str, make: Callable[[], Exporter]) -> None:
        self.name = name
        self._make = make
        self._waiting: deque[tuple[Trace, Span]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._lost = 0
        self._fault = ""
        self._exporter: Exporter | None = None
        self._thread = threading.Thread(target=self._work, name=f"magent {name}", daemon=True)
        self._thread.start()

    def put(self, trace: Trace, spans: Sequence[Span]) -> None:
        """Never waits: what there is no room for is lost."""
        room = MOST - len(self._waiting)
        self._waiting.extend((trace, span) for span in spans[:room])
        self._lost += max(0, len(spans) - room)
        if len(self._waiting) >= BATCH:
            self._wake.set()

    def close(self, until: float) -> str | None:
        """Waits for the rest to be sent, but no longer than until that second of `time.monotonic`. Gives why not all
        was sent, if that is so."""
        self._closing = True
        self._wake.set()
        while self._thread.is_alive() and (left := until - time.monotonic()) > 0:
            self._thread.join(min(left, _LOOK))
            if trouble := self._trouble():
                self._fault = self._fault or trouble
                break
        fault = self._fault
        if self._thread.is_alive():
            fault = fault or "it did not answer in time"
        if self._lost and not fault:
            fault = "they came faster than it took them"
        return fault or None

    def _trouble(self) -> str:
        """Nobody waits for a collector that has to be tried again and again."""
        exporter = self._exporter
        if not isinstance(exporter, Troubled) or not (trouble := exporter.trouble()):
            return ""
        exporter.give_up()
        return trouble

    # ---- in the thread

    def _work(self) -> None:
        exporter = self._exporter = self._guarded(self._make)
        while not self._closing:
            self._wake.wait(EVERY)
            self._wake.clear()
            self._send(exporter)
        self._send(exporter)
        if exporter is not None:
            self._guarded(exporter.close)

    def _send(self, exporter: Exporter | None) -> None:
        while self._waiting and exporter is not None:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            by_trace: dict[Trace, list[Span]] = {}
            for trace, span in batch:
                by_trace.setdefault(trace, []).append(span)
            for trace, spans in by_trace.items():
                self._guarded(partial(exporter.export, trace, spans))

    def _guarded(self, function: Callable[[], T]) -> T | None:
        try:
            return function()
        except Exception as error:  # noqa: BLE001 - whoever receives spans may fail as they like: the run goes on
            self._fault = self._fault or str(error) or type(error).__name__
            return None
