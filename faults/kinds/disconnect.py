"""A container that is taken off its network."""

from functools import cached_property

from faults.kinds.process import LeasedProcessKind, whole
from faults.leases import TakenLease
from faults.probe import Measurement


class Disconnect(LeasedProcessKind):
    """Takes the system's container off the stack's network: whoever dials hears nothing, and it reaches nobody."""

    name = "disconnect"
    summary = "the system's container is taken off the network, and put back at the end (containers only)"
    proof = "a new connection to the system itself isn't answered within 1 s, or is refused"
    patience = 1.0

    @cached_property
    def lease(self) -> TakenLease:
        """A container that is off the network."""
        return self.processes.disconnecting(self.fault.id, self.fault.target)

    def heal(self) -> None:
        """Put it back, and look where it is now."""
        super().heal()
        self.processes.find(self.fault.target)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell that nobody answers, where a whole reply came before."""
        return whole(healthy) and not seen.ok and not seen.received
