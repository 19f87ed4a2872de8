"""Documents against the schemas: what is good passes, what is bad is told in our words, at its place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, cast

import pytest

from magent.source import Problem
from magent.spec.loader import load_yaml
from magent.spec.schema import Kind, validate

HERE = Path(__file__).parent


def cases() -> list[tuple[str, str, list[str]]]:
    """Kind, document and the problems it must give, from `schema_cases.txt`."""
    found: list[tuple[str, str, list[str]]] = []
    for line in (HERE / "schema_cases.txt").read_text("utf-8").splitlines():
        if line.startswith("    "):
            found[-1][2].append(line.strip())
        elif line and not line.startswith("#"):
            kind, _, document = line.partition(" ")
            found.append((kind, document, []))
    return found


def told(problem: Problem) -> str:
    place = f"{problem.position.line}:{problem.position.column} {problem.path}"
    return f"{place}: {problem.message} [{problem.code}]" + (f" | {problem.hint}" if problem.hint else "")


def problems(text: str, kind: str = "workflow") -> list[Problem]:
    data, unreadable, _ = load_yaml(text.encode(), "w.yaml")
    assert unreadable == []
    return validate(data, cast(Kind, kind))


@pytest.mark.parametrize(("kind", "document", "expected"), cases(), ids=lambda value: str(value)[:60])
def test_each_mistake_is_told_once_at_its_place(kind: str, document: str, expected: list[str]) -> None:
    if kind == "node":
        kind, document = "workflow", f"magent: 1\nname: x\nnodes:\n  a: {document}\n"
    assert [told(problem) for problem in problems(document, kind)] == expected


def test_a_document_that_uses_all_of_the_language_has_no_problem() -> None:
    assert problems((HERE / "whole_language.yaml").read_text("utf-8")) == []


LIBRARY = """
magent: 1
description: The team.
include: [./more.yaml]
x-note: free
defaults: {agent: writer}
agents: {writer: {model: local}}
roles: {lead: {extends: manager, agent: writer}}
tools: {calculator: {builtin: calculator}}
chains: {double: {inputs: {n: {type: number}}, steps: [{tool: calculator, with: {expression: "{{ inputs.n }} * 2"}}]}}
"""
ANSWERS = """
sign_off: true
stars: 4
colour: blue
colours: [[red, blue], green]
each[2]/sign_off: {approved: true, comment: fine, form: {reason: cheap}}
translate/ok: [{decision: approve}, {decision: request_changes, comments: shorter, content: text}]
check: {valid: false, errors: [too long]}
refine[0]/feedback: ""
docs.search: true
x-note: free
"""
SETTINGS = """
store: file:.magent
durability: async
checkpoints: {every: 100}
retention: {older_than: 30d, keep: 20, status: [completed]}
notify: {webhook: "https://example.org/hook", headers: {Authorization: x}}
limits: {budget: {usd: 5}}
defaults: {agent: local}
otlp: http://localhost:4318
encryption: {key_env: MAGENT_KEY}
"""
TESTS = """
magent: 1
workflow: ./review.yaml
tests:
  approves a good change:
    inputs: {diff: x}
    answers: {sign_off: true}
    agents: {writer: {replies: [first]}}
    expect: {status: completed, outputs: {verdict: approve}, path: [draft, publish], not_visited: [give_up]}
  gives up:
    expect: {status: failed, exit_code: 1, error: {type: timeout, node: draft, message: too long}}
"""


@pytest.mark.parametrize(
    ("kind", "text"),
    [("library", LIBRARY), ("answers", ANSWERS), ("settings", SETTINGS), ("test", TESTS), ("answers", "{}")],
)
def test_good_files_of_the_other_kinds_have_no_problem(kind: str, text: str) -> None:
    assert problems(text, kind) == []


@pytest.mark.parametrize("key", ["timeout", "wait"])
@pytest.mark.parametrize("value", ["500ms", "30s", "5m", "2h", "1d", "1.5h", "90", 30, 0.5, "{{ inputs.n }}s"])
def test_durations_are_text_with_a_unit_or_seconds_or_a_template(key: str, value: Any) -> None:
    node = {"wait": value} if key == "wait" else {"run": "x", "timeout": value}
    assert validate({"magent": 1, "name": "x", "nodes": {"a": node}}, "workflow") == []


@pytest.mark.parametrize("document", [None, 3, "x", [], True, 1.5, ()])
def test_what_is_no_mapping_is_told_in_one_sentence(document: Any) -> None:
    (problem,) = validate(document, "workflow")
    assert "a workflow is a mapping" in problem.message
    assert problem.code == "wrong-type"


def test_keys_that_are_no_text_are_told() -> None:
    document = {"magent": 1, "name": "x", 3: 4, "nodes": {1: {"run": "x", None: 2}, "b": {"set": {True: 1}}}}
    assert [problem.message for problem in validate(document, "workflow")] == [
        "a key must be text, found 1",
        "a key must be text, found 3",
        "a key must be text, found null",
        "a key must be text, found true",
    ]


def nested(depth: int, leaf: Any, key: str) -> Any:
    for _ in range(depth):
        leaf = {key: leaf} if key != "list" else [leaf]
    return leaf


@pytest.mark.parametrize("key", ["properties", "a", "list", "items", "anyOf"])
def test_deep_documents_are_told_of_without_recursion(key: str) -> None:
    deep = nested(5000, 1, key)
    document = {"magent": 1, "name": "x", "inputs": {"a": deep}, "nodes": {"b": {"set": {"c": deep}}, "d": deep}}
    assert validate(document, "workflow")


def test_python_data_that_contains_itself_ends() -> None:
    endless: dict[str, Any] = {"type": "object"}
    endless["properties"] = {"a": endless}
    human: dict[str, Any] = {
        "type": "human_input",
        "input": "choice",
        "options": [{"value": 1}],
        "form": {"a": endless},
    }
    document = {"magent": 1, "name": "x", "inputs": {"a": endless}, "nodes": {"b": human}}
    assert {problem.message for problem in validate(document, "workflow")} == {"nested deeper than 200 levels"}


def test_a_deep_sound_schema_is_accepted() -> None:
    deep: Any = {"type": "string"}
    for _ in range(90):  # two levels of the document each
        deep = {"type": "object", "properties": {"a": deep}}
    assert validate({"magent": 1, "name": "x", "inputs": {"a": deep}, "nodes": {"b": {"wait": 1}}}, "workflow") == []


def test_no_message_shows_a_long_value_in_full() -> None:
    long = "x" * 100_000
    document = {
        "magent": 1,
        "name": long + "\n",
        long: 1,
        "nodes": {long: {"run": "x", "parse": long, "next": [long] * 9}},
    }
    for problem in validate(document, "workflow"):
        assert len(problem.message) < 400
        assert len(problem.hint or "") < 400


@pytest.mark.untraced
def test_ten_thousand_nodes_are_looked_at_in_a_moment_and_thousands_of_mistakes_too() -> None:
    node = {
        "prompt": "x {{ state.y }}",
        "agent": "w",
        "output": {"score": {"type": "integer"}},
        "next": [{"to": "end"}],
    }
    bad = {"promt": "x", "next": ["a", "b"], "when": 3}
    for each, expected in ((node, 0), (bad, 30_000)):
        document = {"magent": 1, "name": "x", "nodes": {f"n{number}": each for number in range(10_000)}}
        start = time.process_time()
        assert len(validate(document, "workflow")) == expected
        assert time.process_time() - start < 10  # a bound for hanging, not a measure


@pytest.mark.untraced
def test_a_list_of_a_hundred_thousand_names_is_one_problem() -> None:
    document = {"magent": 1, "name": "x", "nodes": {"a": {"run": "x", "next": ["b"] * 100_000}}}
    (problem,) = validate(document, "workflow")
    assert "to run several at once use `parallel`" in problem.message
