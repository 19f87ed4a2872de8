"""Budgets: what calls at work may use counts as much as what was used."""

from __future__ import annotations

import pytest

from magent.engine.budget import RunBudget
from magent.engine.fold import Run
from magent.engine.work import Home
from magent.events import WorkFailed
from magent.ports import Usage
from tests.build import workflow

HOME = Home(workflow("nodes: {a: {set: {x: 1}}}").graph)


def budget(**limits: float) -> RunBudget:
    run = Run(workflow("nodes: {a: {set: {x: 1}}}"))
    run.limits = dict(limits)
    prices = {"dear": (1.0, 4.0), "free": (0.0, 0.0)}
    return RunBudget(run, lambda _home, agent: prices.get(agent))


def refusal(made: RunBudget, agent: str, tokens: int) -> tuple[str, str | None]:
    with pytest.raises(WorkFailed) as caught:
        made.reserve(HOME, agent, tokens)
    assert caught.value.failure.type == "limit"
    return caught.value.failure.message, caught.value.failure.hint


def test_tokens_that_calls_at_work_may_need_count() -> None:
    made = budget(tokens=100)
    first = made.reserve(HOME, "dear", 60)
    message, hint = refusal(made, "dear", 60)
    assert "the budget of 100 tokens" in message
    assert "60 reserved by calls at work" in message
    assert hint == "raise it with --limit tokens=240"
    made.settle(first, Usage(5, 10))
    made.reserve(HOME, "dear", 60)


def test_dollars_that_calls_at_work_may_need_count() -> None:
    made = budget(usd=0.001)
    calls = [made.reserve(HOME, "dear", 100) for _ in range(2)]  # 0.0004 each
    message, hint = refusal(made, "dear", 100)
    assert "the budget of $0.001" in message
    assert hint == "raise it with --limit usd=0.0024"
    for call in calls:
        made.settle(call, Usage(10, 10, 0.00005))
    made.reserve(HOME, "dear", 100)


def test_a_budget_in_dollars_that_is_used_up_stops_agents_that_cost_nothing_too() -> None:
    made = budget(usd=0.001)
    made.settle(made.reserve(HOME, "dear", 100), Usage(10, 10, 0.001))
    refusal(made, "free", 1)


def test_millionths_of_a_dollar_are_told_as_such() -> None:
    made = budget(usd=0.00005)
    made.settle(made.reserve(HOME, "dear", 1), Usage(10, 10, 0.000048))
    message, hint = refusal(made, "dear", 10)
    assert "the budget of $0.00005 does not" in message
    assert "$0.000048 are spent" in message
    assert hint is not None
    assert hint.startswith("raise it with --limit usd=0.0001")


def test_an_agent_whose_price_turns_out_to_be_unknown_is_not_taken_for_free() -> None:
    with pytest.raises(WorkFailed) as caught:
        budget(usd=1).reserve(HOME, "unheard", 1)
    assert "the price of its model (agent 'unheard') is not known" in caught.value.failure.message
    assert budget(tokens=100).reserve(HOME, "unheard", 1).usd == 0
