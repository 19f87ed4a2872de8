"""Scripted answers, for tests and demonstrations.

An entry answers, or calls tools: `{call: calculator, with: {expression: "6*7"}}`, or several under `calls`. When they
have given their results, the next entry that fits the task's prompt goes on; it sees them as `results`, the last as
`result`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from magent.agents.base import AgentEnvironment, BaseAgent, OnText, failed, reply_with
from magent.agents.calls import results, tool_calls, written_calls
from magent.expressions import EvaluationError, ExpressionProblem, Value
from magent.model import AgentSpec
from magent.ports import Reply, Request, Usage
from magent.spec.schema_rules import BadPattern, pattern

_FREE = Usage(cost=0.0, requests=1)


class Replies:
    """The entries in order, each used up by the first prompt that it fits. `used` holds their places. Raises BadPattern
    for a `match` that is none."""

    def __init__(self, entries: Sequence[Any], used: set[int] | None = None) -> None:
        self.entries = [entry if isinstance(entry, Mapping) else {"reply": entry} for entry in entries]
        self._fits = [pattern(e["match"]) if e.get("match") is not None else None for e in self.entries]
        self.used: set[int] = set() if used is None else used

    def take(self, prompt: str) -> int | None:
        """The place of the entry that answers `prompt`, which is used up; None where none is left."""
        for place, fits in enumerate(self._fits):
            if place not in self.used and (fits is None or fits(prompt)):
                self.used.add(place)
                return place
        return None


class RepliesAgent(BaseAgent):
    def __init__(self, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> None:
        super().__init__(spec, settings, environment)
        try:
            self.replies = Replies(settings["replies"])
        except BadPattern as error:
            raise failed(f"agent '{spec.name}' has a `match` that is no pattern: {error}") from error

    async def reach(self, online: bool) -> str:  # noqa: ARG002
        count = len(self.replies.entries)
        return f"scripted: {count} repl{'y' if count == 1 else 'ies'}"

    def recall(self, mark: Any) -> None:
        """An earlier life of the run used this entry up."""
        self.replies.used.add(int(mark))

    async def answer(self, request: Request, on_text: OnText) -> Reply:
        place = self.replies.take(request.prompt)
        if place is None:
            raise failed(
                f"agent '{self.name}' has no scripted reply left for this prompt",
                "add an entry to its `replies` (repairs of an answer, and rounds of tools, use one each)",
                final=True,
            )
        entry = self.replies.entries[place]
        reply = self._calling(entry, request)
        if reply is None:
            reply = reply_with(_rendered(entry.get("reply"), request), request.schema, _FREE, "replies")
        for chunk in _chunks(reply.text):
            on_text(chunk)
        return replace(reply, mark=place)

    def _calling(self, entry: Mapping[str, Any], request: Request) -> Reply | None:
        try:
            written = written_calls(
                _rendered({key: entry[key] for key in ("call", "calls", "with") if key in entry}, request)
            )
        except ValueError as error:
            raise failed(f"a scripted reply of agent '{self.name}' is no call: {error}", final=True) from error
        if written is None:
            return None
        text = str(_rendered(entry.get("reply") or "", request))
        calls = tool_calls(written, request.tools, request.messages)
        return Reply(text, usage=_FREE, model="replies", calls=calls)


def _rendered(reply: Any, request: Request) -> Any:
    try:
        value = Value(reply)
        given = results(request.messages)
        told = {"results": given, "result": given[-1] if given else None}
        return value.evaluate({**request.context, **told, "prompt": request.prompt, "system": request.system})
    except (ExpressionProblem, EvaluationError) as error:
        raise failed(f"a scripted reply cannot be rendered: {error.message}", error.hint) from error


def _chunks(text: str, count: int = 4) -> list[str]:
    """A few pieces, so that what shows streamed text has something to show."""
    size = max(1, -(-len(text) // count))
    return [text[start : start + size] for start in range(0, len(text), size)]
