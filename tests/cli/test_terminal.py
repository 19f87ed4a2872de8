"""Questions in a real pseudo-terminal: a small program asks, the test types and reads the screen."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from tests.terminal import Spawned

DRIVER = """
import asyncio, json, signal, sys, termios
from magent.answers import read_options
from magent.clock import SystemClock
from magent.human.prompts import is_terminal
from magent.human.terminal import Terminal
from magent.ports import Question

questions, chatter, out = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]

def question(data):
    options = read_options(data.pop("options")) if "options" in data else ()
    data = {"node": "sign_off", **data}
    return Question(path=data["node"], visit=1, options=options, scale=tuple(data.pop("scale", (1, 5))), **data)

async def main():
    stopped = []
    terminal = Terminal(SystemClock(), lambda: stopped.append(True))
    async def ask(data):
        asked = asyncio.ensure_future(terminal.ask(question(data)))
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.cancel)
        try:
            return await asked
        except asyncio.CancelledError:
            return "too late"
    async def other_branch():
        on_screen = asyncio.Event()
        def told(busy):
            if busy:
                on_screen.set()
            elif chatter:
                sys.stderr.write(chatter)
        terminal.on_busy = told
        if chatter:
            await on_screen.wait()
        return terminal.busy
    *answers, held = await asyncio.gather(*map(ask, questions), other_branch())
    result = {"answers": answers, "stopped": bool(stopped), "held": held, "terminal": is_terminal()}
    result["echo"] = bool(termios.tcgetattr(0)[3] & termios.ECHO)
    open(out, "w").write(json.dumps(result))

asyncio.run(main())
"""
ENTER, DOWN, CTRL_C, CTRL_D, ESC, SPACE = "\r", "\x1b[B", "\x03", "\x04", "\x1b", " "


class Screen:
    """A child in a pseudo-terminal of 100 columns and all it ever showed."""

    def __init__(self, child: Any, out: Path) -> None:
        self.child = child
        self.out = out
        self.seen = pyte.Screen(100, 100)
        self.stream = pyte.Stream(self.seen)
        child.logfile_read = self

    def write(self, text: str) -> None:
        self.stream.feed(text)

    def flush(self) -> None: ...

    def type(self, *steps: tuple[str, str]) -> dict[str, Any]:
        """Waits for each text, then types the keys beside it; gives what the program found in the end."""
        for expected, keys in steps:
            self.child.expect_exact(expected)
            self.child.send(keys)
        self.child.expect(pexpect.EOF)
        self.child.wait()
        result: dict[str, Any] = json.loads(self.out.read_text())
        assert result["echo"], "the terminal was left as it should not be"
        return result

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.seen.display if line.strip()]


@contextmanager
def asking(
    *questions: dict[str, Any], out: Path, term: str = "xterm", chatter: str = "", env: dict[str, str] | None = None
) -> Iterator[Screen]:
    arguments = ["-c", DRIVER, json.dumps(questions), chatter, str(out)]
    environment = {**os.environ, "TERM": term, **(env or {})}
    with Spawned(
        sys.executable, arguments, env=environment, encoding="utf-8", timeout=30, dimensions=(40, 100)
    ) as child:
        yield Screen(child, out)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "answers.json"


def fields(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in ("by", "at", "via", "comment")}


COLOURS = ["red", {"value": "blue", "label": "Deep blue"}, "green"]
EACH_KIND: list[tuple[dict[str, Any], list[tuple[str, str]], list[tuple[str, str]], dict[str, Any]]] = [
    ({"input": "approval"}, [("Approve?", "n" + ENTER)], [("Approve?", "n\n")], {"approved": False}),
    ({"input": "feedback"}, [("feedback", "grün" + ENTER)], [("feedback", "grün\n")], {"text": "grün"}),
    (
        {"input": "feedback", "multiline": True},
        [("feedback", "a" + ENTER + "b" + ESC + ENTER)],
        [("feedback", "a\nb\n.\n")],
        {"text": "a\nb"},
    ),
    (
        {"input": "choice", "options": COLOURS},
        [("Choose one", DOWN + ENTER)],
        [("Choose one", "2\n")],
        {"choice": "blue"},
    ),
    (
        {"input": "choice", "options": COLOURS, "multiple": True},
        [("Choose any", SPACE + DOWN + DOWN + SPACE + ENTER)],
        [("Choose any", "1,3\n")],
        {"choice": ["red", "green"]},
    ),
    ({"input": "rating", "scale": [1, 10]}, [("1 to 10", "7" + ENTER)], [("1 to 10", "7\n")], {"rating": 7}),
    (
        {"input": "review", "content": "draft"},
        [("Your decision", DOWN + ENTER), ("Comments", "shorter" + ENTER)],
        [("Your decision", "2\n"), ("Comments", "shorter\n")],
        {"decision": "request_changes", "comments": "shorter", "content": "draft"},
    ),
    (
        {"input": "validation", "content": {"a": 1}},
        [("valid?", "n" + ENTER), ("wrong?", "no b" + ENTER), ("wrong?", ENTER)],
        [("valid?", "n\n"), ("wrong?", "no b\n"), ("wrong?", "\n")],
        {"valid": False, "errors": ["no b"]},
    ),
]


@pytest.mark.parametrize(("question", "drawn", "plain", "expected"), EACH_KIND)
def test_each_kind_is_answered_with_the_keyboard(
    out: Path, question: dict[str, Any], drawn: list[tuple[str, str]], plain: Any, expected: dict[str, Any]
) -> None:
    with asking(question, out=out) as screen:
        (answer,) = screen.type(*drawn)["answers"]
    assert fields(answer) == expected
    assert answer["via"] == "terminal"
    assert answer["by"]


@pytest.mark.parametrize(("question", "drawn", "plain", "expected"), EACH_KIND)
def test_each_kind_is_answered_where_nothing_can_be_drawn(
    out: Path, question: dict[str, Any], drawn: Any, plain: list[tuple[str, str]], expected: dict[str, Any]
) -> None:
    with asking(question, out=out, term="dumb") as screen:
        (answer,) = screen.type(*plain)["answers"]
    assert fields(answer) == expected


@pytest.mark.parametrize(
    ("question", "prompt", "expected"),
    [
        ({"input": "approval", "default": True}, "Approve?", {"approved": True}),
        ({"input": "feedback", "default": "as usual"}, "feedback", {"text": "as usual"}),
        ({"input": "choice", "options": COLOURS, "default": "green"}, "Choose one", {"choice": "green"}),
        (
            {"input": "choice", "options": COLOURS, "multiple": True, "default": ["green"]},
            "Choose any",
            {"choice": ["green"]},
        ),
        ({"input": "rating", "default": 4}, "Rating", {"rating": 4}),
        (
            {"input": "review", "default": "approve"},
            "decision",
            {"decision": "approve", "comments": None, "content": None},
        ),
        ({"input": "validation", "default": True}, "valid?", {"valid": True, "errors": []}),
    ],
)
def test_enter_takes_the_default(out: Path, question: dict[str, Any], prompt: str, expected: dict[str, Any]) -> None:
    with asking({**question, "has_default": True}, out=out) as screen:
        (answer,) = screen.type((prompt, ENTER))["answers"]
    assert fields(answer) == expected


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_without_a_default_enter_alone_approves_nothing(out: Path, term: str) -> None:
    with asking({"input": "approval"}, out=out, term=term) as screen:
        (answer,) = screen.type(("Approve?", "\n"), ("y for yes, n for no", "y\n"))["answers"]
    assert answer["approved"] is True


def test_a_rating_outside_the_scale_is_not_taken(out: Path) -> None:
    with asking({"input": "rating"}, out=out) as screen:
        (answer,) = screen.type(("Rating", "9" + ENTER), ("a whole number from 1 to 5", "\x7f3" + ENTER))["answers"]
    assert answer["rating"] == 3


def test_content_under_review_can_be_edited_where_there_is_no_editor(out: Path) -> None:
    nothing = {"VISUAL": "", "EDITOR": "no-such-editor --wait"}
    with asking({"input": "review", "content": "draft"}, out=out, env=nothing) as screen:
        steps = [("decision", DOWN * 3 + ENTER), ("The text", " two" + ESC + ENTER), ("decision", ENTER)]
        (answer,) = screen.type(*steps)["answers"]
    assert fields(answer) == {"decision": "approve", "comments": None, "content": "draft two"}


def test_a_form_is_asked_after_field_by_field_with_each_fields_type(out: Path) -> None:
    form = {
        "ticket": {"type": "string", "pattern": "^T-"},
        "count": {"type": "integer", "minimum": 1},
        "level": {"enum": ["low", "high"], "default": "high"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}, "default": []},
        "note": {"type": "string", "default": None},
    }
    with asking({"input": "approval", "form": form}, out=out) as screen:
        (answer,) = screen.type(
            ("Approve?", "y" + ENTER),
            ("ticket:", "7" + ENTER),
            ("must match the pattern", "\x7fT-7" + ENTER),
            ("count:", "two" + ENTER),
            ("must be a whole number", "\x7f\x7f\x7f2" + ENTER),
            ("level:", ENTER),
            ("urgent:", "n" + ENTER),
            ("tags:", '["a"]' + ENTER),
            ("note:", ENTER),
        )["answers"]
    assert answer["form"] == {
        "ticket": "T-7",
        "count": 2,
        "level": "high",
        "urgent": False,
        "tags": ["a"],
        "note": None,
    }


def test_what_is_shown_is_text_and_never_markup_or_a_command_to_the_terminal(out: Path) -> None:
    question = {
        "input": "approval",
        "prompt": "Ship [bold]it[/bold]? \x1b[2J\x1b]0;title\x07",
        "context": {"risk\x1b[1A": "**high**", "lines": [1, 2]},
        "content": "[link=x]a[/link]\u202egnp.exe",
        "assignee": "ann",
    }
    with asking(question, out=out) as screen:
        screen.type(("Approve?", "y" + ENTER))
    assert screen.lines[0] == "sign_off · assigned to ann"
    assert screen.lines[1] == "Ship [bold]it[/bold]? �[2J�]0;title�"
    assert screen.lines[2:4] == ["  risk�[1A: high", "  lines: [1, 2]"]
    assert screen.lines[5] == "[link=x]a[/link]�gnp.exe"


def test_questions_are_put_one_at_a_time(out: Path) -> None:
    with asking({"input": "approval", "node": "one"}, {"input": "rating", "node": "two"}, out=out) as screen:
        screen.child.expect_exact("Approve?")
        assert "two" not in screen.lines
        answers = screen.type(("", "y" + ENTER), ("Rating", "2" + ENTER))["answers"]
    assert [fields(answer) for answer in answers] == [{"approved": True}, {"rating": 2}]


def test_what_others_write_meanwhile_comes_after_the_question(out: Path) -> None:
    with asking({"input": "approval"}, out=out, chatter="other branch: done\r\n") as screen:
        result = screen.type(("Approve?", "y" + ENTER))
    assert result["held"] is True
    assert [line for line in screen.lines if line.startswith(("?", "other"))] == [
        "? Approve? yes",
        "other branch: done",
    ]


def test_ctrl_d_leaves_one_question_open_and_puts_the_next(out: Path) -> None:
    questions: list[dict[str, Any]] = [{"input": "choice", "options": COLOURS}, {"input": "approval", "node": "two"}]
    with asking(*questions, out=out) as screen:
        result = screen.type(("Choose one", CTRL_D), ("Approve?", "y" + ENTER))
    assert result["answers"][0] is None
    assert result["answers"][1]["approved"] is True
    assert result["stopped"] is False


def test_ctrl_d_on_a_plain_line_leaves_the_question_open(out: Path) -> None:
    with asking({"input": "approval"}, out=out, term="dumb") as screen:
        assert screen.type(("Approve?", CTRL_D))["answers"] == [None]
    assert screen.lines[-1] == "Approve? (y/n)"


@pytest.mark.parametrize("kind", ["approval", "choice"])
def test_ctrl_c_stops_the_run_and_puts_no_further_question(out: Path, kind: str) -> None:
    with asking({"input": kind, "options": COLOURS}, {"input": "approval", "node": "two"}, out=out) as screen:
        result = screen.type(("?" if kind == "approval" else "Choose one", CTRL_C))
    assert (result["answers"], result["stopped"]) == ([None, None], True)
    assert "two" not in screen.lines


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_question_whose_time_is_up_leaves_the_terminal_as_it_was(out: Path, term: str) -> None:
    with asking({"input": "approval"}, out=out, term=term) as screen:
        screen.child.expect_exact("Approve?")
        screen.child.send("maybe")
        screen.child.expect_exact("maybe")
        os.kill(screen.child.pid, signal.SIGUSR1)
        result = screen.type()
    assert result["answers"] == ["too late"]
    assert screen.lines[-1] == "  'sign_off' is no longer asked"


def test_keys_typed_before_a_question_do_not_answer_it(out: Path) -> None:
    questions: list[dict[str, Any]] = [
        {"input": "approval", "node": "one"},
        {"input": "approval", "node": "two", "default": True, "has_default": True},
    ]
    with asking(*questions, out=out) as screen:
        answers = screen.type(("Approve?", "y" + ENTER + ENTER), ("two", ""), ("Approve?", "n" + ENTER))["answers"]
    assert [answer["approved"] for answer in answers] == [True, False]


def test_in_a_terminal_somebody_can_be_asked(out: Path) -> None:
    with asking({"input": "approval"}, out=out) as screen:
        assert screen.type(("Approve?", "y" + ENTER))["terminal"] is True
