"""A system whose database is slow."""

import time
from threading import Event

from faults.kinds.application import ApplicationKind
from faults.kinds.base import Attribute, Site, Timed
from faults.probe import Measurement
from model.plan import Fault


class SlowDatabase(Timed, ApplicationKind):
    """Delays every transaction and every look-up by ``delay``. Transactions of one system wait for each other."""

    name = "slow-database"
    summary = "every transaction and look-up of the system takes delay longer"
    proof = "GET /readyz, which crosses the database, takes at least 80 % of delay"
    attributes = (Attribute("delay", "ms", 20, 1_500, "per transaction, and per look-up"),)

    def __init__(self, fault: Fault, site: Site) -> None:
        super().__init__(fault, site)
        self.expected = self.values["delay"] / 1000

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Ask once whether the system is ready."""
        began = time.monotonic()
        answer = self.answer("GET", "/readyz")
        took = time.monotonic() - began
        return Measurement("ok" if answer.status == 200 else "error", took, len(answer.body))
