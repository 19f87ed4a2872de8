"""Files as the loader reads them: regular ones, of bounded size, each once, with a reason where that cannot be."""

from __future__ import annotations

import contextlib
import os
import stat

from magent.source import nearest
from magent.spec.composer_text import MAX_BYTES

MAX_FILES = 2_000
MAX_TOTAL = 64_000_000  # bytes of all files together


class Unreadable(Exception):
    """A file that cannot be read: `reason` ends the sentence "cannot read 'x': …". Of one that is not there, `similar`
    is the path of one with a like name."""

    def __init__(self, reason: str, *, missing: bool = False, similar: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.missing = missing
        self.similar = similar


def read_file(path: str) -> bytes:
    """The content of a regular file. Raises Unreadable: at once, also for pipes and devices."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise Unreadable("there is no such file", missing=True, similar=similar(path)) from None
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from None
    except ValueError:
        raise Unreadable("this is no name of a file") from None
    try:
        return _content(handle)
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from None
    finally:
        os.close(handle)


def _content(handle: int) -> bytes:
    mode = os.fstat(handle).st_mode
    if stat.S_ISDIR(mode):
        raise Unreadable("it is a directory")
    if not stat.S_ISREG(mode):
        raise Unreadable("it is not a regular file")
    if _of_the_system(handle):
        raise Unreadable("it is a part of the system")
    parts, size = [], 0
    while size <= MAX_BYTES and (part := os.read(handle, 1 << 20)):
        parts.append(part)
        size += len(part)
    if size > MAX_BYTES:
        raise Unreadable(f"it is larger than magent reads ({MAX_BYTES // 1_000_000} MB)")
    return b"".join(parts)


def _of_the_system(handle: int) -> bool:
    """/proc and /sys look like files, and tell of this process: its environment would stand in an error."""
    device = os.fstat(handle).st_dev
    for place in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            if os.stat(place).st_dev == device != os.stat("/").st_dev:
                return True
    return False


def similar(path: str) -> str | None:
    """A file beside with a like name, or with the same name and another suffix."""
    folder, name = os.path.split(path)
    stem, suffix = os.path.splitext(name)
    try:
        here = sorted(os.listdir(folder or "."))[:1000]
        names = [os.path.splitext(each) for each in here if each != name]  # a link may lead nowhere
    except (OSError, ValueError):
        return None
    near = nearest(stem, [each for each, other in names if other == suffix])
    found = [each + other for each, other in names if (each == near and other == suffix) or (not near and each == stem)]
    return os.path.join(folder, found[0]) if found else None


def shown(path: str) -> str:
    """How users are shown a file: relative to the current directory where it is below it."""
    try:
        below = os.path.join(os.getcwd(), "")
    except OSError:  # the current directory is gone
        return path
    return path[len(below) :] if path.startswith(below) else path


class Shelf:
    """The files of one load. Each is read once; their number and size together are bounded."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes | Unreadable] = {}
        self.bytes = 0

    def read(self, path: str) -> bytes:
        """The content of a file. Raises Unreadable."""
        if path not in self.contents:
            self.contents[path] = self._first(path)
        content = self.contents[path]
        if isinstance(content, Unreadable):
            raise content
        self.bytes += len(content)  # counted again for each use, as each is kept with the run
        if self.bytes > MAX_TOTAL:
            raise Unreadable(f"with it, all files together are larger than magent reads ({MAX_TOTAL // 1_000_000} MB)")
        return content

    def _first(self, path: str) -> bytes | Unreadable:
        if len(self.contents) >= MAX_FILES:
            return Unreadable(f"the workflow refers to more than {MAX_FILES:,} files")
        try:
            return read_file(path)
        except Unreadable as error:
            return error
