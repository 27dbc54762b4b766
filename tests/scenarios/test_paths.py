"""Paths that a campaign gives: systems serve their operations there, and everybody who asks follows."""

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model import people
from model.books import request_id
from model.links import PLATFORMS, systems
from model.paths import INTERFACES, KEPT, Paths, misfits
from model.procedures import procedures
from scenarios.catalogue import JOURNEYS, Memory
from scenarios.network import Network
from scenarios.personas import Arrival
from scenarios.session import Session
from tests.mocks.conftest import Stack, eventually
from tests.mocks.inside import Inside
from tests.scenarios.test_desk_journeys import Notes

ARRIVAL = Arrival(7, 0.0, "submit-online", "01", "00004", people.person(7), "2.000815", 2_000, False, "return", 7)
RENAMED = {
    "national": {"/dossiers": "/HoSo/NopHoSo", "/sync": "/api/dongbo", "/payments/callback": "/ThanhToan/KetQua"},
    "province": {
        "/HoSo/NopTrucTuyen": "/api/tiepnhan",
        "/dossiers/{code}/steps": "/XuLy/{code}",
        "/statistics": "/ThongKe",
    },
    "specialised": {"/ndxp/confirm": "/csdlcn/xacnhan"},
    "axis": {"/axis/registerAgency": "/truc/dangky", "/axis/sendEdoc": "/truc/gui"},
    "payment": {"/payments/{transaction}/pay": "/ThanhToan/{transaction}"},
    "vneid": {"/userinfo": "/oauth2/userinfo"},
    "population": {"/ndxp/population": "/csdldc/tracuu", "/ndxp/confirm": "/csdldc/xacnhan"},
}


@pytest.fixture
def stack(tmp_path: Any) -> Iterator[Any]:
    platforms = ("specialised", "axis", "ioc")
    stack = Stack(tmp_path, paths=RENAMED, platforms=platforms).start()  # type: ignore[no-untyped-call]  # tests of mocks
    yield stack
    stack.stop()


def walk(stack: Any, journey: str, **changes: Any) -> Notes:
    network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0, paths=stack.paths)
    notes, arrival = Notes(), dataclasses.replace(ARRIVAL, journey=journey, **changes)
    JOURNEYS[journey][0](Session(arrival, network, notes, time.monotonic(), "r"), Memory())
    network.close()
    return notes


def test_a_dossier_goes_from_the_citizen_through_the_portal_to_the_province_and_back(stack: Any) -> None:
    """Submitted, paid, handed over, processed, told to the portal: under other paths all along."""
    submitted = walk(stack, "submit-online")
    assert ("payment.pay", "ok") in submitted.outcomes
    (code,) = {result.dossier for write, result in submitted.writes if write.operation == "submit"}
    eventually(lambda: stack.states("province:01", code) == [1])
    walk(stack, "process")
    eventually(lambda: stack.states("national", code) == [1, 2, 4, 9, 10])
    eventually(lambda: stack.get("national", f"/dossiers/{code}").json()["paid"])
    eventually(lambda: stack.pending("national", "province:01", "payment") == 0)


@pytest.mark.parametrize(
    ("system", "path", "status"),
    [
        ("national", "/dossiers", 405),
        ("national", "/sync", 404),
        ("province:01", "/HoSo/NopTrucTuyen", 404),
        ("payment", "/payments/GD0000000001/pay", 404),
    ],
)
def test_nothing_is_served_any_more_under_a_path_of_ours_that_was_given_up(
    stack: Any, system: str, path: str, status: int
) -> None:
    """GET /dossiers, the listing, stays where it is; so the path is known, and POST isn't allowed."""
    assert stack.post(system, path).status_code == status
    described = stack.get(system, "/openapi.json").json()["paths"]
    kind = system.partition(":")[0]
    assert set(RENAMED[kind].values()) <= described.keys()


def test_platforms_are_asked_under_their_paths(stack: Any) -> None:
    """Databases confirm, the axis takes what a chancery sends, and no province is silent on the dashboard."""
    procedure = next(p.code for p in procedures().values() if p.database)
    verified = walk(stack, "data-only", procedure=procedure)
    assert verified.failed() == []
    ((key, count),) = {write.key: result.sequence for write, result in verified.writes if result.sequence > 1}.items()
    eventually(lambda: [entry[:2] for entry in stack.entries("national")] == [("mark", key)] * count)
    sent = stack.post(
        "province:01", "/documents",
        {"To": ["H01.00004"], "CodeNumber": "1", "CodeNotation": "UBND", "Subject": "s", "Content": "c"},
        headers={**stack.officer(role="vt"), "Idempotency-Key": "VB-1"},
    )  # fmt: skip
    assert sent.status_code == 201
    name = request_id("province:01", "00004", "VB-1")
    eventually(lambda: stack.entries("axis") == [("document", name, "H01.00004")])
    eventually(lambda: stack.get("ioc", "/dashboard").json()["silent"] == [])


def test_where_people_are_sent_to_pay_and_the_directory_follow(stack: Any) -> None:
    assert stack.get("national", "/directory").json()["paths"] == RENAMED
    headers = stack.citizen()
    content = {
        "procedure": "2.000815", "province": "01", "commune": "00004", "form": {},
        "applicant": {"SoDinhDanh": people.person(5).id_number, "HoVaTen": people.person(5).name},
    }  # fmt: skip
    made = stack.post("national", "/HoSo/NopHoSo", content, headers={**headers, **stack.key()}).json()
    asked = stack.post("national", f"/dossiers/{made['code']}/payment", headers={**headers, **stack.key()}).json()
    assert asked["UrlThanhToan"] == f"/ThanhToan/{asked['MaGiaoDich']}"


def test_every_path_of_these_systems_is_either_configurable_or_kept(tmp_path: Any) -> None:
    """The two lists and the systems' own tables say the same: nothing can be served over another operation."""
    inside = Inside(tmp_path, systems(["01"], PLATFORMS), PLATFORMS, control="open")  # type: ignore[no-untyped-call]
    found = {name.partition(":")[0]: system.routes for name, system in inside.systems.items()}
    inside.stop()  # type: ignore[no-untyped-call]
    served = {kind: {(route.path, route.method) for route in found[kind]} for kind in INTERFACES}
    for kind, operations in INTERFACES.items():
        assert set(operations.items()) <= served[kind]
        beside = {path for path, _ in served[kind] - set(operations.items())}
        assert beside - {"/payments/{transaction}/pay"} <= set(KEPT)  # a page that goes where its operation goes
    assert set(KEPT) <= {path for routes in served.values() for path, _ in routes}


@pytest.mark.parametrize(
    ("method", "asked", "expected"),
    [
        ("POST", "/dossiers/H01.1/steps", "/XuLy/H01.1"),
        ("POST", "/dossiers/H01.1/steps?a=/b", "/XuLy/H01.1?a=/b"),
        ("GET", "/dossiers/H01.1/steps", "/dossiers/H01.1/steps"),
        ("POST", "/dossiers/H01.1/x/steps", "/dossiers/H01.1/x/steps"),
        ("POST", "/HoSo/NopTrucTuyen", "/api/tiepnhan"),
        ("POST", "/counter/dossiers", "/counter/dossiers"),
    ],
)
def test_a_request_goes_to_the_path_in_place_of_ours(method: str, asked: str, expected: str) -> None:
    assert Paths("province:01", RENAMED).asked(method, asked) == expected
    assert Paths("mobile:01", RENAMED).asked(method, asked) == expected
    assert Paths("province:01", {"national": {"/sync": "/x"}}).asked(method, asked) == asked


@pytest.mark.parametrize(
    ("table", "path", "word"),
    [
        ({"provinces": {}}, "", 'did you mean "province"?'),
        ({"hotline": {}}, "", "unknown kind"),
        ({"province": {"/api/dossiers": "/x"}}, "/api/dossiers", "did you mean"),
        ({"province": {"/dossiers": "/x"}}, "/dossiers", "no operation there"),
        ({"national": {"/sync": "sync"}}, "/sync", "isn't a path"),
        ({"national": {"/sync": ""}}, "/sync", "isn't a path"),
        ({"national": {"/sync": "/a b"}}, "/sync", "isn't a path"),
        ({"national": {"/sync": "/a?b"}}, "/sync", "isn't a path"),
        ({"national": {"/sync": "/a/"}}, "/sync", "isn't a path"),
        ({"national": {"/sync": "/" + "a" * 200}}, "/sync", "isn't a path"),
        ({"national": {"/sync": "/a\n"}}, "/sync", "isn't a path"),
        ({"national": {"/sync": "/{code}"}}, "/sync", "no parameters"),
        ({"payment": {"/payments/{transaction}/pay": "/pay"}}, "/payments/{transaction}/pay", "{transaction}"),
        ({"payment": {"/payments/{transaction}/pay": "/pay/{code}"}}, "/payments/{transaction}/pay", "{transaction}"),
        ({"national": {"/sync": "/healthz"}}, "/sync", "where /healthz is"),
        ({"national": {"/sync": "/login"}}, "/sync", "where /login is"),
        ({"national": {"/sync": "/x", "/login": "/x"}}, "/sync", "where /x is"),
        ({"payment": {"/payments/{transaction}": "/{transaction}"}}, "/payments/{transaction}", "where /"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table: dict[str, dict[str, str]], path: str, word: str) -> None:
    found = next(misfits(table))
    assert (found.path, word in f"{found.what}; {found.remedy}") == (path, True), found


def test_two_operations_may_change_places() -> None:
    assert list(misfits({"national": {"/sync": "/login", "/login": "/sync"}})) == []
