"""`magent roles`: who there is, and to whom a task would go."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import magent, several
from tests.terminal import Golden, Terminal

TEAM = """
    magent: 1
    roles:
      py_dev:
        extends: coder
        skills: [django, security]
        description: Builds services with Django.
        instructions: Prefer the standard library.
      login_expert:
        skills: [python, security]
        expertise: [authentication]
        can_delegate: true
        max_subtasks: 3
        delegate_to: [coder]
"""
WORKFLOW = """
    magent: 1
    name: work
    include: [./team.yaml]
    agents: {a: {replies: [x]}}
    defaults: {agent: a}
    roles: {cook: {skills: [cooking]}}
    nodes:
      ask: {prompt: Hello, route: {skills: [swimming]}}
"""


@pytest.fixture
def crew(here: Path) -> Path:
    """`team.yaml`, a library, and `work.yaml`, a workflow that includes it, in an empty current directory."""
    here.joinpath("team.yaml").write_text(dedent(TEAM), "utf-8")
    here.joinpath("work.yaml").write_text(dedent(WORKFLOW), "utf-8")
    return here


def test_roles_alone_lists_the_predefined_ones(capsys: Any) -> None:
    done = magent(capsys, "roles")
    assert done.code == 0
    head, first, *_ = done.out.splitlines()
    assert head.split() == ["ROLE", "EXPERTISE", "SKILLS"]
    assert first.split()[0] == "manager"
    assert len(done.out.splitlines()) == 12


def test_a_files_roles_stand_first_with_those_of_its_libraries(crew: Path, capsys: Any) -> None:
    rows = json.loads(magent(capsys, "roles", "list", "-f", "work.yaml", "--output", "json").out)
    assert [row["name"] for row in rows[:4]] == ["cook", "py_dev", "login_expert", "manager"]
    assert [row["predefined"] for row in rows[:4]] == [False, False, False, True]
    assert rows[1]["skills"][-2:] == ["django", "security"]


def test_show_tells_all_that_a_role_is(crew: Path, capsys: Any) -> None:
    out = magent(capsys, "roles", "show", "py_dev", "-f", "team.yaml").out
    assert "extends    coder" in out
    assert "git, django, security" in out
    assert "python ~ django, flask" in out
    assert out.index("You write code that other people") < out.index("Prefer the standard library.")
    shown = json.loads(magent(capsys, "roles", "show", "login_expert", "-f", "team.yaml", "--output", "json").out)
    assert (shown["max_subtasks"], shown["delegate_to"], shown["role_type"]) == (3, ["coder"], None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["roles", "show", "codr"], "did you mean 'coder'?"),
        (["roles", "show"], "which role?"),
        (["roles", "route"], "neither a task nor anything"),
        (["roles", "route", "x", "--skills", ","], "--skills takes words"),
        (["roles", "route", "x", "--prefer", "codr"], "did you mean 'coder'?"),
        (["roles", "list", "-f", "nowhere.yaml"], "nowhere.yaml"),
        (["roles", "list", "--output", "yaml"], "--output"),
        (["roles", "rout"], "did you mean"),
    ],
)
def test_wrong_words_are_bad_usage(here: Path, capsys: Any, words: list[str], told: str) -> None:
    done = magent(capsys, *words)
    assert done.code == 2
    assert told in done.err
    assert done.out == ""


def test_route_prints_the_chosen_role_first_and_why(crew: Path, capsys: Any) -> None:
    done = magent(capsys, "roles", "route", "review this login code", "--skills", "python,security", "-f", "team.yaml")
    assert done.code == 0
    assert done.err == ""
    assert done.out.splitlines()[1:] == [
        "chosen login_expert   4.50  skill 'python' (+2); skill 'security' (+2); nothing unrelated (+0.50)",
        "fits   py_dev         4.10  skill 'python' (+2); skill 'security' (+2); 8 unrelated (+0.10)",
    ]


def test_route_takes_every_requirement(crew: Path, capsys: Any) -> None:
    words = ("--skills", "python", "--skills", "Security", "--expertise", "authentication", "--prefer", "login_expert")
    done = magent(capsys, "roles", "route", "-f", "team.yaml", *words, "--output", "json")
    shown = json.loads(done.out)
    assert shown["wanted"] == {
        "skills": ["python", "Security"],
        "expertise": ["authentication"],
        "role_type": None,
        "prefer": "login_expert",
    }
    assert shown["chosen"] == "login_expert"
    assert [match["points"] for match in shown["candidates"][0]["matches"]] == [2, 2, 4]
    typed = magent(capsys, "roles", "route", "-f", "team.yaml", "--role-type", "coder", "--output", "json")
    assert json.loads(typed.out)["chosen"] == "py_dev"


def test_without_skills_the_words_decide_also_from_stdin(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    import io
    import sys

    done = magent(capsys, "roles", "route", "draft a blog post")
    assert done.out.splitlines()[1].startswith("chosen writer")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"fix the bug in the login page\n")))
    shown = json.loads(magent(capsys, "roles", "route", "-", "--output", "json").out)
    assert (shown["chosen"], shown["by"]) == ("coder", "text")


def test_a_word_that_every_role_has_is_worth_little_but_not_nothing(here: Path, capsys: Any) -> None:
    roles = ", ".join(f"r{number}: {{skills: [tax]}}" for number in range(30))
    here.joinpath("alike.yaml").write_text(f"magent: 1\nroles: {{{roles}}}\n", "utf-8")
    lines = magent(capsys, "roles", "route", "do the tax", "-f", "alike.yaml").out.splitlines()
    assert lines[1].split()[:3] == ["chosen", "r0", "<0.01"]
    assert lines[2].split()[:3] == ["fits", "r1", "<0.01"]


def test_where_nobody_fits_the_gap_and_the_nearest_are_told(crew: Path, capsys: Any) -> None:
    words = ("roles", "route", "check it", "--skills", "pyhton,security", "-f", "team.yaml")
    done = magent(capsys, *words)
    assert done.code == 1
    assert done.out.splitlines()[1].startswith("-      login_expert")
    assert done.err.splitlines() == [
        "magent: no role has the skill 'pyhton' (did you mean 'python'?)",
        "  the nearest is 'login_expert', which lacks the skill 'pyhton'",
    ]
    as_json = magent(capsys, *words, "--output", "json")
    assert as_json.code == 1
    assert json.loads(as_json.out)["gaps"][0]["near"] == "python"
    assert json.loads(as_json.out)["chosen"] is None


def test_a_file_with_faults_elsewhere_still_has_roles_but_not_one_whose_roles_are_wrong(
    crew: Path, capsys: Any
) -> None:
    assert magent(capsys, "validate", "work.yaml").code == 2  # nobody swims
    assert magent(capsys, "roles", "route", "x", "--skills", "cooking", "-f", "work.yaml").code == 0
    crew.joinpath("bad.yaml").write_text("magent: 1\nroles: {a: {extends: codr}}\n", "utf-8")
    done = magent(capsys, "roles", "list", "-f", "bad.yaml")
    assert done.code == 2
    assert "bad.yaml:2:22" in done.err
    assert "did you mean 'coder'?" in done.err


HOSTILE = "[bold]x[/bold] \\e[31mred\\e[0m\\a\\r \\u202Egnp" + "y" * 300


def test_texts_of_a_file_steer_nothing_and_fit_the_window(here: Path) -> None:
    here.joinpath("bad.yaml").write_text(
        f'magent: 1\nroles: {{r: {{description: "{HOSTILE}", skills: ["{HOSTILE}"], instructions: "{HOSTILE}"}}}}\n',
        "utf-8",
    )
    verbs = ("list", "show r", "route x --skills 'a\x1b]0;t\x07b'", "route bold")
    with Terminal(several(*(f"roles {verb} -f bad.yaml" for verb in verbs)), columns=60, cwd=here) as terminal:
        assert terminal.end() == 0
        assert "\x1b]" not in terminal.raw
        assert "\x1b[31mred" not in terminal.raw
        assert "\u202e" not in terminal.raw
        listed, shown, *routed = terminal.text.split("$ magent roles ")[1:]
        assert "[bold]x[/bold]" in listed
        assert "[bold]x[/bold]" in shown
        assert all(text.count("\n") < 40 for text in (listed, shown, *routed))


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_roles_in_a_terminal(crew: Path, golden: Golden, columns: int) -> None:
    lines = (
        "list -f team.yaml",
        "show login_expert -f team.yaml",
        "route 'review this login code' --skills python,security -f team.yaml",
        "route 'review this login code'",
        "route --skills cobol,git --role-type coder",
    )
    with Terminal(several(*(f"roles {line}" for line in lines)), columns=columns, rows=60, cwd=crew) as terminal:
        assert terminal.end() == 0
        golden(f"roles-{columns}", terminal.history)
