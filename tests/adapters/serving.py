"""A small HTTP server on loopback that does what it is told, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Send = Callable[[bytes], Awaitable[None]]
Page = Callable[["Asked", Send], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    pages: dict[str, bytes | Page] = field(default_factory=dict)  # by path

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def tells(self, path: str, body: bytes = b"", status: str = "200 OK", **headers: str) -> None:
        named = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items() if value)
        self.pages[path] = f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + body

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        try:
            asked = await _read(reader)
            self.asked.append(asked)
            page = self.pages.get(
                asked.target.partition("?")[0], b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"
            )
            await (send(page) if isinstance(page, bytes) else page(asked, send))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # who asked does not want more
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
