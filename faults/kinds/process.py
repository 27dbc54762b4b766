"""What faults of a system's process share."""

from faults.kinds.base import FaultError, Kind, Processes
from faults.probe import Measurement


class ProcessKind(Kind):
    """A fault of the process of one system, in the hands of whoever started it."""

    breaks = "system"

    @property
    def processes(self) -> Processes:
        """The processes of the systems; raises FaultError where they aren't ours."""
        if self.site.processes is None:
            raise FaultError(f"{self.name} {self.fault.target}: its process isn't ours to touch")
        return self.site.processes

    @property
    def address(self) -> str:
        """The system's own address, past every proxy."""
        try:
            return self.site.addresses[self.fault.target]
        except KeyError:
            raise FaultError(f"{self.name} {self.fault.target}: its own address isn't known") from None


def whole(healthy: Measurement | None) -> bool:
    """Tell whether a whole reply came before the fault."""
    return healthy is not None and healthy.ok
