"""From the events of a run to its spans: life → visit → attempt → model call, tool call, delegation, span of its own
code; a visit also waits for a person. Pure: the same events always give the same spans, taken in all at once or as
they happen.

What was open when a life ended without a word ended with the last event that anybody recorded in it. Of a run that was
forked from another, only what it did itself is in its trace, which links to the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from magent.events import Event
from magent.model import Workflow
from magent.spans import lives, model_calls, steps, visits
from magent.spans.ids import Trace
from magent.spans.span import Span
from magent.spans.tree import Tree

_HANDLERS: dict[str, Callable[[Tree, Event], None]] = {
    **lives.HANDLERS,
    **visits.HANDLERS,
    **model_calls.HANDLERS,
    **steps.HANDLERS,
}


class Reading(NamedTuple):
    """The spans of a run: `finished` in the order in which they ended, then those that are `open`, outer ones first."""

    trace: Trace
    finished: list[Span]
    open: list[Span]

    @property
    def spans(self) -> list[Span]:
        return [*self.finished, *self.open]


def read(
    workflow: Workflow,
    events: Iterable[Event],
    *,
    alive: bool = True,
    asked: Callable[[Event], tuple[Any, str | None] | None] | None = None,
) -> Reading:
    """`alive` False: nobody drives the run, so what seems to run was interrupted. `asked` gives the prompt, and what
    the agent is told beside it, of the attempt that begins with an event. Raises KeyError, TypeError or ValueError
    where the events are none of a run's."""
    reader = Reader(workflow)
    finished: list[Span] = []
    for event in events:
        reader.take(event)
        if asked is not None and (told := asked(event)) is not None:
            reader.asked(event, *told)
        if event.type == "run.forked":
            finished.clear()
        else:
            finished += reader.drain()
    if not alive:
        reader.abandon()
        finished += reader.drain()
    return Reading(reader.trace, finished, reader.open())


class Reader:
    """Takes a run's events one by one; `drain` gives the spans that are over since it was asked last."""

    def __init__(self, workflow: Workflow) -> None:
        self._tree = Tree(workflow)

    @property
    def trace(self) -> Trace:
        return self._tree.trace

    def take(self, event: Event) -> None:
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self._tree, event)
        if event.type != "visit.answered":  # which can come while nobody drives the run
            self._tree.last = event.time

    def asked(self, event: Event, prompt: Any, system: str | None) -> None:
        """What the agent is asked in the attempt that begins with the event, which was taken."""
        visit = self._tree.visit_of(event)
        if visit is not None and visit.attempt is not None:
            visit.attempt.content |= {"input": prompt} | ({"system": system} if system else {})

    def drain(self) -> list[Span]:
        done, self._tree.done = self._tree.done, []
        return done

    def open(self) -> list[Span]:
        return self._tree.open()

    def abandon(self) -> None:
        """Nobody drives the run any more, though its last life has not said that it ended."""
        lives.abandon(self._tree)
