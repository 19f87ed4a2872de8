"""Files as the store makes them: private, never followed through a symlink, whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from magent.errors import RunDamaged, StoreError
from magent.stores.codec import Kind, RunCodec, Unsound, sound

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_BLOCK = 1 << 24
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_HINTS = {
    errno.ENOSPC: "free some space, then go on with: magent resume",
    errno.EDQUOT: "your quota is used up: free some space, then go on with: magent resume",
    errno.EFBIG: "the file may not grow any more: raise the limit (ulimit -f), then go on with: magent resume",
    errno.EROFS: "the file system is read-only: choose another place with --store file:/some/directory",
    errno.EACCES: "you may not write or read there: mend the permissions, or choose another place with --store",
    errno.EPERM: "you may not write or read there: mend the permissions, or choose another place with --store",
    errno.ENOENT: "choose a place that can be made with --store file:/some/directory",
    errno.ENOTDIR: "a file stands where a directory should: choose another place with --store",
    errno.EIO: "the disk reports a fault: look at the system's log and save a copy before going on",
    errno.EMFILE: "this process has too many open files: raise the limit (ulimit -n)",
    errno.ENOLCK: "the file system cannot lock files: choose another place with --store",
    errno.EOPNOTSUPP: "the file system cannot lock files: choose another place with --store",
}


def refusal(error: OSError, doing: str) -> StoreError:
    """What the operating system refused while `doing`, as a sentence, with what to do about it."""
    reason = error.strerror or str(error)
    place = f" ({error.filename})" if error.filename else ""
    return StoreError(f"cannot {doing}: {reason}{place}", _HINTS.get(error.errno or 0))


def gone(path: Path | str) -> str:
    """What to do about a file of a run's directory that is missing or damaged."""
    return f"put it back from a copy, or remove the run: magent runs rm {Path(path).parent.name}"


@contextlib.contextmanager
def explained(doing: str) -> Iterator[None]:
    """Turns an OSError of the block into a StoreError."""
    try:
        yield
    except OSError as error:
        raise refusal(error, doing) from error


def read(path: Path | str, offset: int = 0) -> bytes:
    """What the file holds from `offset` on. Raises OSError."""
    handle = os.open(path, _READ)  # no file object: a listing reads thousands of small files
    try:
        expected = max(0, os.fstat(handle).st_size - offset)
        data = os.pread(handle, expected + 1, offset)
        if len(data) == expected:
            return data
        pieces, position = [data], offset + len(data)  # it grew meanwhile, or is too long for one read
        while piece := os.pread(handle, _BLOCK, position):
            pieces.append(piece)
            position += len(piece)
        return b"".join(pieces)
    finally:
        os.close(handle)


def read_document(path: Path | str, codec: RunCodec, kind: Kind, seq: int | None = 0) -> dict[str, Any]:
    """A document of a run from a file that must be there. Raises RunDamaged, StoreError."""
    try:
        return sound(kind, codec.decode(kind, read(path), seq))
    except FileNotFoundError:
        raise RunDamaged(f"{path} is missing", gone(path)) from None
    except OSError as error:
        raise refusal(error, f"read {path}") from error
    except Unsound as error:
        raise RunDamaged(f"{path} is damaged: {error}", gone(path)) from error


def make_directory(path: Path) -> bool:
    """Makes it, and those above it; False where it was there already."""
    if path.is_dir():
        return False
    make_directory(path.parent)
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        sync_directory(path.parent)
        return True
    return False


def sync(path: Path) -> None:
    """Puts what a file holds on the disk. Raises OSError."""
    handle = os.open(path, _READ)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Puts the names in a directory on the disk; some network file systems cannot, and do so by themselves."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(handle)


def write_new(path: Path, data: bytes) -> None:
    """A file that was not there before, synced; its name is not yet."""
    _write(os.open(path, _WRITE | os.O_CREAT | os.O_EXCL, 0o600), data)


def replace(path: Path, temporary: Path, data: bytes) -> None:
    """Puts `data` in the place of the file at once; `temporary` must be this writer's alone."""
    _write(os.open(temporary, _WRITE | os.O_CREAT | os.O_TRUNC, 0o600), data)
    os.rename(temporary, path)


def append(path: Path, data: bytes) -> None:
    """To a file that is there, synced."""
    _write(os.open(path, _WRITE | os.O_APPEND), data)


def _write(handle: int, data: bytes) -> None:
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(handle)


def usage(path: Path) -> int:
    """The bytes of all files in a directory; of what vanishes meanwhile, nothing."""
    total = 0
    for parent, _, files in os.walk(path):
        for name in files:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def erase(path: Path) -> None:
    """Removes a directory and all it holds. Raises OSError."""
    for parent, names, _ in os.walk(path):  # tasks may have left directories that are read-only
        for name in names:
            inner = os.path.join(parent, name)
            if not os.path.islink(inner):
                os.chmod(inner, 0o700)
    shutil.rmtree(path)
