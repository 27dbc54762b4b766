"""What faults of a system's process share."""

from abc import abstractmethod

from faults.kinds.base import FaultError, Processes, SystemKind
from faults.leases import TakenLease
from faults.probe import Measurement


class ProcessKind(SystemKind):
    """A fault of the process of one system, in the hands of whoever started it."""

    @property
    def processes(self) -> Processes:
        """The processes of the systems; raises FaultError where they aren't ours."""
        if self.site.processes is None:
            raise FaultError(f"{self.name} {self.fault.target}: its process isn't ours to touch")
        return self.site.processes


class LeasedProcessKind(ProcessKind):
    """A fault that is a change under a lease, and nothing else: its lease makes, reads back and undoes it."""

    @property
    @abstractmethod
    def lease(self) -> TakenLease:
        """The change: the same object for the fault's whole life."""

    def apply(self) -> None:
        """Make the change."""
        self.lease.take()

    def held(self) -> bool:
        """Read it back."""
        return self.lease.held()

    def heal(self) -> None:
        """Undo it."""
        self.lease.release()


def whole(healthy: Measurement | None) -> bool:
    """Tell whether a whole reply came before the fault."""
    return healthy is not None and healthy.ok
