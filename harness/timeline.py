"""Faults on the run's clock: one thread per fault, and everything healed whatever happens."""

import time
from collections.abc import Sequence
from threading import Event, Lock, Thread

from faults.life import HealFailed, Life

PREPARE_BEFORE = 2.5
"""Seconds before a fault is due at which its healthy link is measured."""


class Timeline:
    """Applies each fault when it is due and heals it when its time is over, or at once when told to.

    Attributes:
        active: Ids of the faults that are on.
        lives: The faults.
    """

    def __init__(self, lives: Sequence[Life], t0: float) -> None:
        self._failures: dict[str, str] = {}
        self.active: set[str] = set()
        self.lives = lives
        self._t0 = t0
        self._over = Event()
        self._lock = Lock()
        self._threads = [Thread(target=self._run, args=(life,), name=f"fault {life.fault.id}") for life in lives]

    @property
    def failures(self) -> list[str]:
        """What could not be healed, one line each; healing that succeeded in the end is none."""
        return list(self._failures.values())

    def start(self) -> None:
        """Start the clock."""
        for thread in self._threads:
            thread.start()

    def heal(self) -> None:
        """End every fault now, wait until it is healed and proved gone; any number of times."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for life in self.lives:
            self._heal(life)

    def _run(self, life: Life) -> None:
        start = self._t0 + life.fault.start
        if self._sleep(start - PREPARE_BEFORE):
            return
        life.prepare()
        if self._sleep(start):
            return
        self.active.add(life.fault.id)
        healer = Thread(target=self._heal_at, args=(life, start + life.fault.duration))
        healer.start()
        life.apply()
        healer.join()

    def _heal_at(self, life: Life, moment: float) -> None:
        self._sleep(moment)
        self._heal(life)

    def _heal(self, life: Life) -> None:
        try:
            life.heal()
        except HealFailed as failure:
            with self._lock:
                self._failures[life.fault.id] = str(failure)
        else:
            with self._lock:
                self._failures.pop(life.fault.id, None)
            self.active.discard(life.fault.id)

    def _sleep(self, moment: float) -> bool:
        """Wait for a monotonic moment; True when everything is over before it."""
        return self._over.wait(max(moment - time.monotonic(), 0.0))
