"""A process that hangs."""

import signal
import time

import psutil

from faults.kinds.process import ProcessKind, whole
from faults.leases import StopLease
from faults.probe import Measurement
from model.plan import Fault

SILENCE = 1.0  # seconds without a byte that prove it
STANDS = 0.5  # seconds that the operating system may take to stop a process


class Pause(ProcessKind):
    """Stops the system's process (SIGSTOP): whoever dials is connected by the kernel, and hears nothing."""

    name = "pause"
    summary = "the system's process is stopped (SIGSTOP), and goes on at the end (SIGCONT)"
    proof = "the system itself takes a connection and gives not a byte for 1 s"
    patience = SILENCE

    @property
    def lease(self) -> StopLease:
        """A stopped process."""
        return StopLease(self.fault.id, self.fault.target, *self.identity)

    def apply(self) -> None:
        """Stop the process."""
        stop(self.lease)

    def held(self) -> bool:
        """Ask the operating system."""
        return self.lease.held()

    def heal(self) -> None:
        """Let the process go on."""
        self.lease.release()

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


def stop(lease: StopLease) -> None:
    """Stop a process and wait until it stands; raises OSError where it has ended."""
    process = lease.process()
    try:
        if process is None:
            raise ProcessLookupError(f"process {lease.pid} of {lease.target} has ended")
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + STANDS
        while not lease.held() and time.monotonic() < deadline:
            time.sleep(0.001)
    except psutil.NoSuchProcess:
        raise ProcessLookupError(f"process {lease.pid} of {lease.target} has ended") from None
