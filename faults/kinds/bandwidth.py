"""A narrow line."""

from faults.kinds.base import TOXICITY, Attribute, Site, TimedToxic
from model.plan import Fault


class Bandwidth(TimedToxic):
    """Lets ``rate`` KB/s through on a stream, per connection."""

    name = "bandwidth"
    summary = "a narrow line: at most rate KB/s per connection (1 KB = 1000 B)"
    proof = "half a second's worth of bytes takes at least 70 % of what the rate allows"
    attributes = (Attribute("rate", "KB/s", 1, 10_000, "bytes that a connection gets through"), TOXICITY)
    share = 0.7

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        rate = self.values["rate"] * 1000  # bytes per second
        size = _size(rate)
        self.expected = size / rate
        self.patience = self.expected + 2
        if fault.stream == "upstream":
            self.up = size
        else:
            self.down = size

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a duration that the proof fits into."""
        rate = cls.resolve(fault.attributes)["rate"] * 1000
        if _size(rate) / rate >= fault.duration:
            return [f"duration = {fault.duration:g} s is too short to prove a rate of {rate // 1000} KB/s"]
        return []


def _size(rate: int) -> int:
    """Bytes that a probe transfers: half a second's worth, within what a probe can."""
    return min(1_000_000, max(2_000, rate // 2))
