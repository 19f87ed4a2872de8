"""One connection to an MCP server, from its start to its end, through the official SDK.

The SDK's contexts must be left by the task that entered them: a task of its own holds them, and whatever becomes of a
call, or of the server, ends in an error of the calls that were under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import anyio
import mcp_types as types
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from magent.durations import show
from magent.events import WorkFailed
from magent.spans import here
from magent.tools.base import failed
from magent.tools.mcp_child import MOST, Child, TooLong
from magent.tools.mcp_http import HTTP_FAILED, SESSION_GONE, client
from magent.tools.mcp_values import Listed, listed
from magent.tools.mcp_words import ServerSpec, SessionGone, one_line
from magent.version import VERSION

MOST_TOOLS = 10_000
_MOST_PAGES = 1000
BROKEN = -32096  # a code of our own, in the protocol's range for such
_GRACE = 2.5  # seconds for all that an end takes
_OTHER_ERA = (  # answers to `initialize` of servers that know only the protocol without it
    types.METHOD_NOT_FOUND,
    types.INVALID_REQUEST,
    types.INVALID_PARAMS,
    types.UNSUPPORTED_PROTOCOL_VERSION,
)
for _name in ("mcp", "client"):  # what the SDK logs is not for the screen of who runs a workflow
    logging.getLogger(_name).addHandler(logging.NullHandler())

_ID = re.compile(rb'"id"\s*:\s*(\d{1,18})\b')

OnChanged = Callable[[list[Listed]], None]
OnText = Callable[[str], None]


class _Session(ClientSession):
    async def validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """Left to `mcp_values`: the SDK would search with patterns that can take for ever."""


class Link:
    """`begin` starts it, `ready` waits until tools can be called; once it has `ended`, another is needed."""

    def __init__(self, spec: ServerSpec, child: Child | None, on_changed: OnChanged) -> None:
        self.spec = spec
        self.over = False
        self.tools: list[Listed] = []
        self._child = child
        self._on_changed = on_changed
        self._calls = 0
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._hold())
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())  # it may not be waited for

    async def ready(self) -> None:
        """Raises WorkFailed (`tool`) where it could not be made. Cancelled, it goes on being made."""
        await asyncio.shield(self._ready)

    async def close(self) -> None:
        """Idempotent."""
        self.over = True
        self._stop.set()
        if self._ready.done():
            await asyncio.wait([self._task], timeout=_GRACE)
        await asyncio.sleep(0)  # a task that is cancelled before its first step takes none, not even its last
        self._task.cancel()
        await asyncio.wait([self._task], timeout=_GRACE)

    def retire(self) -> None:
        """No call is to come; those under way may end."""
        self.over = True
        if not self._calls:
            self._stop.set()

    def ended(self) -> bool:
        """Whether another is needed. A program that has died is looked at, as its pipe may tell of it too late."""
        if self._child and self._ready.done() and self._child.exit_code() is not None:
            self.retire()
        return self.over

    # ---- the task that holds it

    async def _hold(self) -> None:
        failure: BaseException | None = None
        try:
            async with AsyncExitStack() as stack:
                read, write = await stack.enter_async_context(self._streams())
                session = _Session(
                    read,
                    write,
                    client_info=types.Implementation(name="magent", version=VERSION),
                    message_handler=self._heard,
                )
                self._session = await stack.enter_async_context(session)
                async with asyncio.timeout(self.spec.start_timeout):
                    await _greet(session)
                    self.tools = await self._list()
                self._ready.set_result(None)
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told where the link is waited for
            failure = error
        finally:
            self.over = True
            await self._tidy(failure)

    async def _tidy(self, failure: BaseException | None) -> None:
        try:
            if not self._ready.done():
                self._ready.set_exception(await self._not_ready(_root(failure)))
        finally:
            if self._child:
                await self._child.end()

    def _streams(self) -> Any:
        if self._child:
            return _over_pipes(self._child, self.retire)
        return _over_http(self.spec)

    async def _heard(self, message: types.ServerNotification | Exception) -> None:
        if isinstance(message, types.ToolListChangedNotification) and self._ready.done():
            with contextlib.suppress(MCPError, WorkFailed, ValidationError, TimeoutError):
                async with asyncio.timeout(self.spec.start_timeout):
                    self.tools = await self._list()
                self._on_changed(self.tools)

    async def _list(self) -> list[Listed]:
        """All pages. Raises WorkFailed (`tool`), MCPError, ValidationError."""
        found: dict[str, types.Tool] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await self._page(cursor)
            for tool in page.tools:
                other = found.setdefault(tool.name, tool)
                if other != tool:
                    raise failed(
                        f"{self.spec} lists two tools named '{one_line(tool.name, 60)}'",
                        "a name stands for one tool: ask whoever maintains the server",
                    )
            if len(found) > MOST_TOOLS:
                raise failed(f"{self.spec} lists more than {MOST_TOOLS:,} tools", "no agent can choose among so many")
            if not page.next_cursor:
                return await self._judged(found)
            cursor = page.next_cursor
        raise failed(f"{self.spec} lists its tools on pages without end", "ask whoever maintains the server")

    async def _page(self, cursor: str | None) -> types.ListToolsResult:
        params = types.PaginatedRequestParams(cursor=cursor) if cursor else None
        try:
            return await self._session.list_tools(params=params)
        except MCPError as error:
            if error.code == types.METHOD_NOT_FOUND:
                return types.ListToolsResult(tools=[])
            raise

    async def _judged(self, found: Mapping[str, types.Tool]) -> list[Listed]:
        """Others get a turn while thousands of schemas are looked at."""
        tools: list[Listed] = []
        for number, tool in enumerate(found.values(), 1):
            tools.append(listed(str(self.spec), tool))
            if number % 50 == 0:
                await asyncio.sleep(0)
        return tools

    # ---- calls

    async def call(
        self, tool: str, arguments: Mapping[str, Any], on_text: Callable[[str], None]
    ) -> types.CallToolResult:
        """Raises WorkFailed (`tool`), SessionGone."""
        name = f"{self.spec.name}.{tool}"

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            on_text(f"{message or _share(progress, total)}\n")

        self._calls += 1
        try:
            async with asyncio.timeout(self.spec.timeout):
                return await self._session.call_tool(tool, dict(arguments), progress_callback=tell, meta=_meta())
        except TimeoutError as error:
            hint = f"give it longer with `timeout` in the `mcp` of '{self.spec.name}'"
            raise failed(f"'{name}' gave no answer within {_seconds(self.spec.timeout)}", hint) from error
        except MCPError as error:
            raise await self._call_failed(name, error) from error
        except ValidationError as error:
            raise failed(
                f"'{name}' got an answer that is none of the protocol: {_first(error)}", _MAINTAINER
            ) from error
        except RuntimeError as error:  # the SDK's, for answers that ask for what nobody here gives
            raise failed(f"'{name}' got an answer that magent has no use for: {one_line(str(error), 200)}") from error
        finally:
            self._calls -= 1
            if self.over:
                self.retire()

    async def _call_failed(self, name: str, error: MCPError) -> Exception:
        if error.code == SESSION_GONE:
            self.retire()
            return SessionGone()
        if error.code == BROKEN:
            return failed(f"'{name}' got an answer that is none of the protocol: {error.message}", _MAINTAINER)
        if error.code == HTTP_FAILED:
            message = f"'{name}' got no answer from {self.spec.place}: {error.message}"
            return failed(message, _hint(error) or _LATER, final=bool(_hint(error)))
        if error.code == types.CONNECTION_CLOSED and error.message == "Connection closed":
            self.retire()
            return failed(f"'{name}' got no answer: {await self._how_it_ended()}", "the next call starts it again")
        if error.code == types.CONNECTION_CLOSED:  # the stream of this one answer
            return failed(f"'{name}' got no answer from {self.spec.place}: {one_line(error.message, 300)}", _LATER)
        return failed(f"'{name}' was refused by the server: {one_line(error.message, 300)} (code {error.code})")

    async def _how_it_ended(self) -> str:
        """The end of a server in words."""
        if self._child is None:
            return f"the connection to {self.spec} has ended"
        if self._child.fault:
            return f"{self.spec} was ended, as {self._child.fault}"
        await self._child.settled()
        code = self._child.exit_code()
        how = f"{self.spec} {_ended(code)}"
        words = self._child.last_words()
        return f"{how}; it printed last: {words}" if words else how

    # ---- a start that failed

    async def _not_ready(self, cause: BaseException | None) -> WorkFailed:
        """What the start came to, in words."""
        if cause is None:
            return failed(f"{self.spec} was ended before it was ready")
        if isinstance(cause, WorkFailed):
            return cause
        if self._child and isinstance(cause, MCPError):
            await self._child.settled()
        words, hint = self._why(cause)
        if self._child:
            said = self._child.last_words()
            words += f"; it printed last: {said}" if said else ""
            if self._child.rubbish:
                words += f"; on its stdout, which is for messages alone: {' / '.join(self._child.rubbish)}"
        return failed(f"{self.spec} {words}", hint, final=isinstance(cause, MCPError) and bool(_hint(cause)))

    def _why(self, cause: BaseException) -> tuple[str, str]:
        if isinstance(cause, TimeoutError):
            told = f"did not answer within {_seconds(self.spec.start_timeout)} of its start"
            return told, f"is it an MCP server? Give it longer with `start_timeout` in the `mcp` of '{self.spec.name}'"
        if isinstance(cause, MCPError) and cause.code == HTTP_FAILED:
            return f"cannot be reached: {cause.message}", _hint(cause) or "is it running, and is the address right?"
        if isinstance(cause, MCPError) and cause.code == types.CONNECTION_CLOSED and self._child:
            if self._child.fault:
                return f"cannot be used: {self._child.fault}", _MAINTAINER
            hint = f"try it by itself: {one_line(self.spec.place, 120)}"
            return f"{_ended(self._child.exit_code())} before it was ready", hint
        if isinstance(cause, MCPError):
            return f"refused the connection: {one_line(cause.message, 300)} (code {cause.code})", _MAINTAINER
        if isinstance(cause, ValidationError):
            return f"gave an answer that is none of the protocol: {_first(cause)}", _MAINTAINER
        return f"cannot be used: {one_line(str(cause), 300)}", _MAINTAINER


def _meta() -> types.RequestParamsMeta | None:
    """Where in a trace the call is made, as the protocol has it: the same over pipes and HTTP."""
    return cast("types.RequestParamsMeta", here.headers()) or None


_MAINTAINER = "that is a fault of the server: ask whoever maintains it"
_LATER = "is it running, and is the address right?"


async def _greet(session: ClientSession) -> None:
    """In the way of all servers to date; one that knows only the newest way says so."""
    try:
        await session.initialize()
    except MCPError as error:
        if error.code not in _OTHER_ERA:
            raise
        try:
            await session.discover()
        except MCPError:
            raise error from None


def _root(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _hint(error: MCPError) -> str:
    data = error.data
    return str(data.get("hint", "")) if isinstance(data, dict) else ""


def _first(error: ValidationError, within: str = "") -> str:
    """The first thing that is wrong, with its place; `within` one of the forms that were tried."""
    faults = error.errors(include_url=False, include_input=False)
    fault = next((each for each in faults if within in each["loc"]), faults[0])
    place = ".".join(str(step) for step in fault["loc"] if step != within)
    return one_line(f"{place}: {fault['msg']}" if place else fault["msg"], 200)


def _ended(code: int | None) -> str:
    if code is None:
        return "closed its stdout"
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _share(progress: float, total: float | None) -> str:
    return f"{progress:.12g}" if total is None else f"{progress:.12g}/{total:.12g}"


def _seconds(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 60 else show(seconds)


# ---- over pipes


@asynccontextmanager
async def _over_pipes(child: Child, on_end: Callable[[], None]) -> AsyncIterator[Any]:
    """A transport of the SDK. What is no message is passed over; an answer that is none is an error of its request."""
    await child.connect()
    send, read = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    write, outgoing = anyio.create_memory_object_stream[SessionMessage](math.inf)

    async def receiving() -> None:
        try:
            async with send:
                async for line in child.lines():
                    message = _message(line)
                    if message is None:
                        child.ignore(line)
                    else:
                        await send.send(message)
        except TooLong as error:
            child.fault = str(error)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # nobody listens any more
        finally:
            on_end()

    async def sending() -> None:
        async with outgoing:
            async for message in outgoing:
                child.send(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")

    async with anyio.create_task_group() as tasks, read, write:
        tasks.start_soon(receiving)
        tasks.start_soon(sending)
        try:
            yield read, write
        finally:
            tasks.cancel_scope.cancel()


def _message(line: bytes) -> SessionMessage | None:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError as error:
        return _broken_answer(line, error)


def _broken_answer(line: bytes, error: ValidationError) -> SessionMessage | None:
    """So that whoever waits for it need not wait until a timeout."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        number = _ID.search(line, 0, 1000) if b'"jsonrpc"' in line[:1000] else None
        found = {"id": int(number[1])} if number else None
    identity = found.get("id") if isinstance(found, dict) and "method" not in found else None
    if not isinstance(identity, (int, str)) or isinstance(identity, bool):
        return None
    data = types.ErrorData(code=BROKEN, message=_first(error, "JSONRPCResponse"))
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=identity, error=data))


# ---- over HTTP


@asynccontextmanager
async def _over_http(spec: ServerSpec) -> AsyncIterator[Any]:
    async with (
        client(spec) as http,
        streamable_http_client(spec.url, http_client=http, max_sse_event_size=MOST) as streams,
    ):
        yield streams
