"""What people were asked, over many runs: who answered what, when, how long it took, what had been shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from magent.answers import digest
from magent.clock import from_iso, iso
from magent.errors import StoreError
from magent.events import Event
from magent.ports import Question, RunStore

_TYPES = frozenset(
    ("visit.started", "visit.answered", "visit.completed", "visit.failed", "visit.cancelled", "run.forked")
)
_NOBODY = ("timeout", "default")  # by what an answer came that is no person's
_PREPARED = (*_NOBODY, "file")  # and that nobody was waited for
_AT_ONCE = 50  # runs that are read in one go
_YES: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "approval": lambda answer: answer.get("approved") is True,
    "review": lambda answer: answer.get("decision") == "approve",
    "validation": lambda answer: answer.get("valid") is True,
}


class Asking(NamedTuple):
    """A question that was asked at `asked` (seconds since 1970), and its `answer`, None where there is none (yet).
    `state`: open, answered, timeout (a default may have answered), failed, cancelled. `digest` is that of what was
    shown."""

    run_id: str
    workflow: str
    path: str
    node: str
    visit: int
    input: str
    asked: float
    digest: str
    assignee: str | None = None
    state: str = "open"
    answered: float | None = None
    answer: Mapping[str, Any] | None = None

    @property
    def took(self) -> float | None:
        """Seconds until somebody answered; None where nobody did, or the answer was there before."""
        via = (self.answer or {}).get("via")
        return None if self.answered is None or via in _PREPARED else max(0.0, self.answered - self.asked)

    @property
    def said_yes(self) -> bool | None:
        """Whether a person approved; None where nobody was asked that, or answered it."""
        yes, answer = _YES.get(self.input), self.answer or {}
        return None if yes is None or not answer or answer.get("via") in _NOBODY else yes(answer)

    def as_json(self) -> dict[str, Any]:
        took = self.took
        data = self._asdict() | {"asked": iso(self.asked), "took": None if took is None else round(took, 3)}
        return data | {"answered": None if self.answered is None else iso(self.answered)}


async def askings(
    store: RunStore, *, workflow: str | None = None, since: float = 0.0, told: Callable[[str], None] = lambda _: None
) -> list[Asking]:
    """Every question that was asked since then, the oldest first. `told` is told that there are runs which cannot be
    read."""
    every = {
        info.id: info.workflow
        for info in await store.list()
        if info.updated >= since and workflow in (None, info.workflow)
    }
    found: list[Asking] = []
    unread: list[str] = []
    ids = list(every)
    for at in range(0, len(ids), _AT_ONCE):
        events = await store.events(ids[at : at + _AT_ONCE], _TYPES, "ask")
        for run_id, those in events.items():
            if isinstance(those, StoreError):
                unread.append(those.message)
                continue
            try:
                found += of_run(run_id, every[run_id], those)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                unread.append(f"what run {run_id} says of its questions cannot be read ({error!r})")
    if unread:
        told(unread[0] + (f" (and so it is with {len(unread) - 1:,} more)" if unread[1:] else ""))
    return sorted(
        (each for each in found if each.asked >= since), key=lambda each: (each.asked, each.run_id, each.path)
    )


def of_run(run_id: str, workflow: str, events: Iterable[Event]) -> list[Asking]:
    """Every question of a run, in the order in which they were over, those that are open last. What a fork took over
    was asked by the run before it."""
    over: list[Asking] = []
    still: dict[int, Asking] = {}
    for event in events:
        data, scope = event.data, event.data.get("scope", -1)
        if event.type == "run.forked":
            over.clear()
        elif event.type == "visit.started" and "input" in data.get("ask", ()):
            question = Question.from_json(data["ask"])
            still[scope] = Asking(
                run_id, workflow, question.path, question.node, question.visit, question.input, event.time,
                digest(question), question.assignee,
            )  # fmt: skip
        elif scope in still and data.get("path") == still[scope].path:
            if event.type == "visit.answered":
                still[scope] = _answered(still[scope], data["answer"], event.time)
            elif event.type != "visit.started":
                over.append(_over(still.pop(scope), event))
    return [*over, *still.values()]


def _answered(asking: Asking, answer: Mapping[str, Any], time: float) -> Asking:
    at = answer.get("at")
    when = from_iso(at) if isinstance(at, str) else time
    state = "timeout" if answer.get("via") == "timeout" else "answered"
    return asking._replace(state=state, answered=when, answer=answer)


def _over(asking: Asking, event: Event) -> Asking:
    output = event.data.get("output")
    if isinstance(output, Mapping):  # a visit that failed after all, at its `next`, has one too
        return _answered(asking, output, event.time)
    if asking.answer is not None:  # answered, and failed after all, at its `next`
        return asking
    if event.type == "visit.failed" and event.data["error"].get("type") == "timeout":
        return asking._replace(state="timeout")
    return asking._replace(state=event.type.partition(".")[2])


class Tally(NamedTuple):
    """How questions of a kind fared. `median` and `p95` are seconds until somebody answered; `approval_rate` counts
    answers of people alone; each None where there are none."""

    input: str
    asked: int
    answered: int
    open: int
    timeouts: int
    median: float | None
    p95: float | None
    approval_rate: float | None

    def as_json(self) -> dict[str, Any]:
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in self._asdict().items()}


def tally(found: Sequence[Asking]) -> list[Tally]:
    """One for each kind there is, the most asked first."""
    kinds: dict[str, list[Asking]] = {}
    for each in found:
        kinds.setdefault(each.input, []).append(each)
    return sorted((_tally(kind, those) for kind, those in kinds.items()), key=lambda each: (-each.asked, each.input))


def _tally(kind: str, found: Sequence[Asking]) -> Tally:
    states = [each.state for each in found]
    median, p95 = spread([took for each in found if (took := each.took) is not None])
    votes = [yes for each in found if (yes := each.said_yes) is not None]
    return Tally(
        kind,
        asked=len(found),
        answered=states.count("answered"),
        open=states.count("open"),
        timeouts=states.count("timeout"),
        median=median,
        p95=p95,
        approval_rate=sum(votes) / len(votes) if votes else None,
    )


def spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """The median, and what 95 of a hundred do not exceed; None where there is nothing."""
    if not values:
        return None, None
    ranked = sorted(values)
    return statistics.median(ranked), ranked[math.ceil(0.95 * len(ranked)) - 1]
