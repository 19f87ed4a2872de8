"""What of a run is told for good, above the live view."""

from __future__ import annotations

from typing import Any

import pytest

from magent.cli.board import Board
from magent.cli.story import Story
from magent.events import Event
from tests.cli.live import HARBOUR, Told, completed, failed, says, started


def told(*events: Told, asked_here: bool = False, everything: bool = False) -> list[str]:
    made, story = Board(HARBOUR), Story(everything=everything)
    story.asked_here = asked_here
    found = []
    for time, kind, data in events:
        event = Event(1, time, kind, data)
        found += ["".join(text for text, _ in line) for line in story(event, made(event))]
    return found


@pytest.mark.parametrize(
    ("events", "lines"),
    [
        ([(0.0, "run.started", {"workflow": "tides", "run_id": "r1"})], ["● run r1 of tides starts"]),
        ([(0.0, "run.resumed", {"workflow": "tides", "run_id": "r1"})], ["● run r1 of tides resumes"]),
        (
            [started("intro"), completed("intro", 2.0, tokens=[8, 4], cost=0.01)],
            ["✔ intro  2.00s · 12 tokens · $0.0100"],
        ),
        (
            [started("intro"), completed("intro", 2.0, tokens=[8, 4], cost=None, cut=True)],
            ["✔ intro  2.00s · cut off at max_tokens · 12 tokens · cost unknown"],
        ),
        (
            [
                started("intro"),
                (1.0, "agent.fallback", {"path": "intro", "agent": "a", "to": "b", "error": {"type": "rate_limit"}}),
            ],
            ["  ↷ intro agent a → b: rate_limit:"],
        ),
        ([completed("refine[0]/again")], ["✔ refine[0]/again"]),
        ([completed("refine[0]/rate")], []),
        ([started("intro"), failed("intro", 1.5)], ["✘ intro failed: exit: it ended with 1  1.50s"]),
        ([failed("intro", caught="continue", next=None)], ["✘ intro failed: exit: it ended with 1 (goes on)"]),
        ([failed("intro", caught="go", next="rest")], ["✘ intro failed: exit: it ended with 1 (goes on: rest)"]),
        (
            [
                started("rest"),
                (1.0, "visit.retry", {"path": "rest", "at": 3.0, "attempt": 1, "error": {"type": "exit"}}),
            ],
            ["↻ rest tries again in 2.00s: exit:"],
        ),
        ([started("sign", ask={"prompt": "Ship it?"})], ["? sign asks: Ship it?"]),
        (
            [started("sign", ask={}), (1.0, "visit.waiting", {"path": "sign"})],
            ["? sign asks", "⏸ sign waits for an answer"],
        ),
        (
            [(0.0, "visit.answered", {"path": "sign", "answer": {"by": "ann", "via": "command"}})],
            ["✎ sign answered by ann (command)"],
        ),
        (
            [started("sign", ask={}), completed("sign", output={"approved": True, "by": None, "via": "default"})],
            ["? sign asks", "✔ sign: approved (default)"],
        ),
        ([(0.0, "visit.skipped", {"path": "intro", "node": "intro", "next": "sign"})], ["○ intro skipped"]),
        ([started("intro"), (0.0, "visit.cancelled", {"path": "intro"})], ["⊘ intro cancelled"]),
        (
            [started("refine"), (0.0, "round.started", {"path": "refine[0]", "index": 0}), completed("refine", 9.0)],
            ["✔ refine  1 round · 9.00s"],
        ),
        ([says("intro", "text\n"), (0.0, "visit.teleported", {"path": "a"})], []),
    ],
)
def test_what_each_event_tells(events: list[Told], lines: list[str]) -> None:
    assert told(*events) == lines


def test_a_question_that_is_put_here_is_not_announced() -> None:
    assert told(started("sign", ask={"prompt": "x"}), asked_here=True) == []


def test_a_failure_from_within_is_explained_once() -> None:
    error = {"type": "exit", "message": "no", "node": "a"}
    lines = told(
        (0.0, "visit.failed", {"path": "each[0]/notes/a", "node": "a", "error": error}),
        (0.0, "visit.failed", {"path": "each[0]/notes", "node": "notes", "error": error}),
    )
    assert lines == ["✘ each[0]/notes/a failed: exit: no", "✘ each[0]/notes failed (at a)"]


def items(count: int) -> list[Told]:
    events: list[Told] = [started("each", items=[*range(count)])]
    for item in range(count):
        path = f"each[{item}]/read"
        events += [started(path), (0.0, "visit.retry", {"path": path, "at": 1.0, "attempt": 1, "error": {}})]
        events.append(failed(path, 1.0) if item == 7 else completed(path, 1.0, next=None, tokens=[1, 1], cost=0.0))
    return [*events, completed("each", 4.0)]


def test_of_many_items_failures_and_the_sum_are_told() -> None:
    assert told(*items(1000)) == [
        "✘ each[7]/read failed: exit: it ended with 1  1.00s",
        "✔ each  999 of 1,000, 1 failed · 1,000 retried · 4.00s · 1,998 tokens",
    ]


def test_of_few_items_each_is_told() -> None:
    assert len(told(*items(12))) == 25


def test_everything_is_told_with_its_time_when_asked_for() -> None:
    lines = told(*items(20), everything=True)
    assert len(lines) == 20 * 3 + 2
    assert all(line[2] == line[5] == ":" for line in lines)


def test_with_everything_what_begins_is_told_with_its_agent() -> None:
    assert [line[9:] for line in told(started("intro"), everything=True)] == ["▶ intro  writer"]


def test_people_who_answer_are_told_among_many_too() -> None:
    answer: dict[str, Any] = {"approved": False, "by": "ann", "via": "command"}
    made = [started("each", items=[*range(50)]), started("fan", branches=[0, 1]), started("ask", ask={})]
    assert told(*made, completed("ask", output=answer), asked_here=True) == ["✎ ask: rejected (command)"]


def test_what_was_answered_at_the_prompt_is_told_once() -> None:
    asked = [started("sign", ask={}), completed("sign", output={"approved": True, "by": "ann", "via": "terminal"})]
    assert told(*asked, asked_here=True) == []
    assert told(*asked) == ["? sign asks", "✔ sign: approved (terminal)"]


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({"approved": False}, "✎ sign: rejected (file)"),
        ({"valid": False}, "✎ sign: not valid (file)"),
        ({"decision": "reject"}, "✎ sign: reject (file)"),
        ({"decision": "request_changes"}, "✎ sign: request_changes (file)"),
        ({"decision": "approve"}, "✔ sign: approve (file)"),
        ({"choice": False}, "✔ sign: false (file)"),
        ({"text": "no"}, "✔ sign: no (file)"),
    ],
)
def test_an_answer_that_says_no_is_no_approval(answer: dict[str, Any], line: str) -> None:
    assert told(started("sign", ask={}), completed("sign", output={**answer, "by": "a", "via": "file"}))[1] == line


def test_an_end_that_fails_its_branch_is_told_and_counted() -> None:
    error = {"type": "end", "message": "nothing in it", "node": "check"}
    lines = told(
        started("each", items=["a", "b"]),
        completed("each[0]/check", next=None),
        completed("each[1]/check", status="failed", error=error),
        completed("each", 2.0),
    )
    assert lines[1:] == ["✘ each[1]/check ends as failed: nothing in it", "✔ each  1 of 2, 1 failed · 2.00s"]


def test_text_of_models_and_people_obeys_nobody() -> None:
    bad = "a\n\x1b[2J\x07[bold]b"
    error = {"type": "agent", "message": bad, "node": "intro"}
    lines = told(
        (0.0, "run.started", {"workflow": bad, "run_id": "r"}),
        started("sign", ask={"prompt": bad}),
        (0.0, "visit.failed", {"path": "intro", "node": "intro", "error": error}),
        (0.0, "visit.answered", {"path": "sign", "answer": {"by": bad, "via": "command"}}),
    )
    assert not set("\x1b\x07\n") & set("".join(lines))
    assert all("[bold]b" in line for line in lines)
