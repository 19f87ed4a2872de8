"""A disk that is full, and a store that may not be written to."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tests.recovery.places import PostgresPlace
from tests.recovery.rounds import NotHere, Ward

SIZE = 4 << 20  # bytes of the small disk


@cache
def may_mount() -> bool:
    """Whether file systems can be mounted here: a small one is a full disk in earnest."""
    return os.geteuid() == 0 and shutil.which("mount") is not None and _mounts()


def _mounts() -> bool:
    probe = Path(tempfile.mkdtemp(prefix="magent-mount-"))
    try:
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(probe)], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", str(probe)], check=True)
        return done.returncode == 0
    finally:
        probe.rmdir()


class Disk:
    """Where the store is; `fill` leaves so many bytes on it. Without a file system of its own, no file may grow beyond
    a size instead."""

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._largest: int | None = None

    def fill(self, left: int) -> None:
        if self._place is None:
            self._largest = 400 + left // 4
            return
        room = os.statvfs(self._place)
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - left))

    @property
    def _ballast(self) -> Path:
        assert self._place is not None
        return self._place.parent / "ballast" if self._place.name == "tables" else self._place / "ballast"

    def free(self) -> None:
        self._largest = None
        if self._place is not None:
            self._ballast.unlink(missing_ok=True)

    def bounds(self) -> dict[str, Any]:
        """Of a life."""
        return {} if self._largest is None else {"largest": self._largest}


@contextmanager
def small_disk(ward: Ward) -> Iterator[Disk]:
    """The store is on it from now on."""
    if isinstance(ward.place, PostgresPlace):
        if not may_mount():
            raise NotHere("without the right to mount, no full disk can be given to PostgreSQL")
        with _mounted(ward.place.server.beside()) as mounted, ward.place.kept_in(mounted / "tables"):
            ward.log.append("full disk: tables on a tmpfs of 4 MB")
            yield Disk(mounted / "tables")
    elif may_mount():
        with _mounted(ward.top / "store") as mounted:
            ward.log.append("full disk: the store on a tmpfs of 4 MB")
            yield Disk(mounted)
    else:
        ward.log.append("full disk: RLIMIT_FSIZE, for want of the right to mount")
        yield Disk(None)


@contextmanager
def _mounted(place: Path) -> Iterator[Path]:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


@contextmanager
def frozen(ward: Ward) -> Iterator[dict[str, Any]]:
    """Nothing may be written to the store meanwhile. Gives what binds a life to that, be it root's."""
    if isinstance(ward.place, PostgresPlace):
        yield {"env": {"MAGENT_STORE": f"{ward.place.url}&options=-c%20default_transaction_read_only%3Don"}}
        return
    top = ward.top / "store"
    top.mkdir(exist_ok=True)
    modes = {path: path.stat().st_mode for path in (top, *top.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield {"weak": True}
    finally:
        for path, mode in modes.items():
            path.chmod(mode)
