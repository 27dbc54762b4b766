"""Reception points, centres and teams on the road, on real systems; each seeded defect shows where it must."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from model import people
from model.books import content_hash
from model.links import links, mobile_lines
from model.procedures import procedures
from scenarios.catalogue import EXPECTED, JOURNEYS, Memory
from scenarios.journeys import reception
from scenarios.network import Network
from scenarios.personas import Arrival
from scenarios.session import JourneyFailed, Session
from tests.mocks.conftest import Stack, eventually
from tests.scenarios.test_desk_journeys import Line, Notes

WARD = "2.000815"
PROVINCIAL = "2.000488"
ARRIVAL = Arrival(7, 0.0, "x", "01", "00004", people.person(7), WARD, 0, False, "return", 7, one_level=True)
OF_DEFECT = {
    "one-topology": ("centre-intake", "province.open_dossier"),
    "correction-lost": ("novice-intake", "province.resume_draft"),
    "assisted-as-own": ("assisted", "national.mine"),
    "stub-void": ("mobile-reception", "mobile.stub"),
}
Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Any) -> Iterator[Start]:
    stacks: list[Any] = []

    def begin(*defects: str, provinces: tuple[str, ...] = ("01",)) -> Any:
        stack = Stack(tmp_path, provinces, defects).start()  # type: ignore[no-untyped-call]  # tests of mocks
        stacks.append(stack)
        return stack

    yield begin
    for stack in stacks:
        stack.stop()


def walk(stack: Any, journey: str, nth: int = 0, **changes: Any) -> Notes:
    addresses = {name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}
    lines = {f"mobile->{name}": where for name, where in addresses.items()}
    network, notes = Network(addresses | mobile_lines(lines), 20.0, 30.0), Notes()
    arrival = dataclasses.replace(ARRIVAL, journey=journey, **changes)
    session = Session(arrival, Line(network, nth), notes, time.monotonic(), "r", pause=lambda _: None)
    try:
        JOURNEYS[journey][0](session, Memory())
    except JourneyFailed:
        assert notes.failed()
    finally:
        network.close()
    return notes


@pytest.mark.parametrize(
    "journey", ["assisted", "novice-intake", "centre-intake", "mobile-reception", "shift-intake", "postal-intake"]
)
def test_a_journey_comes_through_and_makes_one_dossier(start: Start, journey: str) -> None:
    stack = start()
    notes = walk(stack, journey)
    assert notes.failed() == []
    assert {operation for operation, _ in notes.outcomes} <= EXPECTED[journey].keys()
    (code,) = {result.dossier for _, result in notes.writes if result.dossier}
    where = "national" if journey == "assisted" else "province:01"
    (held,) = stack.listing(where)
    (sent,) = {write.payload_hash for write, _ in notes.writes if write.operation in ("submit", "intake")}
    assert (held["code"], held["hash"]) == (code, sent)
    assert held["channel"] == {"assisted": 2, "postal-intake": 3}.get(journey, 1)


def test_a_dossier_goes_across_the_border_once_though_it_is_sent_twice(start: Start) -> None:
    stack = start(provinces=("01", "79"))
    notes = walk(stack, "boundary-free", elsewhere="25747", double_submit=True)
    assert notes.failed() == []
    assert {operation for operation, _ in notes.outcomes} <= EXPECTED["boundary-free"].keys()
    ((write, result), again) = notes.writes
    assert (again, write.commune, result.state) == ((write, result), "25747", 2)
    (held,) = eventually(lambda: stack.listing("province:79"))
    assert (held["code"], held["key"], held["hash"]) == (result.dossier, write.key, write.payload_hash)
    assert (stack.listing("province:01"), len(stack.listing("national"))) == ([], 1)


@pytest.mark.parametrize("defect", OF_DEFECT)
def test_a_defect_fails_the_operation_that_looks_for_it(start: Start, defect: str) -> None:
    journey, operation = OF_DEFECT[defect]
    assert {name for name, _ in walk(start(defect), journey).failed()} == {operation}


def test_what_a_colleague_mended_is_what_is_registered(start: Start) -> None:
    stack = start()
    walk(stack, "novice-intake")
    (held,) = stack.listing("province:01")
    assert held["procedure"] == WARD


@pytest.mark.parametrize("nth", [9, 11])
def test_a_team_on_the_road_comes_through_a_line_that_fails(start: Start, nth: int) -> None:
    """One dossier, found by the stub, though every ninth or eleventh request is lost."""
    stack = start()
    notes = walk(stack, "mobile-reception", nth)
    assert {outcome for _, outcome in notes.failed()} == {"reset"}
    assert notes.outcomes[-1] == ("mobile.stub", "ok")
    assert len(stack.listing("province:01")) == 1


@pytest.mark.parametrize("procedure", [WARD, PROVINCIAL])
@pytest.mark.parametrize(("province", "commune", "one_level"), [("01", "00004", True), ("04", "01273", False)])
def test_a_dossier_is_opened_at_its_desk_in_both_topologies(
    start: Start, province: str, commune: str, one_level: bool, procedure: str
) -> None:
    stack = start(provinces=(province,))
    changes = {"province": province, "commune": commune, "one_level": one_level, "procedure": procedure}
    assert walk(stack, "centre-intake", **changes).failed() == []


@pytest.mark.parametrize("defect", [None, "stub-void"])
def test_a_stub_is_in_the_provinces_book_as_long_as_it_leads_to_its_dossier(start: Start, defect: str | None) -> None:
    stack = start(*([defect] if defect else []))
    notes = walk(stack, "mobile-reception")
    ((write, result),) = [both for both in notes.writes if both[0].operation == "hand_out"]
    assert (result.event, result.sequence) == ("ok", 1)
    (held,) = stack.listing("province:01")
    page = stack.get("province:01", "/entries", params={"limit": 1}).json()
    while not page["items"] and page["next"]:
        page = stack.get("province:01", "/entries", params={"limit": 1, "after": page["next"]}).json()
    stub = {"book": "stub", "key": write.key, "owner": held["key"], "value": content_hash({"code": held["code"]})}
    assert page["items"] == ([] if defect else [stub])
    assert write.payload_hash == stub["value"]


def test_a_stub_is_handed_out_once_and_for_a_dossier_that_is_there(start: Start) -> None:
    stack = start()
    code = stack.intake(officer := stack.officer(), key={"Idempotency-Key": "stub-1"})
    asked = {"number": "stub-1", "code": code}

    def hand_out(content: dict[str, str], key: str) -> int:
        headers = {**officer, "Idempotency-Key": key}
        return int(stack.post("province:01", "/stubs", content, headers=headers).status_code)

    assert hand_out({**asked, "code": "H01.00004-250701-9999"}, "a") == 404
    assert [hand_out(asked, key) for key in ("b", "b", "c")] == [201, 201, 409]
    assert stack.entries("province:01") == [("stub", "b", "stub-1")]


def test_a_stub_leads_to_the_dossier_that_was_told_whoever_else_used_its_number(start: Start) -> None:
    """Before it is entered, a number that two accounts used leads nowhere, not to a stranger's dossier."""
    stack = start()
    key = {"Idempotency-Key": "stub-1"}
    teams = [stack.officer(commune=commune) for commune in ("00004", "00008")]
    codes = [stack.intake(team, key=key) for team in teams]
    assert stack.get("province:01", "/stubs/stub-1").status_code == 404
    for team, code, key_, status in zip(teams[::-1], codes[::-1], "ab", (201, 409), strict=True):
        asked, headers = {"number": "stub-1", "code": code}, {**team, "Idempotency-Key": key_}
        assert stack.post("province:01", "/stubs", asked, headers=headers).status_code == status
    assert stack.get("province:01", "/stubs/stub-1").json()["code"] == codes[1]


def test_another_desk_is_told_where_the_dossier_is(start: Start) -> None:
    """Two levels: the commune's officer can't open what the province decides."""
    stack = start(provinces=("04",))
    walk(stack, "centre-intake", province="04", commune="01273", one_level=False, procedure=PROVINCIAL)
    (held,) = stack.listing("province:04")
    account = {"account": "cb.01273", "password": "mk.cb.01273"}
    opened = stack.post("province:04", "/officer/session", account).json()["session"]
    url = f"{stack.url('province:04')}/officer/dossiers/{held['code']}"
    answer = stack.http.get(url, headers={"Authorization": f"Bearer {opened}"})
    assert (answer.status_code, answer.json()["reason"]) == (403, "desk")
    assert "H04" in answer.json()["message"]


def test_a_one_level_province_receives_at_a_branch_and_opens_at_another() -> None:
    level = procedures()[WARD].level
    received_at, opened_at = reception.desks(ARRIVAL, level)
    assert received_at != opened_at
    assert received_at.startswith("H01-CN")
    assert reception.desks(dataclasses.replace(ARRIVAL, one_level=False), level) == ("00004", "00004")
    assert reception.desks(dataclasses.replace(ARRIVAL, one_level=False), "tỉnh") == ("H01", "H01")


def test_mobile_teams_have_a_line_of_their_own() -> None:
    names = [link.name for link in links(("01", "11"), (), ("11",))]
    assert [name for name in names if name.startswith("mobile")] == ["mobile->province:11"]
    assert mobile_lines(dict.fromkeys(names, "127.0.0.1:1")) == {"mobile:11": "127.0.0.1:1"}


def test_an_officer_logs_in_once_a_shift(start: Start) -> None:
    stack, memory = start(), Memory()
    network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0)
    notes = Notes()
    for number in range(3):
        arrival = dataclasses.replace(ARRIVAL, number=number, journey="shift-intake")
        JOURNEYS["shift-intake"][0](Session(arrival, network, notes, time.monotonic(), f"r{number}"), memory)
    network.close()
    assert [name for name, _ in notes.outcomes] == ["province.session", *["province.intake"] * 3]
