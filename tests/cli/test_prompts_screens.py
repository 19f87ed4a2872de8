"""What each kind of prompt looks like, by its keys, in windows of 40, 80 and 120 columns: whole runs in a terminal."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.terminal import CTRL_C, DOWN, ENTER, ESC, LEFT, RIGHT, SPACE, TAB, UP, Golden, Terminal, paste

WIDTHS = (40, 80, 120)
CITIES = [
    "Aachen",
    "Berlin",
    "Bremen",
    "Celle",
    "Dresden",
    "Emden",
    "Fulda",
    "Gotha",
    "Halle",
    "Jena",
    "Kassel",
    "Kyōto",
]
DRAFT = """# Release notes

A **faster** start; see `make` and [the list](https://example.org/changes).
<b>No tag</b> is hidden.

- one
- two

```python
print("hello")
```

| part | state |
|------|-------|
| core | done  |
"""

KINDS: dict[str, tuple[dict[str, Any], list[tuple[str, str]], dict[str, Any]]] = {
    "approval": (
        {"input": "approval", "prompt": "Ship **it**?", "context": {"risk": "high", "parts": ["a", "b"]}},
        [("Approve?", RIGHT), ("no", LEFT), ("yes", TAB), ("comment follows", "")],
        {"approved": True},
    ),
    "feedback": (
        {"input": "feedback", "prompt": "How was it?"},
        [("feedback:", "日本語 and 👍 fine")],
        {"text": "日本語 and 👍 fine"},
    ),
    "multiline": (
        {"input": "feedback", "multiline": True, "prompt": "How was it?"},
        [("Esc Enter ends", paste("one\ntwo")), ("two", ENTER + "three"), ("three", "")],
        {"text": "one\ntwo\nthree"},
    ),
    "choice": (
        {"input": "choice", "options": ["red", {"value": "blue", "label": "Deep blue, " + "very " * 30}, "green"]},
        [("Choose one", DOWN + DOWN), ("» green", UP), ("» Deep blue", "")],
        {"choice": "blue"},
    ),
    "choice-many": (
        {"input": "choice", "options": CITIES, "multiple": True},
        [("type to find", "en"), ("of 12", DOWN + SPACE), ("● ", "")],
        {"choice": ["Bremen"]},
    ),
    "rating": (
        {"input": "rating", "scale": {"min": 1, "max": 10}},
        [("Rating", "7"), ("●●●", LEFT), ("6", "")],
        {"rating": 6},
    ),
    "review": (
        {"input": "review", "content": DRAFT, "prompt": "Read this."},
        [("Your decision", DOWN * 2), ("» reject", UP * 2), ("» approve", "")],
        {"decision": "approve", "content": DRAFT, "comments": None},
    ),
    "validation": (
        {"input": "validation", "context": {"order": {"id": 7, "lines": [{"sku": "x" * 30, "count": 2}] * 2}}},
        [("valid?", "y"), ("(y/n) yes", "")],
        {"valid": True, "errors": []},
    ),
}  # fmt: skip


def workflow(here: Path, **nodes: dict[str, Any]) -> str:
    """A file in which the nodes follow one another and each answer is an output."""
    names = list(nodes)
    for name, after in zip(names, [*names[1:], None], strict=True):
        nodes[name] = {"type": "human_input", **nodes[name], **({"next": after} if after else {})}
    file = here / "asks.yaml"
    file.write_text(json.dumps({"magent": 1, "name": "asks", "nodes": nodes}))
    return str(file)


def answers() -> dict[str, dict[str, Any]]:
    """What the journal says was answered, by node, without who and when."""
    (file,) = Path(".magent/runs").glob("*/journal.jsonl")
    events = [json.loads(line) for line in file.read_text().splitlines()]
    found = {event["path"]: event["output"] for event in events if event["type"] == "visit.completed"}
    return {
        path: {name: each[name] for name in each if name not in ("by", "at", "via")} for path, each in found.items()
    }


def run(file: str, columns: int = 80, **options: Any) -> Terminal:
    return Terminal.magent("run", file, "--quiet", columns=columns, rows=40, **options)


@pytest.mark.parametrize("columns", WIDTHS)
def test_each_kind_by_its_keys(here: Path, golden: Golden, columns: int) -> None:
    file = workflow(here, **{name.replace("-", "_"): node for name, (node, _, _) in KINDS.items()})
    with run(file, columns) as terminal:
        for name, (_, steps, _) in KINDS.items():
            terminal.type(*((f"{name.replace('-', '_')}\n", ""), *steps))
            golden.drawn(f"prompt-{name}-{columns}", terminal, partial(since, terminal, name.replace("-", "_")))
            terminal.type(ESC + ENTER if name == "multiline" else ENTER)
            if name == "approval":
                terminal.type(("Comment", "because" + ENTER))
        assert terminal.end() == 0
        golden(f"prompts-answered-{columns}", [line for line in terminal.history if line.startswith("? ")])
    told = answers()
    assert told.pop("approval") == {"approved": True, "comment": "because"}
    assert told == {
        name.replace("-", "_"): {**expected, "comment": None}
        for name, (_, _, expected) in KINDS.items()
        if name != "approval"
    }


def since(terminal: Terminal, heading: str) -> list[str]:
    """What is on the screen from the heading of the question on."""
    lines = terminal.history
    return lines[max(at for at, line in enumerate(lines) if line == heading) :]


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_form_is_filled_in_field_by_field(here: Path, golden: Golden, columns: int) -> None:
    form = {
        "ticket": {"type": "string", "pattern": "^T-", "description": "Where the work on this is tracked"},
        "count": {"type": "integer", "minimum": 1, "maximum": 9},
        "level": {"enum": ["low", "high"], "default": "high"},
        "urgent": {"type": "boolean"},
        "sure": {"type": "boolean", "default": None},
        "tags": {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 1},
        "extra": {"type": "object"},
        "note": {"type": "string", "default": None},
    }
    with run(workflow(here, ok={"input": "approval", "form": form}), columns) as terminal:
        terminal.type(("Approve?", "y" + ENTER), ("ticket:", "7"), ("must match the pattern", ""))
        golden.drawn(f"form-refused-{columns}", terminal, partial(since, terminal, "ok"))
        terminal.type("\x7fT-7" + ENTER, ("count:", "12"), ("at most 9", "\x7f\x7f3" + ENTER))
        terminal.type(("level:", ENTER), ("urgent:", "n" + ENTER), ("sure:", ENTER))
        terminal.type(("tags:", ENTER), ("at least 1", DOWN + SPACE + DOWN + SPACE), ("● z", ""))
        golden.drawn(f"form-checkbox-{columns}", terminal, partial(since, terminal, "ok"))
        terminal.type(ENTER, ("extra:", "{"), ("must be a mapping", '"a": 1}' + ENTER), ("note:", ENTER))
        assert terminal.end() == 0
    expected = {"ticket": "T-7", "count": 3, "level": "high", "urgent": False, "sure": None, "tags": ["y", "z"]}
    assert answers()["ok"]["form"] == {**expected, "extra": {"a": 1}, "note": None}


@pytest.mark.parametrize("columns", [80, 40])
def test_a_deadline_is_counted_down_and_when_it_passes_the_prompt_goes(
    here: Path, golden: Golden, columns: int
) -> None:
    node = {"input": "approval", "timeout": "3s", "on_timeout": "default", "default": False}
    with run(workflow(here, ok=node), columns) as terminal:
        terminal.wait("s left")
        assert re.search(r"^ok · until \d\d:\d\d$", terminal.text, re.MULTILINE)
        assert terminal.end() == 0
        lines = [re.sub(r"\d\d:\d\d", "18:00", line) for line in terminal.history[: terminal.history.index("ok:")]]
        golden(f"prompt-too-late-{columns}", lines)
    assert answers()["ok"]["approved"] is False


def test_without_colours_everything_is_there(here: Path) -> None:
    with run(workflow(here, ok=KINDS["review"][0]), env={"NO_COLOR": "1"}) as terminal:
        terminal.type(("» approve", ENTER))
        assert terminal.end() == 0
        assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", terminal.raw)


def test_without_unicode_the_marks_are_ascii(here: Path, golden: Golden) -> None:
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    file = workflow(here, review=KINDS["review"][0], many=KINDS["choice-many"][0], rating=KINDS["rating"][0])
    with run(file, env=plain) as terminal:
        terminal.type(("> approve", ENTER), ("type to find", SPACE + DOWN))
        terminal.wait("[x] Aachen")
        golden.drawn("prompt-ascii", terminal, lambda: terminal.history)
        terminal.type(ENTER, ("Rating", "3"), ("###.......", ENTER))
        assert terminal.end() == 0
    assert terminal.raw.isascii()


def test_long_content_is_shown_in_part_and_whole_in_the_pager(here: Path, golden: Golden) -> None:
    content = "\n".join(f"line {number}" for number in range(500))
    pager = here / "pager"
    pager.write_text('#!/bin/sh\nwc -l "$1" >&2\nread answer\n')
    pager.chmod(0o755)
    with run(workflow(here, ok={"input": "review", "content": content}), env={"PAGER": str(pager)}) as terminal:
        terminal.type(("^O whole", "\x0f"), ("whole.txt", "\r"), ("502 ", ""))
        terminal.wait("» approve")
        assert "line 5\n" in terminal.text
        assert "line 400" not in terminal.text
        assert "… 500 lines in all" in terminal.text
        terminal.type(CTRL_C)
        assert terminal.end() == 130


def test_resizing_draws_the_prompt_anew(here: Path) -> None:
    options = [f"{name} {'long ' * 12}" for name in ("red", "green", "blue")]
    with run(workflow(here, ok={"input": "choice", "options": options}), 100) as terminal:
        terminal.type(("» red", DOWN))
        terminal.wait("» green")
        terminal.resize(50, 40)
        terminal.wait(lambda it: any(line.endswith("…") and "» green" in line for line in it.lines))
        terminal.resize(120, 40)
        terminal.wait(lambda it: any(line.endswith("long") and "» green" in line for line in it.lines))
        terminal.type(ENTER)
        assert terminal.end() == 0
    assert answers()["ok"]["choice"] == options[1]


@pytest.mark.parametrize("bracketed", [True, False])
def test_pasted_text_with_newlines_is_one_answer(here: Path, bracketed: bool) -> None:
    text = "\n".join(f"line {number} of a pasted text" for number in range(200))
    with run(workflow(here, a={"input": "feedback"}, b={"input": "approval"})) as terminal:
        terminal.type(("feedback:", paste(text) if bracketed else text.replace("\n", "\r")))
        terminal.type(("line 199", ENTER), ("Approve?", "y" + ENTER))
        assert terminal.end() == 0
    assert answers() == {"a": {"text": text, "comment": None}, "b": {"approved": True, "comment": None}}


def test_a_dumb_terminal_gets_lines_with_the_same_answers(here: Path, golden: Golden) -> None:
    names = ("approval", "choice", "rating")
    with run(workflow(here, **{name: KINDS[name][0] for name in names}), term="dumb") as terminal:
        terminal.type(("(y/n)", "+\n"), ("a comment follows", "y\n"), ("Comment", "why not\n"))
        terminal.type(("Choose one", "9\n"), ("from 1 to 3", "2\n"), ("Rating", "11\n"), ("from 1 to 10", "10\n"))
        assert terminal.end() == 0
        golden("prompts-dumb", terminal.history[: terminal.history.index("approval:")])
    told = answers()
    assert told["approval"] == {"approved": True, "comment": "why not"}
    assert (told["choice"]["choice"], told["rating"]["rating"]) == ("blue", 10)


def test_an_accident_approves_nothing(here: Path) -> None:
    with run(workflow(here, ok={"input": "approval"})) as terminal:
        terminal.type(("Approve?", ENTER), ("y for yes, n for no", "x" + ENTER + CTRL_C))
        assert terminal.end() == 130
