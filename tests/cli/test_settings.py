"""`.magent.yaml` and the environment: flag, environment, workflow file, settings file, built in."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from magent import app, settings
from magent.errors import InvalidWorkflow, UsageError
from tests.cli.helpers import magent

PLAIN = "magent: 1\nname: plain\nnodes: {a: {set: {x: 1}, next: b}, b: {set: {y: 2}}}\n"
ASKS = """
    magent: 1
    name: asks
    agents: {first: {replies: [one]}, second: {replies: [two]}}
    nodes: {a: {prompt: hello}}
    outputs: {a: "{{ state.a }}"}
"""


@pytest.fixture
def project(here: Path) -> Path:
    """A directory with a workflow, whose store is its own."""
    here.joinpath(".magent").mkdir()
    here.joinpath("workflow.yaml").write_text(PLAIN)
    return here


def limits(capsys: Any, *words: str) -> dict[str, Any]:
    outcome = magent(capsys, "run", "--dry-run", "--output", "json", *words)
    assert outcome.code == 0, outcome.err
    found: dict[str, Any] = json.loads(outcome.out)["limits"]
    return found


def test_limits_come_from_flag_environment_workflow_and_settings_in_that_order(
    project: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limits(capsys)["steps"] == 10000
    project.joinpath(".magent.yaml").write_text("limits: {max_steps: 50, timeout: 1m, budget: {tokens: 7, usd: 3}}\n")
    assert limits(capsys) == {"steps": 50, "tokens": 7, "usd": 3, "timeout": 60.0}
    project.joinpath("workflow.yaml").write_text(PLAIN + "limits: {max_steps: 40, budget: {tokens: 8}}\n")
    assert limits(capsys) == {"steps": 40, "tokens": 8, "usd": 3, "timeout": 60.0}
    monkeypatch.setenv("MAGENT_LIMITS_MAX_STEPS", "30")
    monkeypatch.setenv("MAGENT_LIMITS_BUDGET_USD", "0.5")
    assert limits(capsys) == {"steps": 30, "tokens": 8, "usd": 0.5, "timeout": 60.0}
    assert limits(capsys, "--limit", "steps=20")["steps"] == 20


def test_a_run_keeps_the_limits_it_began_with(project: Path, capsys: Any) -> None:
    project.joinpath(".magent.yaml").write_text("limits: {max_steps: 1}\n")
    assert magent(capsys, "run", "-q").code == 4
    project.joinpath(".magent.yaml").write_text("limits: {max_steps: 100}\n")
    assert magent(capsys, "resume", "-q").code == 4
    assert magent(capsys, "resume", "-q", "--limit", "steps=5").code == 0


def test_the_agent_of_prompts_that_name_none(project: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    workflow = project.joinpath("workflow.yaml")
    workflow.write_text(dedent(ASKS))
    assert magent(capsys, "validate").code == 2
    project.joinpath(".magent.yaml").write_text("defaults: {agent: second}\n")
    assert magent(capsys, "validate").code == 0
    assert magent(capsys, "run", "-q").out == "a: two\n"
    workflow.write_text(dedent(ASKS) + "defaults: {agent: first}\n")
    assert magent(capsys, "run", "-q").out == "a: one\n"
    monkeypatch.setenv("MAGENT_DEFAULTS_AGENT", "second")
    assert magent(capsys, "run", "-q").out == "a: two\n"


def test_a_preferred_agent_that_a_file_does_not_have_is_not_given_to_it(project: Path, capsys: Any) -> None:
    project.joinpath(".magent.yaml").write_text("defaults: {agent: elsewhere}\n")
    assert magent(capsys, "validate").code == 0


def test_a_settings_file_is_found_upwards_and_its_store_counts_from_it(
    project: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.joinpath(".magent.yaml").write_text("store: file:kept\n")
    below = project / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert magent(capsys, "run", "../workflow.yaml", "-q").code == 0
    assert len([*project.joinpath("kept", "runs").glob("2*")]) == 1
    monkeypatch.setenv("MAGENT_STORE", "file:here")
    assert magent(capsys, "run", "../workflow.yaml", "-q").code == 0
    assert len([*below.joinpath("here", "runs").glob("2*")]) == 1
    assert magent(capsys, "run", "../workflow.yaml", "-q", "--store", "file:there").code == 0
    assert len([*below.joinpath("there", "runs").glob("2*")]) == 1


@pytest.mark.parametrize("url", ["sqlite:///kept.db", "sqlite:kept.db"])
def test_a_database_in_a_settings_file_counts_from_it(
    project: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    project.joinpath(".magent.yaml").write_text(f"store: {url}\n")
    below = project / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    assert magent(capsys, "run", "../workflow.yaml", "-q").code == 0
    assert project.joinpath("kept.db").is_file()
    assert "completed" in magent(capsys, "runs", "list").out
    assert settings.read().store() == f"sqlite:///{project}/kept.db"


def test_durability_comes_from_the_environment_before_the_settings_file(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.joinpath(".magent.yaml").write_text("durability: async\n")
    assert settings.read().get("durability") == "async"
    monkeypatch.setenv("MAGENT_DURABILITY", "exit")
    assert settings.read().get("durability") == "exit"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MAGENT_DURABILITY", "snc", "sync"),
        ("MAGENT_LIMITS_MAX_STEPS", "many", "must be an integer"),
        ("MAGENT_LIMITS_TIMEOUT", "5x", "5x"),
        ("MAGENT_CHECKPOINTS_KEEP", "-1", "-1"),
    ],
)
def test_a_variable_that_cannot_be_used_is_bad_usage_and_named(
    project: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    outcome = magent(capsys, "run", "--store", "memory:")
    assert outcome.code == 2
    assert f"magent: {name}: " in outcome.err
    assert said in outcome.err


def test_a_settings_file_with_a_fault_is_told_with_its_place_before_anything_runs(project: Path, capsys: Any) -> None:
    project.joinpath(".magent.yaml").write_text("limits: {max_stps: 1}\n")
    outcome = magent(capsys, "run", "--store", "file:other")
    assert outcome.code == 2
    assert ".magent.yaml:1:10: error: " in outcome.err
    assert "max_steps" in outcome.err
    assert not project.joinpath("other").exists()
    assert ".magent.yaml:1:10: error: " in magent(capsys, "validate").out


def test_an_empty_settings_file_says_nothing(project: Path) -> None:
    project.joinpath(".magent.yaml").write_text("# nothing yet\n")
    assert settings.read().data == {}


def test_a_mapping_handed_over_is_not_changed_by_settings(project: Path) -> None:
    project.joinpath(".magent.yaml").write_text("limits: {max_steps: 50}\n")
    data: dict[str, Any] = {"nodes": {"a": {"set": {"x": 1}}}, "limits": {"timeout": 5}}
    assert app.load(data).workflow.limits.max_steps == 50
    assert data["limits"] == {"timeout": 5}


def test_settings_that_cannot_be_read_are_bad_usage(project: Path) -> None:
    project.joinpath(".magent.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidWorkflow):
        settings.read()
    with pytest.raises(UsageError):
        app.load("workflow.yaml")
