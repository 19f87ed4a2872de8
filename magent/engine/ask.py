"""The `prompt` task: an agent is asked, its answer held against the shape wanted, and sent back where it must be."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import Value
from magent.model import Graph, Prompt
from magent.ports import Agent, Message, Prepares, Reply, Request, Usage
from magent.spec.schema import check_value, field_schema, fill

REPAIRS = 2
FALLS_BACK = ("rate_limit", "agent", "timeout")


async def ask(attempt: Attempt, work: Prompt) -> Any:
    """Asks the task's agent, and those that it falls back to, in order, where it cannot answer. Raises WorkFailed."""
    if work.role is not None or work.route is not None:
        raise WorkFailed(Failure("agent", "`role` and `route` are not available yet; name an `agent`"))
    first = _agent_name(attempt, work)
    names = [first, *_fallback(attempt.graph, first)]
    for name in names[:-1]:
        try:
            return await _ask_one(attempt, work, name)
        except WorkFailed as error:
            if error.failure.type not in FALLS_BACK:
                raise
            passed = {"agent": name, "type": error.failure.type, "message": error.failure.message}
            attempt.used.setdefault("fallback", []).append(passed)
    try:
        return await _ask_one(attempt, work, names[-1])
    except WorkFailed as error:
        if not (before := attempt.used.get("fallback")):
            raise
        told = "; ".join(f"{each['agent']}: {each['message']}" for each in before)
        message = f"{error.failure.message} (before that, {told})"
        raise WorkFailed(error.failure._replace(message=message)) from error


def _fallback(graph: Graph, name: str) -> list[str]:
    spec = graph.agents.get(name)
    return [] if spec is None else [str(other) for other in spec.settings.get("fallback", ()) if other != name]


async def _ask_one(attempt: Attempt, work: Prompt, name: str) -> Any:
    agent = attempt.services.agent(attempt.graph, name)
    request = _request(attempt, work, name)
    answer, faults = "", ["no answer"]
    for _ in range(1 + REPAIRS):
        reply = await _call(attempt, name, agent, request)
        if request.schema is None:
            return reply.text if not reply.has_data or reply.text else reply.data
        value, faults = _read(reply)
        faults = faults or check_value(request.schema, value)
        if not faults:
            assert attempt.node.output is not None
            return fill(attempt.node.output, value)
        answer = reply.text
        request = _repair(request, answer, faults)
    message = f"the answer of agent '{name}' does not fit `output`, also after {REPAIRS} repairs: {faults[0]}"
    raise WorkFailed(Failure("output", message, data={"answer": answer}))


async def prepare(attempt: Attempt) -> None:
    """What an agent must fetch or load first (the local model) is not counted against the task's time."""
    work = attempt.node.work
    if isinstance(work, Prompt) and work.role is None and work.route is None:
        name = _agent_name(attempt, work)
        if _fallback(attempt.graph, name):
            return  # where the first cannot be made ready, another may answer
        agent = attempt.services.agent(attempt.graph, name)
        if isinstance(agent, Prepares):
            await agent.prepare()


def _agent_name(attempt: Attempt, work: Prompt) -> str:
    value = work.agent or attempt.graph.default_agent
    if value is None:
        raise WorkFailed(Failure("agent", "no agent is named", hint="add `agent:` to the task or to `defaults`"))
    name = value.evaluate(attempt.seen)
    if not isinstance(name, str):
        raise WorkFailed(Failure("agent", f"`agent` must give a name, not {json.dumps(name)[:80]}"))
    return name


def _request(attempt: Attempt, work: Prompt, name: str) -> Request:
    prompt = work.prompt.text(attempt.seen)
    spec = attempt.graph.agents.get(name)
    settings: Mapping[str, Any] = spec.settings if spec else {}
    fields = attempt.node.output
    system = work.system.text(attempt.seen) if work.system else None
    if system is None and isinstance(settings.get("system"), str):
        system = Value(settings["system"]).evaluate(attempt.with_secrets())
    max_tokens = settings.get("max_tokens")
    return Request(
        prompt,
        (Message("user", prompt),),
        system=system,
        schema=None if fields is None else field_schema(fields),
        max_tokens=max_tokens if isinstance(max_tokens, int) else None,
        path=attempt.path,
        key=attempt.key,
        cwd=attempt.services.cwd,
        context={"inputs": attempt.seen["inputs"], "node": attempt.node.name, "path": attempt.path},
    )


async def _call(attempt: Attempt, name: str, agent: Agent, request: Request) -> Reply:
    budget = attempt.services.budget
    reserved = budget.reserve(name, request.max_tokens)
    usage = Usage()
    try:
        reply = await agent.ask(request, attempt.text)
        usage = reply.usage
    finally:
        budget.settle(reserved, usage)
    attempt.spent(name, reply)
    return reply


def _read(reply: Reply) -> tuple[Any, list[str]]:
    if reply.has_data:
        return reply.data, []
    try:
        return json.loads(reply.text), []
    except ValueError:
        return None, ["it is not JSON"]


def _repair(request: Request, answer: str, faults: Sequence[str]) -> Request:
    listed = "\n".join(f"- {fault}" for fault in faults[:10])
    wish = f"That answer does not fit:\n{listed}\nAnswer again with one JSON object that fits, and nothing else."
    messages = (*request.messages, Message("assistant", answer or "(empty)"), Message("user", wish))
    return Request(
        request.prompt,
        messages,
        system=request.system,
        schema=request.schema,
        max_tokens=request.max_tokens,
        path=request.path,
        key=request.key,
        cwd=request.cwd,
        context=request.context,
    )
