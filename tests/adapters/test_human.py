from typing import Any

import pytest

from magent.answers import read_options
from magent.clock import Timer
from magent.events import WorkFailed
from magent.human.chain import Chain, Defaults
from magent.human.file import AnswersFile
from magent.ports import Question


class Noon:
    """A clock that stands still."""

    def now(self) -> float:
        return 1_795_608_000.0

    def call_at(self, when: float, callback: Any) -> Timer:
        raise NotImplementedError


AT = "2026-11-25T12:00:00.000Z"


def ask(kind: str = "approval", **more: Any) -> Question:
    return Question("sign_off", "sign_off", 1, kind, **more)


def everyone(document: dict[str, Any], *, defaults: bool = True) -> Chain:
    return Chain([AnswersFile(document, Noon()), *([Defaults(Noon())] if defaults else [])])


async def test_the_answers_file_goes_before_the_default() -> None:
    answer = await everyone({"sign_off": True}).ask(ask(default=False, has_default=True))
    assert answer == {"approved": True, "by": None, "at": AT, "comment": None, "via": "file"}


async def test_the_default_answers_what_the_file_does_not() -> None:
    answer = await everyone({}).ask(ask(default=False, has_default=True))
    assert answer == {"approved": False, "by": None, "at": AT, "comment": None, "via": "default"}


async def test_nobody_answers_a_question_without_default() -> None:
    assert await everyone({}).ask(ask()) is None
    assert await everyone({}, defaults=False).ask(ask(default=True, has_default=True)) is None


async def test_a_default_of_null_is_no_answer() -> None:
    with pytest.raises(WorkFailed) as failed:
        await everyone({}).ask(ask(default=None, has_default=True))
    assert failed.value.failure.type == "value"


async def test_the_file_says_who_answered_and_never_how_or_when() -> None:
    given = {"approved": True, "by": "ann", "comment": "fine", "via": "web", "at": "yesterday"}
    answer = await everyone({"sign_off": given}).ask(ask())
    assert answer == {"approved": True, "by": "ann", "comment": "fine", "via": "file", "at": AT}


async def test_an_entry_that_does_not_fit_fails_the_visit_with_the_reason() -> None:
    with pytest.raises(WorkFailed) as failed:
        await everyone({"sign_off": "green"}).ask(ask("choice", options=read_options(["red", "blue"])))
    failure = failed.value.failure
    assert (failure.type, failure.node) == ("value", "sign_off")
    assert failure.message == (
        "the entry 'sign_off' of the answers file does not answer 'sign_off': "
        "`choice` must be one of red, blue, not 'green'"
    )


async def test_the_file_remembers_which_keys_were_used() -> None:
    file = AnswersFile({"sign_off": [True], "other": True}, Noon())
    await file.ask(ask())
    assert await file.ask(ask(ordinal=1)) is None
    assert file.used == {"sign_off"}
