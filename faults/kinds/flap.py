"""A link that comes and goes."""

import time
from threading import Event

from faults.kinds.base import Alternating, Attribute, LinkKind, Site, pause
from faults.probe import Measurement, probe
from model.plan import Fault


class Flap(Alternating, LinkKind):
    """Cuts the link for ``duty`` % of every ``period``, from our side: Toxiproxy has no such toxic."""

    name = "flap"
    summary = "the link is cut for duty % of every period, beginning with the cut"
    proof = "within a period and a half, new connections are both refused and served"
    attributes = (
        Attribute("period", "ms", 200, 60_000, "from one cut to the next"),
        Attribute("duty", "%", 10, 90, "share of the period that the link is cut", default=50),
    )

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        period = self.values["period"] / 1000
        self.on = period * self.values["duty"] / 100
        self.off = period - self.on

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand two periods."""
        period = cls.resolve(fault.attributes)["period"]
        if 2 * period > fault.duration * 1000:
            return [f"period = {period} ms comes less than twice in a duration of {fault.duration:g} s: hold it longer"]
        return []

    def switch_on(self) -> None:
        """Disable the proxy."""
        self.site.proxies.set_enabled(self.link, False)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Probe until the link was seen both cut and whole, for a period and a half; before the fault, once."""
        span = 1.5 * (self.on + self.off) if self._begun else 0.0
        end = time.monotonic() + min(seconds, span)
        whole = refused = 0
        while True:
            seen = probe(self.address, self.patience, stop=stop)
            whole, refused = whole + seen.ok, refused + (seen.outcome == "refused")
            if whole and refused:
                return Measurement("flapping", seen.seconds, seen.received, {"whole": whole, "refused": refused})
            if time.monotonic() >= end or seen.outcome == "stopped":
                return seen
            pause(min(self.on, self.off) / 5, stop)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a link that was both cut and whole, where a whole reply came before."""
        return healthy is not None and healthy.ok and seen.outcome == "flapping"

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a link on which nothing was refused for a period and a half."""
        return seen.outcome not in ("flapping", "refused", "unreachable", "stopped")
