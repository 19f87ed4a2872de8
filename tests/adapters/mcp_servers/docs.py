"""An MCP server of the official SDK: over stdio, or with a port on loopback over HTTP (`json`: without streams,
`loose`: without sessions)."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel

server = MCPServer("docs")


class Page(BaseModel):
    title: str
    score: int


@server.tool()
def search(query: str, limit: int = 2) -> list[Page]:
    """Finds pages."""
    return [Page(title=f"{query} {number}", score=number) for number in range(limit)]


@server.tool()
def page(title: str) -> Page:
    """One page."""
    return Page(title=title, score=1)


@server.tool()
def add(a: int, b: int) -> int:
    return a + b


@server.tool()
def greet(name: str) -> str:
    return f"Hello, {name}"


@server.tool(structured_output=False)
def notes() -> list[str]:
    return ["first", "second"]


@server.tool()
def missing() -> str:
    raise LookupError("no such page")


@server.tool()
async def slow(context: Context[Any, Any]) -> str:
    """Tells how far it is, and never ends."""
    await context.report_progress(3, 10)
    await context.report_progress(1, 2, "half of it")
    await asyncio.Event().wait()
    return ""


@server.tool()
def header(name: str, context: Context[Any, Any]) -> str:
    """What the client sent in a header."""
    request = context.request_context.request
    return str(request.headers.get(name)) if request else ""


@server.tool()
async def grow(context: Context[Any, Any]) -> str:
    """There is one more tool then."""
    server.add_tool(lambda: "new", name="fresh", description="Came later.")
    await context.session.send_tool_list_changed()
    return "grown"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run(
            "streamable-http",
            port=int(sys.argv[1]),
            json_response="json" in sys.argv,
            stateless_http="loose" in sys.argv,
        )
    else:
        server.run()
