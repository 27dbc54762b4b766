"""What a journey talks through: one persona's requests, timed, recorded, and entered in the ledger."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from scenarios.personas import Arrival
from scenarios.writes import Result, Write, event_of


class Transport(Protocol):
    """Sends one request to a system and tells what came of it."""

    def send(self, system: str, method: str, path: str, headers: Mapping[str, str], body: bytes) -> "Answer":
        """Send; never raises for what the network or the system does."""


class Answer(Protocol):
    """What a transport tells of a request; `scenarios.http.Reply` is one."""

    outcome: str
    sent: bool
    began: float
    finished: float
    status: int
    headers: dict[str, str]
    detail: str

    def json(self) -> Any:
        """Decode the body; None where it isn't JSON."""


class Observer(Protocol):
    """Takes note of every request: the recorder of a run, or stock Locust's statistics."""

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Answer) -> None:
        """Note one finished request; ``intended`` in monotonic seconds."""

    def invoke(self, arrival: Arrival, write: Write) -> int:
        """Note a write before it is sent; returns its number."""

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        """Note what came of a write."""


class JourneyFailed(Exception):
    """A request of the journey had another outcome than ok; the citizen gives up here."""


Check = Callable[[Any, Answer], bool]


class Session:
    """One persona's dialogue with the systems.

    Attributes:
        arrival: Who, where, what for.
        run: Prefix of idempotency keys, unique to the run.

    """

    def __init__(self, arrival: Arrival, transport: Transport, observer: Observer, intended: float, run: str) -> None:
        self.arrival = arrival
        self.run = run
        self._transport = transport
        self._observer = observer
        self._intended = intended
        self._bearer: dict[str, str] = {}

    def key(self, purpose: str) -> str:
        """Return the idempotency key of a purpose: the same for a retry of it."""
        return f"{self.run}-{self.arrival.number}-{purpose}"

    def authorise(self, system: str, token: str) -> None:
        """Send this token with every further request to the system."""
        self._bearer[system] = f"Bearer {token}"

    def get(self, operation: str, system: str, path: str, check: Check | None = None) -> Any:
        """GET and return the decoded reply; raises JourneyFailed unless it is ok and passes the check."""
        return self._call(operation, system, "GET", path, {}, b"", check)[0]

    def post(
        self,
        operation: str,
        system: str,
        path: str,
        body: Mapping[str, Any] | str,
        check: Check | None = None,
    ) -> Any:
        """POST a JSON object, or a form given as text; otherwise like ``get``."""
        return self._call(operation, system, "POST", path, *_encoded(body), check)[0]

    def redirect(self, operation: str, system: str, path: str) -> str:
        """GET a redirect and return where it leads, without going there."""
        answer = self._call(operation, system, "GET", path, {}, b"", lambda _, a: "location" in a.headers)[1]
        return answer.headers["location"]

    def write(
        self,
        write: Write,
        operation: str,
        system: str,
        path: str,
        body: Mapping[str, Any],
        check: Check | None = None,
    ) -> Any:
        """POST a write and enter it in the ledger, before and after; otherwise like ``post``."""
        op = self._observer.invoke(self.arrival, write)
        headers, data = _encoded(body)
        headers["Idempotency-Key"] = write.key
        content, answer, outcome = self._send(operation, system, "POST", path, headers, data, check)
        self._observer.complete(self.arrival, op, write, _result(write, outcome, answer.sent, content))
        if outcome != "ok":
            raise JourneyFailed(f"{operation}: {outcome} {answer.detail}")
        return content

    def _call(
        self,
        operation: str,
        system: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        check: Check | None,
    ) -> tuple[Any, Answer]:
        content, answer, outcome = self._send(operation, system, method, path, headers, body, check)
        if outcome != "ok":
            raise JourneyFailed(f"{operation}: {outcome} {answer.detail}")
        return content, answer

    def _send(
        self,
        operation: str,
        system: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        check: Check | None,
    ) -> tuple[Any, Answer, str]:
        if system in self._bearer:
            headers["Authorization"] = self._bearer[system]
        answer = self._transport.send(system, method, path, headers, body)
        content = answer.json()
        outcome = answer.outcome
        if outcome == "ok" and not _holds(check, content, answer):
            outcome = "invalid"
        self._observer.request(self.arrival, operation, outcome, self._intended, answer)
        self._intended = time.monotonic()
        return content, answer, outcome


def _result(write: Write, outcome: str, sent: bool, content: Any) -> Result:
    said = content if isinstance(content, dict) else {}
    acknowledged = outcome == "ok"
    return Result(
        event=event_of(outcome, sent),
        dossier=str(said.get("code", write.dossier)) if acknowledged else write.dossier,
        sequence=_whole(said.get("sequence")),
        state=_whole(said.get("state")),
        reason="" if acknowledged else str(said.get("reason", "")),
    )


def _holds(check: Check | None, content: Any, answer: Answer) -> bool:
    if check is None:
        return content is not None
    try:
        return check(content, answer)
    except (TypeError, KeyError, IndexError, AttributeError):
        return False


def _encoded(body: Mapping[str, Any] | str) -> tuple[dict[str, str], bytes]:
    if isinstance(body, str):
        return {"Content-Type": "application/x-www-form-urlencoded"}, body.encode()
    return {"Content-Type": "application/json"}, json.dumps(body, ensure_ascii=False).encode()


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
