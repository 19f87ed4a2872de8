"""Where a fork of a run begins: what `--from` says, as places in the journal. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from magent.engine.visited import Survey, Visited
from magent.errors import UsageError
from magent.model import Workflow
from magent.source import did_you_mean

_PLACE = re.compile(r"(.*?)(?:#(\d{1,9}))?")


def is_number(text: str) -> bool:
    """Whether it is the number of an event, not a place: no node has a name of digits."""
    return text.isascii() and text.isdigit()


def origins(survey: Survey, workflow: Workflow, text: str, run_id: str) -> set[int]:
    """The numbers of the events from which on nothing is taken over, each with all that follows from it.

    `draft` is a node of the run's own scope, else every node of this name, wherever it is; `each[2]/draft`,
    `translate/ok` are addresses, `each[2]` an item or a round; `#2` means the second visit of those. Raises UsageError.
    """
    found = _PLACE.fullmatch(text)
    assert found is not None
    place, number = found[1], int(found[2]) if found[2] else None
    if place in survey.labels:
        return {_counted(survey.labels[place], number, text, place, run_id)}
    there = [visit.begin for visit in survey.begun.values() if visit.path == place]
    if there:
        return {_counted(there, number, text, place, run_id)}
    named = [visit.begin for visit in survey.begun.values() if visit.node == place]
    if named:
        return set(named) if number is None else {_counted(named, number, text, place, run_id)}
    raise _unknown(survey, workflow, place, run_id)


def _counted(begins: Sequence[int], number: int | None, text: str, place: str, run_id: str) -> int:
    if number is None:
        return begins[0]
    if not 1 <= number <= len(begins):
        times = "once" if len(begins) == 1 else f"{len(begins)} times"
        raise UsageError(f"there is no '{text}': run {run_id} was at '{place}' {times}", f"say --from {place}")
    return begins[number - 1]


def _unknown(survey: Survey, workflow: Workflow, place: str, run_id: str) -> UsageError:
    known = {name for graph in workflow.graphs.values() for name in graph.nodes}
    hint = f"magent resume {run_id} --plan   shows its visits"
    if place in known:
        return UsageError(f"run {run_id} has not come to '{place}': nothing can begin there", hint)
    addresses = [*(visit.path for visit in survey.visits), *survey.labels, *known]
    near = did_you_mean(place, list(dict.fromkeys(addresses)))
    return UsageError(f"run {run_id} has no visit at '{place}'", near or hint)


def where(visit: Visited) -> str:
    """The visit as a person writes it after --from: `draft`, and `draft#2` for the second at an address."""
    return visit.path if visit.ordinal == 1 else f"{visit.path}#{visit.ordinal}"
