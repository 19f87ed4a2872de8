"""Many runs at once on one store: what one of several processes does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import magent
from magent.app import LoadedWorkflow
from magent.errors import RunDamaged, RunLocked, UsageError
from magent.outcome import Result
from magent.ports import RunStore
from magent.settings import open_store


def name(number: int) -> str:
    return f"c{number:03d}"


def main(args: Sequence[str]) -> int:
    """`args`: the directory of the workflow, the first run's number, how many. All have ended then."""
    home, first, count = args
    asyncio.run(_all(open_store(), Path(home), range(int(first), int(first) + int(count))))
    return 0


async def _all(store: RunStore, home: Path, numbers: range) -> None:
    loaded = magent.load(home / "workflow.yaml")
    answers = json.loads((home / "answers.yaml").read_text())
    await asyncio.gather(*(_lead(loaded, store, name(number), answers) for number in numbers))


async def _lead(loaded: LoadedWorkflow, store: RunStore, run_id: str, answers: object) -> Result | None:
    """Goes on with the run, or begins it. One that another process has is left to it."""
    how = {"store": store, "answers": answers, "max_concurrency": 2}
    try:
        await store.info(run_id)
    except UsageError:
        return await loaded.run(run_id=run_id, **how)  # type: ignore[arg-type]
    try:
        return await magent.resume(run_id, **how)  # type: ignore[arg-type]
    except RunLocked:
        return None
    except RunDamaged as damaged:
        if "before anything of it was recorded" not in damaged.message:
            raise
    await store.remove(run_id)
    return await loaded.run(run_id=run_id, **how)  # type: ignore[arg-type]
