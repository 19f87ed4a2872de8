"""A question that waits, as `respond` and `runs show` put it: what is asked, what is shown beside it, how to answer."""

from __future__ import annotations

import time

from magent import durations, plain
from magent.answers import describe
from magent.cli.tables import Cell, Part, Sheet, local
from magent.outcome import Asked

_BESIDE = 24  # lines of context and content that a terminal is given


def head(sheet: Sheet, asked: Asked, *, named: bool = False) -> None:
    """One line: where it is asked, the kind, since when, until when. `named`: and in which run."""
    question, now = asked.question, time.time()
    where: list[Part] = [Part(f"  {asked.workflow}", ""), Part(f" {asked.run_id}", "dim")] if named else []
    sign: list[Cell] = [sheet.sign("waiting"), " "] if sheet.signs else []
    sheet.line(*sign, Part(question.path, "bold yellow"), Part(f" ({question.input})", "dim"), *where)
    facts = [f"waits {_for(now - asked.since)}" if sheet.signs else f"waits since {local(asked.since)}"]
    if question.deadline is not None:
        facts.append(_deadline(question.deadline, now))
    if question.assignee:
        facts.append(f"for {question.assignee}")
    style = "red" if question.deadline is not None and question.deadline - now < 3600 else "dim"
    sheet.text(", ".join(facts), style=style)


def _deadline(deadline: float, now: float) -> str:
    left = f"{_for(deadline - now)} left" if deadline > now else "too late"
    return f"until {local(deadline)} ({left})"


def _for(seconds: float) -> str:
    """`3d 4h`, `2h 05m`, `12s`."""
    days, rest = divmod(max(0.0, seconds), 86400)
    if days:
        return f"{int(days)}d {int(rest // 3600)}h"
    return durations.show(rest) if rest >= 60 else f"{int(rest)}s"


def short(sheet: Sheet, asked: Asked) -> None:
    """What is asked, on a line, and the command that answers."""
    if asked.question.prompt:
        sheet.line("  ", asked.question.prompt)
    sheet.line("  ", Part(asked.command, "cyan"), whole=True)


def whole(sheet: Sheet, asked: Asked, *, everything: bool = False) -> None:
    """What is asked with all that is shown beside it, how to answer, and the command that does."""
    question = asked.question
    most = None if everything or not sheet.signs else _BESIDE
    if question.prompt:
        sheet.text(question.prompt)
    for name, value in (("context", question.context), ("content", question.content)):
        if value not in (None, {}, ""):
            sheet.line("  ", Part(f"{name}:", "dim"))
            sheet.text(plain.show(value), indent=4, most=most)
    for option in question.options:
        sheet.text(f"- {option['value']}" + (f": {option['label']}" if option["label"] != option["value"] else ""))
    sheet.text(describe(question), style="dim")
    sheet.line("  ", Part(asked.command, "cyan"), whole=True)
