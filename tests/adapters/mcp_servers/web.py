"""A loopback HTTP server in the place of an MCP server, which answers as it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, Mapping[str, str], bytes]
ECHO = {"name": "echo", "inputSchema": {"type": "object"}}


def as_json(identity: Any, result: Any) -> Answer:
    body = json.dumps({"jsonrpc": "2.0", "id": identity, "result": result}).encode()
    return 200, {"content-type": "application/json"}, body


def text(identity: Any, value: str) -> Answer:
    return as_json(identity, {"content": [{"type": "text", "text": value}]})


@dataclass
class Web:
    """`answers` maps a method of the protocol to what is answered; None: nothing, ever. `seen` are the requests."""

    port: int = 0
    answers: dict[str, Callable[[dict[str, Any]], Answer | None]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def usual(self, message: dict[str, Any]) -> Answer:
        method, identity = message.get("method"), message.get("id")
        if method == "initialize":
            version = message["params"]["protocolVersion"]
            told = {"protocolVersion": version, "capabilities": {}, "serverInfo": {"name": "w", "version": "1"}}
            status, headers, body = as_json(identity, told)
            return status, {**headers, "mcp-session-id": "s1"}, body
        if method == "tools/list":
            return as_json(identity, {"tools": [ECHO]})
        if method == "tools/call":
            return text(identity, str(message["params"]["arguments"].get("text")))
        return (202, {}, b"") if method else (405, {}, b"")


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return head[0].split()[0], headers, json.loads(body) if body else {}


@asynccontextmanager
async def serving() -> AsyncIterator[Web]:
    web = Web()
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        try:
            method, headers, message = await _read(reader)
            web.seen.append((method, headers, message))
            answer = web.answers.get(str(message.get("method")), web.usual)(message)
            if answer is None:
                await reader.read()  # until the client goes
            else:
                status, more, body = answer
                length = {"content-length": str(len(body)), "connection": "close"}
                lines = "".join(f"{name}: {value}\r\n" for name, value in {**length, **more}.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            open_now.discard(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for writer in list(open_now):
            writer.transport.abort()
