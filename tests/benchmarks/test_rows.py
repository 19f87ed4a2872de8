"""Every row still runs; how fast it is, is nothing that a test decides."""

from __future__ import annotations

import pytest

from tests.benchmarks import stores
from tests.benchmarks.measure import ROOT, Effort
from tests.benchmarks.rows import ROWS
from tests.benchmarks.table import HEAD, Line, most, show, times

TINY = Effort(scale=0.0001, repeats=1, warm_up=0)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_can_be_measured(name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    if name == "postgres":
        monkeypatch.setattr(stores, "RUNNING", [request.getfixturevalue("postgres")])
    lines = ROWS[name](TINY)
    assert lines
    assert all(line.magent > 0 for line in lines)
    assert all(len(line.cells()) == len(HEAD) for line in lines)


@pytest.mark.parametrize(
    ("line", "met"),
    [
        (Line("a", "s", 1.0, 2.0, times(2), times(1)), "yes"),
        (Line("a", "s", 1.0, 2.1, times(2), times(1)), "no"),
        (Line("a", "s", 1.0, 1.0, times(2), times(1)), "dream"),
        (Line("a", "s", None, 2.0, most(2)), "yes"),
        (Line("a", "s", None, 2.1, most(2)), "no"),
        (Line("a", "s", None, 2.1), ""),
    ],
)
def test_a_line_meets_its_bound_or_not(line: Line, met: str) -> None:
    assert line.met == met


def test_the_table_is_aligned() -> None:
    lines = show([HEAD, Line("a name", "µs", 1.0, 2.0).cells()]).splitlines()
    assert len({len(line) for line in lines}) == 1
