"""Values of options, as words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from magent.cli import flags
from magent.errors import UsageError


def test_limits_are_numbers_and_durations() -> None:
    assert flags.limits(["usd=0.5", "steps=10", "tokens=2000", "timeout=2m"]) == {
        "usd": 0.5,
        "steps": 10,
        "tokens": 2000,
        "timeout": 120,
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("usd", "--limit takes NAME=NUMBER, such as usd=5, not 'usd'"),
        ("=5", "--limit takes NAME=NUMBER"),
        ("dollars=5", "--limit knows steps, tokens, usd, timeout, not 'dollars'"),
        ("steps=1.5", "--limit steps: '1.5' is not a whole number"),
        ("usd=lots", "--limit usd: 'lots' is not a number"),
        ("usd=nan", "--limit usd takes a number above 0, not 'nan'"),
        ("usd=inf", "--limit usd takes a number above 0, not 'inf'"),
        ("steps=0", "--limit steps takes a number above 0, not '0'"),
        ("tokens=-3", "--limit tokens takes a number above 0, not '-3'"),
        ("timeout=soon", "--limit timeout: 'soon' is not a duration"),
    ],
)
def test_a_limit_that_is_none_is_refused_by_name(word: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        flags.limits([word])
    assert refused.value.message.startswith(said)


def test_a_misspelt_limit_gets_the_nearest() -> None:
    with pytest.raises(UsageError) as refused:
        flags.limits(["token=3"])
    assert refused.value.hint == "did you mean 'tokens'?"


@pytest.mark.parametrize("call", [
    lambda: flags.whole("--n", "two"),
    lambda: flags.whole("--n", "0"),
    lambda: flags.one_of("--output", "jsn", ("text", "json")),
    lambda: flags.agents(["writer"]),
    lambda: flags.agents(["writer= "]),
])  # fmt: skip
def test_other_values_that_do_not_fit_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(UsageError):
        call()


def test_what_is_not_given_stays_none() -> None:
    assert flags.whole("--n", None) is None
    assert flags.one_of("--output", None, ("text", "json")) is None
    assert flags.limits(None) == {}


def test_a_model_may_hold_an_equals_sign() -> None:
    assert flags.agents(["writer=local:/models/a=b.gguf"]) == {"writer": "local:/models/a=b.gguf"}
