"""A whole `magent run` in a pseudo-terminal: asked, answered, interrupted, sent to the background."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.terminal import CTRL_C, CTRL_D, CTRL_Z, ENTER, Terminal

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


def shell(script: str, env: Mapping[str, str] | None = None) -> Terminal:
    """`bash -mc SCRIPT`, in which jobs can stand in the background; it says `exit N` at the end."""
    return Terminal(["bash", "-mc", f"{script}; echo exit $?"], columns=100, rows=40, env=env)


def test_a_run_in_the_background_asks_nobody_and_waits(asks: Path) -> None:
    with shell(f"{RUN} -q & wait $!") as terminal:
        terminal.wait("exit 3")
        assert "Approve?" not in terminal.text


def test_a_question_left_with_ctrl_d_waits_and_one_left_with_ctrl_c_is_interrupted(asks: Path) -> None:
    with shell(RUN) as terminal:
        terminal.type(("Approve?", CTRL_D))
        terminal.wait("exit 3")
        assert "magent respond r1 ok --approve" in terminal.text
    with shell(f"{sys.executable} -m magent resume r1 --store file:own") as terminal:
        terminal.type(("Approve?", CTRL_C))
        terminal.wait("exit 130")


@pytest.mark.parametrize(
    "plain", [{"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}, {"LANG": "C", "LC_ALL": ""}]
)
def test_a_terminal_that_knows_ascii_alone_gets_signs_of_ascii(asks: Path, plain: dict[str, str]) -> None:
    with shell(RUN, plain) as terminal:
        terminal.type(("Approve?", "y" + ENTER))
        terminal.wait("exit 0")
        lines = terminal.lines
        assert "* run r1 of asks starts" in lines
        assert lines[lines.index("  diff:") :][:4] == ["  diff:", "    +one", "    -two", "  by: ann"]
        assert any(line.startswith("+ completed: 1 step") for line in lines)
        assert terminal.raw.isascii()
        assert "\\u" not in terminal.raw


def test_ctrl_z_at_a_question_stops_the_job_and_fg_asks_on(asks: Path) -> None:
    with shell(f"{RUN} -q; echo job stands; fg") as terminal:
        terminal.type(("Approve?", CTRL_Z))
        terminal.wait("job stands")
        terminal.wait(lambda it: any("Approve?" in line for line in it.lines[it.lines.index("job stands") :]))
        terminal.type("y" + ENTER)
        terminal.wait("exit 0")
        assert "said: true" in terminal.lines
