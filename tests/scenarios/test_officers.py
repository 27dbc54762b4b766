"""Officers' journeys log in as the role whose each action is, and as few times as that takes."""

import dataclasses
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from model import people
from model.workflows import Role
from scenarios.catalogue import EXPECTED, JOURNEYS, Memory
from scenarios.journeys.officer import FIRST
from scenarios.network import Network
from scenarios.personas import Arrival
from scenarios.session import Session
from tests.mocks.conftest import Stack, submission
from tests.scenarios.test_desk_journeys import Notes

WARD, LAND = "2.000815", "1.012753"
ARRIVAL = Arrival(7, 0.0, "process", "01", "00004", people.person(7), WARD, 0, False, "return")


class Watched:
    """The network; tells which roles logged in and what they did."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.done: list[str] = []

    def send(self, system: str, method: str, path: str, headers: Any, body: bytes) -> Any:
        if path == "/officer/session":
            self.done.append(json.loads(body)["account"].partition(".")[0])
        elif path == "/officer/claim":
            self.done.append("claim")
        elif path.endswith("/steps"):
            self.done.append(json.loads(body)["action"])
        return self.network.send(system, method, path, headers, body)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    stack = Stack(tmp_path_factory.mktemp("officers")).start("province:01", "population")  # type: ignore[no-untyped-call]  # tests of mocks
    yield stack
    stack.stop()  # type: ignore[no-untyped-call]  # tests of mocks


def walk(stack: Any, **changes: Any) -> list[str]:
    notes, arrival = Notes(), dataclasses.replace(ARRIVAL, **changes)
    network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0)
    watched = Watched(network)
    session = Session(arrival, watched, notes, time.monotonic(), f"r{time.monotonic_ns()}", pause=lambda _: None)
    JOURNEYS[arrival.journey][0](session, Memory())
    network.close()
    assert notes.failed() == []
    assert {operation for operation, _ in notes.outcomes} <= EXPECTED[arrival.journey].keys()
    return watched.done


@pytest.mark.parametrize(
    ("procedure", "before", "ending", "done"),
    [
        (WARD, (), "return", "cb claim process ld finish return_result"),
        (WARD, (), "papers", "cb claim process request_papers"),
        (LAND, (), "return", "cb claim cv claim process ld finish vt return_result"),
        (LAND, (), "fee", "cb claim cv claim process request_fee"),
        (LAND, (), "stop", "cb claim cv claim process ld stop"),
        (WARD, ("process", "finish"), "papers", "cb claim return_result"),
        (None, (), "return", "cb claim cv claim"),
    ],
)
def test_each_action_is_taken_by_its_role_and_each_role_logs_in_once(
    stack: Any, procedure: str | None, before: tuple[str, ...], ending: str, done: str
) -> None:
    if procedure:
        code = stack.intake(stack.officer(), submission(procedure=procedure))  # type: ignore[no-untyped-call]  # tests of mocks
        staff = stack.staff(procedure)
        for action in before:
            assert stack.step(staff[action], code, action).status_code == 200
    assert walk(stack, ending=ending) == done.split()


def test_a_leader_who_looks_for_work_signs_what_was_processed(stack: Any) -> None:
    code = stack.intake(stack.officer(), submission(procedure=LAND))  # type: ignore[no-untyped-call]  # tests of mocks
    stack.step(stack.officer(role="cv"), code, "process")
    assert walk(stack, seed=FIRST.index(Role.LEADER)) == ["ld", "claim", "finish", "vt", "return_result"]
    assert stack.states("province:01", code) == [2, 4, 9, 10]


def test_an_officer_in_training_asks_a_specialist(stack: Any) -> None:
    """What was taken in is then worked off: no other test of this stack finds it."""
    assert walk(stack, journey="novice-intake") == ["cb", "cv"]
    assert walk(stack) == ["cb", "claim", "process", "ld", "finish", "return_result"]
