"""A process that dies."""

from faults.kinds.base import FaultError, Kind, Processes
from faults.probe import Measurement


class Kill(Kind):
    """Ends the system's process with SIGKILL; healing starts it again on the same port and state.

    It has no lease: when the conductor dies, the watchdog ends every process of the run anyway.
    """

    name = "kill"
    summary = "the system's process is killed (SIGKILL), and started again at the end"
    breaks = "system"

    @property
    def processes(self) -> Processes:
        """The processes of the systems; raises FaultError where they aren't ours."""
        if self.site.processes is None:
            raise FaultError(f"kill {self.fault.target}: its process isn't ours to kill")
        return self.site.processes

    @property
    def address(self) -> str:
        """The system's own address, past every proxy."""
        if self.site.address is None:
            raise FaultError(f"kill {self.fault.target}: its direct address isn't known, nothing could be proved")
        return self.site.address

    def apply(self) -> None:
        """Kill the process."""
        self.processes.kill(self.fault.target)

    def held(self) -> bool:
        """Ask whether the process is gone."""
        return not self.processes.is_running(self.fault.target)

    def heal(self) -> None:
        """Start the process where it doesn't run."""
        if self.held():
            self.processes.restart(self.fault.target)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a refusal, where a whole reply came before."""
        return healthy is not None and healthy.ok and seen.outcome in ("refused", "reset", "closed")
