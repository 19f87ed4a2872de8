"""What of a run is at work, as a tree: a fold of its events and of the text that streams. No terminal, no clock.

An event costs the depth of its address; what is kept is bounded by what runs at the time, not by what ran.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from magent.cli.console import one_line
from magent.cli.progress import STEPS, ended_as_failed, step_of, total, who_of
from magent.engine.fold import Run
from magent.engine.reopen import to_reopen
from magent.engine.scopes import Visit
from magent.events import Event
from magent.model import End, Graph, HumanInput, Loop, Node, Parallel, Start, Subgraph, Task, Wait, Workflow

TAIL = 400  # characters of streamed text that are kept of each visit, at least
MANY = 12  # branches or rounds: of more, those that go well are not told one by one
_INDEX = re.compile(r"\[(\d+)\]")


class Spot:
    """One visit at work. `status`: runs, retries (until `until`), asks, waits, rests (until `until`), queued (for a
    place) or, of a composite, holds. Tokens and cost include what ran inside it and has ended."""

    __slots__ = (
        "attempt", "children", "cost", "ended", "failed", "items", "limit", "name", "node", "parent", "path",
        "quiet", "retries", "round", "since", "status", "tail", "tokens", "total", "until", "who", "written",
    )  # fmt: skip

    def __init__(self, path: str, node: Node | None, parent: Spot | None, since: float) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        self.node = node
        self.parent = parent
        self.since = since
        self.children: dict[str, Spot] = {}
        self.status = "runs"
        self.until: float | None = None
        self.attempt = 1
        self.who: str | None = None  # who does it: `agent writer`, `role lead`
        self.items: list[Any] | None = None
        self.total: int | None = None  # of items, branches
        self.ended = 0  # of them
        self.failed = 0
        self.retries = 0
        self.round = -1
        self.limit: int | None = None  # of rounds
        self.tail = ""
        self.written = 0  # characters of JSON, since the last step
        self.tokens = 0
        self.cost: float | None = 0.0  # dollars; None: a price is not known
        self.quiet: bool = parent is not None and (parent.quiet or parent.many)  # its success is told by one around it

    @property
    def many(self) -> bool:
        return (self.total or 0) > MANY or self.round >= MANY

    @property
    def index(self) -> int | None:
        """Of the item that it belongs to, where the node around it runs several."""
        if self.parent is None or not isinstance(self.parent.node, Parallel) or self.parent.items is None:
            return None
        found = _INDEX.match(self.path, len(self.parent.path))
        return int(found[1]) if found else None


class Places:
    """Where a visit stands in its workflow, by its address."""

    def __init__(self, workflow: Workflow | None) -> None:
        self._workflow = workflow
        self._graphs: dict[str, Graph | None] = {}

    def find(self, path: str) -> tuple[str, Node | None]:
        """The address of the composite visit around it (empty at the top), and its node, where that is known."""
        prefix, _, name = path.rpartition("/")
        graph = self._graph(_INDEX.sub("", prefix))
        node = graph.nodes.get(name) if graph else None
        if graph is not None and node is not None and node.region in graph.regions:
            owner = graph.regions[node.region].owner
            around = graph.nodes.get(owner or "")
            if isinstance(around, Parallel) and around.body is None:  # a branch adds nothing to the address
                return f"{prefix}/{owner}" if prefix else str(owner), node
        return prefix.rpartition("[")[0] if prefix.endswith("]") else prefix, node

    def is_last(self, path: str, following: str | None) -> bool:
        """Whether the scope of the visit ends where it goes on to the node `following`."""
        graph = self._graph(_INDEX.sub("", path.rpartition("/")[0])) if following == "end" else None
        return following is None or (graph is not None and "end" not in graph.nodes)

    def _graph(self, prefix: str) -> Graph | None:
        if prefix not in self._graphs:
            self._graphs[prefix] = self._walk(prefix)
        return self._graphs[prefix]

    def _walk(self, prefix: str) -> Graph | None:
        graph = self._workflow.graph if self._workflow else None
        for name in prefix.split("/") if prefix else ():
            node = graph.nodes.get(name) if graph else None
            if isinstance(node, Subgraph) and self._workflow:
                graph = self._workflow.graphs[node.uses]
        return graph


class Board:
    """`roots` are the visits at work in the run's own scope; `counts` says how many leaves have which status."""

    def __init__(self, workflow: Workflow | None = None) -> None:
        self.name = workflow.name if workflow else ""
        self.began: float | None = None
        self.roots: dict[str, Spot] = {}
        self.counts: Counter[str] = Counter()
        self.steps = 0
        self.tokens = 0
        self.cost: float | None = 0.0  # dollars; None: a price is not known
        self._workflow = workflow
        self._spots: dict[str, Spot] = {}
        self._places = Places(workflow)

    @classmethod
    def of(cls, run: Run) -> Board:
        """A board that begins with what earlier lives of the run have left open."""
        board = cls(run.workflow)
        board.steps, board.tokens = run.steps, sum(run.tokens)
        board.cost = None if run.cost_unknown else run.cost
        again = set(to_reopen(run.root, collected=run.again == "collected") if run.again else ())
        for scope in run.scopes.values():
            if scope.current is not None and (scope.status == "open" or scope in again):
                board._adopt(scope.current, sum(child in again for child in scope.current.children))
        return board

    def _adopt(self, visit: Visit, again: int) -> None:
        """A visit of which `again` branches failed that are tried anew."""
        spot = self._open(visit.path, visit.started)
        if visit.items is not None or isinstance(visit.node, Parallel):
            spot.items, spot.total = visit.items, len(visit.children if visit.items is None else visit.items)
            spot.failed = visit.failures - again
        spot.ended = visit.successes + spot.failed
        spot.round, spot.limit, spot.attempt = visit.index, visit.limit, visit.attempt
        spot.until = visit.deadline
        self._turn(spot, _status_of(visit))

    def __call__(self, event: Event) -> Spot | None:
        """Takes one event in. Gives the visit that it is about, if any, also where that has just ended."""
        if event.type == "text":
            return self._text(event)
        handler = _HANDLERS.get(event.type)
        return handler(self, event, str(event.data.get("path") or event.data.get("node") or "")) if handler else None

    def _begun(self, event: Event, _: str) -> None:
        self.began = event.time
        for spot in self._spots.values():
            if spot.status == "holds":  # what it took before is of another life
                spot.since = event.time
        if isinstance(event.data.get("workflow"), str):
            self.name = event.data["workflow"]

    def _started(self, event: Event, path: str) -> Spot:
        spot = self._spots.get(path)
        if spot is None:
            spot = self._open(path, event.time)
            self.steps += 1
        elif spot.status == "queued":
            spot.since = event.time
        data, node = event.data, spot.node
        spot.attempt = int(data.get("attempt") or 1)
        spot.items = data["items"] if isinstance(data.get("items"), list) else spot.items
        several = spot.items if spot.items is not None else data.get("branches")
        spot.total = len(several) if isinstance(several, list) else spot.total
        spot.limit = data.get("max") if isinstance(data.get("max"), int) else spot.limit
        spot.until = data.get("deadline")
        composite = isinstance(node, (Parallel, Loop, Subgraph)) or spot.total is not None
        leaf = (
            "asks" if "ask" in data else "rests" if isinstance(node, Task) and isinstance(node.work, Wait) else "runs"
        )
        self._turn(spot, "holds" if composite else leaf)
        return spot

    def _retries(self, event: Event, path: str) -> Spot:
        spot = self._spots.get(path) or self._open(path, event.time)
        spot.until, spot.attempt = event.data.get("at"), int(event.data.get("attempt") or 1) + 1
        spot.tail, spot.written = "", 0
        for child in list(spot.children.values()) if isinstance(spot.node, Task) else ():
            self._close(child)
        self._spend(spot, event.data)
        around: Spot | None = spot
        while around is not None:
            around.retries += 1
            around = around.parent
        self._turn(spot, "retries")
        return spot

    def _spent(self, event: Event, path: str) -> Spot | None:
        self._spend(self._speaker(event, path), event.data)
        return self._spots.get(path)

    def _waits(self, event: Event, path: str) -> Spot:
        spot = self._spots.get(path) or self._open(path, event.time)
        self._turn(spot, "waits")
        return spot

    def _answered(self, _: Event, path: str) -> Spot | None:
        spot = self._spots.get(path)
        if spot is not None:
            self._turn(spot, "runs")
        return spot

    def _round(self, event: Event, path: str) -> Spot | None:
        spot = self._spots.get(path.rpartition("[")[0])
        if spot is not None:
            spot.round = int(event.data.get("index") or 0)
        return spot

    def _ends(self, event: Event, path: str) -> Spot:
        spot = self._spots.get(path)
        if spot is None:  # it took no time: a condition, a `set`
            spot = self._open(path, event.time)
            self.steps += event.type != "visit.skipped" and not isinstance(spot.node, (Start, End))
        self._spend(spot, event.data)
        self._close(spot)
        uncaught = event.type == "visit.failed" and "caught" not in event.data
        failed = uncaught or ended_as_failed(event) is not None
        if spot.parent is not None and (failed or self._places.is_last(path, event.data.get("next"))):
            spot.parent.ended += 1
            spot.parent.failed += failed
        return spot

    def _cancelled(self, _: Event, path: str) -> Spot | None:
        spot = self._spots.get(path)
        if spot is not None:
            self._close(spot)
        return spot

    def _step(self, event: Event, path: str) -> Spot | None:
        """A line of its own among the text that streams."""
        spot, told = self._speaker(event, path), step_of(event)
        if spot is not None and event.type == "role.routed":
            spot.who = f"role {event.data.get('role')}"
        if spot is not None and told is not None:
            start = "" if not spot.tail or spot.tail.endswith("\n") else "\n"
            spot.tail = f"{spot.tail}{start}{told[0]} {one_line(told[1], TAIL)}\n"[-3 * TAIL :]
            spot.written = 0
        self._spend(spot, event.data)
        return spot

    def _handed(self, event: Event, path: str) -> Spot | None:
        """A subtask stands below who handed it over, and is at work in its place."""
        key = str(event.data["delegation"])
        above = self._spots.get(key.rpartition(">")[0])
        if above is not None:
            below = Spot(key, None, above, event.time)
            below.name = one_line(f"{event.data.get('role')}: {event.data.get('task')}", 60)
            below.who = f"agent {event.data.get('agent')}"
            self._spots[key] = above.children[key] = below
            self.counts["runs"] += 1
            self._turn(above, "holds")
        return self._spots.get(path)

    def _handed_back(self, event: Event, path: str) -> Spot | None:
        below = self._speaker(event, path)
        self._spend(below, event.data)
        if below is not None and below.path != path and below.parent is not None:
            self._close(below)
            self._turn(below.parent, "runs")
        return self._spots.get(path)

    def _speaker(self, event: Event, path: str) -> Spot | None:
        """The subtask that the event is of, else the visit."""
        return self._spots.get(str(event.data.get("delegation"))) or self._spots.get(path)

    def _text(self, event: Event) -> Spot | None:
        spot = self._speaker(event, str(event.data.get("path", "")))
        if spot is not None and event.data.get("structured"):  # pieces of JSON tell a reader nothing but that they come
            spot.written += len(str(event.data.get("text", "")))
            start = spot.tail[: spot.tail.rfind("\n") + 1]
            spot.tail = f"{start}{{…}} {spot.written:,} characters"
        elif spot is not None:
            spot.tail += str(event.data.get("text", ""))[-2 * TAIL :]
            if len(spot.tail) > 3 * TAIL:
                spot.tail = spot.tail[spot.tail.find("\n", -2 * TAIL, -TAIL) + 1 or -TAIL :]
        return spot

    def _withdrawn(self, event: Event, path: str) -> Spot | None:
        spot = self._speaker(event, path)
        if spot is not None:
            spot.tail, spot.written = "", 0
        return spot

    # ---- the tree

    def _open(self, path: str, time: float) -> Spot:
        around, node = self._places.find(path)
        parent = self._spots.get(around)
        if parent is None and around:  # what opened it was not told, as it began in an earlier life
            parent = self._open(around, time)
            self._turn(parent, "holds")
        spot = self._spots[path] = Spot(path, node, parent, time)
        (self.roots if parent is None else parent.children)[path] = spot
        self.counts["runs"] += 1
        spot.who = who_of(self._workflow, path) if self._workflow and isinstance(node, Task) else None
        return spot

    def _close(self, spot: Spot) -> None:
        for child in list(spot.children.values()):
            self._close(child)
        self.counts[spot.status] -= 1
        self._spots.pop(spot.path, None)
        (self.roots if spot.parent is None else spot.parent.children).pop(spot.path, None)

    def _turn(self, spot: Spot, status: str) -> None:
        self.counts[spot.status] -= 1
        self.counts[status] += 1
        spot.status = status

    def _spend(self, spot: Spot | None, data: Mapping[str, Any]) -> None:
        if "tokens" not in data:
            return
        tokens, cost = total(data["tokens"]), data.get("cost")
        self.tokens += tokens
        self.cost = _sum(self.cost, cost)
        while spot is not None:
            spot.tokens += tokens
            spot.cost = _sum(spot.cost, cost)
            spot = spot.parent


def _sum(cost: float | None, more: float | None) -> float | None:
    return None if cost is None or more is None else cost + more


def _status_of(visit: Visit) -> str:
    if isinstance(visit.node, (Parallel, Loop, Subgraph)):
        return "holds"
    if visit.question is not None:
        return "asks" if isinstance(visit.node, HumanInput) and visit.answer is None else "queued"
    if isinstance(visit.node, Task) and isinstance(visit.node.work, Wait):
        return "rests"
    return "retries" if visit.status == "retrying" else "queued"


_HANDLERS: dict[str, Callable[[Board, Event, str], Spot | None]] = {
    "run.started": Board._begun,
    "run.resumed": Board._begun,
    "visit.started": Board._started,
    "visit.retry": Board._retries,
    "visit.spent": Board._spent,
    "visit.waiting": Board._waits,
    "visit.answered": Board._answered,
    "visit.completed": Board._ends,
    "visit.skipped": Board._ends,
    "visit.failed": Board._ends,
    "visit.cancelled": Board._cancelled,
    "round.started": Board._round,
    **dict.fromkeys(STEPS, Board._step),
    "text.withdrawn": Board._withdrawn,
    "delegation.started": Board._handed,
    "delegation.ended": Board._handed_back,
}
