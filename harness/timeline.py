"""Faults on the run's clock: one thread per fault, and everything healed whatever happens."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from threading import Condition, Thread

from faults.life import HealFailed, Life
from model.plan import Fault
from model.record import EventLog

PREPARE_BEFORE = 2.5
"""Seconds before a fault is due at which its healthy link is measured."""
HEALING_TAKES = 1.0
"""Seconds that a fault waits for others, due to end, before it is too much at once."""
PAUSE = 0.05
"""Seconds between two looks at whether those are healed."""


class Timeline:
    """Applies each fault when it is due and heals it when its time is over, or at once when told to.

    A fault isn't applied as long as something holds it back, nor when it was called off, nor when it and those that
    aren't healed yet are too much at once.

    Args:
        lives: The faults.
        t0: Monotonic seconds.
        excess: Says how faults are too much at once, None where they aren't: ``model.blast.excess`` of the plan.
        events: The record's events.

    Attributes:
        active: Ids of the faults that are on.
        lives: The faults.
    """

    def __init__(
        self, lives: Sequence[Life], t0: float, excess: Callable[[Iterable[Fault]], str | None], events: EventLog
    ) -> None:
        self._failures: dict[str, str] = {}
        self.active: set[str] = set()
        self.lives = lives
        self._t0 = t0
        self._excess = excess
        self._events = events
        self._over = False
        self._called_off: dict[str, str] = {}
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._changed = Condition()
        self._threads = [Thread(target=self._run, args=(life,), name=f"fault {life.fault.id}") for life in lives]

    @property
    def failures(self) -> list[str]:
        """What could not be healed, one line each; healing that succeeded in the end is none."""
        return list(self._failures.values())

    @property
    def pending(self) -> bool:
        """Whether a fault is on, or still to come."""
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        """Start the clock."""
        for thread in self._threads:
            thread.start()

    def hold(self, what: str, faults: Iterable[str]) -> None:
        """Don't apply these faults before ``what`` is released."""
        with self._changed:
            for fault in faults:
                self._held[fault].add(what)

    def release(self, what: str) -> None:
        """Hold nothing back for ``what`` any more."""
        with self._changed:
            for held in self._held.values():
                held.discard(what)
            self._changed.notify_all()

    def call_off(self, reason: str, faults: Iterable[str] = ()) -> None:
        """Apply these faults no more and heal those that are on, all where none is named; returns at once."""
        with self._changed:
            for fault in tuple(faults) or [life.fault.id for life in self.lives]:
                self._called_off.setdefault(fault, reason)
            self._changed.notify_all()

    def heal(self) -> None:
        """End every fault now, wait until it is healed and proved gone; any number of times."""
        with self._changed:
            self._over = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        for life in self.lives:
            self._heal(life)

    def _run(self, life: Life) -> None:
        start = self._t0 + life.fault.start
        if not self._wait(life, start - PREPARE_BEFORE):
            life.prepare()
        self._wait(life, start)
        if self._admitted(life):
            healer = Thread(target=self._heal_at, args=(life, start + life.fault.duration))
            healer.start()
            life.apply()
            healer.join()

    def _admitted(self, life: Life) -> bool:
        """Wait until nothing holds a fault back, then tell whether it may be applied; if not, write down why."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended(life) or not self._held[life.fault.id])
            too_much = self._too_much(life)
            reason = self._called_off.get(life.fault.id) or (None if self._over else too_much)
            if reason:
                self._events.write("fault_skipped", fault=life.fault.id, reason=reason)
            if reason or self._over:
                return False
            self.active.add(life.fault.id)
            return True

    def _too_much(self, life: Life) -> str | None:
        """Say how a fault is too much beside those that aren't healed yet; those get a moment to be."""
        deadline = time.monotonic() + HEALING_TAKES
        while True:
            on = [other.fault for other in self.lives if other.fault.id in self.active and not other.healed]
            excess = self._excess([*on, life.fault])
            if excess is None or self._ended(life) or time.monotonic() > deadline:
                return excess
            self._changed.wait(PAUSE)

    def _heal_at(self, life: Life, moment: float) -> None:
        self._wait(life, moment)
        self._heal(life)

    def _heal(self, life: Life) -> None:
        try:
            life.heal()
        except HealFailed as failure:
            with self._changed:
                self._failures[life.fault.id] = str(failure)
        else:
            with self._changed:
                self._failures.pop(life.fault.id, None)
                self.active.discard(life.fault.id)

    def _ended(self, life: Life) -> bool:
        return self._over or life.fault.id in self._called_off

    def _wait(self, life: Life, moment: float) -> bool:
        """Wait for a monotonic moment; True when the fault is over before it."""
        with self._changed:
            return self._changed.wait_for(lambda: self._ended(life), max(moment - time.monotonic(), 0.0))
