"""A small part of `python -m tests.recovery`: a few rounds on every store, with seeds that do not change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Postgres
from tests.recovery.harness import STORES, Harness

ROUNDS = {
    "file": ("kill", "cut", "full", "vanished", "power", "late"),
    "sqlite": ("write", "torn", "readonly", "fight", "power", "forked"),
    "postgres": ("write", "flip", "server", "paused", "cancelled"),
}
STEPS = {"file": 23, "sqlite": 61, "postgres": 23}  # of so many writes, one is died of


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Harness]:
    with Harness(tmp_path_factory.mktemp("rounds") / "all", postgres) as made:
        yield made


@pytest.mark.parametrize("store", STORES)
def test_whatever_happens_to_a_run_it_ends_as_one_left_alone(harness: Harness, store: str) -> None:
    for seed, fault in enumerate(ROUNDS[store], 1):
        assert harness.round(store, fault, seed) is None


@pytest.mark.parametrize("store", STORES)
def test_a_life_that_dies_of_any_of_its_writes_leaves_a_run_that_goes_on(harness: Harness, store: str) -> None:
    assert harness.every_write(store, 7, step=STEPS[store], how=("half",)) >= 3
