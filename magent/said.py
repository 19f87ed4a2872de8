"""What agents were asked, which commands were run, and what functions and chains were given. It is not in the journal,
as it follows from it: here it is made anew, from the state as it stood when the node was reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from magent import commands
from magent.engine.casting import agent_of, system_of
from magent.engine.company import Companies
from magent.engine.fold import Run
from magent.engine.run import apply_all
from magent.engine.view import names
from magent.events import Event, WorkFailed
from magent.expressions import EvaluationError
from magent.keys import GUARD
from magent.model import Call, Chain, Graph, Prompt, Task, Workflow
from magent.model import Run as RunWork
from magent.roles import Role


class Said(NamedTuple):
    """The texts that an agent was asked with: `system` is the role's instructions and what the task, else the agent,
    says (None: nothing). `whole` False: something that they name is not known any more, so they are as they stand in
    the file."""

    prompt: str
    system: str | None
    whole: bool


class Given(NamedTuple):
    """What other work than a prompt was given: `title` says what that is (Command, Arguments, Input), `value` is a text
    or what JSON can hold. `whole` False: it cannot be made anew, and is as it stands in the file."""

    title: str
    value: Any
    whole: bool


def given(workflow: Workflow, events: Iterable[Event], run_id: str) -> dict[int, Said | Given]:
    """By the number of the event with which a visit began. Raises RunDamaged where events do not fit."""
    listener = Listener(workflow, run_id)
    found: dict[int, Said | Given] = {}
    for event in events:
        told = listener.take(event)
        if told is not None:
            found |= dict.fromkeys(listener.begun[event.data["scope"]], told)
    return found


class Listener:
    """Takes a run's events one by one. `begun` has, by scope, the events with which its current visit began: more than
    one where lives broke off."""

    def __init__(self, workflow: Workflow, run_id: str = "") -> None:
        self._run = Run(workflow)
        self._run_id = run_id
        self._companies = Companies()
        self._stand_ins: Mapping[str, str] = {}
        self._visits: dict[int, tuple[str, int]] = {}
        self.begun: dict[int, list[int]] = {}

    def asked(self, event: Event) -> tuple[Any, str | None] | None:
        """The same, as far as it is told to others: without secrets that stand in the workflow's own files."""
        told = self.take(event)
        if told is None:
            return None
        if isinstance(told, Given):
            return _hidden(told.value), None
        return GUARD.hide(told.prompt), None if told.system is None else GUARD.hide(told.system)

    def take(self, event: Event) -> Said | Given | None:
        """What the work is given of the visit that begins, or gets its role, with the event. Raises RunDamaged."""
        run = self._run
        apply_all(run, (event,), self._run_id)
        if event.type in ("run.started", "run.resumed"):
            self._stand_ins = event.data.get("agents") or {}
        if event.type not in ("visit.started", "role.routed"):
            return None
        scope = run.scopes.get(event.data["scope"])
        visit = scope.current if scope is not None else None
        if scope is None or visit is None or not isinstance(visit.node, Task):
            return None
        if event.type == "visit.started":
            this = visit.node.name, visit.number
            before = self.begun.get(scope.id, []) if self._visits.get(scope.id) == this else []
            self._visits[scope.id], self.begun[scope.id] = this, [*before, event.seq]
        work = visit.node.work
        if isinstance(work, Prompt):
            return self._said(work, scope.graph, names(run, scope), visit.role)
        return _given(work, names(run, scope))

    def _said(self, work: Prompt, graph: Graph, seen: Mapping[str, Any], routed: str | None) -> Said:
        own = None if work.system is None else work.system.source
        role: Role | None = None
        settings: Mapping[str, Any] = {}
        try:
            role = self._role(work, graph, seen, routed)
            settings = self._settings(agent_of(graph, seen, role, work.agent), graph)
            told = None if work.system is None else work.system.text(seen)
            return Said(work.prompt.text(seen), system_of(told, role, settings, seen, lambda: seen), True)
        except (EvaluationError, WorkFailed):
            parts = (role.instructions if role else None, settings.get("system") if own is None else own)
            return Said(work.prompt.source, "\n\n".join(str(part) for part in parts if part) or None, False)

    def _role(self, work: Prompt, graph: Graph, seen: Mapping[str, Any], routed: str | None) -> Role | None:
        name = routed if work.role is None else work.role.evaluate(seen)
        return None if name is None else self._companies.of(graph).role(str(name))

    def _settings(self, agent: str | None, graph: Graph) -> Mapping[str, Any]:
        """Of the agent, or of the one that stood in for it (`--agent`); a model that did left it its `system`."""
        instead = self._stand_ins.get(agent or "", "")
        known = graph.agents.get(instead) or self._run.workflow.graph.agents.get(instead)
        spec = known or graph.agents.get(agent or "")
        return spec.settings if spec is not None else {}


def _given(work: Any, seen: Mapping[str, Any]) -> Given | None:
    if isinstance(work, RunWork):
        source = work.shell.source if work.shell is not None else " ".join(str(word.data) for word in work.words)
        return _made("Command", source, lambda: commands.shown(work, seen))
    if isinstance(work, (Call, Chain)) and (arguments := work.arguments) is not None:
        return _made("Arguments", arguments.data, lambda: arguments.evaluate(seen))
    return None


def _made(title: str, source: Any, make: Callable[[], Any]) -> Given:
    try:
        return Given(title, make(), True)
    except (EvaluationError, WorkFailed):
        return Given(title, source, False)


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return GUARD.hide(value)
    if isinstance(value, Mapping):
        return {name: _hidden(item) for name, item in value.items()}
    return [_hidden(item) for item in value] if isinstance(value, list) else value
