"""The built-in tool `web_search`: asks a search service, gives what it found as `{title, url, snippet}`."""

from __future__ import annotations

import asyncio
import html
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from magent import durations
from magent.errors import UsageError
from magent.ports import ToolContext
from magent.source import did_you_mean
from magent.spec.builtins import BUILTINS
from magent.tools.base import failed
from magent.tools.http_connect import Answer, exchange, read_url

USUAL_RESULTS = 10
SECONDS = 20.0
LARGEST_ANSWER = 4_000_000  # bytes
BRAVE = "https://api.search.brave.com"
BRAVE_KEY = "BRAVE_API_KEY"
_LONGEST = 1000  # characters of a title or a snippet
_TAG = re.compile(r"</?(?:strong|b|em|i|mark|br|span)\b[^<>]*>", re.I)

Provider = Callable[[Mapping[str, Any], str, int], Awaitable[Iterable[Any]]]


class WebSearch:
    """A list of `{title, url, snippet}`, the best first."""

    name = "web_search"
    description, parameters = BUILTINS["web_search"][""]
    external = False
    confirm = False

    def __init__(self, settings: Mapping[str, Any]) -> None:
        provider = str(settings.get("provider", "searxng" if settings.get("base_url") else "ddgs"))
        if provider not in PROVIDERS:
            hint = did_you_mean(provider, PROVIDERS) or f"there are: {', '.join(PROVIDERS)}"
            raise UsageError(f"`web_search` knows no provider '{provider}'", hint)
        if provider == "searxng" and not settings.get("base_url"):
            raise UsageError("`provider: searxng` needs a `base_url`", "such as http://localhost:8888")
        self._provider = provider
        self._settings = settings
        self._seconds = durations.parse(settings.get("timeout", SECONDS))

    async def call(self, arguments: Mapping[str, Any], _context: ToolContext, /) -> list[dict[str, str]]:
        most = arguments.get("max_results", self._settings.get("max_results", USUAL_RESULTS))
        try:
            async with asyncio.timeout(self._seconds):
                found = await PROVIDERS[self._provider](self._settings, arguments["query"], most)
        except TimeoutError as error:
            raise failed(f"{self._provider} did not answer within {durations.show(self._seconds)}") from error
        return list(_results(found))[:most]


def _results(found: Iterable[Any]) -> Iterable[dict[str, str]]:
    """Those that have an address, each address once."""
    seen: set[str] = set()
    for item in found:
        url = str(item.get("url") or item.get("href") or "") if isinstance(item, Mapping) else ""
        if url.startswith(("http://", "https://")) and url not in seen:
            seen.add(url)
            snippet = item.get("content") or item.get("description") or item.get("body")
            yield {"title": _plain(item.get("title")), "url": url, "snippet": _plain(snippet)}


def _plain(text: Any) -> str:
    """Text without the tags that mark what was found."""
    words = html.unescape(_TAG.sub("", str(text or "")[: 4 * _LONGEST])).split()
    return " ".join(words)[:_LONGEST]


# ---- providers


async def _searxng(settings: Mapping[str, Any], query: str, _most: int) -> Iterable[Any]:
    base = str(settings["base_url"]).rstrip("/")
    headers = [("Authorization", f"Bearer {settings['api_key']}")] if settings.get("api_key") else []
    answer = await _get(f"{base.removesuffix('/search')}/search", {"q": query, "format": "json"}, headers, "searxng")
    if answer.status == 403:
        raise failed("searxng refuses JSON (403)", "add `json` to `search: formats:` in its settings.yml")
    return _listed(_data(answer, "searxng"), "results")


async def _brave(settings: Mapping[str, Any], query: str, most: int) -> Iterable[Any]:
    key = settings.get("api_key") or os.environ.get(BRAVE_KEY)
    if not key:
        hint = f'export {BRAVE_KEY}=…, or write `api_key: "{{{{ secrets.{BRAVE_KEY} }}}}"` on the tool'
        raise failed("brave needs a key, and there is none", hint)
    base = str(settings.get("base_url") or BRAVE).rstrip("/")
    asked = {"q": query, "count": str(min(most, 20))}
    headers = [("X-Subscription-Token", str(key))]
    answer = await _get(f"{base}/res/v1/web/search", asked, headers, "brave")
    data = _data(answer, "brave")
    return _listed(data.get("web") or {"results": []} if isinstance(data, Mapping) else data, "results")


async def _get(url: str, asked: Mapping[str, str], headers: list[tuple[str, str]], provider: str) -> Answer:
    usual = [("User-Agent", "magent"), ("Accept", "application/json")]
    target = read_url(f"{url}?{urlencode(asked, errors='replace')}")
    answer = await exchange("GET", target, [*usual, *headers], None, most=LARGEST_ANSWER)
    if answer.status == 429:
        after = answer.headers.get("retry-after", "")
        wait = float(after) if after.isdecimal() and len(after) < 6 else None
        told = "" if wait is None else f": it asks to wait {wait:g} seconds"
        raise failed(f"{provider} has had too many questions (429){told}", "try again later", retry_after=wait)
    if answer.status in (401, 422) and provider == "brave":
        raise failed(f"brave does not accept the key ({answer.status})", f"is {BRAVE_KEY} right?")
    return answer


def _data(answer: Answer, provider: str) -> Any:
    if answer.status != 200:
        text = " ".join(_plain(answer.text()).split())[:200]
        raise failed(f"{provider} answered {answer.status}{': ' + text if text else ''}", "is `base_url` right?")
    try:
        return answer.json()
    except ValueError as error:
        raise failed(f"{provider} gave something that is not JSON", "is `base_url` right?") from error


def _listed(data: Any, key: str) -> Iterable[Any]:
    found = data.get(key) if isinstance(data, Mapping) else None
    if not isinstance(found, list):
        raise failed(f"the search service gave no list of `{key}`", "is `base_url` right?")
    return found


async def _ddgs(_settings: Mapping[str, Any], query: str, most: int) -> Iterable[Any]:
    try:
        from ddgs import DDGS
        from ddgs.exceptions import DDGSException, RatelimitException
    except ImportError as error:
        raise failed("`provider: ddgs` needs the library ddgs", "pip install 'magent-cli[search]'") from error

    def search() -> list[Any]:
        return list(DDGS(timeout=int(SECONDS)).text(query, max_results=most))

    try:
        return await asyncio.to_thread(search)
    except RatelimitException as error:
        raise failed("ddgs has had too many questions", "try again later, or take another provider") from error
    except DDGSException as error:
        if "no results" in str(error).lower():
            return []
        raise failed(f"ddgs found nothing out: {error}") from error


PROVIDERS: dict[str, Provider] = {"ddgs": _ddgs, "searxng": _searxng, "brave": _brave}
