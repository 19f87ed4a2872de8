"""How what a store keeps becomes bytes, and is read again. Every built-in store writes each byte that it keeps of a run
through a codec, and reads it the same way; where the bytes then stand (a file, a row) is the store's affair.

A `Codec` is called with a run's id, once each time that the run is taken up or read, and gives the `RunCodec` that all
of this run goes through. The run's header goes first, in or out: it may say how the rest is to be read. `plain` is what
stores use where they are handed none. Another is handed over by `stores.open_store(url, codec=…)`;
`settings.open_store`, which every door and the API come through, is where it is chosen. It has to be cheap to make (a
listing makes one a run) and safe to be used by several threads at once.

What is written by one codec another may have to read: a run begun before a key was given, a key that is missing now.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal, Protocol

from magent import events
from magent.errors import RunSealed, StoreError, UsageError
from magent.events import BadLine, Event
from magent.shapes import HEADER, misfit

SEALED = b"magent-sealed "  # how a document begins that was written under a key, and what no JSON begins with
SEALED_LINE = b"~"
NO_KEY = "say which variable holds the key: `encryption: {key_env: NAME}` in .magent.yaml, or MAGENT_ENCRYPTION_KEY_ENV"
Kind = Literal["header", "workflow", "checkpoint", "result", "note"]


class Unsound(ValueError):
    """The bytes are no document as it was written."""


def check_sealed(run_id: str, unsealed: bool) -> None:
    """Raises StoreError: under a key nothing comes of what anybody may have written, until it is sealed by a copy."""
    if unsealed:
        raise StoreError(
            f"run {run_id} was begun in the clear, and is not gone on with while there is a key",
            f"seal it by a copy: magent runs copy {run_id} --to URL",
        )


class RunCodec(Protocol):
    """How one run is written. What is damaged is a ValueError (`BadLine`, `Unsound`), which the store tells with its
    place. A StoreError goes up to the user as it is: no key, the wrong one."""

    def line(self, event: Event, before: bytes = b"") -> bytes:
        """One line with its line feed, and no other line feed in it. `before` is the line before it, b"" for the first.
        Raises ValueError, TypeError (no JSON), MagentError (nested too deeply)."""
        ...

    def event(self, line: bytes, before: bytes | None = None) -> Event:
        """The inverse; line feeds may be missing; None where the line before is not known. The line says its own `seq`,
        which must be as sure as the rest: a listing reads lines from the newest back, without their numbers; every
        other reader holds `seq` against the place. Raises BadLine, StoreError."""
        ...

    def encode(self, kind: Kind, data: Mapping[str, Any], seq: int = 0, line: bytes = b"") -> bytes:
        """A whole document. `seq` and `line` are the last event of a checkpoint or a result (b"": it is not at hand);
        `seq` is the `number_of` a note's name, and 0 for all other kinds. Takes what `data` holds now. Raises
        ValueError, TypeError (no JSON)."""
        ...

    def decode(self, kind: Kind, data: bytes, seq: int | None = 0) -> dict[str, Any]:
        """The inverse, for the same kind and number (None: whatever it is). A header is `ports.Unsealed` where it is in
        the clear though a key is given: it goes into the `Record` as it is. Raises Unsound, StoreError."""
        ...

    @property
    def pins(self) -> bool:
        """Whether checkpoints and results say, such that nobody can change it, after which event they were written: a
        record that ends before it has lost its end."""
        ...

    def pinned(self, data: bytes) -> int:
        """The number of that event, of a document that was decoded before."""
        ...

    def fits(self, data: bytes, line: bytes) -> bool:
        """Whether the document was written when this line was the last, as far as it says."""
        ...

    @property
    def unsealed(self) -> bool:
        """Whether the run, whose header was read, is in the clear though a key is given."""
        ...

    def check_writable(self) -> None:
        """Raises StoreError where nothing more may be written of this run, which was read."""
        ...


Codec = Callable[[str], RunCodec]


def sound(kind: Kind, found: dict[str, Any]) -> dict[str, Any]:
    """A document that was decoded, as far as its readers rely on what it holds. Raises Unsound."""
    if kind == "header" and (wrong := misfit(found, HEADER)):
        raise Unsound(wrong)
    return found


def number_of(name: str) -> int:
    """Of a note, which has no other."""
    return int.from_bytes(sha256(name.encode()).digest()[:8])


dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def picked(codec: RunCodec, lines: Sequence[bytes], types: Collection[str], having: str) -> list[Event]:
    """The events of these types, if one of them has the member `having`. What is in the clear is read only where it may
    be such a one. Raises BadLine, StoreError."""
    if isinstance(codec, Plain):
        member = f'"{having}":'.encode()
        if not any(member in line for line in lines):
            return []
        marks = [f'"type":"{kind}"'.encode() for kind in types]
        lines = [line for line in lines if any(mark in line for mark in marks)]
    found = [event for event in map(codec.event, lines) if event.type in types]
    return found if any(having in event.data for event in found) else []


def gathered(run_ids: Sequence[str], read: Callable[[str], Sequence[Event]]) -> dict[str, Sequence[Event] | StoreError]:
    """What `ports.RunStore.events` returns, by a function that reads one run."""
    found: dict[str, Sequence[Event] | StoreError] = {}
    for run_id in run_ids:
        try:
            if events := read(run_id):
                found[run_id] = events
        except UsageError:  # it is not there
            continue
        except StoreError as error:
            found[run_id] = error
    return found


_SUM = b',"sum":"'
_SUMMED = re.compile(rb'[0-9a-f]{8}"}')


class Plain:
    """JSON in the clear, which ends with the CRC-32 of all before it, as the member `sum`; whole documents that have
    none, as older ones do, are taken as they are. Lone surrogates become the escapes that JSON knows."""

    def line(self, event: Event, before: bytes = b"") -> bytes:  # noqa: ARG002
        return events.encode(event)

    def event(self, line: bytes, before: bytes | None = None) -> Event:  # noqa: ARG002
        if line.startswith(SEALED_LINE):
            raise BadLine("it is encrypted, in a run that is not")
        return events.decode(line)

    def encode(self, kind: Kind, data: Mapping[str, Any], seq: int = 0, line: bytes = b"") -> bytes:  # noqa: ARG002
        if not data:
            return b"{}\n"
        body = dumps(dict(data)).encode("utf-8", "backslashreplace")[:-1]
        return b'%b%b%08x"}\n' % (body, _SUM, zlib.crc32(body))

    def decode(self, kind: Kind, data: bytes, seq: int | None = 0) -> dict[str, Any]:
        if data.startswith(SEALED):
            raise RunSealed("this run is encrypted, and no key is given", NO_KEY)
        body, _, tail = data.rstrip(b"\n").rpartition(_SUM)
        if kind != "checkpoint" and not _SUMMED.fullmatch(tail):
            return self._object(data)
        if tail != b'%08x"}' % zlib.crc32(body):
            raise Unsound("the checksum does not fit")
        found = self._object(body + b"}")
        if kind == "checkpoint" and seq not in (None, found.get("seq")):
            raise Unsound("it is of another event")
        return found

    @property
    def pins(self) -> bool:
        return False

    def pinned(self, data: bytes) -> int:  # noqa: ARG002
        return 0

    def fits(self, data: bytes, line: bytes) -> bool:  # noqa: ARG002
        return True

    @property
    def unsealed(self) -> bool:
        return False

    def check_writable(self) -> None:
        """Whatever is in the clear may go on so."""

    @staticmethod
    def _object(data: bytes) -> dict[str, Any]:
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise Unsound(f"it is no JSON: {error}" if data.strip() else "it is empty") from error
        if not isinstance(found, dict):
            raise Unsound("it holds no object")
        return found


_PLAIN = Plain()


def plain(run_id: str) -> RunCodec:  # noqa: ARG001
    """What stores use unless they are handed another."""
    return _PLAIN
