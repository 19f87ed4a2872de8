"""What of a recorded run still holds: its journal, taken over event by event as far as it does. Pure.

A journal is taken over word for word but for what follows from the places where it is cut: in a scope all that comes
after, and the end of the nodes around it. Branches and items that are not cut keep what they have done. What comes out
is a journal as valid as any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magent.engine.company import Companies
from magent.engine.conclude import Fact
from magent.engine.fates import judge
from magent.engine.fold import Run
from magent.engine.likeness import digest, parts_of
from magent.engine.origin import where
from magent.engine.repeats import remembered
from magent.engine.scopes import Scope
from magent.engine.twins import Twins
from magent.engine.visited import ENDS, Survey, Visited
from magent.events import Event
from magent.model import Task, Workflow

FINAL = ("run.completed", "run.cancelled")
LIVES_END = (*FINAL, "run.failed", "run.waiting", "run.interrupted", "run.forked")


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a journal is cut. `at`: numbers of events that are not taken over, nor what follows from them; `until`: the
    last event that is; `failed`: branches that failed, and whose parallel nodes went on without them, are tried anew.
    """

    at: frozenset[int] = frozenset()
    until: int | None = None
    failed: bool = False


@dataclass(slots=True)
class Replayed:
    """`events`: what was taken over, numbered anew, up to the last one of a visit, at `ended`; `waited`: seconds of its
    life that were spent on waiting for people. `run`: how it stands when it goes on. `visits` carry their fate.
    `repeats`: what has effects outside and would be done again."""

    run: Run
    visits: list[Visited]
    events: list[Event] = field(default_factory=list)
    repeats: list[dict[str, Any]] = field(default_factory=list)
    reopens: str = "failed"
    ended: float = 0.0
    waited: float = 0.0


class Replay:
    """Takes events in that fit one another, and whose `survey` is known. `before` is the fold of all so far, `after`
    that of what was taken over.
    """

    def __init__(self, old: Workflow, survey: Survey, cut: Cut, new: Workflow | None = None) -> None:
        self.before, self.after = Run(old), Run(new or old)
        self.survey, self.cut = survey, cut
        self.at = cut.at | (survey.collected | survey.refused if cut.failed else frozenset())
        self.companies = Companies()
        self.twins = Twins(self.before, self.after)
        self.stopped: dict[int, str] = {}  # scopes of `after` in which nothing more is taken over, each with the cause
        self.at_work: dict[int, Visited] = {}  # by scope of `before`
        self.open: dict[int, Visited] = {}  # by scope of `after`
        self.places: dict[int, str] = {}  # addresses of visits in `after`, by `begin`
        self.cancelled: list[Fact] = []
        self.counts = False  # something of the life that goes on was taken over
        self.out = Replayed(self.after, survey.visits)

    def take(self, event: Event) -> None:
        within = self.cut.until is None or event.seq <= self.cut.until
        if event.type.startswith("run."):
            self._life(event, within)
            self._apply(event)
            self.twins.pair_all(self.stopped)
        elif "scope" in event.data:
            scope = self.before.scopes.get(event.data["scope"])
            if scope is not None:
                self._in_scope(event, scope, within)

    def _apply(self, event: Event) -> None:
        self.before.apply(event)
        self.before.clear_ready()

    def keep(self, kind: str, data: Mapping[str, Any], time: float) -> None:
        """Takes it over."""
        event = Event(len(self.out.events) + 1, time, kind, data)
        self.after.apply(event)
        self.after.clear_ready()
        self.out.events.append(event)

    # ---- lives

    def _life(self, event: Event, within: bool) -> None:
        out = self.out
        if event.type in LIVES_END and self.counts:
            out.waited, self.counts = event.data.get("waited", 0.0), False
        if within and event.type not in FINAL:
            self.keep(event.type, self.life_data(event), event.time)

    def life_data(self, event: Event) -> Mapping[str, Any]:
        """What is recorded of a life that begins or ends."""
        return event.data

    # ---- visits

    def _in_scope(self, event: Event, scope: Scope, within: bool) -> None:
        twin = self.twins.of(scope)
        begins = self.survey.begun.get(event.seq)
        if begins is not None:
            self.at_work[scope.id] = begins
            self._begins(begins, scope, twin)
        visit = self.at_work.get(scope.id)
        facts = () if visit is None else self._facts(event, scope, twin, visit, within)
        for kind, data in facts:
            self.keep(kind, data, event.time)
        if facts and twin is not None and visit is not None:
            self.out.ended, self.out.waited, self.counts = event.time, 0.0, True
            self._note(event, twin, visit)
        self._apply(event)
        if facts:
            self.twins.pair(scope)

    def _begins(self, visit: Visited, scope: Scope, twin: Scope | None) -> None:
        self.places[visit.begin] = visit.path if twin is None else twin.prefix + visit.node
        node = scope.graph.nodes[visit.node]
        if visit.outside and isinstance(node, Task):  # to know it again, whatever its address
            visit.digest = digest(parts_of(self.before, scope, node, self.companies))

    def _note(self, event: Event, twin: Scope, visit: Visited) -> None:
        if event.seq == visit.begin:
            visit.fate, self.open[twin.id] = "kept", visit
        if event.type in ENDS and twin.current is None:
            self.open.pop(twin.id, None)

    def _facts(self, event: Event, scope: Scope, twin: Scope | None, visit: Visited, within: bool) -> Sequence[Fact]:
        """What of an event is taken over; nothing where it does not hold."""
        cancelled, self.cancelled = self.cancelled, []
        begins = event.seq == visit.begin
        if not within:
            if begins:
                visit.fate, visit.why = "invalidated", f"came after event {self.cut.until}"
            return ()
        if twin is None or twin.id in self.stopped:
            if begins:
                visit.fate, visit.why = "invalidated", self._cause(twin, visit)
            return ()
        if event.seq in self.at:
            return self._cut_here(event, twin, visit)
        return self.holds(event, scope, twin, visit, cancelled)

    def holds(self, event: Event, _scope: Scope, twin: Scope, _visit: Visited, cancelled: list[Fact]) -> Sequence[Fact]:
        """What of an event in a scope that is not stopped is taken over: all of it, as it is. That visits were
        cancelled holds only with the end of the node around them, which follows."""
        fact = (event.type, {**event.data, "scope": twin.id})
        if event.type == "visit.cancelled":
            self.cancelled = [*cancelled, fact]
            return ()
        ends = event.type in ENDS and twin.current is not None and bool(twin.current.children)
        return [*cancelled, fact] if ends else [fact]

    def _cause(self, twin: Scope | None, visit: Visited) -> str:
        """Why nothing is taken over any more where the visit is."""
        if twin is not None:
            return f"comes after {self.stopped[twin.id]}"
        around = self.survey.begun.get(visit.around)
        if around is None:
            return ""
        if around.fate == "again":
            return f"is inside {where(around)}"
        if around.fate == "invalidated":
            return around.why
        cause = self.stopped.get(self.twins.number(around.scope))
        return "its item is gone" if cause is None or self.twins.gone(visit.scope) else f"comes after {cause}"

    # ---- cutting

    def _cut_here(self, event: Event, twin: Scope, visit: Visited) -> Sequence[Fact]:
        place = where(visit)
        if event.type == "round.started":
            place = str(event.data["path"])
        elif event.seq == visit.begin:
            visit.fate = "again"
            visit.why = "the new run begins here" if event.seq in self.cut.at else "its branch ended as failed"
        self.stop(twin, place)
        for outer in self.around(twin):
            self.stopped.setdefault(outer.id, place)
        return ()

    def stop(self, twin: Scope, cause: str) -> None:
        """Nothing more is taken over in this scope."""
        self.stopped[twin.id] = cause

    @staticmethod
    def around(scope: Scope) -> list[Scope]:
        """The scopes around one, the nearest first."""
        found = []
        while scope.owner is not None:
            scope = scope.owner.scope
            found.append(scope)
        return found

    # ---- the end

    def finish(self, *, forks: bool) -> Replayed:
        """`forks`: what was taken over is to begin a new run; else the run itself goes on."""
        out, last = self.out, self.before.seq
        out.reopens = "collected" if self.cut.failed else "failed"
        out.ended = out.ended or out.events[0].time
        while len(out.events) > 1 and out.events[-1].type.startswith("run."):
            out.events.pop()
        if forks:
            data = {"reopens": out.reopens}
            self.after.apply(Event(last, out.ended, "run.forked", data))
        self.after.apply(Event(last, out.ended, "run.resumed", {}))
        judge(self.after, out.visits, self.open, self.cut.until)
        out.repeats = [*self._lost(), *(dict(each) for each in self.before.repeats)]
        return out

    def _lost(self) -> list[dict[str, Any]]:
        """What has effects outside, was done or begun, and is not taken over as that. What is merely unfinished is
        known from the record itself."""
        unfinished = {visit.begin for visit in self.open.values() if not visit.end}
        return [
            remembered(visit, self.places[visit.begin], self.before.id)
            for visit in self.out.visits
            if visit.outside
            and visit.fate in ("again", "invalidated", "waiting")
            and visit.status not in ("failed", "skipped")
            and visit.begin not in unfinished
        ]
