"""What every kind of agent has in common: its settings join the request, time is bounded, JSON is found in text."""

from __future__ import annotations

import asyncio
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from magent.durations import parse, show
from magent.events import Failure, WorkFailed
from magent.model import AgentSpec
from magent.ports import Executor, Reply, Request, Usage

OnText = Callable[[str], None]
OnProgress = Callable[[str, int, int], None]
_OPENING = re.compile(r"[{\[]")
_EFFORT = 20_000_000  # characters, about, that looking for JSON in a text may read before it gives up
_ATTEMPT = 500  # what an attempt costs in any case, in characters
_DEEP = 20_000  # what one costs that finds it nested too deep


def _no_progress(what: str, done: int, total: int) -> None:
    """Nobody looks on."""


@dataclass(frozen=True, slots=True)
class AgentEnvironment:
    """What agents get from the run, beside the question.

    `environ` is where the keys of models are looked up; `child_environ` what the children of `command` agents see.
    `cache` is the directory for the local model's file (None: the user's own). `on_progress(what, done, total)`
    is told, from a thread, how many bytes of it have arrived. `seen()` is what settings see that are rendered at
    each question. `paces`, by their bounds, are what agents have in common that are one agent in the file.
    """

    executor: Executor
    environ: Mapping[str, str] = field(default_factory=dict)
    child_environ: Mapping[str, str] = field(default_factory=dict)
    cache: Path | None = None
    on_progress: OnProgress = _no_progress
    seen: Callable[[], Mapping[str, Any]] = dict
    paces: dict[Any, Any] = field(default_factory=dict)


def failed(message: str, hint: str | None = None, *, kind: str = "agent", **more: Any) -> WorkFailed:
    """A failure to raise: of type `agent`, unless `kind` says otherwise."""
    return WorkFailed(Failure(kind, message, hint=hint, **more))


class BaseAgent(ABC):
    """An agent of the file. Its `max_tokens` holds where the request has none, its `timeout` beside the request's."""

    def __init__(self, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> None:
        self.spec = spec
        self.name = spec.name
        self.home = spec.home
        self.settings = settings
        self.environment = environment
        timeout = settings.get("timeout")
        self._timeout = None if timeout is None else parse(timeout)

    async def ask(self, request: Request, on_text: OnText) -> Reply:
        request = self._with_own(request)
        try:
            async with asyncio.timeout(request.timeout):
                return await self.answer(request, on_text)
        except TimeoutError as error:
            after = f" after {show(request.timeout)}" if request.timeout is not None else ""
            hint = "raise the `timeout` of the agent or the task"
            raise failed(f"agent '{self.name}' did not answer in time{after}", hint, kind="timeout") from error

    @abstractmethod
    async def answer(self, request: Request, on_text: OnText) -> Reply:
        """Answers `request`, which has the agent's own settings in it."""

    async def reach(self, online: bool) -> str:  # noqa: ARG002
        """In a few words how it is reached. Raises WorkFailed where it cannot be."""
        return ""

    async def close(self) -> None:
        return None

    def _with_own(self, request: Request) -> Request:
        limits = [limit for limit in (self._timeout, request.timeout) if limit is not None]
        return replace(
            request,
            max_tokens=request.max_tokens if request.max_tokens is not None else self.settings.get("max_tokens"),
            timeout=min(limits) if limits else None,
        )


class Unusable:
    """Stands for an agent that cannot be made: says why when it is asked, as any other failure of an agent."""

    def __init__(self, failure: WorkFailed) -> None:
        self.why = failure

    async def ask(self, request: Request, on_text: OnText) -> Reply:  # noqa: ARG002
        raise self.why

    async def reach(self, online: bool) -> str:  # noqa: ARG002
        raise self.why

    async def close(self) -> None:
        return None


def reply_with(value: Any, schema: Mapping[str, Any] | None, usage: Usage, model: str = "") -> Reply:
    """The reply of an agent that gives values: text stays text (JSON in it is found), all else is data and its JSON."""
    if isinstance(value, str):
        return reply_from_text(value, schema, usage, model)
    text = "" if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Reply(text, value, value is not None and schema is not None, usage, model)


def reply_from_text(text: str, schema: Mapping[str, Any] | None, usage: Usage, model: str = "") -> Reply:
    data, found = (None, False) if schema is None else find_json(text)
    return Reply(text, data, found, usage, model)


def cut_off(agent: str, tokens: int, what: str = "its JSON") -> WorkFailed:
    """An answer that ends in the middle: asking for a repair under the same bound would end there, too."""
    message = f"the answer of agent '{agent}' was cut off after {tokens} tokens, in the middle of {what}"
    return failed(message, "raise `max_tokens` on the agent, or ask for less", kind="output")


def find_json(text: str) -> tuple[Any, bool]:
    """The first JSON object in `text` (else array, or lone value), past fences and prose; and whether there is one."""
    with suppress(ValueError, RecursionError):
        return DECODER.decode(text.strip()), True
    arrays: list[Any] = []
    for value in json_values(text):
        if isinstance(value, dict):
            return value, True
        arrays.append(value)
    return (arrays[0], True) if arrays else (None, False)


def json_values(text: str, decoder: json.JSONDecoder | None = None) -> Iterator[Any]:
    """The JSON objects and arrays in `text`, past whatever stands between them; none that is part of another."""
    place, left = 0, _EFFORT
    while left > 0 and (opening := _OPENING.search(text, place)):
        start, place = opening.start(), opening.end()
        left -= _ATTEMPT + start // 8  # an error counts the lines before it
        try:
            value, place = (decoder or DECODER).raw_decode(text, start)
        except json.JSONDecodeError as error:
            left -= error.pos - start
        except (ValueError, RecursionError):
            left -= _DEEP
        else:
            yield value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_refuse)
