"""Whatever is read, from files, records, agents, tools or a command line: only magent's own errors, soon, and nothing
done beyond reading. By hand for longer: `python -m tests.fuzz`."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.check import Checker
from tests.fuzz.every import TARGETS
from tests.fuzz.mutate import mutate

pytestmark = [
    pytest.mark.untraced,
    pytest.mark.filterwarnings("ignore:deprecated string literal syntax:PendingDeprecationWarning"),  # of JMESPath
]
FOUND = Path(__file__).parent / "found"
EXAMPLES = {
    "yaml": 60,
    "journal": 25,
    "journal-bytes": 10,
    "checkpoints": 15,
    "header": 20,
    "frozen": 30,
    "envelopes": 20,
    "streams": 12,
    "copies": 25,
    "rows": 25,
    "notes": 25,
    "reported": 12,
    "drawn": 50,
}


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checker]:
    before, place = os.getcwd(), tmp_path_factory.mktemp("fuzz")
    os.chdir(place)
    yield Checker(str(place))
    os.chdir(before)


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_brings_a_traceback_a_hang_or_an_act(target: str, checker: Checker) -> None:
    seeds, words = TARGETS[target].seeds(), TARGETS[target].words

    @settings(
        max_examples=EXAMPLES.get(target, 100), derandomize=True, deadline=None, database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(st.integers(0, 2**32))
    def tried(number: int) -> None:
        finding = checker.check(target, mutate(seeds, words, random.Random(number)))
        assert finding is None, str(finding)

    tried()


@pytest.mark.parametrize("file", sorted(FOUND.glob("*/*")), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_was_found_once_stays_mended(file: Path, checker: Checker) -> None:
    finding = checker.check(file.parent.name, file.read_bytes())
    assert finding is None, str(finding)
