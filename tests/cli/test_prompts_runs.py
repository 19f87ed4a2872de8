"""Prompts in whole runs: who leaves finds the run as it was; other branches go on; nothing disturbs the screen."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import CTRL_C, CTRL_D, CTRL_Z, DOWN, ENTER, Terminal

SLOW = [sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(600)"]


def workflow(here: Path, **nodes: dict[str, Any]) -> str:
    file = here / "run.yaml"
    file.write_text(json.dumps({"magent": 1, "name": "run", "nodes": nodes}))
    return str(file)


def asks(kind: str = "approval", **more: Any) -> dict[str, Any]:
    return {"type": "human_input", "input": kind, **more}


def waits_for(file: Path, lines: int = 1) -> dict[str, Any]:
    """A node that prints, and ends when the file is there."""
    program = (
        f"import os, time\nfor n in range({lines}): print('at work', n, flush=True)\n"
        f"while not os.path.exists({str(file)!r}): time.sleep(0.1)\nprint('all done')"
    )
    return {"run": [sys.executable, "-S", "-c", program]}


def journal() -> list[dict[str, Any]]:
    (file,) = Path(".magent/runs").glob("*/journal.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def answer(path: str) -> Any:
    return next(
        event["output"] for event in journal() if event["type"] == "visit.completed" and event["path"].endswith(path)
    )


def echoes(terminal: Terminal) -> bool:
    """Whether the terminal shows what is typed, as a shell wants it."""
    return bool(terminal.child.getecho())


def test_ctrl_c_at_a_prompt_interrupts_the_run_and_says_how_to_go_on(here: Path) -> None:
    with Terminal.magent("run", workflow(here, a=asks(next="b"), b=asks())) as terminal:
        terminal.type(("Approve?", "y" + CTRL_C))
        assert terminal.end() == 130
        assert "interrupted" in terminal.text
        command = re.search(r"magent (resume \S+)", terminal.text)
    assert command
    with Terminal.magent(*command[1].split()) as terminal:
        terminal.type(("(y/n)", "y" + ENTER))
        terminal.wait(lambda it: "b" in it.lines and "(y/n)" in it.text)
        terminal.type("n" + ENTER)
        assert terminal.end() == 0
    assert (answer("a")["approved"], answer("b")["approved"]) == (True, False)


def test_ctrl_c_before_and_after_a_prompt_interrupts_the_run(here: Path) -> None:
    slow = {"run": SLOW}
    for nodes, before in (({"a": {**slow, "next": "b"}, "b": asks()}, True), ({"a": asks(next="b"), "b": slow}, False)):
        file = workflow(here, **nodes)
        with Terminal.magent("run", file, "--stream") as terminal:
            if not before:
                terminal.type(("Approve?", "y" + ENTER))
            terminal.type(("at work", CTRL_C))
            assert terminal.end() == 130
            assert re.search(r"magent resume \S+", terminal.text)


def test_ctrl_d_leaves_the_run_waiting_with_the_command_that_answers(here: Path) -> None:
    with Terminal.magent("run", workflow(here, a=asks("choice", options=["x", "y"]))) as terminal:
        terminal.type(("Choose one", CTRL_D))
        assert terminal.end() == 3
        assert re.search(r"magent respond \S+ a", terminal.text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_at_a_prompt_interrupts_the_run(here: Path, number: signal.Signals) -> None:
    with Terminal.magent("run", workflow(here, a=asks())) as terminal:
        terminal.type(("Approve?", "y"))
        terminal.wait("yes")
        os.kill(terminal.child.pid, number)
        assert terminal.end() == 128 + number
        assert "'a' is no longer asked" in terminal.text
    assert journal()[-1]["type"] == "run.interrupted"


def test_a_window_that_is_closed_loses_nothing(here: Path) -> None:
    with Terminal.magent("run", workflow(here, a=asks())) as terminal:
        terminal.wait("Approve?")
        terminal.child.ptyproc.fileobj.close()
        terminal.child.ptyproc.closed = True
        terminal.child.wait()
    assert journal()[-1]["type"] in ("run.interrupted", "run.waiting")


def test_a_prompt_stands_undisturbed_while_fifty_branches_print(here: Path) -> None:
    go = here / "go"
    names = [f"n{number}" for number in range(50)]
    nodes = {name: waits_for(go, lines=40) for name in names}
    file = workflow(here, all={"type": "parallel", "branches": ["ask", *names]}, ask=asks("feedback"), **nodes)
    with Terminal.magent("run", file, "--stream", "--max-concurrency", "60", rows=30) as terminal:
        terminal.wait("Your feedback:")
        terminal.wait(lambda _: count("visit.started") == 52)
        for letter in "steady":
            terminal.type(letter)
        terminal.wait("? Your feedback: steady")
        shown = terminal.lines
        go.touch()
        terminal.wait(lambda _: count("visit.completed") == 50)
        terminal.read()
        assert terminal.lines == shown
        terminal.type(ENTER)
        assert terminal.end() == 0
        assert "all done" in terminal.text
    assert answer("ask")["text"] == "steady"


def count(kind: str) -> int:
    return sum(event["type"] == kind for event in journal())


def test_several_questions_wait_their_turn_and_the_prompt_says_so(here: Path) -> None:
    names = ("a", "b", "c")
    file = workflow(here, all={"type": "parallel", "branches": list(names)}, **{name: asks() for name in names})
    with Terminal.magent("run", file) as terminal:
        terminal.type(("2 more wait", "y" + ENTER), ("1 more waits", "y" + ENTER))
        terminal.wait(lambda it: it.lines[-1:] == ["←→ · Tab comment"])
        terminal.type("n" + ENTER)
        assert terminal.end() == 0
    assert [answer(name)["approved"] for name in names] == [True, True, False]


def test_keys_typed_while_no_question_was_there_answer_nothing(here: Path) -> None:
    go = here / "go"
    file = workflow(here, a={**waits_for(go), "next": "b"}, b=asks(default=True))
    with Terminal.magent("run", file, "--stream") as terminal:
        terminal.type(("at work", "y" + ENTER + ENTER))
        go.touch()
        terminal.type(("Approve? (Y/n)", "n" + ENTER))
        assert terminal.end() == 0
    assert answer("b")["approved"] is False


def test_ctrl_z_suspends_and_fg_draws_the_prompt_anew(here: Path) -> None:
    file = workflow(here, a=asks("feedback"))
    with Terminal(["bash", "--norc", "--noprofile", "-i"], env={"PS1": "shell> "}) as terminal:
        terminal.type(("shell>", f"{sys.executable} -m magent run {file}\r"), ("Your feedback:", "half"))
        terminal.type(("half", CTRL_Z), ("Stopped", "fg\r"))
        terminal.wait(lambda it: any(line.startswith("? Your feedback: half") for line in it.lines[-3:]))
        terminal.type(" done" + ENTER, ("completed", "exit\r"))
        terminal.end()
    assert answer("a")["text"] == "half done"


def test_the_result_goes_to_a_pipe_while_the_prompt_is_drawn_on_stderr(here: Path) -> None:
    file = workflow(here, a=asks("choice", options=["x", "y"]))
    command = f"{sys.executable} -m magent run {file} --output json > out.json"
    with Terminal(["sh", "-c", command]) as terminal:
        terminal.type(("» x", DOWN), ("» y", ENTER))
        assert terminal.end() == 0
    assert json.loads((here / "out.json").read_text())["status"] == "completed"
    assert answer("a")["choice"] == "y"
