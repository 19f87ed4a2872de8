"""`magent validate`: every problem of every file, in the form that is asked for."""

from __future__ import annotations

from magent import loading
from magent.cli import flags, reports
from magent.cli.console import Console
from magent.source import Problem

Words = list[str] | None


def validate(
    console: Console,
    *,
    files: Words,
    output: str | None,
    strict: bool,
) -> int:
    """Report every problem of workflow files."""
    form = flags.one_of("--output", output, tuple(reports.FORMS)) or "text"
    problems: dict[Problem, None] = {}  # a library that two files include has its problems told once
    sources: dict[str, list[str]] = {}
    names = list(dict.fromkeys(files or ["workflow.yaml"]))
    for name in names:
        found, lines = loading.check(name)
        problems.update(dict.fromkeys(found))
        sources.update(lines)
    report = reports.FORMS[form](list(problems), sources)
    if report:
        console.result(report)
    return _verdict(console, names, list(problems), strict)


def _verdict(console: Console, names: list[str], problems: list[Problem], strict: bool) -> int:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    parts = [_count(errors, "error")] if errors else []
    parts += [_count(warnings, "warning")] if warnings else []
    failed = bool(errors or (strict and warnings))
    if parts:
        where = _count(len({problem.position.file for problem in problems}), "file")
        console.say(f"{', '.join(parts)} in {where}", "red" if failed else "yellow")
    else:
        console.say(f"{names[0] if len(names) == 1 else _count(len(names), 'file')}: ok", "green")
    return 2 if failed else 0


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
