"""The envelopes in which agent CLIs put their answers: JSON with the text, its tokens, its cost, or what went wrong.

An envelope is described in YAML: one of the catalogue's by name, or a user's own (see `catalogue/envelopes.yaml`).
Where something stands is said in magent's own expressions; one that comes to nothing tells nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from magent.agents.base import failed, json_values
from magent.expressions import EvaluationError, Expression, ExpressionProblem
from magent.source import did_you_mean
from magent.spec.catalogue import predefined_envelopes

NONE = "none"
_LOOKED_INTO = 1000  # JSON values among which the envelope is looked for
_JSON = json.JSONDecoder(parse_constant=lambda _: None)  # a NaN tells nothing
_KEYS = ("pick", "text", "data", "stream", "cost", "model")
_OF_ERROR = ("when", "message", "status", "retry_after")


@dataclass(frozen=True, slots=True)
class Opened:
    """What was in an envelope. `text` None: no answer; `error`: that it failed, and in which words. `cost` in dollars,
    None where it is not told; so are tokens."""

    text: str | None
    data: Any = None
    input: int | None = None
    output: int | None = None
    cost: float | None = None
    model: str = ""
    error: str | None = None
    status: int | None = None
    retry_after: float | None = None

    @property
    def answers(self) -> bool:
        return self.text is not None or self.data is not None


class Envelope:
    """Raises WorkFailed where the description holds no expression, or names no envelope."""

    def __init__(self, name: str, described: Mapping[str, Any]) -> None:
        self.name = name
        self.lines = described.get("format", "json") == "jsonl"
        self._deltas = described.get("deltas") is True
        errors = described.get("error") or {}
        usage = described.get("usage") or {}
        self._at = {key: self._expression(key, described.get(key)) for key in _KEYS}
        self._error = {key: self._expression(f"error.{key}", errors.get(key)) for key in _OF_ERROR}
        self._usage = {
            key: [self._expression(f"usage.{key}", each) for each in _listed(usage.get(key))]
            for key in ("input", "output")
        }

    def _expression(self, key: str, source: Any) -> Expression | None:
        if source is None:
            return None
        try:
            return Expression(source)
        except ExpressionProblem as error:
            raise failed(f"envelope '{self.name}': `{key}` is no expression: {error.message}", error.hint) from error

    def open(self, printed: str) -> Opened | None:
        """None where nothing was printed that may be such an envelope; of several the first with an answer, else that
        with an error."""
        found = [_objects(printed)] if self.lines else _values(printed)
        rest: list[Opened] = []
        for each in islice(filter(None, found), _LOOKED_INTO):
            opened = self._opened(each)
            if opened.answers:
                return opened
            rest.append(opened)
        return next((each for each in rest if each.error is not None), rest[0] if rest else None)

    def _opened(self, found: Any) -> Opened:
        answer = _of(self._at["pick"], {"printed": found}) if self._at["pick"] else found
        names = {"printed": found, "answer": answer}
        told = {key: _of(self._at[key], names) for key in ("text", "data", "cost", "model")}
        wrong = bool(_of(self._error["when"], names))
        said = (_text(_of(self._error["message"], names)) or "it says that it failed, and not why") if wrong else None
        names |= {"message": said}
        return Opened(
            text=_text(told["text"]),
            data=told["data"],
            input=self._tokens("input", names),
            output=self._tokens("output", names),
            cost=_figure(told["cost"]),
            model=_text(told["model"]) or "",
            error=said,
            status=_whole(_of(self._error["status"], names)) if wrong else None,
            retry_after=_figure(_of(self._error["retry_after"], names)) if wrong else None,
        )

    def _tokens(self, key: str, names: Mapping[str, Any]) -> int | None:
        found = [figure for at in self._usage[key] if (figure := _figure(_of(at, names))) is not None]
        return int(sum(found)) if found else None

    def stream(self, show: Callable[[str], None]) -> Callable[[str], None] | None:
        """What takes pieces of the output as they come, and shows the text in it; None: there is nothing to show
        before the end."""
        at = self._at["stream"]
        if at is None or not self.lines:
            return None
        end = "" if self._deltas else "\n"
        rest = ""

        def take(piece: str) -> None:
            nonlocal rest
            *lines, rest = (rest + piece).split("\n")
            for event in _parsed(lines):
                if text := _text(_of(at, {"event": event})):
                    show(text + end)

        return take


def envelope_of(settings: Mapping[str, Any]) -> Envelope | None:
    """The envelope that the agent names or describes; else, where it says nothing of how its output is to be read, the
    one that its command is recognised by. Raises WorkFailed."""
    wanted = settings.get("envelope")
    known = predefined_envelopes()
    if isinstance(wanted, Mapping):
        return Envelope("of its own", wanted)
    if wanted is not None and wanted != NONE:
        if wanted not in known:
            near = did_you_mean(str(wanted), known) or f"there are: {', '.join(known)}"
            raise failed(f"no envelope is named '{wanted}'", f"{near}; or describe it with format, text …")
        return Envelope(str(wanted), known[wanted])
    if wanted == NONE or "parse" in settings:
        return None
    words = [word if isinstance(word, str) else str(word) for word in settings.get("command") or ()]
    for name, described in known.items():
        if _recognised(words, described["recognised"]):
            return Envelope(name, described)
    return None


def _recognised(words: Sequence[str], sign: Mapping[str, Any]) -> bool:
    """The program, under whatever path, and each of the signs among its words."""
    if not words or os.path.basename(words[0]) != sign["program"]:
        return False
    line = f" {' '.join(word for word in words[1:] if '{{' not in word)} "
    return all(any(f" {each} " in line for each in _listed(either)) for either in sign["words"])


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def _values(printed: str) -> Iterator[Any]:
    """The whole, or else each object and array in it: programs greet and warn before they answer."""
    with suppress(ValueError, RecursionError):
        value = _JSON.decode(printed.strip())
        yield value if isinstance(value, (dict, list)) else None
        return
    yield from json_values(printed, _JSON)


def _objects(printed: str) -> list[Any]:
    return list(_parsed(printed.split("\n")))


def _parsed(lines: Iterable[str]) -> Iterable[Any]:
    """The lines that are JSON objects; what else is printed is no event."""
    for line in lines:
        if line.lstrip().startswith("{"):
            with suppress(ValueError, RecursionError):
                yield _JSON.decode(line.strip())


def _of(at: Expression | None, names: Mapping[str, Any]) -> Any:
    """What an expression finds; None where there is nothing to be found."""
    if at is None:
        return None
    try:
        return at.evaluate(names)
    except EvaluationError:
        return None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _figure(value: Any) -> float | None:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")
    return value if usable else None


def _whole(value: Any) -> int | None:
    figure = _figure(value)
    return None if figure is None else int(figure)
