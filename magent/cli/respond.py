"""`magent respond`: answers to a waiting run, or what it asks."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Mapping
from typing import Any

from magent import app, plain, records
from magent.answers import command, describe, from_flags
from magent.cli import flags, results
from magent.cli.console import Console, dump, one_line
from magent.cli.execution import Conditions, Watch
from magent.cli.resume import go_on
from magent.clock import iso
from magent.engine.fold import Run
from magent.errors import StoreError, UsageError
from magent.outcome import named
from magent.ports import Question, RunStore

Words = list[str] | None


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
    store = app.open_store(console.settings.store)
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
    asyncio.run(_answer(console, store, run_id, node, given, by))
    if resume:
        return go_on(console, store, run_id, Conditions(), watch)
    console.hint(f"  {console.command('resume', run_id)}   goes on")
    return 0


async def _answer(
    console: Console, store: RunStore, run_id: str, node: str | None, given: dict[str, Any], by: str | None
) -> None:
    run = await records.look(store, run_id)
    question = records.pick(run, node)
    answer = from_flags(question, given)
    if answer is None:
        raise UsageError(f"no answer to '{question.path}' was given", describe(question))
    if by is None and not (isinstance(answer, Mapping) and answer.get("by")):
        by = _login()
    await records.respond(store, run_id, question.path, answer, by=by, comment=given["comment"])
    console.say(f"✔ {question.path} of run {run_id} is answered", "green")
    others = [other.path for other in records.open_questions(run) if other.path != question.path]
    if others:
        console.hint(f"  it still waits at {', '.join(others)}")


async def _show(console: Console, store: RunStore, run_id: str, node: str | None, output: str) -> int:
    run = await records.look(store, run_id)
    asked = [records.pick(run, node)] if node is not None else records.open_questions(run)
    if output == "json":
        console.result(dump([_as_json(console, run, question) for question in asked]))
    elif not asked:
        console.hint("\n  ".join(records.nobody(run)))
    for question in asked if output == "text" else ():
        console.result(_told(console, run, question))
    return 0


async def _list(console: Console, store: RunStore, output: str) -> int:
    found = []
    for info in await store.list():
        if info.status == "waiting":
            try:
                run = await records.look(store, info.id)
                found += [(run, question) for question in records.open_questions(run)]
            except StoreError as error:  # one damaged record hides no other
                console.hint(f"magent: {error.message}")
    if output == "json":
        console.result(
            dump([{"workflow": run.workflow.name, **_as_json(console, run, question)} for run, question in found])
        )
    elif not found:
        console.hint("nothing waits")
    for run, question in found if output == "text" else ():
        console.result(f"{run.id} ({run.workflow.name})\n{_told(console, run, question)}")
    return 0


def _as_json(console: Console, run: Run, question: Question) -> dict[str, Any]:
    return {"run_id": run.id, **question.as_json(), "command": _command(console, run, question)}


def _command(console: Console, run: Run, question: Question) -> str:
    return command(question, run.id, named(records.open_questions(run), question), console.settings.store)


def _told(console: Console, run: Run, question: Question) -> str:
    """The question with all that is shown beside it, and the command that answers."""
    lines = [f"{question.path} ({question.input}){': ' + question.prompt if question.prompt else ''}"]
    for name, value in (("context", question.context), ("content", question.content)):
        if value not in (None, {}, ""):
            shown = plain.show(value)
            lines += [f"  {name}:", *(f"    {line}" for line in shown.splitlines())]
    lines += [f"  - {option['value']}: {option['label']}" for option in question.options]
    if question.assignee:
        lines.append(f"  for {one_line(question.assignee)}")
    if question.deadline is not None:
        lines.append(f"  until {iso(question.deadline)}")
    return "\n".join([*lines, f"  {describe(question)}", f"  {_command(console, run, question)}"])


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"user {os.getuid()}"
