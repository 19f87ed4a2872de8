"""`.magent`: found like `.git` is, made where there is none; and in it the workspaces of runs kept in a database. The
settings file, `.magent.yaml`, is found likewise."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from magent.errors import UsageError
from magent.stores import disk

HOME = ".magent"
SETTINGS = ".magent.yaml"
WORKSPACES = "workspaces"


def find_home(start: Path) -> Path:
    """The `.magent` directory here or above, as `.git` is found; where there is none, the one to make here.

    Somebody else's does not count: it could make us go on with a run of theirs.
    """
    for place in (start, *start.parents):
        with contextlib.suppress(OSError):
            if _is_ours(place / HOME):
                return place / HOME
    return start / HOME


def _is_ours(path: Path, *, follow: bool = True) -> bool:
    found = os.stat(path, follow_symlinks=follow)
    return stat.S_ISDIR(found.st_mode) and (found.st_uid == os.geteuid() or os.geteuid() == 0)


def find_settings(start: Path, us: int | None = None) -> Path | None:
    """The nearest settings file here or above. It says where runs go and what is told of them, so one of another user
    is refused: passed over in silence, it would be missed where it was meant. `us`: who we are. Raises
    UsageError."""
    trusted = _trusted(start, os.geteuid() if us is None else us)
    for place in (start, *start.parents):
        with contextlib.suppress(OSError):
            found = os.stat(place / SETTINGS)
            if stat.S_ISREG(found.st_mode) and found.st_uid not in trusted:
                raise UsageError(
                    f"{place / SETTINGS} belongs to another user: it is not read",
                    f"take a copy of it if you trust it, or go without: touch {SETTINGS}",
                )
            if stat.S_ISREG(found.st_mode):
                return place / SETTINGS
    return None


def _trusted(here: Path, us: int) -> set[int]:
    """Whose settings count: ours and root's. Root, in a container perhaps, works for the owner of the directory."""
    return {us, 0} if us else {0, here.stat().st_uid}


def make_home(home: Path) -> None:
    """Makes it, where it is not there, such that git passes it over. Raises OSError."""
    if disk.make_directory(home):
        disk.write_new(home / ".gitignore", b"*\n")


def workspace(run_id: str, known: str | None) -> Path:
    """The directory for the files of a run that has no other: `known` where that is one, else one in the `.magent` that
    is found from here, where `make_workspace` puts it. Raises StoreError."""
    if known and _is_workspace(Path(known), run_id):
        return Path(known)
    with disk.explained("find the current directory"):
        return find_home(Path.cwd()) / WORKSPACES / run_id


def new_workspace(run_id: str) -> Path:
    """One that is there then, and was not before: a run of the same id in another database may have the usual one."""
    path = workspace(run_id, None)
    if os.path.lexists(path):
        path = path.with_name(f"{run_id}~{os.urandom(4).hex()}")
    with disk.explained(f"make a directory for the files of run {run_id}"):
        make_home(path.parent.parent)
        disk.make_directory(path)
    return path


def make_workspace(run_id: str, known: str | None) -> Path:
    """`workspace`, which is there then."""
    path = workspace(run_id, known)
    with disk.explained(f"make a directory for the files of run {run_id}"):
        make_home(path.parent.parent)
        disk.make_directory(path)
    return path


def erase(run_id: str, known: str | None) -> None:
    """Removes it, where it is on this machine. Raises StoreError."""
    if known and _is_workspace(Path(known), run_id):
        with disk.explained(f"remove the files of run {run_id}"):
            disk.erase(Path(known))


def _is_workspace(path: Path, run_id: str) -> bool:
    """What a database says is not simply believed: it may come from elsewhere, with links into other directories."""
    with contextlib.suppress(OSError, ValueError):
        named = path.name.partition("~")[0] == run_id and path.parts[-3:-1] == (HOME, WORKSPACES)
        return named and path.is_absolute() and not path.parent.is_symlink() and _is_ours(path, follow=False)
    return False
