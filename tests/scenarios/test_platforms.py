"""The catalogue of journeys, and who among them wants what."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from harness.cli import read_campaign
from model import links, people, places
from model.plan import Load, Phase, Plan, Stack
from model.procedures import procedures
from scenarios.catalogue import EXPECTED, JOURNEYS, OPERATIONS, PLATFORMS
from scenarios.journeys import clerk, data_only, hotline
from scenarios.personas import Arrival, Crowd

ARRIVAL = Arrival(1, 0.0, "track", "01", "00004", people.person(1), "2.000815", 0, False, "return", seed=7)
SERVICES = {code for code, procedure in procedures().items() if procedure.database}


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
    assert wanted == SERVICES


@pytest.mark.parametrize("seed", [None, *range(5)])
def test_each_of_the_25_services_occurs_under_a_mornings_load(seed: int | None) -> None:
    plan = read_campaign("l05-data-only", seed, None, None)
    journeys = {"data-only", "data-only-counter"}
    occurred = Counter(arrival.procedure for arrival in Crowd(plan).arrivals() if arrival.journey in journeys)
    assert occurred.keys() == SERVICES
    assert len(occurred) == 25


@pytest.mark.parametrize("seed", [None, *range(5)])
def test_the_flood_reaches_all_communes_of_its_provinces(seed: int | None) -> None:
    plan = read_campaign("l09-axis-flood", seed, None, None)
    communes = {f"H{code}.{unit.code}" for code in plan.stack.provinces for unit in places.communes_of(code)}
    senders = [arrival for arrival in Crowd(plan).arrivals() if arrival.journey == "send-document"]
    reached = {organ for arrival in senders for organ in clerk.recipients(arrival)}
    assert len(communes) == 930
    assert reached == communes | {f"H{code}" for code in plan.stack.provinces}


def test_a_document_goes_to_each_of_its_recipients_once() -> None:
    for number in range(8):
        organs = clerk.recipients(replace(ARRIVAL, number=number))
        assert len(organs) == len(set(organs)) == (127 if number % 4 == 0 else 5)


FOUNDED = {"status": "verified", "receipts": {"population": "BN-1", "land": "BN-2"}, "pending": []}
FLAGGED = {"status": "needs_verification", "receipts": {"population": "BN-1"}, "pending": ["land"]}


@pytest.mark.parametrize(
    ("said", "founded"),
    [
        (FOUNDED, True),
        (FLAGGED, True),
        (FLAGGED | {"receipts": {}, "pending": ["land", "population"]}, True),
        (FLAGGED | {"status": "verified"}, False),
        (FLAGGED | {"status": "verified", "pending": []}, False),
        (FOUNDED | {"status": "needs_verification"}, False),
        (FOUNDED | {"receipts": {"population": "BN-1", "land": ""}}, False),
        (FOUNDED | {"receipts": {"population": "BN-1", "business": "BN-2"}}, False),
        (FOUNDED | {"pending": ["land"], "status": "needs_verification"}, False),
        (FOUNDED | {"receipts": {}}, False),
    ],
)
def test_verified_is_only_said_with_a_receipt_of_each_database(said: dict[str, Any], founded: bool) -> None:
    assert data_only.is_founded(said, ("population", "land")) is founded


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
