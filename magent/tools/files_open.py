"""Files of the workspace, opened so that nothing outside is ever reached: component by component, each by the handle of
the directory before it, links never followed. What is opened is looked at, not what was there a moment before."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from magent.tools.base import failed

LONGEST_PATH = 4000  # characters
MOST_PARTS = 100
OWN = ".magent"  # the record of runs, which tools do not touch
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_PRIVATE_FILE, _PRIVATE_DIRECTORY = 0o600, 0o700
_KINDS = {
    stat.S_IFLNK: "a symbolic link, which is not followed",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}
_WHY = {
    errno.ENOENT: "is not there",
    errno.EACCES: "may not be opened",
    errno.EPERM: "may not be changed",
    errno.EROFS: "is on a file system that cannot be written",
    errno.ENAMETOOLONG: "has a name that is too long",
    errno.ELOOP: "is a symbolic link, which is not followed",
    errno.ENOTDIR: "is no directory",
    errno.EISDIR: "is a directory",
    errno.ENOSPC: "cannot be written: the disk is full",
    errno.EDQUOT: "cannot be written: the disk is full",
    errno.ENXIO: "is no plain file",
}


def parts_of(path: str, workspace: Path) -> tuple[str, ...]:
    """The components of a path inside the workspace; none: the workspace itself. Raises WorkFailed (`tool`)."""
    if "\0" in path or len(path) > LONGEST_PATH:
        _outside(path, "no file has such a name")
    if path.startswith("/"):
        root = str(workspace).rstrip("/")
        if path != root and not path.startswith(root + "/"):
            _outside(path, "it is outside the workspace")
        path = path[len(root) :]
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        _outside(path, "'..' is not allowed")
    if len(parts) > MOST_PARTS:
        _outside(path, "it is nested too deep")
    if any(part.casefold() == OWN for part in parts):
        _outside(path, "magent keeps its own record there")
    try:
        "/".join(parts).encode("utf-8")
    except UnicodeEncodeError:
        _outside(path, "no file has such a name")
    return parts


def _outside(path: str, why: str) -> NoReturn:
    raise failed(f"'{shown(path)}' cannot be opened: {why}", "paths count from the workspace, such as notes/a.txt")


def shown(path: str) -> str:
    """A path as a message names it."""
    text = "".join(char if char.isprintable() else "�" for char in path[:200])
    return text + ("…" if len(path) > 200 else "")


@contextmanager
def directory(workspace: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """The handle of the directory that `parts` lead to. With `make`, those that lack are made. Raises WorkFailed."""
    with _told(""):
        handle = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _not_of_the_system(handle)
        for index, part in enumerate(parts):
            with _told("/".join(parts[: index + 1])):
                deeper = _step(handle, part, make=make)
            os.close(handle)
            handle = deeper
            _not_of_the_system(handle)
        yield handle
    finally:
        os.close(handle)


def _step(handle: int, part: str, *, make: bool) -> int:
    if make:
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, _PRIVATE_DIRECTORY, dir_fd=handle)
    return os.open(part, _DIRECTORY, dir_fd=handle)


def _not_of_the_system(handle: int) -> None:
    """/proc and /sys look like plain files, and are none."""
    device = os.fstat(handle).st_dev
    for place in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            if os.stat(place).st_dev == device != os.stat("/").st_dev:
                raise failed(f"the workspace cannot be used there: it is part of {place}")


@contextmanager
def opened(handle: int, name: str, path: str, flags: int = os.O_RDONLY) -> Iterator[int]:
    """The handle of a plain file in the directory `handle`, of which there is no other name. Raises WorkFailed."""
    with _told(path):
        file = os.open(name, flags | _FILE, _PRIVATE_FILE, dir_fd=handle)
    try:
        plain(os.fstat(file), path)
        yield file
    finally:
        os.close(file)


def plain(facts: os.stat_result, path: str) -> None:
    """Raises WorkFailed where these are not the facts of a plain file of the workspace's own."""
    if not stat.S_ISREG(facts.st_mode):
        what = _KINDS.get(stat.S_IFMT(facts.st_mode), "no plain file")
        raise failed(f"'{shown(path)}' is {what}", "list its directory to see the files" if "dir" in what else None)
    if facts.st_nlink > 1:
        raise failed(f"'{shown(path)}' is a hard link: the same file has another name, perhaps outside the workspace")


def facts_of(handle: int, name: str) -> os.stat_result | None:
    """What lies under the name in the directory, links not followed; None: nothing. Raises WorkFailed."""
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(name, error) from error


def replace(handle: int, name: str, path: str, data: bytes) -> None:
    """Writes the whole file at once: whoever looks sees the old one or the new one. A new file is private, an old one
    keeps its mode. Raises WorkFailed."""
    before = facts_of(handle, name)
    if before is not None:
        plain(before, path)
    mode = _PRIVATE_FILE if before is None else stat.S_IMODE(before.st_mode) & 0o777
    part = f".{secrets.token_hex(8)}.part"
    with _told(path):
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE, _PRIVATE_FILE, dir_fd=handle)
        try:
            write_all(file, data)
            os.fchmod(file, mode)
            os.fsync(file)
            os.rename(part, name, src_dir_fd=handle, dst_dir_fd=handle)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part, dir_fd=handle)
            raise
        finally:
            os.close(file)


def write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _failure(path, error) from error


def _failure(path: str, error: OSError) -> Exception:
    why = _WHY.get(error.errno or 0, f"cannot be opened: {error.strerror}")
    if error.errno == errno.ENOTDIR:
        why += ", or a symbolic link, which is not followed"
    return failed(f"'{shown(path)}' {why}" if path else f"the workspace {why}")
