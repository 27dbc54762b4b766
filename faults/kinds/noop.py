"""Nothing: what a kind needs at least."""

from faults.kinds.base import ToxicKind
from faults.probe import Measurement

SLACK = 0.1  # seconds that a reply may take longer than before


class Noop(ToxicKind):
    """Changes nothing. It goes through every step of a fault's life: for trying a drill out, and as an example."""

    name = "noop"
    summary = "changes nothing: for trying a drill out"
    proof = "a whole reply, within 0.1 s of what it took before"

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell that nothing has changed."""
        return healthy is not None and healthy.ok and seen.ok and seen.seconds < healthy.seconds + SLACK

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell that nothing has changed."""
        return self.bites(seen, healthy)
