"""The predefined roles: a sound library, whose eleven roles each have something of their own and are ready to use."""

from __future__ import annotations

import inspect
import re
import zipfile
from pathlib import Path
from typing import get_args

import pytest

from magent.expressions import Template
from magent.roles import Router, Wanted
from magent.spec.build import build
from magent.spec.builtins import MODEL_PROVIDERS
from magent.spec.catalogue import FILE, predefined_roles, team_of, team_of_bundle
from magent.spec.checks import check
from magent.spec.loader import load
from magent.spec.schema import read_schema

NAMES = (
    *("manager", "researcher", "coder", "reviewer", "tester", "architect", "analyst", "writer", "critic"),
    *("executor", "specialist"),
)
TEAM = team_of({})
ROUTER = Router(TEAM)


def test_the_catalogue_is_a_library_without_problems() -> None:
    assert check(load(str(FILE))) == []


def test_there_are_eleven_roles_and_the_reference_names_them() -> None:
    assert tuple(predefined_roles()) == NAMES
    told = read_schema("workflow")["definitions"]["role"]["properties"]["extends"]["description"]
    assert f"({', '.join(NAMES)})" in told


@pytest.mark.parametrize("name", NAMES)
def test_a_predefined_role_is_complete(name: str) -> None:
    role = TEAM.role(name)
    assert role.role_type == name
    assert role.description.endswith(".")
    assert len(role.skills) >= 3
    assert role.expertise
    assert role.related
    assert role.can_delegate == (name in ("manager", "architect"))
    assert all(other in NAMES for other in role.delegate_to)


@pytest.mark.parametrize("name", NAMES)
def test_instructions_say_what_to_do_how_to_answer_and_what_not_to_do(name: str) -> None:
    text = TEAM.role(name).instructions
    assert text.startswith("You ")
    assert text.count("\n- ") >= 4
    assert "\n\nAnswer with " in text
    assert 500 < len(text) < 2000
    assert re.search(r"\b(not|never|no)\b", text[text.index("Answer with ") :], re.IGNORECASE)
    assert "\n\n\n" not in text
    assert Template(text).source == text  # no braces in it that would be filled in


@pytest.mark.parametrize("name", NAMES)
def test_what_a_role_says_is_related_is_related_to_words_of_its_own(name: str) -> None:
    role = TEAM.role(name)
    assert set(role.related) <= {*role.skills, *role.expertise}


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("plan the migration, split it into subtasks and coordinate the team", "manager"),
        ("research which vector databases exist and cite your sources", "researcher"),
        ("implement a parser in Python", "coder"),
        ("fix the bug in the login page", "coder"),
        ("review this pull request for security problems", "reviewer"),
        ("write unit tests for the edge cases", "tester"),
        ("design the architecture of a payment system", "architect"),
        ("analyse the sales data and draw a chart", "analyst"),
        ("draft a blog post about tides", "writer"),
        ("evaluate this argument and find its weaknesses", "critic"),
        ("run the deployment script and report what happened", "executor"),
        ("give legal advice on this contract", "specialist"),
        ("Is this contract enforceable?", "specialist"),
        ("Draft an email to a customer who complains", "writer"),
        ("Improve this paragraph", "writer"),
        ("Summarise the meeting", "writer"),
        ("Optimise this slow SQL query", "reviewer"),
        ("Calculate the average of these numbers", "analyst"),
    ],
)
def test_an_everyday_task_goes_to_the_role_one_expects(task: str, name: str) -> None:
    assert ROUTER.route(Wanted(), task).chosen == name


@pytest.mark.parametrize(
    ("skills", "name"),
    [
        ("planning,delegation", "manager"),
        ("web-search", "researcher"),
        ("python,git", "coder"),
        ("python,security", "reviewer"),
        ("pytest", "tester"),
        ("microservices", "architect"),
        ("statistics", "analyst"),
        ("proofreading", "writer"),
        ("debate", "critic"),
        ("deployment", "executor"),
        ("consulting", "specialist"),
    ],
)
def test_what_is_required_finds_the_role_one_expects(skills: str, name: str) -> None:
    assert ROUTER.route(Wanted(tuple(skills.split(",")))).chosen == name


def test_the_roles_of_libraries_count_as_the_files_own(tmp_path: Path) -> None:
    tmp_path.joinpath("team.yaml").write_text(
        "magent: 1\nroles: {base: {skills: [a]}, helper: {extends: base, instructions: {file: ./helper.md}}}", "utf-8"
    )
    tmp_path.joinpath("helper.md").write_text("You help.\n", "utf-8")
    tmp_path.joinpath("w.yaml").write_text(
        "magent: 1\nname: w\ninclude: [./team.yaml]\nroles: {base: {skills: [b]}}\nnodes: {a: {set: {x: 1}}}", "utf-8"
    )
    bundle = load(str(tmp_path / "w.yaml"))
    team = team_of_bundle(bundle)
    assert [role.name for role in team.candidates] == ["base", "helper"]
    assert team.role("helper").skills == ("b",)  # the file's own wins
    assert team.role("helper").instructions == "You help."
    assert team_of(build(bundle).graph.roles).candidates == team.candidates


def test_the_catalogue_ships_in_the_wheel(tmp_path: Path) -> None:
    from hatchling.builders.wheel import WheelBuilder

    wheel = next(iter(WheelBuilder(str(FILE.parent.parent.parent)).build(directory=str(tmp_path))))
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("magent/catalogue/roles.yaml") == FILE.read_bytes()


def test_every_provider_of_pydantic_ai_is_known_to_the_checks() -> None:
    """A model that could be asked must not be called unknown: the list follows the library's."""
    from pydantic_ai.models import KnownModelName
    from pydantic_ai.providers import infer_provider_class

    names = [name.partition(":")[0] for name in get_args(KnownModelName.__value__)]
    assert {name for name in names if not name.startswith("gateway/")} - {"test"} <= set(MODEL_PROVIDERS)
    source = inspect.getsource(infer_provider_class)
    assert set(re.findall(r"provider == '([\w-]+)'", source)) <= set(MODEL_PROVIDERS)
