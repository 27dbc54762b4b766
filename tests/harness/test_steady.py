"""Steady state: known only from samples enough, in the window before the first fault."""

import pytest

from harness.live import Requests
from harness.steady import LOOK_BEFORE, Steady
from tests.harness.fakes import requests
from tests.harness.plans import short_plan


def looked(*seen: Requests, changes: tuple[str, ...] = ()) -> Steady:
    steady = Steady(short_plan(*changes))
    steady.take(seen)
    return steady


def test_it_is_decided_just_before_the_first_fault() -> None:
    """The earliest of all faults counts."""
    assert looked().at == 6 - LOOK_BEFORE
    assert looked(changes=("faults.slow-01.start=2",)).at == 2 - LOOK_BEFORE


def test_healthy_systems_are_steady() -> None:
    """With what was found."""
    found = looked(requests(1, 96), requests(2, 4, ok=False)).judge()
    assert (found.steady, found.samples, found.availability, found.reasons) == (True, 100, 0.96, ())
    assert found.response_p95 is not None
    assert abs(found.response_p95 - 0.01) < 0.001


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        ([], "0 requests in the 10 s before the first fault, 20 needed"),
        ([requests(1, 19)], "19 requests in the 10 s before the first fault, 20 needed"),
        ([requests(1, 90), requests(2, 10, ok=False)], "90.0% of the requests succeeded, 95.0% needed"),
        ([requests(1, 90), requests(2, 10, seconds=6)], "95 % of the requests took up to 6 s, 5 s allowed"),
    ],
)
def test_what_is_not_healthy_is_not_steady(seen: list[Requests], reason: str) -> None:
    """Too few samples, failures, slowness."""
    found = looked(*seen).judge()
    assert not found.steady
    assert found.reasons[0] == reason


def test_a_failed_request_was_never_answered() -> None:
    """Where more than 5 % fail, there is no p95, however fast the rest is."""
    found = looked(requests(1, 94), requests(2, 6, ok=False), changes=("steady_state.availability=0.5",)).judge()
    assert found.response_p95 is None
    assert found.reasons == ("95 % of the requests weren't answered at all",)


def test_only_the_window_counts() -> None:
    """By the second in which requests were due, whenever they became known."""
    window = ("steady_state.window=2", "steady_state.samples=5")
    found = looked(requests(3, 100, ok=False), requests(4, 3), requests(5, 3), changes=window).judge()
    assert (found.steady, found.samples) == (True, 6)
