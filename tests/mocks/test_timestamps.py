"""Moments on the wire: what is told is what was meant, to the microsecond."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mocks.timestamps import timestamp, unix_seconds


@given(st.integers(946_684_800_000_000, 4_102_419_599_999_999))
def test_a_moment_comes_back_as_it_was(microseconds):
    seconds = microseconds / 1e6
    assert unix_seconds(timestamp(seconds)) == seconds


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("20250701000000", 1751302800.0),
        ("20250701000000.5", 1751302800.5),
        ("20250701080000.123456", 1751331600.123456),
    ],
)
def test_the_clock_is_that_of_vietnam_and_a_fraction_may_be_left_out(told, seconds):
    assert unix_seconds(told) == seconds


def test_a_day_that_is_not_in_the_calendar_is_refused():
    with pytest.raises(ValueError, match="day is out of range"):
        unix_seconds("20250229080000")
