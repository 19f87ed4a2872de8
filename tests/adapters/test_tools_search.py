import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from magent.errors import UsageError
from magent.ports import Tool
from tests.adapters.serving import Asked, Send, Site, site
from tests.adapters.tooling import one, refused, used

FOUND = [
    {
        "url": "https://a.example/1",
        "title": "The <strong>tides</strong>",
        "content": "High &amp; low\n  water",
        "engine": "x",
    },
    {"url": "https://a.example/1", "title": "again", "content": ""},
    {"url": "javascript:alert(1)", "title": "no", "content": ""},
    {"url": "https://a.example/2", "title": None},
    "nonsense",
    {"url": "https://a.example/3", "title": "c", "content": "x" * 5000},
]


@pytest.fixture
async def here() -> AsyncIterator[Site]:
    async with site() as made:
        yield made


async def searxng(here: Site, **settings: Any) -> Tool:
    return await one({"builtin": "web_search", "provider": "searxng", "base_url": here.url("/"), **settings})


async def brave(here: Site, **settings: Any) -> Tool:
    return await one({"builtin": "web_search", "provider": "brave", "base_url": here.url(""), **settings})


async def test_searxng_gives_title_url_and_snippet(here: Site) -> None:
    here.tells("/search", json.dumps({"query": "tides", "results": FOUND}).encode(), content_type="application/json")
    results = await used(await searxng(here), {"query": "tides & waves"})
    assert results[0] == {"title": "The tides", "url": "https://a.example/1", "snippet": "High & low water"}
    assert [result["url"][-1] for result in results] == ["1", "2", "3"]
    assert results[1] == {"title": "", "url": "https://a.example/2", "snippet": ""}
    assert len(results[2]["snippet"]) == 1000
    assert here.asked[0].target == "/search?q=tides+%26+waves&format=json"
    assert len(await used(await searxng(here), {"query": "tides", "max_results": 1})) == 1


async def test_brave_is_asked_with_its_key(here: Site) -> None:
    found = {"web": {"results": [{"url": "https://b.example/", "title": "B", "description": "of <b>b</b>"}]}}
    here.tells("/res/v1/web/search", json.dumps(found).encode(), content_type="application/json")
    results = await used(await brave(here, api_key="key-1"), {"query": "b", "max_results": 50})
    assert results == [{"title": "B", "url": "https://b.example/", "snippet": "of b"}]
    assert here.asked[0].headers["x-subscription-token"] == "key-1"
    assert here.asked[0].target.endswith("q=b&count=20")
    here.tells("/res/v1/web/search", b"{}", content_type="application/json")
    assert await used(await brave(here, api_key="key-1"), {"query": "b"}) == []


async def test_what_keeps_a_search_from_its_results_is_said(here: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRAVE_API_KEY", raising=False)
    failure = await refused(await brave(here), {"query": "b"})
    assert "needs a key" in failure.message
    assert "BRAVE_API_KEY" in str(failure.hint)
    for status, why in (
        ("429 Too Many Requests", "too many questions (429): it asks to wait 7 seconds"),
        ("500 Internal Server Error", "answered 500: broken"),
        ("403 Forbidden", "searxng refuses JSON (403)"),
    ):
        here.tells("/search", b"<b>broken</b>", status=status, retry_after="7")
        told = await refused(await searxng(here), {"query": "b"})
        assert why in told.message
        assert told.retry_after == (7 if "429" in why else None)
    for body in (b"<html>", b"[]", b'{"results": 3}', b"[" * 90_000):
        here.tells("/search", body)
        assert (await refused(await searxng(here), {"query": "b"})).message
    here.tells("/res/v1/web/search", b"{}", status="401 Unauthorized")
    assert "does not accept the key" in (await refused(await brave(here, api_key="x"), {"query": "b"})).message


async def test_a_service_that_is_down_or_silent_is_told(here: Site) -> None:
    over = asyncio.Event()

    async def silent(_asked: Asked, _send: Send) -> None:
        await over.wait()

    here.pages["/search"] = silent
    assert "did not answer within" in (await refused(await searxng(here, timeout="200ms"), {"query": "b"})).message
    over.set()
    gone = await one({"builtin": "web_search", "provider": "searxng", "base_url": "http://127.0.0.1:1"})
    assert "cannot be connected to" in (await refused(gone, {"query": "b"})).message


async def test_a_query_has_to_be_one(here: Site) -> None:
    tool = await searxng(here)
    for arguments in ({"query": ""}, {"query": "x" * 501}, {"query": "a", "max_results": 0}, {}, {"q": "a"}):
        assert "do not fit" in (await refused(tool, arguments)).message


async def test_a_provider_that_is_not_known_is_told() -> None:
    with pytest.raises(UsageError, match="knows no provider 'searx'") as told:
        await one({"builtin": "web_search", "provider": "searx"})
    assert told.value.hint == "did you mean 'searxng'?"
    with pytest.raises(UsageError, match="needs a `base_url`"):
        await one({"builtin": "web_search", "provider": "searxng"})
    assert (await one({"builtin": "web_search", "provider": "ddgs"})).name == "t"
