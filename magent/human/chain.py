"""The order in which an answer is looked for, and the last of its sources: the node's default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from magent.answers import normalise
from magent.clock import Clock, iso
from magent.errors import AnswerRefused
from magent.events import Failure, WorkFailed
from magent.ports import Human, Question


class Chain:
    """Asks one after the other until somebody answers: the answers file, the terminal, the default."""

    def __init__(self, humans: Sequence[Human]) -> None:
        self.humans = tuple(humans)

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        for human in self.humans:
            answer = await human.ask(question)
            if answer is not None:
                return answer
        return None


class Defaults:
    """Answers with the node's own default (`--use-defaults`)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        if not question.has_default:
            return None
        return signed(question, question.default, "default", self._clock, said_by="its default")


def signed(question: Question, given: Any, via: str, clock: Clock, *, said_by: str) -> dict[str, Any]:
    """The whole answer with its `via` and `at`. Raises WorkFailed of type `value` where what was given does not fit."""
    try:
        answer = normalise(question, given)
    except AnswerRefused as refused:
        message = f"{said_by} does not answer '{question.path or question.node}': {'; '.join(refused.reasons)}"
        raise WorkFailed(Failure("value", message, node=question.node, hint=refused.hint)) from refused
    return answer | {"via": via, "at": iso(clock.now())}
