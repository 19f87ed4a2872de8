"""`magent report`: a run as one page of HTML."""

from __future__ import annotations

import asyncio
from pathlib import Path

from magent import settings
from magent.cli.console import Console
from magent.errors import UsageError
from magent.report.facts import facts_of
from magent.report.page import page


def report(console: Console, *, id: str, file: str | None) -> int:
    """Write the report of one run."""
    store = settings.open_store(console.settings.store)

    async def read() -> tuple[str, str]:
        facts = await facts_of(store, await store.resolve(id))
        return facts.run_id, page(facts)

    run_id, text = asyncio.run(read())
    if file == "-":
        console.result(text)
        return 0
    path = Path(file or f"report-{run_id}.html")
    try:
        path.write_text(text, "utf-8", errors="replace")
    except OSError as error:
        lost = isinstance(error, FileNotFoundError)
        why = "there is no such directory" if lost else str(error.strerror or error).lower()
        raise UsageError(f"-o {path} cannot be written: {why}") from error
    console.say(f"{path} is written: open it in a browser")
    return 0
