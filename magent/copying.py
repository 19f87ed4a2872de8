"""A run is taken along to another store, whole: its record, checkpoints, result, notes, and the files it made.

Nobody has to let go of it: what is read last is the record, so that a run that is being driven is copied as it stood at
one of its events. Afterwards all is read back from the other store and held against what was copied.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from magent import urls
from magent.errors import StoreError, UsageError
from magent.moving import copy_files
from magent.ports import Kept, Puts, RunStore
from magent.stores import disk


class Copied(NamedTuple):
    """`record` and `files` are SHA-256 of what was copied, and of what was read back. `updated`: `RunInfo.updated`."""

    run_id: str
    status: str
    updated: float
    events: int
    checkpoints: int
    made: int  # files
    record: str
    files: str


async def copy(source: RunStore, run_id: str, target: RunStore) -> Copied:
    """Copies a run and checks the copy, which is removed again where it differs. Raises UsageError (the id exists
    there), StoreError."""
    info = await source.info(run_id)
    await _check_free(target, run_id)
    kept, place = await whole(source, run_id), await source.workspace(run_id)
    await _put(target, run_id, kept, place)
    try:
        there, theirs = await whole(target, run_id), tree(await target.workspace(run_id))
    except BaseException:
        await target.remove(run_id)
        raise
    if not isinstance(target, Puts):  # it may keep fewer checkpoints, which are only caches
        kept = replace(kept, checkpoints={seq: kept.checkpoints.get(seq, {}) for seq in there.checkpoints})
    record, ours, found = digest(kept), tree(place), digest(there)
    if found != record or (theirs != ours and info.status != "running"):
        await target.remove(run_id)
        what = "record" if found != record else "files"
        raise StoreError(
            f"the copy of run {run_id} in {target.url} is not like the original: its {what} differ",
            "the copy was removed again; somebody may have been at work on it: try again",
        )
    counts = len(kept.events), len(kept.checkpoints), theirs[1]
    return Copied(run_id, info.status, info.updated, *counts, record, theirs[0])


async def _check_free(target: RunStore, run_id: str) -> None:
    try:
        await target.info(run_id)
    except UsageError:
        return
    hint = f"remove it there first: magent runs rm {run_id} --store {shlex.quote(urls.shown(target.url))}"
    raise UsageError(f"there is a run '{run_id}' in {urls.shown(target.url)} already", hint)


async def whole(store: RunStore, run_id: str) -> Kept:
    """All that is kept of a run, but its files. Raises UsageError, StoreError."""
    notes, result = await store.notes(run_id), await store.result(run_id)
    folds = {}
    for info in await store.checkpoints(run_id):
        if (fold := await store.checkpoint(run_id, info.seq)) is not None:
            folds[info.seq] = fold
    record = await store.read(run_id, checkpoint=False)
    return Kept(record.header, record.workflow, record.events, folds, result, notes)


async def _put(target: RunStore, run_id: str, kept: Kept, place: Path) -> None:
    if isinstance(target, Puts):
        await target.put(run_id, kept, lambda there, named: copy_files(place, there, named))
        return
    journal = await target.create(run_id, kept.header, kept.workflow)
    try:
        await asyncio.to_thread(copy_files, place, journal.workspace)
        await journal.append(kept.events, sync=True)
        for seq, fold in sorted(kept.checkpoints.items()):
            await journal.checkpoint(seq, fold, keep=len(kept.checkpoints))
        if kept.result is not None:
            await journal.finish(kept.result)
        await journal.close()
        for name, note in kept.notes.items():
            await target.leave(run_id, name, note)
    except BaseException:
        await journal.close()
        with suppress(StoreError, UsageError):
            await target.remove(run_id)
        raise


def digest(kept: Kept) -> str:
    """SHA-256 of a record, however it is kept: of its parts as JSON with sorted names, a line each."""
    parts = (
        kept.header,
        kept.workflow,
        *([event.seq, event.time, event.type, event.data] for event in kept.events),
        *([seq, fold] for seq, fold in sorted(kept.checkpoints.items())),
        kept.result,
        kept.notes,
    )
    found = hashlib.sha256()
    for part in parts:
        found.update(json.dumps(part, sort_keys=True, ensure_ascii=True).encode() + b"\n")
    return found.hexdigest()


def tree(place: Path) -> tuple[str, int]:
    """SHA-256 of the files in a directory, their names, modes and links, and how many there are; links into the
    directory count by where in it they lead. Raises StoreError."""
    found, count = hashlib.sha256(), 0
    with disk.explained(f"read the files in {place}"):
        for parent, folders, files in os.walk(place):
            folders.sort()
            for name in sorted([*files, *(each for each in folders if os.path.islink(os.path.join(parent, each)))]):
                path = os.path.join(parent, name)
                said = _said(path, str(place))
                if said is not None:
                    count += 1
                    found.update(f"{os.path.relpath(path, place)}\0{said}\n".encode("utf-8", "surrogateescape"))
    return found.hexdigest(), count


def _said(path: str, place: str) -> str | None:
    """What a file is, None of what is not copied: a socket or a pipe."""
    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"link {os.readlink(path).replace(place, '.')}"
    if not stat.S_ISREG(mode):
        return None
    with open(path, "rb") as file:
        return f"{stat.S_IMODE(mode):o} {hashlib.file_digest(file, 'sha256').hexdigest()}"
