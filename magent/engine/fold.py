"""The fold: what the events of a run add up to. Only `Run.apply` changes it, live and on resume alike.

A `Scope` is the run, a branch, an item, a round or a subgraph; a `Visit` is one node at work in it. Composite visits
hold the scopes they opened. Nothing recurses: scopes know their owner, visits their scope.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from magent.events import Event, Failure
from magent.model import Choice, Graph, HumanInput, Loop, Node, Parallel, Subgraph, Task, Workflow
from magent.state import State

PENDING_FACTS: Mapping[str, Any] = {"status": "pending", "visits": 0, "attempts": 0, "error": None}
CLOSED = ("completed", "failed", "cancelled")


class Visit:
    """One node at work in one scope."""

    __slots__ = (
        "answer", "attempt", "begun", "branches", "children", "cost", "deadline", "early", "failed_first", "failure",
        "failures", "index",
        "items", "last", "limit", "need", "next_child", "node", "number", "path", "question", "released", "results",
        "scope", "started", "status", "successes", "timeout", "tokens", "width",
    )  # fmt: skip

    def __init__(self, scope: Scope, node: Node, number: int, started: float) -> None:
        self.scope = scope
        self.node = node
        self.number = number
        self.path = scope.prefix + node.name
        self.status = "running"  # running | retrying | waiting | uncertain | again
        self.attempt = 1
        self.early = False  # failed before it began: at its `when`, at what it works out when it is reached
        self.started = started
        self.tokens = [0, 0]
        self.cost: float | None = 0.0
        self.deadline: float | None = None
        self.timeout: float | None = None
        self.question: Mapping[str, Any] | None = None
        self.answer: Mapping[str, Any] | None = None
        # composites
        self.children: list[Scope] = []
        self.items: list[Any] | None = None
        self.branches: list[int] = []  # the indexes of those that are taken
        self.next_child = 0  # where to look for a branch that has not begun
        self.begun = 0
        self.released = 0  # branches that wait for a person and so leave their place to others
        self.width: int | None = None  # max_concurrency
        self.need = 0
        self.successes = 0
        self.failures = 0
        self.failed_first: Failure | None = None
        self.failure: Failure | None = None
        self.index = -1  # of the loop's round
        self.limit: int | None = None
        self.last: Any = None
        self.results: list[Any] = []


class Scope:
    """One scope. `pending` is the node it will enter next; `current` the visit at work (kept where it failed)."""

    __slots__ = (
        "ancestry", "begun", "counters", "current", "depth", "error", "facts", "failure", "graph", "id",
        "index", "inputs", "kind", "locals",
        "names", "output", "outputs", "owner", "pending", "prefix", "queued", "released", "state", "status", "via",
    )  # fmt: skip

    def __init__(self, id_: int, kind: str, graph: Graph, prefix: str, owner: Visit | None, index: int = 0) -> None:
        self.id = id_
        self.kind = kind  # run | branch | item | round | graph
        self.graph = graph
        self.prefix = prefix
        self.owner = owner
        self.index = index
        self.status = "open"
        self.pending: str | None = None
        self.via = "normal"
        self.current: Visit | None = None
        self.state: State
        self.facts: Facts
        self.inputs: Mapping[str, Any] = {}
        self.locals: Mapping[str, Any] = {}
        self.counters: dict[str, int] = {}
        self.output: Any = None
        self.outputs: Any = None  # of the `end` reached
        self.error: Mapping[str, Any] | None = None
        self.failure: Failure | None = None
        self.depth: int = 0 if owner is None else owner.scope.depth + (kind == "graph")
        self.ancestry: tuple[int, ...] = () if owner is None else (*owner.scope.ancestry, owner.number)
        self.begun = False
        self.queued = False
        self.released = False
        self.names: dict[str, Any] | None = None  # cache of what expressions see

    def __repr__(self) -> str:
        return f"<Scope {self.id} {self.kind} {self.prefix!r} {self.status}>"


class Facts(Mapping[str, Any]):
    """`nodes` as expressions see it: the facts of each node, own ones over the enclosing scope's."""

    __slots__ = ("nodes", "own", "parent")

    def __init__(self, nodes: Mapping[str, Node], parent: Facts | None = None) -> None:
        self.nodes = nodes
        self.parent = parent
        self.own: dict[str, Mapping[str, Any]] = {}

    def __getitem__(self, name: str) -> Any:
        layer: Facts | None = self
        while layer is not None:
            if name in layer.own:
                return layer.own[name]
            layer = layer.parent
        if name in self.nodes:
            return PENDING_FACTS
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)


class Run:
    """A run as its events have made it so far."""

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.id = ""
        self.seq = 0
        self.status = "running"
        self.scopes: dict[int, Scope] = {}
        self.opened = 0  # how many scopes were ever opened
        self.ready: deque[Scope] = deque()  # scopes the planner must look at
        self.inputs: Mapping[str, Any] = {}
        self.env: Mapping[str, Any] = {}
        self.facts: Mapping[str, Any] = {}  # `run` as expressions see it, but for `key`
        self.limits: dict[str, Any] = {}
        self.path: list[str] = []
        self.steps = 0
        self.tokens = [0, 0]
        self.cost = 0.0
        self.cost_unknown = False
        self.created = 0.0
        self.life_started = 0.0
        self.spent = 0.0  # seconds of the lives before this one
        self.asked: dict[str, int] = {}  # how often each human node was asked, by name and by /path
        self.marks: dict[str, list[Any]] = {}  # by graph|agent: what its answers left behind, for `recall`
        self.failure: Failure | None = None
        self.outputs: Any = None
        self.signal = 0  # the number of the signal that ended the last life
        self.agents: dict[str, str] = {}  # agents replaced for this run, by --agent
        self.root: Scope

    # ---- opening

    def open_scope(self, kind: str, graph: Graph, prefix: str, owner: Visit | None, index: int = 0) -> Scope:
        scope = Scope(self.opened, kind, graph, prefix, owner, index)
        self.opened += 1
        self.scopes[scope.id] = scope
        if owner is None or kind == "graph":
            scope.state, scope.facts = State(graph.state), Facts(graph.nodes)
            return scope
        outer = owner.scope
        scope.inputs, scope.locals = outer.inputs, outer.locals
        if kind == "round":
            scope.state, scope.facts = outer.state, outer.facts
        else:
            scope.state = State(graph.state, outer.state, logged=True)
            scope.facts = Facts(graph.nodes, outer.facts)
        return scope

    def queue(self, scope: Scope) -> None:
        if not scope.queued:
            scope.queued = True
            self.ready.append(scope)

    def next_ready(self) -> Scope:
        scope = self.ready.popleft()
        scope.queued = False
        return scope

    def clear_ready(self) -> None:
        while self.ready:
            self.next_ready()

    def enter(self, scope: Scope, node: str | None, via: str = "normal") -> None:
        """The scope goes on at `node`, or ends where that is None."""
        scope.current = None
        scope.pending, scope.via = node, via
        if node is None or (node == "end" and "end" not in scope.graph.nodes):
            self.end_scope(scope, "completed")
        else:
            if via != "loop_back":
                self.reset_counters(scope, node)
            self.queue(scope)

    @staticmethod
    def reset_counters(scope: Scope, target: str) -> None:
        if scope.counters:
            ending = f">{target}"
            for name in [name for name in scope.counters if name.endswith(ending)]:
                del scope.counters[name]

    def end_scope(self, scope: Scope, status: str, failure: Failure | None = None) -> None:
        owner = scope.owner
        if status == "completed" and owner is not None and enough(owner):
            status = "cancelled"  # so many were waited for, and this one came later
        scope.status, scope.failure, scope.pending = status, failure, None
        if owner is None:
            self.queue(scope)
            return
        if isinstance(owner.node, Loop) and status == "completed":
            owner.last = scope.output
            if owner.items is not None:
                owner.results.append(scope.output)
        elif isinstance(owner.node, Parallel):
            if status == "completed":
                owner.successes += 1
            elif status == "failed":
                owner.failures += 1
                owner.failed_first = owner.failed_first or failure
            if rests(owner):
                self.release(owner.scope, True)
        self.queue(owner.scope)

    @staticmethod
    def begin(scope: Scope) -> None:
        """A branch takes its place among those of its parallel node."""
        owner = scope.owner
        if not scope.begun and owner is not None:
            scope.begun = True
            owner.begun += 1

    def release(self, scope: Scope, released: bool) -> None:
        """A person is asked (or is no longer) in `scope`: the branch it is in leaves (or takes) its place to others.

        So does the branch around a parallel node that only waits for people.
        """
        while True:
            while scope.owner is not None and not isinstance(scope.owner.node, Parallel):
                scope = scope.owner.scope
            owner = scope.owner
            if owner is None or scope.released == released:
                return
            scope.released = released
            owner.released += 1 if released else -1
            self.queue(owner.scope)
            scope, released = owner.scope, rests(owner)

    # ---- applying

    def apply(self, event: Event) -> None:
        """Takes one event in. Events of unknown type are passed over (they are from a newer magent's readers)."""
        self.seq = event.seq or self.seq
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event.time, event.data)

    def _run_started(self, time: float, data: Mapping[str, Any]) -> None:
        graph = self.workflow.graph
        self.id = data["run_id"]
        self.created = self.life_started = time
        self.inputs, self.env, self.limits = data["inputs"], data["env"], dict(data.get("limits", {}))
        self.facts, self.agents = data["run"], dict(data.get("agents", {}))
        self.root = self.open_scope("run", graph, "", None)
        self.root.inputs = self.inputs
        self.enter(self.root, graph.entry)

    def _run_resumed(self, time: float, data: Mapping[str, Any]) -> None:
        failed = self.status == "failed"
        self.status, self.life_started = "running", time
        self.limits.update(data.get("limits", {}))
        self.agents.update(data.get("agents", {}))
        self.failure = None
        self.clear_ready()
        if failed:
            self._reopen(time)

    def _reopen(self, time: float) -> None:
        """Opens again what made the run fail: the failed scopes up to the root, and what was cancelled with them."""
        work = [self.root]
        while work:
            scope = work.pop()
            if scope.status == "completed" or is_final(scope):
                continue
            if scope.owner is not None and isinstance(scope.owner.node, Parallel) and scope.status == "failed":
                scope.owner.failures -= 1
            scope.status, scope.failure = "open", None
            if scope.current is not None:
                work.extend(self._try_again(scope, scope.current, time))

    def _try_again(self, scope: Scope, visit: Visit, time: float) -> list[Scope]:
        """A failed visit is tried anew. Gives the scopes under it that are to be opened again."""
        node, itself = visit.node, visit.failure is not None
        if visit.early:
            scope.current, scope.pending = None, node.name
            scope.facts.own[node.name] = {**scope.facts[node.name], "visits": visit.number - 1}
            self.steps -= node.type not in ("start", "end")  # the same visit counts once
            return []
        if itself:
            visit.attempt, visit.failure, visit.status = 1, None, "again"
        if isinstance(node, Parallel):
            visit.failed_first = None
            if node.collect and not itself:  # what it collected stays so: it goes on with what was cancelled
                return [child for child in visit.children if child.status == "cancelled"]
        elif isinstance(node, HumanInput) and itself:
            self._ask_again(visit, time)
        elif itself and visit.items is None and all(child.status == "completed" for child in visit.children):
            self._start_over(visit)
        return visit.children

    def _ask_again(self, visit: Visit, time: float) -> None:
        """The same question, with as much time as it had."""
        visit.answer = None
        self.release(visit.scope, True)
        if visit.deadline is not None:
            visit.deadline = time + (visit.deadline - visit.started)
            visit.question = {**(visit.question or {}), "deadline": visit.deadline}
        visit.started = time

    def _start_over(self, visit: Visit) -> None:
        """A loop or a subgraph that failed by itself (it was exhausted, had no route) begins anew."""
        before, visit.children = visit.children, []
        for child in before:
            self.scopes.pop(child.id, None)
        visit.index, visit.last = -1, None
        if isinstance(visit.node, Subgraph):
            self._open_inner(visit, visit.node, before[0].inputs)

    def _life_over(self, time: float, data: Mapping[str, Any], status: str) -> None:
        self.status = status
        self.spent += max(0.0, time - self.life_started - data.get("waited", 0.0))
        self.life_started = time
        self.outputs = data.get("outputs")
        self.signal = data.get("signal", 0)
        self.failure = Failure.from_json(data["error"]) if data.get("error") else None

    def _started(self, time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes[data["scope"]]
        self.begin(scope)
        visit = scope.current
        new = visit is None
        if visit is None:
            node = scope.graph.nodes[data["node"]]
            visit = scope.current = Visit(scope, node, data["visit"], time)
            scope.pending = None
            self.steps += 1
            facts = scope.facts[node.name]
            scope.facts.own[node.name] = {**facts, "status": "running", "visits": data["visit"], "error": None}
            self._open_children(visit, data)
        visit.status = "running"
        visit.attempt = data.get("attempt", 1)
        if isinstance(visit.node, HumanInput) and visit.question is None:
            visit.question = data["ask"]
            for name in (visit.node.name, "/" + visit.path):
                self.asked[name] = self.asked.get(name, 0) + 1
            self.release(scope, True)
        if isinstance(visit.node, Task) and visit.question is not None:
            visit.question = visit.answer = None
            self.release(scope, False)
        visit.timeout = data.get("timeout", visit.timeout)
        visit.deadline = data.get("deadline", visit.deadline if isinstance(visit.node, HumanInput) else None)
        if (new and visit.deadline is not None) or "ask" in data:
            self.queue(scope)

    def _open_children(self, visit: Visit, data: Mapping[str, Any]) -> None:
        node, scope = visit.node, visit.scope
        if isinstance(node, Parallel):
            visit.need, visit.width = data["need"], data.get("width")
            visit.items = data.get("items")
            visit.branches = data.get("branches", [])
            for index in range(len(visit.items or ())) if node.body else visit.branches:
                self.open_branch(visit, node, index)
        elif isinstance(node, Loop):
            visit.items, visit.limit = data.get("items"), data.get("max")
        elif isinstance(node, Subgraph):
            self._open_inner(visit, node, data["inputs"])
        else:
            return
        self.queue(scope)

    def _open_inner(self, visit: Visit, node: Subgraph, inputs: Mapping[str, Any]) -> None:
        graph = self.workflow.graphs[node.uses]
        child = self.open_scope("graph", graph, f"{visit.path}/", visit)
        child.inputs = inputs
        visit.children.append(child)
        self.enter(child, graph.entry)

    def open_branch(self, visit: Visit, node: Parallel, index: int) -> None:
        scope = visit.scope
        if node.body:
            child = self.open_scope("item", scope.graph, f"{visit.path}[{index}]/", visit, index)
            child.pending = node.body
            assert visit.items is not None
            child.locals = {**scope.locals, "round": round_facts(index), node.item: visit.items[index]}
        else:
            child = self.open_scope("branch", scope.graph, scope.prefix, visit, index)
            child.pending = node.branches[index].to
        visit.children.append(child)

    def _round_started(self, _time: float, data: Mapping[str, Any]) -> None:
        outer = self.scopes[data["scope"]]
        visit = outer.current
        assert visit is not None
        assert isinstance(visit.node, Loop)
        for old in visit.children:
            self.scopes.pop(old.id, None)
        index = visit.index = data["index"]
        child = self.open_scope("round", outer.graph, f"{visit.path}[{index}]/", visit, index)
        child.locals = {**outer.locals, "round": round_facts(index)}
        if visit.items is not None:
            child.locals = {**child.locals, visit.node.item: visit.items[index]}
        visit.children = [child]
        self.enter(child, visit.node.body)

    def _retry(self, _time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes[data["scope"]]
        visit = scope.current
        assert visit is not None
        visit.status, visit.deadline = "retrying", data["at"]
        visit.attempt = data["attempt"] + 1
        self._spend(visit, data)

    def _spent(self, _time: float, data: Mapping[str, Any]) -> None:
        self._spend(self.scopes[data["scope"]].current, data)

    def _waiting(self, _time: float, data: Mapping[str, Any]) -> None:
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        if "ask" in data:
            visit.question, visit.status = data["ask"], "uncertain"
            self.release(visit.scope, True)
        else:
            visit.status = "waiting"

    def _answered(self, _time: float, data: Mapping[str, Any]) -> None:
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        visit.answer = data["answer"]

    def _completed(self, time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes[data["scope"]]
        self.begin(scope)
        node = scope.graph.nodes[data["node"]]
        visit = scope.current
        if visit is not None and (visit.question is not None or visit.children):
            self.release(scope, False)
        if visit is not None and visit.children:
            merge_children(visit, scope.state)
            scope.facts.own.update(branch_facts(visit))
        self._write(scope, node, data)
        self._facts_of(scope, node, visit, "completed", time, data)
        if node.type not in ("start", "end"):
            self.path.append(scope.prefix + node.name)
        if visit is not None:
            self._drop_children(visit)
        if node.type == "end":
            if "outputs" in data:
                scope.output = scope.outputs = data["outputs"]
            if data.get("status") == "failed":
                self.end_scope(scope, "failed", Failure.from_json(data["error"]))
                return
        self._follow(scope, data)

    def _write(self, scope: Scope, node: Node, data: Mapping[str, Any]) -> None:
        if "output" in data:
            scope.state.write(node.name, data["output"])
            if not isinstance(node, Choice):
                scope.output = data["output"]
        elif scope.current is not None and stores_output(node):
            output = composite_output(scope.current)
            scope.state.write(node.name, output)
            scope.output = output
        for name, value in data.get("set", {}).items():
            scope.state.write(name, value)

    def _facts_of(
        self, scope: Scope, node: Node, visit: Visit | None, status: str, time: float, data: Mapping[str, Any]
    ) -> None:
        scope.facts.own[node.name] = facts_after(scope, node, visit, status, time, data)
        if visit is None:
            self.steps += node.type not in ("start", "end")
        self._spend(visit, data)

    def _spend(self, visit: Visit | None, data: Mapping[str, Any]) -> None:
        if "marks" in data and visit is not None:
            place = f"{visit.scope.graph.key}|{data['agent']}"
            self.marks[place] = [*self.marks.get(place, []), *data["marks"]]
        tokens = data.get("tokens")
        if not tokens:
            return
        self.tokens[0] += tokens["input"]
        self.tokens[1] += tokens["output"]
        cost = data.get("cost")
        if cost is None:
            self.cost_unknown = True
        else:
            self.cost += cost
        if visit is not None:
            visit.tokens = [visit.tokens[0] + tokens["input"], visit.tokens[1] + tokens["output"]]
            visit.cost = None if cost is None or visit.cost is None else visit.cost + cost

    @staticmethod
    def _close_children(visit: Visit) -> None:
        """What is still open under a failed visit is cancelled, but kept: a later life may open it again."""
        work = list(visit.children)
        while work:
            child = work.pop()
            if child.status == "open":
                child.status = "cancelled"
                if child.current is not None:
                    work.extend(child.current.children)

    def _drop_children(self, visit: Visit) -> None:
        work = list(visit.children)
        visit.children = []
        while work:
            child = work.pop()
            if child.status == "open":
                child.status = "cancelled"
            self.scopes.pop(child.id, None)
            if child.current is not None:
                work.extend(child.current.children)

    def _follow(self, scope: Scope, data: Mapping[str, Any]) -> None:
        if "loop" in data:
            name = data["loop"]
            scope.counters[name] = scope.counters.get(name, 0) + 1
            self.enter(scope, data.get("next"), "loop_back")
        else:
            self.enter(scope, data.get("next"))

    def _skipped(self, _time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes[data["scope"]]
        self.begin(scope)
        facts = scope.facts[data["node"]]
        scope.facts.own[data["node"]] = {**facts, "status": "skipped"}
        self._follow(scope, data)

    def _failed(self, time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes[data["scope"]]
        self.begin(scope)
        node = scope.graph.nodes[data["node"]]
        visit = scope.current
        if visit is not None and (visit.question is not None or visit.children):
            self.release(scope, False)
        if visit is None:  # failed before it began, at its `when` for instance
            visit = scope.current = Visit(scope, node, scope.facts[node.name]["visits"] + 1, time)
            scope.pending, visit.early = None, True
            self.steps += node.type not in ("start", "end")
        failure = Failure.from_json(data["error"])
        visit.failure = failure
        self._facts_of(scope, node, visit, "failed", time, data)
        if "caught" not in data:
            self._close_children(visit)
            self.end_scope(scope, "failed", failure)
            return
        scope.error, scope.names = failure_facts(failure), None
        if data["caught"] == "continue":
            scope.state.write(node.name, None)
        scope.facts.own.update(branch_facts(visit))
        self._drop_children(visit)
        self._follow(scope, data)

    def _cancelled(self, _time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes.get(data["scope"])
        if scope is not None and scope.current is not None:
            node = scope.current.node
            scope.facts.own[node.name] = {**scope.facts[node.name], "status": "cancelled"}


def enough(visit: Visit) -> bool:
    """Whether as many branches have succeeded as are waited for."""
    return isinstance(visit.node, Parallel) and not visit.node.collect and visit.successes >= visit.need


def rests(visit: Visit) -> bool:
    """Whether every branch of a parallel node has begun, and those that have not ended wait for people."""
    at_work = visit.begun - visit.successes - visit.failures - visit.released
    return visit.released > 0 and at_work == 0 and visit.begun == len(visit.children)


def is_final(scope: Scope) -> bool:
    """Whether the scope ended at an `end` with `failed`: that is never tried anew."""
    return scope.failure is not None and scope.failure.type == "end"


def round_facts(index: int) -> dict[str, Any]:
    return {"index": index, "number": index + 1, "first": index == 0}


def failure_facts(failure: Failure) -> dict[str, Any]:
    """`error` as expressions see it."""
    return {
        "type": failure.type,
        "message": failure.message,
        "node": failure.node,
        "attempts": failure.attempts,
        "data": failure.data,
    }


def stores_output(node: Node) -> bool:
    return isinstance(node, (Parallel, Loop))


def composite_output(visit: Visit) -> Any:
    """What a parallel or a loop made of its scopes' outputs."""
    node = visit.node
    if isinstance(node, Loop):
        return list(visit.results) if visit.items is not None else visit.last
    done = {child.index: child.output for child in visit.children if child.status == "completed"}
    if isinstance(node, Parallel) and node.body:
        return [done.get(index) for index in range(len(visit.items or ()))]
    assert isinstance(node, Parallel)
    return {branch.to: done.get(index) for index, branch in enumerate(node.branches)}


def branch_errors(visit: Visit, timed_out: bool) -> dict[str, Any]:
    """`nodes.fan.errors`: branch name or index → {type, message}, of those that failed or were not done in time."""
    errors: dict[str, Any] = {}
    node = visit.node
    if isinstance(node, Parallel):
        for child in visit.children:
            name = str(child.index) if node.body else node.branches[child.index].to
            if child.failure is not None:
                errors[name] = {"type": child.failure.type, "message": child.failure.message}
            elif timed_out and child.status == "open":
                errors[name] = {"type": "timeout", "message": "the branch was not done in time"}
    return errors


def branch_facts(visit: Visit | None) -> dict[str, Mapping[str, Any]]:
    """The facts of the nodes in branches, which come out of them; nothing of an item's nodes does."""
    found: dict[str, Mapping[str, Any]] = {}
    for child in visit.children if visit is not None else ():
        if child.kind == "branch":
            found.update(child.facts.own)
            if child.status == "open" and child.current is not None:  # what is not done yet is cancelled
                name = child.current.node.name
                found[name] = {**child.facts[name], "status": "cancelled"}
    return found


def merge_children(visit: Visit, state: State) -> None:
    """Merges the writes of completed branches, as writes, in declaration (or item) order. Raises BadWrite."""
    if not isinstance(visit.node, Parallel):
        return
    for child in visit.children:
        if child.status == "completed" and child.state.log:
            for name, value in child.state.log:
                if child.kind == "branch" or name in state.keys:
                    state.write(name, value)


def facts_after(
    scope: Scope, node: Node, visit: Visit | None, status: str, time: float, data: Mapping[str, Any]
) -> dict[str, Any]:
    """The facts of a node once its visit is over."""
    tokens = data.get("tokens") or {"input": 0, "output": 0}
    cost = data.get("cost", 0.0)
    before = scope.facts[node.name]
    if visit is None:
        visits, attempts, duration = before["visits"] + 1, 1, 0.0
    else:
        visits, attempts, duration = visit.number, visit.attempt, max(0.0, time - visit.started)
        tokens = {"input": visit.tokens[0] + tokens["input"], "output": visit.tokens[1] + tokens["output"]}
        cost = None if cost is None or visit.cost is None else visit.cost + cost
    return {
        "status": status,
        "visits": visits,
        "attempts": attempts,
        "duration": round(duration, 6),
        "tokens": tokens,
        "cost": cost,
        "error": data.get("error"),
        "errors": branch_errors(visit, bool(data.get("timed_out"))) if visit is not None and visit.children else {},
    }


_HANDLERS: dict[str, Any] = {
    "run.started": Run._run_started,
    "run.resumed": Run._run_resumed,
    "run.waiting": partial(Run._life_over, status="waiting"),
    "run.interrupted": partial(Run._life_over, status="interrupted"),
    "run.completed": partial(Run._life_over, status="completed"),
    "run.failed": partial(Run._life_over, status="failed"),
    "run.cancelled": partial(Run._life_over, status="cancelled"),
    "visit.started": Run._started,
    "visit.retry": Run._retry,
    "visit.spent": Run._spent,
    "visit.waiting": Run._waiting,
    "visit.answered": Run._answered,
    "visit.completed": Run._completed,
    "visit.skipped": Run._skipped,
    "visit.failed": Run._failed,
    "visit.cancelled": Run._cancelled,
    "round.started": Run._round_started,
}
