"""A unit table that isn't the registered one."""

import time
from threading import Event

from faults.control import ask
from faults.kinds.application import Counted, counted
from faults.kinds.base import Attribute
from faults.probe import Measurement
from model import places
from model.links import province_of

MOST = 60  # old codes that a proof looks up
BEFORE = "2025-06-30"


class WrongCodeTable(Counted):
    """Puts a draft in the place of the unit table for ``share`` % of the codes: another commune's, or none official.

    A system that checks its table holds what it would need those rows for: 503 ``code-table`` with Retry-After.
    """

    name = "wrong-code-table"
    summary = "for share % of the codes the system's unit table is a draft: another commune's code, or none official"
    proof = f"of up to {MOST} old codes, the system's own table maps some to other successors; before the fault none"
    attributes = (Attribute("share", "%", 10, 100, "share of the codes, always the same ones for a seed"),)
    inside = ("national", "province")

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Look old codes up in the system's table, and count those that aren't mapped as they are officially."""
        began = time.monotonic()
        wrong = tried = 0
        for unit in self._units():
            if time.monotonic() > began + seconds or (stop and stop.is_set()):
                break
            tried += 1
            held = ask(self.address, "GET", f"/units/{unit.code}?valid_on={BEFORE}").field("successors")
            wrong += tuple(held) != unit.successors
        return counted(wrong, tried, began)

    def _units(self) -> list[places.LegacyUnit]:
        """Return old units of the system's province, of all provinces for the portal, evenly spread."""
        province, known = province_of(self.fault.target), places.communes()
        units = [u for u in places.legacy().values() if province in (None, known[u.default].province)]
        count = min(len(units), MOST)
        return [units[index * len(units) // count] for index in range(count)]
