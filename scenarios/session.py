"""What a journey talks through: one persona's requests, timed, recorded, and entered in the ledger."""

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from model.plan import Patience
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
    body: bytes | bytearray
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
    """A request of the journey had another outcome than ok; the citizen gives up here.

    Attributes:
        answer: What came of the last attempt.
    """

    def __init__(self, message: str, answer: Answer | None = None) -> None:
        super().__init__(message)
        self.answer = answer


NO_RETRY = Patience()
Check = Callable[[Any, Answer], bool]
Read = Callable[[Answer], Any]
"""Finds in an answer what a journey wants of it."""
Attempt = tuple[Any, Answer, str]
"""Of a request: decoded content, answer, outcome."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request of any shape.

    Attributes:
        operation: Name that samples and objectives use.
        system: Who is asked.
        method: HTTP method.
        path: As the transport takes it.
        headers: To send.
        body: To send.
        check: Whether an answer below 400 is ok.
        refusal: Whether a 4xx is what was asked for, and so ok.
        read: Finds in the answer what is wanted of it; None: the decoded body.
        through: Sends it, in place of the session's own transport.
    """

    operation: str
    system: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    check: Check | None = None
    refusal: Check | None = None
    read: Read | None = None
    through: Transport | None = None


WORTH_A_RETRY = frozenset({"refused", "reset", "timeout", "http_5xx"})
"""Outcomes after which a citizen tries again; so does one who was told 429, Too Many Requests."""


class Session:
    """One persona's dialogue with the systems.

    Attributes:
        arrival: Who, where, what for.
        run: Prefix of idempotency keys, unique to the run.
        patience: Whether and when a failed request is sent again.
        t0: Monotonic seconds at which the schedule began.
    """

    def __init__(
        self,
        arrival: Arrival,
        transport: Transport,
        observer: Observer,
        intended: float,
        run: str,
        patience: Patience = NO_RETRY,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin a dialogue.

        Args:
            arrival: Who, where, what for.
            transport: Sends the requests.
            observer: Takes note of them.
            intended: Monotonic seconds at which the first request is due.
            run: Prefix of idempotency keys.
            patience: Whether and when a failed request is sent again.
            pause: Waits so many seconds; under gevent without holding up the others.
        """
        self.arrival = arrival
        self.run = run
        self.patience = patience
        self._pause = pause
        self._luck: random.Random | None = None
        self._transport = transport
        self._observer = observer
        self._intended = intended
        self.t0 = intended - arrival.intended
        self._standing: dict[str, dict[str, str]] = {}

    def key(self, purpose: str) -> str:
        """Return the idempotency key of a purpose: the same for a retry of it."""
        return f"{self.run}-{self.arrival.number}-{purpose}"

    def authorise(self, system: str, token: str) -> None:
        """Send this token with every further request to the system."""
        self._standing.setdefault(system, {})["Authorization"] = f"Bearer {token}"

    def remember(self, system: str, answer: Answer) -> None:
        """Send the cookie that an answer set with every further request to the system."""
        cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        self._standing.setdefault(system, {})["Cookie"] = cookie

    def think(self, seconds: float) -> None:
        """Wait as a person does who reads or writes; the next request is due afterwards."""
        self._pause(seconds)
        self._intended = time.monotonic()

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

    def put(
        self,
        operation: str,
        system: str,
        path: str,
        body: Mapping[str, Any] | bytes,
        check: Check | None = None,
    ) -> Any:
        """PUT a JSON object, or bytes; otherwise like ``get``."""
        return self._call(operation, system, "PUT", path, *_encoded(body), check)[0]

    def page(self, operation: str, system: str, method: str, path: str, form: str, right: Check) -> Answer:
        """Ask for a page, or send a form; returns the answer itself, a redirect too; otherwise like ``get``.

        A 4xx that passes ``right`` counts as ok as well.
        """
        headers, body = _encoded(form) if form else ({}, b"")

        def attempt() -> Attempt:
            return self._send(operation, system, method, path, headers, body, right, right)

        return self._persist(operation, attempt)[1]

    def refused(self, operation: str, system: str, path: str, body: Mapping[str, Any], refusal: Check) -> Any:
        """POST what must be refused with a 4xx that passes ``refusal``; otherwise like ``post``."""
        headers, data = _encoded(body)

        def attempt() -> Attempt:
            return self._send(operation, system, "POST", path, headers, data, lambda *_: False, refusal)

        return self._persist(operation, attempt)[0]

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
        refusal: Check | None = None,
    ) -> Any:
        """POST a write and enter every attempt in the ledger, before and after; otherwise like ``post``.

        A 4xx that passes ``refusal`` is what the journey asked for: it counts as ok, and its content is returned.
        """
        headers, data = _encoded(body)
        headers["Idempotency-Key"] = write.sent or write.key

        def attempt() -> Attempt:
            return self._send(operation, system, "POST", path, headers, data, check, refusal)

        return self._persist(operation, lambda: self._enter(write, attempt))[0]

    def ask(self, request: Request, write: Write | None = None) -> Any:
        """Send a request of any shape; one that is a write is entered in the ledger. Otherwise like ``get``."""

        def attempt() -> Attempt:
            """Send it once."""
            return self._send(
                request.operation,
                request.system,
                request.method,
                request.path,
                dict(request.headers),
                request.body,
                request.check,
                request.refusal,
                request.read,
                request.through,
            )

        if write is None:
            return self._persist(request.operation, attempt)[0]
        return self._persist(request.operation, lambda: self._enter(write, attempt))[0]

    def _enter(self, write: Write, attempt: Callable[[], Attempt]) -> Attempt:
        """Make one attempt at a write, with an entry in the ledger before and after."""
        op = self._observer.invoke(self.arrival, write)
        content, answer, outcome = attempt()
        known = answer.outcome if outcome == "ok" else outcome
        self._observer.complete(self.arrival, op, write, _result(write, known, answer.sent, content))
        return content, answer, outcome

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
        return self._persist(operation, lambda: self._send(operation, system, method, path, headers, body, check))

    def _persist(self, operation: str, attempt: Callable[[], Attempt]) -> tuple[Any, Answer]:
        """Try as often as the citizen's patience allows; raises JourneyFailed."""
        first_due = self._intended
        last = attempt()
        if last[2] != "ok":
            last = self._try_again(operation, attempt, first_due, last)
        return last[0], last[1]

    def _try_again(self, operation: str, attempt: Callable[[], Attempt], first_due: float, last: Attempt) -> Attempt:
        """Try until it is ok or patience ends.

        A retry is due a pause after the failure was known, so its response time counts from then.
        """
        pauses = self._pauses()
        while last[2] != "ok":
            _, answer, outcome = last
            due = answer.finished + next(pauses, math.inf)
            if not _worth_a_retry(outcome, answer) or due - first_due >= self.patience.give_up_after:
                raise JourneyFailed(f"{operation}: {outcome} {answer.detail}", answer)
            self._pause(max(due - time.monotonic(), 0.0))
            self._intended = due
            last = attempt()
        return last

    def _pauses(self) -> Iterator[float]:
        """Yield the seconds before each retry: growing, scattered by the arrival's own seed."""
        pause, jitter = self.patience.first_pause, self.patience.jitter
        for _ in range(self.patience.retries):
            self._luck = self._luck or random.Random(self.arrival.seed)
            yield pause * self._luck.uniform(1 - jitter, 1 + jitter)
            pause *= self.patience.factor

    def _send(
        self,
        operation: str,
        system: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        check: Check | None,
        refusal: Check | None = None,
        read: Read | None = None,
        through: Transport | None = None,
    ) -> Attempt:
        headers.update(self._standing.get(system, {}))
        answer = (through or self._transport).send(system, method, path, headers, body)
        content = answer.json() if read is None else read(answer)
        outcome = answer.outcome
        if outcome == "ok" and not _holds(check, content, answer):
            outcome = "invalid"
        if outcome == "http_4xx" and refusal is not None and _holds(refusal, content, answer):
            outcome = "ok"
        self._observer.request(self.arrival, operation, outcome, self._intended, answer)
        self._intended = time.monotonic()
        return content, answer, outcome


def _worth_a_retry(outcome: str, answer: Answer) -> bool:
    return outcome in WORTH_A_RETRY or answer.status == 429


def _result(write: Write, outcome: str, sent: bool, content: Any) -> Result:
    said = content if isinstance(content, dict) else {}
    acknowledged = outcome == "ok"
    return Result(
        event=event_of(outcome, sent),
        dossier=str(said.get("code", write.dossier)) if acknowledged else write.dossier,
        sequence=_whole(said.get("sequence")),
        state=_whole(said.get("state")),
        reason="" if acknowledged else str(said.get("reason", "")),
        entries=_entries(said.get("receipts")) if acknowledged else (),
    )


def _entries(receipts: object) -> tuple[tuple[str, str], ...]:
    """Return what a verification says of the databases' receipts."""
    return tuple((str(key), str(value)) for key, value in receipts.items()) if isinstance(receipts, dict) else ()


def _holds(check: Check | None, content: Any, answer: Answer) -> bool:
    if check is None:
        return content is not None
    try:
        return check(content, answer)
    except (TypeError, KeyError, IndexError, AttributeError):
        return False


def _encoded(body: Mapping[str, Any] | str | bytes) -> tuple[dict[str, str], bytes]:
    if isinstance(body, bytes):
        return {"Content-Type": "application/octet-stream"}, body
    if isinstance(body, str):
        return {"Content-Type": "application/x-www-form-urlencoded"}, body.encode()
    return {"Content-Type": "application/json"}, msgspec.json.encode(body)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
