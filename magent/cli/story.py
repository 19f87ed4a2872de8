"""What of a run is told for good: the lines that scroll away above the live view.

Calm: of many branches or rounds those that go well are told together, by the node around them; what only steers within
branches and rounds is not told. What fails, what people answer and what waits for them is always told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from magent import durations
from magent.cli.board import Spot
from magent.cli.console import one_line
from magent.cli.paint import Line
from magent.cli.progress import (
    STEPS,
    answer_of,
    describe_error,
    ended_as_failed,
    going_on,
    is_no,
    life_words,
    price,
    step_of,
)
from magent.events import Event
from magent.model import Choice, End, HumanInput, Loop, Parallel, SetOnly, Start, Task

_MOST = 400  # characters of what is told in a line


class Story:
    """Gives the lines of an event. With `everything`, nothing is told together, and each line has its time.

    `asked_here`: questions are put on this terminal, where they are seen.
    """

    def __init__(self, *, everything: bool = False) -> None:
        self.asked_here = False
        self._everything = everything

    def __call__(self, event: Event, spot: Spot | None) -> list[Line]:
        teller = _TELLERS.get(event.type)
        line = teller(self, event, spot) if teller else None
        if not line:
            return []
        clock = time.strftime("%H:%M:%S ", time.localtime(event.time)) if self._everything else ""
        return [[(clock, "dim"), *line]]

    def _run(self, event: Event, _: Spot | None) -> Line:
        return [(one_line(f"● {life_words(event)}"), "bold")]

    def _begins(self, event: Event, spot: Spot | None) -> Line | None:
        question = event.data.get("ask")
        if isinstance(question, Mapping) and not self.asked_here:
            prompt = one_line(f": {question['prompt']}", _MOST) if question.get("prompt") else ""
            return [("? ", "yellow"), (_address(event), ""), (f" asks{prompt}", "")]
        if not self._everything or isinstance(question, Mapping):
            return None
        who = f"  {one_line(spot.who.removeprefix('agent '))}" if spot is not None and spot.who else ""
        return [("▶ ", "blue"), (_address(event), ""), (who, "dim")]

    def _completes(self, event: Event, spot: Spot | None) -> Line | None:
        node = spot.node if spot is not None else None
        if (reason := ended_as_failed(event)) is not None:
            return self._ends_badly(event, spot, reason)
        if self.asked_here and not self._everything and is_from_terminal(event):
            return None  # the prompt has left a line on it
        if spot is not None and not self._everything and (spot.quiet or _is_small(spot)):
            return self._answer(event, spot)
        said = answer_of(event)
        if isinstance(node, Choice) and isinstance(event.data.get("output"), str):
            said = f" → {event.data['output']}"
        return [sign_of(event), (_address(event), ""), (said, ""), *_told(event, spot)]

    def _ends_badly(self, event: Event, spot: Spot | None, reason: str) -> Line | None:
        """At the end of the run itself, the summary says it."""
        if not self._everything and (spot is None or spot.parent is None):
            return None
        return [("✘ ", "red"), (f"{_address(event)} ends as failed{f': {reason}' if reason else ''}", "red")]

    def _answer(self, event: Event, spot: Spot | None) -> Line | None:
        """What a person said counts, however many were asked."""
        if spot is None or not isinstance(spot.node, HumanInput) or not answer_of(event):
            return None
        return [sign_of(event), (_address(event), ""), (answer_of(event), "")]

    def _fails(self, event: Event, spot: Spot | None) -> Line:
        error = event.data.get("error")
        at = error.get("node") if isinstance(error, Mapping) else None
        why = f" (at {at})" if at and at != event.data.get("node") else f": {describe_error(error)}"
        text = one_line(f"{_address(event)} failed{why}{going_on(event)}", _MOST)
        return [("✘ ", "red"), (text, "red"), *_told(event, spot)]

    def _retries(self, event: Event, spot: Spot | None) -> Line | None:
        if spot is not None and spot.quiet and not self._everything:
            return None
        delay = durations.show(max(0.0, float(event.data.get("at") or event.time) - event.time))
        why = describe_error(event.data.get("error"))
        return [("↻ ", "yellow"), (one_line(f"{_address(event)} tries again in {delay}: {why}", _MOST), "yellow")]

    def _waits(self, event: Event, spot: Spot | None) -> Line | None:
        why = event.data.get("why")
        if spot is not None and spot.quiet and not self._everything and not why:
            return None
        told = one_line(f"{_address(event)} waits for an answer{f': {why}' if why else ''}", _MOST)
        return [("⏸ ", "yellow"), (told, "yellow")]

    def _answered(self, event: Event, _: Spot | None) -> Line:
        answer = event.data.get("answer")
        answer = answer if isinstance(answer, Mapping) else {}
        by = f" by {answer['by']}" if answer.get("by") else ""
        via = f" ({answer['via']})" if answer.get("via") else ""
        return [("✎ ", "green"), (one_line(f"{_address(event)} answered{by}{via}", _MOST), "")]

    def _aside(self, event: Event, spot: Spot | None) -> Line | None:
        if spot is not None and spot.quiet and not self._everything:
            return None
        skipped = event.type == "visit.skipped"
        return [(f"{'○' if skipped else '⊘'} {_address(event)} {'skipped' if skipped else 'cancelled'}", "dim")]

    def _step(self, event: Event, _: Spot | None) -> Line | None:
        """What is done within a visit stands in the live region; it is told for good only where everything is."""
        passed = event.type in ("agent.fallback", "tool.unusable")
        told = step_of(event) if self._everything or passed else None
        style = "yellow" if passed else "dim"
        return None if told is None else [(f"  {told[0]} {one_line(f'{_address(event)} {told[1]}', _MOST)}", style)]

    def _round(self, _: Event, spot: Spot | None) -> Line | None:
        if not self._everything or spot is None:
            return None
        return [(f"· {one_line(spot.path)} round {spot.round + 1}", "dim")]


def _is_small(spot: Spot) -> bool:
    """Whether it is not worth a line: the ends of a graph, and within branches and rounds what only steers."""
    steers = isinstance(spot.node, Choice) or (isinstance(spot.node, Task) and isinstance(spot.node.work, SetOnly))
    return isinstance(spot.node, (Start, End)) or (steers and spot.parent is not None)


def _address(event: Event) -> str:
    return one_line(str(event.data.get("path") or event.data.get("node") or ""))


def sign_of(event: Event) -> tuple[str, str]:
    """What stands before a visit that went well: an answer that says no is a success, but no approval."""
    return ("✎ ", "yellow") if is_no(event) else ("✔ ", "green")


def is_from_terminal(event: Event) -> bool:
    """Whether an answer from a prompt ended the visit."""
    return answer_of(event) != "" and event.data["output"]["via"] == "terminal"


def _told(event: Event, spot: Spot | None) -> Line:
    facts = " · ".join(facts_of(event, spot))
    return [(f"  {facts}", "" if spot is not None and spot.failed else "dim")] if facts else []


def facts_of(event: Event, spot: Spot | None) -> Iterator[str]:
    """What it was, how long it took, what it cost. Branches and items that failed come first: `5 of 6, 1 failed`."""
    if spot is None:
        return
    if isinstance(spot.node, Parallel) and spot.total is not None:
        well = spot.ended - spot.failed
        yield f"{well:,} of {spot.total:,}, {spot.failed:,} failed" if spot.failed else f"{well:,}/{spot.total:,}"
    if isinstance(spot.node, Loop):
        yield f"{spot.round + 1:,} round{'' if spot.round == 0 else 's'}"
    if spot.many and spot.retries:
        yield f"{spot.retries:,} retried"
    took = event.time - spot.since
    if took >= 0.01:
        yield durations.show(took)
    if event.data.get("fallback"):
        yield f"by agent {one_line(str(event.data.get('agent')))}"
    if event.data.get("cut"):
        yield "cut off at max_tokens"
    if spot.tokens:
        yield f"{spot.tokens:,} tokens"
    if spot.tokens and (told := price(spot.cost)):
        yield told


_TELLERS: dict[str, Any] = {
    "run.started": Story._run,
    "run.resumed": Story._run,
    "visit.started": Story._begins,
    "visit.retry": Story._retries,
    "visit.waiting": Story._waits,
    "visit.answered": Story._answered,
    "visit.completed": Story._completes,
    "visit.skipped": Story._aside,
    "visit.failed": Story._fails,
    "visit.cancelled": Story._aside,
    "round.started": Story._round,
    **dict.fromkeys(STEPS, Story._step),
}
