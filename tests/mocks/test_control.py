"""Faults inside the systems: what each does to people, who may switch it on, and how it ends."""

import asyncio
import sqlite3
import time
from contextlib import closing

import pytest

from mocks.control import ATTRIBUTES, LONGEST, Control, Order
from mocks.serve import SYSTEMS
from mocks.wire import Call
from model import places
from model.links import PLATFORMS, systems
from model.workflows import Role
from tests.conftest import BEARER, TOKEN
from tests.mocks.conftest import DEADLINE, Stack
from tests.mocks.inside import Inside


@pytest.fixture(scope="module")
def open_stack(tmp_path_factory):
    """One stack with a control API."""
    stack = Stack(tmp_path_factory.mktemp("control"), token=TOKEN).start()
    yield stack
    stack.stop()


@pytest.fixture
def control(open_stack):
    """Switch faults on; all of them are off after the test."""
    put = []

    def switch_on(system, kind, lease=LONGEST, **attributes):
        body = {"kind": kind, "attributes": attributes, "lease": lease}
        answer = open_stack.http.put(f"{open_stack.url(system)}/control/faults/{kind}", json=body, headers=BEARER)
        put.append((system, kind))
        return answer

    yield switch_on
    for system, kind in put:
        open_stack.http.delete(f"{open_stack.url(system)}/control/faults/{kind}", headers=BEARER)


def test_without_a_token_in_the_configuration_there_is_no_control_api(stack):
    for name in stack.names:
        answer = stack.http.put(f"{stack.url(name)}/control/faults/f", json={}, headers=BEARER)
        assert (answer.status_code, answer.json()["reason"]) == (404, "unknown")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}, {"Authorization": "Basic eA=="}])
def test_who_has_no_token_changes_nothing(open_stack, method, headers):
    url = f"{open_stack.url('national')}/control/faults/f"
    assert open_stack.http.request(method, url, headers=headers).status_code == 401


def test_a_fault_is_listed_read_and_ended(open_stack, control):
    began = time.monotonic()
    assert control("national", "maintenance-page", retry_after=5).status_code == 200
    base = f"{open_stack.url('national')}/control/faults"
    (listed,) = open_stack.http.get(base, headers=BEARER).json()["items"]
    assert (listed["id"], listed["kind"], listed["attributes"]) == (
        *("maintenance-page", "maintenance-page", {"retry_after": 5}),
    )
    assert LONGEST - (time.monotonic() - began) - 0.001 <= listed["remaining"] <= LONGEST
    assert open_stack.http.get(f"{base}/maintenance-page", headers=BEARER).status_code == 200
    for _ in range(2):
        assert open_stack.http.delete(f"{base}/maintenance-page", headers=BEARER).status_code == 200
    assert open_stack.http.get(f"{base}/maintenance-page", headers=BEARER).status_code == 404
    assert open_stack.get("national", "/procedures").status_code == 200


def test_a_lease_that_nobody_renews_runs_out(open_stack, control, eventually):
    lease, in_time = 1.0, False
    while not in_time:
        began = time.monotonic()
        control("national", "maintenance-page", lease=lease, retry_after=0)
        answer = open_stack.get("national", "/procedures")
        in_time = time.monotonic() - began < lease
    assert answer.status_code == 503
    eventually(lambda: open_stack.get("national", "/procedures").status_code == 200)


@pytest.mark.parametrize(
    ("system", "kind", "attributes", "said"),
    [
        ("national", "error-rate", {"share": 5}, "error-rate has retry_after, share, status"),
        ("national", "error-rate", {"share": 5, "status": 200, "retry_after": 0}, "status must be an error"),
        ("national", "lost-callback", {"share": 5}, "kind: this system has"),
        ("vneid", "earthquake", {}, "kind: this system has"),
        ("vneid", "slow-database", {"delay": -1}, "attributes"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(open_stack, control, system, kind, attributes, said):
    answer = control(system, kind, **attributes)
    assert answer.status_code == 422
    assert said in answer.json()["message"] or said in answer.text


def test_an_error_rate_strikes_its_share_and_says_when_to_come_again(open_stack, control):
    control("national", "error-rate", share=30, status=500, retry_after=7)
    answers = [open_stack.get("national", "/procedures") for _ in range(200)]
    failed = [answer for answer in answers if answer.status_code == 500]
    assert 30 <= len(failed) <= 95
    assert {answer.headers["retry-after"] for answer in failed} == {"7"}
    assert {answer.json()["reason"] for answer in failed} == {"injected"}


def test_an_error_leaves_nothing_behind(open_stack, control, submission):
    """A submission that met the fault was never heard: the same key creates the dossier afterwards."""
    officer, key = open_stack.officer(), open_stack.key()
    control("province:01", "error-rate", share=100, status=503, retry_after=0)
    headers = {**officer, **key}
    answer = open_stack.post("province:01", "/counter/dossiers", submission(), headers=headers)
    assert answer.status_code == 503
    open_stack.http.delete(f"{open_stack.url('province:01')}/control/faults/error-rate", headers=BEARER)
    assert open_stack.intake(officer, key=key)


def test_health_and_metrics_answer_whatever_is_broken(open_stack, control):
    """They are how the operators see it."""
    control("national", "maintenance-page", retry_after=0)
    for path in ("/healthz", "/metrics", "/openapi.json"):
        assert open_stack.get("national", path).status_code == 200
    assert open_stack.get("national", "/readyz").status_code == 503


def test_a_slow_database_delays_writes_and_look_ups(open_stack, control):
    officer = open_stack.officer()
    code = open_stack.intake(officer)
    control("province:01", "slow-database", delay=150)
    for call in (lambda: open_stack.intake(officer), lambda: open_stack.get("province:01", f"/dossiers/{code}")):
        began = time.monotonic()
        call()
        assert 0.149 <= time.monotonic() - began < DEADLINE  # a timer of uvloop may be a millisecond early


def test_every_look_up_of_every_system_waits_for_a_slow_database(tmp_path):
    """Pages, listings and look-ups alike."""
    tried = 0
    inside = Inside(tmp_path, systems(["01"], PLATFORMS), PLATFORMS, control=TOKEN)
    try:
        for name, system in inside.systems.items():
            order = {"kind": "slow-database", "attributes": {"delay": 20}, "lease": 60}
            assert inside.ask(name, "PUT", "/control/faults/f", json=order, headers=BEARER).status_code == 200
            paths = [route.path for route in system.routes if route.method == "GET" and not route.spared]
            pages = [f"/pages/{shelf.name}" for shelf in system.shelves()]
            for path in [path for path in paths if "{" not in path] + pages:
                began = time.monotonic()
                if inside.get(name, path).status_code == 200:
                    assert time.monotonic() - began >= 0.02, (name, path)
                    tried += 1
        assert tried > 50
    finally:
        inside.stop()


def test_stale_reads_hide_what_is_new_and_lose_nothing(open_stack, control, eventually):
    officer = open_stack.officer()
    old = open_stack.intake(officer)
    eventually(lambda: open_stack.states("national", old) == [2])
    eventually(lambda: open_stack.pending("province:01") == 0)  # nobody else writes there now
    path = open_stack.folder / "state" / "province-01.sqlite"
    with closing(sqlite3.connect(path, timeout=DEADLINE)) as database, database:
        database.execute("UPDATE steps SET applied = applied - 3600")
    new = open_stack.intake(officer)
    assert open_stack.step(officer, old, "process").status_code == 200
    control("province:01", "stale-reads", age=1800)
    assert open_stack.states("province:01", new) is None
    assert open_stack.states("province:01", old) == [2]
    assert new not in {item["code"] for item in open_stack.listing("province:01")}
    front = open_stack.get("province:01", "/").text
    assert (old in front, new in front) == (True, False)
    assert open_stack.get("province:01", f"/pages/dossiers/{new}").status_code == 404
    assert "4 Đang xử lý" not in open_stack.get("province:01", f"/pages/dossiers/{old}").text
    shown = open_stack.get("province:01", "/statistics").json()
    open_stack.http.delete(f"{open_stack.url('province:01')}/control/faults/stale-reads", headers=BEARER)
    current = open_stack.get("province:01", "/statistics").json()
    assert current["total"] == shown["total"] + 1
    assert current["states"]["4"] == shown["states"].get("4", 0) + 1
    assert open_stack.states("province:01", old) == [2, 4]
    assert new in {item["code"] for item in open_stack.listing("province:01")}
    eventually(lambda: open_stack.states("national", old) == [2, 4])


def test_a_dossier_without_a_workflow_waits_and_is_processed_afterwards(open_stack, control):
    """It is never refused: the same key goes through once the process is there."""
    officer, key = open_stack.officer(), open_stack.key()
    code = open_stack.intake(officer)
    control("province:01", "missing-workflow", share=100)
    held = open_stack.step(officer, code, "process", key)
    assert (held.status_code, held.json()["reason"]) == (409, "workflow")
    assert not any(item["available"] for item in open_stack.get("province:01", "/workflows").json()["items"])
    assert open_stack.step(officer, code, "request_papers").status_code == 200
    assert open_stack.step(officer, code, "resume").status_code == 200
    open_stack.http.delete(f"{open_stack.url('province:01')}/control/faults/missing-workflow", headers=BEARER)
    assert open_stack.step(officer, code, "process", key).status_code == 200


def test_officers_without_an_account_cannot_log_in_and_open_sessions_stay(open_stack, control):
    """Of every role: the fault strikes whole desks."""
    officer = open_stack.officer()
    control("province:01", "missing-accounts", share=50)

    def logged_in(place):
        asked = [{"account": f"{role}.{place}", "password": f"mk.{role}.{place}"} for role in Role]
        return [open_stack.post("province:01", "/officer/session", content).status_code for content in asked]

    desks = [logged_in(place.code) for place in places.communes_of("01")[:12]]
    assert {tuple(answers) for answers in desks} == {(200,) * 4, (401,) * 4}
    assert open_stack.intake(officer)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def held(clock, kind="missing-accounts", **attributes):
    control = Control(TOKEN, {kind}, 7, clock)
    order = Order(kind, attributes, 10)
    asyncio.run(control.put(Call(order, {"id": "f"}, None, "", b"")))
    return control


def test_a_share_strikes_always_the_same_ones():
    """About as many as it says, whatever the order and the time."""
    control = held(Clock(), share=30)
    struck = {n for n in range(1000) if control.strikes("missing-accounts", f"cb.{n}")}
    assert 250 < len(struck) < 350
    assert struck == {n for n in reversed(range(1000)) if control.strikes("missing-accounts", f"cb.{n}")}


def test_a_lease_ends_to_the_second():
    clock = Clock()
    control = held(clock, share=100)
    clock.now = 9.99
    assert control.strikes("missing-accounts", "x")
    clock.now = 10.0
    assert not control.strikes("missing-accounts", "x")
    assert control.find("missing-accounts") is None


def test_every_kind_is_carried_by_some_system():
    assert set().union(*(system.faults for system in SYSTEMS.values())) == ATTRIBUTES.keys()
