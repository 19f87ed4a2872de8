"""Agents: whoever answers a prompt. Each kind is one module, imported when a workflow uses it.

    replies    scripted answers               function   a Python function
    command    a program, such as an agent CLI   models     provider:model, through Pydantic AI
    local      a small model in the process (`download` fetches its file, `grammar` bounds what it may say, `choice`
               lets it choose between a tool and an answer)

`parts` puts conversations and tools into Pydantic AI's words, `refusals` says what a provider's refusal means, `reach`
whether it answers at all; `envelope` opens the JSON that agent CLIs print; `calls` reads calls of tools as agents write
them, `spoken` those of agents that only write text.

`throttle` holds any of them to its `max_concurrency` and `requests_per_minute`; `prices` knows what a model costs.

`custom` are those of other packages, of a module beside the workflow, or handed over by a program.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from magent import entries
from magent.agents import custom
from magent.agents.base import AgentEnvironment, Unusable, failed
from magent.agents.prices import price_of
from magent.agents.throttle import throttled
from magent.events import WorkFailed
from magent.model import AgentSpec
from magent.ports import Agent
from magent.spec.builtins import is_own

__all__ = ["AgentEnvironment", "foreign", "handed", "make", "price_of"]

Maker = Callable[[AgentSpec, Mapping[str, Any], AgentEnvironment], Agent]

_NUMBERS = {  # settings that may be templates: the least, and whether they are whole
    "max_concurrency": (1, True),
    "max_tokens": (1, True),
    "requests_per_minute": (math.ulp(0.0), False),
    "temperature": (0, False),
}
_KINDS = {
    "replies": "magent.agents.replies:RepliesAgent",
    "call": "magent.agents.function:FunctionAgent",
    "command": "magent.agents.command:CommandAgent",
    "local": "magent.agents.local:LocalAgent",
    "model": "magent.agents.models:ModelAgent",
}


def make(spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> Agent:
    """The agent that `spec` describes. `settings`: its own, templates rendered (but `{{ prompt }}` in a command).

    Never fails: an agent that cannot be made says why when it is asked, so that `on_error` and `fallback` see it.
    """
    try:
        settings = _with_numbers(spec.name, settings)
        return throttled(_maker(spec, settings)(spec, settings, environment), settings, environment.paces)
    except WorkFailed as failure:
        return Unusable(WorkFailed(failure.failure._replace(final=True)))


def handed(agent: Any, spec: AgentSpec, settings: Mapping[str, Any], environment: AgentEnvironment) -> Agent:
    """An agent that a program hands over for the one that `spec` describes, whose bounds hold for it. Never fails, as
    `make`."""
    try:
        settings = _with_numbers(spec.name, settings)
        return throttled(custom.handed(agent, spec, settings, environment), settings, environment.paces)
    except WorkFailed as failure:
        return Unusable(WorkFailed(failure.failure._replace(final=True)))


def _with_numbers(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that a template gave as text, such as one of `env`, as numbers. Raises WorkFailed."""
    return {**settings, **{key: _number(name, key, settings[key]) for key in _NUMBERS if settings.get(key) is not None}}


def whole(name: str, key: str, value: Any) -> int:
    """A setting that is a whole number. Raises WorkFailed."""
    return int(_number(name, key, value))


def _number(name: str, key: str, value: Any) -> int | float:
    least, whole = _NUMBERS[key]
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not least <= number < math.inf or (whole and number != int(number)):
        wanted = f"a whole number from {least:g}" if whole else "a number, not below 0"
        raise failed(f"`{key}` of agent '{name}' must be {wanted}, not {value!r}")
    return int(number) if whole else number


def _maker(spec: AgentSpec, settings: Mapping[str, Any]) -> Maker:
    if spec.kind != "model":
        return _load(_KINDS[spec.kind])
    name = settings.get("model")
    if not isinstance(name, str) or not name.strip():
        raise failed(f"agent '{spec.name}' names no model: {name!r}", "write `model: provider:name`, or `model: local`")
    provider, colon, _ = name.partition(":")
    if provider == "local":
        return _load(_KINDS["local"])
    named = custom.entry_point(provider, spec)
    if named is None and colon and is_own(provider, spec.home):
        named = custom.member(name.strip(), spec)
    return _load(_KINDS["model"]) if named is None else partial(custom.custom, named)


def foreign(spec: AgentSpec, settings: Mapping[str, Any]) -> str | None:
    """Of an agent that is somebody's class: its `module:name`, or the name under which an installed package offers it.
    None for all others: to make them runs nothing."""
    name = settings.get("model")
    if spec.kind != "model" or not isinstance(name, str):
        return None
    provider, colon, _ = name.partition(":")
    if provider == "local":
        return None
    if provider in entries.offered(entries.AGENTS):
        return provider
    return name.strip() if colon and is_own(provider, spec.home) else None


def _load(target: str) -> Maker:
    module, _, name = target.partition(":")
    return cast("Maker", getattr(importlib.import_module(module), name))
