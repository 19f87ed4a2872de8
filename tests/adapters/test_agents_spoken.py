"""Tools of agents that only read and write text: how they are told of them, and which of what they write is a call."""

from __future__ import annotations

from typing import Any

import pytest

from magent.agents.spoken import calls_in, conversation, held
from magent.ports import Message, Request, ToolOffer

ADD = ToolOffer("calculator", "Works out\nan expression.", {"type": "object", "properties": {"expression": {}}})
ASKED = Request("6*7?", (Message("user", "6*7?"),), tools=(ADD,))
CALL = '{"call": "calculator", "with": {"expression": "6*7"}}'


def test_tools_are_told_with_what_they_take_and_how_they_are_called() -> None:
    told = conversation(ASKED, with_system=True)
    assert "- calculator: Works out an expression. Its arguments, as JSON Schema: " in told
    assert '{"call": "calculator", "with": {…}}' in told
    assert "tools" not in conversation(Request("6*7?", ASKED.messages), with_system=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CALL, ""),
        (f"\n{CALL}\n\n", ""),
        (f"```json\n{CALL}\n```", ""),
        (f"Let me {{see}}:\n\n```\n{CALL}\n```\n", "Let me {see}:"),
        ('{"calls": [' + CALL + '], "text": "Let me see"}', "Let me see"),
        (CALL.replace('"calculator"', '"functions.calculator"'), ""),
    ],
)
def test_json_at_the_end_of_a_text_is_a_call(text: str, said: str) -> None:
    found = calls_in(text, ASKED)
    assert found is not None
    ((call,), beside) = found
    assert (call.id, call.name, call.arguments, beside) == ("call_1", "calculator", {"expression": "6*7"}, said)


@pytest.mark.parametrize(
    "text",
    ["42", "", f"{CALL} would do it", '{"call": 3}', '{"calls": []}', '{"calls": 1}', '{"text": "42"}',
     "{" * 5_000 + "}", '{"call": "calculator", "answer": 42}', '{"result": ' + CALL + "}x"],
)  # fmt: skip
def test_all_else_is_an_answer(text: str) -> None:
    assert calls_in(text, ASKED) is None


def test_without_tools_nothing_is_a_call() -> None:
    assert calls_in(CALL, Request("6*7?", ASKED.messages)) is None


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [(["\n", "The ", "{sum}"], ["\nThe ", "{sum}"]), ([" ", CALL[:9], CALL[9:]], []), (["```"], [])],
)
def test_what_begins_as_a_call_is_not_shown_as_text(pieces: list[str], shown: list[Any]) -> None:
    found: list[str] = []
    take = held(found.append)
    for piece in pieces:
        take(piece)
    assert found == shown
