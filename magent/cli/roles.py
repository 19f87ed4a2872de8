"""`magent roles`: who there is, what one is good at, and to whom a task would go, with reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from magent import cells
from magent.cli import files, flags
from magent.cli.console import Console, dump
from magent.cli.tables import GAP, Cell, Column, Part, Sheet, wrap
from magent.errors import InvalidWorkflow, MagentError, UsageError
from magent.roles import Candidate, Decision, Role, Router, Team, Wanted
from magent.spec.catalogue import team_of, team_of_bundle
from magent.spec.checks import check
from magent.spec.loader import load

OUTPUTS = ("text", "json")
_NARROW = 60  # columns: in a narrower window reasons stand below their role
_LISTED = (
    Column("ROLE", least=10),
    Column("TYPE", rank=3),
    Column("FROM", rank=4),
    Column("EXPERTISE", rank=2),
    Column("SKILLS", least=12),
)  # what goes without saying, that a predefined role is of its own type, is not said
Words = list[str] | None


def list_roles(console: Console, *, file: str | None, output: str | None) -> int:
    """List the predefined roles; with a file its own first."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    team = _team(file)
    if form == "json":
        console.result(dump([_as_json(team, role) for role in team.known.values()]))
        return 0
    sheet = Sheet(console)
    rows: list[Sequence[Cell]] = [
        (role.name, _type(role), _origin(team, role), ", ".join(role.expertise), ", ".join(role.skills))
        for role in team.known.values()
    ]
    sheet.table(_LISTED, rows)
    sheet.print()
    return 0


def show_role(console: Console, *, name: str | None, file: str | None, output: str | None) -> int:
    """Show one role with all that it takes from those it extends."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    if not name:
        raise UsageError("which role?", "magent roles list shows them; magent roles show reviewer one of them")
    team = _team(file)
    role = team.role(name)
    if form == "json":
        console.result(dump(_as_json(team, role)))
        return 0
    sheet = Sheet(console)
    sheet.line(
        Part(role.name, "bold"), "  ", Part("of the file" if role.name in team.declared else "predefined", "dim")
    )
    if role.description:
        sheet.text(role.description, indent=0)
    sheet.blank()
    for title, text in _facts(role):
        _fact(sheet, title, text)
    if role.instructions:
        sheet.title("Instructions")
        sheet.text(role.instructions)
    sheet.print()
    return 0


def route(
    console: Console,
    *,
    task: str | None,
    skills: Words,
    expertise: Words,
    role_type: str | None,
    prefer: str | None,
    file: str | None,
    output: str | None,
) -> int:
    """Say to which role a task would go, and why."""
    form = flags.one_of("--output", output, OUTPUTS) or "text"
    text = files.read_text("TASK", "-") if task == "-" else task or ""
    wanted = Wanted(_words("--skills", skills), _words("--expertise", expertise), role_type, prefer)
    if not (text.strip() or wanted.skills or wanted.expertise or role_type or prefer):
        hint = 'such as: magent roles route "review this login code" --skills python,security'
        raise UsageError("neither a task nor anything that it requires is given", hint)
    team = _team(file)
    if prefer is not None:
        team.role(prefer)
    decision = Router(team).route(wanted, text)
    if form == "json":
        console.result(dump({"task": text, **decision.as_json()}))
    else:
        _tell(console, decision)
    if decision.chosen is None:
        first, *rest = decision.sentences()
        raise MagentError(first, "\n  ".join(rest) or None)
    return 0


def _words(flag: str, given: Words) -> tuple[str, ...]:
    """`["a,b", "c"]` → `("a", "b", "c")`. Raises UsageError where a list is given with nothing in it."""
    if given is None:
        return ()
    found = tuple(word.strip() for item in given for word in item.split(",") if word.strip())
    if not found:
        raise UsageError(f"{flag} takes words, such as {flag} python,security")
    return found


def _team(file: str | None) -> Team:
    """The roles of a file and its libraries, with the predefined ones. What is wrong elsewhere in the file does not
    matter here. Raises InvalidWorkflow."""
    if file is None:
        return team_of({})
    bundle = load(file)
    found = [problem for problem in check(bundle) if problem.severity == "error"]
    wrong = [problem for problem in found if problem in bundle.problems or problem.path.startswith("roles")]
    if wrong:
        raise InvalidWorkflow(wrong, bundle.sources)
    return team_of_bundle(bundle)


def _origin(team: Team, role: Role) -> str:
    return "file" if role.name in team.declared else ""


def _type(role: Role) -> str:
    return "" if role.role_type in (None, role.name) else str(role.role_type)


def _as_json(team: Team, role: Role) -> dict[str, Any]:
    return role.as_json() | {"predefined": role.name not in team.declared}


# ---- one role


def _facts(role: Role) -> Iterator[tuple[str, str]]:
    yield "type", role.role_type or ""
    yield "extends", " → ".join(role.lineage[1:])
    yield "agent", role.agent or ""
    yield "skills", ", ".join(role.skills)
    yield "expertise", ", ".join(role.expertise)
    yield from (
        ("" if at else "related", f"{word} ~ {', '.join(others)}")
        for at, (word, others) in enumerate(role.related.items())
    )
    yield "tools", ", ".join(role.tools)
    whom = f", to {', '.join(role.delegate_to)}" if role.delegate_to else ""
    yield "delegates", f"up to {role.max_subtasks} subtasks{whom}" if role.can_delegate else ""


def _fact(sheet: Sheet, title: str, text: str) -> None:
    if not text:
        return
    indent = len("expertise") + len(GAP)
    lines = [text] if sheet.width is None else list(wrap(text, max(20, sheet.width - indent)))
    sheet.line(Part(cells.pad(title, indent), "dim"), lines[0])
    for line in lines[1:]:
        sheet.line(" " * indent, line)


# ---- a decision


def _tell(console: Console, decision: Decision) -> None:
    """Each candidate with its score; beside it, or below it in a narrow window, why."""
    sheet = Sheet(console)
    beside = sheet.width is None or sheet.width >= _NARROW
    longest = max(len(each.role) for each in decision.candidates)
    name = longest if sheet.width is None else min(longest, sheet.width // 3)
    score = max(len("SCORE"), *(len(_figure(each.score)) for each in decision.candidates))
    mark = 1 if sheet.signs else len("chosen")
    if beside:
        titles = (" " * mark, " ", cells.pad("ROLE", name), GAP, cells.pad("SCORE", score, right=True), GAP, "WHY")
        sheet.line(*(Part(title, "dim") for title in titles))
    for each in decision.candidates:
        sign, word, style = _standing(each, decision)
        figure = cells.pad(_figure(each.score), score, right=True)
        head = (
            Part(sign if sheet.signs else cells.pad(word, mark), style),
            " ",
            Part(cells.pad(cells.cut(each.role, name), name), style),
            GAP,
            figure,
        )
        indent = mark + 1 + name + len(GAP) + score + len(GAP) if beside else 4
        why = console.spoken("; ".join(each.reasons))
        lines = [why] if sheet.width is None else list(wrap(why, max(20, sheet.width - indent)))
        sheet.line(*head, *((GAP, lines.pop(0)) if beside else ()))
        for line in lines:
            sheet.line(" " * indent, line)
    sheet.print()


def _figure(score: float) -> str:
    return "<0.01" if 0 < score < 0.005 else f"{score:.2f}"


def _standing(each: Candidate, decision: Decision) -> tuple[str, str, str]:
    """How a role stands: a sign for terminals, a word for files, a style."""
    if each.role == decision.chosen:
        return "✔", "chosen", "bold green"
    return ("·", "fits", "") if each.fits else ("✘", "-", "dim")
