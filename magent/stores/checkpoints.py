"""Checkpoints: cached folds of a journal. Losing one costs time, never data, so an unsound one is simply not there.

`00000420.json` holds `{"seq": 420, "offset": …, "fold": …, "sum": …}`: the byte where line 420 of the journal begins,
the state after that event, and the CRC-32 of all before.
"""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from magent.stores import disk

DIRECTORY = "checkpoints"
KEEP = 5
_NAME = re.compile(r"(\d{8,})\.json")


class Checkpoint(NamedTuple):
    seq: int
    offset: int
    fold: dict[str, Any]


def encode(seq: int, offset: int, fold: str) -> bytes:
    """`fold` is JSON already: encoding takes the fold as it is now, the disk takes it when it can."""
    body = b'{"seq":%d,"offset":%d,"fold":%b' % (seq, offset, fold.encode("utf-8", "backslashreplace"))
    return b'%b,"sum":"%08x"}\n' % (body, zlib.crc32(body))


def save(directory: Path, seq: int, data: bytes, keep: int) -> None:
    """Writes one and drops the oldest beyond `keep`. One writer at a time. Raises OSError."""
    place = directory / DIRECTORY
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    disk.replace(place / f"{seq:08d}.json", place / ".new", data)
    for _, path in _newest_first(directory)[max(keep, 1) :]:
        path.unlink(missing_ok=True)


def forget_after(directory: Path, seq: int) -> None:
    """Drops those of events that the journal does not have (any more): other events will take these numbers."""
    for number, path in _newest_first(directory):
        if number > seq:
            path.unlink(missing_ok=True)


def sound(directory: Path) -> Iterator[Checkpoint]:
    """The newest first."""
    for seq, path in _newest_first(directory):
        with contextlib.suppress(OSError, ValueError, RecursionError):
            body, _, tail = disk.read(path).rstrip(b"\n").rpartition(b',"sum":"')
            if tail == b'%08x"}' % zlib.crc32(body):
                data = json.loads(body + b"}")
                if data["seq"] == seq:
                    yield Checkpoint(seq, data["offset"], data["fold"])


def _newest_first(directory: Path) -> list[tuple[int, Path]]:
    try:
        found = [(match, path) for path in (directory / DIRECTORY).iterdir() if (match := _NAME.fullmatch(path.name))]
    except OSError:
        return []
    return sorted(((int(match[1]), path) for match, path in found), reverse=True)
