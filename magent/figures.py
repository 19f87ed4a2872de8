"""What many runs came to: by workflow, by node, by agent. Added up from the spans of each, so that these figures are
those of its trace. What a fork took over from another run counts there alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.asking import spread
from magent.errors import MagentError
from magent.loading import workflow_of
from magent.model import Workflow
from magent.ports import Record, RunInfo, RunStore
from magent.spans import words
from magent.spans.reading import read
from magent.spans.span import Span

_GOES_ON = ("running", "waiting")
_OVER = ("completed", "failed")
_UNREAD = ("damaged", "sealed")
_KEPT = 50  # models of workflows


@dataclass(slots=True)
class Spent:
    """`cost` in dollars; `unknown`: of some of it nobody knows the price."""

    input: int = 0
    output: int = 0
    cost: float = 0.0
    unknown: bool = False

    def add(self, span: Span) -> None:
        if span.tokens is not None:
            self.input, self.output = self.input + span.tokens[0], self.output + span.tokens[1]
            self.cost, self.unknown = self.cost + (span.cost or 0.0), self.unknown or span.cost is None

    @property
    def tokens(self) -> dict[str, int]:
        return {"input": self.input, "output": self.output}

    @property
    def dollars(self) -> float | None:
        return None if self.unknown else round(self.cost, 6)

    def as_json(self) -> dict[str, Any]:
        return {"tokens": self.tokens, "cost_usd": self.dollars}


@dataclass(slots=True)
class OfWorkflow:
    """`times` are the seconds for which runs that are over were worked at: waiting for people is left out."""

    workflow: str
    runs: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)

    @property
    def success_rate(self) -> float | None:
        """The share of those that completed, of those that completed or failed; None where there is none."""
        over = sum(self.statuses.get(status, 0) for status in _OVER)
        return self.statuses.get("completed", 0) / over if over else None

    def as_json(self) -> dict[str, Any]:
        rate = self.success_rate
        head = {"workflow": self.workflow, "runs": self.runs, "statuses": dict(self.statuses)}
        return head | {"success_rate": rate and round(rate, 4)} | _times(self.times) | self.spent.as_json()


@dataclass(slots=True)
class OfNode:
    """Visits that are over. `retries` are attempts that failed and were followed by another."""

    workflow: str
    node: str
    type: str
    visits: int = 0
    failures: int = 0
    retries: int = 0
    times: list[float] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)

    def as_json(self) -> dict[str, Any]:
        head = {"workflow": self.workflow, "node": self.node, "type": self.type, "visits": self.visits}
        return head | {"failures": self.failures, "retries": self.retries} | _times(self.times) | self.spent.as_json()


@dataclass(slots=True)
class OfAgent:
    """Its calls. `fallbacks`: how often it could not answer, and another was asked in its place."""

    agent: str
    models: list[str] = field(default_factory=list)
    calls: int = 0
    failures: int = 0
    fallbacks: int = 0
    times: list[float] = field(default_factory=list)
    spent: Spent = field(default_factory=Spent)

    def as_json(self) -> dict[str, Any]:
        head = {"agent": self.agent, "models": list(self.models), "calls": self.calls, "failures": self.failures}
        return head | {"fallbacks": self.fallbacks} | _times(self.times) | self.spent.as_json()


def _times(times: Sequence[float]) -> dict[str, float | None]:
    median, p95 = spread(times)
    shown = {"median": median, "p95": p95}
    return {name: value if value is None else round(value, 3) for name, value in shown.items()}


class Figures:
    """Adds up run after run."""

    def __init__(self) -> None:
        self._workflows: dict[str, OfWorkflow] = {}
        self._nodes: dict[tuple[str, str], OfNode] = {}
        self._agents: dict[str, OfAgent] = {}

    @property
    def workflows(self) -> list[OfWorkflow]:
        """The one with most runs first."""
        return sorted(self._workflows.values(), key=lambda each: (-each.runs, each.workflow))

    @property
    def nodes(self) -> list[OfNode]:
        """By workflow, in the order in which they were come to first."""
        place = {each.workflow: at for at, each in enumerate(self.workflows)}
        return sorted(self._nodes.values(), key=lambda each: place.get(each.workflow, 0))

    @property
    def agents(self) -> list[OfAgent]:
        """The one with most calls first."""
        return sorted(self._agents.values(), key=lambda each: (-each.calls, each.agent))

    def as_json(self) -> dict[str, Any]:
        every: dict[str, Iterable[Any]] = {"workflows": self.workflows, "nodes": self.nodes, "agents": self.agents}
        return {name: [each.as_json() for each in those] for name, those in every.items()}

    def add(self, name: str, status: str, spans: Iterable[Span]) -> None:
        """A run of the workflow `name`, of this status, by its spans."""
        of = self._workflows.setdefault(name, OfWorkflow(name))
        of.runs += 1
        of.statuses[status] = of.statuses.get(status, 0) + 1
        worked = 0.0
        for span in sorted(spans, key=lambda each: (each.start, each.number)):
            if span.kind == "life":
                of.spent.add(span)
                worked += max(0.0, (span.duration or 0.0) - float(span.attributes.get("magent.waited") or 0.0))
            elif span.kind == "visit" and span.end is not None:
                self._visit(name, span)
            elif span.kind == "model" and span.end is not None:
                self._call(span)
            for moment in span.moments:
                if moment.name == "fallback":
                    self._agent(moment.attributes["magent.agent"]).fallbacks += 1
        if status in _OVER:
            of.times.append(worked)

    def _visit(self, name: str, span: Span) -> None:
        node = str(span.attributes["magent.node"])
        kind = str(span.attributes["magent.node.type"])
        of = self._nodes.setdefault((name, node), OfNode(name, node, kind))
        of.visits += 1
        of.failures += span.status == "failed"
        of.retries += sum(moment.name == "retry" for moment in span.moments)
        of.spent.add(span)
        if span.status in _OVER:
            of.times.append(span.worked or 0.0)

    def _call(self, span: Span) -> None:
        of = self._agent(span.attributes.get(words.AGENT))
        of.calls += 1
        of.failures += span.status == "failed"
        of.spent.add(span)
        of.times.append(span.worked or 0.0)
        model = span.attributes.get(words.RESPONSE_MODEL, span.attributes.get(words.REQUEST_MODEL))
        if model and str(model) not in of.models:
            of.models.append(str(model))

    def _agent(self, name: Any) -> OfAgent:
        return self._agents.setdefault(str(name or ""), OfAgent(str(name or "")))


async def figures(
    store: RunStore, *, workflow: str | None = None, since: float = 0.0, told: Callable[[str], None] = lambda _: None
) -> Figures:
    """Of the runs begun since then. `told` is told that there are runs which cannot be read."""
    found, unread = Figures(), []
    known: dict[str, Workflow] = {}
    for info in sorted(await store.list(), key=lambda each: each.created):
        if info.created < since or workflow not in (None, info.workflow):
            continue
        if info.status in _UNREAD:
            unread.append(f"run {info.id} is {info.status}")
            continue
        try:
            record = await store.read(info.id, checkpoint=False)
            found.add(info.workflow, info.status, _spans(info, record, known))
        except MagentError as error:
            unread.append(error.message)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            unread.append(f"the events of run {info.id} do not fit one another ({error!r})")
    if unread:
        more = f" (and so it is with {len(unread) - 1:,} more)" if unread[1:] else ""
        told(f"{unread[0]}{more}: not counted")
    return found


def _spans(info: RunInfo, record: Record, known: dict[str, Workflow]) -> list[Span]:
    """Runs of the same workflow share its model: to build it takes longer than all else."""
    digest = hashlib.sha256(json.dumps(record.workflow).encode("utf-8", "surrogatepass")).hexdigest()
    workflow = known.get(digest)
    if workflow is None:
        if len(known) >= _KEPT:
            known.clear()
        workflow = known[digest] = workflow_of(record)
    return read(workflow, record.events, alive=info.status in _GOES_ON).spans
