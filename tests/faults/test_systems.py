"""Faults of processes and inside systems, on mock systems that are real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psutil
import pytest

from faults.catalogue import KINDS, validate
from faults.control import Control, ControlError, ask, of_ours
from faults.kinds.base import FaultError, Site
from faults.kinds.process import ProcessKind
from faults.leases import ControlLease, LimitLease, StopLease, TakenLease, born, limit_lease, lives, stop_lease
from faults.life import Life
from faults.probe import probe
from faults.toxiproxy import Proxies
from model.plan import PROCESS_KINDS, Fault
from model.record import EventLog, Record
from tests.faults.calm import prepared
from tests.faults.conftest import PATIENT, eventually
from tests.faults.test_life import Ledger, names
from tests.mocks.conftest import Stack

WHOLE_LIFE = ["fault_applied", "fault_read_back", "fault_proved", "fault_healed", "fault_gone"]
PROVINCE = "province:01"
TOKEN = "s3cret"  # noqa: S105  of these systems only
NO_PROXIES = Proxies("http://127.0.0.1:1")
PROCESS_FAULTS: list[tuple[str, dict[str, int]]] = [
    ("kill", {}),
    ("restart", {"pause": 500}),
    ("pause", {}),
    ("cpu-limit", {"share": 20}),
    ("memory-limit", {}),
]
APPLICATION_FAULTS: list[tuple[str, str, dict[str, int]]] = [
    ("error-rate", "national", {"share": 30, "status": 500}),
    ("error-rate", PROVINCE, {"share": 100, "retry_after": 5}),
    ("error-rate", "vneid", {"share": 100}),
    ("error-rate", "population", {"share": 100}),
    ("error-rate", "payment", {"share": 100}),
    ("maintenance-page", "national", {"retry_after": 120}),
    ("slow-database", PROVINCE, {"delay": 200}),
    ("slow-database", "population", {"delay": 200}),
    ("stale-reads", PROVINCE, {"age": 60}),
    ("missing-workflow", PROVINCE, {"share": 30}),
    ("missing-accounts", PROVINCE, {"share": 30}),
    ("lost-callback", "payment", {"share": 50}),
    ("wrong-code-table", "national", {"share": 30}),
    ("wrong-code-table", PROVINCE, {"share": 30}),
    ("wrong-data", "population", {"share": 30}),
    ("wrong-data", "specialised", {"share": 30, "database": 2}),
    ("early-closure", PROVINCE, {}),
]


class Processes:
    """The processes of a stack's systems, as the conductor has them."""

    def __init__(self, stack: Any) -> None:
        self.stack = stack

    def kill(self, system: str) -> None:
        self.stack.kill(system)

    def restart(self, system: str) -> None:
        if system in self.stack.processes:
            self.stack.kill(system)
        self.stack.start(system)

    def is_running(self, system: str) -> bool:
        process = self.stack.processes.get(system)
        return process is not None and process.poll() is None and lives(process.pid)

    def pid(self, system: str) -> int:
        return int(self.stack.processes[system].pid)

    def pausing(self, fault: str, system: str) -> TakenLease:
        return stop_lease(fault, system, self.pid(system))

    def limiting(self, fault: str, system: str, headroom: int) -> TakenLease:
        return limit_lease(fault, system, self.pid(system), headroom)

    def disconnecting(self, fault: str, system: str) -> TakenLease:
        raise FaultError(f"{system} is no container")

    def find(self, system: str) -> None:
        """Processes stay where they are."""


class Patient(Processes):
    """Starts nothing again before it may: a system that is back soon is seen down all the same."""

    def __init__(self, stack: Any) -> None:
        super().__init__(stack)
        self.may = Event()

    def restart(self, system: str) -> None:
        self.may.wait(60)
        super().restart(system)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Give the systems of province 01, the province in a process of its own."""
    folder = tmp_path_factory.mktemp("systems")
    stack = Stack(folder, token=TOKEN, platforms=("specialised",))  # type: ignore[no-untyped-call]  # tests of mocks
    stack.start("national", "vneid", "population", "payment", "specialised").start(PROVINCE)
    yield stack
    stack.http.close()
    for process in set(stack.processes.values()):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()


@pytest.fixture
def site(stack: Any) -> Site:
    addresses = {name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}
    return Site(NO_PROXIES, Processes(stack), addresses, TOKEN)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def long_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let faults inside systems outlast a machine that stands still for some seconds."""
    monkeypatch.setattr("faults.kinds.application.of_ours", partial(of_ours, lease=60.0))


def fault(kind: str, attributes: dict[str, int], system: str = PROVINCE, duration: float = 30.0) -> Fault:
    made = Fault(id=f"a {kind}", kind=kind, system=system, start=0, duration=duration, attributes=attributes)  # type: ignore[arg-type]  # one of them
    assert validate(made) == []
    return made


def test_every_kind_of_a_system_is_tested_here() -> None:
    tested = {kind for kind, _ in PROCESS_FAULTS} | {kind for kind, _, _ in APPLICATION_FAULTS}
    in_containers = {"disconnect"}  # tests/harness/test_compose.py
    assert tested | in_containers == {name for name, kind in KINDS.items() if kind.breaks == "system"}
    assert {name for name, kind in KINDS.items() if issubclass(kind, ProcessKind)} == PROCESS_KINDS


@pytest.mark.parametrize(("kind", "attributes"), PROCESS_FAULTS)
def test_every_process_kind_bites_and_heals(
    site: Site, stack: Any, events: EventLog, record: Record, ledger: Ledger, kind: str, attributes: dict[str, int]
) -> None:
    processes = Patient(stack)
    life = Life(fault(kind, attributes), site=replace(site, processes=processes), watchdog=ledger, events=events)
    proved = prepared(life).apply()
    processes.may.set()
    assert proved
    life.heal()
    assert (life.proved, life.healed, life.gone, ledger.leases) == (True, True, True, {})
    assert names(record) == WHOLE_LIFE
    assert {event["system"] for event in record.events()} == {PROVINCE}
    assert probe(site.addresses[PROVINCE], PATIENT).ok


def test_a_process_that_dies_while_its_limit_is_read_is_broken_still(
    site: Site, stack: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else has released it."""
    kind = KINDS["memory-limit"](fault("memory-limit", {}), site)
    kind.apply()

    def dies(lease: LimitLease) -> bool:
        stack.kill(lease.target)
        return False

    monkeypatch.setattr(LimitLease, "held", dies)
    assert kind.held()
    monkeypatch.undo()
    kind.heal()
    assert not kind.held()
    assert probe(site.addresses[PROVINCE], PATIENT).ok


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(("kind", "attributes"), [fault for fault in PROCESS_FAULTS if fault[0] != "kill"])
def test_a_process_kind_that_does_not_bite_is_unproved(
    site: Site,
    events: EventLog,
    record: Record,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    attributes: dict[str, int],
) -> None:
    """Signals and limits that are said to be set, and aren't."""
    monkeypatch.setattr(KINDS[kind], "held", lambda self: True)
    for name in ("apply", "switch_on"):
        if hasattr(KINDS[kind], name):
            monkeypatch.setattr(KINDS[kind], name, lambda self: None)
    life = Life(fault(kind, attributes, duration=1.5), site=site, watchdog=ledger, events=events)
    assert not life.apply()
    assert names(record) == ["fault_applied", "fault_read_back", "fault_unproved"]
    monkeypatch.undo()
    life.heal()
    assert probe(site.addresses[PROVINCE], PATIENT).ok


def test_a_restarted_system_is_back_before_its_fault_is_over(
    site: Site, stack: Any, events: EventLog, ledger: Ledger
) -> None:
    processes = Patient(stack)
    before = processes.pid(PROVINCE)
    site = replace(site, processes=processes)
    life = Life(fault("restart", {"pause": 500}, duration=30), site=site, watchdog=ledger, events=events)
    proved = prepared(life).apply()
    processes.may.set()
    assert proved
    eventually(lambda: processes.is_running(PROVINCE))
    assert probe(site.addresses[PROVINCE], PATIENT).ok
    assert processes.pid(PROVINCE) != before
    life.heal()
    assert life.gone


CONDUCTOR = """
import os, signal, sys
from pathlib import Path
from faults.leases import StopLease
from faults.watchdog_client import Watchdog
watchdog = Watchdog.start(Path(sys.argv[1]), lease=1.0)
watchdog.register(StopLease("hang", "province:01", int(sys.argv[2]), float(sys.argv[3])))
os.kill(int(sys.argv[2]), signal.SIGSTOP)
print("stopped", flush=True)
os.kill(os.getpid(), int(sys.argv[4]))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_paused_process_goes_on_when_its_conductor_does_not(record: Record, end: int) -> None:
    """The watchdog sends SIGCONT within a lease, and says so."""
    nap = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    process = psutil.Process(nap.pid)
    arguments = [str(record.path("events.jsonl")), str(nap.pid), repr(born(process)), str(int(end))]
    conductor = subprocess.Popen([sys.executable, "-c", CONDUCTOR, *arguments], stdout=subprocess.PIPE)
    assert conductor.stdout
    try:
        assert conductor.stdout.readline()
        eventually(lambda: "fault_healed" in names(record))
        assert process.status() != psutil.STATUS_STOPPED
        healed = next(event for event in record.events(growing=True) if event["event"] == "fault_healed")
        assert (healed["fault"], healed["system"], healed["by"]) == ("hang", "province:01", "watchdog")
    finally:
        conductor.kill()
        conductor.communicate()
        nap.kill()
        nap.wait()


def test_a_process_that_has_not_taken_its_stop_yet_is_held() -> None:
    """On a busy processor the signal waits; a conductor that dies meanwhile would leave the process stopped."""
    busy = [sys.executable, "-c", "while True: pass"]
    hog, victim = (psutil.Popen(busy) for _ in range(2))
    try:
        for process in (hog, victim):
            process.cpu_affinity(psutil.Process().cpu_affinity()[:1])
        os.sched_setscheduler(victim.pid, os.SCHED_IDLE, os.sched_param(0))
        lease = StopLease("f", PROVINCE, victim.pid, born(victim))
        assert not lease.held()
        for _ in range(20):
            os.kill(victim.pid, signal.SIGSTOP)
            assert lease.held()
            lease.release()
            assert not lease.held()
    finally:
        for process in (hog, victim):
            process.kill()
            process.wait()


def test_a_lease_leaves_somebody_elses_process_alone() -> None:
    """The process number was given to another process in the meantime."""
    nap = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    os.kill(nap.pid, signal.SIGSTOP)
    process = psutil.Process(nap.pid)
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    try:
        lease = StopLease("f", PROVINCE, nap.pid, born(process) - 1)
        assert not lease.held()
        lease.release()
        assert process.status() == psutil.STATUS_STOPPED
    finally:
        nap.kill()
        nap.wait()


@pytest.mark.usefixtures("long_leases")
@pytest.mark.parametrize(("kind", "system", "attributes"), APPLICATION_FAULTS)
def test_every_application_kind_bites_and_heals(
    site: Site,
    stack: Any,
    events: EventLog,
    record: Record,
    ledger: Ledger,
    kind: str,
    system: str,
    attributes: dict[str, int],
) -> None:
    stack.intake(stack.officer())
    life = Life(fault(kind, attributes, system), site=site, watchdog=ledger, events=events)
    assert prepared(life).apply(), record.events()
    assert list(ledger.leases) == [f"a {kind} on {system}"]
    life.heal()
    assert (life.proved, life.healed, life.gone, ledger.leases) == (True, True, True, {})
    assert names(record) == WHOLE_LIFE


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(("kind", "system", "attributes"), APPLICATION_FAULTS)
def test_an_application_kind_that_does_not_bite_is_unproved(
    site: Site,
    stack: Any,
    events: EventLog,
    record: Record,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    system: str,
    attributes: dict[str, int],
) -> None:
    """A system that takes the order without acting on it isn't believed."""
    stack.intake(stack.officer())
    monkeypatch.setattr(Control, "put", lambda *_: None)
    monkeypatch.setattr(Control, "has", lambda *_: "fault_healed" not in names(record) and not healing)
    healing: list[bool] = []
    life = Life(fault(kind, attributes, system, 0.5), site=site, watchdog=ledger, events=events)
    assert not life.apply()
    healing.append(True)
    life.heal()
    assert names(record)[:3] == ["fault_applied", "fault_read_back", "fault_unproved"]


def test_stale_reads_without_anything_new_are_unproved(
    site: Site, stack: Any, events: EventLog, record: Record, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has not changed within its age can't be stale."""
    stack.intake(stack.officer())
    real = time.time
    monkeypatch.setattr("faults.kinds.stale_reads.time.time", lambda: real() + 3600)
    life = Life(fault("stale-reads", {"age": 60}, duration=0.5), site=site, watchdog=ledger, events=events)
    assert not life.apply()
    life.heal()


def test_the_lease_of_a_fault_inside_a_system_is_renewed_while_it_is_on(
    site: Site, events: EventLog, record: Record, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is to outlive its first lease, and is renewed no more once somebody has ended it."""
    monkeypatch.setattr("faults.kinds.application.LEASE", 0.4)
    control = of_ours(site.addresses["national"], TOKEN, lease=60.0)
    monkeypatch.setattr("faults.kinds.application.of_ours", lambda *_: control)

    def end() -> float:
        """Return a moment before which the system doesn't end the fault by itself."""
        now = time.monotonic()
        return now + float(control.endpoint.ask("GET", "a%20maintenance-page").field("remaining"))

    life = Life(fault("maintenance-page", {}, "national", 60), site=site, watchdog=ledger, events=events)
    assert prepared(life).apply()
    last = time.monotonic() + 60.0  # of the first lease, or a later one
    eventually(lambda: end() > last + 1.0)
    lease = ledger.leases["a maintenance-page on national"]
    assert isinstance(lease, ControlLease)
    lease.release()
    time.sleep(0.3)
    assert not control.has("a maintenance-page")
    life.heal()
    assert names(record)[3:] == ["fault_released_early", "fault_healed", "fault_gone"]


def test_a_fault_inside_a_system_ends_by_itself(site: Site) -> None:
    """Nobody need be left to end it."""
    address = site.addresses["national"]
    control = of_ours(address, TOKEN, lease=2.0)

    def seen(http: httpx.Client) -> bool:
        """Switch it on and tell whether it is there, as it must be unless its lease has run out meanwhile."""
        began = time.monotonic()
        control.put("orphan", "maintenance-page", {"retry_after": 0})
        page = http.get(f"http://{address}/procedures")
        there = (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
        assert there or time.monotonic() - began > control.lease
        return there

    with httpx.Client(trust_env=False, timeout=PATIENT) as http:
        eventually(lambda: seen(http))
    eventually(lambda: ask(address, "GET", "/procedures").status == 200)
    assert not control.has("orphan")


def test_a_system_that_is_gone_holds_no_fault(tmp_path: Path) -> None:
    control = of_ours("127.0.0.1:1", TOKEN)
    assert not control.has("f")
    control.delete("f")


def test_a_wrong_token_opens_nothing(site: Site) -> None:
    with pytest.raises(ControlError, match="401"):
        of_ours(site.addresses["national"], "guess").put("f", "maintenance-page", {"retry_after": 0})


@pytest.mark.parametrize(
    ("kind", "system", "attributes", "says"),
    [
        ("stale-reads", "vneid", {"age": 60}, "stale-reads can't be inside vneid: only inside national, province"),
        ("lost-callback", "national", {"share": 50}, "only inside payment"),
        ("error-rate", "national", {"share": 1}, "out of range"),
        ("error-rate", "national", {}, "needs share"),
    ],
)
def test_a_kind_that_a_system_cannot_carry_is_named(
    kind: str, system: str, attributes: dict[str, int], says: str
) -> None:
    made = Fault(id="f", kind=kind, system=system, start=0, duration=4, attributes=attributes)  # type: ignore[arg-type]  # one of them
    assert any(says in problem for problem in validate(made))
