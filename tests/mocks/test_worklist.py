"""Who is given which dossier, and who is told to wait."""

import sqlite3
import time

import pytest

from mocks import register, worklist
from mocks.defects import Defects
from mocks.register import New
from mocks.throttle import BURST, REFILL, Throttle
from mocks.wire import Refusal
from model.dossier import State


@pytest.fixture
def connection():
    connection = sqlite3.connect(":memory:")
    connection.executescript(register.SCHEMA)
    for number, (commune, procedure) in enumerate((("c", "p1"), ("b", "p1"), ("a", "p2"), ("a", "p1")), 1):
        new = New(f"H{number}", f"k{number}", "01", commune, procedure, 1, "h")
        register.add(connection, new, [(1, 2, time.time())])
    register.add(connection, New("H5", "k5", "01", "a", "p1", 1, "h", test=True), [(1, 2, time.time())])
    yield connection
    connection.close()


ALL = {State.RECEIVED: ["p1", "p2"]}


def claimed(connection, commune, turns=ALL, **options):
    return [item.code for item in worklist.claim(connection, commune, 1, turns, **options).items]


def test_first_ones_own_commune_then_the_province(connection):
    assert [claimed(connection, "a") for _ in range(5)] == [["H3"], ["H4"], ["H1"], ["H2"], []]


def test_the_common_queue_goes_before_the_rest_of_the_province(connection):
    """An officer without work of their own takes those of the commune whose officer has no account."""
    assert claimed(connection, "d", absent=lambda commune: commune == "b") == ["H2"]
    assert claimed(connection, "d", absent=lambda commune: commune == "b") == ["H1"]


def test_held_dossiers_are_given_to_nobody(connection):
    assert [claimed(connection, "a", {State.RECEIVED: ["p2"]}) for _ in range(2)] == [["H3"], []]
    assert claimed(connection, "a") == ["H4"]


def test_a_dossier_that_is_given_back_can_be_claimed_again(connection):
    assert claimed(connection, "c") == ["H1"]
    worklist.release(connection, "H1")
    assert claimed(connection, "c") == ["H1"]


def test_an_orphan_is_nobodys(connection):
    worklist.orphan(connection, "H1")
    assert [claimed(connection, "c") for _ in range(4)] == [["H2"], ["H3"], ["H4"], []]


def test_what_waits_is_counted(connection):
    for test, expected in ((False, (1, 1, 1)), (True, (1, 0, 0))):
        turns = {State.RECEIVED: ["p1"]}
        waiting = worklist.waiting(connection, "a", turns, ["p2"], lambda commune: commune == "b", test=test)
        assert (waiting.own, waiting.common, waiting.held) == expected


def test_the_oldest_of_all_that_waits_for_a_role_comes_first(connection):
    """Whatever its state: H2 is processed already, H3 and H4 are received."""
    register.append(connection, "H2", [(2, 4, time.time())])
    turns = {State.RECEIVED: ["p2"], State.PROCESSING: ["p1"]}
    assert [claimed(connection, "c", turns) for _ in range(3)] == [["H2"], ["H3"], []]


def test_an_officer_in_test_mode_is_given_tests_and_nobody_else_is(connection):
    assert [claimed(connection, "b", test=True) for _ in range(2)] == [["H5"], []]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def admitted(throttle, account, number):
    """Count the submissions of a burst that are let in, up to the first that isn't."""
    for count in range(number):
        try:
            throttle.admit(account)
        except Refusal:
            return count
    return number


def test_a_burst_of_one_account_is_throttled_and_others_are_not():
    clock = Clock()
    throttle = Throttle(Defects(), clock)
    assert admitted(throttle, "broker", 2 * BURST) == BURST
    with pytest.raises(Refusal, match="too many") as caught:
        throttle.admit("broker")
    assert (caught.value.status, caught.value.headers) == (429, {"retry-after": "1"})
    assert admitted(throttle, "citizen", 3) == 3
    clock.now = 4 / REFILL
    assert admitted(throttle, "broker", 10) == 4


def test_no_throttle_lets_everybody_in():
    assert admitted(Throttle(Defects(["no-throttle"]), Clock()), "broker", 2 * BURST) == 2 * BURST
