"""A process that gets little of the processor."""

import time
from functools import cached_property
from threading import Event

from faults.kinds.base import Alternating, Attribute, Site, Timed
from faults.kinds.process import ProcessKind
from faults.leases import TakenLease
from faults.probe import Measurement, probe
from model.plan import Fault


class CpuLimit(Timed, Alternating, ProcessKind):
    """Stops the system's process for all but ``share`` % of every ``period`` (SIGSTOP, SIGCONT), from our side."""

    name = "cpu-limit"
    summary = "the system's process runs for share % of every period only, and is stopped for the rest"
    proof = "of requests one after the other for two periods, one takes at least 80 % of the time that it is stopped"
    attributes = (
        Attribute("share", "%", 10, 80, "share of each period in which it runs"),
        Attribute("period", "ms", 100, 2_000, "from one stop to the next", default=250),
    )

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        self.period = self.values["period"] / 1000
        self.off = self.period * self.values["share"] / 100
        self.on = self.expected = self.period - self.off

    @cached_property
    def lease(self) -> TakenLease:
        """A stopped process."""
        return self.processes.pausing(self.fault.id, self.fault.target)

    def switch_on(self) -> None:
        """Stop the process."""
        self.lease.take()

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Ask for two periods, one request after the other, and return the slowest of them."""
        end = time.monotonic() + min(seconds, 2.2 * self.period)
        slowest = probe(self.address, self.patience, stop=stop)
        while slowest.ok and time.monotonic() < end and not (stop and stop.is_set()):
            time.sleep(0.002)
            seen = probe(self.address, self.patience, stop=stop)
            slowest = seen if not seen.ok or seen.seconds > slowest.seconds else slowest
        return slowest

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand stops that stand out from chance, and a duration that its proof fits into."""
        values = cls.resolve(fault.attributes)
        stopped = values["period"] * (100 - values["share"]) / 100
        if stopped < 50:
            return [f"it would be stopped for {stopped:g} ms at a time: give period so that it is 50 ms at least"]
        if 4 * values["period"] > fault.duration * 1000:
            return [f"period = {values['period']} ms is more than a quarter of {fault.duration:g} s: hold it longer"]
        return []
