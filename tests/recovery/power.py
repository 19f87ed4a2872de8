"""What a power cut takes: all that was not synced, contents and names alike.

The worst that POSIX allows: what was written to a file is lost until the file is synced; that a name was made, moved or
removed is lost until its directory is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

Undo = Callable[[], None]


class Power:
    """Is told of each call before it is done that changes one of the `places`. Once the power is `cut`, all is as it
    was when it was last synced."""

    def __init__(self, places: Sequence[str]) -> None:
        self._places = tuple(places)
        self._contents: dict[str, bytes] = {}  # a file → what is on the disk
        self._names: list[tuple[set[str], Undo]] = []  # one of these has to be synced, and what is so otherwise

    def see(self, name: str, path: str, other: str = "") -> None:
        """`other` is where a file is moved from, or what it is linked to."""
        if name in ("fsync", "fdatasync"):
            self._contents.pop(path, None)
            self._names = [each for each in self._names if path not in each[0]]
        elif name in ("write", "pwrite", "writev", "truncate", "ftruncate"):
            self._keep(path)
        elif name == "open":
            if os.path.exists(path):
                self._keep(path)  # it is emptied, perhaps
            else:
                self._named(path, lambda: _remove(path))
        elif name in ("mkdir", "link"):
            if not os.path.exists(path):
                self._named(path, lambda: _remove(path))
        elif name == "rename":
            self._moved(other, path)
        elif name == "unlink" and os.path.isfile(path):
            data = Path(path).read_bytes()
            self._contents.pop(path, None)
            self._named(path, lambda: _put(path, data))
        elif name == "rmdir" and os.path.isdir(path):
            self._named(path, lambda: os.makedirs(path, exist_ok=True))

    def _keep(self, path: str) -> None:
        if os.path.isfile(path) and path not in self._contents:
            self._contents[path] = Path(path).read_bytes()

    def _named(self, path: str, undo: Undo, before: str = "") -> None:
        """What is moved is so in both directories, or in neither: each of them tells of it."""
        directory = os.path.dirname(path)
        if directory.startswith(self._places):  # else nobody tells when it is synced
            self._names.append(({directory, os.path.dirname(before)} - {""}, undo))

    def _moved(self, before: str, after: str) -> None:
        """What is not synced of it still is not; what is on the disk under the new name stays there."""
        there = Path(after).read_bytes() if os.path.isfile(after) else None
        self._contents.pop(after, None)
        of = [path for path in self._contents if path == before or path.startswith(f"{before}/")]
        self._contents.update({after + path.removeprefix(before): self._contents.pop(path) for path in of})

        def undo() -> None:
            if os.path.exists(after):
                os.makedirs(os.path.dirname(before), exist_ok=True)
                os.rename(after, before)
            if there is not None:
                _put(after, there)

        self._named(after, undo, before)

    def cut(self) -> None:
        for path, data in self._contents.items():
            if os.path.isfile(path):
                Path(path).write_bytes(data)
        for _, undo in reversed(self._names):
            undo()


def _remove(path: str) -> None:
    if os.path.isdir(path):
        shutil.rmtree(path)
    else:
        Path(path).unlink(missing_ok=True)


def _put(path: str, data: bytes) -> None:
    if os.path.isdir(os.path.dirname(path)):
        Path(path).write_bytes(data)
