"""What stands in `agents`: providers that exist, addresses, patterns, envelopes and the expressions in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from magent import entries
from magent.expressions import Expression, ExpressionProblem
from magent.source import Problem
from magent.spec.builtins import MODEL_PROVIDERS, is_own
from magent.spec.catalogue import predefined_envelopes
from magent.spec.checks.context import Context
from magent.spec.checks.references import shared
from magent.spec.checks.views import Place, is_template, mapping, sequence
from magent.spec.schema_rules import BadPattern, pattern
from magent.urls import is_address

_OTHERS = ("answer", "printed")
_SEEN = {  # all others see what stands in `_OTHERS`
    "pick": ("printed",),
    "stream": ("event",),
    "error.status": (*_OTHERS, "message"),
    "error.retry_after": (*_OTHERS, "message"),
}
_KEYS = ("pick", "text", "data", "stream", "cost", "model")
_OF_ERROR = ("when", "message", "status", "retry_after")


def check_models(context: Context) -> Iterator[Problem]:
    """`model` is `local` or `provider:model`, of a provider that there is."""
    for place, _, agent in shared(context, "agents"):
        model = agent.get("model")
        if not isinstance(model, str) or is_template(model):
            continue
        provider, _, name = model.strip().partition(":")
        if provider == "local" or (name.strip() and _is_provider(provider, place.document.home)):
            continue
        message, hint = _no_model(context, model, provider, name)
        yield (place / "model").problem("unknown-model", message, hint=hint)


def _is_provider(name: str, home: str) -> bool:
    """Of models, or a module of one's own; others come with other packages."""
    return name in MODEL_PROVIDERS or is_own(name, home) or name in entries.offered(entries.AGENTS)


def _no_model(context: Context, model: str, provider: str, name: str) -> tuple[str, str]:
    """What is wrong with a model's name, and what to do."""
    if name.strip():
        known = (*MODEL_PROVIDERS, "local")
        hint = context.hint(provider, known) or f"known: {', '.join(known)}"
        return f"'{provider}' in '{model}' is no provider of models", hint
    if provider in MODEL_PROVIDERS:
        return f"'{model}' names a provider, but no model", f"write {provider}:MODEL"
    near = None if ":" in model else context.hint(provider, ("local",))
    return f"'{model}' names no model", near or "write provider:model, such as openai:gpt-5-mini, or local"


def check_addresses(context: Context) -> Iterator[Problem]:
    """Where servers are said to be is an address, of models, of a search service, and of MCP servers."""
    named = [
        (place / "base_url", agent.get("base_url"))
        for place, _, agent in shared(context, "agents")
        if str(agent.get("model", "")).partition(":")[0] in MODEL_PROVIDERS
    ]
    for place, _, tool in shared(context, "tools"):
        named += [
            (place / "base_url", tool.get("base_url")),
            (place / ("mcp", "url"), mapping(tool.get("mcp")).get("url")),
        ]
    for where, found in named:
        if isinstance(found, str) and not is_template(found) and not is_address(found):
            message = f"`{where.path[-1]}` is no address: '{found[:100]}'"
            yield where.problem("bad-address", message, hint="it begins with http:// or https://")


def check_replies(context: Context) -> Iterator[Problem]:
    """`match` is a pattern."""
    for place, _, agent in shared(context, "agents"):
        for index, entry in enumerate(sequence(agent.get("replies"))):
            match = str(mapping(entry).get("match", ""))
            try:
                pattern(match)
            except BadPattern as error:
                message = f"'{match[:100]}' is not a pattern of RE2: {error}"
                yield (place / ("replies", index, "match")).problem("bad-pattern", message)


def check_envelopes(context: Context) -> Iterator[Problem]:
    """`envelope` is one that magent knows, or its expressions can be parsed and read what is there."""
    for place, _, agent in shared(context, "agents"):
        wanted = agent.get("envelope")
        if isinstance(wanted, Mapping):
            for where, source in _expressions(place / "envelope", wanted):
                yield from _wrong(context, where, source)
        elif isinstance(wanted, str) and not is_template(wanted):
            known = (*predefined_envelopes(), "none")
            if wanted not in known:
                hint = context.hint(wanted, known) or f"there are: {', '.join(known)}; or describe it in a mapping"
                message = f"there is no envelope '{wanted}'"
                yield (place / "envelope").problem("unknown-envelope", message, hint=hint)


def _expressions(place: Place, described: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    error, usage = mapping(described.get("error")), mapping(described.get("usage"))
    found = [(place / key, described.get(key)) for key in _KEYS]
    found += [(place / ("error", key), error.get(key)) for key in _OF_ERROR]
    for key in ("input", "output"):
        several = usage.get(key)
        found += [(place / ("usage", key), several)]
        if isinstance(several, list):
            found += [(place / ("usage", key, index), each) for index, each in enumerate(several)]
    yield from ((where, source) for where, source in found if isinstance(source, str))


def _wrong(context: Context, place: Place, source: str) -> Iterator[Problem]:
    try:
        expression = Expression(source)
    except ExpressionProblem as error:
        yield place.problem("bad-expression", error.message, hint=error.hint)
        return
    there = _SEEN.get(".".join(map(str, place.path[3:])), _OTHERS)  # behind agents, the name, envelope
    for name in dict.fromkeys(access.path[0] for access in expression.accesses):
        if name not in there:
            seen = " and ".join(f"`{each}`" for each in there)
            hint = context.hint(name, there) or f"this expression sees {seen}"
            yield place.problem("unknown-name", f"unknown name `{name}`", hint=hint)
