"""A process that dies."""

from faults.kinds.process import ProcessKind, whole
from faults.probe import Measurement

SILENCE = 0.25  # seconds without a byte that prove it: less than the shortest pause of a restart


class Kill(ProcessKind):
    """Ends the system's process with SIGKILL; healing starts it again on the same port and state.

    It has no lease: when the conductor dies, the watchdog ends every process of the run anyway.
    """

    name = "kill"
    summary = "the system's process is killed (SIGKILL), and started again at the end"
    proof = "a new connection to the system itself is refused, or unanswered where a container went with its address"

    def apply(self) -> None:
        """Kill the process."""
        self.processes.kill(self.fault.target)

    def held(self) -> bool:
        """Ask whether the process is gone."""
        return not self.processes.is_running(self.fault.target)

    def heal(self) -> None:
        """Start the process where it doesn't run."""
        if not self.processes.is_running(self.fault.target):
            self.processes.restart(self.fault.target)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a refusal, or silence where the address has gone with a container; a whole reply came before.

        A probe that is cut off at the end of the fault hears nothing either: silence must last.
        """
        if healthy is None or not whole(healthy) or seen.ok or seen.received:
            return False
        return seen.outcome != "silent" or seen.seconds >= max(SILENCE, 2 * healthy.seconds)
