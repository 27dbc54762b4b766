"""Sessions time every request, and enter every write before and after it in the ledger."""

import dataclasses
import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from model import people
from model.books import request_id
from model.plan import Patience
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


def test_an_acknowledged_verification_has_its_receipts_in_the_ledger() -> None:
    session, notes = session_on(Scripted("ok", {"code": "G01", "sequence": 2, "receipts": {"land": "BN-1"}}))
    session.write(WRITE, "national.verify", "national", "/v", {})
    assert notes.ledger[1] == (1, Result("ok", "G01", 2, 0, "", (("land", "BN-1"),)))


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


def test_a_write_that_goes_on_under_another_name_is_sent_with_its_key() -> None:
    """The books know it by the name that it goes on under, and so does the ledger."""
    transport = Scripted("ok", {"code": "x"})
    session, notes = session_on(transport)
    names = [request_id("province:01", commune, "r-5-document") for commune in ("00004", "00008")]
    assert names[0] != names[1]
    write = Write("send_document", names[0], sent="r-5-document")
    session.write(write, "province.document", "province:01", "/documents", {})
    assert transport.seen["headers"]["Idempotency-Key"] == "r-5-document"
    assert notes.ledger[0].key == names[0]


class Series:
    """A transport that gives one outcome after the other, each a second after it was asked, on a clock of its own."""

    def __init__(self, *outcomes: str, content: object = None) -> None:
        self.now = 100.0
        self.outcomes = list(outcomes)
        self.body = json.dumps({"code": "G01"} if content is None else content).encode()
        self.sent: list[tuple[float, dict[str, str], bytes]] = []
        self.pauses: list[float] = []

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        self.sent.append((self.now, dict(headers), body))
        began, self.now = self.now, self.now + 1.0
        outcome, _, status = self.outcomes.pop(0).partition(" ")
        return Reply(outcome, outcome != "refused", began, self.now, status=int(status or 0), body=self.body)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def patient_session(
    transport: Series, monkeypatch: pytest.MonkeyPatch, seed: int = 1, **patience: float
) -> tuple[Session, Notes]:
    """Begin a session at 100 s, the transport's clock being everybody's."""
    monkeypatch.setattr("scenarios.session.time", SimpleNamespace(monotonic=lambda: transport.now))
    notes = Notes()
    kept = Patience(**{"retries": 3, "jitter": 0.0, **patience})  # type: ignore[arg-type]  # numbers, by name
    arrival = dataclasses.replace(ARRIVAL, seed=seed)
    return Session(arrival, transport, notes, 100.0, "r", kept, transport.pause), notes


@pytest.mark.parametrize("failure", ["refused", "reset", "timeout", "http_5xx 503", "http_4xx 429"])
def test_a_patient_citizen_tries_again(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every attempt is a request of its own; a retry's response time counts from when it was due."""
    transport = Series(failure, failure, "ok 200")
    session, notes = patient_session(transport, monkeypatch)
    assert session.get("national.track", "national", "/x") == {"code": "G01"}
    assert [outcome for _, outcome, _ in notes.requests] == [*[failure.partition(" ")[0]] * 2, "ok"]
    assert {response for *_, response in notes.requests} == {1.0}
    assert transport.pauses == [1.0, 2.0]
    assert [moment for moment, *_ in transport.sent] == [100.0, 102.0, 105.0]


@pytest.mark.parametrize("failure", ["http_4xx 400", "http_4xx 409", "invalid 200"])
def test_a_refusal_or_wrong_content_is_not_tried_again(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be the same again."""
    transport = Series(failure)
    session, notes = patient_session(transport, monkeypatch)
    with pytest.raises(JourneyFailed):
        session.get("national.track", "national", "/x")
    assert (len(notes.requests), transport.pauses) == (1, [])


def test_content_that_fails_its_check_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = Series("ok 200")
    session, notes = patient_session(transport, monkeypatch)
    with pytest.raises(JourneyFailed):
        session.get("national.track", "national", "/x", lambda c, _: c["code"] == "G02")
    assert notes.requests == [("national.track", "invalid", 1.0)]


def test_a_write_is_sent_again_under_its_key_and_each_attempt_is_in_the_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Invoke and outcome of each, the journey going on with what the last one brought."""
    transport = Series("timeout", "refused", "ok 200")
    session, notes = patient_session(transport, monkeypatch)
    assert session.write(WRITE, "national.submit", "national", "/dossiers", {"a": 1}) == {"code": "G01"}
    assert notes.ledger == [
        WRITE, (1, Result("info", "", 0, 0, "")),
        WRITE, (3, Result("fail", "", 0, 0, "")),
        WRITE, (5, Result("ok", "G01", 0, 0, "")),
    ]  # fmt: skip
    assert {headers["Idempotency-Key"] for _, headers, _ in transport.sent} == {"r-5-submit"}
    assert [json.loads(body) for *_, body in transport.sent] == [{"a": 1}] * 3


def test_after_the_last_retry_the_citizen_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries count besides the first attempt; the journey fails with the last outcome."""
    transport = Series("reset", "timeout", "refused", "ok")
    session, notes = patient_session(transport, monkeypatch, retries=2)
    with pytest.raises(JourneyFailed, match="refused"):
        session.get("national.track", "national", "/x")
    assert [outcome for _, outcome, _ in notes.requests] == ["reset", "timeout", "refused"]


def test_without_patience_nothing_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default."""
    transport = Series("reset")
    session, notes = patient_session(transport, monkeypatch, retries=Patience().retries)
    with pytest.raises(JourneyFailed):
        session.get("national.track", "national", "/x")
    assert len(notes.requests) == 1


@pytest.mark.parametrize(("give_up_after", "attempts"), [(2.0, 1), (2.1, 2), (5.0, 2), (5.1, 3)])
def test_no_retry_begins_when_patience_has_run_out(
    give_up_after: float, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retries would be due 2 s, 5 s and 10 s after the request was first due."""
    transport = Series(*["timeout"] * 4)
    session, notes = patient_session(transport, monkeypatch, give_up_after=give_up_after)
    with pytest.raises(JourneyFailed):
        session.get("national.track", "national", "/x")
    assert len(notes.requests) == attempts


def test_patience_is_each_requests_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request of the journey begins with a short pause again."""
    transport = Series("reset", "reset", "ok 200", "reset", "ok 200")
    session, _ = patient_session(transport, monkeypatch)
    for _ in range(2):
        session.get("national.track", "national", "/x")
    assert transport.pauses == [1.0, 2.0, 1.0]


def test_pauses_are_scattered_by_the_arrivals_own_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the same arrival, another for another one, and never more than the jitter away."""

    def pauses(seed: int) -> list[float]:
        transport = Series(*["reset"] * 3, "ok 200")
        patient_session(transport, monkeypatch, seed, jitter=0.5)[0].get("national.track", "national", "/x")
        return transport.pauses

    assert pauses(1) == pauses(1)
    assert pauses(1) != pauses(2)
    for seed in range(50):
        assert all(0.5 * due <= pause <= 1.5 * due for due, pause in zip((1, 2, 4), pauses(seed), strict=True))


def test_a_retry_that_starts_late_counts_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that lasts too long is the generator's fault, and seen."""
    transport = Series("reset", "ok 200")
    session, notes = patient_session(transport, monkeypatch)
    session._pause = lambda seconds: transport.pause(seconds + 0.25)
    session.get("national.track", "national", "/x")
    assert notes.requests[1] == ("national.track", "ok", 1.25)
