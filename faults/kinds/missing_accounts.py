"""Officers that a system doesn't know."""

import time
from threading import Event

from faults.kinds.application import Counted, counted
from faults.kinds.base import Attribute
from faults.probe import Measurement
from model import places
from model.links import province_of

MOST = 60  # communes whose officer a proof logs in


class MissingAccounts(Counted):
    """Forgets the accounts of ``share`` % of the desks, of all roles: who logs in gets 401. Open sessions stay open."""

    name = "missing-accounts"
    summary = "officers of share % of the communes can't log in; open sessions stay open"
    proof = f"of the officers of up to {MOST} communes, some can't log in; before the fault all could"
    attributes = (Attribute("share", "%", 10, 100, "share of the communes, always the same ones for a seed"),)
    inside = ("province",)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Log officers in, and count those who can't."""
        began = time.monotonic()
        refused = tried = 0
        for commune in self._communes():
            if time.monotonic() > began + seconds or (stop and stop.is_set()):
                break
            tried += 1
            refused += self._log_in(f"cb.{commune}") == 401
        return counted(refused, tried, began)

    def _communes(self) -> list[str]:
        province = province_of(self.fault.target)
        codes = [code for code, commune in places.communes().items() if commune.province == province]
        count = min(len(codes), MOST)
        return [codes[index * len(codes) // count] for index in range(count)]

    def _log_in(self, account: str) -> int:
        return self.ask("POST", "/officer/session", {"account": account, "password": f"mk.{account}"}).status
