"""What a run is opened with: checked inputs, an outfit that can be used, a record with its header, limits."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import socket
from collections.abc import Mapping
from typing import Any

from magent import preflight, telemetry
from magent.answers import check_document
from magent.errors import InvalidWorkflow, UsageError
from magent.life import Options
from magent.masks import frozen_of
from magent.model import Run, Task, Workflow
from magent.outfit import Outfit
from magent.ports import Agent, Journal, RunStore
from magent.source import did_you_mean, sort_key
from magent.spans.ids import incoming
from magent.spec.schema import check_value, field_schema, fill, validate
from magent.stores.ids import new_id
from magent.version import VERSION

DURABILITIES = ("sync", "async", "exit")


async def create(
    store: RunStore,
    workflow: Workflow,
    inputs: Mapping[str, Any],
    created: float,
    outfit: Outfit,
    wanted: str | None = None,
    parent: Mapping[str, Any] | None = None,
) -> Journal:
    """A new record. Ids are short: where two runs of one second draw the same, the later draws again. `parent` says
    which run it was forked from."""
    kept = frozen_of(workflow, outfit.hidden)
    for left in reversed(range(50 if wanted is None else 1)):
        run_id = new_id(created, os.urandom(2)) if wanted is None else wanted
        try:
            header = {**header_of(workflow, run_id, inputs, created, outfit), "parent": parent}
            return await store.create(run_id, header, kept)
        except UsageError:
            if not left:
                raise
    raise AssertionError


def prepare(
    workflow: Workflow,
    options: Options,
    seen: Mapping[str, Any],
    usd: float | None,
    cwd: str | None = None,
    *,
    opens: bool = True,
) -> Outfit:
    """What the run works with. Raises UsageError and InvalidWorkflow for what would fail later; without `opens` nothing
    that the workflow names is imported or made for that."""
    if options.durability not in (None, *DURABILITIES):
        hint = did_you_mean(options.durability, DURABILITIES)
        raise UsageError(f"there is no durability '{options.durability}': sync, async or exit", hint)
    if options.stop_after is not None:
        nodes = [name for each in workflow.graphs.values() for name in each.nodes]
        if options.stop_after not in nodes:
            raise UsageError(f"no node is named '{options.stop_after}'", did_you_mean(options.stop_after, nodes))
    _check_answers(workflow, options.answers)
    telemetry.makers(options.otlp, options.exporters)
    here = cwd or os.getcwd()
    if not os.path.isdir(here) and _starts_there(workflow):
        hint = f"put it back, or make it: mkdir -p {shlex.quote(here)}"
        raise UsageError(f"the run's commands start in {here}, and there is no such directory (any more)", hint)
    outfit = Outfit(workflow, options.agents, seen, here, options.on_download, options.tools, opens)
    preflight.check(outfit, usd)
    if opens:
        outfit.people(options.human)
    return outfit


def _starts_there(workflow: Workflow) -> bool:
    """Whether a task starts a command where the run was first started, or below."""
    nodes = (node for graph in workflow.graphs.values() for node in graph.nodes.values())
    commands = (node.work for node in nodes if isinstance(node, Task) and isinstance(node.work, Run))
    return any(each.cwd is None or not os.path.isabs(each.cwd.source) for each in commands)


def _check_answers(workflow: Workflow, answers: Mapping[str, Any]) -> None:
    if not answers:
        return
    shape = validate(answers, "answers")
    wrong = [problem.path for problem in shape]
    shape += [
        problem
        for problem in check_document(answers, workflow)
        if not any(path == problem.path or path.startswith((f"{problem.path}.", f"{problem.path}[")) for path in wrong)
    ]
    if any(problem.severity == "error" for problem in shape):
        raise InvalidWorkflow(sorted(shape, key=sort_key))


def check_inputs(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs with defaults filled in. Raises UsageError that names what is missing, unknown or of a wrong type."""
    fields = workflow.graph.inputs
    unknown = [name for name in given if name not in fields]
    if unknown:
        known = ", ".join(fields) or "none"
        raise UsageError(f"no input is named '{unknown[0]}' (there are: {known})", did_you_mean(unknown[0], fields))
    missing = [name for name, schema in fields.items() if name not in given and "default" not in schema]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        flags = " ".join(f"-i {name}=…" for name in missing)
        raise UsageError(f"input{'s' if len(missing) > 1 else ''} missing: {names}", f"write {flags}")
    faults = check_value(field_schema(fields), dict(given))
    if faults:
        raise UsageError(f"an input does not fit: {'; '.join(faults)}")
    return fill(fields, dict(given))


def by_name(agents: Mapping[str, str | Agent]) -> dict[str, str]:
    """What a record can hold of replaced agents: their names. An agent handed over is handed over again on resume."""
    return {name: agent for name, agent in agents.items() if isinstance(agent, str)}


def header_of(
    workflow: Workflow, run_id: str, inputs: Mapping[str, Any], created: float, outfit: Outfit
) -> dict[str, Any]:
    frozen = json.dumps(workflow.frozen, sort_keys=True).encode()
    return {
        "run_id": run_id,
        "workflow": workflow.name,
        "file": outfit.hidden.hide(workflow.file),
        "digest": hashlib.sha256(frozen).hexdigest(),
        "inputs": outfit.mask(dict(inputs)) if outfit.mask else dict(inputs),
        "created": created,
        "versions": {"magent": VERSION, "python": platform.python_version()},
        "cwd": outfit.cwd,
        "host": socket.gethostname(),
    }


def traced() -> dict[str, Any]:
    """What the first event of a life says of the trace that this process was started in, if it was in one."""
    around = incoming(os.environ)
    return {"trace": around} if around else {}


def workspace_of(workflow: Workflow, journal: Journal) -> str:
    """Where file tools may go: the directory that the workflow names (from its file), else the run's own."""
    path = (workflow.workspace or {}).get("path")
    return os.path.normpath(os.path.join(workflow.home, path)) if path else str(journal.workspace)


def limits_of(workflow: Workflow, options: Options) -> dict[str, Any]:
    bounds = workflow.limits
    limits: dict[str, Any] = {
        "steps": bounds.max_steps,
        "tokens": bounds.tokens,
        "usd": bounds.usd,
        "timeout": bounds.timeout,
    }
    limits.update(options.limits)
    return limits
