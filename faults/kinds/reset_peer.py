"""Connections break off."""

from faults.kinds.base import TOXICITY, Attribute, Site, ToxicKind
from faults.probe import Measurement
from model.plan import Fault


class ResetPeer(ToxicKind):
    """Resets a connection ``timeout`` after its first data; connections from before the fault are closed."""

    name = "reset_peer"
    summary = "connections are reset, timeout after their first data"
    proof = "a connection is reset before its reply is whole"
    attributes = (Attribute("timeout", "ms", 0, 60_000, "from the first data to the reset", default=0), TOXICITY)

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        self.patience = self.values["timeout"] / 1000 + 2

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a reset, where a whole reply came before."""
        return healthy is not None and healthy.ok and seen.outcome == "reset"

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a duration that the reset fits into."""
        timeout = cls.resolve(fault.attributes)["timeout"]
        if timeout >= fault.duration * 1000:
            return [f"timeout = {timeout} ms doesn't fit into a duration of {fault.duration:g} s: hold it longer"]
        return []
