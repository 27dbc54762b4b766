from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from model.histogram import bucket_of, counts_of, seconds_of, upper_of

durations = st.floats(0, 100_000)


@given(st.floats(128e-6, 100_000))
def test_a_bucket_is_at_most_1_percent_off(seconds: float) -> None:
    assert abs(seconds_of(bucket_of(seconds)) - seconds) <= 0.01 * seconds


@given(st.floats(0, 128e-6))
def test_short_durations_are_at_most_a_microsecond_off(seconds: float) -> None:
    assert abs(seconds_of(bucket_of(seconds)) - seconds) <= 1.0001e-6


@given(durations, durations)
def test_a_longer_duration_never_has_a_lower_bucket(one: float, other: float) -> None:
    assert (bucket_of(one) <= bucket_of(other)) or one > other
    assert (bucket_of(one) >= bucket_of(other)) or one < other


@given(st.integers(0, 5_000))
def test_buckets_and_their_edges_follow_each_other(bucket: int) -> None:
    """The midpoint of a bucket lies in it; its upper edge is where the next one starts."""
    assert bucket_of(seconds_of(bucket) + 1e-9) == bucket
    assert seconds_of(bucket) < upper_of(bucket) <= seconds_of(bucket + 1)
    assert bucket_of(upper_of(bucket) + 1e-7) == bucket + 1


@given(durations)
def test_no_duration_is_above_its_buckets_upper_edge(seconds: float) -> None:
    assert seconds <= upper_of(bucket_of(seconds)) * (1 + 1e-15)


def test_negative_durations_count_as_zero() -> None:
    assert bucket_of(-1.0) == bucket_of(0.0) == 0


def test_literal_buckets() -> None:
    """1 s is 1,000,000 µs, 20 bits: shift 13, leading bits 122."""
    assert [bucket_of(seconds) for seconds in (127e-6, 128e-6, 130e-6, 256e-6, 1.0)] == [127, 128, 129, 192, 954]


@given(st.lists(st.floats(-1, 100_000) | st.integers(0, 10**9).map(lambda micros: micros / 1e6)))
def test_counting_many_at_once_says_what_their_buckets_say(seconds: list[float]) -> None:
    assert counts_of(seconds) == Counter(bucket_of(one) for one in seconds)
