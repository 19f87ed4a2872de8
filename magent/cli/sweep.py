"""`magent sweep`: deadlines that have passed fire; for cron."""

from __future__ import annotations

import asyncio
from typing import Any

from magent import retention, settings
from magent.cli import flags
from magent.cli.beside import guarded
from magent.cli.console import Console, dump, one_line
from magent.clock import SystemClock
from magent.life import Options
from magent.ports import RunStore
from magent.sweeping import Swept
from magent.sweeping import sweep as sweeping

OUTPUTS = ("text", "json")
_SAID = {"question": "time was up", "wait": "the wait is over", "answer": "answered"}


def sweep(console: Console, *, answered: bool, output: str | None) -> int:
    """Fire deadlines that have passed, and apply retention."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    store = settings.open_store(console.settings.store)
    with guarded(console.stream), console.results_apart(2):
        swept = asyncio.run(_sweep(console, store, answered, form))
        code = _exit_code(swept)
        removed = asyncio.run(retention.sweep(store)) if code < 128 else []
    if form == "json":
        gone = [info.id for info in removed]
        console.result(dump({"runs": [each.as_json() for each in swept], "removed": gone}))
        return code
    for info in removed:
        console.result(f"{info.id}  {one_line(info.workflow or '-')}  {info.status}  removed")
    if not swept and not removed:
        console.say("nothing is due")
    return code


async def _sweep(console: Console, store: RunStore, answered: bool, form: str) -> list[Swept]:
    swept = []
    async for each in sweeping(store, Options(), SystemClock().now(), answered=answered):
        swept.append(each)
        if form == "text":
            console.result(_line(each))
        if each.result is not None and each.result.untold:
            console.told(f"magent: warning: nobody was notified: {one_line(each.result.untold, 400)}", "yellow")
    return swept


def _line(swept: Swept) -> str:
    """`20261122-141530-7f3a  review  sign_off: time was up  completed`, on one line however much was due."""
    few = [f"{each.path}: {_SAID[each.kind]}" for each in swept.due[:3]]
    more = [f"and {len(swept.due) - 3} more"] if len(swept.due) > 3 else []
    result = swept.result
    error = f": {result.error['message']}" if result is not None and result.error else ""
    state = f"not gone on with: {swept.why}" if swept.why else f"{result.status if result else ''}{error}"
    said: list[Any] = [swept.run_id, swept.workflow or "-", ", ".join([*few, *more]), state]
    return "  ".join(one_line(str(part)) for part in said if part)


def _exit_code(swept: list[Swept]) -> int:
    """That of the worst: interrupted, a record that cannot be used, a run that failed or could not go on."""
    codes = [each.exit_code for each in swept]
    interrupted = [code for code in codes if code >= 128]
    if interrupted:
        return interrupted[0]
    return 5 if 5 in codes else 1 if any(codes) else 0
