"""README and cookbook say what is so: their YAML is valid and runs, their commands print what is shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.app import check
from magent.source import Problem
from magent.spec.loader import load_yaml
from magent.spec.schema import validate
from tests.docs.markdown import Block, blocks, commands, missing
from tests.terminal import ENTER, Terminal

ROOT = Path(__file__).parents[2]
PAGES = {"README.md": ROOT / "README.md", "workflows/README.md": ROOT / "workflows" / "README.md"}
ALL = [block for page, path in PAGES.items() for block in blocks(path, page)]
YAML = [block for block in ALL if block.language == "yaml"]
WHOLE = [block for block in YAML if block.text.startswith("magent: 1\n") and "broken" not in block.marks]
SETTINGS = [block for block in YAML if "settings" in block.marks]
OTHERS = {"answers", "settings"}
FRAGMENTS = [block for block in YAML if not block.text.startswith("magent: 1\n") and not OTHERS & set(block.marks)]
SESSIONS = {page: [b for b in ALL if b.page == page and {"file", "run", "terminal"} & set(b.marks)] for page in PAGES}

# What the pages' models said when they were asked; scripted here, so that every machine sees the same.
SAID = {"{model: local}": 'replies: [{reply: {summary: "The Gull arrived 40 minutes late.", minutes_late: 40}}]'}


def scripted(text: str) -> str:
    for model, replies in SAID.items():
        text = text.replace(model, f"{{{replies}}}")
    return text


@pytest.mark.parametrize("block", WHOLE, ids=str)
def test_a_whole_example_is_valid_without_a_warning(block: Block, here: Path) -> None:
    (here / "example.yaml").write_text(block.text)
    assert [problem.message for problem in check("example.yaml")[0]] == []


@pytest.mark.parametrize("block", FRAGMENTS, ids=str)
def test_a_fragment_is_valid_where_it_belongs(block: Block, here: Path) -> None:
    data, problems, _ = load_yaml(block.text.encode(), "fragment.yaml")
    assert problems == []
    whole = {"magent": 1, "name": "fragment", **surroundings(data), **{k: v for k, v in data.items() if k != "next"}}
    (here / "example.yaml").write_text(json.dumps(whole))
    assert [problem.message for problem in errors("example.yaml")] == []


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_settings_are_valid(block: Block) -> None:
    data, problems, _ = load_yaml(block.text.encode(), ".magent.yaml")
    assert problems + validate(data, "settings") == []


def surroundings(fragment: dict[str, Any]) -> dict[str, Any]:
    """What a fragment speaks of and does not show: the nodes that its edges name."""
    if "next" not in fragment:
        return {"nodes": {"only": {"set": {}}}}
    targets: dict[str, Any] = {edge["to"]: {"set": {}} for edge in fragment["next"] if "to" in edge}
    return {"nodes": {"draft": {"call": "house:draft", "next": fragment["next"]}, **targets}}


def errors(file: str) -> list[Problem]:
    return [problem for problem in check(file)[0] if problem.severity == "error"]


@pytest.mark.parametrize("block", [b for b in WHOLE if b.after.startswith("Gives `")], ids=str)
def test_an_example_gives_what_is_said(block: Block, here: Path) -> None:
    (here / "example.yaml").write_text(block.text)
    result = magent.run("example.yaml", store=None, use_defaults=True)
    said = re.match(r"Gives `(.*?)`", block.after)
    assert said is not None
    assert (result.status, result.outputs) == ("completed", json.loads(said[1])), result.error


def test_every_whole_example_is_run() -> None:
    idle = [str(block) for block in WHOLE if not block.after.startswith("Gives `") and "file" not in block.marks]
    assert idle == []


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_print_what_is_shown(page: str, here: Path) -> None:
    environment = {**os.environ, "PATH": f"{here / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    install(here / "bin" / "magent")
    for block in SESSIONS[page]:
        if "file" in block.marks:
            (here / block.marks["file"]).write_text(scripted(block.text))
        elif "terminal" in block.marks:
            type_at(block, environment)
        elif block.language == "python":
            subprocess.run([sys.executable, "-c", block.text], env=environment, check=True, capture_output=True)
        else:
            run(block, environment)


def install(program: Path) -> None:
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m magent "$@"\n')
    program.chmod(0o755)


def run(block: Block, environment: dict[str, str]) -> None:
    code = int(block.marks["run"].partition("exit ")[2] or 0)
    for place, command in enumerate(commands(block)):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command.line} 2>&1"], env=environment, capture_output=True, text=True, check=False
        )
        assert missing(command.output, done.stdout) == [], f"{block}: {command.line}\n{done.stdout}"
        last = place == len(commands(block)) - 1
        assert done.returncode in ((code,) if last else (0, 3)), f"{block}: {command.line}\n{done.stdout}"


def type_at(block: Block, environment: dict[str, str]) -> None:
    seen, _, keys = block.marks["terminal"].partition(" -> ")
    (command,) = commands(block)
    own = {name: environment[name] for name in ("PATH", "PYTHONPATH")}  # a terminal is none of CI's
    with Terminal(["/bin/sh", "-c", command.line], env=own, columns=100) as terminal:
        if seen:
            terminal.type((seen, keys + ENTER))
        code = terminal.end()
        assert missing(command.output, terminal.text) == [], f"{block}: {command.line}\n{terminal.text}"
        assert code == 0
