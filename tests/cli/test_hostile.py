"""Texts of models, users and files: no verb takes them for markup, none lets them steer the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.helpers import magent, several
from tests.terminal import Terminal

MARKUP = "[bold red]loud[/] [/nothing] [link=http://x]y[/link]"
STEERING = {
    "title": "\x1b]0;owned\x07",
    "clipboard": "\x1b]52;c;aGk=\x07",
    "link": "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "clear": "\x1b[2J\x1b[H",
    "colour": "\x1b[41m",
    "c1": "\x9b2J\x85\x90",
    "bidi": "\u202eabc\u2066",
    "line": "\u2028\u2029",
    "back": "\x08\x08\x08",
    "over": "hidden\rshown",
}
OBEYED = ("\x1b]", "\x1b[2J", "\x1b[41m", "\x9b", "\x90", "\x85", "\u202e", "\u2066", "\u2028", "\x08", "hidden\r")
EVIL = " ".join([MARKUP, *STEERING.values()])

WORKFLOW: dict[str, Any] = {
    "magent": 1,
    "name": "evil",
    "description": EVIL,
    "inputs": {"topic": {"type": "string", "default": EVIL, "description": EVIL}},
    "agents": {"writer": {"replies": [EVIL]}},
    "nodes": {
        "draft": {"prompt": EVIL, "agent": "writer", "description": EVIL, "next": "colour"},
        "colour": {
            "type": "human_input",
            "input": "choice",
            "prompt": EVIL,
            "context": {"said": "{{ state.draft }}"},
            "options": [{"value": "red", "label": EVIL}, "blue"],
            "next": "sign_off",
        },
        "sign_off": {"type": "human_input", "input": "feedback", "prompt": EVIL, "next": "breaks"},
        "breaks": {"run": ["printf", "%s", "{{ state.draft }}"], "parse": "json"},
    },
}
BROKEN = f"magent: 1\nname: x\n{json.dumps(EVIL)}: 1\nnodes: {{a: {{set: {{x: 1}}, next: {json.dumps(EVIL)}}}}}\n"


@pytest.fixture
def evil(here: Path) -> Path:
    here.joinpath("workflow.yaml").write_text(json.dumps(WORKFLOW), "utf-8")
    here.joinpath("broken.yaml").write_text(BROKEN, "utf-8")
    return here


def harmless(text: str) -> None:
    assert [sign for sign in OBEYED if sign in text] == []


LINES = [
    "run --id e1 --no-input",
    "respond e1",
    "respond --list",
    "respond e1 colour --choose red",
    "resume e1 --no-input",
    "respond e1 sign_off --text 'a [bold]b[/bold]'",
    "resume e1",
    "runs list",
    "runs show e1",
    "validate broken.yaml",
    "run broken.yaml",
    "graph",
    "graph --dot",
    "graph --json",
    "run --dry-run",
    "run --output json --id e2 --no-input",
    "run --output jsonl --id e3 --no-input",
]


@pytest.mark.parametrize("columns", [40, 100])
def test_no_verb_lets_a_text_steer_the_terminal(columns: int, evil: Path) -> None:
    with Terminal(several(*LINES), columns=columns, rows=50) as terminal:
        assert terminal.end() == 0
        harmless(terminal.raw)
        assert "[bold red]loud[/]" in terminal.raw
        assert terminal.raw.count("$ magent") == len(LINES)
        assert "internal error" not in terminal.raw


@pytest.mark.parametrize(
    "words",
    [
        [EVIL],
        ["runs", EVIL],
        ["run", EVIL],
        ["run", "--" + EVIL],
        ["run", "-i", f"{EVIL}=1"],
        ["run", "-i", EVIL],
        ["run", "--limit", EVIL],
        ["run", "--limit", f"usd={EVIL}"],
        ["run", "--agent", f"{EVIL}=local"],
        ["run", "--agent", f"writer={EVIL}"],
        ["run", "--id", EVIL],
        ["run", "--output", EVIL],
        ["run", "--inputs", EVIL],
        ["run", "--answers", EVIL],
        ["run", "--stop-after", EVIL],
        ["run", "--store", EVIL],
        ["resume", EVIL],
        ["runs", "show", EVIL],
        ["runs", "list", "--status", EVIL],
        ["runs", "list", "--since", EVIL],
        ["respond", EVIL, EVIL],
        ["graph", EVIL],
        ["schema", EVIL],
        ["help", EVIL],
    ],
    ids=lambda words: " ".join(words)[:20].encode("unicode_escape").decode(),
)
def test_no_word_of_a_command_line_steers_what_is_said_of_it(words: list[str], evil: Path, capsys: Any) -> None:
    outcome = magent(capsys, *words)
    assert outcome.code == 2
    assert outcome.out == ""
    assert "internal error" not in outcome.err
    harmless(outcome.err)


@pytest.mark.parametrize("word", ["a\0b", "\0"])
@pytest.mark.parametrize(
    "line", [["run"], ["validate"], ["graph"], ["resume"], ["runs", "show"], ["run", "--inputs"], ["run", "--store"]]
)
def test_a_zero_byte_is_refused_as_any_other_wrong_name(line: list[str], word: str, evil: Path, capsys: Any) -> None:
    outcome = magent(capsys, *line, word)
    assert outcome.code == 2
    assert "internal error" not in outcome.err
    assert "\0" not in outcome.err + outcome.out


def test_a_file_with_an_evil_name_is_told_of_harmlessly(here: Path, capsys: Any) -> None:
    name = "x\x1b]0;owned\x07\u202e[bold]y.yaml"
    here.joinpath(name).write_text(BROKEN, "utf-8")
    with Terminal.magent("validate", name, columns=100) as terminal:
        assert terminal.end() == 2
        harmless(terminal.raw)
        assert "[bold]y.yaml" in terminal.raw


def test_no_output_forges_a_line_of_ours(here: Path, capsys: Any) -> None:
    forged = "12:00:00 ✔ deploy 0.01s"
    nodes = {
        "a": {"prompt": "say", "agent": "w", "next": "b"},
        "b": {
            "run": ["sh", "-c", 'printf %s "$1"; printf %s "$1" >&2; exit 3', "x", f"x\n{forged}\nmagent: all is well"]
        },
    }
    data = {"magent": 1, "name": "w", "agents": {"w": {"replies": [f"hi\n{forged}"]}}, "nodes": nodes}
    here.joinpath("w.yaml").write_text(json.dumps(data), "utf-8")
    told = magent(capsys, "run", "w.yaml").err.splitlines()
    assert [line for line in told if line.startswith((forged, "magent: all is well"))] == []
    assert f"  {forged}" in told
