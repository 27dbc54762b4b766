"""Declared journeys: what is sent, and what is read from a reply."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.targets import Step
from scenarios.adapter import Adapter, address, at, original, recordable, rendered
from scenarios.catalogue import Memory
from scenarios.personas import Crowd
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Result, Write
from tests.scenarios.outside import Outside, plan, targets
from tests.scenarios.servers import server, serving


class Notes:
    """Keeps what a session tells."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.results: list[tuple[Write, Result]] = []

    def request(self, arrival: Any, operation: str, outcome: str, intended: float, answer: Any) -> None:
        self.outcomes.append((operation, outcome))

    def invoke(self, arrival: Any, write: Write) -> int:
        return 1

    def complete(self, arrival: Any, op: int, write: Write, result: Result) -> None:
        self.results.append((write, result))


def reply(content: object, status: int = 200) -> bytes:
    body = json.dumps(content).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nLocation: /d/5\r\n\r\n" % (status, len(body)) + body


def perform(folder: Path, where: str, *steps: Step) -> Notes:
    allowed = targets(f"http://{where}/api", folder, journeys={"track": steps})
    outside, notes = Outside(allowed), Notes()
    session = Session(Crowd(plan(allowed)).arrival(3, 0.0), outside.network, notes, time.monotonic(), "run")
    try:
        Adapter(allowed, outside.network).journeys["track"](session, Memory())
    finally:
        outside.network.close()
    return notes


CREATE = Step(
    operation="national.submit",
    system="national",
    method="POST",
    path="/dossiers",
    headers={"Idempotency-Key": "{key}"},
    body={"number": "{number}", "where": {"province": "{province}"}, "text": "no. {number}"},
    ok=(201,),
    write="submit",
    code="/data/0/id",
    state="/data/0/state",
    states={"received": 1},
)


def test_a_write_is_sent_as_declared_and_entered_in_the_ledger(tmp_path: Path) -> None:
    """Path below the address, numbers as numbers, code and state read from the reply, and used by the next step."""
    seen: list[bytes] = []

    def answer(head: bytes) -> bytes:
        seen.append(head)
        return reply({"data": [{"id": "a/7", "state": "received"}]}, 201 if b"POST" in head else 200)

    follow = Step(operation="national.track", system="national", path="/dossiers/{code}")
    with server(serving(answer)) as where:
        notes = perform(tmp_path, where, CREATE, follow)
    assert seen[0].startswith(b"POST /api/dossiers HTTP/1.1\r\n")
    assert b"Idempotency-Key: run-3-0\r\n" in seen[0]
    assert seen[1].startswith(b"GET /api/dossiers/a%2F7 HTTP/1.1\r\n")
    ((write, result),) = notes.results
    assert (write.operation, write.key) == ("submit", "run-3-0")
    assert (result.event, result.dossier, result.state) == ("ok", "a>2F7", 1)
    assert notes.outcomes == [("national.submit", "ok"), ("national.track", "ok")]


@pytest.mark.parametrize(
    ("content", "status", "outcome"),
    [({}, 201, "invalid"), ({"data": [{"id": "x", "state": 1}]}, 200, "invalid"), ({}, 503, "http_5xx")],
)
def test_a_reply_that_is_not_as_declared_is_a_failure(
    tmp_path: Path, content: object, status: int, outcome: str
) -> None:
    """No code, another status, an error."""
    with server(serving(lambda _: reply(content, status))) as where, pytest.raises(JourneyFailed, match=outcome):
        perform(tmp_path, where, CREATE)


def test_a_status_that_is_declared_is_ok(tmp_path: Path) -> None:
    """404 can be what a system says where all is well; a header can be the code."""
    step = Step(operation="national.track", system="national", path="/a", ok=(404,), save={"there": "header:Location"})
    on = Step(operation="national.track", system="national", path="{there}", ok=(404,))
    seen: list[bytes] = []
    with server(serving(lambda head: seen.append(head) or reply({}, 404))) as where:
        notes = perform(tmp_path, where, step, on)
    assert notes.outcomes == [("national.track", "ok")] * 2
    assert seen[1].startswith(b"GET /d/5 ")


def test_json_pointers_are_those_of_rfc_6901() -> None:
    """The RFC's own examples, and what isn't there."""
    content = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7}
    found = [at(place, content, {}) for place in ("/foo/0", "/", "/a~1b", "/m~0n", "/ ")]
    assert found == ["bar", 0, 1, 8, 7]
    for place in ("/foo/2", "/foo/x", "/nothing", "/foo/0/1", "header:X"):
        with pytest.raises(LookupError):
            at(place, content, {})


def test_placeholders_keep_their_type_alone_and_are_quoted_in_a_path() -> None:
    """`{number}` alone is a number; a slash in a value is no path of its own."""
    words: dict[str, str | int] = {"number": 3, "code": "../x?y"}
    assert rendered({"a": ["{number}", "n{number}", 5, None]}, words) == {"a": [3, "n3", 5, None]}
    assert address("http://h/api", "/d/{code}", words) == "http://h/api/d/..%2Fx%3Fy"


@given(st.text(max_size=40))
def test_a_code_survives_the_ledger(code: str) -> None:
    """What is written can be read back, or is refused."""
    kept = recordable(code)
    assert kept is None or original(kept) == code
