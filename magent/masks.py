"""Secrets are kept out of whatever is written: `***` stands in their place, also where a text comes in pieces.

Everything that is recorded goes through here before it is applied, so that a run goes on with what its record says:
where a value held a secret it reads `***` from then on, in this life as in every later one. `secrets.NAME` itself is
read from the environment, and true.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from magent.errors import MagentError, UsageError
from magent.events import Event
from magent.hiding import MASK, MaskedText, Words
from magent.keys import GUARD, values
from magent.model import Workflow
from magent.ports import Sink
from magent.spec.build import build
from magent.spec.loader import Bundle

Mask = Callable[[Any], Any]


def secrets_of(workflow: Workflow) -> dict[str, str]:
    """The secrets that the workflow lists, as far as the environment has them: what `secrets.NAME` gives."""
    return {name: os.environ[name] for name in workflow.secrets if os.environ.get(name)}


def names_of(workflow: Workflow) -> set[str]:
    """The variables that the workflow lists as secrets, and those that the files list which it calls."""
    documents = workflow.frozen.get("documents", {}).values()
    listed = (document["data"].get("secrets") for document in documents)
    return {*workflow.secrets, *(name for names in listed if isinstance(names, list) for name in names)}


def words_of(workflow: Workflow) -> Words:
    """What must not be seen of a run: the workflow's secrets, and known keys. From now on nothing shows them."""
    names = names_of(workflow)
    GUARD.add(names)
    return Words(values(os.environ, names).values())


def frozen_of(workflow: Workflow, words: Words) -> Mapping[str, Any]:
    """The workflow as its run keeps it: without secrets that stand in its files, which a resume does not see there.
    Raises UsageError where the workflow would be another one without them."""
    frozen = workflow.frozen
    if not words:
        return frozen
    mask = mask_of(words)
    kept = {**frozen, **{name: _documents(frozen[name], mask) for name in ("documents", "libraries")}}
    if kept == frozen:
        return frozen
    try:
        same = _names(build(Bundle.from_json(kept))) == _names(workflow)
    except MagentError:
        same = False
    if not same:
        message = f"the value of a secret is part of a name in {workflow.file or workflow.name}"
        raise UsageError(message, "a run keeps its workflow, but never a secret: take it out of the file")
    return kept


def _documents(documents: Mapping[str, Any], mask: Mask) -> dict[str, Any]:
    return {key: {**document, "data": mask(document["data"])} for key, document in documents.items()}


def _names(workflow: Workflow) -> dict[str, list[str]]:
    return {key: [*graph.nodes, *graph.agents, *graph.tools] for key, graph in workflow.graphs.items()}


def masker(secrets: Iterable[str]) -> Mask | None:
    """A function that puts `***` for every secret in the texts of JSON data; None where there is no secret."""
    words = Words(secrets)
    return mask_of(words) if words else None


def mask_of(words: Words) -> Mask:
    """What holds no secret is given back as it is, not copied."""

    def mask(data: Any) -> Any:
        if isinstance(data, str):
            return words.hide(data)
        if isinstance(data, Mapping):
            return _entries(data, mask)
        if isinstance(data, (list, tuple)):
            masked = []
            for item in data:
                masked.append(mask(item))
            return data if all(one is other for one, other in zip(data, masked, strict=True)) else masked
        if words.numeric and isinstance(data, (int, float)) and not isinstance(data, bool):
            return MASK if words.found(str(data)) else data
        return data

    return mask


def _entries(data: Mapping[Any, Any], mask: Mask) -> Mapping[Any, Any]:
    masked: dict[Any, Any] = {}
    same = True
    for key, value in data.items():
        name, number = mask(key), 1
        while name in masked:  # two keys that read alike now
            number += 1
            name = f"{mask(key)} ({number})"
        masked[name] = mask(value)
        same = same and name == key and masked[name] is value
    return data if same else masked


_LAST = frozenset(f"visit.{how}" for how in ("completed", "failed", "cancelled", "skipped", "retry"))


class MaskedSink:
    """Hands events on. Each speaker at an address has a text of its own."""

    def __init__(self, sinks: Sequence[Sink], words: Words) -> None:
        self._sinks = tuple(sinks)
        self._words = words
        self._mask = mask_of(words)
        self._texts: dict[str, dict[str, tuple[MaskedText, Event]]] = {}

    def __call__(self, event: Event) -> None:
        path = str(event.data.get("path", ""))
        if event.type == "text":
            self._stream(path, event)
            return
        if event.type == "text.withdrawn":
            self._end(self._texts.get(path, {}), _speaker(event))
        elif event.type in _LAST:
            self._end(self._texts.pop(path, {}))
        elif event.type.startswith("run."):
            for name in [*self._texts]:
                self._end(self._texts.pop(name))
        for text, last in self._texts.get(path, {}).values():  # who goes on may be in the middle of a word
            self._tell(last, text.pause())
        self._hand_on(event)

    def _end(self, texts: dict[str, tuple[MaskedText, Event]], *speakers: str) -> None:
        for speaker in speakers or [*texts]:
            if speaker in texts:
                text, last = texts.pop(speaker)
                self._tell(last, text.end())

    def _stream(self, path: str, event: Event) -> None:
        speaker = _speaker(event)
        texts = self._texts.setdefault(path, {})
        text = texts[speaker][0] if speaker in texts else MaskedText(self._words)
        texts[speaker] = (text, event)
        self._tell(event, text.add(str(event.data["text"])))

    def _tell(self, event: Event, text: str) -> None:
        if text:
            self._hand_on(event._replace(data={**self._mask({**event.data, "text": ""}), "text": text}))

    def _hand_on(self, event: Event) -> None:
        for sink in self._sinks:
            sink(event)


def _speaker(event: Event) -> str:
    return "|".join(f"{name}={value}" for name, value in event.data.items() if name not in ("path", "text"))
