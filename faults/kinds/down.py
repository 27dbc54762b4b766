"""A link that is cut."""

from faults.kinds.base import LinkKind
from faults.probe import Measurement


class Down(LinkKind):
    """Closes the link's listener and every connection: whoever dials is refused."""

    name = "down"
    summary = "the link is cut: connections are closed, new ones refused"
    proof = "a new connection is refused"

    def apply(self) -> None:
        """Disable the proxy."""
        self.site.proxies.set_enabled(self.link, False)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a refusal, where a whole reply came before."""
        return healthy is not None and healthy.ok and seen.outcome == "refused"

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell that whoever dials gets through; how the system behind it fares is not the link's matter."""
        return seen.outcome not in ("refused", "unreachable", "stopped")
