"""`magent respond`: answers to a waiting run, or what it asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from magent import answering, asking, durations, records, settings
from magent.answering import Answered, Given
from magent.answers import describe, from_flags
from magent.asking import Asking
from magent.cli import flags, questions, results
from magent.cli.console import Console, dump
from magent.cli.execution import Conditions, Watch
from magent.cli.people import login
from magent.cli.progress import said
from magent.cli.resume import go_on
from magent.cli.tables import Cell, Column, Part, Sheet, local
from magent.engine.run import open_questions
from magent.errors import StoreError, UsageError
from magent.outcome import Asked, asked
from magent.ports import RunStore

Words = list[str] | None
_KEPT = "  whoever drives the run has not looked yet: the answer is kept, and counts as soon as somebody does"


def respond(
    console: Console,
    *,
    id: str | None,
    node: str | None,
    list: bool,
    history: bool,
    workflow: str | None,
    since: str | None,
    approve: bool,
    reject: bool,
    text: str | None,
    choose: Words,
    rate: str | None,
    decision: str | None,
    content: str | None,
    valid: bool,
    invalid: bool,
    error: Words,
    answer: str | None,
    comment: str | None,
    by: str | None,
    digest: str | None,
    resume: bool,
    otlp: str | None,
    output: str | None,
) -> int:
    """Answer a waiting run, or see what it asks."""
    given = {
        "approve": approve, "reject": reject, "text": text, "choose": choose, "rate": rate, "decision": decision,
        "content": content, "valid": valid, "invalid": invalid, "error": error, "answer": answer, "comment": comment,
    }  # fmt: skip
    answering = any(value not in (None, False) for value in given.values())
    watch = Watch.of(flags.one_of("--output", output, results.OUTPUTS if resume else results.OUTPUTS[:2]), None)
    store = settings.open_store(console.settings.store)
    if list or history:
        if id or answering or resume or (list and history):
            raise UsageError(f"--{'list' if list else 'history'} goes with no run and no answer")
        begun = flags.moment("--since", since)
        return asyncio.run((_list if list else _history)(console, store, watch.output, workflow, begun))
    if otlp is not None and not resume:
        raise UsageError("--otlp goes with --resume", "an answer alone does no work that could be sent")
    if workflow or since:
        raise UsageError("--workflow and --since go with --list and --history")
    if id is None:
        raise UsageError(
            "respond needs the id of a run", "magent respond --list shows what waits; `latest` is an id too"
        )
    run_id = asyncio.run(store.resolve(id))
    if not answering:
        if resume:
            raise UsageError("--resume needs an answer", f"without one: magent resume {run_id}")
        return asyncio.run(_show(console, store, run_id, node, watch.output))
    answered = asyncio.run(_answer(console, store, run_id, node, given, by, digest))
    if answered.driven:
        console.hint("  whoever drives the run goes on with it" if answered.taken else _KEPT)
        return 0
    if resume:
        return go_on(console, store, run_id, Conditions(otlp=otlp), watch)
    console.hint(f"  {console.command('resume', run_id)}   goes on")
    return 0


async def _answer(
    console: Console,
    store: RunStore,
    run_id: str,
    node: str | None,
    given: dict[str, Any],
    by: str | None,
    digest: str | None,
) -> Answered:
    run = await records.look(store, run_id)
    question = await answering.asked(store, run, node)
    answer = from_flags(question, given)
    if answer is None:
        raise UsageError(f"no answer to '{question.path}' was given", describe(question))
    if by is None and not (isinstance(answer, Mapping) and answer.get("by")):
        by = login()
    said = Given(answer, by, given["comment"], digest=digest)
    answered = await answering.respond(store, run_id, question.path, said)
    console.say(f"✔ {question.path} of run {run_id} is answered", "green")
    others = [other.path for other in open_questions(run) if other.path != question.path]
    if others:
        console.hint(f"  it still waits at {', '.join(others)}")
    return answered


async def _show(console: Console, store: RunStore, run_id: str, node: str | None, output: str) -> int:
    run = await records.look(store, run_id)
    path = None if node is None else records.pick(run, node).path
    found = [each for each in asked(run, store) if path in (None, each.question.path)]
    if output == "json":
        console.result(dump([each.as_json() for each in found]))
    elif not found:
        console.hint("\n  ".join(records.nobody(run)))
    else:
        _tell(console, found)
    return 0


def _tell(console: Console, found: Sequence[Asked]) -> None:
    sheet = Sheet(console)
    sheet.line(Part(found[0].workflow, "bold"), f"  {found[0].run_id}")
    for each in found:
        sheet.blank()
        questions.head(sheet, each)
        questions.whole(sheet, each, everything=console.settings.verbose)
    sheet.print()


async def _list(console: Console, store: RunStore, output: str, workflow: str | None, since: float) -> int:
    found: list[Asked] = []
    every = await store.list()
    for info in every:
        if workflow not in (None, info.workflow):
            continue
        if info.status in ("waiting", "interrupted", "running"):  # a driver may ask, who left may have left it open
            try:
                found += asked(await records.look(store, info.id), store)
            except StoreError as error:  # one damaged record hides no other
                console.hint(f"magent: {error.message}")
    found = sorted((each for each in found if each.since >= since), key=lambda each: each.since)
    if output == "json":
        console.result(dump([each.as_json() for each in found]))
    elif found:
        _tell_all(console, found)
    unread = Counter(info.status for info in every)
    if not found and output != "json":
        others = " in the runs that can be read" if any(unread[status] for status in _UNREAD) else ""
        console.hint(f"nothing waits for an answer{others}")
    _unread(console, unread)
    return 0


_UNREAD = {"sealed": "encrypted, and not under a key that is given", "damaged": "damaged"}


def _unread(console: Console, counts: Mapping[str, int]) -> None:
    for status, why in _UNREAD.items():
        if count := counts.get(status):
            runs = "1 run is" if count == 1 else f"{count:,} runs are"
            console.hint(f"magent: {runs} {why}: what waits there, if anything, cannot be read")


_HISTORY = (
    Column("ANSWERED"),
    Column("RUN", rank=3),
    Column("QUESTION", least=12),
    Column("ANSWER", least=8),
    Column("BY", least=4, rank=1),
    Column("AFTER", rank=2, right=True),
    Column("SHOWN", rank=4),
)


async def _history(console: Console, store: RunStore, output: str, workflow: str | None, since: float) -> int:
    """Every answer, the newest last."""
    every = await asking.askings(store, workflow=workflow, told=lambda why: console.hint(f"magent: {why}"))
    given = [(each.answered, each) for each in every if each.answered is not None and each.answered >= since]
    found = [each for _, each in sorted(given, key=lambda pair: pair[0])]
    if output == "json":
        console.result(dump([each.as_json() for each in found]))
    elif found:
        sheet = Sheet(console)
        sheet.table(_HISTORY, [_answer_row(each) for each in found])
        sheet.print()
    else:
        console.hint("nobody has answered anything" + (" since then" if since else ""))
    return 0


def _answer_row(each: Asking) -> Sequence[Cell]:
    answer = each.answer or {}
    by = f"{answer.get('by') or '-'} ({answer.get('via')})"
    took = "" if each.took is None else durations.show(each.took)
    when = local(each.answered or 0.0)
    return (
        Part(when, "dim"),
        each.run_id,
        each.path,
        said(answer),
        by,
        Part(took, "dim"),
        Part(each.digest[:12], "dim"),
    )


def _tell_all(console: Console, found: Sequence[Asked]) -> None:
    """The one that waits longest stands first."""
    sheet = Sheet(console)
    for each in found:
        sheet.blank()
        questions.head(sheet, each, named=True)
        questions.short(sheet, each)
    sheet.print()
    if len(found) > 1:
        console.say(f"{len(found):,} questions wait, the oldest first")
