"""One exchange with a server, within bounds: connected to the very addresses that were judged, read while it streams,
unpacked without ever holding more than asked for."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit

from magent.tools.base import failed
from magent.tools.files_open import shown
from magent.tools.http_hosts import same_host

_PORTS = {"http": 80, "https": 443}
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_ENCODING = re.compile(r"(?i)utf-?(8|16|32)|us-ascii|ascii|latin-?1|iso-8859-\d+|windows-125\d|shift_jis|euc-(jp|kr)"
                       r"|gb(k|2312|18030)|big5|koi8-[ru]")  # fmt: skip
_LONGEST_URL = 8000  # characters


@dataclass(frozen=True, slots=True)
class Url:
    """An address taken apart, so that what is judged is what is asked. `target` is its path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if _PORTS[self.scheme] == self.port else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def read_url(text: str) -> Url:
    """Raises WorkFailed (`tool`) for what is no plain http address."""
    if len(text) > _LONGEST_URL:
        raise failed(f"the url is longer than {_LONGEST_URL} characters")
    if _UNSAFE.search(text):
        raise failed(f"'{shown(text)}' is no url: it holds a blank, a control character or a backslash", "encode it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise failed(f"'{shown(text)}' is no url: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise failed(f"'{shown(text)}' is no url that can be asked", "it begins with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise failed("a url with a name or a password in it is not asked", "leave out what stands before the @")
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._", errors="replace")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?", errors="replace")
    target = f"{path}?{query}" if parts.query else path
    return Url(parts.scheme, same_host(parts.hostname), port or _PORTS[parts.scheme], target)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. `truncated`: there was more of `data` than the limit."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    data: bytes
    truncated: bool

    def text(self) -> str:
        """As the server says that it is written, UTF-8 where it says nothing of use; what cannot be read is `�`."""
        charset = re.search(r"charset=[\"']?([A-Za-z0-9_-]+)", self.headers.get("content-type", ""))
        known = charset is not None and _ENCODING.fullmatch(charset[1])
        try:
            return self.data.decode(charset[1] if charset and known else "utf-8", "replace")
        except LookupError:
            return self.data.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises ValueError where it is none, or holds what cannot be written as JSON again (`1e999`, half a
        character)."""
        try:
            value = json.loads(self.text(), parse_constant=_no_constant)
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
            return value
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


async def exchange(
    method: str,
    url: Url,
    headers: Sequence[tuple[str, str]],
    body: bytes | None,
    *,
    most: int,
    addresses: Sequence[str] | None = None,
) -> Answer:
    """Asks the server at one of `addresses` (None: wherever its name leads) and reads at most `most` bytes, unpacked.
    Has no time limit of its own. Raises WorkFailed (`tool`)."""
    import httpcore2

    target = httpcore2.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
    shown_host = str(url).partition("://")[2].partition("/")[0].partition("?")[0]
    sent = [("Host", shown_host), ("Accept-Encoding", "gzip, deflate"), *headers]
    if body is not None or method in ("POST", "PUT", "PATCH"):
        sent.append(("Content-Length", str(len(body or b""))))
    try:
        pairs = [(name.encode("ascii"), value.encode("utf-8")) for name, value in sent]
        async with (
            _pool(addresses) as pool,
            pool.stream(method, target, headers=pairs, content=body or b"") as response,
        ):
            received = _readable(response.headers)
            unpacked = _unpacked(response.aiter_stream(), received.get("content-encoding", ""), most)
            data = b"".join([piece async for piece in unpacked])
    except (httpcore2.LocalProtocolError, UnicodeEncodeError) as error:
        raise failed(f"the request cannot be sent: {error}") from error
    except httpcore2.ConnectError as error:
        raise failed(f"{url.host} cannot be connected to: {_reason(error)}") from error
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
        raise failed(f"the connection to {url.host} broke off: {_reason(error)}") from error
    return Answer(response.status, received, data[:most], len(data) > most)


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    read: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("utf-8", "replace")
        read[key] = f"{read[key]}, {text}" if key in read else text
    return read


async def _unpacked(raw: AsyncIterator[bytes], encoding: str, most: int) -> AsyncIterator[bytes]:
    """One byte more than `most` at the most, so that it is seen that there was more."""
    named = encoding.strip().lower()
    if named not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise failed(f"the answer is packed in a way that was not asked for: {shown(named)}")
    packed = zlib.decompressobj(zlib.MAX_WBITS | 32) if named not in ("", "identity") else None
    room = most + 1
    async for piece in raw:
        for part in [piece[:room]] if packed is None else _inflated(packed, piece, room):
            room -= len(part)
            yield part
        if room <= 0:
            return


def _inflated(packed: Any, piece: bytes, room: int) -> list[bytes]:
    try:
        return [packed.decompress(piece, room)]
    except zlib.error as error:
        raise failed(f"the answer cannot be unpacked: {error}") from error


def _pool(addresses: Sequence[str] | None) -> Any:
    """No proxy of the environment is in between: what that connects to could not be judged."""
    import httpcore2

    backend = httpcore2.AnyIOBackend() if addresses is None else _pinned()(addresses)
    return httpcore2.AsyncConnectionPool(ssl_context=_certificates(), network_backend=backend, max_connections=1)


@cache
def _certificates() -> Any:
    """Read once: it takes a while."""
    import httpcore2

    return httpcore2.default_ssl_context()


@cache
def _pinned() -> Any:
    import httpcore2

    class Pinned(httpcore2.AnyIOBackend):
        """Connects to the addresses given, in order, whatever host it is told; that one still is the host of the
        request and of the certificate."""

        def __init__(self, addresses: Sequence[str]) -> None:
            self._addresses = addresses

        async def connect_tcp(self, host: str, port: int, *rest: Any, **more: Any) -> Any:  # noqa: ARG002
            for address in self._addresses[:-1]:
                try:
                    return await super().connect_tcp(address, port, *rest, **more)
                except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                    continue
            return await super().connect_tcp(self._addresses[-1], port, *rest, **more)

    return Pinned
