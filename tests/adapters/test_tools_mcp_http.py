"""MCP servers over streamable HTTP: one of the official SDK, and a loopback server that answers as it is told."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from magent.events import Failure, WorkFailed
from magent.ports import ToolContext
from magent.tools.mcp import McpServer
from tests.adapters.mcp_servers.web import ECHO, Web, as_json, serving, text

DOCS = Path(__file__).parent / "mcp_servers" / "docs.py"


def server(url: str, **settings: Any) -> McpServer:
    return McpServer("docs", {"url": url, **settings}, dict(os.environ), ".")


async def call(docs: McpServer, name: str = "echo", /, **arguments: Any) -> Any:
    tools = await docs.open()
    return await tools[name].call(arguments, ToolContext("draft", "key-1", ".", Path()))


async def failure(docs: McpServer, name: str = "echo", /, **arguments: Any) -> Failure:
    with pytest.raises(WorkFailed) as told:
        await call(docs, name, **arguments)
    assert told.value.failure.type == "tool"
    return told.value.failure


# ---- a server of the official SDK


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(port: int, *how: str) -> Iterator[None]:
    """The SDK's server on that port, once it listens."""
    process = subprocess.Popen(
        [sys.executable, str(DOCS), str(port), *how], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


async def test_the_official_sdk_over_http_with_streams_and_sessions_and_after_a_restart() -> None:
    port = free_port()
    docs = server(f"http://127.0.0.1:{port}/mcp", headers={"X-Key": "open sesame"}, timeout="30s")
    with running(port):
        tools = await docs.open()
        assert tools["search"].description == "Finds pages."
        assert await call(docs, "search", query="tea", limit=1) == [{"title": "tea 0", "score": 0}]
        assert await call(docs, "header", name="x-key") == "open sesame"
        slow = asyncio.create_task(call(docs, "slow"))
        assert await asyncio.gather(*(call(docs, "add", a=1, b=number) for number in range(3))) == [1, 2, 3]
        assert not slow.done()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
    told = await failure(docs, "add", a=1, b=2)
    assert told.message.startswith(f"'docs.add' got no answer from http://127.0.0.1:{port}/mcp: no connection")
    assert told.hint == "is it running, and is the address right?"
    with running(port, "json"):  # it knows nothing of the session
        assert await call(docs, "add", a=1, b=2) == 3
        await docs.close()


async def test_the_official_sdk_over_http_without_streams_and_sessions() -> None:
    port = free_port()
    docs = server(f"http://127.0.0.1:{port}/mcp")
    with running(port, "json", "loose"):
        assert await call(docs, "greet", name="Ada") == "Hello, Ada"
        assert await call(docs, "add", a=1, b=2) == 3
        await docs.close()


# ---- a server that answers as it is told


@pytest_asyncio.fixture
async def web() -> AsyncIterator[Web]:
    async with serving() as made:
        yield made


@pytest_asyncio.fixture
async def docs(web: Web) -> AsyncIterator[McpServer]:
    made = server(web.url, timeout="20s", start_timeout="20s")
    yield made
    await made.close()


async def test_answers_and_headers_are_plain_http(web: Web, docs: McpServer) -> None:
    assert await call(docs, text="hi") == "hi"
    assert web.seen[0][1]["accept"] == "application/json, text/event-stream"
    assert web.seen[-1][1]["mcp-session-id"] == "s1"
    await docs.close()
    assert web.seen[-1][0] == "DELETE"


@pytest.mark.parametrize(
    ("status", "body", "told", "hint"),
    [
        (401, b"who are you?", "HTTP 401 Unauthorized: who are you?", "is the key in `headers` right?"),
        (403, b"", "HTTP 403 Forbidden", "is the key in `headers` right, and may it use this server?"),
        (404, b"<html>\x1b[31mno</html>", "HTTP 404 Not Found: <html>no</html>", "is the path right?"),
        (500, b"", "HTTP 500 Internal Server Error", "is it running, and is the address right?"),
    ],
)
async def test_a_server_that_refuses_is_told_with_what_it_says(
    web: Web, docs: McpServer, status: int, body: bytes, told: str, hint: str
) -> None:
    web.answers["initialize"] = lambda _message: (status, {}, body)
    got = await failure(docs)
    assert got.message == f"the MCP server 'docs' ({web.url}) cannot be reached: {told}"
    assert (got.hint or "").startswith(hint)
    assert [each[2].get("method") for each in web.seen] == ["initialize"]  # nothing else is tried with a wrong key


async def test_nobody_listening_is_told() -> None:
    port = free_port()
    docs = server(f"http://user:pa55@127.0.0.1:{port}/mcp?token=x")
    got = await failure(docs)
    assert got.message.startswith(f"the MCP server 'docs' (http://127.0.0.1:{port}/mcp) cannot be reached: no connec")
    await docs.close()


async def test_a_refusal_of_one_call_leaves_the_others_alone(web: Web, docs: McpServer) -> None:
    def answer(message: dict[str, Any]) -> Any:
        wanted = message["params"]["arguments"]["text"]
        return (503, {}, b"too busy") if wanted == "bad" else None if wanted == "hang" else web.usual(message)

    web.answers["tools/call"] = answer
    hanging = asyncio.create_task(call(docs, text="hang"))
    bad, good = await asyncio.gather(failure(docs, text="bad"), call(docs, text="good"))
    assert bad.message.endswith("HTTP 503 Service Unavailable: too busy")
    assert good == "good"
    assert not hanging.done()
    hanging.cancel()


async def test_errors_of_the_protocol_come_through_whatever_the_status(web: Web, docs: McpServer) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32602, "message": "no such page"}}
    web.answers["tools/call"] = lambda _message: (400, {}, json.dumps(error).encode())
    assert (await failure(docs)).message == "'docs.echo' was refused by the server: no such page (code -32602)"


async def test_a_forgotten_session_is_begun_anew_and_the_call_made_again(web: Web, docs: McpServer) -> None:
    forgotten = iter([True, False])
    web.answers["tools/call"] = lambda message: (404, {}, b"") if next(forgotten) else web.usual(message)
    assert await call(docs, text="again") == "again"
    assert [each[2].get("method") for each in web.seen].count("initialize") == 2


async def test_sessions_that_are_always_forgotten_are_an_error(web: Web, docs: McpServer) -> None:
    web.answers["tools/call"] = lambda _message: (404, {}, b"")
    assert "forgets its sessions at once" in (await failure(docs)).message


async def test_an_answer_that_never_comes_ends_the_call_in_time(web: Web) -> None:
    docs = server(web.url, timeout="300ms")
    web.answers["tools/call"] = lambda message: web.usual(message) if message["params"]["arguments"] else None
    assert (await failure(docs)).message == "'docs.echo' gave no answer within 0.3s"
    web.answers["notifications/cancelled"] = lambda _message: None
    assert (await failure(docs)).message == "'docs.echo' gave no answer within 0.3s"
    assert await call(docs, text="on") == "on"
    await docs.close()


async def test_a_stream_that_breaks_off_is_an_error_of_its_call(web: Web, docs: McpServer) -> None:
    events = {"content-type": "text/event-stream"}
    web.answers["tools/call"] = lambda _message: (200, {**events, "content-length": "999"}, b"event: message\n")
    assert "SSE stream ended without a response" in (await failure(docs)).message
    del web.answers["tools/call"]
    assert await call(docs, text="on") == "on"


async def test_a_body_that_breaks_off_is_an_error_of_its_call(web: Web, docs: McpServer) -> None:
    cut = {"content-type": "application/json", "content-length": "999"}
    web.answers["tools/call"] = lambda _message: (200, cut, b'{"jsonrpc"')
    assert "the connection broke" in (await failure(docs)).message
    del web.answers["tools/call"]
    assert await call(docs, text="on") == "on"


async def test_bodies_that_are_no_answers_are_errors_of_their_calls(web: Web, docs: McpServer) -> None:
    for headers, body in (
        ({"content-type": "application/json"}, b"<html>"),
        ({"content-type": "text/html"}, b"<html>"),
        ({}, b""),
    ):
        web.answers["tools/call"] = lambda _message, headers=headers, body=body: (200, headers, body)  # type: ignore[misc]
        assert "'docs.echo'" in (await failure(docs)).message
    del web.answers["tools/call"]
    assert await call(docs, text="on") == "on"


async def test_bodies_are_bounded(web: Web, docs: McpServer) -> None:
    web.answers["tools/call"] = lambda message: text(message["id"], "x" * 8_100_000)
    assert "it sent a message of more than 8 MB" in (await failure(docs)).message


async def test_headers_do_not_follow_a_redirect_to_another_server(web: Web, docs: McpServer) -> None:
    web.answers["initialize"] = lambda _message: (307, {"location": "http://localhost:1/mcp"}, b"")
    assert "Redirect to http://localhost:1/mcp not followed" in (await failure(docs)).message


async def test_a_server_of_the_newest_protocol_alone_is_understood(web: Web, docs: McpServer) -> None:
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": -32022, "message": "no", "data": {"supported": []}}}
    told = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "ttlMs": 0, "cacheScope": "private"}
    listing = {"tools": [ECHO], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    web.answers["initialize"] = lambda _message: (400, {}, json.dumps(error).encode())
    web.answers["server/discover"] = lambda message: as_json(message["id"], {**told, "resultType": "complete"})
    web.answers["tools/list"] = lambda message: as_json(message["id"], listing)
    content = [{"type": "text", "text": "new"}]
    web.answers["tools/call"] = lambda message: as_json(message["id"], {"resultType": "complete", "content": content})
    assert await call(docs, text="hi") == "new"
