"""Tells somebody that a run began to wait, or ended: a command that is run, or a webhook that gets JSON by POST.

It never takes longer than ten seconds, changes nothing of what the run has come to, and what it fails of is said once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeGuard
from urllib.parse import urlsplit

from magent.answering import name_of
from magent.apart import apart
from magent.commands import MOST
from magent.engine import run as lives
from magent.engine.fold import Run
from magent.engine.recorder import masked
from magent.engine.view import names
from magent.errors import StoreError
from magent.events import Event
from magent.expressions import Value
from magent.keys import GUARD
from magent.outcome import Result
from magent.outfit import Outfit
from magent.ports import Journal

PATIENCE = 8.0  # seconds; a command that is ended then may take two more
USUAL = ("waiting", "failed", "completed")
_SHOWN = 300  # characters of what a command printed, or a server answered, when it failed
TOLD = ("run_id", "workflow", "status", "waiting", "error", "outputs", "path", "steps", "duration", "cost_usd", "dir")


class Untold(Exception):
    """Nobody was told: why."""


async def told_of(run: Run, result: Result, outfit: Outfit, journal: Journal) -> Event | None:
    """Tells who wants to know, and records it; the event, where there was anything to tell."""
    data = await notify(run, result, outfit)
    if data is None:
        return None
    event = Event(run.seq + 1, round(outfit.clock.now(), 3), "notified", masked(outfit.mask, data))
    with suppress(StoreError):  # what the run came to is on the record
        await journal.append([event], sync=True)
        run.apply(event)
    return event


async def notify(run: Run, result: Result, outfit: Outfit) -> dict[str, Any] | None:
    """The data of the event `notified`, with `error` where nobody was told; None where there was nothing to tell."""
    spec = run.workflow.notify
    if spec is None or run.status not in spec.get("on", USUAL):
        return None
    questions = [name_of(question) for question in lives.open_questions(run)] if run.status == "waiting" else []
    if questions and set(questions) <= set(run.notified):
        return None  # they know
    data: dict[str, Any] = {"on": run.status, "how": "command" if "command" in spec else "webhook"}
    try:
        async with asyncio.timeout(PATIENCE):
            await _tell(spec, run, result, outfit)
    except TimeoutError:
        return data | {"error": f"it took longer than {PATIENCE:g} seconds"}
    except Exception as error:  # noqa: BLE001 — whatever it is, the run is what it is
        said = str(error) or type(error).__name__
        return data | {"error": outfit.hidden.hide(GUARD.hide(said))[:1000]}
    return data | {"questions": questions}


async def _tell(spec: Mapping[str, Any], run: Run, result: Result, outfit: Outfit) -> None:
    whole = result.as_json()
    told = {"text": sentence(result)} | {name: whole[name] for name in TOLD}
    seen = {**names(run, run.root), "outputs": result.outputs, "status": result.status, "waiting": result.waiting}
    if "command" in spec:
        await _run(spec["command"], seen, told, outfit)
    else:
        seen["secrets"] = outfit.secrets
        url, headers = Value(spec["webhook"]).evaluate(seen), Value(spec.get("headers", {})).evaluate(seen)
        await apart(_post, url, headers, json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))


_SAID = {"failed": "has failed", "completed": "is completed"}


def sentence(result: Result) -> str:
    """What happened, in a line: chat servers show `text`."""
    if result.status == "waiting":
        asked = [f"{each['path']}: {each['prompt']}".removesuffix(": ") for each in result.waiting]
        return f"{result.workflow} waits for an answer at {'; '.join(asked)} ({result.run_id})"
    why = f": {result.error['message']}" if result.error else ""
    return f"{result.workflow} {_SAID.get(result.status, f'is {result.status}')}{why} ({result.run_id})"


# ---- a command


async def _run(words: Any, seen: Mapping[str, Any], told: Mapping[str, Any], outfit: Outfit) -> None:
    """Each word is one argument, one that gives a list several; the rest comes on stdin."""
    argv: list[str] = []
    for word in words:
        value = Value(word).evaluate(seen)
        argv += [_argument(each) for each in (value if isinstance(value, list) else [value])]
    done = await outfit.executor.run(
        argv,
        env=outfit.child_env,
        cwd=outfit.cwd,
        stdin=json.dumps(told, ensure_ascii=False),
        on_output=lambda _stream, _text: None,
    )
    if done.exit_code:
        tail = (done.stderr.strip() or done.stdout.strip())[-_SHOWN:]
        raise Untold(f"{argv[0]} ended with exit code {done.exit_code}" + (f": {tail}" if tail else ""))


def _argument(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if "\0" in text:
        raise Untold("an argument holds a NUL")
    if len(text.encode("utf-8", "surrogatepass")) > MOST:
        raise Untold("an argument is over 100 KB: the whole result comes on stdin, as JSON")
    return text


# ---- a webhook


def _is_address(url: Any) -> TypeGuard[str]:
    try:
        return isinstance(url, str) and urlsplit(url).scheme in ("http", "https")
    except ValueError:
        return False


def _post(url: Any, headers: Mapping[str, Any], body: bytes) -> None:
    """Raises Untold. A redirect is not followed: what is sent was meant for that address alone."""
    from urllib.error import HTTPError, URLError
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Stays(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    if not _is_address(url):
        raise Untold("the webhook is no http:// or https:// address")
    given = {str(name): _argument(value) for name, value in headers.items()}
    usual = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "magent"}
    try:
        request = Request(url, body, usual | given)  # noqa: S310
        with build_opener(Stays).open(request, timeout=PATIENCE) as answer:
            answer.read(_SHOWN)
    except HTTPError as error:
        with error:
            said = " ".join(error.read(_SHOWN).decode("utf-8", "replace").split())
        raise Untold(f"the webhook answered {error.code} {error.reason}" + (f": {said}" if said else "")) from error
    except (URLError, OSError, ValueError, UnicodeError) as error:
        raise Untold(f"the webhook cannot be reached: {getattr(error, 'reason', None) or error}") from error
    except Exception as error:  # http.client has a tree of its own
        raise Untold(f"the webhook does not speak HTTP: {str(error) or type(error).__name__}") from error
