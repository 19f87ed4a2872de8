"""Inputs from the command line: parsed by their schema, checked before anything runs."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magent.cli import inputs
from magent.errors import UsageError
from tests.cli.helpers import console

TOPIC = {"topic": {"type": "string"}}


def gather(declared: Any, *words: str, file: str | None = None) -> dict[str, Any]:
    return inputs.gather(declared, words, file, console()[0])


def refused(declared: Any, *words: str, file: str | None = None) -> str:
    with pytest.raises(UsageError) as raised:
        gather(declared, *words, file=file)
    return "\n  ".join(filter(None, (raised.value.message, raised.value.hint)))


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "tides", "tides"),
        ({"type": "string"}, "3", "3"),
        ({"type": "string"}, "true", "true"),
        ({"type": "string"}, "a=b", "a=b"),
        ({"type": "string"}, "", ""),
        ({"type": ["string", "null"]}, "null", "null"),
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, "3.0", 3),
        ({"type": "number"}, "1e3", 1000.0),
        ({"type": "boolean"}, "true", True),
        ({"type": "array"}, '["a", 1]', ["a", 1]),
        ({"type": "object"}, '{"a": null}', {"a": None}),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": ["integer", "string"]}, "5", 5),
        ({"type": ["integer", "string"]}, "five", "five"),
        ({"type": "integer", "default": None}, "null", None),
        ({}, "3", 3),
        ({}, "tides", "tides"),
        ({}, '{"a": 1}', {"a": 1}),
        ({}, "{broken", "{broken"),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({"enum": ["low", "high"]}, "low", "low"),
        ({"anyOf": [{"type": "string", "minLength": 3}, {"type": "integer"}]}, "12", 12),
    ],
)
def test_a_word_is_read_by_the_schema(schema: dict[str, Any], text: str, value: Any) -> None:
    given = gather({"x": schema}, f"x={text}")["x"]
    assert given == value
    assert type(given) is type(value)


@pytest.mark.parametrize(
    ("schema", "text", "flag"),
    [
        ({"type": "integer"}, "three", "-i x=3"),
        ({"type": "integer"}, "1.5", "-i x=3"),
        ({"type": "boolean"}, "yes", "-i x=true"),
        ({"type": "boolean"}, "True", "-i x=true"),
        ({"type": "number"}, "NaN", "-i x=1.5"),
        ({"type": "number"}, "Infinity", "-i x=1.5"),
        ({"type": "array"}, "a,b", "-i x='[…]'"),
        ({"type": "object"}, "[]", "-i x='{…}'"),
        ({"type": "integer", "minimum": 1, "maximum": 10}, "11", "-i x=3"),
        ({"enum": ["low", "high"]}, "middle", "-i x=low"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "ABC", "-i x=…"),
        ({"type": "array"}, "[" * 100_000, "-i x='[…]'"),
    ],
)
def test_a_word_that_does_not_fit_is_refused_with_the_flag_to_write(
    schema: dict[str, Any], text: str, flag: str
) -> None:
    message = refused({"x": schema}, f"x={text}")
    assert "input 'x'" in message
    assert flag in message
    assert len(message) < 1000


def test_what_is_missing_is_named_with_its_flag() -> None:
    declared = {**TOPIC, "depth": {"type": "integer", "description": "How deep"}, "kind": {"default": "x"}}
    message = refused(declared)
    assert message == (
        "the inputs do not fit:\n  input 'topic' (text) is missing\n"
        "  input 'depth' (a whole number) is missing: How deep\n  write -i topic=… -i depth=3"
    )


def test_a_single_fault_is_told_without_a_list() -> None:
    assert refused(TOPIC) == "input 'topic' (text) is missing\n  write -i topic=…"


def test_an_example_with_blanks_is_quoted_for_the_shell() -> None:
    assert refused({"x": {"type": "string", "examples": ["two words"]}}).endswith("write -i x='two words'")


def test_an_unknown_input_gets_the_nearest() -> None:
    assert "there is no input 'topci': did you mean 'topic'?" in refused(TOPIC, "topci=x", "topic=y")


def test_an_unknown_input_of_a_workflow_without_inputs_is_told_so() -> None:
    assert "the workflow has no inputs" in refused({}, "a=1")


def test_every_fault_is_told_at_once() -> None:
    message = refused({**TOPIC, "n": {"type": "integer"}}, "n=x", "m=1")
    assert "input 'topic' (text) is missing" in message
    assert "input 'n'" in message
    assert "no input 'm'" in message


def test_a_word_without_an_equals_sign_is_refused() -> None:
    assert "-i takes NAME=VALUE" in refused(TOPIC, "tides")


def test_the_last_word_for_an_input_counts() -> None:
    assert gather(TOPIC, "topic=a", "topic=b") == {"topic": "b"}


def test_an_input_is_read_from_a_file_to_the_byte(here: Path) -> None:
    here.joinpath("a.txt").write_text("tides\n\n", "utf-8")
    assert gather(TOPIC, "topic=@a.txt") == {"topic": "tides\n\n"}


def test_a_json_input_is_read_from_a_file(here: Path) -> None:
    here.joinpath("a.json").write_text("[1,\n 2]\n", "utf-8")
    assert gather({"x": {"type": "array"}}, "x=@a.json") == {"x": [1, 2]}


def test_an_input_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("flût\n".encode())))
    assert gather(TOPIC, "topic=-") == {"topic": "flût\n"}


def test_only_one_input_is_read_from_stdin() -> None:
    assert "only one input" in refused({**TOPIC, "b": {"type": "string"}}, "topic=-", "b=-")


def test_a_file_that_is_not_there_or_no_text_is_refused(here: Path) -> None:
    here.joinpath("a.bin").write_bytes(b"\xff\xfe\x00")
    assert "-i topic: nowhere.txt cannot be read: there is no such file" in refused(TOPIC, "topic=@nowhere.txt")
    assert "a.bin is not UTF-8 text" in refused(TOPIC, "topic=@a.bin")
    assert "is a directory" in refused(TOPIC, "topic=@.")


def test_an_at_sign_alone_names_no_file_and_is_itself() -> None:
    assert gather(TOPIC, "topic=@") == {"topic": "@"}


def test_a_text_that_begins_with_an_at_sign_is_written_with_two() -> None:
    assert gather(TOPIC, "topic=@@[?x].y") == {"topic": "@[?x].y"}
    assert "a text that begins with @ is written with two: -i topic=@@[?x].y" in refused(TOPIC, "topic=@[?x].y")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.json", '{"topic": "\\ud83c\\udf0a", "n": 1}'),
        ("in.yaml", "topic: 🌊\nn: 1\n"),
        ("in.yml", "topic: 🌊\nn: 1\n"),
    ],
)
def test_inputs_come_from_a_file_and_words_win(name: str, content: str, here: Path) -> None:
    here.joinpath(name).write_text(content, "utf-8")
    declared = {**TOPIC, "n": {"type": "integer"}}
    assert gather(declared, file=name) == {"topic": "🌊", "n": 1}
    assert gather(declared, "n=2", file=name) == {"topic": "🌊", "n": 2}


@pytest.mark.parametrize("content", ["- a\n", "", "a: [", "a: 1\na: 2\n"])
def test_a_file_of_inputs_that_holds_no_mapping_is_refused(content: str, here: Path) -> None:
    here.joinpath("in.yaml").write_text(content, "utf-8")
    assert "in.yaml" in refused(TOPIC, file="in.yaml")


def test_a_sentence_of_its_own_stands_after_a_colon() -> None:
    message = refused({"n": {"type": "integer", "minimum": 1}}, "n=0")
    assert "input 'n': 0 is less than the minimum 1\n  write -i n=3" in message


def test_a_key_that_a_json_file_gives_twice_is_refused(here: Path) -> None:
    here.joinpath("inputs.json").write_text('{"topic": "a", "topic": "b"}')
    assert "the key 'topic' is given twice" in refused(TOPIC, file="inputs.json")
