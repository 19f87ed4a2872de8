"""Where in a trace a call is made is told to whom it goes: servers by header and `_meta`, programs by environment."""

from __future__ import annotations

import os
import sys

from magent.agents import AgentEnvironment, make
from magent.clock import SystemClock
from magent.model import AgentSpec
from magent.ports import Message, Request
from magent.process import ProcessExecutor
from magent.spans import here
from magent.spans.ids import Trace
from magent.tools.mcp import McpServer
from tests.adapters.mcp_servers.web import serving
from tests.adapters.serving import site
from tests.adapters.tooling import context, one, used

SPAN = "00f067aa0ba902b7"
TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "r1@1", state="vendor=1")
PARENT = f"00-{TRACE.id}-{SPAN}-01"
SHOWS = [sys.executable, "-c", "import os; print(os.environ.get('TRACEPARENT'), os.environ.get('TRACESTATE'))"]


def enter(trace: Trace = TRACE) -> None:
    """For the rest of the test, which is a task of its own."""
    here.enter(here.Attempt(trace, lambda _kind, _data: None, SystemClock()), SPAN)


async def test_an_http_server_is_told_by_header_unless_the_workflow_says_something_else() -> None:
    enter()
    async with site() as server, site() as other:
        server.tells("/a", b"{}")
        other.tells("/b")
        server.tells("/away", status="302 Found", location=other.url("/b"))
        hosts = [f"127.0.0.1:{server.port}", f"127.0.0.1:{other.port}"]
        tool = await one({"builtin": "http_request", "allow_hosts": hosts})
        await used(tool, {"url": server.url("/a")})
        await used(tool, {"url": server.url("/a"), "headers": {"Traceparent": "mine"}})
        await used(tool, {"url": server.url("/away")})
        first, own, _ = (each.headers for each in server.asked)
        assert (first["traceparent"], first["tracestate"]) == (PARENT, "vendor=1")
        assert own["traceparent"] == "mine"
        assert "traceparent" not in other.asked[0].headers  # it is not who the workflow asked


async def test_programs_are_told_by_their_environment_unless_the_workflow_says_something_else() -> None:
    enter(TRACE._replace(sampled=False))
    unsampled = f"{PARENT[:-2]}00 vendor=1"
    assert await used(await one({"run": SHOWS}), {}) == unsampled
    assert await used(await one({"run": SHOWS, "env": {"TRACEPARENT": "mine"}}), {}, context()) == "mine vendor=1"
    settings = {"command": SHOWS}
    environment = AgentEnvironment(ProcessExecutor(), os.environ, dict(os.environ))
    agent = make(AgentSpec("a", "command", settings, "."), settings, environment)
    reply = await agent.ask(Request("x", (Message("user", "x"),)), lambda _text: None)
    assert reply.text == unsampled


async def test_an_mcp_server_is_told_with_each_call_by_its_meta_and_over_http_by_header_too() -> None:
    enter()
    async with serving() as web:
        server = McpServer("docs", {"url": web.url}, dict(os.environ), ".")
        tools = await server.open()
        await tools["echo"].call({"text": "x"}, context())
        await server.close()
    for _, headers, message in web.seen:
        if message.get("method") == "tools/call":
            meta = message["params"]["_meta"]
            assert (meta["traceparent"], meta["tracestate"]) == (PARENT, "vendor=1")
            assert (headers["traceparent"], headers["tracestate"]) == (PARENT, "vendor=1")
        else:
            assert "traceparent" not in headers
    assert sum(message.get("method") == "tools/call" for *_, message in web.seen) == 1
