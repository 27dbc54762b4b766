"""When a worker can't know whose an arrival is, and how it learns it."""

import pytest

from scenarios import contact
from scenarios.contact import AGAIN, SILENCE, STILL, TICK, Contact


class Told:
    """A clock that the test sets, and the questions that were asked."""

    def __init__(self) -> None:
        self.now = 100.0
        self.questions: list[float] = []

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(contact, "time", told)
    return told


def live(told: Told, made: Contact, seconds: float, heard: bool = True) -> None:
    """Look regularly for some seconds, with or without signs of life of the master."""
    for _ in range(round(seconds / TICK)):
        told.now += TICK
        if heard:
            made.hear()
        made.look()


def test_who_is_awake_and_hears_the_master_is_certain(told: Told) -> None:
    made = Contact(told.questions.append)
    live(told, made, 10)
    assert made.certain
    assert told.questions == []


def test_who_has_stood_still_is_certain_after_an_answer(told: Told) -> None:
    """Before its next look already it isn't; the sign of life that waited for it isn't an answer."""
    made = Contact(told.questions.append)
    told.now += STILL
    assert not made.certain
    made.look()
    made.hear()
    assert not made.certain
    (asked,) = told.questions
    made.answer(asked)
    assert made.certain


def test_a_silent_master_is_asked_again_and_again(told: Told) -> None:
    made = Contact(told.questions.append)
    live(told, made, SILENCE - 2 * TICK, heard=False)
    assert made.certain
    live(told, made, 2 * TICK + 2 * AGAIN, heard=False)
    assert not made.certain
    assert len(told.questions) in (2, 3)
    made.hear()
    made.answer(told.questions[0])
    assert made.certain


def test_an_answer_from_before_the_doubt_removes_none(told: Told) -> None:
    """It can't have what was decided while the worker stood still."""
    made = Contact(told.questions.append)
    told.now += STILL
    made.look()
    (first,) = told.questions
    told.now += STILL
    made.look()
    made.answer(first)
    assert not made.certain
    made.answer(told.questions[-1])
    assert told.questions[-1] > first
    assert made.certain
