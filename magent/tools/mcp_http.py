"""An MCP server at an address. Whatever fails on the way is an error of the message that it was to answer, in words
that say what happened, and never an end of the connection."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2
from mcp.client.streamable_http import MCP_SESSION_ID

from magent.tools.base import size
from magent.tools.mcp_child import MOST
from magent.tools.mcp_words import ServerSpec, one_line

HTTP_FAILED = -32098  # codes of our own, in the protocol's range for such
SESSION_GONE = -32097
_NOTICE = 2.0  # seconds
_HINTS = {
    401: "is the key in `headers` right?",
    403: "is the key in `headers` right, and may it use this server?",
    404: "is the path right? Most servers answer at /mcp",
    405: "is the path right? Most servers answer at /mcp",
}


def client(spec: ServerSpec) -> httpx2.AsyncClient:
    """How long an answer may take is up to the call; a stream of notices may be silent for long."""
    return httpx2.AsyncClient(
        headers={"accept-encoding": "identity", **spec.headers},
        timeout=httpx2.Timeout(30.0, read=None),
        transport=Telling(
            httpx2.AsyncHTTPTransport(limits=httpx2.Limits(max_connections=None), proxy=_proxy(spec.url))
        ),
    )


def _proxy(url: str) -> str | None:
    """The one that the environment names for the address."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)


class Telling(httpx2.AsyncBaseTransport):
    """Another transport, whose failures come as JSON-RPC errors."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self._beside: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The SDK waits for a notice to be taken before it sends anything else; for one that says a call is given up
        it need not."""
        if _message(request).get("method") == "notifications/cancelled":
            task = asyncio.create_task(self._told_beside(request))
            self._beside.add(task)
            task.add_done_callback(self._beside.discard)
            return httpx2.Response(202)
        return await self._told(request)

    async def _told_beside(self, request: httpx2.Request) -> None:
        response = await self._told(request)
        await response.aclose()

    async def _told(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return await self._asked(request)
        except httpx2.TransportError as error:
            return _error(HTTP_FAILED, _said(error))
        except TimeoutError:
            return _error(HTTP_FAILED, f"no answer within {_NOTICE:g}s")

    async def _asked(self, request: httpx2.Request) -> httpx2.Response:
        message = _message(request)
        brief = request.method == "DELETE" or str(message.get("method", "")).startswith("notifications/")
        request.headers.update(_traced(message))
        async with asyncio.timeout(_NOTICE if brief else None):
            response = await self._inner.handle_async_request(request)
            if response.is_error:
                return await _refused(request, response)
            if response.headers.get("content-type", "").lower().startswith("application/json"):
                return await _whole(response)
            return response

    async def aclose(self) -> None:
        for task in self._beside:
            task.cancel()
        await self._inner.aclose()


def _message(request: httpx2.Request) -> dict[str, Any]:
    """What is sent; empty where that is nothing."""
    message = json.loads(request.content) if request.method == "POST" else None
    return message if isinstance(message, dict) else {}


def _traced(message: dict[str, Any]) -> dict[str, str]:
    """Where in a trace a message was sent, for what stands between here and the server."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    return {name: str(meta[name]) for name in ("traceparent", "tracestate") if name in meta} if meta else {}


async def _read(response: httpx2.Response) -> bytes | None:
    """The body; None where it is too long."""
    body = bytearray()
    try:
        async for data in response.aiter_bytes():
            body += data
            if len(body) > MOST:
                return None
    finally:
        await response.aclose()
    return bytes(body)


async def _whole(response: httpx2.Response) -> httpx2.Response:
    body = await _read(response)
    if body is None:
        return _error(HTTP_FAILED, f"it sent a message of more than {size(MOST)}")
    kept = [(key, value) for key, value in response.headers.multi_items() if key.lower() not in _OF_THE_BODY]
    return httpx2.Response(response.status_code, headers=kept, content=body)


_OF_THE_BODY = ("content-encoding", "content-length", "transfer-encoding")


async def _refused(request: httpx2.Request, response: httpx2.Response) -> httpx2.Response:
    status = response.status_code
    body = await _read(response) or b""
    gone = status == 404 or (status == 400 and b"session" in body.lower())
    if gone and MCP_SESSION_ID in request.headers:
        return _error(SESSION_GONE, "it has forgotten the session")
    if _is_answer(body) and status not in (401, 403):
        return httpx2.Response(status, headers={"content-type": "application/json"}, content=body)
    if status in (404, 405, 406) and request.method in ("GET", "DELETE"):  # it offers no notices, which is its right
        return httpx2.Response(405)
    text = one_line(body[:2000].decode("utf-8", "replace"), 200)
    hint = _HINTS.get(status, "")
    return _error(HTTP_FAILED, f"HTTP {status} {_phrase(status)}" + (f": {text}" if text else ""), hint)


def _is_answer(body: bytes) -> bool:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("jsonrpc") == "2.0" and isinstance(found.get("error"), dict)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _said(error: Exception) -> str:
    """An error of the transport in words."""
    if isinstance(error, httpx2.ConnectTimeout):
        return "no connection within 30s"
    text = one_line(str(error), 200)
    if isinstance(error, httpx2.ConnectError):
        return f"no connection: {text or 'refused'}"
    return f"the connection broke: {text or type(error).__name__}"


def _error(code: int, message: str, hint: str = "") -> httpx2.Response:
    error = {"code": code, "message": message, "data": {"hint": hint}}  # where one is known, trying again is in vain
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return httpx2.Response(502, headers={"content-type": "application/json"}, content=json.dumps(body).encode())
