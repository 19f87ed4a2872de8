"""Shell completion: what may stand next, asked as the shells ask, and in a real bash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import ROOT, magent
from tests.terminal import TAB, Terminal

WORKFLOW = "magent: 1\nname: w\nnodes:\n  draft: {set: {x: 1}, next: keep}\n  keep:\n    set: {y: 1}\noutputs: {z: 1}\n"


def offered(capsys: Any, *words: str) -> list[str]:
    outcome = magent(capsys, "complete-words", *words)
    assert (outcome.code, outcome.err) == (0, "")
    return [line.split("\t")[0] for line in outcome.out.splitlines()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["re"], ["resume", "respond", "report"]),
        (["-q", "--store", "run", "val"], ["validate"]),
        (["runs", "s"], ["show"]),
        (["help", "gr"], ["graph"]),
        (["help", "runs", "l"], ["list"]),
        (["run", "--du"], ["--durability"]),
        (["run", "--durability", ""], ["sync", "async", "exit"]),
        (["run", "--durability", "a"], ["async"]),
        (["runs", "list", "--status", "wa"], ["waiting"]),
        (["run", ""], [":files"]),
        (["run", "--inputs", ""], [":files"]),
        (["run", "-i", ""], []),
        (["run", "--stop-after", ""], ["draft", "keep"]),
        (["run", "other.yaml", "--stop-after", ""], []),
        (["run", "--no-i", "--no-inp"], ["--no-input"]),
        (["run", "--no-input", "--no-i"], []),
        (["schema", "a"], ["answers"]),
        (["nonsense", "x"], []),
        (["validate", "a.yaml", ""], [":files"]),
        (["run", "a.yaml", ""], []),
        (["completion", "z"], ["zsh"]),
        (["tools", "call", "files.re"], ["files.read"]),
        (["--ver"], ["--verbose", "--version"]),
    ],
)
def test_what_may_stand_next(words: list[str], found: list[str], here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(WORKFLOW, "utf-8")
    assert offered(capsys, *words) == found


def test_runs_the_newest_first_and_where_they_wait(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "a1")
    magent(capsys, "run", "demo.yaml", "-i", "topic=x", "--no-input", "--id", "a2")
    assert offered(capsys, "resume", "") == ["latest", "a2", "a1"]
    assert magent(capsys, "complete-words", "runs", "show", "a1").out == "a1\tfailing, failed\n"
    assert offered(capsys, "respond", "a2", "") == ["sign_off"]
    assert offered(capsys, "respond", "latest", "s") == ["sign_off"]
    assert "sign_off" in offered(capsys, "explain", "a2", "")
    assert offered(capsys, "diff", "a1", "")[:2] == [":files", "latest"]
    assert offered(capsys, "resume", "--store", "file:nowhere", "") == []
    assert not demo.joinpath("nowhere").exists()


def test_where_there_are_no_runs_nothing_is_offered(here: Path, capsys: Any) -> None:
    assert offered(capsys, "resume", "") == []
    assert not here.joinpath(".magent").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_a_shell_is_taught_is_its_language(shell: str, here: Path, capsys: Any) -> None:
    script = magent(capsys, "completion", shell).out
    assert "complete-words" in script
    if found := shutil.which(shell):
        here.joinpath("script").write_text(script, "utf-8")
        subprocess.run([found, "-n", "script"], check=True)


def test_a_shell_that_is_not_known_gets_the_nearest(capsys: Any) -> None:
    assert "did you mean 'zsh'?" in magent(capsys, "completion", "zhs").err
    assert "magent completion bash" in magent(capsys, "completion").err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_tab_completes_in_bash(here: Path, capsys: Any) -> None:
    here.joinpath("workflow.yaml").write_text(WORKFLOW, "utf-8")
    magent(capsys, "run", "-q", "--id", "only-one")
    programs = here / "bin"
    programs.mkdir()
    programs.joinpath("magent").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m magent "$@"\n')
    programs.joinpath("magent").chmod(0o755)
    here.joinpath("rc").write_text('PS1="ready> "\neval "$(magent completion bash)"\n')
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": ROOT, "INPUTRC": "/dev/null"}
    with Terminal(["bash", "--rcfile", "rc", "-i"], env=environment, cwd=here) as terminal:
        terminal.type(("ready>", f"magent val{TAB}"), ("magent validate", f"wor{TAB}"))
        terminal.type(("magent validate workflow.yaml", "\x15"), f"magent resume on{TAB}")
        terminal.type(("magent resume only-one", "\x15"), f"magent run --stop-after k{TAB}")
        terminal.wait("magent run --stop-after keep")


def test_agents_and_roles_of_a_file_are_completed(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "team.yaml"
    file.write_text("magent: 1\nagents:\n  eve: {replies: [hi]}\nroles:\n  pilot: {skills: [boats]}\nnodes: {}\n")
    assert offered(capsys, "agents", "ask", "-f", str(file), "") == ["eve"]
    assert offered(capsys, "roles", "show", "-f", str(file), "pi") == ["pilot"]
    assert offered(capsys, "roles", "show", "re") == ["researcher", "reviewer"]
    assert offered(capsys, "roles", "route", "x", "--prefer", "cod") == ["coder"]


def test_where_a_new_run_may_begin_is_completed(here: Path, capsys: Any) -> None:
    here.joinpath("again.yaml").write_text(
        "magent: 1\nname: w\nnodes:\n"
        "  draft: {set: {}, next: [{loop_back: draft, max: 1}, {to: each}]}\n"
        "  each: {type: parallel, for_each: [a, b], body: part}\n  part: {set: {}}\n"
    )
    magent(capsys, "run", "again.yaml", "-q", "--id", "a1")
    every = ["draft", "draft#2", "each", "each[0]/part", "each[1]/part"]
    assert sorted(offered(capsys, "resume", "a1", "--from", "")) == every
    assert sorted(offered(capsys, "resume", "--plan", "--from", "")) == every
    assert offered(capsys, "resume", "a1", "--from", "each[1") == ["each[1]/part"]
    assert offered(capsys, "resume", "a1", "--store", "file:nowhere", "--from", "") == []
    for words in (["a1", "--from", word] for word in every):
        assert magent(capsys, "resume", *words, "--plan").code == 0
