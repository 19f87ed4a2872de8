"""Whether a provider of models answers and takes the key: its list of models is asked for, which costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.agents.base import failed
from magent.source import did_you_mean

PATIENCE = 5.0  # seconds
_MOST = 2_000_000  # bytes of a list that are read
_PATHS: Mapping[str, str] = {"anthropic": "/v1/models?limit=1000", "google": "/v1beta/models?pageSize=1000"}
_VERSION = "2023-06-01"


async def reach(kind: str, base_url: str, key: str, model: str) -> str:
    """In a few words what was found. Raises WorkFailed: `agent`, `timeout`."""
    import httpx

    base = base_url.rstrip("/")
    path = _PATHS.get(kind, "/models")
    url = base + (path.replace("/v1/", "/", 1) if base.endswith("/v1") and kind in _PATHS else path)
    where = httpx.URL(url).netloc.decode()
    try:
        async with httpx.AsyncClient(timeout=PATIENCE, follow_redirects=False) as client:
            response = await client.get(url, headers=_headers(kind, key))
    except httpx.TimeoutException as error:
        raise failed(f"{where} did not answer within {PATIENCE:g} seconds", "is it running?", kind="timeout") from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        raise failed(f"{where} cannot be reached", "is it running? see `base_url`") from error
    status = response.status_code
    if status in (401, 403) or (status == 400 and kind == "google"):
        raise failed(f"{where} refuses the key ({status})", "see `api_key`, or the key's variable", final=True)
    if status >= 500:
        raise failed(f"{where} answers with an error ({status})", "the fault is the server's: try again later")
    known = _models(response) if status == 200 else []
    if not known:
        return f"{where} answers"
    if model in known:
        return f"{where} answers, has the model"
    raise failed(f"{where} answers, and has no model '{model}'", did_you_mean(model, known) or _some(known), final=True)


def _some(known: list[str]) -> str:
    return f"it has: {', '.join(known[:5])}{' …' if len(known) > 5 else ''}"


def _headers(kind: str, key: str) -> dict[str, str]:
    if not key:
        return {}
    if kind == "anthropic":
        return {"x-api-key": key, "anthropic-version": _VERSION}
    return {"x-goog-api-key": key} if kind == "google" else {"authorization": f"Bearer {key}"}


def _models(response: Any) -> list[str]:
    """The names in a list of OpenAI's, Anthropic's or Google's form; none where it is another."""
    if len(response.content) > _MOST:
        return []
    try:
        data = response.json()
    except ValueError:
        return []
    entries = data.get("data") or data.get("models") if isinstance(data, dict) else None
    names = [
        str(entry.get("id") or entry.get("name") or "").removeprefix("models/")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    ]
    return [name for name in names if name]
