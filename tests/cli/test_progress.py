"""The dated lines of a run, event by event."""

from __future__ import annotations

import re
from typing import Any

import pytest

from magent.cli.chunks import WITHDRAWN
from magent.cli.dated import Progress
from magent.cli.progress import total, who_of
from magent.events import Event
from tests.build import workflow
from tests.cli.helpers import console


def lines(*events: tuple[float, str, dict[str, Any]], stream: bool = True) -> list[str]:
    written: list[str] = []
    progress = Progress(console()[0], written.append, stream=stream)
    for time, kind, data in events:
        progress(Event(1, time, kind, data))
    return [re.sub(r"^\d\d:\d\d:\d\d ", "", line.rstrip("\n")) for line in written]


def test_each_line_begins_with_the_time_and_ends_with_a_line_feed() -> None:
    written: list[str] = []
    Progress(console()[0], written.append, stream=True)(Event(1, 0.0, "visit.skipped", {"path": "a"}))
    assert re.fullmatch(r"\d\d:\d\d:\d\d ○ a skipped\n", written[0])


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        ("run.started", {"workflow": "tides", "run_id": "r1"}, "● run r1 of tides starts"),
        ("run.resumed", {}, "● run resumes"),
        ("visit.started", {"path": "draft"}, "▶ draft"),
        ("visit.started", {"path": "each", "items": [1, 2, 3]}, "▶ each (3 items)"),
        ("visit.started", {"path": "fan", "branches": [0, 1]}, "▶ fan (2 branches)"),
        ("visit.started", {"path": "draft", "attempt": 2}, "▶ draft (attempt 2)"),
        ("visit.started", {"path": "ok", "ask": {"prompt": "Publish it?"}}, "? ok asks: Publish it?"),
        ("visit.failed", {"path": "lint", "error": {"type": "exit", "message": "no"}}, "✘ lint failed: exit: no"),
        ("visit.waiting", {"path": "a[2]/ok"}, "⏸ a[2]/ok waits for an answer"),
        ("visit.answered", {"path": "ok", "answer": {"by": "ann", "via": "command"}}, "✎ ok answered by ann (command)"),
        ("visit.skipped", {"path": "a"}, "○ a skipped"),
        ("visit.cancelled", {"path": "a"}, "⊘ a cancelled"),
        ("round.started", {"path": "refine", "index": 1}, "· refine round 2"),
    ],
)
def test_what_each_event_says(kind: str, data: dict[str, Any], line: str) -> None:
    assert lines((0.0, kind, data)) == [line]


def test_a_visit_that_ends_says_how_long_it_took_and_what_it_cost() -> None:
    started = (10.0, "visit.started", {"path": "draft"})
    ended = (11.9, "visit.completed", {"path": "draft", "tokens": [200, 1012], "cost": 0.0031})
    assert lines(started, ended)[1] == "✔ draft 1.90s · 1,212 tokens · $0.0031"


def test_what_failed_of_a_collection_is_told() -> None:
    error = {"type": "end", "message": "nothing in it", "node": "empty"}
    told = lines(
        (0.0, "visit.started", {"path": "each", "items": ["a", "b"]}),
        (0.0, "visit.completed", {"path": "each[0]/empty", "status": "failed", "error": error}),
        (0.0, "visit.failed", {"path": "each[1]/read", "error": {"type": "exit", "message": "no"}, "caught": "go"}),
        (2.0, "visit.completed", {"path": "each"}),
    )
    assert told[1:3] == ["✘ each[0]/empty ends as failed: nothing in it", "✘ each[1]/read failed: exit: no (goes on)"]


def test_a_retry_says_when_and_why() -> None:
    event = (10.0, "visit.retry", {"path": "a", "at": 12.0, "attempt": 1, "error": {"type": "exit", "message": "x"}})
    assert lines(event) == ["↻ a tries again in 2.00s: exit: x"]


def test_an_event_of_an_unknown_type_says_nothing() -> None:
    assert lines((0.0, "visit.teleported", {"path": "a"})) == []


def test_streamed_text_of_two_branches_is_told_line_by_line_under_their_names() -> None:
    told = lines(
        (0, "text", {"path": "a", "text": "one "}),
        (0, "text", {"path": "b", "text": "other\nrest"}),
        (0, "text", {"path": "a", "text": "line\n"}),
        (0, "visit.completed", {"path": "b"}),
    )
    assert told == ["         b │ other", "         a │ one line", "         b │ rest", "✔ b"]


def test_a_long_line_of_streamed_text_is_told_before_it_ends() -> None:
    told = lines((0, "text", {"path": "a", "text": "word " * 50}))
    assert len(told) == 2
    assert all(len(line) < 120 for line in told)


def test_text_that_turns_out_to_be_no_answer_is_told_as_such() -> None:
    withdrawn = (0, "text.withdrawn", {"path": "a"})
    told = lines((0, "text", {"path": "a", "text": "Hel"}), withdrawn, (0, "text", {"path": "a", "text": "Hello\n"}))
    assert told == ["         a │ Hel", f"         a │ {WITHDRAWN}", "         a │ Hello"]
    assert lines(withdrawn, stream=False) == []
    assert lines((0, "text.withdrawn", {"path": "a", "structured": True})) == []


def test_without_stream_no_text_is_told() -> None:
    assert lines((0, "text", {"path": "a", "text": "x\n"}), stream=False) == []


def test_text_of_models_and_people_obeys_nobody() -> None:
    told = lines(
        (0, "visit.started", {"path": "a", "ask": {"prompt": "x\n\x1b[2J[red]y"}}),
        (0, "text", {"path": "a", "text": "\x1b]0;t\x07\r[b]z\n"}),
        (0, "visit.failed", {"path": "a", "error": {"type": "agent", "message": "m\n\x1b[1mn"}}),
    )
    assert not set("\x1b\x07\r\n") & set("".join(told))
    assert "[red]y" in told[0]
    assert "[b]z" in told[1]


@pytest.mark.parametrize("tokens", [3, [1, 2], {"input": 1, "output": 2}])
def test_tokens_add_up_however_they_are_told(tokens: Any) -> None:
    assert total(tokens) == 3
    assert total(None) == 0


def test_a_prompt_begins_with_who_does_it() -> None:
    drawn = workflow("""
        agents: {writer: {replies: [a]}, clerk: {replies: [b]}}
        defaults: {agent: clerk}
        nodes:
          draft: {prompt: hi, agent: writer, next: note}
          note: {prompt: hi, next: each}
          each: {type: parallel, for_each: [1], body: inner, next: played}
          played: {prompt: hi, role: coder, next: routed}
          routed: {prompt: hi, route: {skills: [python]}}
          inner: {type: subgraph, uses: s}
        subgraphs: {s: {nodes: {draft: {prompt: hi, agent: "{{ inputs.x }}"}}, inputs: {x: {default: clerk}}}}
    """)
    assert who_of(drawn, "draft") == "agent writer"
    assert who_of(drawn, "note") == "agent clerk"
    assert who_of(drawn, "each") is None
    assert who_of(drawn, "played") == "role coder"
    assert who_of(drawn, "routed") is None
    assert who_of(drawn, "each[0]/inner/draft") is None
    written: list[str] = []
    Progress(console()[0], written.append, stream=True, workflow=drawn)(Event(1, 0, "visit.started", {"path": "draft"}))
    assert written[0].endswith("▶ draft (agent writer)\n")
