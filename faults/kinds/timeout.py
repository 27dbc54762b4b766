"""Nothing comes back."""

from threading import Event

from faults.kinds.base import TOXICITY, Attribute, ToxicKind
from faults.probe import Measurement
from model.plan import Fault

SILENCE = 1.0  # seconds without a byte that prove it


class Timeout(ToxicKind):
    """Swallows what flows on a stream, and closes the connection after ``timeout`` without data (0: never)."""

    name = "timeout"
    summary = "nothing comes back; the connection is closed after timeout (0: never)"
    proof = "not a byte for 1 s, or an end without a byte"
    attributes = (
        Attribute("timeout", "ms", 0, 60_000, "until the connection is closed; 0: never", default=0),
        TOXICITY,
    )

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Probe for as long as silence takes to be a proof, or until the connection is closed."""
        return super().measure(min(seconds, SILENCE + min(self.values["timeout"] / 1000, SILENCE)), stop)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell silence, where a whole reply came at least twice as fast before."""
        if not healthy or not healthy.ok or seen.received:
            return False
        return seen.outcome in ("closed", "reset") or (
            seen.outcome == "silent" and seen.seconds >= max(0.9 * SILENCE, 2 * healthy.seconds)
        )

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a duration that the silence fits into."""
        if fault.duration <= SILENCE:
            return [f"duration = {fault.duration:g} s is too short: {SILENCE:g} s of silence prove a time-out"]
        return []
