"""Arrivals start when they are due, in the event loop, and nothing that goes wrong there is lost."""

from collections.abc import Callable, Iterator
from time import monotonic

import gevent
import pytest

from scenarios.alarm import Alarm
from scenarios.pacer import AHEAD, BREATH, Due, Pacer


def everybodys(_: int, __: float) -> bool:
    return True


def prepared(number: int, due: float) -> Due:
    return number, due


def every(gap: float, count: int) -> Iterator[Due]:
    return ((number, number * gap) for number in range(count))


def test_an_alarm_wakes_up_within_less_than_a_millisecond() -> None:
    """Of 40 alarms at odd moments half at least come within 0.5 ms, none early; the loop's own timers take 1 ms."""
    assert any(median_of_alarms() < 0.0005 for _ in range(300))  # a busy machine delays most of them


def median_of_alarms() -> float:
    """Let 40 alarms ring; return by how much half of them were late at most."""
    late: list[float] = []
    over = gevent.event.Event()

    def ring() -> None:
        late.append(monotonic() - due[0])
        due[0] = monotonic() + 0.00237
        alarm.set(due[0])
        if len(late) == 40:
            over.set()

    alarm = Alarm(ring)
    due = [monotonic() + 0.001]
    alarm.set(due[0])
    assert over.wait(30)
    alarm.close()
    alarm.close()
    assert min(late) >= 0
    return sorted(late)[20]


def test_an_alarm_for_a_moment_that_has_passed_rings_at_once() -> None:
    """Also for one before the clock's own beginning."""
    rung = gevent.event.Event()
    alarm = Alarm(rung.set)
    alarm.set(-1.0)
    assert rung.wait(30)
    alarm.close()


def test_every_arrival_starts_in_its_order_and_none_before_it_is_due() -> None:
    """The schedule is walked to its end."""
    assert any(median_of_arrivals() < 0.0015 for _ in range(300))  # a busy machine delays most of them


def median_of_arrivals() -> float:
    """Walk a schedule of 50 arrivals; return by how much half of them were late at most."""
    started: list[tuple[Due, float]] = []
    t0 = monotonic() + 0.02
    pacer = Pacer(every(0.003, 50), everybodys, prepared, lambda due: started.append((due, monotonic() - t0)))
    pacer.run(t0)
    assert [due for due, _ in started] == list(every(0.003, 50))
    assert all(moment >= due for (_, due), moment in started)
    return sorted(moment - due for (_, due), moment in started)[25]


def test_arrivals_of_others_are_passed_over_without_being_prepared() -> None:
    """They cost no wake-up of their own: the walk is ahead of them."""
    made: list[int] = []
    started: list[int] = []
    asked: dict[int, float] = {}
    t0 = monotonic()

    def third(number: int, _: float) -> bool:
        asked.setdefault(number, monotonic() - t0)
        return number % 3 == 0

    pacer = Pacer(every(0.002, 60), third, lambda number, _: made.append(number) or number, started.append)
    pacer.run(t0)
    assert made == started == list(range(0, 60, 3))
    asked[60] = monotonic() - t0
    passed = {number: asked[number + 1] for number in range(60) if number % 3}
    assert all(number * 0.002 - AHEAD <= moment for number, moment in passed.items())


class Leap:
    """An alarm on a clock that leaps to the moment that the alarm is set to."""

    now = 0.0

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function

    def set(self, moment: float) -> None:
        Leap.now = max(Leap.now, moment)
        gevent.get_hub().loop.run_callback(self._function)

    def close(self) -> None:
        """There is nothing to close."""


def test_who_owns_an_arrival_is_decided_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that was taken over in the meantime is started, one that was given away is not."""
    monkeypatch.setattr(Leap, "now", 100.0)
    monkeypatch.setattr("scenarios.pacer.Alarm", Leap)
    monkeypatch.setattr("scenarios.pacer.monotonic", lambda: Leap.now)
    started: list[int] = []
    mine = {0}

    def taken_over(number: int, _: float) -> int:
        mine.symmetric_difference_update({0, 1} if number == 0 else ())
        return number

    pacer = Pacer(iter([(0, 0.0), (1, 0.1)]), lambda number, _: number in mine, taken_over, started.append)
    pacer.run(101.0)
    assert started == [1]


def test_when_it_is_behind_others_have_their_turn_in_between() -> None:
    """After 8 late arrivals in a row the loop does what waits."""
    log: list[str] = []

    def start(_: Due) -> None:
        log.append("arrival")
        if len(log) == 1:
            gevent.get_hub().loop.run_callback(log.append, "reply")

    Pacer(((number, 0.0) for number in range(3 * BREATH)), everybodys, prepared, start).run(monotonic() - 1)
    assert log.count("arrival") == 3 * BREATH
    assert BREATH <= log.index("reply") < 3 * BREATH


def test_nothing_starts_or_is_passed_over_while_the_owner_is_uncertain() -> None:
    """What was due meanwhile starts afterwards, if it is still owned."""
    moment = monotonic() + 0.2
    started: list[Due] = []
    owners = {number: monotonic() > moment for number in range(4)}

    def owned(number: int, _: float) -> bool:
        owners[number] = monotonic() >= moment
        return number % 2 == 0

    def begin(due: Due) -> None:
        started.append(due)

    Pacer(every(0.01, 4), owned, prepared, begin, lambda: monotonic() >= moment).run(monotonic())
    assert [number for number, _ in started] == [0, 2]
    assert all(owners.values())


def test_it_stops_when_told() -> None:
    """Also before it has begun."""
    started: list[Due] = []

    def start(due: Due) -> None:
        started.append(due)
        if len(started) == 1:
            gevent.spawn_later(0.05, pacer.stop)

    pacer = Pacer(every(0.001, 100_000), everybodys, prepared, start)
    pacer.run(monotonic())
    count = len(started)
    assert 0 < count < 1000
    gevent.sleep(0.01)
    assert len(started) == count
    never: list[Due] = []
    late = Pacer(every(0.0, 10), everybodys, prepared, never.append)
    late.stop()
    late.run(monotonic())
    assert never == []


def test_what_goes_wrong_while_starting_reaches_the_caller() -> None:
    """An exception in the hub would only be printed."""

    def start(_: Due) -> None:
        raise ValueError("broken journey table")

    with pytest.raises(ValueError, match="broken journey table"):
        Pacer(every(0.001, 10), everybodys, prepared, start).run(monotonic())
