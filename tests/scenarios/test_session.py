"""Sessions time every request, and enter every write before and after it in the ledger."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from model import people
from scenarios.http import Reply
from scenarios.personas import Arrival
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Result, Write, event_of

ARRIVAL = Arrival(5, 1.0, "track", "01", "00004", people.person(1), "2.000815", 0, False, "return")


class Scripted:
    """A transport that gives one answer, ten seconds after it was asked."""

    def __init__(
        self, outcome: str, content: object = None, sent: bool = True, headers: Mapping[str, str] = {}
    ) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.reply = Reply(outcome, sent, began=100.0, finished=110.0, body=body, headers=dict(headers))
        self.seen: dict[str, Any] = {}

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.seen = {"system": system, "method": method, "path": path, "headers": dict(headers), "body": body}
        return self.reply


class Notes:
    """An observer that keeps what it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, float]] = []
        self.ledger: list[object] = []

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Any) -> None:
        self.requests.append((operation, outcome, answer.finished - intended))

    def invoke(self, arrival: Arrival, write: Write) -> int:
        self.ledger.append(write)
        return len(self.ledger)

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        self.ledger.append((op, result))


def session_on(transport: Scripted) -> tuple[Session, Notes]:
    notes = Notes()
    return Session(ARRIVAL, transport, notes, intended=95.0, run="r"), notes


WRITE = Write("submit", "r-5-submit", payload_hash="abc")


def test_response_time_counts_from_when_the_request_was_due() -> None:
    """A request due at 95 s, sent at 100 s and answered at 110 s took a citizen 15 s."""
    session, notes = session_on(Scripted("ok", {}))
    session.get("national.track", "national", "/x")
    assert notes.requests == [("national.track", "ok", 15.0)]


def test_an_acknowledged_write_has_its_code_in_the_ledger() -> None:
    """Ok carries the code, step and state that the system named."""
    session, notes = session_on(Scripted("ok", {"code": "G01", "sequence": 1, "state": 1}))
    session.write(WRITE, "national.submit", "national", "/dossiers", {})
    assert notes.ledger == [WRITE, (1, Result("ok", "G01", 1, 1, ""))]


@pytest.mark.parametrize(
    ("outcome", "sent", "event"),
    [
        ("ok", True, "ok"),
        ("refused", False, "fail"),
        ("timeout", False, "fail"),
        ("http_4xx", True, "fail"),
        ("timeout", True, "info"),
        ("reset", True, "info"),
        ("http_5xx", True, "info"),
        ("invalid", True, "info"),
    ],
)
def test_only_what_provably_was_not_applied_is_a_fail(outcome: str, sent: bool, event: str) -> None:
    """A time-out, reset or 5xx leaves it open whether the write was applied."""
    assert event_of(outcome, sent) == event


def test_a_refusal_keeps_its_reason_and_ends_the_journey() -> None:
    """A 4xx enters the ledger with the reason that the system gave."""
    session, notes = session_on(Scripted("http_4xx", {"reason": "reorganisation"}))
    with pytest.raises(JourneyFailed):
        session.write(WRITE, "national.submit", "national", "/dossiers", {})
    assert notes.ledger[1] == (1, Result("fail", "", 0, 0, "reorganisation"))


@pytest.mark.parametrize("content", [None, {}, [], {"code": ""}, "text"])
def test_a_reply_with_wrong_content_is_invalid(content: object) -> None:
    """200 isn't enough: the content is checked, whatever its shape, and the sample is not lost."""
    session, notes = session_on(Scripted("ok", content))
    with pytest.raises(JourneyFailed):
        session.write(WRITE, "national.submit", "national", "/dossiers", {}, lambda c, _: bool(c["code"]))
    assert [outcome for _, outcome, _ in notes.requests] == ["invalid"]
    assert notes.ledger[1] == (1, Result("info", "", 0, 0, ""))


def test_a_redirect_is_read_and_not_followed() -> None:
    """The journey gets the Location; without one the reply is invalid."""
    session, _ = session_on(Scripted("ok", headers={"location": "https://x?code=1"}))
    assert session.redirect("vneid.authorize", "vneid", "/authorize") == "https://x?code=1"
    session, notes = session_on(Scripted("ok"))
    with pytest.raises(JourneyFailed):
        session.redirect("vneid.authorize", "vneid", "/authorize")
    assert notes.requests[0][1] == "invalid"


def test_a_write_carries_its_key_and_token() -> None:
    """Idempotency-Key and Authorization go out with the write."""
    transport = Scripted("ok", {"code": "G01"})
    session, _ = session_on(transport)
    session.authorise("national", "token")
    session.write(WRITE, "national.submit", "national", "/dossiers", {"a": "ơ"})
    assert transport.seen["headers"]["Idempotency-Key"] == "r-5-submit"
    assert transport.seen["headers"]["Authorization"] == "Bearer token"
    assert json.loads(transport.seen["body"]) == {"a": "ơ"}
