"""The life of one fault: lease → apply → read back → prove → hold → heal → read back → prove that it is gone."""

import time
from threading import Event, Lock
from typing import Any, Protocol

from faults.catalogue import KINDS
from faults.kinds.base import FaultError, Processes, Site
from faults.leases import Lease
from faults.probe import Measurement
from faults.toxiproxy import Proxies, ProxyError
from faults.watchdog_client import WatchdogError
from model.plan import Fault
from model.record import EventLog

HEALTHY_PATIENCE = 2.0  # seconds
HEAL_PATIENCE = 5.0  # seconds that healing is tried for
GONE_PATIENCE = 5.0  # seconds that the proof of its absence is tried for
PAUSE = 0.1  # seconds between two tries


class HealFailed(Exception):
    """A fault is still on: what went wrong, and the command that undoes it by hand."""


class Leases(Protocol):
    """Who heals when nobody else does."""

    def register(self, lease: Lease) -> None:
        """Take a lease; returns once it is taken, raises WatchdogError otherwise."""

    def done(self, fault: str) -> None:
        """Forget the lease of a fault."""


class Life:
    """One fault, from its lease to the proof that it is gone. Each step is an event of the record.

    ``apply`` and ``heal`` may be called from different threads at any time, ``heal`` any number of times.

    Args:
        fault: What to break; ``faults.catalogue.validate`` has nothing to say about it.
        proxies: The proxies of the links.
        watchdog: Who heals when the conductor can't.
        events: The record's events.
        processes: The processes of the systems, for process faults.
        address: ``host:port`` of the broken system past every proxy, for process faults.

    Attributes:
        proved: Whether the fault was seen to bite.
        healed: Whether nothing of it is left.
        gone: Whether its absence was seen.
    """

    def __init__(
        self,
        fault: Fault,
        *,
        proxies: Proxies,
        watchdog: Leases,
        events: EventLog,
        processes: Processes | None = None,
        address: str | None = None,
    ) -> None:
        self.fault = fault
        self.proved = self.healed = self.gone = False
        self._kind = KINDS[fault.kind](fault, Site(proxies, processes, address))
        self._watchdog = watchdog
        self._events = events
        self._lock = Lock()
        self._stop = Event()
        self._prepared = self._touched = self._on = False
        self._healthy: Measurement | None = None

    def prepare(self) -> None:
        """Measure the healthy link (up to 2 s): call it shortly before the fault is due, so that it starts on time."""
        if not self._prepared:
            self._prepared = True
            self._healthy = self._measure(HEALTHY_PATIENCE)

    def apply(self) -> bool:
        """Break it and prove that it bites; returns whether it did, the reasons are in the record. Never raises."""
        self.prepare()
        deadline = time.monotonic() + self.fault.duration
        try:
            self._break()
            self.proved = self._prove(deadline)
        except (ProxyError, FaultError, WatchdogError, OSError) as error:
            self._write("fault_unproved", measured={}, reason=str(error))
        return self.proved

    def heal(self) -> None:
        """Mend it and prove that it is gone; raises HealFailed when it can't be mended within 5 s."""
        self._stop.set()
        with self._lock:
            if self.healed:
                return
            if self._touched:
                self._mend()
            self.healed = True
            if self._touched:
                self.gone = self._prove_gone()
                self._end_lease()

    def _break(self) -> None:
        """Take the lease, break it, read it back; nothing where healing has been asked for."""
        with self._lock:
            if self._stop.is_set():
                raise FaultError("it was healed before it was applied")
            lease = self._kind.lease
            if lease:
                self._watchdog.register(lease)
            self._touched = True
            self._kind.apply()
            self._on = True
            self._write("fault_applied", kind=self.fault.kind, attributes=self._kind.values)
            if not self._kind.held():
                raise FaultError("it reads back as not applied")
            self._write("fault_read_back")

    def _prove(self, deadline: float) -> bool:
        """Probe until the fault is seen to bite, at most until it is due to end."""
        while True:
            seen = self._kind.measure(deadline - time.monotonic(), self._stop)
            bites = self._kind.bites(seen, self._healthy)
            if bites or self._stop.is_set() or time.monotonic() + PAUSE >= deadline:
                break
            time.sleep(PAUSE)
        if self._stop.is_set():
            raise FaultError("it was healed while it was being proved")
        self._write("fault_proved" if bites else "fault_unproved", measured=self._measured(seen))
        return bites

    def _mend(self) -> None:
        deadline = time.monotonic() + HEAL_PATIENCE
        while True:
            try:
                self._mend_once()
            except (ProxyError, FaultError, OSError) as error:
                if time.monotonic() > deadline:
                    self._write("fault_heal_failed", reason=str(error), by_hand=self._kind.by_hand)
                    raise HealFailed(f"{self.fault.id} is still on: {error}; by hand: {self._kind.by_hand}") from None
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
        """Probe until the fault is seen to be gone, for at most 5 s."""
        deadline = time.monotonic() + GONE_PATIENCE
        while True:
            seen = self._measure(deadline - time.monotonic())
            gone = seen is not None and self._kind.gone(seen, self._healthy)
            if gone or time.monotonic() + PAUSE >= deadline:
                break
            time.sleep(PAUSE)
        self._write("fault_gone" if gone else "fault_not_gone", measured=self._measured(seen))
        return gone

    def _measure(self, seconds: float) -> Measurement | None:
        try:
            return self._kind.measure(seconds)
        except (ProxyError, FaultError):
            return None

    def _end_lease(self) -> None:
        """Tell the watchdog; one that is gone needs no telling."""
        try:
            self._watchdog.done(self.fault.id)
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
        }

    def _write(self, event: str, **fields: object) -> None:
        where = {"link": self.fault.link} if self._kind.breaks == "link" else {"system": self.fault.system}
        self._events.write(event, fault=self.fault.id, **where, **fields)
