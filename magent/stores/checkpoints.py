"""Checkpoints: cached folds of a journal. Losing one costs time, never data, so an unsound one is simply not there.

`00000420.json` holds `{"seq": 420, "offset": …, "fold": …, "sum": …}`: the byte where line 420 of the journal begins,
the state after that event, and the CRC-32 of all before (in the clear: see `codec`). It may hold a `tail`: see `tails`.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from magent.stores import disk
from magent.stores.codec import RunCodec, Unsound
from magent.stores.tails import Piece, unpacked

DIRECTORY = "checkpoints"
KEEP = 5
_NAME = re.compile(r"(\d{8,})\.json")


class Checkpoint(NamedTuple):
    seq: int
    offset: int
    fold: dict[str, Any]
    path: Path
    data: bytes  # as it is kept
    tail: Piece | None


def save(directory: Path, seq: int, data: bytes, keep: int) -> None:
    """Writes one and drops the oldest beyond `keep`. One writer at a time. Raises OSError."""
    place = directory / DIRECTORY
    with contextlib.suppress(FileExistsError):
        place.mkdir(mode=0o700)
    disk.replace(_path(directory, seq), place / ".new", data)
    for _, path in _newest_first(directory)[max(keep, 1) :]:
        path.unlink(missing_ok=True)


def forget_after(directory: Path, seq: int) -> None:
    """Drops those of events that the journal does not have (any more): other events will take these numbers."""
    for number, path in _newest_first(directory):
        if number > seq:
            path.unlink(missing_ok=True)


def drop(directory: Path, seqs: Iterable[int]) -> None:
    """Raises OSError."""
    for seq in seqs:
        _path(directory, seq).unlink(missing_ok=True)


def write(directory: Path, points: Mapping[int, bytes]) -> None:
    """Into a run that nobody can see yet. Raises OSError."""
    if points:
        disk.make_directory(directory / DIRECTORY)
        for seq, data in points.items():
            disk.write_new(_path(directory, seq), data)
        disk.sync_directory(directory / DIRECTORY)


def newest(directory: Path) -> int:
    """Its number, sound or not; 0 where there is none."""
    try:
        names = os.listdir(f"{directory}/{DIRECTORY}")  # a listing asks this of many runs
    except OSError:
        return 0
    return max((int(match[1]) for match in map(_NAME.fullmatch, names) if match), default=0)


def sound(directory: Path, codec: RunCodec) -> Iterator[Checkpoint]:
    """The newest first. Raises StoreError."""
    for seq, path in _newest_first(directory):
        if (found := _read(path, codec, seq)) is not None:
            yield found


def _read(path: Path, codec: RunCodec, seq: int) -> Checkpoint | None:
    """None where it is not sound, or not there."""
    with contextlib.suppress(OSError, Unsound, KeyError):
        data = disk.read(path)
        found = codec.decode("checkpoint", data, seq)
        return Checkpoint(seq, found["offset"], found["fold"], path, data, unpacked(found))
    return None


class Found(NamedTuple):
    """A file that should hold a checkpoint: its size in bytes, when it was written, what it holds where it is sound."""

    seq: int
    size: int
    written: float
    found: Checkpoint | None


def kept(directory: Path, codec: RunCodec) -> Iterator[Found]:
    """All of them, the oldest first."""
    for seq, path in reversed(_newest_first(directory)):
        with contextlib.suppress(FileNotFoundError):  # newer ones drive the oldest out
            facts = path.lstat()
            yield Found(seq, facts.st_size, facts.st_mtime, _read(path, codec, seq))


def one(directory: Path, codec: RunCodec, seq: int) -> Checkpoint | None:
    """That of events 1..seq, where it is kept and sound."""
    return _read(_path(directory, seq), codec, seq)


def _path(directory: Path, seq: int) -> Path:
    return directory / DIRECTORY / f"{seq:08d}.json"


def _newest_first(directory: Path) -> list[tuple[int, Path]]:
    try:
        found = [(match, path) for path in (directory / DIRECTORY).iterdir() if (match := _NAME.fullmatch(path.name))]
    except OSError:
        return []
    return sorted(((int(match[1]), path) for match, path in found), reverse=True)
