"""A sink that reads a run's spans from its events as they happen, and hands them to exporters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from magent.events import Event
from magent.model import Workflow
from magent.spans.reading import Reader
from magent.tracing.line import Line

Asked = Callable[[Event], tuple[Any, str | None] | None]
_LIFE_ENDS = ("run.waiting", "run.interrupted", "run.completed", "run.failed", "run.cancelled", "run.forked")


class Pipeline:
    """Fills `ports.Sink`. `asked` gives the prompt of the attempt that begins with an event, where that is wanted, and
    what the agent is told beside it. `close` comes last."""

    def __init__(self, workflow: Workflow, lines: Sequence[Line], asked: Asked | None = None) -> None:
        self._reader = Reader(workflow)
        self._asked = asked
        self._lines = lines
        self._fault = ""

    def prime(self, events: Iterable[Event]) -> None:
        """Takes in what earlier lives recorded. What was over only after the last of them had ended, such as a wait for
        a person, is handed on, and so is all of one that was killed: nobody knows what of it was sent."""
        for event in events:
            self._take(event)
            if event.type in _LIFE_ENDS:
                self._reader.drain()
        self._hand_on()

    def __call__(self, event: Event) -> None:
        if not event.seq or self._fault:
            return
        try:
            self._take(event)
        except Exception as error:  # noqa: BLE001 - a sink must not raise: the run goes on without being watched
            self._fault = f"event {event.seq} was not understood: {error!r}"
        self._hand_on()

    def _take(self, event: Event) -> None:
        self._reader.take(event)
        if self._asked is not None and (told := self._asked(event)) is not None:
            self._reader.asked(event, *told)

    def _hand_on(self) -> None:
        if spans := self._reader.drain():
            for line in self._lines:
                line.put(self._reader.trace, spans)

    def close(self, patience: float) -> list[str]:
        """Sends what is left, for so many seconds at most. Gives a line for each exporter that did not get it all."""
        until = time.monotonic() + patience
        faults = [(line, line.close(until)) for line in self._lines]
        told = [f"not all spans were sent to {line.name}: {fault}" for line, fault in faults if fault]
        return [*told, *([f"spans end before the run does: {self._fault}"] if self._fault else [])]
