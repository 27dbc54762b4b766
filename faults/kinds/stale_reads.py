"""A system whose look-ups lag behind."""

import time
from dataclasses import dataclass
from threading import Event
from urllib.parse import quote

from faults.control import ask
from faults.kinds.application import ApplicationKind
from faults.kinds.base import Attribute
from faults.probe import Measurement

PAGE = 1000  # dossiers


@dataclass(frozen=True, slots=True)
class _Dossier:
    code: str
    sequence: int
    applied: float  # Unix seconds


class StaleReads(ApplicationKind):
    """Look-ups and listings show the state of ``age`` ago, as a read replica does that lags; writes aren't hurt.

    It can be seen only where something has changed within ``age``: without load there is no proof.
    """

    name = "stale-reads"
    summary = "look-ups and listings show the state of age ago; writes aren't hurt"
    proof = "the dossier that was stored last before the fault isn't found, or without its last step"
    attributes = (Attribute("age", "s", 10, 86_400, "how far look-ups lag behind"),)
    inside = ("national", "province")
    _cursor = ""
    _newest: _Dossier | None = None

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Before the fault, find the dossier that was stored last; from then on, look it up."""
        began = time.monotonic()
        if not self._applied and self._newest is None:
            self._find_newest(began + seconds)
        if self._newest is None:
            return Measurement("ok", time.monotonic() - began, 0, {"newest": None})
        answer = ask(self.address, "GET", f"/dossiers/{quote(self._newest.code)}")
        sequence = answer.field("sequence") if answer.status == 200 else 0
        detail = {"newest": self._newest.code, "sequence": sequence, "stored": self._newest.sequence}
        fine = answer.status in (200, 404)
        return Measurement("ok" if fine else "error", time.monotonic() - began, len(answer.body), detail)

    def _find_newest(self, deadline: float) -> None:
        """Follow the listing to its end, or until there is no time left."""
        cursor: str | None = self._cursor
        while cursor is not None and time.monotonic() < deadline:
            page = ask(self.address, "GET", f"/dossiers?after={cursor}&limit={PAGE}")
            for item in page.field("items")[-1:]:
                self._newest = _Dossier(item["code"], item["sequence"], item["history"][-1][3])
            cursor = page.field("next")

    def bites(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell a dossier, stored within ``age``, that is shown without its last step."""
        if healthy is None or not healthy.ok or not seen.ok or self._newest is None:
            return False
        return time.time() - self._newest.applied < self.values["age"] and not _shown(seen)

    def gone(self, seen: Measurement, healthy: Measurement | None) -> bool:
        """Tell that the dossier is shown as it was stored."""
        return seen.ok and _shown(seen)


def _shown(seen: Measurement) -> bool:
    return seen.detail["newest"] is None or int(seen.detail["sequence"]) >= int(seen.detail["stored"])
