"""Businesses, and people who rehearse, on real systems."""

import msgspec
import pytest

from model.plan import Load, Phase, Plan, Stack
from model.procedures import procedures
from scenarios.catalogue import EXPECTED
from scenarios.personas import Crowd
from tests.scenarios.test_reception import Start, walk
from tests.scenarios.test_reception import start as start  # noqa: PLC0414  a fixture

PLAN = Plan(
    name="test",
    phases=(Phase(name="p", duration=10, rate=1),),
    load=Load(journeys={"business": 1.0}),
    stack=Stack(provinces=("01",)),
)


@pytest.mark.parametrize("fee", [0, 100_000])
def test_a_business_files_with_its_own_account_pays_and_follows_its_dossier(start: Start, fee: int) -> None:
    stack = start()
    notes = walk(stack, "business", procedure="1.001612", fee=fee, seed=41)
    assert notes.failed() == []
    expected = EXPECTED["business"].keys() - (set() if fee else {"national.payment", "payment.pay"})
    assert {operation for operation, _ in notes.outcomes} == expected
    (held,) = stack.listing("national")
    assert (held["applicant"], held["procedure"], held["test"]) == (2, "1.001612", False)


def test_businesses_want_online_procedures_of_business_registration() -> None:
    wanted = {Crowd(PLAN).arrival(number, 0.0).procedure for number in range(500)}
    assert wanted == {p.code for p in procedures().values() if p.field == "business" and p.online}


@pytest.mark.parametrize("journey", ["submit-online", "counter-intake", "shift-intake", "old-interface", "business"])
@pytest.mark.parametrize("test", [True, False])
def test_what_a_rehearsal_files_is_marked_and_nothing_else_is(start: Start, journey: str, test: bool) -> None:
    stack = start()
    notes = walk(stack, journey, procedure="1.001612", test=test)
    assert notes.failed() == []
    held = [item for name in ("national", "province:01") for item in stack.listing(name)]
    assert {item["test"] for item in held} == {test}


def test_an_officer_who_rehearses_processes_a_rehearsals_dossier(start: Start) -> None:
    stack = start()
    for test in (True, False):
        walk(stack, "counter-intake", test=test, number=int(test))
    assert walk(stack, "process", test=True, number=2).failed() == []
    states = {item["test"]: item["state"] for item in stack.listing("province:01")}
    assert states == {True: 10, False: 2}


def test_no_share_of_rehearsals_is_none() -> None:
    rehearsed = msgspec.structs.replace(PLAN, load=msgspec.structs.replace(PLAN.load, test_share=1.0))
    assert {Crowd(plan).arrival(number, 0.0).test for plan in (PLAN, rehearsed) for number in range(50)} == {
        False,
        True,
    }
    assert all(Crowd(rehearsed).arrival(number, 0.0).test for number in range(50))
