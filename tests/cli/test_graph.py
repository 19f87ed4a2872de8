"""`magent graph`: the picture in a terminal, a run's path over it, and what it says to bad words."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.helpers import magent
from tests.terminal import Golden, Terminal

RELEASE = """
    magent: 1
    name: release
    description: Checks a release, asks, and publishes it.
    inputs: {parts: {type: array, default: [api, web, docs]}}
    agents:
      writer: {replies: [notes, better notes]}
      critic: {replies: [{reply: {score: 5}}, {reply: {score: 9}}]}
    nodes:
      draft: {prompt: Write the notes, agent: writer, next: judge}
      judge:
        prompt: Judge the notes
        agent: critic
        output: {score: {type: integer}}
        next:
          - {to: check, when: output.score >= 8}
          - {loop_back: draft, max: 3}
          - {to: give_up}
      give_up: {type: end, status: failed}
      check: {type: parallel, for_each: inputs.parts, as: part, body: probe, on_branch_error: collect, next: sign_off}
      probe: {run: "test {{ part }} != web"}
      sign_off:
        type: human_input
        input: approval
        prompt: Publish [bold]now[/bold]?
        next: [{to: publish, when: output.approved}, {to: end}]
      publish: {run: "true"}
"""


@pytest.fixture
def release(here: Path) -> Path:
    """`release.yaml` in an empty current directory."""
    here.joinpath("release.yaml").write_text(dedent(RELEASE), "utf-8")
    return here


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_terminal_shows_boxes_as_wide_as_it_is(columns: int, release: Path, golden: Golden) -> None:
    with Terminal.magent("graph", "release.yaml", columns=columns, rows=60, cwd=release) as terminal:
        assert terminal.end() == 0
        golden(f"graph-release-{columns}", terminal.history)
        assert "\x1b[1m" in terminal.raw
        assert "\x1b[?" not in terminal.raw


def test_a_run_is_laid_over_its_workflow(release: Path, capsys: Any, golden: Golden) -> None:
    assert magent(capsys, "run", "release.yaml", "--id", "r1", "--no-input").code == 3
    picture = magent(capsys, "graph", "r1", "--text").out
    golden("graph-run-80", [re.sub(r"\d\.\d\ds", "0.00s", line) for line in picture.splitlines()])
    assert magent(capsys, "graph", "latest", "--text").out == picture
    with Terminal.magent("graph", "r1", columns=80, rows=60, cwd=release) as terminal:
        assert terminal.end() == 0
        assert terminal.history == picture.splitlines()
        assert "\x1b[32m" in terminal.raw


def test_other_forms_of_a_run_tell_the_same(release: Path, capsys: Any) -> None:
    magent(capsys, "run", "release.yaml", "--id", "r1", "--no-input")
    assert '"judge" -> "draft" [style=dotted, label="max 3", penwidth=2.5' in magent(capsys, "graph", "r1").out
    assert ":::waiting" in magent(capsys, "graph", "r1", "--mermaid").out
    assert '"taken": 1' in magent(capsys, "graph", "r1", "--json").out


def test_no_color_means_no_escape_sequence(release: Path) -> None:
    with Terminal.magent("graph", "release.yaml", "--no-color", cwd=release) as terminal:
        assert terminal.end() == 0
        assert "\x1b" not in terminal.raw
    with Terminal.magent("graph", "release.yaml", cwd=release, env={"NO_COLOR": "1"}) as terminal:
        assert terminal.end() == 0
        assert "\x1b" not in terminal.raw


def test_a_terminal_that_takes_only_ascii_shows_boxes_of_it(release: Path) -> None:
    with Terminal.magent("graph", "release.yaml", cwd=release, env={"PYTHONIOENCODING": "ascii"}) as terminal:
        assert terminal.end() == 0
        assert terminal.raw.isascii()
        assert "| draft" in terminal.text
        assert "@" not in terminal.text


def test_a_pipe_gets_dot_unless_text_is_asked_for(release: Path, capsys: Any) -> None:
    assert magent(capsys, "graph", "release.yaml").out.startswith("digraph")
    picture = magent(capsys, "graph", "release.yaml", "--text").out
    assert "│ draft" in picture
    assert "\x1b" not in picture
    assert magent(capsys, "graph", "release.yaml", "--width", "80").out == picture


def test_the_width_is_the_flags_or_that_of_columns(release: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "44")
    narrow = magent(capsys, "graph", "release.yaml", "--text").out
    assert 40 < max(map(len, narrow.splitlines())) <= 44
    assert magent(capsys, "graph", "release.yaml", "--text", "--width", "44").out == narrow
    assert max(map(len, magent(capsys, "graph", "release.yaml", "--width", "24").out.splitlines())) <= 24


def test_a_file_of_text_is_written(release: Path, capsys: Any) -> None:
    outcome = magent(capsys, "graph", "release.yaml", "-o", "g.txt")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "g.txt is written\n")
    assert release.joinpath("g.txt").read_text("utf-8") == magent(capsys, "graph", "release.yaml", "--text").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["relaese.yaml"], "did you mean 'release.yaml'?"),
        (["nowhere/release.yaml"], "there is no file nowhere/release.yaml"),
        (["ru1"], "did you mean 'run1'?"),
        (["run"], "'run' fits 2 runs"),
        (["release.yaml", "--text", "--dot"], "--text and --dot exclude each other"),
        (["release.yaml", "--text", "-o", "g.dot"], "-o g.dot and --text name two forms"),
        (["release.yaml", "--width", "9"], "--width takes a whole number of at least 24, not 9"),
        (["release.yaml", "--dot", "--width", "90"], "--width is for --text, not for dot"),
        (["release.yaml", "-o", "g.gif"], ".txt, .dot"),
        (["release.yaml", "--txt"], "did you mean '--text'?"),
    ],
)
def test_what_is_wrong_is_bad_usage_and_told(words: list[str], told: str, release: Path, capsys: Any) -> None:
    for name in ("run1", "run2"):
        magent(capsys, "run", "release.yaml", "--no-input", "--id", name)
    outcome = magent(capsys, "graph", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert told in outcome.err


def test_text_of_a_file_is_never_markup_nor_obeyed(here: Path, capsys: Any) -> None:
    here.joinpath("w.yaml").write_text(
        'magent: 1\nname: w\nnodes: {a: {run: "echo [bold]x[/bold] \\e[31mred\\e[0m \\u202Eevil"}}\n', "utf-8"
    )
    with Terminal.magent("graph", "w.yaml", cwd=here) as terminal:
        assert terminal.end() == 0
        assert "[bold]x[/bold] �[31mred�[0m" in terminal.text
        assert "\x1b[31m" not in terminal.raw
        assert "\u202e" not in terminal.raw
