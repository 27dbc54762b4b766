"""Whether a worker and its master hear each other, so that it is certain whose an arrival is.

A master that misses a worker's heartbeats for some seconds gives its share to others from a moment on, and tells all of
them. So a worker that doesn't hear the master, or that has stood still itself and can't know yet what was told
meanwhile, asks a question, and starts nothing before the answer. Messages keep their order, and the answer has all that
was decided until then.
"""

import time
from collections.abc import Callable

import gevent

TICK = 0.1
"""Seconds between two looks."""
STILL = 0.4
"""Seconds after which a look is so late that the worker has stood still: less than from telling a division to its
beginning."""
SILENCE = 3.0
"""Seconds without a sign of life after which the master may be out of reach."""
AGAIN = 1.0
"""Seconds from a question to the next."""


class Contact:
    """What a worker knows of its master.

    Args:
        ask: Sends the master a question with the moment, monotonic seconds, that its answer must name.
    """

    def __init__(self, ask: Callable[[float], None]) -> None:
        self._ask = ask
        self._heard = self._awake = time.monotonic()
        self._doubted: float | None = None
        self._asked = float("-inf")

    @property
    def certain(self) -> bool:
        """Whether the worker knows all that was decided up to now, but for what is on its way."""
        now = time.monotonic()
        return self._doubted is None and now - self._awake < STILL and now - self._heard < SILENCE

    def hear(self) -> None:
        """Take note of a sign of life."""
        self._heard = time.monotonic()

    def answer(self, asked: float) -> None:
        """Take note of the answer to a question; one from before the doubt removes none."""
        if self._doubted is not None and asked >= self._doubted:
            self._doubted = None

    def watch(self) -> None:
        """Look every ``TICK`` seconds, without end."""
        self._awake = time.monotonic()
        while True:
            gevent.sleep(TICK)
            self.look()

    def look(self) -> None:
        """Ask where there is doubt."""
        now = time.monotonic()
        if now - self._awake >= STILL or (self._doubted is None and now - self._heard >= SILENCE):
            self._doubted = now
        self._awake = now
        if self._doubted is not None and (self._asked < self._doubted or now - self._asked >= AGAIN):
            self._asked = now
            self._ask(now)
