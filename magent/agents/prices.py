"""What an agent's tokens cost, known before it is asked: its own `price`, else the provider's price list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magent.model import AgentSpec

Price = tuple[float, float]  # dollars a million tokens: input, output
_SAMPLE = 1000  # tokens: small, as some models cost more for long prompts


def price_of(spec: AgentSpec, settings: Mapping[str, Any]) -> Price | None:
    """Dollars for a million tokens of input and of output; None where nobody knows.

    Only models are asked for money by the token: what the others cost, if anything, has no tokens to be counted by.
    """
    own = settings.get("price")
    if isinstance(own, Mapping):
        return float(own.get("input", 0)), float(own.get("output", 0))
    provider, _, model = str(settings.get("model", "")).strip().partition(":")
    if spec.kind != "model" or provider == "local":
        return 0.0, 0.0
    return _listed(provider, model)


def _listed(provider: str, model: str) -> Price | None:
    try:
        from genai_prices import Usage, calc_price  # comes with Pydantic AI
    except ImportError:
        return None
    try:
        found = calc_price(Usage(input_tokens=_SAMPLE, output_tokens=_SAMPLE), model, provider_id=provider)
    except (LookupError, ValueError):
        return None
    return float(found.input_price) / _SAMPLE * 1e6, float(found.output_price) / _SAMPLE * 1e6
