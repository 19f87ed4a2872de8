"""A question that waits, as `respond` and `runs show` put it: what is asked, what is shown beside it, how to answer."""

from __future__ import annotations

import time

from magent import durations, plain
from magent.answers import describe
from magent.cli.tables import Cell, Part, Sheet, ago, local
from magent.outcome import Asked

_BESIDE = 24  # lines of context and content that a terminal is given


def head(sheet: Sheet, asked: Asked, *, named: bool = False) -> None:
    """One line: where it is asked, the kind, since when, until when. `named`: and in which run."""
    question, now = asked.question, time.time()
    sign: list[Cell] = [sheet.sign("waiting"), " "] if sheet.signs else []
    head = [*sign, Part(question.path, "bold yellow"), Part(f" ({question.input})", "dim")]
    if named:
        sheet.heading(*head, f"  {asked.workflow}", id=asked.run_id)
    else:
        sheet.line(*head)
    facts = [f"asked {ago(asked.since, now) if sheet.signs else local(asked.since)}"]
    facts += of_whom(question.assignee, question.deadline, now)
    style = "red" if question.deadline is not None and question.deadline - now < 3600 else "dim"
    sheet.text(", ".join(facts), style=style)


def of_whom(assignee: str | None, deadline: float | None, now: float) -> list[str]:
    """Until when a question is open, and whose it is."""
    until = [] if deadline is None else [_deadline(deadline, now)]
    return [*until, *([f"assigned to {assignee}"] if assignee else [])]


def _deadline(deadline: float, now: float) -> str:
    days, rest = divmod(max(0.0, deadline - now), 86400)
    left = f"{int(days)}d {int(rest // 3600)}h" if days else durations.show(rest)
    return f"until {local(deadline)} ({f'{left} left' if deadline > now else 'too late'})"


def short(sheet: Sheet, asked: Asked) -> None:
    """What is asked, on a line, and the command that answers."""
    if asked.question.prompt:
        sheet.line("  ", asked.question.prompt)
    sheet.line("  ", Part(asked.command, "cyan"), whole=True)


def whole(sheet: Sheet, asked: Asked, *, everything: bool = False, driven: bool = False) -> None:
    """What is asked with all that is shown beside it, how to answer, and the command that does; where the run is
    `driven`, its driver may ask as well."""
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
    if driven:
        sheet.text("the run is being driven, where it may be asked as well: the first answer counts", style="dim")
    sheet.text(describe(question), style="dim")
    sheet.line("  ", Part(asked.command, "cyan"), whole=True)
