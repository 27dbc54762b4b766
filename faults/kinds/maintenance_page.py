"""A system behind a notice."""

import time
from threading import Event

from faults.kinds.application import RETRY_AFTER, Counted, counted
from faults.probe import Measurement


class MaintenancePage(Counted):
    """Answers every request with 503 and a page in Vietnamese, where programs expect JSON."""

    name = "maintenance-page"
    summary = "every request is answered with 503 and an HTML page that speaks of maintenance (bảo trì)"
    proof = "a system's harmless request gets 503 and HTML; before the fault it didn't"
    attributes = (RETRY_AFTER,)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Send one harmless request, and look for the page."""
        began = time.monotonic()
        found = [
            answer.status == 503 and answer.headers.get("content-type", "").startswith("text/html")
            for answer in self.answers(1, seconds, stop)
        ]
        return counted(found.count(True), len(found), began)
