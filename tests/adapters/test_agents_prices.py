"""What an agent's tokens cost, known before it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from magent.agents import price_of
from tests.adapters.fake_provider import spec_of


@pytest.mark.parametrize(
    ("kind", "settings", "price"),
    [
        ("model", {"model": "house:x", "price": {"input": 0.4, "output": 1.6}}, (0.4, 1.6)),
        ("model", {"model": "openai:gpt-4o-mini"}, (0.15, 0.6)),
        ("model", {"model": "openai:nobody-sells-this"}, None),
        ("model", {"model": "nowhere:gpt-4o"}, None),
        ("model", {"model": "local"}, (0.0, 0.0)),
        ("model", {"model": "local:/tmp/other.gguf"}, (0.0, 0.0)),
        ("replies", {"replies": ["x"]}, (0.0, 0.0)),
        ("call", {"call": "m:f"}, (0.0, 0.0)),
    ],
)
def test_the_price_is_the_agents_own_else_the_lists_else_unknown(
    kind: Any, settings: dict[str, Any], price: tuple[float, float] | None
) -> None:
    found = price_of(*spec_of(kind, **settings))
    assert found == (None if price is None else pytest.approx(price))
