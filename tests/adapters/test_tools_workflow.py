"""Tools in workflows: as tasks, and as agents call them."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import magent
from magent.errors import UsageError

WORK = """
    magent: 1
    name: all_kinds
    inputs: {who: {type: string, default: you}}
    workspace: {path: ./shared, write: true}
    tools:
      calculator: {builtin: calculator}
      files: {builtin: files}
      query: {builtin: json_query}
      sh: {builtin: shell, allow: [ls]}
      add: {call: "own_sums:add"}
      greet:
        run: ["echo", "hello {{ inputs.who }} {{ text }} {{ run.name }}"]
        parameters: {text: {type: string}}
        confirm: true
    agents:
      a:
        replies:
          - {calls: [{call: files_read, with: {path: a.txt}}, {call: add, with: {a: 3}}]}
          - {call: files.read, with: {pth: a.txt}}
          - {call: greet, with: {text: "x"}}
          - {call: nothing, with: {}}
          - {call: files_write, with: {path: ../out.txt, text: "x"}}
          - "{{ results | tojson }}"
    defaults: {agent: a}
    nodes:
      sum: {tool: calculator, with: {expression: "2 ** 3 ** 2"}, next: write}
      write: {tool: files.write, with: {path: a.txt, text: "= {{ state.sum }}"}, next: read}
      read: {tool: files.read, with: {path: a.txt}, next: query}
      query: {tool: query, with: {expression: "[?@ > `1`]", data: [1, 2, 3]}, next: list}
      list: {tool: sh, with: {command: [ls]}, next: add}
      add: {tool: add, with: {a: "{{ state.sum }}"}, next: greet}
      greet: {tool: greet, with: {text: "; ls"}, next: ask}
      ask: {prompt: go, tools: [files, add, greet]}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "own_sums.py").write_text("def add(a: int, b: int = 1) -> int:\n    return a + b\n")
    (tmp_path / "shared").mkdir()
    (tmp_path / "work.yaml").write_text(dedent(WORK))
    return tmp_path / "work.yaml"


async def run(file: Path, **options: Any) -> Any:
    return await magent.load(str(file)).run({}, **options)


async def test_a_task_uses_a_tool_of_every_kind(work: Path) -> None:
    result = await run(work)
    assert result.status == "completed", result.error
    state = result.state
    assert (state["sum"], state["add"], state["query"]) == (512, 513, [2, 3])
    assert state["read"]["text"] == "= 512"
    assert state["list"]["stdout"] == "a.txt\n"
    assert state["greet"] == "hello you ; ls all_kinds"


async def test_an_agent_gets_results_and_faults_that_it_can_mend(work: Path) -> None:
    read, add, wrong, greet, nothing, out = json.loads((await run(work)).state["ask"])
    assert json.loads(read)["text"] == "= 512"
    assert add == "4"
    assert "path: is missing; pth: is not a known field (did you mean 'path'?)" in wrong
    assert "there is nobody to ask" in greet
    assert "there is no tool 'nothing'" in nothing
    assert "'..' is not allowed" in out
    assert not (work.parent / "out.txt").exists()


async def test_the_answers_file_agrees_to_a_call_under_the_tools_name(work: Path) -> None:
    agreed = json.loads((await run(work, answers={"greet": True})).state["ask"])
    assert agreed[3] == "hello you x all_kinds"
    refused = json.loads((await run(work, answers={"greet": False})).state["ask"])
    assert "a person said no" in refused[3]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("workspace: {path: ./shared, write: true}", "workspace: {path: ./shared}", "may only be read"),
        ('expression: "2 ** 3 ** 2"', 'expression: "9**9**9"', "a number grows too large"),
        ("command: [ls]", "command: [\"{{ 'cat' }}\", a.txt]", "is not allowed"),
        ('a: "{{ state.sum }}"', "a: \"{{ 'x' }}\"", "a: must be an integer"),
    ],
)
async def test_a_tool_that_fails_is_a_failure_of_type_tool(work: Path, before: str, after: str, told: str) -> None:
    text = work.read_text()
    assert before in text
    work.write_text(text.replace(before, after))
    result = await run(work)
    assert result.status == "failed"
    assert result.error["type"] == "tool"
    assert told in result.error["message"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("allow: [ls]", "allow: [bin/ls]", "names no program"),
        ("path: a.txt, text", "pth: a.txt, text", "has no parameter 'pth'"),
        ("tool: files.read", "tool: files.raed", "has no tool 'raed'"),
    ],
)
async def test_what_can_never_work_is_told_before_anything_runs(work: Path, before: str, after: str, told: str) -> None:
    work.write_text(work.read_text().replace(before, after))
    with pytest.raises(UsageError) as refused:
        await run(work)
    error = refused.value
    shown = str(getattr(error, "message", "")) + " ".join(each.message for each in getattr(error, "problems", ()))
    assert told in shown
    assert list((work.parent / "shared").iterdir()) == []


ENDS = """
    import asyncio
    from magent.ports import Reply

    both = asyncio.Barrier(2)

    class End:
        parameters = {"type": "object"}

        async def ask(self, request, on_text):
            return Reply("asked")

        async def call(self, arguments, context):
            return "called"

        async def close(self):
            async with asyncio.timeout(10):
                await both.wait()
"""


async def test_what_a_run_opened_is_closed_at_once(tmp_path: Path) -> None:
    (tmp_path / "own_ends.py").write_text(dedent(ENDS))
    (tmp_path / "ends.yaml").write_text(
        "magent: 1\nname: ends\nagents: {a: {model: 'own_ends:End'}}\ntools: {t: {uses: 'own_ends:End'}}\n"
        "nodes: {asked: {prompt: go, agent: a, next: used}, used: {tool: t}}\n"
    )
    assert (await run(tmp_path / "ends.yaml")).outputs["used"] == "called"
