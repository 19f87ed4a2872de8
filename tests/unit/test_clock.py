"""Times as the record writes them: to the millisecond, and read back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magent.clock import from_iso, iso

moments = st.floats(0, 4_000_000_000, allow_nan=False)


@given(moments)
def test_a_time_that_is_written_and_read_is_the_time_to_the_millisecond(moment: float) -> None:
    assert from_iso(iso(moment)) == round(moment, 3)


@given(moments)
def test_a_time_that_was_read_is_written_as_it_was(moment: float) -> None:
    assert iso(from_iso(iso(moment))) == iso(moment)


def test_the_last_half_millisecond_of_a_second_belongs_to_the_next_one() -> None:
    assert iso(1.9999999) == "1970-01-01T00:00:02.000Z"
