"""MCP servers over stdio: one of the official SDK, and one written by hand that errs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from magent.errors import UsageError
from magent.events import Failure, WorkFailed
from magent.model import ToolSpec
from magent.ports import ToolContext
from magent.process import ProcessExecutor
from magent.tools import ToolEnvironment
from magent.tools.mcp import McpServer, server

SERVERS = Path(__file__).parent / "mcp_servers"
Start = Callable[..., McpServer]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """A server named `docs`, which errs as the words say; it is ended with the test."""
    servers: list[McpServer] = []

    def made(*how: str, program: str = "crooked.py", **settings: Any) -> McpServer:
        quick = ["-S"] if program == "crooked.py" else []
        command = [sys.executable, *quick, str(SERVERS / program), *how]
        servers.append(McpServer("docs", {"command": command, **settings}, dict(os.environ), str(tmp_path)))
        return servers[-1]

    yield made
    await asyncio.gather(*(each.close() for each in servers))


def context(on_text: Callable[[str], None] = lambda _text: None) -> ToolContext:
    return ToolContext("draft", "key-1", ".", Path(), on_text=on_text)


async def call(docs: McpServer, name: str, /, **arguments: Any) -> Any:
    tools = await docs.open()
    return await tools[name].call(arguments, context())


async def failure(docs: McpServer, name: str = "", /, **arguments: Any) -> Failure:
    with pytest.raises(WorkFailed) as told:
        await (call(docs, name, **arguments) if name else docs.open())
    assert told.value.failure.type == "tool"
    return told.value.failure


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# ---- a server of the official SDK


async def test_tools_of_the_official_sdk_are_listed_and_give_what_their_functions_return(start: Start) -> None:
    docs = start(program="docs.py")
    tools = await docs.open()
    assert tools["search"].description == "Finds pages."
    assert tools["search"].parameters["required"] == ["query"]
    assert await call(docs, "search", query="tea", limit=1) == [{"title": "tea 0", "score": 0}]
    assert await call(docs, "page", title="tea") == {"title": "tea", "score": 1}
    assert await call(docs, "add", a=1, b=2) == 3
    assert await call(docs, "greet", name="Ada") == "Hello, Ada"
    assert await call(docs, "notes") == "first\nsecond"


async def test_what_a_tool_of_the_sdk_tells_while_it_works_is_handed_on(start: Start) -> None:
    docs = start(program="docs.py")
    tools = await docs.open()
    told = asyncio.Event()
    texts: list[str] = []

    def on_text(text: str) -> None:
        texts.append(text)
        if text.startswith("half"):
            told.set()

    work = asyncio.create_task(tools["slow"].call({}, context(on_text)))
    async with asyncio.timeout(20):
        await told.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert texts == ["3/10\n", "half of it\n"]
    assert await call(docs, "add", a=2, b=2) == 4


# ---- results


async def test_images_and_resources_are_described_and_not_carried(start: Start) -> None:
    assert await call(start(), "parts") == [
        {"type": "text", "text": "see"},
        {"type": "image", "mimeType": "image/png", "bytes": 5},
        {"type": "resource", "uri": "note://1", "mimeType": "text/plain", "text": "a note"},
        {"type": "resource", "uri": "blob://1", "bytes": 5},
        {"type": "resource_link", "uri": "file:///x", "name": "x"},
    ]


async def test_a_failure_that_the_server_tells_is_one_of_the_call(start: Start) -> None:
    assert (await failure(start(), "fails")).message == "'docs.fails' failed: the page is locked"


async def test_results_beyond_the_bound_are_refused(start: Start) -> None:
    told = await failure(start(), "huge")
    assert told.message == "'docs.huge' gave 1.2 MB; at most 1 MB are taken"
    assert told.hint == "ask it for less"


async def test_a_result_that_does_not_fit_the_servers_own_schema_is_refused(start: Start) -> None:
    told = await failure(start("misfits"), "misfit")
    assert "does not fit its own output schema: n: must be an integer" in told.message


# ---- errors of the protocol


async def test_an_error_of_the_protocol_is_one_of_the_call(start: Start) -> None:
    docs = start()
    told = await failure(docs, "error")
    assert told.message == "'docs.error' was refused by the server: the index is being built (code -32001)"
    assert await call(docs, "echo", text="on") == "on"


async def test_an_answer_that_is_none_is_an_error_at_once(start: Start) -> None:
    docs = start(timeout="60s")
    told = await failure(docs, "broken")
    assert told.message.startswith("'docs.broken' got an answer that is none of the protocol: result")
    assert await call(docs, "echo", text="on") == "on"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nan", "'docs.nan' gave what is no JSON"),
        ("deep", "'docs.deep' got an answer that is none of the protocol"),
        ("half", "'docs.half' got an answer that is none of the protocol"),
    ],
)
async def test_what_is_no_json_is_an_error_at_once(start: Start, name: str, told: str) -> None:
    docs = start("asking", timeout="60s")
    assert (await failure(docs, name)).message.startswith(told)
    assert await call(docs, "echo", text="on") == "on"


async def test_rubbish_on_stdout_is_passed_over(start: Start) -> None:
    assert await call(start("noisy"), "echo", text="hi") == "hi"


async def test_a_message_that_is_too_long_ends_the_server_and_the_next_call_starts_another(start: Start) -> None:
    docs = start()
    told = await failure(docs, "wordy")
    assert "it sent a message of more than 8 MB" in told.message
    assert await call(docs, "echo", text="on") == "on"


async def test_another_version_of_the_protocol_is_told(start: Start) -> None:
    assert "Unsupported protocol version from the server: 3000-01-01" in (await failure(start("future"))).message


async def test_what_a_server_asks_is_answered_or_refused_and_its_own_answer_comes(start: Start) -> None:
    assert json.loads(await call(start("asking"), "asks")) == {
        "q1": "result",
        "q2": "List roots not supported",
        "q3": "Sampling not supported",
    }


# ---- listing


async def test_thousands_of_tools_come_page_by_page(start: Start) -> None:
    docs = start("many")
    tools = await docs.open()
    assert len(tools) == 3013
    assert await call(docs, "tool_2999", text="last") == "last"


async def test_pages_without_end_are_an_error(start: Start) -> None:
    assert "lists its tools on pages without end" in (await failure(start("endless"))).message


async def test_two_different_tools_of_one_name_are_an_error(start: Start) -> None:
    assert "lists two tools named 'same'" in (await failure(start("twins"))).message


async def test_names_with_odd_characters_can_be_called(start: Start) -> None:
    docs = start("odd")
    assert await call(docs, "a/b c", text="x") == "x"
    assert await call(docs, "näh.was-1", text="y") == "y"


async def test_a_name_that_would_steer_the_terminal_is_refused_without_doing_so(start: Start) -> None:
    told = await failure(start("unprintable"))
    assert "lists a tool whose name cannot be used: 'evil'" in told.message
    assert told.message.isprintable()


async def test_a_tool_without_a_schema_is_named_with_its_place(start: Start) -> None:
    told = await failure(start("shapeless"))
    assert "the protocol: tools.13.inputSchema: Field required" in told.message


async def test_a_schema_that_does_not_hold_concerns_its_tool_alone(start: Start) -> None:
    docs = start("unsound")
    assert "'docs.look' cannot be called: its schema does not hold: properties.a.pattern" in (
        (await failure(docs, "look")).message
    )
    assert "`$ref` stays in the file" in (await failure(docs, "far")).message
    assert (await docs.open())["look"].description.startswith("(cannot be used: its schema does not hold")
    assert await call(docs, "echo", text="x") == "x"


async def test_tools_change_when_the_server_says_so(start: Start) -> None:
    docs = start()
    tools = await docs.open()
    taken = tools["fails"]
    await call(docs, "change")
    await until(lambda: "later" in tools)
    assert await call(docs, "later", text="new") == "new"
    with pytest.raises(WorkFailed, match=r"there is no 'docs\.fails' any more"):
        await taken.call({}, context())


# ---- starts that fail


async def test_a_program_that_is_not_installed_is_told(tmp_path: Path) -> None:
    docs = McpServer("docs", {"command": ["no-such-mcp-server"]}, dict(os.environ), str(tmp_path))
    told = await failure(docs)
    assert told.message == (
        "the MCP server 'docs' (no-such-mcp-server) could not be started: 'no-such-mcp-server' was not found"
    )
    assert told.hint == "is it installed, and on the PATH?"


async def test_a_server_that_dies_at_its_start_is_told_with_its_last_words(start: Start) -> None:
    told = await failure(start("expired"))
    assert "ended with exit code 3 before it was ready; it printed last: the licence has expired" in told.message
    assert told.hint
    assert told.hint.startswith("try it by itself: ")


async def test_what_is_to_be_tried_is_quoted_for_a_shell(tmp_path: Path) -> None:
    docs = McpServer("docs", {"command": ["sh", "-c", "echo 'no key'; exit 3"]}, dict(os.environ), str(tmp_path))
    assert (await failure(docs)).hint == """try it by itself: sh -c 'echo '"'"'no key'"'"'; exit 3'"""
    await docs.close()


async def test_a_server_that_never_answers_is_given_up(start: Start) -> None:
    docs = start("silent", "noisy", start_timeout="1s")
    told = await failure(docs)
    assert "did not answer within 1s of its start" in told.message
    assert "on its stdout, which is for messages alone: Starting �� ... / {not json} / []" in told.message
    assert told.hint == "is it an MCP server? Give it longer with `start_timeout` in the `mcp` of 'docs'"


async def test_a_start_that_failed_is_tried_again_when_it_is_needed_again(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "later.py"
    docs = McpServer("docs", {"command": [sys.executable, "-S", str(program)]}, dict(os.environ), str(tmp_path))
    assert "before it was ready" in (await failure(docs)).message
    program.write_text((SERVERS / "crooked.py").read_text())
    assert await call(docs, "echo", text="now") == "now"
    await docs.close()


async def test_the_library_that_is_not_installed_is_named(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("magent.tools.mcp_link", "magent.tools.mcp_http"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    told = await failure(start())
    assert told.message == "MCP servers need the library 'mcp', which is not installed"
    assert told.hint == "pip install 'magent-cli[mcp]'"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"command": [""]}, "has an empty `command`"),
        ({"url": "ftp://host/mcp"}, "has no address that can be asked"),
        ({"url": "http://host:port/mcp"}, "has no address that can be asked"),
        ({"url": "http://h/", "headers": {"X Y": "1"}}, "the header 'X Y'"),
        ({"url": "http://h/", "headers": {"X-Y": "a\r\nEvil: 1"}}, "the header 'X-Y'"),
        ({"command": ["x"], "timeout": "soon"}, "`timeout` of the MCP server 'docs': 'soon' is not a duration"),
    ],
)
def test_settings_that_cannot_be_are_bad_usage_before_anything_starts(settings: Mapping[str, Any], told: str) -> None:
    spec = ToolSpec("docs", "mcp", {"mcp": settings}, ".")
    with pytest.raises(UsageError) as refused:
        server(spec, spec.settings, ToolEnvironment(ProcessExecutor()))
    assert told in str(refused.value)


# ---- deaths


async def test_a_server_that_dies_in_a_call_fails_the_call_and_is_started_for_the_next(start: Start) -> None:
    docs = start()
    first = await call(docs, "pid")
    told = await failure(docs, "die")
    assert "ended with exit code 7; it printed last: first line / the disk is full" in told.message
    assert told.hint == "the next call starts it again"
    assert await call(docs, "pid") != first


async def test_a_server_that_dies_between_calls_is_started_for_the_next(start: Start) -> None:
    docs = start()
    first = int(await call(docs, "pid"))
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # it is dead, and nobody here has had a turn to notice
    assert int(await call(docs, "pid")) != first


async def test_all_calls_that_are_under_way_fail_when_the_server_dies(start: Start) -> None:
    docs = start()
    tools = await docs.open()
    hanging = [asyncio.create_task(failure(docs, "hang")) for _ in range(3)]
    await call(docs, "echo", text="they were sent before")
    assert "exit code 7" in (await failure(docs, "die")).message
    assert all("exit code 7" in told.message for told in await asyncio.gather(*hanging))
    assert await tools["echo"].call({"text": "on"}, context()) == "on"


# ---- calls that take long


async def test_a_call_without_an_answer_ends_and_others_go_on_meanwhile(start: Start) -> None:
    docs = start(timeout="1s")
    hanging = asyncio.create_task(failure(docs, "hang"))
    assert await call(docs, "echo", text="meanwhile") == "meanwhile"
    assert not hanging.done()
    told = await hanging
    assert told.message == "'docs.hang' gave no answer within 1s"
    assert told.hint == "give it longer with `timeout` in the `mcp` of 'docs'"
    assert await call(docs, "echo", text="after") == "after"


async def test_the_server_is_told_of_a_call_that_was_cancelled(start: Start) -> None:
    docs = start()
    hanging = asyncio.create_task(call(docs, "hang"))
    pid = await call(docs, "pid")
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert len(json.loads(await call(docs, "cancelled"))) == 1
    assert await call(docs, "pid") == pid


async def test_a_start_that_nobody_waits_for_any_more_goes_on(start: Start) -> None:
    docs = start()
    opening = asyncio.create_task(docs.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert await call(docs, "echo", text="x") == "x"


# ---- one a run, and its end


async def test_many_at_once_share_one_server(start: Start) -> None:
    docs = start()
    assert len(set(await asyncio.gather(*(call(docs, "pid") for _ in range(20))))) == 1


async def test_a_server_ends_with_its_run_and_takes_no_more_calls(start: Start) -> None:
    docs = start()
    tools = await docs.open()
    pid = int(await call(docs, "pid"))
    await docs.close()
    await docs.close()
    assert not lives(pid)
    with pytest.raises(WorkFailed, match="has been ended with its run"):
        await tools["echo"].call({}, context())


async def test_calls_that_are_under_way_at_the_end_fail(start: Start) -> None:
    docs = start()
    hanging = asyncio.create_task(failure(docs, "hang"))
    await call(docs, "pid")
    await docs.close()
    assert "got no answer" in (await hanging).message


async def test_a_server_that_hears_nothing_is_ended_with_what_it_started(start: Start) -> None:
    docs = start("stubborn")
    pid = int(await call(docs, "pid"))
    group = [pid]
    for above in group:  # which grows
        group += [int(each) for each in os.listdir("/proc") if each.isdecimal() and _parent_of(each) == above]
    assert len(group) >= 3
    async with asyncio.timeout(10):
        await docs.close()
    assert not any(lives(each) for each in group)


def _parent_of(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 0


async def test_a_server_that_reads_nothing_more_is_ended_with_what_it_did_not_read(start: Start) -> None:
    docs = start("asking")
    pid = int(await call(docs, "pid"))
    deaf = asyncio.create_task(failure(docs, "deaf"))
    unread = asyncio.create_task(failure(docs, "echo", text="x" * 1_000_000))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(10):
        await docs.close()
        await asyncio.gather(deaf, unread)
    assert not lives(pid)


async def test_the_end_does_not_wait_for_a_start(start: Start) -> None:
    docs = start("silent", start_timeout="1h")
    opening = asyncio.create_task(failure(docs))
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await docs.close()
    assert "was ended before it was ready" in (await opening).message


def test_a_server_ends_by_itself_when_magent_is_killed(tmp_path: Path) -> None:
    program = f"""
import asyncio, os, signal, sys
from pathlib import Path
from magent.ports import ToolContext
from magent.tools.mcp import McpServer

async def main():
    command = [sys.executable, "-S", {str(SERVERS / "crooked.py")!r}]
    docs = McpServer("docs", {{"command": command}}, dict(os.environ), ".")
    tools = await docs.open()
    print(await tools["pid"].call({{}}, ToolContext("", "", ".", Path())), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == -signal.SIGKILL
    pid = int(ended.stdout)
    asyncio.run(until(lambda: not lives(pid)))


async def test_the_program_sees_what_it_is_given_and_starts_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    settings = {
        "command": [sys.executable, "-S", str(SERVERS / "crooked.py")],
        "env": {"LEVEL": 3, "EMPTY": None},
        "cwd": "inner",
    }
    docs = McpServer("docs", settings, {"PATH": "/bin"}, str(tmp_path))
    seen = json.loads(await call(docs, "env"))
    await docs.close()
    assert {key: seen["env"].get(key) for key in ("PATH", "LEVEL", "EMPTY")} == {
        "PATH": "/bin",
        "LEVEL": "3",
        "EMPTY": "",
    }
    assert set(seen["env"]) <= {"PATH", "LEVEL", "EMPTY", "LC_CTYPE"}
    assert Path(seen["cwd"]) == (tmp_path / "inner").resolve()


async def test_what_the_server_prints_on_stderr_is_not_on_the_screen(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    await failure(start(), "die")
    await failure(start("noisy", "silent", start_timeout="200ms"))
    assert capfd.readouterr() == ("", "")
