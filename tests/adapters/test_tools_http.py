import asyncio
import gzip
import ipaddress
import json
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from magent.errors import UsageError
from magent.events import WorkFailed
from magent.ports import Tool
from magent.tools.http_connect import read_url
from magent.tools.http_hosts import is_public, read_hosts
from magent.tools.http_request import HttpRequest
from tests.adapters.serving import Asked, Send, Site, site
from tests.adapters.tooling import one, refused, used


@pytest.fixture
async def here() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


async def asking(*hosts: str, **settings: Any) -> Tool:
    return await one({"builtin": "http_request", "allow_hosts": list(hosts), **settings})


async def test_a_request_gives_status_headers_text_and_json(here: Site) -> None:
    here.tells("/items", b'{"a": [1, "\xc3\xa4"]}', content_type="application/json; charset=utf-8", x_more="yes")
    result = await used(await asking("127.0.0.1"), {"url": here.url("/items?page=2&q=ä b".replace(" ", "%20"))})
    assert result["status"] == 200
    assert result["json"] == {"a": [1, "ä"]}
    assert result["text"] == '{"a": [1, "ä"]}'
    assert result["headers"]["x-more"] == "yes"
    assert result["truncated"] is False
    assert here.asked[0].target == "/items?page=2&q=%C3%A4%20b"
    assert here.asked[0].headers["host"] == f"127.0.0.1:{here.port}"


async def test_a_body_is_sent_as_text_or_json(here: Site) -> None:
    here.tells("/", b"ok")
    tool = await asking("127.0.0.1")
    await used(tool, {"url": here.url("/"), "method": "POST", "json": {"a": "ä"}, "headers": {"X-A": "1"}})
    await used(tool, {"url": here.url("/"), "method": "PUT", "body": "ä"})
    await used(tool, {"url": here.url("/"), "method": "POST"})
    first, second, third = here.asked
    assert (first.method, json.loads(first.body), first.headers["content-type"]) == (
        "POST",
        {"a": "ä"},
        "application/json",
    )
    assert first.headers["x-a"] == "1"
    assert (second.method, second.body.decode()) == ("PUT", "ä")
    assert third.headers["content-length"] == "0"
    assert "not both" in (await refused(tool, {"url": here.url("/"), "json": 1, "body": "x"})).message


async def test_a_status_that_is_not_well_is_a_result(here: Site) -> None:
    here.tells("/", b"gone", status="410 Gone")
    result = await used(await asking("127.0.0.1"), {"url": here.url("/")})
    assert (result["status"], result["text"], result["json"]) == (410, "gone", None)


# ---- who may be asked


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://api.example.org.evil.example/",
        "http://evilapi.example.org/",
        "http://example.org/",
        "http://api.example.org:8080/",
        "http://[::1]/",
        "http://0.0.0.0/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://127.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost/",
        "http://LOCALHOST./",
    ],
)
async def test_a_host_that_is_not_listed_is_not_asked(url: str) -> None:
    tool = await asking("api.example.org:443", "*.sub.example.org")
    assert "may not be asked" in (await refused(tool, {"url": url})).message


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "begins with https://"),
        ("ftp://127.0.0.1/", "begins with https://"),
        ("//127.0.0.1/", "begins with https://"),
        ("http://", "begins with https://"),
        ("http:///path", "begins with https://"),
        ("http://127.0.0.1:99999/", "is no url"),
        ("http://127.0.0.1:x/", "is no url"),
        ("http://me:secret@127.0.0.1/", "a name or a password"),
        ("http://127.0.0.1@evil.example/", "a name or a password"),
        ("http://evil.example\\@127.0.0.1/", "a backslash"),
        ("http://127.0.0.1/\r\nX: y", "control character"),
        ("http://127.0.0.1/ HTTP/1.1\r\nHost: x", "blank"),
        ("http://127.0.0.1\t.evil.example/", "control character"),
        ("http://[::1", "is no url"),
        ("http://127.0.0.1/" + "a" * 9000, "longer than"),
        ("", "begins with https://"),
    ],
)
async def test_what_is_no_url_is_told(url: str, why: str) -> None:
    failure = await refused(await asking("127.0.0.1", "evil.example"), {"url": url})
    assert why in f"{failure.message} {failure.hint}"


async def test_a_name_that_leads_into_a_network_is_refused_whatever_it_says() -> None:
    for inside in (
        "127.0.0.1",
        "10.0.0.7",
        "169.254.169.254",
        "::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "100.64.0.1",
    ):

        async def lookup(_host: str, _port: int, found: str = inside) -> Sequence[str]:
            return ["93.184.216.34", found]

        for hosts in (["*"], ["api.example.org"], ["*.example.org"]):
            tool = HttpRequest({"allow_hosts": hosts}, lookup)
            failure = await refused(tool, {"url": "http://api.example.org/"})
            assert "an address inside a network" in failure.message


async def test_the_address_that_was_judged_is_the_one_that_is_asked(here: Site) -> None:
    here.tells("/", b"ok")
    asked: list[str] = []

    async def lookup(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    tool = HttpRequest({"allow_hosts": ["api.example.org", "127.0.0.1"]}, lookup)
    result = await used(tool, {"url": here.url("/", "api.example.org")})
    assert (result["status"], asked) == (200, ["api.example.org"])
    assert here.asked[0].headers["host"] == f"api.example.org:{here.port}"
    assert "127.0.0.2" in (await refused(tool, {"url": here.url("/", "api.example.org")})).message


async def test_localhost_is_asked_where_it_is_listed_by_that_name(here: Site) -> None:
    here.tells("/", b"ok")
    assert (await used(await asking(f"localhost:{here.port}"), {"url": here.url("/", "localhost")}))["text"] == "ok"

    async def lookup(_host: str, _port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    tool = HttpRequest({"allow_hosts": ["localhost"]}, lookup)
    assert "inside a network" in (await refused(tool, {"url": "http://localhost/"})).message


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1", True),
        *(
            (inside, False)
            for inside in ("0.0.0.0", "10.1.2.3", "100.64.0.1", "127.8.8.8", "169.254.169.254", "172.16.0.1")
        ),
        *(
            (inside, False)
            for inside in ("192.168.1.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255")
        ),
        *(
            (inside, False)
            for inside in ("::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::")
        ),
        *((inside, False) for inside in ("fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1", "64:ff9b:1::1")),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    "entry",
    ["", "a b", "http://a.example", "a.example/x", "a.example:0", "a.example:x", "*.*.org", "me@a.example", "*."],
)
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(UsageError, match="is no host"):
        read_hosts([entry])


async def test_without_hosts_nothing_can_be_asked() -> None:
    with pytest.raises(UsageError, match="needs `allow_hosts`"):
        await asking()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://BÜCHER.example./x", "xn--bcher-kva.example"),
        ("http://Api.Example.ORG", "api.example.org"),
        ("http://[0:0::1]/", "::1"),
    ],
)
def test_hosts_are_compared_in_one_form(url: str, host: str) -> None:
    assert read_url(url).host == host


# ---- redirects


async def test_redirects_are_followed_and_checked_anew(here: Site) -> None:
    here.tells("/a", status="302 Found", location="/b?x=1#part")
    here.tells("/b", status="308 Permanent Redirect", location=here.url("/c"))
    here.tells("/c", b"there")
    here.tells("/out", status="302 Found", location="http://169.254.169.254/latest")
    here.tells("/file", status="302 Found", location="file:///etc/passwd")
    here.tells("/back", status="302 Found", location=f"http://evil.example:{here.port}/")
    tool = await asking("127.0.0.1")
    result = await used(tool, {"url": here.url("/a")})
    assert (result["text"], result["url"]) == ("there", here.url("/c"))
    for path in ("/out", "/back"):
        assert "may not be asked" in (await refused(tool, {"url": here.url(path)})).message
    assert "is no url that can be asked" in (await refused(tool, {"url": here.url("/file")})).message


async def test_no_more_than_five_redirects_are_followed(here: Site) -> None:
    for number in range(6):
        here.tells(f"/{number}", status="302 Found", location=f"/{number + 1}")
    here.tells("/6", b"end")
    tool = await asking("127.0.0.1")
    assert (await used(tool, {"url": here.url("/1")}))["text"] == "end"
    assert "more than 5 times" in (await refused(tool, {"url": here.url("/0")})).message


async def test_what_is_said_to_one_host_is_not_said_to_another(here: Site) -> None:
    async with site() as other:
        other.tells("/", b"ok")
        here.tells("/", status="307 Temporary Redirect", location=other.url("/"))
        here.tells("/same", status="307 Temporary Redirect", location="/again")
        here.tells("/again", b"ok")
        tool = await asking("127.0.0.1", headers={"Authorization": "Bearer own", "X-Own": "own"})
        headers = {"X-Given": "given", "Cookie": "c=1", "Accept": "text/html", "authorization": "Bearer given"}
        await used(tool, {"url": here.url("/"), "headers": headers})
        await used(tool, {"url": here.url("/same"), "headers": headers})
        first, second = here.asked[0].headers, other.asked[0].headers
        assert (first["authorization"], first["x-own"], first["x-given"]) == ("Bearer own", "own", "given")
        assert not {"authorization", "x-own", "x-given", "cookie"} & set(second)
        assert second["accept"] == "text/html"
        assert here.asked[-1].headers["authorization"] == "Bearer own"


async def test_a_post_that_is_sent_elsewhere_becomes_a_get(here: Site) -> None:
    here.tells("/", status="303 See Other", location="/done")
    here.tells("/done", b"ok")
    await used(await asking("127.0.0.1"), {"url": here.url("/"), "method": "POST", "json": {"a": 1}})
    assert (here.asked[1].method, here.asked[1].body) == ("GET", b"")
    assert "content-type" not in here.asked[1].headers


# ---- bounds


async def test_an_answer_is_cut_at_the_limit_and_says_so(here: Site) -> None:
    here.tells("/", b"x" * 1_000_001)
    here.tells("/just", b"x" * 1_000_000)
    tool = await asking("127.0.0.1")
    result = await used(tool, {"url": here.url("/")})
    assert (len(result["text"]), result["truncated"]) == (1_000_000, True)
    assert (await used(tool, {"url": here.url("/just")}))["truncated"] is False
    small = await asking("127.0.0.1", max_bytes=10)
    assert (await used(small, {"url": here.url("/")}))["text"] == "x" * 10


async def test_an_endless_answer_is_read_no_further_than_the_limit(here: Site) -> None:
    async def endless(_asked: Asked, send: Send) -> None:
        await send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    here.pages["/"] = endless
    began = time.monotonic()
    assert (await used(await asking("127.0.0.1"), {"url": here.url("/")}))["truncated"] is True
    assert time.monotonic() - began < 10


async def test_a_slow_answer_is_given_up(here: Site) -> None:
    over = asyncio.Event()

    async def slow(_asked: Asked, send: Send) -> None:
        await send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nx")
        await over.wait()

    here.pages["/"] = slow
    tool = await asking("127.0.0.1", timeout="200ms")
    assert "no whole answer within" in (await refused(tool, {"url": here.url("/")})).message
    over.set()


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_a_packed_answer_is_unpacked_within_the_limit(here: Site, pack: Any) -> None:
    here.tells("/", pack(b"hello"), content_encoding="gzip" if pack is gzip.compress else "deflate")
    here.tells("/bomb", pack(b"\0" * 50_000_000), content_encoding="gzip" if pack is gzip.compress else "deflate")
    tool = await asking("127.0.0.1")
    assert (await used(tool, {"url": here.url("/")}))["text"] == "hello"
    result = await used(tool, {"url": here.url("/bomb")})
    assert (len(result["text"]), result["truncated"]) == (1_000_000, True)


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\n" + b"x-h: y\r\n" * 50_000 + b"\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
    ],
)
async def test_a_broken_answer_is_a_failure(here: Site, page: bytes) -> None:
    here.pages["/"] = page
    assert (await refused(await asking("127.0.0.1"), {"url": here.url("/")})).message


@pytest.mark.parametrize("charset", ["rot13", "unicode_escape", "idna", "zip", "utf-7", "nonsense", "utf-16"])
async def test_a_charset_is_no_way_in(here: Site, charset: str) -> None:
    here.tells("/", b"abc\xff", content_type=f"text/plain; charset={charset}")
    assert (await used(await asking("127.0.0.1"), {"url": here.url("/")}))["status"] == 200


async def test_json_that_is_none_is_null(here: Site) -> None:
    tool = await asking("127.0.0.1")
    for body in (b"{", b"NaN", b"[" * 100_000, b"", b'{"a": 1e999}', b'["\\ud800"]'):
        here.tells("/", body, content_type="application/json")
        result = await used(tool, {"url": here.url("/")})
        assert result["json"] is None


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection", "Proxy-Authorization"])
async def test_headers_that_steer_the_connection_are_refused(here: Site, name: str) -> None:
    tool = await asking("127.0.0.1")
    assert "cannot be set" in (await refused(tool, {"url": here.url("/"), "headers": {name: "x"}})).message


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}, {"X": "a\0"}, {"": "x"}, {"ä": "x"}, {"X": "\ud800"}]
)
async def test_headers_that_are_none_are_refused(here: Site, headers: dict[str, str]) -> None:
    here.tells("/", b"ok")
    assert (await refused(await asking("127.0.0.1"), {"url": here.url("/"), "headers": headers})).message


async def test_a_port_where_nobody_listens_is_told() -> None:
    async with site() as gone:
        url = gone.url("/")
        port = gone.port
    failure = await refused(await asking(f"127.0.0.1:{port}"), {"url": url})
    assert "cannot be connected to" in failure.message


async def test_a_proxy_of_the_environment_is_not_asked(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        here.tells("/", b"ok")
        assert (await used(await asking("127.0.0.1"), {"url": here.url("/")}))["text"] == "ok"
        assert proxy.asked == []


async def test_a_call_that_is_given_up_leaves_nothing_open(here: Site) -> None:
    reached, ended = asyncio.Event(), asyncio.Event()

    async def page(_asked: Asked, send: Send) -> None:
        reached.set()
        try:
            while True:
                await send(b"HTTP/1.1 100 Continue\r\n\r\n")
                await asyncio.sleep(0.01)
        finally:
            ended.set()

    here.pages["/"] = page
    call = asyncio.create_task(used(await asking("127.0.0.1"), {"url": here.url("/")}))
    await reached.wait()
    call.cancel()
    with pytest.raises((asyncio.CancelledError, WorkFailed)):
        await call
    await asyncio.wait_for(ended.wait(), 10)
