"""Who does a prompt: the agent that is named, or the role that is named or routed to, and who plays it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from magent.engine.company import Company, Speaker
from magent.engine.work import Attempt
from magent.events import Failure, WorkFailed
from magent.expressions import Template, Value
from magent.model import Graph, Prompt
from magent.roles import Role, Wanted


async def cast(attempt: Attempt, work: Prompt) -> Speaker:
    """Who does the task. A route is decided once a visit, and recorded with every candidate. Raises WorkFailed."""
    role = None
    company = attempt.services.companies.of(attempt.graph)
    if work.role is not None:
        role = company.role(_name(work.role.evaluate(attempt.seen), "role"))
    elif attempt.before.role is not None:
        role = company.role(attempt.before.role)
    elif work.route is not None:
        role = await _routed(attempt, work, company)
    agent = agent_of(attempt.graph, attempt.seen, role, work.agent)
    if agent is None:
        raise WorkFailed(Failure("agent", "no agent is named", hint="add `agent:` to the task or to `defaults`"))
    return Speaker(agent, role)


async def _routed(attempt: Attempt, work: Prompt, company: Company) -> Role:
    wanted = wanted_of(work.route.evaluate(attempt.seen), company) if work.route else Wanted()
    decision = company.route(wanted, work.prompt.text(attempt.seen))
    if decision.chosen is None:
        first, *rest = decision.sentences()
        raise WorkFailed(Failure("agent", first, data=decision.as_json(), hint="; ".join(rest) or None))
    role = company.role(decision.chosen)
    agent = agent_of(attempt.graph, attempt.seen, role, work.agent)
    await attempt.note("role.routed", {"role": role.name, "agent": agent, "decision": decision.as_json()})
    return role


def wanted_of(route: Mapping[str, Any], company: Company) -> Wanted:
    """What a route asks for, as far as templates gave it: null is nothing. Raises WorkFailed (`agent`)."""
    for key in ("skills", "expertise"):
        words = route.get(key)
        if words is not None and not (
            isinstance(words, list) and all(isinstance(word, str) and word for word in words)
        ):
            raise WorkFailed(Failure("agent", f"`route.{key}` must give a list of words, not {_shown(words)}"))
    for key in ("role_type", "prefer"):
        if route.get(key) is not None:
            _name(route[key], f"route.{key}")
    wanted = Wanted.of(route)
    if wanted.prefer:
        company.role(wanted.prefer)
    return wanted


def agent_of(graph: Graph, seen: Mapping[str, Any], role: Role | None, named: Value | None = None) -> str | None:
    """The agent that the task names, else the one that plays the role, else the default; None where there is none."""
    value = named
    if value is None and role is not None and role.agent is not None:
        value = Value(role.agent)
    if value is None:
        value = graph.default_agent
    return None if value is None else _name(value.evaluate(seen), "agent")


def system_of(
    own: str | None,
    role: Role | None,
    settings: Mapping[str, Any],
    seen: Mapping[str, Any],
    secretly: Callable[[], Mapping[str, Any]],
) -> str | None:
    """The role's instructions, then what the task says, or else the agent, whose `settings` may name secrets."""
    if own is None and isinstance(settings.get("system"), str):
        own = str(Value(settings["system"]).evaluate(secretly()))
    instructions = Template(role.instructions).text(seen).strip() if role is not None else ""
    return "\n\n".join(text for text in (instructions, own) if text) if instructions else own


def _name(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise WorkFailed(Failure("agent", f"`{key}` must give a name, not {_shown(value)}"))
    return value


def _shown(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)[:80]
