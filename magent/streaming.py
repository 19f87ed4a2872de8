"""The events of a run for a reader at its own pace: the run never waits for it. What streams while it looks away is
put together, so that text does not pile up piece by piece."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from magent.events import Event


class Pending:
    """A Sink, and what of it is not read yet. Pieces of one text with no other event in between are one."""

    def __init__(self) -> None:
        self._events: deque[Event | list[Event]] = deque()  # a list: the pieces of one text
        self._texts: dict[tuple[object, ...], list[Event]] = {}  # those that may still grow
        self._wake = asyncio.Event()
        self._over = False

    def __call__(self, event: Event) -> None:
        if event.type == "text":
            key = tuple(event.data.get(name) for name in ("path", "delegation", "structured"))
            if key in self._texts:
                self._texts[key].append(event)
                return
            pieces = self._texts[key] = [event]
            self._events.append(pieces)
        else:
            self._texts.clear()
            self._events.append(event)
        self._wake.set()

    def end(self) -> None:
        self._over = True
        self._wake.set()

    @property
    def unread(self) -> int:
        return len(self._events)

    async def read(self) -> AsyncIterator[Event]:
        """What there is and what comes, to the end."""
        while self._events or not self._over:
            while self._events:
                found = self._events.popleft()
                yield found if isinstance(found, Event) else self._joined(found)
            self._wake.clear()
            if not self._over:
                await self._wake.wait()

    def _joined(self, pieces: list[Event]) -> Event:
        self._texts = {key: other for key, other in self._texts.items() if other is not pieces}
        text = "".join(str(piece.data["text"]) for piece in pieces)
        return pieces[-1]._replace(data={**pieces[-1].data, "text": text})
