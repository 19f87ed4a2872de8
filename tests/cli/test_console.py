"""What reaches the screen, and what does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent.cli.console import Console, Globals, dump, neutral, one_line
from magent.errors import MagentError, StoreError
from tests.cli.helpers import ROOT, Screen, console

HOSTILE = "a\x1b[31mred\x1b]0;title\x07\r\x08\x9b2Jb\u202ec [bold]d[/bold]"


def test_no_character_that_a_terminal_obeys_reaches_it() -> None:
    told, out, err = console(terminal=True)
    told.result(HOSTILE)
    told.hint(HOSTILE, "red")
    assert not set("\x1b\x07\r\x08\x9b\u202e") & set(out.getvalue())
    assert err.getvalue().count("\x1b") == 2  # our own colour, on and off
    assert "[bold]d[/bold]" in out.getvalue()


@given(st.text())
def test_neutral_text_keeps_every_other_character(text: str) -> None:
    shown = neutral(text)
    assert all(char in "\n\t" or ord(char) >= 32 for char in shown)
    assert neutral(shown) == shown


def test_a_pipe_gets_results_as_they_are() -> None:
    told, out, _ = console()
    told.result(HOSTILE)
    assert out.getvalue() == HOSTILE + "\n"


def test_a_result_ends_with_one_line_feed() -> None:
    told, out, _ = console()
    told.result("a\n")
    told.result("b")
    assert out.getvalue() == "a\nb\n"


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_can_refuse_colour(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    told, _, err = console(terminal=True)
    told.hint("x", "red")
    assert err.getvalue() == "x\n"


def test_no_color_refuses_colour_and_a_pipe_gets_none() -> None:
    for told, err in ((Console(Globals(no_color=True), Screen(), error := Screen()), error), console()[::2]):
        told.hint("x", "red")
        assert err.getvalue() == "x\n"


def test_quiet_leaves_errors_and_hints() -> None:
    told, _, err = console(quiet=True)
    told.say("progress")
    told.hint("hint")
    assert err.getvalue() == "hint\n"


def test_an_error_tells_what_to_do_and_gives_its_exit_code() -> None:
    told, out, err = console()
    assert told.failure(StoreError("the disk is full", "free some space")) == 5
    assert (out.getvalue(), err.getvalue()) == ("", "magent: the disk is full\n  free some space\n")


def test_an_unexpected_error_points_at_verbose() -> None:
    told, _, err = console()
    assert told.failure(KeyError("x")) == 1
    assert "run with --verbose for the traceback" in err.getvalue()
    assert "Traceback" not in err.getvalue()


def test_text_that_is_not_unicode_is_still_json() -> None:
    assert json.loads(dump({"a": "\ud800"})) == {"a": "\ud800"}
    assert dump({"a": "é"}, indent=None) == '{"a": "é"}'


def test_one_line_is_one_bounded_line() -> None:
    assert one_line("a\nb\t c") == "a b c"
    assert len(one_line("x" * 1000, 50)) == 50


def test_a_reader_that_left_ends_the_output_quietly() -> None:
    code = "from magent.cli.console import *\nc = Console(Globals())\nfor i in range(100000): c.result('x' * 100)"
    command = f'{sys.executable} -c "{code}" | head -1; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "x" * 100 + "\n0\n"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "w") as full, pytest.raises(MagentError, match="stdout cannot be written"):
        Console(Globals(), full, Screen()).result("x")
