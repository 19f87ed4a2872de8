"""The words of OpenTelemetry's semantic conventions for generative AI, and magent's own (`magent.…`) beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.model import (
    AgentSpec,
    Call,
    Chain,
    Graph,
    HumanInput,
    Loop,
    Node,
    Parallel,
    Prompt,
    Run,
    SetOnly,
    Subgraph,
    Task,
    Tool,
    Wait,
)

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
SYSTEM = "gen_ai.system"  # what the provider was called until 1.36 of the conventions: many a backend reads it
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TYPE = "gen_ai.output.type"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CONVERSATION = "gen_ai.conversation.id"
AGENT = "gen_ai.agent.name"
TOOL = "gen_ai.tool.name"
COST = "magent.cost_usd"

_PROVIDERS = {  # as model names begin → the convention's well-known values
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "google": "gcp.gemini",
    "google-gla": "gcp.gemini",
    "google-vertex": "gcp.vertex_ai",
    "grok": "x_ai",
    "groq": "groq",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "openai": "openai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "xai": "x_ai",
}
_WORKS = {Prompt: "prompt", Run: "run", Call: "call", Tool: "tool", Chain: "chain", SetOnly: "set", Wait: "wait"}


def provider_words(name: str) -> dict[str, Any]:
    """A provider, under both of its names."""
    return {PROVIDER: name, SYSTEM: name}


def model_words(name: str) -> dict[str, Any]:
    """What is known of a model by the name it is asked by, `provider:model`. One that a template gives is not."""
    provider, colon, model = name.partition(":")
    if "{{" in name or "{%" in name:
        return provider_words("magent")
    known = _PROVIDERS.get(provider, provider) if colon else "local"
    return provider_words(known) | {REQUEST_MODEL: model if colon else name}


def asked_of(words: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is known of an agent, whom its work is asked of."""
    return {name: words[name] for name in (PROVIDER, SYSTEM, REQUEST_MODEL) if name in words}


def answered(model: str, asked: Mapping[str, Any]) -> str:
    """The model that answered as its provider names it, which is how it was asked for, without magent's prefix."""
    provider, colon, name = model.partition(":")
    prefixed = colon and REQUEST_MODEL in asked and _PROVIDERS.get(provider, provider) == asked.get(PROVIDER)
    return name if prefixed else model


def agent_words(agent: str, spec: AgentSpec | None, instead: str | None) -> dict[str, Any]:
    """What is known of an agent. `instead`: the model that the run was given for it."""
    words: dict[str, Any] = {AGENT: agent}
    settings: Mapping[str, Any] = {} if spec is None else spec.settings
    name = instead or settings.get("model")
    if isinstance(name, str):
        words |= model_words(name)
    else:
        words |= provider_words("magent")
        words |= {"magent.agent.kind": spec.kind} if spec is not None else {}
    for key, word in (("temperature", "gen_ai.request.temperature"), ("max_tokens", "gen_ai.request.max_tokens")):
        if isinstance(settings.get(key), (int, float)) and instead is None:
            words[word] = settings[key]
    return words


def type_of(node: Node | None) -> str:
    """A node's type, and of a task what it does: `prompt`, `run`, `call` …"""
    if node is None:
        return "task"
    return _WORKS[type(node.work)] if isinstance(node, Task) else node.type


def has_attempts(node: Node | None) -> bool:
    """Whether the node's work is tried, and may be tried again."""
    if node is None:
        return True
    return isinstance(node, Task) and not isinstance(node.work, (SetOnly, Wait))


def wants_json(node: Node | None) -> bool:
    """Whether the node's agent is asked for structured output."""
    return isinstance(node, Task) and isinstance(node.work, Prompt) and node.output is not None


def session(node: Node | None) -> str:
    """The name of the conversation that a node's agent is asked in; "" for none."""
    return (node.work.session or "") if isinstance(node, Task) and isinstance(node.work, Prompt) else ""


def is_composite(node: Node | None) -> bool:
    return isinstance(node, (Parallel, Loop, Subgraph))


def asks(node: Node | None) -> bool:
    return isinstance(node, HumanInput)


def tells_nothing(node: Node | None) -> bool:
    """`start` and `end` are no work."""
    return node is not None and node.type in ("start", "end")


def around(graph: Graph, node: Node, above: str) -> str:
    """The address of the visit that a node's visit is in; `above` is the address before its last slash. "" for none."""
    region = graph.regions.get(node.region or graph.entry)
    owner = graph.nodes.get(region.owner) if region is not None and region.owner else None
    if isinstance(owner, Parallel) and owner.body is None:  # its branches stand beside it
        return f"{above}/{owner.name}" if above else owner.name
    return above[: above.rindex("[")] if above.endswith("]") else above
