"""The fold: what the events of a run add up to. Only `Run.apply` changes it, live and on resume alike."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from magent.engine.joins import (
    branch_facts,
    composite_output,
    facts_after,
    failure_facts,
    merge_children,
    round_facts,
    stores_output,
)
from magent.engine.reopen import reopen
from magent.engine.scopes import Scope, Visit
from magent.engine.tree import Tree
from magent.events import Event, Failure
from magent.model import Chain, Choice, HumanInput, Loop, Node, Parallel, Subgraph, Task, Workflow


class Run(Tree):
    """A run as its events have made it so far."""

    def __init__(self, workflow: Workflow) -> None:
        super().__init__(workflow)
        self.id = ""
        self.seq = 0
        self.status = "running"
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
        self.last = 0.0  # when somebody was seen at work last
        self.spent = 0.0  # seconds of the lives before this one
        self.asked: dict[str, int] = {}  # how often each human node was asked, by name and by /path
        self.marks: dict[str, list[Any]] = {}  # by graph|agent: what its answers left behind, for `recall`
        self.turns: dict[str, list[float]] = {}  # by graph|agent: when calls began that still count for its rate
        self.failure: Failure | None = None
        self.outputs: Any = None
        self.signal = 0  # the number of the signal that ended the last life
        self.agents: dict[str, str] = {}  # agents replaced for this run, by --agent
        self.trace: Mapping[str, Any] = {}  # that the run was begun in: `spans.ids.incoming`
        self.reopens = ""  # of a fork, until its first own life: what is tried anew; failed | collected
        self.notified: list[str] = []  # the questions that somebody was told of (`notify`)
        self.repeats: list[Mapping[str, Any]] = []  # of a fork: what has effects outside and was done before it

    # ---- applying

    def apply(self, event: Event) -> None:
        """Takes one event in. Events of unknown type are passed over (they are from a newer magent's readers)."""
        self.seq = event.seq or self.seq
        handler = _HANDLERS.get(event.type)
        if handler is not None:
            handler(self, event.time, event.data)
        if event.type != "visit.answered":  # which can come while nobody drives the run
            self.last = event.time

    def _run_started(self, time: float, data: Mapping[str, Any]) -> None:
        graph = self.workflow.graph
        self.id = data["run_id"]
        self.created = self.life_started = time
        self.inputs, self.env, self.limits = data["inputs"], data["env"], dict(data.get("limits", {}))
        self.facts, self.agents = data["run"], dict(data.get("agents", {}))
        self.trace = data.get("trace") or {}
        self.root = self.open_scope("run", graph, "", None)
        self.root.inputs = self.inputs
        self.enter(self.root, graph.entry)

    @property
    def again(self) -> str:
        """What its next life would try anew: failed | collected; nothing: it goes on."""
        return self.reopens or ("failed" if self.status == "failed" else "")

    def _run_resumed(self, time: float, data: Mapping[str, Any]) -> None:
        if self.status == "running":  # the life before was killed: it has worked until its last event
            self._life_over(self.last, {}, "interrupted")
        self._leave_out(time - self.last if self.last else 0.0)
        again, self.reopens = self.again, ""
        self.status, self.life_started = "running", time
        self.limits.update(data.get("limits", {}))
        self.agents.update(data.get("agents", {}))
        self.facts = {**self.facts, **data.get("run", {})}  # it was moved
        self.failure = None
        self.clear_ready()
        if again:
            self.steps -= reopen(self, time, collected=again == "collected")  # the same visit counts once

    def _leave_out(self, gap: float) -> None:
        """Between two lives nobody is at work: visits do not last longer for it, but for a person's time."""
        for scope in self.scopes.values() if gap > 0 else ():
            if scope.current is not None and not isinstance(scope.current.node, HumanInput):
                scope.current.started += gap

    def _run_forked(self, time: float, data: Mapping[str, Any]) -> None:
        self._life_over(time, data, "interrupted")
        self.reopens, self.repeats = data["reopens"], list(data.get("repeats", ()))

    def _notified(self, _time: float, data: Mapping[str, Any]) -> None:
        if data.get("questions"):
            self.notified = list(data["questions"])

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
        visit.attempt, visit.event = data.get("attempt", 1), self.seq
        visit.touched, visit.doubted = [], None
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
            self.open_inner(visit, node, data["inputs"])
        else:
            return
        self.queue(scope)

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
        visit.steps = {}
        self._spend(visit, data)

    def _spent(self, _time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes.get(data["scope"])  # None: of a branch that is closed already
        self._spend(None if scope is None else scope.current, data)

    # ---- what an attempt at work tells

    def _routed(self, _time: float, data: Mapping[str, Any]) -> None:
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        visit.role = data["role"]

    def _agent_asked(self, time: float, data: Mapping[str, Any]) -> None:
        place = f"{self.scopes[data['scope']].graph.key}|{data['agent']}"
        taken = [turn for turn in self.turns.get(place, ()) if turn > time - data["span"]]
        self.turns[place] = [*taken, time]

    def _tool_called(self, _time: float, data: Mapping[str, Any]) -> None:
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        if "external" in data:
            visit.touched = [*visit.touched, data["tool"]]
            visit.doubted = _call_of_step(data) if _is_step(visit, data) else None
        if "asked" in data:
            name = f"tool {data['tool']}"
            self.asked[name] = self.asked.get(name, 0) + 1

    def _tool_returned(self, _time: float, data: Mapping[str, Any]) -> None:
        """A step that is done is not done again by a resume: it is not in doubt any more."""
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        if _is_step(visit, data) and "output" in data:
            visit.steps = {**visit.steps, str(data["step"]): data["output"]}
            visit.touched = [tool for tool in visit.touched if tool != data["tool"]]
            visit.doubted = None
            visit.status = "again" if visit.status == "uncertain" else visit.status  # a person said so

    def _tool_passed(self, _time: float, data: Mapping[str, Any]) -> None:
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        if _is_step(visit, data):
            visit.steps = {**visit.steps, str(data["step"]): None}
            visit.touched, visit.doubted = [], None

    def _waiting(self, _time: float, data: Mapping[str, Any]) -> None:
        visit = self.scopes[data["scope"]].current
        assert visit is not None
        if "ask" in data:
            visit.question, visit.status = data["ask"], "uncertain"
            self.repeats = [each for each in self.repeats if each["visit"] != data.get("repeats")]
            self.release(visit.scope, True)
        elif visit.status != "uncertain":
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
        if "session" in data:
            name = data["session"]["name"]
            scope.sessions[name] = [*scope.sessions.get(name, ()), *data["session"]["messages"]]
        self._facts_of(scope, node, visit, "completed", time, data)
        if node.type not in ("start", "end"):
            self.path.append(scope.prefix + node.name)
        if visit is not None:
            self.drop_children(visit)
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
            marks = data["marks"]
            for agent, left in (marks if isinstance(marks, Mapping) else {data["agent"]: marks}).items():
                place = f"{visit.scope.graph.key}|{agent}"
                self.marks[place] = [*self.marks.get(place, []), *left]
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

    def _follow(self, scope: Scope, data: Mapping[str, Any]) -> None:
        if "loop" in data:
            name = data["loop"]
            scope.counters = {**scope.counters, name: scope.counters.get(name, 0) + 1}
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
            self.close_children(visit)
            self.end_scope(scope, "failed", failure)
            return
        scope.error, scope.names = failure_facts(failure), None
        if data["caught"] == "continue":
            scope.state.write(node.name, None)
        scope.facts.own.update(branch_facts(visit))
        self.drop_children(visit)
        self._follow(scope, data)

    def _cancelled(self, _time: float, data: Mapping[str, Any]) -> None:
        scope = self.scopes.get(data["scope"])
        if scope is not None and scope.current is not None:
            node = scope.current.node
            scope.facts.own[node.name] = {**scope.facts[node.name], "status": "cancelled"}


def _is_step(visit: Visit, data: Mapping[str, Any]) -> bool:
    """Whether it is a step of the chain that is the visit's own work, not of one that an agent called."""
    return "step" in data and isinstance(visit.node, Task) and isinstance(visit.node.work, Chain)


def _call_of_step(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: data[name] for name in ("call", "tool", "chain", "step", "as") if name in data}


_HANDLERS: dict[str, Any] = {
    "run.started": Run._run_started,
    "run.resumed": Run._run_resumed,
    "run.forked": Run._run_forked,
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
    "role.routed": Run._routed,
    "agent.asked": Run._agent_asked,
    "agent.replied": Run._spent,
    "agent.fallback": Run._spent,
    "delegation.ended": Run._spent,
    "tool.called": Run._tool_called,
    "tool.returned": Run._tool_returned,
    "tool.passed": Run._tool_passed,
    "notified": Run._notified,
}
