"""Answers that were written down before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.answers import answers_for
from magent.clock import Clock
from magent.human.chain import signed
from magent.ports import Question


class AnswersFile:
    """Answers from a loaded answers file. `used` holds the keys that answered something."""

    def __init__(self, document: Mapping[str, Any], clock: Clock) -> None:
        self.document = document
        self.used: set[str] = set()
        self._clock = clock

    async def ask(self, question: Question) -> Mapping[str, Any] | None:
        found, given, key = answers_for(self.document, question)
        if not found:
            return None
        self.used.add(key)
        return signed(question, given, "file", self._clock, said_by=f"the entry '{key}' of the answers file")
