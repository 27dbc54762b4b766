"""The journeys at the desk, on real systems and a line that fails when the test says so."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from model import people
from scenarios.catalogue import EXPECTED, JOURNEYS, Memory
from scenarios.http import Reply
from scenarios.journeys import drafts, inspector
from scenarios.network import Network
from scenarios.personas import Arrival
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Result, Write
from tests.mocks.conftest import Stack, eventually

TOKEN = "only-for-tests"  # noqa: S105  opens nothing else
ARRIVAL = Arrival(7, 0.0, "resume-draft", "01", "00004", people.person(7), "2.000815", 2_000, False, "return", 7)


class Line:
    """The network, with every ``nth`` request lost: half of them before they arrive, half of the replies."""

    def __init__(self, network: Network, nth: int = 0) -> None:
        self.network, self.nth, self.count = network, nth, 0

    def send(self, system: str, method: str, path: str, headers: Any, body: bytes) -> Reply:
        self.count += 1
        fails = self.nth and self.count % self.nth == 0
        if fails and self.count // self.nth % 2:
            return Reply("reset", True, time.monotonic(), time.monotonic())
        reply = self.network.send(system, method, path, headers, body)
        return Reply("reset", True, reply.began, reply.finished) if fails else reply


class Notes:
    """An observer that keeps outcomes and writes."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.writes: list[tuple[Write, Result]] = []

    def request(self, arrival: Arrival, operation: str, outcome: str, intended: float, answer: Any) -> None:
        self.outcomes.append((operation, outcome))

    def invoke(self, arrival: Arrival, write: Write) -> int:
        return 0

    def complete(self, arrival: Arrival, op: int, write: Write, result: Result) -> None:
        self.writes.append((write, result))

    def failed(self) -> list[tuple[str, str]]:
        return [(operation, outcome) for operation, outcome in self.outcomes if outcome != "ok"]


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Any) -> Iterator[Start]:
    """Start systems with defects; returns the stack and a way to walk a journey."""
    stacks: list[Any] = []

    def begin(*defects: str) -> Any:
        stack = Stack(tmp_path, defects=defects, token=TOKEN).start()  # type: ignore[no-untyped-call]  # tests of mocks
        stacks.append(stack)
        return stack

    yield begin
    for stack in stacks:
        stack.stop()


def walk(stack: Any, journey: str, nth: int = 0, pause: Callable[[float], None] | None = None) -> Notes:
    network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 5.0, 10.0)
    notes, arrival = Notes(), dataclasses.replace(ARRIVAL, journey=journey)
    session = Session(arrival, Line(network, nth), notes, time.monotonic(), "r", pause=pause or (lambda _: None))
    try:
        JOURNEYS[journey][0](session, Memory())
    finally:
        network.close()
    return notes


def cut_over(stack: Any, at: float, redirect: float) -> None:
    content = {"at": time.time() + at, "redirect": redirect}
    url, bearer = f"{stack.url('province:01')}/control/cutover", {"Authorization": f"Bearer {TOKEN}"}
    assert stack.http.put(url, json=content, headers=bearer).status_code == 200


@pytest.mark.parametrize("journey", ["resume-draft", "counter-weak-line"])
@pytest.mark.parametrize("nth", [0, 9])
def test_a_draft_and_its_attachment_come_through_a_line_that_fails(start: Start, journey: str, nth: int) -> None:
    """One dossier, its attachment at both sides, whatever was lost on the way."""
    stack = start()
    notes = walk(stack, journey, nth)
    assert {outcome for _, outcome in notes.failed()} == ({"reset"} if nth else set())
    (code,) = {result.dossier for write, result in notes.writes if result.dossier}
    (digest,) = {write.payload_hash for write, _ in notes.writes if write.operation == "attach"}
    for name in ("national", "province:01"):
        eventually(lambda name=name: [item["attachments"] for item in stack.listing(name)] == [[digest]])
        assert [item["code"] for item in stack.listing(name)] == [code]
    assert {operation for operation, _ in notes.outcomes} <= EXPECTED[journey].keys()


def test_a_lost_draft_is_invalid(start: Start) -> None:
    stack = start("draft-lost")
    seen = set()
    for number in range(20):
        arrival = dataclasses.replace(ARRIVAL, number=number, seed=number)
        network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 5.0, 10.0)
        notes = Notes()
        try:
            drafts.at_the_counter(Session(arrival, network, notes, time.monotonic(), "r", pause=lambda _: None))
        except JourneyFailed:
            seen |= set(notes.failed())
        network.close()
    assert seen == {("province.resume_draft", "invalid")}


def test_the_old_interface_takes_a_dossier_while_it_is_open(start: Start) -> None:
    stack = start()
    notes = walk(stack, "old-interface")
    assert notes.failed() == []
    (code,) = {result.dossier for _, result in notes.writes}
    eventually(lambda: stack.states("national", code) == [1])
    assert code.startswith("H01.")


@pytest.mark.parametrize(("redirect", "failed"), [(60.0, set()), (0.001, {"http_4xx"})])
def test_who_is_at_the_old_interface_when_it_closes_ends_at_the_portal(
    start: Start, redirect: float, failed: set[str]
) -> None:
    """The journey's first pause is when T_cutover comes."""
    stack = start()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            cut_over(stack, -1.0, 1.0 + redirect)
            time.sleep(0.01)

    notes = walk(stack, "old-interface", pause=pause)
    assert {outcome for _, outcome in notes.failed()} == failed
    assert ("national.resume_draft", "ok") in notes.outcomes
    (code,) = {result.dossier for _, result in notes.writes if result.dossier}
    eventually(lambda: stack.states("province:01", code) == [1])
    assert code.startswith("G01.")


@pytest.mark.parametrize("redirect", [60.0, 0.001])
def test_who_comes_too_late_for_the_old_interface_submits_at_the_portal(start: Start, redirect: float) -> None:
    stack = start()
    cut_over(stack, -1.0, 1.0 + redirect)
    time.sleep(0.01)
    notes = walk(stack, "old-interface")
    assert ("national.submit", "ok") in notes.outcomes


def test_a_draft_lost_on_the_way_is_invalid(start: Start) -> None:
    stack = start("draft-lost-on-redirect")
    with pytest.raises(JourneyFailed, match=r"national\.resume_draft: invalid"):
        walk(stack, "old-interface", pause=lambda _: cut_over(stack, -1.0, 60.0))


@pytest.mark.parametrize("defects", [(), ("no-throttle",)])
def test_a_broker_must_be_throttled(start: Start, defects: tuple[str, ...]) -> None:
    stack = start(*defects)
    if defects:
        with pytest.raises(JourneyFailed, match=r"national\.throttled: invalid"):
            walk(stack, "broker")
    else:
        notes = walk(stack, "broker")
        assert notes.failed() == [("national.broker_submit", "http_4xx")]


@pytest.mark.parametrize(
    ("state", "age", "fine"),
    [(1, 10, True), (1, 31, False), (4, 31, False), (10, 99, True), (5, 99, True), (3, 1, False)],
)
def test_a_dossier_is_cared_for_unless_refused_or_open_for_long(state: int, age: float, fine: bool) -> None:
    dossier = {"state": state, "history": [[1, 1, 100.0, 100.0]]}
    assert inspector.is_cared_for(dossier, lambda: 100.0 + age) == fine


def test_attachments_are_made_by_the_seed() -> None:
    """Two runs with one seed send the same bytes."""
    session = Session(ARRIVAL, None, None, 0.0, "r")  # type: ignore[arg-type]  # nothing is sent
    made = {drafts.Desk(session, None)._digest for _ in range(2)}  # type: ignore[arg-type]  # nor anywhere
    assert made == {hashlib.sha256(drafts.Desk(session, None)._data).hexdigest()}  # type: ignore[arg-type]
