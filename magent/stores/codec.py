"""How what a store keeps becomes bytes, and is read again. Every built-in store writes each byte that it keeps of a run
through a codec, and reads it the same way; where the bytes then stand (a file, a row) is the store's affair.

A `Codec` is called with a run's id, once each time that the run is taken up or read, and gives the `RunCodec` that all
of this run goes through. `plain` is what stores use where they are handed none. Another is handed over by
`stores.open_store(url, codec=…)`; `settings.open_store`, which every door and the API come through, is where to choose
it. It has to be cheap to make (a listing makes one a run) and safe to be used by several threads at once.

What is written by one codec another may have to read: a run begun before a key was given, a key that is missing now.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

from magent import events
from magent.events import Event

Kind = Literal["header", "workflow", "checkpoint", "result", "note"]


class Unsound(ValueError):
    """The bytes are no document as it was written."""


class RunCodec(Protocol):
    """How one run is written. What is damaged is a ValueError (`BadLine`, `Unsound`), which the store tells with its
    place. A StoreError goes up to the user as it is: no key, the wrong one."""

    def line(self, event: Event) -> bytes:
        """One line with its line feed, and no other line feed in it. Raises ValueError, TypeError (no JSON),
        MagentError (nested too deeply)."""
        ...

    def event(self, line: bytes) -> Event:
        """The inverse; the line feed may be missing. The line says its own `seq`, which must be as sure as the rest: a
        listing reads lines from the newest back, without their numbers; every other reader holds `seq` against the
        place. Raises BadLine, StoreError."""
        ...

    def encode(self, kind: Kind, data: Mapping[str, Any], seq: int = 0) -> bytes:
        """A whole document. `seq` is the number of a checkpoint's last event, 0 for all other kinds. Takes what `data`
        holds now. Raises ValueError, TypeError (no JSON)."""
        ...

    def decode(self, kind: Kind, data: bytes, seq: int = 0) -> dict[str, Any]:
        """The inverse, for the same kind and number. Raises Unsound, StoreError."""
        ...


Codec = Callable[[str], RunCodec]

dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


class Plain:
    """JSON in the clear. Events and checkpoints end with the CRC-32 of all before it, as their member `sum`; lone
    surrogates become the escapes that JSON knows."""

    def line(self, event: Event) -> bytes:
        return events.encode(event)

    def event(self, line: bytes) -> Event:
        return events.decode(line)

    def encode(self, kind: Kind, data: Mapping[str, Any], seq: int = 0) -> bytes:  # noqa: ARG002
        text = dumps(dict(data)).encode("utf-8", "backslashreplace")
        if kind != "checkpoint":
            return text + b"\n"
        body = text[:-1]
        return b'%b,"sum":"%08x"}\n' % (body, zlib.crc32(body))

    def decode(self, kind: Kind, data: bytes, seq: int = 0) -> dict[str, Any]:
        if kind != "checkpoint":
            return self._object(data)
        body, _, tail = data.rstrip(b"\n").rpartition(b',"sum":"')
        if tail != b'%08x"}' % zlib.crc32(body):
            raise Unsound("the checksum does not fit")
        found = self._object(body + b"}")
        if found.get("seq") != seq:
            raise Unsound("it is of another event")
        return found

    @staticmethod
    def _object(data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Unsound(str(error)) from error
        if not isinstance(found, dict):
            raise Unsound("it holds no object")
        return found


_PLAIN = Plain()


def plain(run_id: str) -> RunCodec:  # noqa: ARG001
    """What stores use unless they are handed another."""
    return _PLAIN
