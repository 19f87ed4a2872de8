"""A run as a person sees it: a real pseudo-terminal, looked at in the middle, where a gate holds the run."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.cli.live import still
from tests.terminal import CTRL_C, CTRL_Z, ENTER, Golden, Terminal

HELD = """
    magent: 1
    name: harbour
    agents: {writer: {command: [sh, -c, "cat > in; printf 'The moon pulls at the water, [bold]and[/bold] it rises'
      ; cat gate"]}}
    limits: {max_concurrency: 2000}
    nodes:
      plan: {set: {x: 1}, next: fan}
      fan: {type: parallel, branches: [draft, each, refine, sign]}
      draft: {prompt: x, agent: writer}
      each: {type: parallel, for_each: "['north.txt', 'south.txt', 'east.txt']", body: read, on_branch_error: collect}
      read: {run: "echo reads {{ item }}; [ {{ item }} != south.txt ]; [ {{ item }} = north.txt ] || cat gate"}
      refine: {type: loop, until: round.number >= 2, max_iterations: 4, body: turn}
      turn: {run: "[ {{ round.index }} = 0 ] || cat gate"}
      sign: {wait: 2h}
"""

MANY = """
    magent: 1
    name: many
    nodes:
      each: {type: parallel, for_each: "range(1000) | list", body: nap}
      nap: {wait: 59m}
"""

ASKED = """
    magent: 1
    name: asked
    limits: {max_concurrency: 100}
    nodes:
      fan: {type: parallel, branches: [each, ok], wait_for: any, next: last}
      each: {type: parallel, for_each: "range(50) | list", body: talk}
      talk: {run: "while :; do echo item {{ item }} talks; sleep 1; done"}
      ok: {type: human_input, input: approval, prompt: "Ship it?"}
      last: {run: "echo the end; cat gate"}
"""

DEAF = """
    magent: 1
    name: deaf
    nodes:
      last: {run: "trap '' TERM; echo I do not hear; while :; do sleep 1; done"}
"""

HALFWAY = """
    magent: 1
    name: halfway
    nodes:
      each: {type: parallel, for_each: "range(20) | list", body: read}
      read: {run: "[ {{ item }} -lt 14 ] || cat gate", next: check}
      check: {set: {x: 1}}
"""

FAILS = """
    magent: 1
    name: fails
    nodes:
      last: {run: "echo the end; cat gate; exit 3"}
"""

PRINTS = """
    magent: 1
    name: prints
    nodes:
      say: {call: "chatter:say", next: last}
      last: {run: "cat gate"}
"""
ASKS = "{type: human_input, input: approval}"
COLLECTS = """
    magent: 1
    name: collects
    nodes:
      files: {type: parallel, for_each: [a, "", c], as: file, body: check, on_branch_error: collect}
      check: {type: condition, next: [{to: empty, when: "file == ''"}, {to: read}]}
      empty: {type: end, status: failed, reason: there is nothing in this one}
      read: {set: {x: 1}}
"""
INHERITS = """
import os, subprocess
def say():
    os.write(1, b"from below\\n")
    subprocess.run(["echo", "from a child"])
    return 7
"""
CHATTER = r"""
import logging, sys, warnings
def say():
    print("printed \x1b[31mred\x1b[0m")
    print("to stderr", file=sys.stderr)
    warnings.warn("take care")
    logging.warning("logged")
    sys.stdout.write("half a line")
"""


@pytest.fixture
def gate(here: Path) -> Path:
    """A directory with a gate that holds whoever reads it."""
    os.mkfifo(here / "gate")
    return here


@contextmanager
def running(here: Path, text: str, *words: str, seen: str = "", **options: Any) -> Iterator[Terminal]:
    """`magent run` of a workflow, once `seen` is on the screen. Whoever waits at the gate is let go in the end."""
    here.joinpath("workflow.yaml").write_text(dedent(text), "utf-8")
    with Terminal.magent("run", "--id", "r1", *words, **{"cwd": here, **options}) as terminal:
        terminal.wait(seen)
        yield terminal


def let_go(here: Path) -> None:
    """Opens the gate for one who waits there, or will."""
    os.close(os.open(here / "gate", os.O_WRONLY))


def echoes(terminal: Terminal) -> bool:
    """Whether the terminal shows what is typed."""
    return bool(terminal.child.getecho())


def is_clean(terminal: Terminal) -> bool:
    """The cursor is there, lines wrap again, and what is typed is seen."""
    raw = terminal.raw
    wraps = raw.rfind("\x1b[?7h") >= raw.rfind("\x1b[?7l")
    return not terminal.screen.cursor.hidden and wraps and raw.rfind("\x1b[?2026l") >= raw.rfind("\x1b[?2026h")


MIDDLE = ("it rises", "round 2/4", "2/3", "1 failed", "1h 59m left")
REST = {
    "● run r1 of harbour starts",
    "✔ plan",
    "✔ each[0]/read",
    "✔ refine[0]/turn",
    "✘ each[1]/read failed: exit: the command ended with exit code 1: reads south.txt",
}


def middle(terminal: Terminal) -> None:
    terminal.wait(lambda it: all(part in it.text for part in MIDDLE))


def parted(terminal: Terminal, rule: str = "── ") -> tuple[list[str], list[str]]:
    """What scrolls away, and the region."""
    lines = still(terminal.lines)
    at = next((place for place, line in enumerate(lines) if line.startswith(rule)), len(lines))
    return lines[:at], lines[at:]


@pytest.mark.parametrize("columns", [120, 80, 40])
def test_the_middle_of_a_run(columns: int, gate: Path, golden: Golden) -> None:
    with running(gate, HELD, columns=columns, rows=40) as terminal:
        middle(terminal)
        golden.drawn(f"live-middle-{columns}", terminal, lambda: parted(terminal)[1])
        told, _ = parted(terminal)
        assert "\x1b[34m▶" in terminal.raw
        assert terminal.screen.cursor.hidden
        assert not echoes(terminal)
        if columns > 80:
            assert {line.partition("  ")[0] for line in told} == REST


def test_without_colour_and_without_unicode(gate: Path, golden: Golden) -> None:
    with running(gate, HELD, rows=40, env={"NO_COLOR": "1"}) as terminal:
        middle(terminal)
        golden.drawn("live-middle-80", terminal, lambda: parted(terminal)[1])
        assert not re.search(r"\x1b\[[0-9;]*m", terminal.raw)
    latin = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    with running(gate, HELD, "--id", "r2", rows=40, env=latin) as terminal:
        middle(terminal)
        golden.drawn("live-middle-80-ascii", terminal, lambda: parted(terminal, "-- ")[1])
        assert terminal.raw.isascii()


@pytest.mark.parametrize("environment", [{"CI": "true"}, {"TERM": "dumb"}])
def test_where_nothing_is_redrawn_there_are_dated_lines(environment: dict[str, str], gate: Path) -> None:
    with running(gate, HELD, env=environment, columns=200) as terminal:
        for said in ("round 2", "each[1]/read failed", "read │ reads north.txt", "▶ draft (agent writer)"):
            terminal.wait(said)
        assert not re.search(r"\x1b\[[^m]*[A-Za-ln-z]", terminal.raw)
        assert all(re.match(r"\d\d:\d\d:\d\d | {9}", line) for line in terminal.lines)


def test_a_thousand_branches_in_a_small_window(gate: Path, golden: Golden) -> None:
    with running(gate, MANY, seen="0/1,000") as terminal:
        terminal.wait("… and 99")
        golden.drawn("live-many-80", terminal, lambda: still(terminal.lines))
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert is_clean(terminal)


def is_drawn(columns: int, terminal: Terminal) -> bool:
    """Whether the line of sums goes from side to side."""
    return any(line.startswith("── ") and line.endswith("─") and len(line) == columns for line in terminal.lines)


def test_a_window_that_changes_leaves_nothing_behind(gate: Path, golden: Golden) -> None:
    with running(gate, HELD, columns=120, rows=40) as terminal:
        middle(terminal)
        for columns in (60, 40, 100, 80):
            terminal.resize(columns, 40)
            terminal.wait(partial(is_drawn, columns - 1))
        middle(terminal)
        golden.drawn("live-middle-80", terminal, lambda: parted(terminal)[1])
        told, _ = parted(terminal)
        assert len(told) == len(REST)
        terminal.type(CTRL_C)
        terminal.end()
        assert not any(line.startswith(("──", "▶", "  ▶")) for line in terminal.history)


def test_a_question_in_the_midst_of_fifty_branches_that_stream(gate: Path) -> None:
    with running(gate, ASKED, seen="Approve?") as terminal:
        asked = terminal.raw.rindex("Approve?")
        assert not any("talks" in line for line in terminal.lines)
        terminal.type("y" + ENTER)
        terminal.wait("the end")
        assert "talks" not in terminal.raw[asked : terminal.raw.index("yes", asked)]
        told, region = parted(terminal)
        assert "? Approve? yes" in told
        assert not any(line.startswith("✔ ok") for line in told), "what was answered here is not told again"
        assert any("last" in line for line in region)
        let_go(gate)
        assert terminal.end() == 0
        assert is_clean(terminal)


@pytest.mark.parametrize("key", [CTRL_C, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_finds_the_terminal_clean(key: str | signal.Signals, gate: Path) -> None:
    with running(gate, HELD, rows=40) as terminal:
        middle(terminal)
        if isinstance(key, str):
            terminal.type(key, key)
        else:
            os.kill(terminal.child.pid, key)
        code = terminal.end()
        assert code == 128 + (signal.SIGINT if isinstance(key, str) else key)
        assert is_clean(terminal)
        assert not any(line.startswith(("──", "▶", "  ▶", "^C")) for line in terminal.history)
        assert any("magent resume r1" in line for line in terminal.lines)


def test_a_run_that_is_told_to_stop_says_so_while_its_children_end(gate: Path) -> None:
    with running(gate, DEAF, seen="I do not hear") as terminal:
        terminal.type(CTRL_C)
        terminal.wait("── stopping · ")
        assert terminal.end() == 130
        assert is_clean(terminal)
        assert not any("stopping" in line for line in terminal.history)


def test_ctrl_c_at_a_prompt_says_so_while_children_end(gate: Path) -> None:
    both = DEAF.replace("nodes:", "nodes:\n      all: {type: parallel, branches: [last, ok]}\n      ok: " + ASKS)
    with running(gate, both, seen="Approve?") as terminal:
        terminal.type(CTRL_C)
        terminal.wait("── stopping · ")
        assert terminal.end() == 130


def test_what_failed_of_a_collection_is_seen(gate: Path) -> None:
    with running(gate, COLLECTS, columns=40) as terminal:
        assert terminal.end() == 0
        told = still(terminal.lines)
        failed = told.index("✘ files[1]/empty ends as failed: there")
        assert told[failed + 1 : failed + 3] == ["  is nothing in this one", "✔ files  2 of 3, 1 failed"]


def test_what_children_write_to_stdout_is_neither_the_result_nor_in_the_midst_of_the_view(gate: Path) -> None:
    gate.joinpath("workflow.yaml").write_text(dedent(PRINTS.replace("cat gate", "true")), "utf-8")
    gate.joinpath("chatter.py").write_text(INHERITS, "utf-8")
    command = f"{sys.executable} -m magent run --output json {{}} > out.json"
    for words in ("", "--quiet"):
        with Terminal(["sh", "-c", command.format(words)], cwd=gate) as terminal:
            assert terminal.end() == 0
            assert {"from a child", "from below"} <= set(terminal.lines)
        assert json.loads((gate / "out.json").read_text())["outputs"]["say"] == 7


def test_a_resumed_run_goes_on_counting_where_it_stood(gate: Path) -> None:
    with running(gate, HALFWAY, seen="14/20") as terminal:
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert terminal.lines[0] == "● run r1 of halfway starts"
        assert "read" not in terminal.text, "of many items those that go well are not told one by one"
    with Terminal.magent("resume", "r1", cwd=gate) as terminal:
        terminal.wait("14/20")
        terminal.wait("▶ [19] read")


def test_a_window_of_three_rows(gate: Path) -> None:
    with running(gate, HELD, seen="── harbour", rows=3) as terminal:
        terminal.wait("▶ fan  0/4")
        terminal.type(CTRL_C)
        assert terminal.end() == 130
        assert is_clean(terminal)
        assert not any(line.startswith(("──", "▶")) for line in terminal.history)


def test_a_run_that_fails_leaves_the_terminal_clean(gate: Path) -> None:
    with running(gate, FAILS, seen="the end") as terminal:
        let_go(gate)
        assert terminal.end() == 1
        assert is_clean(terminal)
        assert any(line.startswith("✘ last failed: exit") for line in terminal.lines)


def test_what_python_functions_print_stands_above(gate: Path) -> None:
    gate.joinpath("chatter.py").write_text(CHATTER, "utf-8")
    with running(gate, PRINTS, seen="last") as terminal:
        terminal.wait("half a line")
        terminal.wait("▶ last")
        lines = terminal.lines
        for said in ("printed red", "to stderr", "WARNING:root:logged"):
            assert said in lines
        assert any("take care" in line for line in lines)
        assert not any("▶" in line for line in lines[: lines.index("printed red")])
        let_go(gate)
        assert terminal.end() == 0
        assert "half a line" in terminal.lines


def test_the_live_view_shows_beside_json_on_stdout(gate: Path) -> None:
    with running(gate, HELD, "--output", "json", "--no-stream", rows=40) as terminal:
        terminal.wait(lambda it: all(part in it.text for part in MIDDLE[1:]))
        assert "it rises" not in terminal.text


def test_quiet_shows_nothing_until_it_is_over(gate: Path) -> None:
    gate.joinpath("workflow.yaml").write_text(dedent(FAILS), "utf-8")
    with Terminal.magent("run", "-q", "--id", "r1", cwd=gate) as terminal:
        let_go(gate)
        assert terminal.end() == 1
        assert "\x1b[?25l" not in terminal.raw
        assert not any("▶" in line for line in terminal.lines)


def test_verbose_tells_what_begins_and_what_is_said_with_the_time(gate: Path) -> None:
    with running(gate, HELD, "-v", rows=40, columns=120) as terminal:
        terminal.wait("▶ draft  writer")
        terminal.wait("reads north.txt")
        assert any(re.match(r"\d\d:\d\d:\d\d ▶ draft  writer", line) for line in terminal.lines)
        assert "  each[0]/read │ reads north.txt" in terminal.lines


def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_goes_on(gate: Path) -> None:
    gate.joinpath("workflow.yaml").write_text(dedent(HELD), "utf-8")
    magent = f"{sys.executable} -m magent run --id r1"
    with Terminal(["bash", "--norc", "-i"], cwd=gate, rows=40, env={"PS1": "shell> "}) as terminal:
        terminal.type(("shell>", f"{magent}\r"))
        middle(terminal)
        terminal.type(CTRL_Z)
        terminal.wait("Stopped")
        terminal.wait(lambda it: it.lines[-1].startswith("shell>"))
        assert is_clean(terminal)
        assert not any(line.startswith(("──", "▶")) for line in terminal.lines)
        terminal.type("fg\r")
        terminal.wait(lambda it: it.screen.cursor.hidden)
        terminal.wait("it rises")
        terminal.type(CTRL_C)
        terminal.wait(lambda it: it.lines[-1].startswith("shell>"))
        assert is_clean(terminal)
        terminal.type("exit\r")
