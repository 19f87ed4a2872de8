"""The columns of a terminal that texts take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magent import cells


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("tide", 4), ("潮汐", 4), ("e\u0301", 1), ("é", 1), ("👩‍👧", 2)]
)
def test_a_text_takes_the_columns_that_a_terminal_gives_it(text: str, columns: int) -> None:
    assert cells.width(text) == columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("tide", 4, "tide"),
        ("tides", 4, "tid…"),
        ("潮汐潮汐", 5, "潮汐…"),
        ("潮汐潮汐", 4, "潮…"),
        ("tide", 1, "…"),
        ("tide", 0, ""),
    ],
)
def test_what_is_too_wide_is_cut_with_a_mark(text: str, columns: int, shown: str) -> None:
    assert cells.cut(text, columns) == shown


@given(st.text(st.characters(categories=["L", "M", "N", "P", "Zs"])), st.integers(0, 20))
def test_a_cut_text_is_never_wider_than_it_may_be(text: str, columns: int) -> None:
    assert cells.width(cells.cut(text, columns)) <= columns


def test_a_text_is_padded_by_columns_and_not_by_characters() -> None:
    assert cells.pad("潮", 4) == "潮  "
    assert cells.pad("7", 3, right=True) == "  7"
