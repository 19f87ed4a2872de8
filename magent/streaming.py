"""The events of a run for a reader at its own pace: the run never waits for it. What streams while it looks away is
put together, so that text does not pile up piece by piece."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable

from magent.events import Event


class Backlog:
    """What is not read yet. Pieces of one text with no other event in between are one. For one who puts and one who
    takes, also of another thread."""

    def __init__(self) -> None:
        self._events: deque[Event | list[Event]] = deque()  # a list: the pieces of one text
        self._texts: dict[tuple[object, ...], list[Event]] = {}  # those that may still grow
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        with self._lock:
            if event.type != "text":
                self._texts.clear()
                self._events.append(event)
                return
            key = tuple(event.data.get(name) for name in ("path", "delegation", "structured"))
            if key in self._texts:
                self._texts[key].append(event)
            else:
                pieces = self._texts[key] = [event]
                self._events.append(pieces)

    def take(self) -> Event | None:
        """The oldest; None where there is none."""
        with self._lock:
            if not self._events:
                return None
            found = self._events.popleft()
            if isinstance(found, Event):
                return found
            self._texts = {key: other for key, other in self._texts.items() if other is not found}
        text = "".join(str(piece.data["text"]) for piece in found)
        return found[-1]._replace(data={**found[-1].data, "text": text})

    def __len__(self) -> int:
        return len(self._events)


class Pending:
    """A Sink that is read from in the same loop."""

    def __init__(self) -> None:
        self._backlog = Backlog()
        self._wake = asyncio.Event()
        self._over = False

    def __call__(self, event: Event) -> None:
        self._backlog.put(event)
        self._wake.set()

    def end(self) -> None:
        self._over = True
        self._wake.set()

    @property
    def unread(self) -> int:
        return len(self._backlog)

    async def read(self) -> AsyncIterator[Event]:
        """What there is and what comes, to the end."""
        while len(self._backlog) or not self._over:
            while (event := self._backlog.take()) is not None:
                yield event
            self._wake.clear()
            if not self._over:
                await self._wake.wait()


class Writer:
    """A Sink that hands events to `write` in a thread of its own, which may be held up."""

    def __init__(self, write: Callable[[Event], None]) -> None:
        self._write = write
        self._backlog = Backlog()
        self._news = threading.Event()
        self._over = False
        self._thread: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        self._backlog.put(event)
        self._news.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="magent-writer", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Returns when all is written."""
        self._over = True
        self._news.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            self._news.wait()
            self._news.clear()
            over = self._over  # what was put before it was set is taken below
            while (event := self._backlog.take()) is not None:
                self._write(event)
            if over:
                return
