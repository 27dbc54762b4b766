"""The conductor's own guard: no probe of a fault leaves that the targets file doesn't allow."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from faults.kinds.base import FaultError, Site
from faults.life import Life
from faults.probe import Measurement, Question, probe
from faults.server import start
from faults.toxiproxy import Proxies
from harness.gate import Gate
from model.plan import Fault, Plan
from model.record import EventLog, Record
from model.targets import Targets, Window
from tests.faults.test_life import Ledger, names
from tests.scenarios.outside import DAY, NOW, counting, plan, targets

LINK = "citizen->national"
SLOW = Fault(id="slow", kind="latency", link=LINK, start=0, duration=2, attributes={"latency": 100})


class Load:
    """Is told why nothing may leave."""

    def __init__(self) -> None:
        self.forbidden = ""

    def forbid(self, reason: str) -> None:
        self.forbidden = reason


def broken(allowed: Targets) -> Plan:
    return msgspec.structs.replace(plan(allowed), faults=(SLOW,))


@pytest.fixture
def proxies(tmp_path: Path) -> Iterator[Proxies]:
    server = start("embedded", tmp_path / "toxiproxy.log")
    yield Proxies(server.api, 30.0)
    server.stop()


@pytest.fixture
def record(tmp_path: Path) -> Record:
    (tmp_path / "record").mkdir()
    return Record(tmp_path / "record")


def life(proxies: Proxies, gate: Gate, record: Record) -> Life:
    site = Site(proxies, questions={LINK: Question("/a")}, admit=gate.admit)
    return Life(SLOW, site=site, watchdog=Ledger(), events=EventLog(record.path("events.jsonl"), time.monotonic()))


def patient(address: str, _: float, **more: Any) -> Measurement:
    """Probe until the reply has come: no request is on its way when the probe is over."""
    return probe(address, 30.0, **more)


def test_no_probe_leaves_once_the_kill_switch_is_there(
    tmp_path: Path, proxies: Proxies, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The healthy link was measured; after that nothing is asked any more, the fault is healed, and the load told."""
    monkeypatch.setattr("faults.kinds.base.probe", patient)
    load = Load()
    with counting() as (where, heads):
        gate = Gate(broken(targets(f"http://{where}", tmp_path)), load)
        proxies.create_all({LINK: where})
        slow = life(proxies, gate, record)
        slow.prepare()
        before = len(heads)
        assert before > 0
        (tmp_path / "STOP").touch()
        assert not slow.apply()
        slow.heal()
        assert len(heads) == before
    assert load.forbidden == f"guard: the kill switch is there: {tmp_path / 'STOP'}"
    assert slow.healed
    assert names(record) == ["fault_applied", "fault_read_back", "fault_unproved", "fault_healed", "fault_not_gone"]


@pytest.mark.parametrize(
    ("start_", "end", "why"),
    [(NOW + DAY, NOW + 2 * DAY, "the window hasn't begun"), (NOW - 2 * DAY, NOW - DAY, "the window is over")],
)
def test_no_probe_leaves_outside_the_window(
    tmp_path: Path, proxies: Proxies, record: Record, start_: Any, end: Any, why: str
) -> None:
    """Neither to prove the fault, nor to prove that it is gone."""
    load = Load()
    with counting() as (where, heads):
        allowed = targets(f"http://{where}", tmp_path, window=Window(start=start_, end=end))
        proxies.create_all({LINK: where})
        slow = life(proxies, Gate(broken(allowed), load), record)
        assert not slow.apply()
        slow.heal()
    assert (heads, load.forbidden) == ([], f"guard: {why}")


def test_no_probe_leaves_when_the_load_was_ended(tmp_path: Path) -> None:
    """What a worker's guard has found counts for proofs, too, and is told once."""
    load = Load()
    load.forbidden = "guard: a redirect leads outside the declared hosts"
    gate = Gate(broken(targets("http://127.0.0.1:9", tmp_path)), load)
    with pytest.raises(FaultError, match=r"^guard: a redirect leads outside the declared hosts$"):
        gate.admit(LINK)


def test_a_name_that_changes_its_address_ends_the_proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked up again; one that doesn't resolve at the moment is no reason."""
    answers: list[Any] = [["127.0.0.1"], OSError("no answer"), ["127.0.0.1", "127.0.0.2"]]

    def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]

    monkeypatch.setattr("harness.gate.LOOK_UP", 0.0)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    gate = Gate(broken(targets("http://staging.example.vn:80", tmp_path)), Load())
    gate.admit(LINK)
    gate.admit(LINK)
    with pytest.raises(FaultError, match=r"^guard: staging.example.vn leads to 127.0.0.2, which the targets file"):
        gate.admit(LINK)


def test_probes_keep_to_the_rate_that_is_reserved_for_them(tmp_path: Path) -> None:
    """Ten a second at each link: what the load's own rate is lowered by."""
    gate = Gate(broken(targets("http://127.0.0.1:9", tmp_path)), Load())
    began = time.monotonic()
    for _ in range(21):
        gate.admit(LINK)
    assert time.monotonic() - began >= 2.0
