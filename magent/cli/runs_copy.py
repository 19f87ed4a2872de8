"""`magent runs copy`: a run is taken along to another store."""

from __future__ import annotations

import asyncio

from magent import copying, settings
from magent.cli import flags
from magent.cli.console import Console, dump
from magent.errors import RunLocked, StoreError, UsageError
from magent.ports import RunStore

OUTPUTS = ("text", "json")


def copy_run(console: Console, *, id: str, to: str | None, key_env: str | None, move: bool, output: str | None) -> int:
    """Copy a run to another store, and hold the copy against it."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if to is None:
        raise UsageError("runs copy needs a store to copy to", "--to URL, such as --to sqlite:///runs.db")
    source = settings.open_store(console.settings.store)
    target = settings.open_store(to) if key_env is None else settings.open_store_under(to, key_env)
    run_id = asyncio.run(source.resolve(id))
    if move and asyncio.run(source.info(run_id)).status == "running":
        raise StoreError(f"run {run_id} is being driven: it is not moved", "copy it without --move, or wait for it")
    done = asyncio.run(copying.copy(source, run_id, target))
    if move:
        _take_away(source, target.url, done)
    if form == "json":
        shown = done._asdict()
        facts = {"to": target.url, "moved": move, "files": shown.pop("made"), "files_sha256": shown.pop("files")}
        kept = {name: shown[name] for name in ("run_id", "status", "events", "checkpoints")}
        console.result(dump({**kept, **facts, "record_sha256": shown["record"]}))
        return 0
    counts = f"{done.events:,} events, {done.checkpoints} checkpoints, {done.made:,} files"
    console.say(f"run {run_id} is {'moved' if move else 'copied'} to {target.url}: {counts}")
    console.say(f"  record  sha256 {done.record}, there and here")
    console.say(f"  files   sha256 {done.files}, there and here")
    if done.status == "running":
        console.told(f"it is being driven: this is how it stood after event {done.events:,}", "yellow")
    return 0


def _take_away(source: RunStore, url: str, done: copying.Copied) -> None:
    """Raises StoreError where the original went on since: both stay."""
    try:
        gone = asyncio.run(source.remove(done.run_id, updated=done.updated))
    except RunLocked:
        gone = False
    if not gone:
        raise StoreError(f"run {done.run_id} went on while it was copied: it stays here", f"the copy in {url} is older")
