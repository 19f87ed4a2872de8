"""The lives of a run: its start, its resumes, and what it has come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from magent.engine.drive import drive
from magent.engine.driver import Driver
from magent.engine.fold import Run
from magent.engine.patience import limit_time
from magent.engine.scopes import Scope
from magent.engine.snapshot import from_json
from magent.errors import RunDamaged
from magent.events import Event
from magent.model import Loop, Parallel, Subgraph, Workflow
from magent.ports import Question, Record
from magent.shapes import fault


def refold(workflow: Workflow, record: Record) -> Run:
    """The run that a record adds up to. Raises RunDamaged where events do not fit one another, or there are none."""
    run = _from_checkpoint(workflow, record) or Run(workflow)
    if not run.seq and not record.events:
        name = record.header.get("run_id", "")
        hint = f"start a new one; to use its id again, first: magent runs rm {name}"
        raise RunDamaged(f"run {name} was ended before anything of it was recorded", hint)
    apply_all(run, record.events, str(record.header.get("run_id", "")))
    return run


def apply_all(run: Run, events: Iterable[Event], run_id: str) -> None:
    """Takes recorded events in. Raises RunDamaged where they do not fit one another."""
    last = run.seq
    try:
        for event in events:
            if wrong := fault(event):
                raise RunDamaged(f"event {event.seq} of run {run_id} ({event.type}) is none: {wrong}", _CHANGED)
            run.apply(event)
            last = event.seq
            run.clear_ready()
    except (KeyError, AssertionError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RunDamaged(
            f"event {last + 1} of run {run_id} does not fit what stands before it ({error!r})", _CHANGED
        ) from error


_CHANGED = "the journal was changed, or written by another version of magent; start a new run"


def _from_checkpoint(workflow: Workflow, record: Record) -> Run | None:
    if record.checkpoint is None:
        return None
    _, fold = record.checkpoint
    try:
        return from_json(workflow, fold)
    except (KeyError, ValueError, TypeError, AssertionError, AttributeError) as error:
        raise RunDamaged(
            f"the newest checkpoint of run {record.header.get('run_id', '')} cannot be read ({error!r})",
            "remove the files in its `checkpoints` directory: the journal is complete without them",
        ) from error


async def start(driver: Driver, data: Mapping[str, Any]) -> None:
    """The first life: `data` is that of `run.started`."""
    driver.record("run.started", dict(data))
    driver.recorder.must_sync = True  # without it nothing could be resumed
    limit_time(driver)
    await drive(driver)


async def resume(driver: Driver, data: Mapping[str, Any]) -> None:
    """Another life: `data` is that of `run.resumed` (raised limits, the process)."""
    driver.record("run.resumed", dict(data))
    limit_time(driver)
    rouse(driver)
    await drive(driver)


def rouse(driver: Driver) -> None:
    """Puts everything that can go on before the planner: joins first, so that what is decided already stays decided."""
    run = driver.run
    composites: list[Scope] = []
    others: list[Scope] = []
    for scope in list(run.scopes.values()):
        if scope.status != "open":
            continue
        visit = scope.current
        if visit is not None and isinstance(visit.node, (Parallel, Loop, Subgraph)):
            visit.next_child = 0
            composites.append(scope)
            driver.time_limit(scope)
        elif scope.begun or scope.kind not in ("branch", "item"):
            others.append(scope)
    for scope in (*reversed(composites), *others):
        run.queue(scope)
    if run.root.status != "open":
        run.queue(run.root)


def open_questions(run: Run) -> list[Question]:
    """What people are asked, in the order of the addresses' opening."""
    found: list[Question] = []
    for scope in run.scopes.values():
        visit = scope.current
        if scope.status == "open" and visit is not None and visit.question is not None and visit.answer is None:
            found.append(Question.from_json(visit.question))
    return found


def scope_of(run: Run, path: str) -> Scope:
    """The scope whose visit at work has this address. Raises KeyError."""
    for scope in run.scopes.values():
        if scope.status == "open" and scope.current is not None and scope.current.path == path:
            return scope
    raise KeyError(path)


def visits(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Every visit as the events tell it: `{path, node, status, attempts, started, ended, tokens, cost, error}`; where
    there are such also `agent`, `role`, `decision`, and `steps`: calls of tools, subtasks, spans of the workflow's own
    code, answers that did not fit and agents that could not answer, in order, each `{status, attempt, tool, arguments,
    output, error, duration …}`."""
    found: dict[str, dict[str, Any]] = {}
    done: list[dict[str, Any]] = []
    for event in events:
        kind, _, what = event.type.partition(".")
        if kind in ("tool", "role", "agent", "delegation", "span") and event.data["path"] in found:
            _tell_step(found[event.data["path"]], event)
        if kind != "visit":
            continue
        data = event.data
        path = data["path"]
        visit = found.get(path)
        if visit is None:
            visit = found[path] = {
                "path": path,
                "node": data.get("node", path.rpartition("/")[2]),
                "status": "pending",
                "attempts": 0,
                "started": event.time,
                "ended": None,
                "tokens": {"input": 0, "output": 0},
                "cost": 0.0,
                "error": None,
            }
            done.append(visit)
        _tell(visit, what, event)
        if what in ("completed", "failed", "skipped", "cancelled"):
            found.pop(path, None)
    return done


def _tell(visit: dict[str, Any], what: str, event: Event) -> None:
    data = event.data
    visit["status"] = dict.fromkeys(("started", "retry", "answered", "spent"), "running").get(what, what)
    visit["attempts"] = max(visit["attempts"], data.get("attempt", 1))
    if what in ("completed", "failed", "skipped", "cancelled"):
        visit["ended"] = event.time
    if what in ("started", "retry") or visit["ended"] is not None:
        abandon(visit)
    if "error" in data:
        visit["error"] = data["error"]
    if "digest" in data:
        answer = data.get("output") or data.get("answer") or {}
        told = {name: answer.get(name) for name in ("by", "at", "via", "comment")}
        visit["answered"] = told | {"took": data.get("took"), "digest": data["digest"]}
    visit.update({name: data[name] for name in _OF_VISITS if name in data})
    _spend(visit, data)


def abandon(visit: Mapping[str, Any]) -> None:
    """What was at work within it when its life or its attempt ended never came to an end of its own."""
    for step in visit.get("steps", ()):
        if step["status"] == "running":
            step["status"] = "interrupted"


_OF_VISITS = ("role", "agent", "fallback", "cut")


def _spend(visit: dict[str, Any], data: Mapping[str, Any]) -> None:
    if data.get("tokens"):
        for name in ("input", "output"):
            visit["tokens"][name] += data["tokens"][name]
        cost = data.get("cost")
        visit["cost"] = None if cost is None or visit["cost"] is None else visit["cost"] + cost
        if data.get("estimated"):
            visit["estimated"] = True


_OF_STEPS = (
    "tool", "arguments", "agent", "role", "delegation", "chain", "step", "as", "task", "depth", "external", "agreed",
)  # fmt: skip
_OF_CALLS = (*_OF_STEPS, "error")
_OF_SPANS = ("span", "name", "within", "values", "events", "duration", "error")
_OF_ANSWERS = ("agent", "role", "delegation", "to", "error", "faults")


def _tell_step(visit: dict[str, Any], event: Event) -> None:
    data = event.data
    _spend(visit, data)
    if event.type == "role.routed":
        visit.update({"role": data["role"], "agent": data["agent"], "decision": data["decision"]})
    elif event.type == "agent.fallback" or (event.type == "agent.replied" and "faults" in data):
        step = {"status": "failed", "attempt": visit["attempts"]}
        visit.setdefault("steps", []).append(step | {name: data[name] for name in _OF_ANSWERS if name in data})
    elif event.type == "tool.unusable":
        step = {"status": "failed", "attempt": visit["attempts"]}
        visit.setdefault("steps", []).append(step | {name: data[name] for name in _OF_CALLS if name in data})
    elif event.type == "span.ended":
        status = "failed" if "error" in data else "completed"
        step = {"status": status, "attempt": visit["attempts"]}
        visit.setdefault("steps", []).append(step | {name: data[name] for name in _OF_SPANS if name in data})
    elif event.type in ("tool.called", "tool.skipped", "delegation.started"):
        status = "skipped" if event.type == "tool.skipped" else "running"
        step = {"status": status, "attempt": visit["attempts"]}
        visit.setdefault("steps", []).append(step | {name: data[name] for name in _OF_STEPS if name in data})
    elif event.type in ("tool.returned", "delegation.ended"):
        _end_step(visit.get("steps", ()), data)


def _end_step(steps: Sequence[dict[str, Any]], data: Mapping[str, Any]) -> None:
    """Calls nest: the last that is running of this name and by this hand is the one that has ended."""
    names = ("tool", "delegation", "step")
    for step in reversed(steps):
        if step["status"] == "running" and all(step.get(name) == data.get(name) for name in names):
            step["status"] = "failed" if "error" in data else "completed"
            step["duration"] = data.get("duration")
            if "message" in data.get("error", ("message",)):  # else the visit says why
                step.update({name: data[name] for name in ("output", "error") if name in data})
            return
