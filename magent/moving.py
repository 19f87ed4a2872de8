"""A run's files and the paths to them, taken along to another run: what that does touches nothing of the other's."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magent.stores import disk


def moved(data: Any, places: Mapping[str, str]) -> Any:
    """JSON data in which texts name the new places instead of the old ones, such as `{"/runs/a/workspace": …}`."""
    known = [re.escape(place) for place in sorted(places, key=len, reverse=True) if os.path.isabs(place)]
    if not known:
        return data
    pattern = re.compile(rf"(?:{'|'.join(known)})(?![A-Za-z0-9_-])")
    return _moved(data, lambda text: pattern.sub(lambda found: places[found[0]], text))


def _moved(data: Any, change: Any) -> Any:
    if isinstance(data, str):
        return change(data)
    if isinstance(data, Mapping):
        return {name: _moved(value, change) for name, value in data.items()}
    return [_moved(value, change) for value in data] if isinstance(data, (list, tuple)) else data


def copy_files(source: Path, target: Path, named: Path | None = None) -> None:
    """Copies a workspace; links into the old one lead into the new, which will be `named` so. Sockets and pipes are
    left. Raises StoreError."""
    if not source.is_dir():
        return
    with disk.explained(f"copy the files of {source}"):
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, ignore=_special)
        for parent, folders, files in os.walk(target):
            for name in (*folders, *files):
                _relink(os.path.join(parent, name), str(source), str(named or target))


def _special(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if not _copies(os.lstat(os.path.join(folder, name)).st_mode)}


def _copies(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _relink(path: str, source: str, target: str) -> None:
    if os.path.islink(path):
        before = os.readlink(path)
        now = moved(before, {source: target})
        if now != before:
            os.unlink(path)
            os.symlink(now, path)
