"""A thread with a connection of its own that keeps the leases of this process alive, and hears at once of what
others leave for them. It begins when a hold has lasted a moment: most commands are over before.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from magent.errors import StoreError
from magent.stores import postgres_link
from magent.stores.postgres_link import Place, psycopg

if TYPE_CHECKING:
    from psycopg import Connection

_FIRST = 0.25  # seconds until it begins
_PAUSE = 0.5  # seconds between two tries to connect
_DUE = "unnest(%(runs)s::bigint[], %(tokens)s::bigint[]) AS due (run, token)"
_BEAT = f"""
WITH free AS MATERIALIZED (
  SELECT run FROM lease JOIN {_DUE} USING (run, token) FOR NO KEY UPDATE OF lease SKIP LOCKED
)
UPDATE lease SET beat = clock_timestamp() FROM free WHERE lease.run = free.run
"""  # noqa: S608
"""One that is locked just now is being written to, which keeps it alive as well; nobody waits for somebody here who
may wait for another of them."""
_KEPT = f"SELECT run, token FROM lease JOIN {_DUE} USING (run, token)"  # noqa: S608
_NOTES = "SELECT run, name, body FROM note WHERE run = ANY(%(runs)s)"


class Watched(Protocol):
    """A hold, as it is kept alive."""

    number: int
    token: int

    def told(self, notes: Mapping[str, bytes]) -> None:
        """All that is left for it now; called in the thread."""
        ...

    def lost(self) -> None:
        """Its lease is another's."""
        ...


def channel(schema: str) -> str:
    return f"{schema}_note"


class Watch:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._holds: dict[tuple[int, int], Watched] = {}  # a run's may be there twice: who lost it, and the heir
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self.listens = False  # whether it hears just now
        self._ears: tuple[int, int] | None = None  # a pipe: what is written to it wakes the thread

    def add(self, hold: Watched) -> None:
        with self._guard:
            self._holds[hold.number, hold.token] = hold
            if self._thread is None:
                self._ears = os.pipe()
                self._thread = threading.Thread(target=self._live, args=(self._ears[0],), daemon=True)
                self._thread.name = "magent-watch"
                self._thread.start()

    def remove(self, hold: Watched) -> None:
        """With the last one the thread ends, which is waited for."""
        with self._guard:
            self._holds.pop((hold.number, hold.token), None)
            thread, ears = self._thread, self._ears
            if self._holds or thread is None or ears is None:
                return
            self._thread = self._ears = None
            os.close(ears[1])
        thread.join()
        os.close(ears[0])

    def look_now(self, number: int, notes: Mapping[str, bytes]) -> None:
        """Something was left by this very process, which need not wait for word of it."""
        with self._guard:
            holds = [hold for (run, _), hold in self._holds.items() if run == number]
        for hold in holds:
            hold.told(notes)

    def _live(self, ear: int) -> None:
        library = psycopg()
        pause = _FIRST
        while not _woken(ear, pause):
            with contextlib.suppress(library.Error, StoreError), self._connected() as connection:
                self._listen(connection, ear)
                return
            pause = _PAUSE

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection[Any]]:
        connection = postgres_link.connect(self._place)
        try:
            connection.execute("SELECT set_config('search_path', %s, false)", (self._place.schema,))
            connection.execute(f'LISTEN "{channel(self._place.schema)}"')
            self.listens = True
            yield connection
        finally:
            self.listens = False
            connection.close()

    def _listen(self, connection: Connection[Any], ear: int) -> None:
        """Until it is woken to end. Raises psycopg.Error."""
        while True:
            self._beat(connection)
            due = time.monotonic() + self._place.lease / 3
            while not self._is_told(connection):
                ready, _, _ = select.select([ear, connection.fileno()], [], [], max(0.0, due - time.monotonic()))
                if ear in ready:
                    return
                if not ready:
                    break

    def _is_told(self, connection: Connection[Any]) -> bool:
        """Whether there is word of one of our runs; that of others is passed over."""
        heard = {notice.payload for notice in connection.notifies(timeout=0)}
        with self._guard:
            return any(str(number) in heard for number, _ in self._holds)

    def _beat(self, connection: Connection[Any]) -> None:
        with self._guard:
            holds = dict(self._holds)
        values = {"runs": [run for run, _ in holds], "tokens": [token for _, token in holds]}
        connection.execute(_BEAT, values)
        kept = set(connection.execute(_KEPT, values))
        left: dict[int, dict[str, bytes]] = {run: {} for run, _ in holds}
        for run, name, body in connection.execute(_NOTES, {"runs": values["runs"]}):
            left[run][name] = body
        for key, hold in holds.items():
            if key in kept:
                hold.told(left[hold.number])
            else:
                hold.lost()


def _woken(ear: int, seconds: float) -> bool:
    return bool(select.select([ear], [], [], seconds)[0])
