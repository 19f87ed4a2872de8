"""`magent respond`: answers to a waiting run, or what it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from magent import answering, records, settings
from magent.answering import Answered, Given
from magent.answers import describe, from_flags
from magent.cli import flags, questions, results
from magent.cli.console import Console, dump
from magent.cli.execution import Conditions, Watch
from magent.cli.people import login
from magent.cli.resume import go_on
from magent.cli.tables import Part, Sheet
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
    if list:
        if id or answering or resume:
            raise UsageError("--list goes with no run and no answer")
        return asyncio.run(_list(console, store, watch.output))
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
        return go_on(console, store, run_id, Conditions(), watch)
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


async def _list(console: Console, store: RunStore, output: str) -> int:
    found: list[Asked] = []
    for info in await store.list():
        if info.status in ("waiting", "interrupted", "running"):  # a driver may ask, who left may have left it open
            try:
                found += asked(await records.look(store, info.id), store)
            except StoreError as error:  # one damaged record hides no other
                console.hint(f"magent: {error.message}")
    found.sort(key=lambda each: each.since)
    if output == "json":
        console.result(dump([each.as_json() for each in found]))
    elif found:
        _tell_all(console, found)
    else:
        console.hint("nothing waits for an answer")
    return 0


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
