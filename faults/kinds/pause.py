"""A process that hangs."""

from functools import cached_property

from faults.kinds.process import LeasedProcessKind, whole
from faults.leases import TakenLease
from faults.probe import Measurement
from model.plan import Fault

SILENCE = 1.0  # seconds without a byte that prove it


class Pause(LeasedProcessKind):
    """Stops the system's process (SIGSTOP): whoever dials is connected by the kernel, and hears nothing."""

    name = "pause"
    summary = "the system's process is stopped (SIGSTOP), and goes on at the end (SIGCONT)"
    proof = "the system itself takes a connection and gives not a byte for 1 s"
    patience = SILENCE

    @cached_property
    def lease(self) -> TakenLease:
        """A stopped process."""
        return self.processes.pausing(self.fault.id, self.fault.target)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell silence, where a whole reply came at least twice as fast before."""
        return (
            healthy is not None
            and whole(healthy)
            and seen.outcome == "silent"
            and seen.seconds >= max(0.9 * SILENCE, 2 * healthy.seconds)
        )

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a duration that the silence fits into."""
        if fault.duration <= SILENCE:
            return [f"duration = {fault.duration:g} s is too short: {SILENCE:g} s of silence prove a pause"]
        return []
