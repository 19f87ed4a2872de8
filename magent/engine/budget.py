"""Hard budgets: each model call reserves what it may use before it starts, and settles afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.engine.fold import Run
from magent.events import Failure, WorkFailed
from magent.ports import Usage

Price = tuple[float, float]  # dollars a million tokens: input, output


@dataclass(slots=True)
class RunBudget:
    """The budget of one run over all its lives. `loose` is what calls have used that is not recorded yet."""

    run: Run
    price: Callable[[str], Price | None] = field(default=lambda _agent: None)
    reserved_tokens: int = 0
    loose_tokens: int = 0
    loose_usd: float = 0.0

    def reserve(self, agent: str, max_tokens: int | None) -> int:
        """Raises WorkFailed of type `limit` where the call could exceed the budget."""
        wanted = max_tokens or 1
        self._check_tokens(wanted)
        self._check_usd(agent, wanted)
        self.reserved_tokens += wanted
        return wanted

    def settle(self, reserved: int, usage: Usage) -> None:
        self.reserved_tokens -= reserved
        self.loose_tokens += usage.input + usage.output
        self.loose_usd += usage.cost or 0.0

    def recorded(self, data: Mapping[str, Any]) -> None:
        """A visit's use is in the record now."""
        self.loose_tokens -= data["tokens"]["input"] + data["tokens"]["output"]
        self.loose_usd -= data.get("cost") or 0.0

    def _check_tokens(self, wanted: int) -> None:
        limit = self.run.limits.get("tokens")
        used = self.run.tokens[0] + self.run.tokens[1] + self.loose_tokens
        if limit is not None and used + self.reserved_tokens + wanted > limit:
            message = (
                f"the budget of {limit} tokens does not allow another call: {used} are used, the call may need {wanted}"
            )
            raise WorkFailed(Failure("limit", message, hint="raise it with --limit tokens=N"))

    def _check_usd(self, agent: str, wanted: int) -> None:
        limit = self.run.limits.get("usd")
        if limit is None:
            return
        used = self.run.cost + self.loose_usd
        price = self.price(agent)
        next_call = 0.0 if price is None else wanted * price[1] / 1e6
        if used + next_call > limit or used >= limit > 0:
            message = f"the budget of ${limit:g} does not allow another call: ${used:.4f} are spent"
            raise WorkFailed(Failure("limit", message, hint="raise it with --limit usd=N"))
