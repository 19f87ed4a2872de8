"""The pseudo-terminal of the tests shows what a person would see."""

from __future__ import annotations

import sys

from tests.terminal import ENTER, Terminal, steady


def test_it_shows_what_was_drawn_over_and_what_scrolled_away() -> None:
    program = "print('old\\rnew')\nfor n in range(30): print('line', n)\nprint('got', input())"
    with Terminal([sys.executable, "-c", program], columns=20, rows=5) as terminal:
        terminal.type(("line 29", "hi" + ENTER))
        assert terminal.end() == 0
    assert terminal.history[:2] == ["new", "line 0"]
    assert terminal.history[-1] == "got hi"
    assert len(terminal.lines) == 5 - 1


def test_it_tells_the_size_of_its_window_and_how_the_program_ended() -> None:
    program = "import os, sys, time\ninput()\nprint(os.get_terminal_size().columns)\nsys.exit(7)"
    with Terminal([sys.executable, "-c", program], columns=40) as terminal:
        terminal.resize(33)
        terminal.type(ENTER)
        assert terminal.end() == 7
    assert "33" in terminal.lines


def test_what_differs_from_run_to_run_is_made_the_same() -> None:
    shown = steady(["14:03:07 run 20261122-140307-1a2b took 12.7s", "2026-11-22 14:03:07"])
    assert shown == "00:00:00 run 20260101-000000-0000 took 0.00s\n2026-01-01 00:00:00\n"
