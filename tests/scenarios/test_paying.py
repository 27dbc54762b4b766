"""Paying a fee: two writes of one dossier, and no answer but «paid» counts as paid."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from model import people
from scenarios.http import Reply
from scenarios.journeys import citizen
from scenarios.personas import Arrival
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Result, Write

CODE = "G01.00008-250701-0001"
ARRIVAL = Arrival(5, 1.0, "submit-online", "01", "00008", people.person(1), "2.000815", 2000, False, "return")


class Platform:
    """A transport that answers as portal and platform do; of the payment it says ``state``."""

    def __init__(self, state: str) -> None:
        self.state = state

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        said: dict[str, object] = {"MaGiaoDich": "GD1", "SoTien": 2000, "UrlThanhToan": "/payments/GD1/pay"}
        if system == "payment":
            said = {"MaGiaoDich": "GD1", "error_code": 0, "TrangThai": self.state}
        return Reply("ok", True, began=1.0, finished=2.0, status=200, body=json.dumps(said).encode(), headers={})


class Ledger:
    """An observer that keeps the writes."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, str, str]] = []
        self.keys: set[str] = set()

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Any) -> None:
        """The ledger has no requests."""

    def invoke(self, arrival: Arrival, write: Write) -> int:
        self.keys.add(write.key)
        return 0

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        self.writes.append((write.operation, result.dossier, result.event))


def paid(state: str, ledger: Ledger) -> None:
    citizen.pay(Session(ARRIVAL, Platform(state), ledger, intended=0.0, run="r"), CODE)


def test_the_order_and_the_payment_are_writes_of_the_dossier() -> None:
    ledger = Ledger()
    paid("paid", ledger)
    assert ledger.writes == [("order_payment", CODE, "ok"), ("pay", CODE, "ok")]
    assert len(ledger.keys) == 2


def test_what_is_only_opened_is_not_paid() -> None:
    """It isn't known not to be paid either: the outcome stays open."""
    ledger = Ledger()
    with pytest.raises(JourneyFailed):
        paid("opened", ledger)
    assert ledger.writes[1] == ("pay", CODE, "info")
