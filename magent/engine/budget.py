"""Hard budgets: each model call reserves what it may use before it starts, and settles afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from magent.engine.fold import Run
from magent.engine.work import Home, Reserved
from magent.events import Failure, WorkFailed
from magent.ports import Usage

Price = tuple[float, float]  # dollars a million tokens: input, output
UNPRICED = "a budget in dollars cannot be kept: the price of {} (agent '{}') is not known"
PRICE_HINT = (
    "write `price: {input: 0.4, output: 1.6}` (dollars for a million tokens) on the agent, or give a budget in tokens"
)


@dataclass(slots=True)
class RunBudget:
    """The budget of one run over all its lives. `loose` is what calls have used that is not recorded yet."""

    run: Run
    price: Callable[[Home, str], Price | None] = field(default=lambda _home, _agent: (0.0, 0.0))
    reserved_tokens: int = 0
    reserved_usd: float = 0.0
    loose_tokens: int = 0
    loose_usd: float = 0.0

    def reserve(self, home: Home, agent: str, max_tokens: int | None) -> Reserved:
        """Raises WorkFailed of type `limit` where the call could exceed the budget, others at work included; with one
        in dollars also where nobody knows the price."""
        tokens = max_tokens or 1
        self._check_tokens(tokens)
        reserved = Reserved(tokens, self._dollars(home, agent, tokens))
        self.reserved_tokens += reserved.tokens
        self.reserved_usd += reserved.usd
        return reserved

    def settle(self, reserved: Reserved, usage: Usage) -> None:
        self.reserved_tokens -= reserved.tokens
        self.reserved_usd -= reserved.usd
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
            reserved = f", {self.reserved_tokens} reserved by calls at work" if self.reserved_tokens else ""
            message = f"the budget of {limit:g} tokens does not allow another call: {used} are used{reserved}"
            message += f", and this one may need {wanted}"
            enough = 2 * max(limit, used + self.reserved_tokens + wanted)
            raise WorkFailed(Failure("limit", message, hint=f"raise it with --limit tokens={enough:.0f}"))

    def _dollars(self, home: Home, agent: str, tokens: int) -> float:
        """What so many tokens of this agent cost at most. Nothing where there is no budget in dollars."""
        limit = self.run.limits.get("usd")
        if limit is None:
            return 0.0
        used = self.run.cost + self.loose_usd
        price = self.price(home, agent)
        if price is None:
            raise WorkFailed(Failure("agent", UNPRICED.format("its model", agent), hint=PRICE_HINT, final=True))
        wanted = tokens * price[1] / 1e6
        if used + self.reserved_usd + wanted > limit or used >= limit > 0:
            reserved = f", {_money(self.reserved_usd)} reserved by calls at work" if self.reserved_usd > 1e-9 else ""
            message = f"the budget of {_money(limit)} does not allow another call: {_money(used)} are spent{reserved}"
            message += f", and this one may need {_money(wanted)}"
            enough = 2 * max(limit, used + self.reserved_usd + wanted) or 1
            raise WorkFailed(Failure("limit", message, hint=f"raise it with --limit usd={_digits(enough)}"))
        return wanted


def _money(dollars: float) -> str:
    return f"${_digits(dollars)}"


def _digits(number: float) -> str:
    """No exponent, and never 0 for what is more: a call may cost millionths."""
    text = f"{number:.4f}" if number >= 0.01 else f"{number:.9f}"
    return text.rstrip("0").rstrip(".")
