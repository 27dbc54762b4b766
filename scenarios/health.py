"""How the generator itself fares: what it measures proves nothing when it can't keep up."""

import resource
import time
from dataclasses import dataclass

import gevent

TICK = 0.05
"""Seconds between two looks at the event loop."""


@dataclass(slots=True)
class Second:
    """One second of a worker's life.

    Attributes:
        delay: The longest that the event loop came late, seconds.
        late: The longest that an arrival started after it was due, seconds.
        started: Arrivals that started.
        in_flight: The most journeys at a time.
    """

    delay: float = 0.0
    late: float = 0.0
    started: int = 0
    in_flight: int = 0


class Health:
    """Watches the event loop, lateness and processor time of this process.

    Attributes:
        now: The second that is being gathered.
    """

    def __init__(self) -> None:
        self.now = Second()
        self._cpu = _cpu()
        self._clock = time.monotonic()

    def watch(self) -> None:
        """Look at the event loop for ever."""
        while True:
            due = time.monotonic() + TICK
            gevent.sleep(TICK)
            self.now.delay = max(self.now.delay, time.monotonic() - due)

    def arrival(self, late: float, in_flight: int) -> None:
        """Note an arrival that started ``late`` seconds after it was due."""
        self.now.started += 1
        self.now.late = max(self.now.late, late)
        self.now.in_flight = max(self.now.in_flight, in_flight)

    def take(self) -> tuple[Second, float]:
        """Return what was gathered since the last call, and the share of one core that this process used.

        A second that is caught up after a stall is a second all the same, however soon it is over.
        """
        second, self.now = self.now, Second()
        cpu, clock = _cpu(), time.monotonic()
        share = (cpu - self._cpu) / max(clock - self._clock, 1.0)
        self._cpu, self._clock = cpu, clock
        return second, share


def _cpu() -> float:
    """Return the processor seconds of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
