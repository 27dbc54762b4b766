"""Payments that nobody hears of."""

import hashlib
import re
import time
import uuid
from threading import Event

from faults.control import ask
from faults.kinds.application import Counted, counted, enough
from faults.kinds.base import Attribute, FaultError, pause
from faults.probe import Measurement
from model.books import PROBE

PARTNER = "national"
AMOUNT = 1000  # VND
ANSWERED = re.compile(r"^thongsuot_outbox_rejected_total\{[^}]*\} ([0-9.e+]+)$", re.MULTILINE)
WAIT = 2.0  # seconds that a callback may take


class LostCallback(Counted):
    """Loses the callback of ``share`` % of the payments for good: paid, and the portal only hears of it if it asks.

    The proof pays for dossiers that don't exist: the portal rejects each callback, and the platform counts the
    rejections. What it doesn't count was lost.
    """

    name = "lost-callback"
    summary = "the platform tells the portal nothing of share % of the payments that citizens make"
    proof = "of payments for dossiers that don't exist, the portal rejects fewer than were made; before the fault, all"
    attributes = (Attribute("share", "%", 25, 100, "share of the payments, by their reference"),)
    inside = ("payment",)

    def measure(self, seconds: float, stop: Event | None = None) -> Measurement:
        """Pay, and count the callbacks that aren't answered within 2 s; raises FaultError where there is less time."""
        began, number = time.monotonic(), enough(self.values["share"])
        before = self._answered()
        for _ in range(number):
            self._pay()
        heard = 0
        while heard < number and time.monotonic() < began + min(seconds, WAIT) and not (stop and stop.is_set()):
            pause(0.02, stop)
            heard = self._answered() - before
        if heard < number and seconds < WAIT:
            raise FaultError(
                f"{self.name}: it takes {WAIT:g} s to tell a lost callback from a late one: hold it longer"
            )
        return counted(number - heard, number, began)

    def _pay(self) -> None:
        reference = f"{PROBE}{uuid.uuid4()}"
        fields = (PARTNER, reference, AMOUNT, f"bi-mat-{PARTNER}")
        proof = hashlib.sha256("|".join(map(str, fields)).encode()).hexdigest()
        order = {"MaDoiTac": PARTNER, "MaThamChieu": reference, "SoTien": AMOUNT, "MaXacThuc": proof}
        opened = self.ask("POST", "/payments", order)
        ask(self.address, "POST", opened.field("UrlThanhToan"), {})

    def _answered(self) -> int:
        found = ANSWERED.search(ask(self.address, "GET", "/metrics").body.decode())
        return int(float(found[1])) if found else 0
