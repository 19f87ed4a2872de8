"""`runs cancel` and `runs rm`, with real owners and a real terminal."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import ROOT, magent
from tests.terminal import CTRL_C, CTRL_D, ENTER, Terminal

SLOW = "magent: 1\nname: slow\nnodes: {a: {set: {x: 1}, next: b}, b: {run: 'echo $$ > pid; sleep 600'}}\n"


@pytest.fixture
def slow(here: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that drives the run s1, which has a child at work."""
    here.joinpath("slow.yaml").write_text(SLOW)
    command = [sys.executable, "-m", "magent", "run", "slow.yaml", "--id", "s1", "--output", "json"]
    env = {**os.environ, "PYTHONPATH": ROOT}
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env) as owner:
        end = time.monotonic() + 60
        while not (here / "pid").exists() or not (here / "pid").read_text().strip():
            assert owner.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield owner
        if owner.poll() is None:
            owner.send_signal(signal.SIGKILL)
        end_child(here)


def end_child(place: Path) -> None:
    """Ends the child and what it started, where they are still there: they have a process group of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(int((place / "pid").read_text()), signal.SIGKILL)


def test_the_owner_of_a_run_stops_and_says_who_asked(slow: Any, here: Path, capsys: Any) -> None:
    outcome = magent(capsys, "runs", "cancel", "s1", "--by", "ann", "--reason", "[bold]no[/bold]\x1b[31m")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == "⊘ run s1 is cancelled\n"
    out, err = slow.communicate(timeout=60)
    assert slow.returncode == 1
    assert json.loads(out)["status"] == "cancelled"
    assert "cancelled: ann asked for it: [bold]no[/bold]�[31m\n" in err
    with pytest.raises(ProcessLookupError):
        os.kill(int((here / "pid").read_text()), 0)
    again = magent(capsys, "runs", "cancel", "s1", "--output", "json")
    assert (again.code, json.loads(again.out)) == (0, {"run_id": "s1", "status": "cancelled", "cancelled": False})
    assert "cancelled already" in again.err


def test_a_run_that_is_driven_is_not_removed_nor_is_any_other(slow: Any, demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    outcome = magent(capsys, "runs", "rm", "f1", "s1", "--yes")
    assert outcome.code == 5
    assert "magent runs cancel s1   ends it first" in outcome.err
    assert magent(capsys, "runs", "show", "f1").code == 0


def test_an_owner_that_was_killed_leaves_a_run_that_is_cancelled_at_once(slow: Any, capsys: Any) -> None:
    slow.send_signal(signal.SIGKILL)
    slow.wait()
    assert magent(capsys, "runs", "cancel", "latest").code == 0
    assert magent(capsys, "resume", "s1").code == 1
    (listed,) = json.loads(magent(capsys, "runs", "--output", "json").out)
    assert listed["status"] == "cancelled"


def test_without_a_terminal_nothing_is_removed_unless_it_is_said(demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    outcome = magent(capsys, "runs", "rm", "f1")
    assert outcome.code == 2
    assert "say --yes" in outcome.err
    assert magent(capsys, "runs", "rm", "f1", "nobody", "--yes").code == 2
    assert demo.joinpath(".magent/runs/f1").is_dir()
    outcome = magent(capsys, "runs", "rm", "f1", "f1", "--yes")
    assert (outcome.code, outcome.err) == (0, "run f1 (failing, failed) is removed\n")
    assert not demo.joinpath(".magent/runs/f1").exists()
    assert magent(capsys, "runs", "rm").code == magent(capsys, "runs", "cancel").code == 2


@pytest.mark.parametrize(
    ("keys", "code", "there"), [("y" + ENTER, 0, False), (ENTER, 1, True), (CTRL_D, 1, True), (CTRL_C, 130, True)]
)
def test_in_a_terminal_it_asks(keys: str, code: int, there: bool, demo: Path, capsys: Any) -> None:
    magent(capsys, "run", "failing.yaml", "--id", "f1")
    with Terminal.magent("runs", "rm", "f1", cwd=demo) as terminal:
        terminal.type(("Remove this run and the files it made? [y/N]", keys))
        assert terminal.end() == code
        assert "f1  failed" in terminal.text
    assert demo.joinpath(".magent/runs/f1").exists() == there
