"""The journeys at the desk, on real systems and a line that fails when the test says so."""

import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from mocks.dossier_system import COPY_LAG
from mocks.ioc import FRESH
from mocks.meetings import SEATS
from model import people
from model.plan import Cutover
from scenarios.catalogue import EXPECTED, JOURNEYS, REMEMBERED, Memory
from scenarios.http import Reply
from scenarios.journeys import citizen, drafts, inspector, office, old_interface
from scenarios.network import Network
from scenarios.personas import Arrival
from scenarios.session import JourneyFailed, Session
from scenarios.writes import Result, Write
from tests.conftest import TOKEN
from tests.mocks.conftest import Stack, eventually

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

    def begin(*defects: str, platforms: tuple[str, ...] = ()) -> Any:
        stack = Stack(tmp_path, defects=defects, token=TOKEN, platforms=platforms).start()  # type: ignore[no-untyped-call]  # tests of mocks
        stacks.append(stack)
        return stack

    yield begin
    for stack in stacks:
        stack.stop()


def walk(
    stack: Any,
    journey: str,
    nth: int = 0,
    pause: Callable[[float], None] | None = None,
    cutover: Cutover | None = None,
) -> Notes:
    network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0)
    notes, arrival = Notes(), dataclasses.replace(ARRIVAL, journey=journey)
    session = Session(arrival, Line(network, nth), notes, time.monotonic(), "r", pause=pause or (lambda _: None))
    try:
        JOURNEYS[journey][0](session, Memory(cutover))
    finally:
        network.close()
    return notes


def cut_over(stack: Any, at: float, redirect: float) -> None:
    content = {"at": time.time() + at, "redirect": redirect}
    url, bearer = f"{stack.url('province:01')}/control/cutover", {"Authorization": f"Bearer {TOKEN}"}
    assert stack.http.put(url, json=content, headers=bearer).status_code == 200


def close(stack: Any, system: str) -> None:
    """Let a system answer nothing but a maintenance page."""
    order = {"kind": "maintenance-page", "attributes": {"retry_after": 0}, "lease": 60}
    url, bearer = f"{stack.url(system)}/control/faults/f", {"Authorization": f"Bearer {TOKEN}"}
    assert stack.http.put(url, json=order, headers=bearer).status_code == 200


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
        network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0)
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


@pytest.fixture
def grace(monkeypatch: pytest.MonkeyPatch) -> float:
    """Give citizens time to come to the page on which they are when the interface closes."""
    monkeypatch.setattr(old_interface, "GRACE", 30.0)
    return old_interface.GRACE


@pytest.mark.parametrize("redirect", [60.0, 0.001])
def test_who_is_at_the_old_interface_when_it_closes_ends_at_the_portal(
    start: Start, grace: float, redirect: float
) -> None:
    """The journey's first pause is when T_cutover comes; what it makes of the interface is right."""
    stack = start()
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 1:
            cut_over(stack, -1.0, 1.0 + redirect)
            time.sleep(0.01)

    notes = walk(stack, "old-interface", pause=pause, cutover=Cutover(at=grace, redirect=redirect))
    assert notes.failed() == []
    assert ("national.resume_draft", "ok") in notes.outcomes
    (code,) = {result.dossier for _, result in notes.writes if result.dossier}
    eventually(lambda: stack.states("province:01", code) == [1])
    assert code.startswith("G01.")


@pytest.mark.parametrize("redirect", [60.0, 0.001])
def test_who_comes_too_late_for_the_old_interface_submits_at_the_portal(start: Start, redirect: float) -> None:
    stack = start()
    cut_over(stack, -1.0, 1.0 + redirect)
    time.sleep(0.01)
    notes = walk(stack, "old-interface", cutover=Cutover(at=-10.0, redirect=10.0 + redirect - 0.001))
    assert ("national.submit", "ok") in notes.outcomes
    assert notes.failed() == []


@pytest.mark.parametrize("redirect", [60.0, 1.0])
def test_an_interface_that_stays_open_after_t_cutover_is_invalid(start: Start, redirect: float) -> None:
    stack = start("never-closes")
    cut_over(stack, -10.0, redirect)
    with pytest.raises(JourneyFailed, match=r"province\.portal: invalid"):
        walk(stack, "old-interface", cutover=Cutover(at=-10.0, redirect=redirect))


@pytest.mark.usefixtures("grace")
def test_a_dossier_that_is_taken_after_t_cutover_is_invalid(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The citizen was at the last page when the grace ended; what became of the dossier is left open."""
    stack = start("never-closes")
    cut_over(stack, -1.0, 60.0)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            monkeypatch.setattr(old_interface, "GRACE", 0.0)

    with pytest.raises(JourneyFailed, match=r"province\.portal_submit: invalid"):
        walk(stack, "old-interface", pause=pause, cutover=Cutover(at=0.0, redirect=60.0))


def test_an_interface_that_closes_early_has_failed_and_leads_on(start: Start) -> None:
    stack = start()
    cut_over(stack, -10.0, 1.0)
    notes = walk(stack, "old-interface")
    assert notes.failed() == [("province.portal", "http_4xx")]
    assert ("national.submit", "ok") in notes.outcomes


@pytest.mark.parametrize(
    ("began", "finished", "found"),
    [
        (0.0, 1.0, {"open"}),
        (27.9, 28.1, {"open", "redirecting"}),
        (31.9, 32.0, {"open", "redirecting"}),
        (32.0, 32.5, {"redirecting"}),
        (20.0, 45.0, {"open", "redirecting", "closed"}),
        (44.1, 44.2, {"closed"}),
    ],
)
def test_what_an_interface_may_be(began: float, finished: float, found: set[str]) -> None:
    """Within 2 s of a change both are right."""
    assert old_interface.stands(Cutover(at=30.0, redirect=12.0), began, finished) == found
    assert old_interface.stands(None, began, finished) == {"open"}


def test_a_draft_lost_on_the_way_is_invalid(start: Start, grace: float) -> None:
    stack = start("draft-lost-on-redirect")
    with pytest.raises(JourneyFailed, match=r"national\.resume_draft: invalid"):
        walk(
            stack,
            "old-interface",
            pause=lambda _: cut_over(stack, -1.0, 60.0),
            cutover=Cutover(at=grace, redirect=60.0),
        )


@pytest.mark.parametrize("defects", [(), ("asks-vneid-each-call",)])
def test_a_session_outlives_vneid(start: Start, defects: tuple[str, ...]) -> None:
    """VNeID goes out after the first dossier, and every visit after that goes on without it."""
    stack = start(*defects)
    away: list[float] = []

    def pause(seconds: float) -> None:
        if not away:
            close(stack, "vneid")
        away.append(seconds)

    if defects:
        with pytest.raises(JourneyFailed, match=r"national\.submit: http_5xx"):
            walk(stack, "keep-session", pause=pause)
    else:
        notes = walk(stack, "keep-session", pause=pause)
        assert notes.failed() == []
        assert len({result.dossier for _, result in notes.writes}) == citizen.VISITS
        assert {operation for operation, _ in notes.outcomes} == EXPECTED["keep-session"].keys()


@pytest.mark.parametrize("defects", [(), ("seats-never-freed",)])
def test_who_leaves_a_meeting_leaves_a_free_seat(start: Start, defects: tuple[str, ...]) -> None:
    """The meeting is full but for one seat."""
    stack = start(*defects, platforms=("meetings",))
    for number in range(SEATS - 1):
        unit = {"unit": f"H79.{number:05d}"}
        assert stack.post("meetings", "/meetings/giao-ban/join", unit).json()["taken"] == number + 1
    if defects:
        with pytest.raises(JourneyFailed, match=r"meetings\.leave: invalid"):
            walk(stack, "join-meeting")
        return
    stays: list[float] = []
    assert walk(stack, "join-meeting", pause=stays.append).failed() == []
    assert [office.STAY[0] <= stay <= office.STAY[1] for stay in stays] == [True]


def test_a_dashboard_without_a_province_is_invalid(start: Start) -> None:
    stack = start(platforms=("ioc",))

    def is_right() -> bool:
        with suppress(JourneyFailed):
            return walk(stack, "watch-dashboard").failed() == []
        return False

    eventually(is_right)
    close(stack, "province:01")
    time.sleep(FRESH)
    with pytest.raises(JourneyFailed, match=r"ioc\.dashboard: invalid"):
        walk(stack, "watch-dashboard")


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


def history(*states: int) -> dict[str, Any]:
    steps = [[number, state, float(number), 0.0] for number, state in enumerate(states, 1)]
    return {"code": "G01", "state": states[-1] if states else 0, "sequence": len(states), "history": steps}


def test_a_look_up_shows_a_whole_history_in_order_and_no_less_than_before() -> None:
    check = citizen.shows("G01", 3)
    assert check(history(1, 2, 4), None)
    assert check(history(1, 2, 4, 9), None)
    older, hole, swapped = history(1, 2), history(1, 2, 4, 9), history(1, 2, 4)
    del hole["history"][1]
    swapped["history"][1][2] = 9.0
    elsewhere = history(1, 2, 4) | {"state": 2}
    assert [check(found, None) for found in (older, hole, swapped, elsewhere)] == [False] * 4


@pytest.mark.parametrize(("defects", "failed"), [((), []), (("stale-read",), [("province.look_up", "invalid")])])
def test_an_officer_sees_the_steps_just_taken(start: Start, defects: tuple[str, ...], failed: list[object]) -> None:
    """Of two dossiers, one is looked up in the copy that lags behind."""
    stack = start(*defects)

    def processed(number: int) -> list[tuple[str, str]]:
        officer = stack.officer()
        stack.intake(officer, key={"Idempotency-Key": f"k-{number}"})
        notes = Notes()
        network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0)
        arrival = dataclasses.replace(ARRIVAL, number=number, journey="process")
        with suppress(JourneyFailed):
            JOURNEYS["process"][0](Session(arrival, network, notes, time.monotonic(), "r"), Memory())
        network.close()
        assert ("province.return_result", "ok") in notes.outcomes
        return notes.failed()

    for number in range(0, 40, 2):
        began = time.monotonic()
        seen = processed(number) + processed(number + 1)
        if time.monotonic() - began < COPY_LAG:  # else the copy may have caught up meanwhile
            break
    assert seen == failed


def test_who_follows_a_dossier_never_sees_it_go_back(start: Start) -> None:
    """The second look-up of a dossier is answered from the copy, which the portal's own first answer has overtaken."""
    stack = start("stale-read")
    network = Network({name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}, 20.0, 30.0)
    for _ in range(20):
        began, officer, memory, notes = time.monotonic(), stack.officer(), Memory(), Notes()
        code = stack.intake(officer)
        stack.step(officer, code, "process")
        eventually(lambda code=code: (code, 2) in [(i["code"], len(i["history"])) for i in stack.listing("national")])
        memory.codes.append(code)
        session = Session(dataclasses.replace(ARRIVAL, journey="track"), network, notes, time.monotonic(), "r")
        JOURNEYS["track"][0](session, memory)
        assert memory.shown == {code: 2}
        with suppress(JourneyFailed):
            JOURNEYS["track"][0](session, memory)
        if time.monotonic() - began < COPY_LAG:  # else the copy may have caught up meanwhile
            break
    network.close()
    assert notes.outcomes == [("national.track", "ok"), ("national.track", "invalid")]


def test_what_was_shown_longest_ago_is_forgotten() -> None:
    memory = Memory()
    for number in range(REMEMBERED + 1):
        memory.note(f"G{number}", 2)
    memory.note("G5", 1)
    assert (len(memory.shown), memory.shown.get("G0"), memory.shown["G5"]) == (REMEMBERED, None, 2)
