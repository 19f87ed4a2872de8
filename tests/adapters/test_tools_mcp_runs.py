"""MCP servers in whole runs: one server for agents, tasks and chains, and for `tools call`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import magent
from magent.errors import UsageError
from magent.events import Event
from magent.toolkit import Toolkit
from tests.adapters.mcp_servers.web import serving
from tests.adapters.test_tools_mcp import lives, until
from tests.adapters.tooling import toolbox
from tests.engine.crew import Scripted

CROOKED = Path(__file__).parent / "mcp_servers" / "crooked.py"


def crooked(*how: str, **settings: Any) -> dict[str, Any]:
    return {"mcp": {"command": [sys.executable, "-S", str(CROOKED), *how], **settings}}


def workflow(nodes: dict[str, Any], docs: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"magent": 1, "name": "look", "tools": {"docs": docs or crooked()}, "nodes": nodes, **more}


def ended(pid: Any) -> bool:
    return not lives(int(pid))


def test_agents_tasks_and_chains_share_one_server_that_ends_with_the_run() -> None:
    seen: list[Event] = []
    result = magent.run(
        workflow(
            {
                "task": {"tool": "docs.pid", "next": "asked"},
                "asked": {"prompt": "which?", "agent": "a", "tools": ["docs"], "next": "chained"},
                "chained": {"chain": "look"},
            },
            agents={"a": {"replies": [{"call": "docs.pid"}, "asked"]}},
            chains={"look": {"steps": [{"tool": "docs.echo", "with": {"text": "x"}}, {"tool": "docs.pid"}]}},
        ),
        store=None,
        on_event=seen.append,
    )
    assert result.status == "completed"
    by_agent = [event.data for event in seen if event.type == "tool.returned" and event.data["path"] == "asked"]
    assert [result.outputs["chained"], by_agent[0]["output"]] == [result.outputs["task"]] * 2
    called = [event.data["tool"] for event in seen if event.type == "tool.called" and event.data["path"] == "asked"]
    assert called == ["docs.pid"]
    assert ended(result.outputs["task"])


def test_what_a_server_lists_with_a_schema_that_does_not_hold_is_offered_to_no_agent() -> None:
    seen: list[Event] = []
    nodes = {
        "all": {"prompt": "?", "agent": "a", "tools": ["docs"], "next": "named"},
        "named": {"prompt": "?", "agent": "a", "tools": ["docs.look"], "on_error": "continue", "next": "task"},
        "task": {"tool": "docs.far", "retry": {"max_attempts": 3}},
    }
    agent = Scripted("done")
    loaded = magent.load(workflow(nodes, crooked("unsound"), agents={"a": {"replies": ["x"]}}))
    result = asyncio.run(loaded.run(store=None, agents={"a": agent}, on_event=seen.append))
    (request,) = agent.requests
    assert "docs_echo" in [offer.name for offer in request.tools]
    assert not {"docs_look", "docs_far"} & {offer.name for offer in request.tools}
    left_out = [event.data for event in seen if event.type == "tool.unusable"]
    assert [(data["path"], data["tool"], data["agent"]) for data in left_out] == [
        ("all", "docs.look", "a"),
        ("all", "docs.far", "a"),
    ]
    assert left_out[0]["error"]["message"].startswith("'docs.look' cannot be offered to an agent: its schema does not")
    failed = [event.data["error"]["message"] for event in seen if event.type == "visit.failed"]
    assert not [event for event in seen if event.type == "visit.retry"]
    assert [message.partition(" to ")[0].partition(":")[0] for message in failed] == [
        "'docs.look' cannot be offered",
        "'docs.far' cannot be called",
    ]
    assert result.status == "failed"


def test_files_that_include_one_library_share_its_server(tmp_path: Path) -> None:
    shared = {"magent": 1, "tools": {"docs": crooked()}}
    own = {"docs": crooked(env={"OWN": "1"})}
    node = {"p": {"tool": "docs.pid"}}
    called = {"magent": 1, "nodes": node, "outputs": {"pid": "{{ state.p }}"}}
    files = {
        "shared": shared,
        "same": {**called, "name": "same", "include": ["shared.json"]},
        "other": {**called, "name": "other", "tools": own},
        "top": {
            "magent": 1, "name": "top", "include": ["shared.json"],
            "nodes": {
                "p": {"tool": "docs.pid", "next": "same"},
                "same": {"type": "subgraph", "uses": "./same.json", "next": "other"},
                "other": {"type": "subgraph", "uses": "./other.json"},
            },
            "outputs": {"top": "{{ state.p }}", "same": "{{ state.same.pid }}", "other": "{{ state.other.pid }}"},
        },
    }  # fmt: skip
    for name, document in files.items():
        tmp_path.joinpath(f"{name}.json").write_text(json.dumps(document))
    outputs = magent.run(str(tmp_path / "top.json"), store=None).outputs
    assert outputs["top"] == outputs["same"] != outputs["other"]
    assert ended(outputs["top"])
    assert ended(outputs["other"])


def test_answers_under_the_name_of_a_server_or_of_its_tool_are_used() -> None:
    docs = {**crooked(), "confirm": True}
    replies = [{"call": "docs.echo", "with": {"text": "a"}}, {"call": "docs.pid"}, {"call": "docs.echo"}, "done"]
    nodes = {"asked": {"prompt": "?", "agent": "a", "tools": ["docs"]}}
    refused: list[bool] = []

    def heard(event: Event) -> None:
        if event.type == "tool.returned":
            refused.append("a person said no" in str(event.data.get("error")))

    loaded = magent.load(workflow(nodes, docs, agents={"a": {"replies": replies}}))
    for answers in ({"docs": [True, False, True]}, {"docs.echo": True, "docs": False}, {"docs.echo": [False, True]}):
        asyncio.run(loaded.run(store=None, answers=answers, on_event=heard))
    assert refused == [False, True, False, False, True, False, True, False, False]


def test_a_server_that_dies_is_an_error_of_the_call_and_not_of_the_run() -> None:
    result = magent.run(
        workflow(
            {
                "dies": {"tool": "docs.die", "on_error": "continue", "retry": {"max_attempts": 1}, "next": "after"},
                "after": {"tool": "docs.echo", "with": {"text": "alive"}},
            },
            outputs={"error": "{{ nodes.dies.error.message }}", "after": "{{ state.after }}"},
        ),
        store=None,
    )
    assert result.outputs["after"] == "alive"
    assert "ended with exit code 7; it printed last: first line / the disk is full" in result.outputs["error"]


def test_a_tool_that_the_server_does_not_have_is_told_with_the_nearest() -> None:
    result = magent.run(workflow({"t": {"tool": "docs.ecko"}}), store=None)
    assert result.status == "failed"
    told = json.dumps(result.as_json()["error"])
    assert "no tool is named 'docs.ecko'" in told
    assert "docs.echo" in told


def test_arguments_are_checked_against_the_servers_schema() -> None:
    result = magent.run(workflow({"t": {"tool": "docs.echo", "with": {"text": 5}}}), store=None)
    assert "the arguments of 'docs.echo' do not fit: text: must be text" in json.dumps(result.as_json()["error"])


def test_validating_a_strangers_workflow_starts_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    docs = {"mcp": {"command": ["/bin/sh", "-c", f"touch {mark}"]}}
    file = tmp_path / "stranger.json"
    file.write_text(json.dumps(workflow({"t": {"tool": "docs.anything"}}, docs)))
    for words in (["validate", str(file)], ["run", "--dry-run", str(file)]):
        subprocess.run([sys.executable, "-m", "magent", *words], cwd=tmp_path, check=True, capture_output=True)
    assert not mark.exists()
    asked = subprocess.run([sys.executable, "-m", "magent", "run", str(file)], cwd=tmp_path, check=False)
    assert asked.returncode == 1
    assert mark.exists()


def test_settings_are_templates_that_are_wrong_before_the_run() -> None:
    with pytest.raises(UsageError, match="has no address that can be asked"):
        magent.run(workflow({"t": {"tool": "docs.x"}}, {"mcp": {"url": "{{ inputs.at }}"}}, inputs={"at": {
            "type": "string", "default": "nowhere"}}), store=None)  # fmt: skip


async def test_secrets_reach_the_server_and_nothing_that_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCS_KEY", "correct-horse-7731")
    async with serving() as web:
        web.answers["tools/call"] = lambda _message: (403, {}, b"bad key correct-horse-7731")
        docs = {"mcp": {"url": web.url, "headers": {"Authorization": "Bearer {{ secrets.DOCS_KEY }}"}}}
        tools = {"docs": docs, "local": crooked(env={"GIVEN": "{{ secrets.DOCS_KEY }}"})}
        nodes = {
            "t": {"tool": "docs.echo", "on_error": "continue", "retry": {"max_attempts": 1}, "next": "env"},
            "env": {"tool": "local.env"},
        }
        loaded = magent.load({**workflow(nodes, secrets=["DOCS_KEY"]), "tools": tools})
        result = await loaded.run()
        assert result.status == "completed"
        assert web.seen[-2][1]["authorization"] == "Bearer correct-horse-7731"
    written = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"GIVEN" in data for data in written)
    assert not any(b"correct-horse" in data for data in written)


async def test_wrappers_of_the_workflow_are_around_each_tool_of_a_server() -> None:
    declared = {**crooked(), "effects": "external", "confirm": True, "description": "Of the whole server."}
    box = toolbox({"docs": declared})
    tools = await box.tools(["docs"])
    assert "docs.echo" in tools
    assert (tools["docs.echo"].external, tools["docs.echo"].confirm) == (True, True)
    assert tools["docs.echo"].description == "echos."
    assert list(await box.tools(["docs.echo"])) == ["docs.echo"]
    await box.close()


async def test_an_agent_is_offered_what_the_server_has_now() -> None:
    box = toolbox({"docs": crooked()})
    change = await box.tool("docs.change")
    await change.call({}, Toolkit(None, ".").context)
    async with asyncio.timeout(20):
        while "docs.later" not in await box.tools(["docs"]):
            await asyncio.sleep(0.01)
    assert "docs.fails" not in await box.tools(["docs"])
    await box.close()


async def test_tools_call_uses_the_same_client(tmp_path: Path) -> None:
    file = tmp_path / "w.json"
    file.write_text(json.dumps(workflow({"t": {"tool": "docs.echo"}})))
    kit = Toolkit(str(file), str(tmp_path))
    tool = await kit.tool("docs.echo")
    assert await kit.call(tool, {"text": "by hand"}) == "by hand"
    pid = await kit.call(await kit.tool("docs.pid"), {})
    await kit.close()
    assert ended(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_server_outlives_magent(tmp_path: Path, number: int) -> None:
    """Nor where it never comes to see that its stdin has ended."""
    nodes = {"p": {"tool": "docs.pid", "next": "h"}, "h": {"tool": "docs.deaf"}}
    (tmp_path / "w.json").write_text(json.dumps(workflow(nodes, crooked("asking"))))
    process = subprocess.Popen(
        [sys.executable, "-m", "magent", "run", "w.json", "--output", "jsonl", "--no-input"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout
    pid = 0
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "visit.completed":
            pid = int(event["output"])
        if event["type"] == "visit.started" and event["node"] == "h":
            break
    assert lives(pid)
    os.kill(process.pid, number)
    process.stdout.close()
    process.wait()
    asyncio.run(until(lambda: ended(pid)))
