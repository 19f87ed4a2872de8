"""The pages that `--help` prints: what they hold, how they fit, and that their examples work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from magent.cli import help as pages
from magent.cli.declared import DECLARED
from magent.cli.help import Line
from magent.cli.verbs import DEFAULTS, VERBS
from tests.cli.helpers import ROOT, magent
from tests.terminal import Golden, Terminal

WORKFLOW = """\
magent: 1
name: tides
inputs: {topic: {type: string, default: tides}}
agents: {writer: {replies: [Tides rise.]}}
nodes:
  draft: {prompt: "{{ inputs.topic }}", agent: writer, next: keep}
  keep: {set: {kept: true}}
"""
TEAM = "magent: 1\nagents: {eve: {replies: [x]}}\nroles: {reader: {agent: eve}}\n"
REVIEW = """\
magent: 1
name: review
agents: {writer: {replies: [Tides rise.]}}
nodes:
  draft: {prompt: Write., agent: writer, next: sign_off}
  sign_off: {type: human_input, input: approval, prompt: "Publish?"}
"""
EXAMPLES = sorted({each.line for declared in DECLARED.values() for each in declared.examples})
PAGES: list[list[str]] = [*(entry.name.split() for entry in VERBS), [], *([first] for first in DEFAULTS)]


def shown(page: list[Line]) -> list[str]:
    return [line.head + line.rest for line in page]


def page_of(words: list[str], columns: int) -> list[str]:
    page = pages.of_words(words, columns)
    assert page is not None
    return shown(page)


def test_the_overview_has_every_verb_under_its_group() -> None:
    lines = page_of([], 80)
    for entry in VERBS:
        group = lines.index(f"{entry.group}:")
        row = next(at for at, line in enumerate(lines) if line.startswith(f"  {entry.name} "))
        assert group < row
        assert "" not in lines[group:row]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_a_page_fits_the_window_but_for_the_lines_to_copy(words: list[str], columns: int) -> None:
    lines = page_of(words, columns)
    whole = {f"  {line}" for line in (*EXAMPLES, pages.FIRST_EXAMPLE.line)}
    assert [line for line in lines if len(line) > columns and line not in whole] == []


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_an_empty_line_parts_the_blocks_and_none_stands_at_the_ends(words: list[str]) -> None:
    lines = page_of(words, 80)
    assert lines[0]
    assert lines[-1]
    assert all(first or second for first, second in pairwise(lines))
    assert not any(line != line.rstrip() for line in lines)


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_help_and_its_verb_are_asked_for_in_three_ways(words: list[str], capsys: Any) -> None:
    asked = magent(capsys, "help", *words)
    assert asked.code == 0
    assert asked.out == magent(capsys, *words, "--help").out == magent(capsys, *words, "-h").out
    assert asked.out == "\n".join(page_of(words, 80)) + "\n"


def test_help_of_a_misspelt_verb_gets_the_nearest(capsys: Any) -> None:
    outcome = magent(capsys, "help", "valdate")
    assert (outcome.code, outcome.out) == (2, "")
    assert "did you mean 'validate'?" in outcome.err


def test_help_among_other_words_is_help(capsys: Any) -> None:
    assert magent(capsys, "run", "flow.yaml", "-i", "x=1", "--help").out == magent(capsys, "run", "--help").out


@pytest.fixture
def desk(here: Path, capsys: Any) -> Path:
    """A directory with `workflow.yaml`, what it was before, `team.yaml`, a run that was stopped, and a newer one that
    waits."""
    here.joinpath("workflow.yaml").write_text(WORKFLOW, "utf-8")
    here.joinpath("old.yaml").write_text(WORKFLOW.replace("keep", "hold"), "utf-8")
    here.joinpath("review.yaml").write_text(REVIEW, "utf-8")
    here.joinpath("team.yaml").write_text(TEAM, "utf-8")
    assert magent(capsys, "run", "--stop-after", "draft", "--id", "monday", "-q").code == 0
    assert magent(capsys, "run", "review.yaml", "--no-input", "--id", "waits", "-q").code == 3
    here.joinpath("review.yaml").unlink()
    return here


@pytest.mark.parametrize("line", [*EXAMPLES, pages.FIRST_EXAMPLE.line])
def test_every_example_of_every_page_works(line: str, desk: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    if line.startswith("magent resume"):  # the newest run is to be one that can go on
        shutil.rmtree(desk / ".magent" / "runs" / "waits")
    programs = tmp_path_factory.mktemp("bin")
    programs.joinpath("magent").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m magent "$@"\n')
    programs.joinpath("magent").chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": ROOT, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=False)
    differs = 1 if line.startswith("magent diff") else 0  # which is its result, as it is of `diff`
    assert done.returncode == differs, done.stderr


def test_the_examples_that_are_run_are_those_of_the_pages() -> None:
    for name, declared in DECLARED.items():
        page = page_of(name.split(), 80)
        assert {f"  {each.line}" for each in declared.examples} <= set(page)
    assert f"  {pages.FIRST_EXAMPLE.line}" in page_of([], 80)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_overview_and_a_page_on_the_screen(columns: int, here: Path, golden: Golden) -> None:
    for name, words in (("help", []), ("help_run", ["run"])):
        with Terminal.magent(*words, "--help", columns=columns, rows=100) as terminal:
            assert terminal.end() == 0
            golden(f"{name}_{columns}", terminal.lines)


def test_colour_is_for_titles_and_what_is_typed_and_only_in_a_terminal(here: Path, capsys: Any) -> None:
    with Terminal.magent("run", "--help") as terminal:
        terminal.end()
        assert "\x1b[1mInputs:\x1b[0m" in terminal.raw
        assert "\x1b[36m  -i, --input NAME=VALUE\x1b[0m" in terminal.raw
    for refused in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        with Terminal.magent("run", "--help", env=refused, term=refused.get("TERM", "xterm")) as terminal:
            terminal.end()
            assert "\x1b" not in terminal.raw
    assert "\x1b" not in magent(capsys, "run", "--help").out


def test_a_pager_gets_colour_where_it_is_forced(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1mInputs:" in magent(capsys, "run", "--help").out
    assert "\x1b" not in magent(capsys, "--no-color", "help", "run").out
