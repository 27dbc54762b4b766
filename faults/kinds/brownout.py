"""A link that gets slower and slower."""

import time
from threading import Event

from faults.kinds.base import Attribute, Site, ToxicKind, pause
from faults.probe import Measurement, probe
from model.plan import Fault

LOOK = 0.05  # seconds between two looks at the stair


class Brownout(ToxicKind):
    """Delays replies by a latency that climbs to ``latency`` in stairs, by live updates of one toxic.

    Not in a slope: an update lets whatever is being delayed go at once (a real Toxiproxy server interrupts its toxic),
    so a stair must be long beside the delay.
    """

    name = "brownout"
    type = "latency"
    summary = "replies come later and later: the delay climbs to latency over growth, in steps, and stays"
    proof = "on two stairs whole replies take at least 80 % of the stair's delay, later on the second"
    attributes = (
        Attribute("latency", "ms", 100, 60_000, "delay at the end"),
        Attribute("growth", "ms", 1_000, 3_600_000, "in which the delay climbs", default=60_000),
        Attribute("steps", "", 2, 100, "stairs, equally high and long; the first one from the start", default=5),
    )
    _began: float | None = None
    _stair = 0

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        self.patience = self.values["latency"] / 1000 + 2

    @classmethod
    def problems(cls, fault: Fault) -> list[str]:
        """Demand a duration that the climb fits into, and stairs that are long and high enough to be seen."""
        values = cls.resolve(fault.attributes)
        length, height = values["growth"] / values["steps"], values["latency"] / values["steps"]
        if values["growth"] > fault.duration * 1000:
            return [f"growth = {values['growth']} ms is longer than the duration of {fault.duration:g} s"]
        if length < 2 * values["latency"]:
            return [f"a stair of {length:.0f} ms is shorter than twice latency: give a longer growth or fewer steps"]
        if height < 20:
            return [f"a stair of {height:.0f} ms can't be proved: give fewer steps or more latency"]
        return []

    @property
    def beat(self) -> float:
        """Seconds that a stair lasts."""
        return self.values["growth"] / self.values["steps"] / 1000

    @property
    def delay(self) -> float:
        """Seconds of delay on the stair of this moment."""
        return self.values["latency"] * self._stair // self.values["steps"] / 1000

    def settings(self) -> dict[str, int]:
        """Return the toxic's attributes on the stair of this moment."""
        return {"latency": int(self.delay * 1000), "jitter": 0}

    def apply(self) -> None:
        """Add the toxic, on the first stair."""
        self._began, self._stair = time.monotonic(), 1
        super().apply()

    def tick(self) -> float | None:
        """Climb; stop at the end, or where somebody has removed the toxic."""
        if self._began is None or not self.held():
            return None
        passed = time.monotonic() - self._began
        self._stair = min(self.values["steps"], 1 + int(passed / self.beat))
        self.site.proxies.update_toxic(self.link, self.toxic, self.settings())
        if self._stair == self.values["steps"]:
            return None
        return max(0.0, self._began + self._stair * self.beat - time.monotonic())

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Probe on this stair and on the next; before and after the fault, once."""
        end = time.monotonic() + seconds
        before, first = self.delay, probe(self.address, min(seconds, self.patience), stop=stop)
        if self._began is None:
            return first
        while self.delay == before and time.monotonic() + LOOK < end and not (stop and stop.is_set()):
            pause(LOOK, stop)
        pause(LOOK, stop)
        delay, second = self.delay, probe(self.address, self.patience, stop=stop)
        detail = {"delay_before": before, "seconds_before": round(first.seconds, 6), "delay": delay}
        return Measurement(second.outcome, second.seconds, second.received, detail)

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a delay that has grown, where a whole reply came before."""
        if healthy is None or not healthy.ok or not seen.ok or not seen.detail:
            return False
        low, high = float(seen.detail["delay_before"]), float(seen.detail["delay"])
        took = float(seen.detail["seconds_before"])
        return (
            high > low and took >= 0.8 * low and seen.seconds >= 0.8 * high and seen.seconds - took >= (high - low) / 2
        )

    def heal(self) -> None:
        """Remove the toxic."""
        super().heal()
        self._began = None

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a reply that is sooner than half of the last delay."""
        before = healthy.seconds if healthy and healthy.ok else 0.0
        return seen.ok and seen.seconds < before + max(self.delay / 2, 0.02)
