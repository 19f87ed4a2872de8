"""A problem inside a text stands exactly where the file has it, however YAML writes the text."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from magent.source import Position, Problem, Text, render
from magent.spec.checks import check
from magent.spec.checks.positions import Written
from magent.spec.loader import load

HEAD = "magent: 1\nname: places\nagents: {a: {replies: [x]}}\nnodes:\n  n:\n    agent: a\n"

WAYS = {
    "plain": "    prompt: hello {{ MARK }}\n",
    "plain over lines": "    prompt: first\n      second   \n\n\n      third {{ MARK }}\n",
    "plain below its key": "    prompt:\n      first\n\n      third {{ MARK }}\n",
    "single quotes": "    prompt: 'it''s\n      and ''so'' {{ MARK }}'\n",
    "single quotes, empty lines": "    prompt: 'it''s\n\n\n      and ''so'' {{ MARK }}'\n",
    "single quotes, a tab": "    prompt: 'first\n      \tsecond {{ MARK }}'\n",
    "escapes": '    prompt: "a\\n\\t\\"q\\" \\u00e9 \\x41 \\U0001F600 {{ MARK }}"\n',
    "double quotes, an empty line": '    prompt: "first\n      second\n\n      third {{ MARK }}"\n',
    "double quotes, white space at the ends": '    prompt: "first   \n      second\\n   \n      {{ MARK }}"\n',
    "double quotes, lines of white space": '    prompt: "first\n   \n      \n      {{ MARK }}"\n',
    "escaped line ends": '    prompt: "first \\\n      second\\n\\\n\n      \\  {{ MARK }}"\n',
    "block": "    prompt: |\n      first\n\n        indented {{ MARK }}\n",
    "block that begins with empty lines": "    prompt: |\n  \n    \n      first {{ MARK }}\n",
    "block of a given indentation": "    prompt: |2-\n         first\n      second {{ MARK }}\n",
    "block with a comment": "    prompt: |+ # why\n      first\n      second {{ MARK }}\n\n",
    "block, wide characters": "    prompt: |\n      日本語 é e\u0301 😀 {{ MARK }}\n",
    "block, other line ends of Unicode": "    prompt: |\n      a\u2028b\u0085c\n      d {{ MARK }}\n",
    "folded": "    prompt: >\n      first\n      second {{ MARK }}\n",
    "folded, empty lines": "    prompt: >-\n      first\n\n      second\n\n\n      third {{ MARK }}\n",
    "folded, indented lines": "    prompt: >-\n      a\n\n        b\n\n        c\n      d\n      e {{ MARK }}\n",
    "folded that begins with empty lines": "    prompt: >\n\n\n      first\n\n      b {{ MARK }}\n",
    "folded of a given indentation": "    prompt: >1\n        first\n       second {{ MARK }}\n",
    "folded, white space at the ends": "    prompt: >\n      first   \n      second {{ MARK }}\n",
    "behind an anchor": '    prompt: &p "x {{ MARK }}"\n',
    "behind a tag and an anchor": "    prompt: !!str &q |\n      x\n      y {{ MARK }}\n",
    "below an anchor": '    prompt: &p # why\n\n      "x {{ MARK }}"\n',
    "in a flow mapping": "    set: {a: [1, {b: 'é日本 {{ MARK }}'}]}\n",
    "in a list": "    run:\n    -   echo\n    -   >-\n      x\n      {{ MARK }}\n",
    "under an explicit key": '    ? prompt\n    : "x {{ MARK }}"\n',
    "an expression over lines": "    when: 1 == 1 and\n      MARK == 1\n    next: end\n    prompt: x\n",
    "a template over lines": "    prompt: |\n      {% set a = 1 %}\n      {{ a +\n         MARK }}\n",
}


def found(text: str, directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Problem]:
    monkeypatch.chdir(directory)
    (directory / "w.yaml").write_text(text, "utf-8", newline="")
    return [problem for problem in check(load("w.yaml")) if problem.code == "unknown-name"]


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("way", WAYS)
def test_a_problem_stands_where_the_file_has_it(
    way: str, end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = WAYS[way]
    head = HEAD.replace("    agent: a\n", "") if "set:" in body or "run:" in body else HEAD
    text = head + body
    before = text[: text.index("MARK")].split("\n")
    problems = found(text.replace("\n", end), tmp_path, monkeypatch)
    assert [problem.position for problem in problems] == [Position("w.yaml", len(before), len(before[-1]) + 1)]


def test_behind_an_alias_a_problem_stands_at_the_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'x-prompt: &p "say {{ MARK }}"\n' + HEAD + "    prompt: *p\n"
    assert [problem.position[1:] for problem in found(text, tmp_path, monkeypatch)] == [(8, 13)]


def test_a_text_without_a_file_stands_at_its_value() -> None:
    start = Position("<data>", 3, 4)
    assert Written("a\nb", None, start).position(2, 1) == start


@pytest.mark.untraced
def test_thousands_of_problems_in_one_text_are_found_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "    prompt: >-\n" + "      {{ foo }} bar\n" * 10_000
    began = time.process_time()
    problems = found(text, tmp_path, monkeypatch)
    assert len(problems) == 10_000
    assert problems[-1].position[1:] == (7 + 10_000, 10)
    assert time.process_time() - began < 10


@pytest.mark.untraced
def test_the_caret_of_a_long_line_is_drawn_from_its_part_alone() -> None:
    line = "日" * 500_000
    problem = Problem("code", "message", Position("f", 1, 400_000))
    began = time.process_time()
    for _ in range(100):
        drawn = render(problem, [line]).splitlines()
    assert time.process_time() - began < 1
    assert drawn[1] == "  1 | " + "日" * 160
    assert drawn[2] == "    | " + " " * 160 + "^"


def test_a_text_that_does_not_stand_where_it_is_said_to_is_placed_at_its_value() -> None:
    text = Text("a\nb")
    text.style = "literal"
    start = Position("f", 1, 1)
    assert Written(text, ["*alias"], start).position(2, 1) == start


def test_a_problem_stays_short_whatever_it_tells_about() -> None:
    problem = Problem("code", "m" * 10_000, Position("f", 1, 1), "p" * 10_000, "h" * 10_000)
    assert len(render(problem, ["x" * 10_000])) < 4_000
    assert problem.message.endswith("…")
