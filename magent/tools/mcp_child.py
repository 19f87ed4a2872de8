"""An MCP server that is a program: a child spoken to over its pipes, one message a line, ended with the run.

Nothing of the SDK is needed here, so that the child starts up while that is being imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence

from magent.events import WorkFailed
from magent.groups import Group
from magent.process import start
from magent.tools.base import failed, size
from magent.tools.mcp_words import one_line

MOST = 8_000_000  # bytes of a message
_KEPT = 8 * 1024  # bytes of what it printed last on stderr
_LOOK = 0.25  # seconds between looks whether it has ended, where its pipe does not tell
_POLITE = 0.5  # seconds that it gets to end by itself once its stdin is closed


class TooLong(Exception):
    """A line is longer than a message may be."""

    def __init__(self) -> None:
        super().__init__(f"it sent a message of more than {size(MOST)}")


class _Tail(asyncio.Protocol):
    """The last of what is written to a pipe."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.whole = asyncio.Event()

    def connection_lost(self, _error: Exception | None) -> None:
        self.whole.set()

    def data_received(self, data: bytes) -> None:
        self.kept += data
        if len(self.kept) > _KEPT:
            del self.kept[:-_KEPT]


class Child:
    """`begin` comes first, then `connect`, `end` last (`abandon` where it was never connected)."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], cwd: str) -> None:
        self.argv = argv
        self.environ = environ
        self.cwd = cwd
        self.rubbish: list[str] = []  # the first lines that were no messages
        self._tail = _Tail()
        self._in: asyncio.WriteTransport | None = None
        self._out: asyncio.ReadTransport | None = None
        self._err: asyncio.ReadTransport | None = None
        self._watch: asyncio.Task[None] | None = None
        self.fault = ""  # why it cannot be heard any more, though it lives

    def begin(self, told: str) -> None:
        """Starts it; `told` is what it is, for an error. Raises WorkFailed (`tool`)."""
        try:
            self._process = start(self.argv, self.environ, self.cwd, subprocess.PIPE)
        except WorkFailed as error:
            message, hint = f"{told} could not be started: {error.failure.message}", error.failure.hint
            raise failed(message, hint, final=True) from error
        self._group = Group(self._process.pid)

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._lines = asyncio.StreamReader(limit=MOST)
        self._out, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._lines), self._process.stdout
        )
        self._err, _ = await loop.connect_read_pipe(lambda: self._tail, self._process.stderr)
        self._in, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._watch = asyncio.create_task(self._watched())

    async def _watched(self) -> None:
        """A child of its own may keep the pipe open when it has ended."""
        await self._exit(_LOOK)
        await asyncio.sleep(_LOOK)
        self._lines.feed_eof()

    async def _exit(self, every: float = 0.01) -> None:
        while True:
            if self._process.poll() is not None:
                return
            await asyncio.sleep(every)

    async def lines(self) -> AsyncIterator[bytes]:
        """What it sends, until its end. Raises TooLong."""
        try:
            while True:
                yield await self._lines.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            if error.partial.strip():
                yield bytes(error.partial)
        except asyncio.LimitOverrunError as error:
            raise TooLong from error

    def send(self, data: bytes) -> None:
        if self._in and not self._in.is_closing():
            self._in.write(data)

    def ignore(self, line: bytes) -> None:
        """A line that is no message."""
        if len(self.rubbish) < 3 and line.strip():
            self.rubbish.append(one_line(line[:1000].decode("utf-8", "replace"), 120))

    def exit_code(self) -> int | None:
        return self._process.poll()

    def last_words(self) -> str:
        """What it printed last on stderr, in a line; "" where that is nothing."""
        kept = self._tail.kept.decode("utf-8", "replace")
        if len(self._tail.kept) == _KEPT:  # what was cut through may be the rest of a secret
            kept = kept.partition("\n")[2] or kept.partition(" ")[2]
        lines = [line for line in kept.splitlines() if line.strip()]
        return one_line(" / ".join(lines[-5:]), 500)

    async def settled(self) -> None:
        """Its exit code and last words come a moment after the end of its stdout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await self._exit()
                await self._tail.whole.wait()

    async def end(self) -> None:
        """With what it started: its stdin is closed, it is asked to end, and then it is ended. Under 2 seconds."""
        if self._watch:
            self._watch.cancel()
        self._group.look()  # who is below it cannot be seen once it has ended
        if self._in:
            self._in.close()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLITE):
                    await self._exit()
        finally:
            try:
                await self._group.end()
            finally:
                self.abandon()

    def abandon(self) -> None:
        """Nobody has its stdin any more, so that it ends."""
        self._group.let_go()
        if self._in and self._in.get_write_buffer_size():
            self._in.abort()  # it never read that
        for transport in (self._out, self._err):
            if transport is not None:
                transport.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.5)
