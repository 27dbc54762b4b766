"""One target of a fault: lease → apply → read back → prove → hold → heal → read back → prove that it is gone."""

import time
from threading import Event, Lock, Thread
from typing import Any, Protocol

import psutil

from faults.catalogue import KINDS
from faults.kinds.base import FaultError, Site
from faults.leases import Lease
from faults.probe import Measurement
from faults.toxiproxy import ProxyError
from faults.watchdog_client import WatchdogError
from model.plan import Fault
from model.record import EventLog

HEALTHY_PATIENCE = 2.0  # seconds
HEAL_PATIENCE = 10.0  # seconds that healing is tried for: a server that hangs for a while is outlived
GONE_PATIENCE = 5.0  # seconds that the proof of its absence is tried for
PAUSE = 0.1  # seconds between two tries
TROUBLE = (ProxyError, FaultError, OSError, psutil.Error)


class HealFailed(Exception):
    """A fault is still on: what went wrong, and the command that undoes it by hand."""


class Leases(Protocol):
    """Who heals when nobody else does."""

    def register(self, lease: Lease) -> None:
        """Take a lease; returns once it is taken, raises WatchdogError otherwise."""

    def done(self, key: str) -> None:
        """Forget a lease, by its key."""


class Part:
    """A fault on one of its targets. Each step is an event of the record.

    Its methods may be called from different threads at any time, ``heal`` any number of times.

    Args:
        fault: What to break, with one target only.
        site: Where.
        watchdog: Who heals when the conductor can't.
        events: The record's events.

    Attributes:
        touched: Whether anything of it may be on.
        proved: Whether the fault was seen to bite.
        healed: Whether nothing of it is left.
        gone: Whether its absence was seen.
    """

    def __init__(self, fault: Fault, site: Site, watchdog: Leases, events: EventLog) -> None:
        self.fault = fault
        self.touched = self.proved = self.healed = self.gone = False
        self._kind = KINDS[fault.kind](fault, site)
        self._watchdog = watchdog
        self._events = events
        self._lock = Lock()
        self._stop = Event()
        self._prepared = self._on = False
        self._lease: Lease | None = None
        self._healthy: Measurement | None = None

    def prepare(self) -> None:
        """Measure the healthy target (up to 2 s), and again where that fails: who stood still a moment isn't ill."""
        if not self._prepared:
            self._prepared = True
            self._healthy = self._measure(HEALTHY_PATIENCE)
            if self._healthy is None or not self._healthy.ok:
                self._healthy = self._measure(HEALTHY_PATIENCE) or self._healthy

    def apply(self) -> bool:
        """Break it and read it back; returns whether it is broken. Never raises."""
        try:
            self._break()
        except (*TROUBLE, WatchdogError) as error:
            self._write("fault_unproved", measured={}, reason=str(error))
            return False
        return True

    def prove(self, deadline: float) -> None:
        """Prove that it bites, until a monotonic moment at most. Never raises."""
        try:
            self.proved = self._prove(deadline)
        except TROUBLE as error:
            self._write("fault_unproved", measured={}, reason=str(error))

    def heal(self, look: bool = True) -> None:
        """Mend it and, where it is looked at, prove that it is gone; raises HealFailed when it can't be mended."""
        self._stop.set()
        with self._lock:
            if self.healed:
                return
            if self.touched:
                self._mend()
            self.healed = True
            if self.touched:
                self.gone = self._prove_gone() if look else True
                self._end_lease()

    def _break(self) -> None:
        """Take the lease, break it, read it back; nothing where healing has been asked for."""
        with self._lock:
            if self._stop.is_set():
                raise FaultError("it was healed before it was applied")
            self._lease = self._kind.lease
            if self._lease:
                self._watchdog.register(self._lease)
            self.touched = True
            self._kind.apply()
            self._on = True
            self._write("fault_applied", kind=self.fault.kind, attributes=self._kind.values)
            if not self._kind.held():
                raise FaultError("it reads back as not applied")
            self._write("fault_read_back")
        if self._kind.beat is not None:
            Thread(target=self._keep, args=(self._kind.beat,), name=f"{self.fault.id} ticks", daemon=True).start()

    def _keep(self, pause: float | None) -> None:
        """Let the kind do what it has to do while it is on, until it is healed."""
        while pause is not None and not self._stop.wait(pause):
            with self._lock:
                if self._stop.is_set():
                    return
                try:
                    pause = self._kind.tick()
                except TROUBLE:
                    pause = PAUSE

    def _prove(self, deadline: float) -> bool:
        """Probe until the fault is seen to bite, at most until it is due to end."""
        while True:
            seen, reason = self._look(deadline - time.monotonic())
            bites = seen is not None and self._kind.bites(seen, self._healthy)
            if bites or self._stop.is_set() or time.monotonic() + PAUSE >= deadline:
                break
            time.sleep(PAUSE)
        if self._stop.is_set():
            raise FaultError("it was healed while it was being proved")
        self._write("fault_proved" if bites else "fault_unproved", measured=self._measured(seen), **reason)
        return bites

    def _look(self, seconds: float) -> tuple[Measurement | None, dict[str, str]]:
        """Measure; where that fails, return why."""
        try:
            return self._kind.measure(seconds, self._stop), {}
        except TROUBLE as error:
            return None, {"reason": str(error)}

    def _mend(self) -> None:
        deadline = time.monotonic() + HEAL_PATIENCE
        while True:
            try:
                self._mend_once()
            except TROUBLE as error:
                if time.monotonic() > deadline:
                    self._write("fault_heal_failed", reason=str(error), by_hand=self._kind.by_hand)
                    where = f"{self.fault.id} is still on at {self.fault.target}"
                    raise HealFailed(f"{where}: {error}; by hand: {self._kind.by_hand}") from None
                time.sleep(PAUSE)
            else:
                return

    def _mend_once(self) -> None:
        early = self._on and not self._kind.held()
        self._on = False
        self._kind.heal()
        if self._kind.held():
            raise FaultError("it reads back as still on")
        if early:
            self._write("fault_released_early")
        self._write("fault_healed")

    def _prove_gone(self) -> bool:
        """Probe until the fault is seen to be gone, as often in a row as the kind demands, for at most 5 s."""
        deadline = time.monotonic() + GONE_PATIENCE
        row = 0
        while True:
            seen = self._measure(deadline - time.monotonic())
            gone = seen is not None and self._kind.gone(seen, self._healthy)
            row = row + 1 if gone else 0
            if row >= self._kind.repeats or time.monotonic() + PAUSE >= deadline:
                break
            time.sleep(0 if gone else PAUSE)
        found = row >= self._kind.repeats
        self._write("fault_gone" if found else "fault_not_gone", measured=self._measured(seen))
        return found

    def _measure(self, seconds: float) -> Measurement | None:
        try:
            return self._kind.measure(seconds)
        except TROUBLE:
            return None

    def _end_lease(self) -> None:
        """Tell the watchdog; one that is gone needs no telling."""
        try:
            if self._lease:
                self._watchdog.done(self._lease.key)
        except WatchdogError:
            return

    def _measured(self, seen: Measurement | None) -> dict[str, Any]:
        if seen is None:
            return {}
        return {
            "outcome": seen.outcome,
            "seconds": round(seen.seconds, 6),
            "bytes": seen.received,
            "expected_seconds": getattr(self._kind, "expected", None),
            "healthy_outcome": self._healthy.outcome if self._healthy else None,
            "healthy_seconds": round(self._healthy.seconds, 6) if self._healthy else None,
            **seen.detail,
        }

    def _write(self, event: str, **fields: object) -> None:
        self._events.write(event, fault=self.fault.id, **{self._kind.breaks: self.fault.target}, **fields)
