"""`magent runs clean` and `magent checkpoints clean`: what has had its time goes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from magent import durations, retention, settings
from magent.cli import flags
from magent.cli.console import Console, dump, one_line
from magent.cli.declared import CLEANED
from magent.cli.people import sure
from magent.cli.tables import Cell, Column, Part, Sheet, ago, local, size
from magent.clock import SystemClock, iso
from magent.errors import StoreError, UsageError
from magent.ports import CheckpointInfo, RunInfo, RunStore, Tended

OUTPUTS = ("text", "json")
_SHOWN = 20
_RUNS = (
    Column("RUN"),
    Column("STATUS", least=1, rank=0),
    Column("WORKFLOW", least=12, rank=1),
    Column("LAST EVENT", rank=2),
    Column("SIZE", right=True, rank=3),
)


class Doomed(NamedTuple):
    """A run that is to go, with its size in bytes where that is known."""

    info: RunInfo
    size: int | None


def clean_runs(
    console: Console,
    *,
    older_than: str | None,
    keep: str | None,
    status: list[str] | None,
    workflow: str | None,
    dry_run: bool,
    yes: bool,
    output: str | None,
) -> int:
    """Remove runs that have had their time."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    rule = _rule(console, older_than, keep, status, workflow)
    store = settings.open_store(console.settings.store)
    found = asyncio.run(_doomed(store, rule))
    if not dry_run and found:
        if not yes and not sure(console, "runs clean", _what(found), _lines(found)):
            console.hint("nothing is removed")
            return 1
        found = asyncio.run(_remove(store, found))
    if form == "json":
        console.result(dump(_as_json(found, dry_run)))
    elif dry_run and found:
        _tell(console, found)
        console.hint(f"{_runs(len(found))} would be removed, {_sum(found)}")
    elif found:
        console.say(f"{_runs(len(found))} {'is' if len(found) == 1 else 'are'} removed, {_sum(found)}")
    else:
        console.told("no run has had its time")
    return 0


def _rule(
    console: Console, older_than: str | None, keep: str | None, status: list[str] | None, workflow: str | None
) -> retention.Rule:
    """Raises UsageError."""
    statuses = tuple(filter(None, (flags.one_of("--status", each, CLEANED) for each in status or ())))
    most = flags.whole("--keep", keep, least=0)
    if older_than is None and most is None and not statuses:
        rule = retention.configured(settings.read())
        if rule is None:
            dry = console.command("runs", "clean", "--older-than", "30d", "--dry-run")
            raise UsageError("runs clean needs to know which: --older-than, --keep or --status", f"such as: {dry}")
        return retention.Rule(rule.older_than, rule.keep, rule.statuses, workflow)
    older = _seconds(older_than) if older_than is not None else 0.0
    return retention.Rule(older, most or 0, statuses or retention.OVER, workflow)


def _seconds(text: str) -> float:
    try:
        return durations.parse(text)
    except ValueError as error:
        raise UsageError(f"--older-than: {error}") from None


async def _doomed(store: RunStore, rule: retention.Rule) -> list[Doomed]:
    found = retention.chosen(await store.list(), rule, SystemClock().now())
    return [Doomed(info, await store.size(info.id) if isinstance(store, Tended) else None) for info in found]


async def _remove(store: RunStore, found: Sequence[Doomed]) -> list[Doomed]:
    sizes = {each.info.id: each.size for each in found}
    return [Doomed(info, sizes[info.id]) async for info in retention.remove(store, [each.info for each in found])]


def _as_json(found: Sequence[Doomed], dry_run: bool) -> dict[str, Any]:
    runs = [
        {
            "run_id": info.id,
            "workflow": info.workflow,
            "status": info.status,
            "updated": iso(info.updated),
            "bytes": count,
        }
        for info, count in found
    ]
    return {"dry_run": dry_run, "count": len(found), "bytes": sum(each.size or 0 for each in found), "runs": runs}


def _tell(console: Console, found: Sequence[Doomed]) -> None:
    sheet = Sheet(console)
    shown = found[: _SHOWN if sheet.signs and not console.settings.verbose else None]
    sheet.table(_RUNS, [_row(sheet, each) for each in shown])
    if len(shown) < len(found):
        sheet.line(Part(f"… and {len(found) - len(shown):,} more (-v)", "dim"))
    sheet.print()


def _what(found: Sequence[Doomed]) -> str:
    them = "this run and the files it made" if len(found) == 1 else f"these {len(found):,} runs and the files they made"
    return f"{them}, {_sum(found)}"


def _lines(found: Sequence[Doomed]) -> Iterator[str]:
    for info, _ in found[:_SHOWN]:
        yield f"{info.id}  {info.status:<11}  {one_line(info.workflow or '-', 60)}"
    if len(found) > _SHOWN:
        yield f"… and {len(found) - _SHOWN:,} more (--dry-run -v shows them)"


def _row(sheet: Sheet, doomed: Doomed) -> Sequence[Cell]:
    info, count = doomed
    last = ago(info.updated) if sheet.signs else local(info.updated)
    bytes_ = "" if count is None else size(count)
    return (info.id, sheet.status(info.status), info.workflow or "-", Part(last, "dim"), bytes_)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _sum(found: Sequence[Doomed]) -> str:
    return size(sum(each.size or 0 for each in found))


# ---- checkpoints


class Point(NamedTuple):
    """A checkpoint that is to go."""

    run_id: str
    info: CheckpointInfo


def clean_checkpoints(
    console: Console,
    *,
    id: str | None,
    all: bool,
    older_than: str | None,
    keep: str | None,
    status: list[str] | None,
    dry_run: bool,
    output: str | None,
) -> int:
    """Drop checkpoints: a resume reads the events instead."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if (id is None) != all:
        raise UsageError("checkpoints clean takes the id of a run, or --all", console.command("runs", "list"))
    statuses = tuple(filter(None, (flags.one_of("--status", each, CLEANED_OF) for each in status or ())))
    older = _seconds(older_than) if older_than is not None else 0.0
    most = flags.whole("--keep", keep, least=0) or 0
    store = settings.open_store(console.settings.store)
    found, passed = asyncio.run(_points(store, id, statuses, older, most))
    if not dry_run:
        asyncio.run(_forget(store, found))
    total = sum(each.info.size for each in found)
    if form == "json":
        points = [{"run_id": each.run_id, "seq": each.info.seq, "bytes": each.info.size} for each in found]
        console.result(dump({"dry_run": dry_run, "count": len(found), "bytes": total, "checkpoints": points}))
    else:
        count = "1 checkpoint" if len(found) == 1 else f"{len(found):,} checkpoints"
        runs = _runs(len({each.run_id for each in found}))
        done = "would be dropped" if dry_run else "is dropped" if len(found) == 1 else "are dropped"
        console.say(f"{count} of {runs} {done}, {size(total)}" if found else "there is no such checkpoint")
    for error in passed:
        console.told(f"passed over: {error.message}", "yellow")
    return 0


CLEANED_OF = ("running", *CLEANED)


async def _points(
    store: RunStore, id: str | None, statuses: Sequence[str], older: float, keep: int
) -> tuple[list[Point], list[StoreError]]:
    """What is to go, and why runs were passed over, of which nothing can be read."""
    now = SystemClock().now()
    if id is not None:
        run_id = await store.resolve(id)
        await store.checkpoints(run_id)  # whether it can be read
        runs = [await store.info(run_id)]
    else:
        runs = [*await store.list()]
    found, passed = [], []
    for run in runs:
        if statuses and run.status not in statuses:
            continue
        try:
            kept = await store.checkpoints(run.id)
        except StoreError as error:
            passed.append(error)
            continue
        past = kept[: max(len(kept) - keep, 0)]
        found += [Point(run.id, info) for info in past if now - info.time >= older]
    return found, passed


async def _forget(store: RunStore, found: Sequence[Point]) -> None:
    seqs: dict[str, list[int]] = {}
    for each in found:
        seqs.setdefault(each.run_id, []).append(each.info.seq)
    for run_id, numbers in seqs.items():
        await store.forget(run_id, numbers)
