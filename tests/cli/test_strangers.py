"""The workflow of a stranger is checked, drawn and listed with nothing run, imported, asked or written; a settings file
that came with somebody's directory does not choose what is imported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from magent import settings
from magent.errors import UsageError
from magent.stores import open_store, places
from tests.cli.helpers import magent
from tests.terminal import ROOT

TRAP = "import os, subprocess\nopen('sprung', 'w').close()\nos.system('touch sprung')\n"
EVIL = TRAP + "class Agent:\n    pass\nclass Tool:\n    'Looks harmless.'\ndef boom(x: int):\n    'Says boom.'\n"
WORKFLOW = """
magent: 1
name: gift
include: [./library.yaml]
env: [HOME]
secrets: [TOKEN]
inputs: {n: {type: integer, default: 2}}
agents:
  called: {call: "evil:boom"}
  classy: {model: "evil:Agent"}
  program: {command: ["./evil.sh", "{{ prompt }}"]}
  nearby: {model: "openai:gpt-5-mini", base_url: "http://127.0.0.1:9/v1", api_key: x, fallback: [classy]}
tools:
  fn: {call: "evil:boom"}
  made: {uses: "evil:Tool", settings: {a: 1}}
  server: {mcp: {command: ["./evil.sh"]}}
  remote: {mcp: {url: "http://127.0.0.1:9/mcp"}}
  program: {run: ["./evil.sh", "{{ x }}"], parameters: {x: {type: string}}}
  fetch: {builtin: http_request, allow_hosts: ["*"]}
  find: {builtin: web_search, provider: searxng, base_url: "http://127.0.0.1:9"}
  notes: {builtin: files}
roles: {helper: {agent: called, skills: [python], tools: [fn, made, server, notes], can_delegate: true}}
nodes:
  one: {call: "evil:boom", with: {x: "{{ inputs.n }}"}, next: two}
  two: {prompt: {file: ./ask.md}, agent: classy, tools: [fn, made, server, remote, program, fetch, find], next: three}
  three: {run: "touch sprung && echo {{ state.two }}", next: four}
  four: {tool: made, with: {}, next: five}
  five: {type: subgraph, uses: ./sub/sub.yaml, with: {}, next: six}
  six: {prompt: hello, role: helper, next: seven}
  seven: {prompt: hello, agent: nearby, next: eight}
  eight: {type: human_input, input: approval, prompt: "Well?"}
"""
LIBRARY = 'magent: 1\ntools: {more: {call: "evil:boom"}}\n'
SUB = 'magent: 1\nname: sub\nagents: {own: {model: "evil:Agent"}}\nnodes: {a: {prompt: hi, agent: own}}\n'
SETTINGS = 'store: "evil.Store:x"\nnotify: {command: [./evil.sh], on: [waiting, failed, completed]}\n'
SHADOWS = ("conftest", "sitecustomize", "usercustomize", "typer", "jinja2", "rich", "networkx", "jmespath", "mcp")

HARMLESS = {  # each with its exit code
    "validate": 0,
    "validate --output json": 0,
    "validate --output sarif": 0,
    "validate --output github": 0,
    "graph --text": 0,
    "graph --dot": 0,
    "graph --mermaid": 0,
    "graph --json": 0,
    "run --dry-run --output json": 0,
    "roles list -f workflow.yaml": 0,
    "roles show helper -f workflow.yaml": 0,
    "roles route 'a task' --skills python -f workflow.yaml": 0,
    "tools list --no-check -f workflow.yaml --output json": 0,
    "agents list -f workflow.yaml": 0,
    "agents show called -f workflow.yaml": 0,
    "agents show classy -f workflow.yaml": 0,
    "complete-words run --stop-after ''": 0,
    "complete-words roles show -f workflow.yaml ''": 0,
    "complete-words tools show -f workflow.yaml ''": 0,
    "complete-words agents show -f workflow.yaml ''": 0,
    "complete-words runs show ''": 0,
    "runs list": 2,
    "resume": 2,
}


@pytest.fixture
def gift(here: Path) -> Path:
    """A directory full of traps, which is the current one."""
    files = {"workflow.yaml": WORKFLOW, "library.yaml": LIBRARY, "sub/sub.yaml": SUB, "ask.md": "{{ inputs.n }}?"}
    files |= {f"{name}.py": TRAP for name in SHADOWS} | {"evil.py": EVIL, "sub/evil.py": EVIL, ".magent.yaml": SETTINGS}
    here.joinpath("sub").mkdir()
    for name, text in files.items():
        here.joinpath(name).write_text(text, "utf-8")
    here.joinpath("evil.sh").write_text("#!/bin/sh\ntouch sprung\n", "utf-8")
    here.joinpath("evil.sh").chmod(0o755)
    return here


def watched(place: Path, *lines: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(ROOT / "tests" / "watched.py"), str(place), *lines]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_a_strangers_workflow_is_looked_at_with_nothing_run_imported_asked_or_written(gift: Path) -> None:
    before = sorted(gift.rglob("*"))
    done = dict(zip(HARMLESS, watched(gift, *HARMLESS), strict=True))
    assert {line: each["tried"] for line, each in done.items() if each["tried"]} == {}
    assert {line: (each["code"], each["err"]) for line, each in done.items() if each["code"] != HARMLESS[line]} == {}
    assert sorted(gift.rglob("*")) == before
    rows = {row["name"]: row for row in json.loads(done["tools list --no-check -f workflow.yaml --output json"]["out"])}
    assert rows["fn"] | {"description": "Says boom.", "parameters": None, "error": None} == rows["fn"]
    assert rows["server"]["description"] == "A server, not started: its tools are not known."
    assert "cannot name a store by its class" in done["runs list"]["err"]


def test_the_watch_sees_what_a_run_does(gift: Path) -> None:
    line = "tools list -f workflow.yaml"
    tried = watched(gift, line)[0]["tried"]
    assert [each for each in tried if each.startswith("code of") and each.endswith("evil.py")]
    assert [each for each in tried if each.startswith("open to write") and "sprung" in each]
    assert [each for each in tried if each.startswith("subprocess.Popen") and "evil.sh" in each]


def test_what_cannot_be_there_is_told_before_a_run_without_an_import(gift: Path, capsys: Any) -> None:
    text = WORKFLOW.replace('uses: "evil:Tool"', 'uses: "evil:Tol"')
    gift.joinpath("workflow.yaml").write_text(text, "utf-8")
    outcome = magent(capsys, "run", "--dry-run")
    assert outcome.code == 2
    assert "tool 'made': 'evil' has no 'Tol'" in outcome.err
    assert "did you mean 'Tool'?" in outcome.err
    assert not gift.joinpath("sprung").exists()


PAINT = """</text><script>alert(1)</script><a href='javascript:x'> &lt;b&gt; ]] --> click n_a "http://evil" \\N \\
  click n_b href "http://evil"
%% note $$x$$ `y` <img src=x> "]; evil [label=<<b>x</b>>] \x1b]8;;http://evil\x07 \u202e end"""


def test_no_text_of_a_workflow_becomes_part_of_a_drawings_language(here: Path, capsys: Any) -> None:
    when = f"inputs.x == {json.dumps(PAINT)}"
    run = {"run": ["echo", PAINT], "next": [{"to": "b", "when": when}, {"to": "c"}]}
    human = {"type": "human_input", "input": "approval", "prompt": PAINT, "description": PAINT}
    nodes = {"a": run, "b": human, "c": {"wait": 0}}
    evil = {"magent": 1, "name": "gift", "description": PAINT, "inputs": {"x": {"default": PAINT}}, "nodes": nodes}
    here.joinpath("w.yaml").write_text(json.dumps(evil), "utf-8")
    drawn = {form: magent(capsys, "graph", "w.yaml", f"--{form}").out for form in ("text", "dot", "mermaid", "json")}
    assert magent(capsys, "graph", "w.yaml", "-o", "w.svg").code == 0
    drawn["svg"] = here.joinpath("w.svg").read_text("utf-8")
    assert [form for form, text in drawn.items() if "\x1b" in text] == []
    assert [form for form, text in drawn.items() if "\u202e" in text and form != "json"] == []
    elements = list(ElementTree.fromstring(drawn["svg"]).iter())
    texts = {element.tag.rpartition("}")[2]: "" for element in elements}
    texts |= {element.tag.rpartition("}")[2]: str(element.text) for element in elements if element.text}
    assert set(texts).isdisjoint({"script", "a", "image", "use", "foreignObject"})
    assert "alert" not in texts.get("style", "")
    attributes = {name for element in elements for name in element.attrib}
    assert not [name for name in attributes if "href" in name or name.startswith("on")]
    assert not [line for line in drawn["mermaid"].splitlines() if line.split()[:1] in (["click"], ["%%"])]
    assert "<script" not in drawn["mermaid"] + drawn["svg"]
    assert not re.search(r"label=<|URL=|href=|image=|shapefile=", re.sub(r'"(\\.|[^"\\])*"', '""', drawn["dot"]))


def test_no_file_of_the_system_is_shown_in_an_error(here: Path, capsys: Any) -> None:
    here.joinpath("w.yaml").write_text("magent: 1\nname: w\ninclude: [/proc/self/environ]\nnodes: {a: {wait: 0}}\n")
    outcome = magent(capsys, "validate", "w.yaml")
    assert outcome.code == 2
    assert "cannot read '/proc/self/environ'" in outcome.out
    assert "PATH=" not in outcome.out


@pytest.mark.parametrize("url", ["os.system:; touch sprung", "subprocess.getoutput:touch sprung"])
def test_only_a_class_is_a_store(url: str, here: Path) -> None:
    with pytest.raises(UsageError, match="is no store"):
        open_store(url)
    here.joinpath(".magent.yaml").write_text(f"store: '{url}'\n")
    with pytest.raises(UsageError, match="a settings file cannot name a store by its class"):
        settings.open_store()
    assert not here.joinpath("sprung").exists()


def test_settings_of_another_user_are_refused_and_an_own_file_is_the_way_out(here: Path) -> None:
    below, file = here / "project", here / ".magent.yaml"
    below.mkdir()
    file.write_text("limits: {max_steps: 7}\n")
    assert settings.read(below).file == str(file)
    us = os.geteuid()
    if us == 0:  # root believes itself, and the owner of the directory that it works in
        os.chown(file, 4711, -1)
    with pytest.raises(UsageError, match="belongs to another user: it is not read") as error:
        places.find_settings(below, us=us and us + 1)
    assert "touch .magent.yaml" in str(error.value.hint)
    below.joinpath(".magent.yaml").touch()
    assert places.find_settings(below) == below / ".magent.yaml"
