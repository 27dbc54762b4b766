"""The catalogue of journeys, and who among them wants what."""

from dataclasses import replace

import pytest

from model import links, people
from model.plan import Load, Phase, Plan, Stack
from model.procedures import procedures
from scenarios.catalogue import EXPECTED, JOURNEYS, OPERATIONS, PLATFORMS
from scenarios.journeys import clerk, hotline
from scenarios.personas import Arrival, Crowd

ARRIVAL = Arrival(1, 0.0, "track", "01", "00004", people.person(1), "2.000815", 0, False, "return", seed=7)


def arrivals(journey: str) -> list[Arrival]:
    plan = Plan(
        name="p",
        phases=(Phase(name="p", duration=100, rate=10),),
        load=Load(journeys={journey: 1}),
        stack=Stack(provinces=("01", "79")),
    )
    return list(Crowd(plan).arrivals())


def test_every_journey_says_what_it_asks_for_and_needs() -> None:
    assert JOURNEYS.keys() == EXPECTED.keys()
    assert PLATFORMS.keys() <= JOURNEYS.keys()
    assert set(PLATFORMS.values()) == set(links.PLATFORMS)
    systems = {*links.SHARED_SYSTEMS, *links.PLATFORMS, "province", links.MOBILE}
    assert {operation.partition(".")[0] for operation in OPERATIONS} <= systems


@pytest.mark.parametrize("journey", ["data-only", "data-only-counter"])
def test_who_wants_a_service_without_paper_gets_one(journey: str) -> None:
    wanted = {arrival.procedure for arrival in arrivals(journey)}
    assert len(wanted) > 15
    assert all(procedures()[code].database for code in wanted)


def test_calls_follow_the_errors() -> None:
    """The share of the failed who call is the campaign's, and the same people call each time."""
    failed = arrivals("track")
    calls = [arrival.number for arrival in failed if hotline.complains(arrival, 0.3)]
    assert 0.2 < len(calls) / len(failed) < 0.4
    assert calls == [arrival.number for arrival in failed if hotline.complains(arrival, 0.3)]
    assert set(calls) < {arrival.number for arrival in failed if hotline.complains(arrival, 0.6)}


@pytest.mark.parametrize(("journey", "share"), [("track", 0.0), ("process", 1.0), ("ops-alert", 1.0)])
def test_nobody_calls_who_has_another_way_or_no_reason(journey: str, share: float) -> None:
    assert not hotline.complains(replace(ARRIVAL, journey=journey), share)


def test_two_clerks_of_an_office_decide_alike_and_reject_now_and_then() -> None:
    names = [f"run-{number}-document" for number in range(1200)]
    rejected = [name for name in names if clerk.is_rejected(name, "H01")]
    assert 60 < len(rejected) < 140
    assert rejected == [name for name in names if clerk.is_rejected(name, "H01")]
