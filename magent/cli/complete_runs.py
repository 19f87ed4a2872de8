"""Runs and questions for shell completion, from the store: what is not to be had says nothing."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from magent import stores, urls
from magent.errors import MagentError
from magent.ports import RunInfo
from magent.stores.places import find_settings

MOST = 50  # ids; whoever looks for an older run types its beginning


def runs(store: str | None) -> list[tuple[str, str]]:
    """Ids, the newest first, each with its workflow and status; `latest` before them."""
    found = [(info.id, f"{info.workflow}, {info.status}") for info in _list(store)[:MOST]]
    return [("latest", "the newest run"), *found] if found else []


def questions(store: str | None, run: str) -> list[tuple[str, str]]:
    """The addresses at which a run waits."""
    return [(address, each.workflow) for each in _named(store, run) for address in each.waiting]


def nodes(store: str | None, run: str) -> list[tuple[str, str]]:
    """The nodes of a run's workflow."""
    try:
        opened = stores.open_store(store or _usual())
        records = [asyncio.run(opened.read(each.id)) for each in _named(store, run)[:1]]
        documents = [data["data"] for record in records for data in record.workflow["documents"].values()]
        return [(str(name), "") for data in documents for name in data.get("nodes", ())]
    except (MagentError, OSError, KeyError, TypeError, AttributeError):
        return []


def _named(store: str | None, run: str) -> list[RunInfo]:
    every = _list(store)
    return (
        every[:1] if run == "latest" else [each for each in every if each.id.startswith(run) or each.id.endswith(run)]
    )


def _list(store: str | None) -> list[RunInfo]:
    try:
        return list(asyncio.run(stores.open_store(store or _usual()).list()))
    except (MagentError, OSError):
        return []


def _usual() -> str:
    """The store as `settings` would find it, but for a settings file, whose reader takes longer than one may wait."""
    if os.environ.get("MAGENT_STORE"):
        return os.environ["MAGENT_STORE"]
    file = find_settings(Path.cwd())
    if file is None:
        return "file:.magent"
    for line in file.read_text("utf-8", "replace").splitlines():
        if line.startswith("store: "):
            url = line.removeprefix("store: ").strip().strip("'\"")
            return stores.of_a_file(urls.anchored(url, file.parent))
    return "file:.magent"
