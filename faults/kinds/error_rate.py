"""A system that fails now and then."""

import time
from threading import Event

from faults.kinds.application import RETRY_AFTER, Counted, counted, enough
from faults.kinds.base import Attribute
from faults.probe import Measurement


class ErrorRate(Counted):
    """Answers ``share`` % of all requests with an error, before the system has looked at them."""

    name = "error-rate"
    summary = "share % of the requests are answered with an error status, unheard"
    proof = "of a system's harmless requests, some get the status; before the fault none did"
    attributes = (
        Attribute("share", "%", 5, 100, "share of the requests"),
        Attribute("status", "", 400, 599, "HTTP status of the answer", default=503),
        RETRY_AFTER,
    )
    patience = 5.0

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Send harmless requests, and count the answers with the status."""
        began = time.monotonic()
        found = [answer.status for answer in self.answers(enough(self.values["share"]), seconds, stop)]
        return counted(found.count(self.values["status"]), len(found), began)
