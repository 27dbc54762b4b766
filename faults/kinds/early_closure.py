"""An old interface that closes before its time."""

import time
from threading import Event

from faults.control import ask
from faults.kinds.application import Counted, counted
from faults.probe import Measurement


class EarlyClosure(Counted):
    """Closes a province's old public interface before T_cutover: its pages are answered 410 and lead to the portal.

    Drafts stay, and the portal can fetch them.
    """

    name = "early-closure"
    summary = "a province's old public interface closes before T_cutover; its drafts stay"
    proof = "GET /portal is answered 410; before the fault it wasn't"
    inside = ("province",)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Open the interface's first page, and look whether it is closed."""
        began = time.monotonic()
        return counted(int(ask(self.address, "GET", "/portal").status == 410), 1, began)
