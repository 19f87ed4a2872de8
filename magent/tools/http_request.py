"""The built-in tool `http_request`: asks the hosts that the workflow allows, and no others, redirects included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urljoin

from magent import durations
from magent.errors import UsageError
from magent.ports import ToolContext
from magent.spans import here
from magent.spec.builtins import BUILTINS
from magent.tools.base import failed
from magent.tools.files_open import shown
from magent.tools.http_connect import Answer, Url, exchange, read_url
from magent.tools.http_hosts import Lookup, addresses, look_up, permitted, read_hosts

MOST = 1_000_000  # bytes of an answer, unless `max_bytes` says otherwise
SECONDS = 30.0  # for all of it, unless `timeout` says otherwise
MOST_REDIRECTS = 5
LARGEST_BODY = 10_000_000  # bytes that are sent
_REDIRECTS = (301, 302, 303, 307, 308)
_KEPT = ("accept", "accept-language", "user-agent")  # of the headers, what another host may see
_NOT_YOURS = ("host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect")

Headers = list[tuple[str, str]]


class HttpRequest:
    """`{status, headers, text, json, url, truncated}`. A status such as 404 is a result; a host that may not be asked,
    or cannot be, is a failure."""

    name = "http_request"
    description, parameters = BUILTINS["http_request"][""]
    external = False
    confirm = False

    def __init__(self, settings: Mapping[str, Any], lookup: Lookup = look_up) -> None:
        if not settings.get("allow_hosts"):
            raise UsageError("`http_request` needs `allow_hosts`: nothing else may be asked", _HINT)
        self._lookup = lookup
        self._hosts = read_hosts(settings["allow_hosts"])
        self._own = [(str(name), str(value)) for name, value in (settings.get("headers") or {}).items()]
        self._most = int(settings.get("max_bytes", MOST))
        self._seconds = durations.parse(settings.get("timeout", SECONDS))

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._seconds):
                return await self._followed(arguments)
        except TimeoutError as error:
            raise failed(f"no whole answer within {durations.show(self._seconds)}") from error

    async def _followed(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        method, url = arguments.get("method", "GET"), read_url(arguments["url"])
        headers, body = self._sent(arguments)
        for _ in range(1 + MOST_REDIRECTS):
            answer = await self._asked(method, url, headers, body)
            place = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not place:
                return _result(answer, url)
            there = read_url(urljoin(str(url), place.partition("#")[0]))
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, body = ("HEAD" if method == "HEAD" else "GET"), None
                headers = [(name, value) for name, value in headers if not name.lower().startswith("content-")]
            if there.origin != url.origin:
                headers = [(name, value) for name, value in headers if name.lower() in _KEPT]
            url = there
        raise failed(f"{shown(arguments['url'])} redirects more than {MOST_REDIRECTS} times")

    async def _asked(self, method: str, url: Url, headers: Headers, body: bytes | None) -> Answer:
        entry = permitted(self._hosts, url.host, url.port)
        found = await addresses(url.host, url.port, entry, self._hosts, self._lookup)
        return await exchange(method, url, headers, body, most=self._most, addresses=found)

    def _sent(self, arguments: Mapping[str, Any]) -> tuple[Headers, bytes | None]:
        """Headers and body. What the workflow sets stands, whatever the call says."""
        headers = [(str(name), str(value)) for name, value in (arguments.get("headers") or {}).items()]
        for name, _ in headers:
            if name.lower() in _NOT_YOURS or name.lower().startswith("proxy-"):
                raise failed(f"the header '{shown(name)}' cannot be set", "leave it out: it follows from the request")
        body = _body(arguments)
        if body is not None and "json" in arguments and not _has(headers, "content-type"):
            headers.append(("Content-Type", "application/json"))
        headers = [pair for pair in headers if not _has(self._own, pair[0])]
        sent = [*self._own, *headers]
        usual = [("User-Agent", "magent"), ("Accept", "*/*"), *here.headers().items()]
        return [*(pair for pair in usual if not _has(sent, pair[0])), *sent], body


_HINT = 'such as `allow_hosts: [api.example.org, "*.example.com", localhost:8080]`'


def _has(headers: Sequence[tuple[str, str]], wanted: str) -> bool:
    return any(name.lower() == wanted.lower() for name, _ in headers)


def _body(arguments: Mapping[str, Any]) -> bytes | None:
    if "body" in arguments and "json" in arguments:
        raise failed("a request has `body` or `json`, not both")
    text = arguments.get("body")
    if "json" in arguments:
        text = json.dumps(arguments["json"], ensure_ascii=True)
    if text is None:
        return None
    data = str(text).encode("utf-8", "replace")
    if len(data) > LARGEST_BODY:
        raise failed(f"what is to be sent has {len(data)} bytes, more than {LARGEST_BODY}")
    return data


def _result(answer: Answer, url: Url) -> dict[str, Any]:
    data = None
    if "json" in answer.headers.get("content-type", "") and not answer.truncated:
        with suppress(ValueError):
            data = answer.json()
    return {
        "status": answer.status,
        "headers": dict(answer.headers),
        "text": answer.text(),
        "json": data,
        "url": str(url),
        "truncated": answer.truncated,
    }
