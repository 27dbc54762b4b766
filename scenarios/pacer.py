"""Starts arrivals when they are due: from the event loop itself, ahead of every reply that waits to be read."""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import Generic, TypeVar

from gevent.event import AsyncResult

from scenarios.alarm import Alarm

BREATH = 8
"""Arrivals in a row that may start behind their time before replies are read."""
HOLD = 0.005
"""Seconds after which a pacer that is held looks again whether it may go on."""
AHEAD = 0.05
"""Seconds by which arrivals of others are passed over early: no reason to wake up for each of them."""

Due = tuple[int, float]
"""Number of an arrival, and seconds from t0 at which it is due."""
T = TypeVar("T")


class Pacer(Generic[T]):
    """Walks along a schedule.

    What an arrival needs is prepared before its time, and it starts in the hub, so between the moment at which it is
    due and its first request there is one system call and no other greenlet's work.
    """

    def __init__(
        self,
        arrivals: Iterator[Due],
        owned: Callable[[int, float], bool],
        prepare: Callable[[int, float], T],
        start: Callable[[T], object],
        certain: Callable[[], bool] = lambda: True,
    ) -> None:
        """Prepare; nothing runs yet.

        Args:
            arrivals: In the order in which they are due.
            owned: Whether an arrival is one to start; asked when it is due.
            prepare: Makes an arrival from number and due time.
            start: Starts it; runs in the hub and must not wait.
            certain: Whether it is known what is owned; while it isn't, nothing is started, and nothing passed over.
        """
        self._arrivals = arrivals
        self._owned = owned
        self._prepare = prepare
        self._start = start
        self._certain = certain
        self._over: AsyncResult = AsyncResult()
        self._next: Due | None = None
        self._prepared: T | None = None
        self._t0 = 0.0
        self._alarm: Alarm | None = None

    def run(self, t0: float) -> None:
        """Start what is owned when it is due, until the schedule ends or ``stop`` is called; raises what it raises.

        Args:
            t0: Monotonic seconds.
        """
        self._t0 = t0
        self._next = next(self._arrivals, None)
        self._alarm = alarm = Alarm(self._turn)
        try:
            alarm.set(monotonic())
            self._over.get()
        finally:
            alarm.close()

    def stop(self) -> None:
        """Start nothing further."""
        self._over.set()

    def _turn(self) -> None:
        """Start what is due, and set the alarm for what comes next."""
        if self._over.ready() or self._alarm is None:
            return
        try:
            moment = self._start_due()
        except Exception as error:
            self._over.set_exception(error)
            return
        if moment is None:
            self._over.set()
        else:
            self._alarm.set(moment)

    def _start_due(self) -> float | None:
        """Start at most ``BREATH`` arrivals; return when to go on, None at the end of the schedule."""
        started = 0
        while started < BREATH:
            if self._next is None:
                return None
            if not self._certain():
                return monotonic() + HOLD
            number, due = self._next
            owned = self._owned(number, due)
            moment = self._t0 + due - (0.0 if owned else AHEAD)
            if monotonic() < moment:
                if not owned or self._prepared is not None:
                    return moment
                self._prepared = self._prepare(number, due)
                continue
            if owned:
                started += 1
                self._start(self._prepare(number, due) if self._prepared is None else self._prepared)
            self._prepared = None
            self._next = next(self._arrivals, None)
        return monotonic()
