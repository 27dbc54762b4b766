"""Procedures without an electronic process."""

import time
from threading import Event

from faults.control import ask
from faults.kinds.application import Counted, counted
from faults.kinds.base import Attribute
from faults.probe import Measurement


class MissingWorkflow(Counted):
    """Takes the electronic process (quy trình điện tử) away from ``share`` % of the procedures.

    Dossiers of theirs can be handed in and accepted; the step ``process`` is answered 409 ``workflow``: they wait.
    """

    name = "missing-workflow"
    summary = "share % of the procedures have no electronic process: their dossiers can't be processed, and wait"
    proof = "GET /workflows says so of some procedures; before the fault of none"
    attributes = (Attribute("share", "%", 1, 100, "share of the procedures, always the same ones for a seed"),)
    inside = ("province",)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Count the procedures that have no process."""
        began = time.monotonic()
        items = ask(self.address, "GET", "/workflows").field("items")
        return counted(sum(not item["available"] for item in items), len(items), began)
