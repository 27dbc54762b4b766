"""Connections that linger."""

from threading import Event

from faults.kinds.base import TOXICITY, Attribute, Site, TimedToxic
from faults.probe import Measurement, probe
from model.plan import Fault


class SlowClose(TimedToxic):
    """Keeps a connection open for ``delay`` after the system has closed it."""

    name = "slow_close"
    summary = "a connection that the system closes stays open for delay"
    proof = "from the request to the end of the connection passes at least 80 % of delay"
    attributes = (Attribute("delay", "ms", 10, 60_000, "from the system's closing to the connection's"), TOXICITY)

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        self.expected = self.values["delay"] / 1000
        self.patience = self.expected + 2

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Wait for the end of a connection that the system closes after its reply."""
        return probe(self.address, min(seconds, self.patience), stop=stop, until_closed=True)

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a stream whose closing can be seen, and a duration that it fits into."""
        delay = cls.resolve(fault.attributes)["delay"]
        if fault.stream == "upstream":
            return ["stream = 'upstream' of slow_close shows at the system only: its effect couldn't be proved"]
        if delay >= fault.duration * 1000:
            return [f"delay = {delay} ms doesn't fit into a duration of {fault.duration:g} s: hold it longer"]
        return []
