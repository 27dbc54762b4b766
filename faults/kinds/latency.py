"""Replies (or requests) arrive later."""

from faults.kinds.base import TOXICITY, Attribute, Site, TimedToxic
from model.plan import Fault


class Latency(TimedToxic):
    """Delays what flows on a stream by ``latency`` ± ``jitter``, order kept."""

    name = "latency"
    summary = "replies come later, by latency ± jitter"
    proof = "a whole reply takes at least 80 % of latency − jitter"
    attributes = (
        Attribute("latency", "ms", 10, 60_000, "delay"),
        Attribute("jitter", "ms", 0, 30_000, "most that the delay may vary by", default=0),
        TOXICITY,
    )

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        self.expected = (self.values["latency"] - self.values["jitter"]) / 1000
        self.patience = (self.values["latency"] + self.values["jitter"]) / 1000 + 2

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand an effect that stands out from chance, and a duration that its proof fits into."""
        values = cls.resolve(fault.attributes)
        found = []
        if values["jitter"] * 2 > values["latency"]:
            found.append(f"jitter = {values['jitter']} ms is more than half of latency: its effect couldn't be proved")
        if values["latency"] + values["jitter"] >= fault.duration * 1000:
            found.append(
                f"latency = {values['latency']} ms doesn't fit into a duration of {fault.duration:g} s: "
                "its effect couldn't be proved; hold it longer"
            )
        return found
