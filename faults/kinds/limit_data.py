"""Connections that end in the middle."""

from faults.kinds.base import TOXICITY, Attribute, Site, ToxicKind
from faults.probe import Measurement
from model.plan import Fault

MORE = 8_000  # bytes that a probe transfers beyond the limit


class LimitData(ToxicKind):
    """Closes a connection after ``bytes`` on a stream; counted anew on connections from before the fault."""

    name = "limit_data"
    summary = "a connection is closed after bytes"
    proof = "a reply (or request) that is longer ends early: on the reply's stream after at most bytes"
    attributes = (Attribute("bytes", "B", 1, 900_000, "what a connection gets through"), TOXICITY)

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        size = self.values["bytes"] + MORE
        if fault.stream == "upstream":
            self.up = size
        else:
            self.down = size

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell an early end, where a whole reply came before."""
        if not healthy or not healthy.ok or seen.outcome not in ("closed", "reset"):
            return False
        limit = healthy.received if self.fault.stream == "upstream" else self.values["bytes"] + 1
        return seen.received < limit
