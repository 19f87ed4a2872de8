"""Secrets are kept out of whatever is written: `***` stands in their place, also where a text comes in pieces."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from magent.events import Event
from magent.model import Workflow
from magent.ports import Sink

MASK = "***"
SHORTEST = 4  # characters: what is shorter hides nothing, and would be found everywhere


def secrets_of(workflow: Workflow) -> dict[str, str]:
    """The secrets that the workflow lists, as far as the environment has them."""
    return {name: os.environ[name] for name in workflow.secrets if os.environ.get(name)}


def hidden(secrets: Iterable[str]) -> list[str]:
    """What must not be seen, the longest first: each secret as it is, and as JSON writes it."""
    found = {form for secret in secrets if len(secret) >= SHORTEST for form in (secret, json.dumps(secret)[1:-1])}
    return sorted(found, key=len, reverse=True)


def masker(secrets: Iterable[str]) -> Callable[[Any], Any] | None:
    """A function that puts `***` for every secret in the texts of JSON data; None where there is no secret."""
    words = hidden(secrets)
    if not words:
        return None
    pattern = _pattern(words)

    def mask(data: Any) -> Any:
        if isinstance(data, str):
            return pattern.sub(MASK, data)
        if isinstance(data, Mapping):
            return {mask(key): mask(value) for key, value in data.items()}
        return [mask(item) for item in data] if isinstance(data, list) else data

    return mask


def _pattern(words: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words)))


class MaskedSink:
    """Hands events on. Of a text that streams, what may be the beginning of a secret is held back until it is known."""

    def __init__(self, sinks: Sequence[Sink], secrets: Iterable[str]) -> None:
        self._sinks = tuple(sinks)
        self._words = hidden(secrets)
        self._pattern = _pattern(self._words)
        self._held: dict[str, Event] = {}

    def __call__(self, event: Event) -> None:
        path = str(event.data.get("path", ""))
        if event.type == "text":
            self._stream(path, event)
            return
        for name in [path] if "path" in event.data else [*self._held]:
            if (rest := self._held.pop(name, None)) is not None:
                self._tell(rest)  # it was the beginning of nothing
        self._hand_on(event)

    def _stream(self, path: str, event: Event) -> None:
        before = self._held.pop(path, None)
        text = (str(before.data["text"]) if before else "") + str(event.data["text"])
        cut = self._doubtful(text)
        if text[cut:]:
            self._held[path] = _with_text(event, text[cut:])
        if text[:cut]:
            self._tell(_with_text(event, text[:cut]))

    def _doubtful(self, text: str) -> int:
        """Where the end of `text` begins that may be the beginning of a secret, but not in the middle of another."""
        spans = [found.span() for found in self._pattern.finditer(text)]
        for start in range(max(0, len(text) - len(self._words[0]) + 1), len(text)):
            inside = any(first < start < last for first, last in spans)
            rest = text[start:]
            if not inside and any(len(word) > len(rest) and word.startswith(rest) for word in self._words):
                return start
        return len(text)

    def _tell(self, event: Event) -> None:
        self._hand_on(_with_text(event, self._pattern.sub(MASK, str(event.data["text"]))))

    def _hand_on(self, event: Event) -> None:
        for sink in self._sinks:
            sink(event)


def _with_text(event: Event, text: str) -> Event:
    return event._replace(data={**event.data, "text": text})
