"""A whole `magent run` in a pseudo-terminal: asked, answered, interrupted, sent to the background."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.helpers import ROOT

ASKS = """\
magent: 1
name: asks
nodes:
  ok: {type: human_input, input: approval, prompt: "Really?", context: {diff: "+one\\n-two", by: ann}}
outputs: {said: "{{ state.ok.approved }}"}
"""
RUN = f"{sys.executable} -m magent run --store file:own --id r1"


@pytest.fixture
def asks(here: Path) -> Path:
    here.joinpath("workflow.yaml").write_text(ASKS)
    return here


@contextmanager
def shell(script: str, env: Mapping[str, str] | None = None) -> Iterator[Any]:
    """`sh -mc SCRIPT`, in which jobs can stand in the background; it says `exit N` at the end."""
    words = ["-mc", f"{script}; echo exit $?"]
    environment = {**os.environ, "PYTHONPATH": ROOT, "TERM": "xterm", **(env or {})}
    with pexpect.spawn("bash", words, env=environment, encoding="utf-8", timeout=30, dimensions=(40, 100)) as child:
        yield child


def test_a_run_in_the_background_asks_nobody_and_waits(asks: Path) -> None:
    with shell(f"{RUN} -q & wait $!") as child:
        child.expect_exact("exit 3")


def test_a_question_left_with_ctrl_d_waits_and_one_left_with_ctrl_c_is_interrupted(asks: Path) -> None:
    with shell(RUN) as child:
        child.expect_exact("Approve?")
        child.send("\x04")
        child.expect_exact("magent respond r1 ok --approve")
        child.expect_exact("exit 3")
    with shell(f"{sys.executable} -m magent resume r1 --store file:own") as child:
        child.expect_exact("Approve?")
        child.send("\x03")
        child.expect_exact("exit 130")


def test_a_terminal_that_knows_ascii_alone_gets_signs_of_ascii(asks: Path) -> None:
    plain = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    with shell(RUN, plain) as child:
        child.expect_exact("* run r1 of asks starts")
        child.expect_exact("diff:\r\n    +one\r\n    -two\r\n")
        child.expect_exact("Approve?")
        child.send("y\r")
        child.expect_exact("+ completed: 1 step")
        child.expect_exact("exit 0")
        assert "\\u" not in child.before


def test_ctrl_z_at_a_question_stops_the_job_and_fg_asks_on(asks: Path) -> None:
    with shell(f"{RUN} -q; echo stopped; fg") as child:
        child.expect_exact("Approve?")
        child.send("\x1a")
        child.expect_exact("stopped")
        child.expect_exact("Approve?")
        child.send("y\r")
        child.expect_exact("said: true")
        child.expect_exact("exit 0")
