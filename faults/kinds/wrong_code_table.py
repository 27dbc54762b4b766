"""A unit table that isn't the registered one."""

import time
from threading import Event

from faults.control import ask
from faults.kinds.application import Counted, counted
from faults.kinds.base import Attribute
from faults.probe import Measurement
from model import places

MOST = 200  # old codes that a proof reads


class WrongCodeTable(Counted):
    """Puts a draft in the place of the unit table for ``share`` % of the codes: another commune's, or none official.

    A system that checks its table holds what it would need those rows for: 503 ``code-table`` with Retry-After.
    """

    name = "wrong-code-table"
    summary = "for share % of the codes the system's unit table is a draft: another commune's code, or none official"
    proof = f"of {MOST} old codes, the system's own table maps some to other successors; before the fault none"
    attributes = (Attribute("share", "%", 10, 100, "share of the codes, always the same ones for a seed"),)
    inside = ("national", "province")

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Read old codes of the system's table, and count those that aren't mapped as they are officially."""
        began = time.monotonic()
        items = ask(self.address, "GET", f"/legacy-units?limit={MOST}").field("items")
        wrong = sum(tuple(item["successors"]) != places.legacy()[item["code"]].successors for item in items)
        return counted(wrong, len(items), began)
