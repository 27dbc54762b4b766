"""The life of a fault of every kind, on both servers: it bites, it heals, and lies are found out."""

import os
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any

import pytest

from faults.catalogue import KINDS, validate
from faults.kinds.base import FaultError, Site
from faults.leases import Lease, ProxyLease
from faults.life import HealFailed, Life
from faults.part import Part
from faults.probe import Measurement, probe
from faults.toxiproxy import Proxies, ProxyError, ToxicState
from faults.watchdog_client import WatchdogError
from harness.ports import free_ports
from model.plan import Fault
from model.record import EventLog, Record
from tests.faults.calm import prepared
from tests.faults.conftest import PATIENT, Healthz, Upstream, eventually

LINK = "citizen->province:01"
LINK_FAULTS = [
    ("noop", {}),
    ("latency", {"latency": 300}),
    ("latency", {"latency": 600, "jitter": 100}),
    ("timeout", {}),
    ("timeout", {"timeout": 200}),
    ("reset_peer", {"timeout": 50}),
    ("bandwidth", {"rate": 400}),
    ("slicer", {"average_size": 100, "size_variation": 20, "delay": 10_000}),
    ("limit_data", {"bytes": 300}),
    ("slow-accept", {"latency": 300}),
    ("brownout", {"latency": 600, "growth": 24_000, "steps": 20}),
    ("flap", {"period": 400, "duty": 50}),
    ("down", {}),
]
SHORT_BROWNOUT = {"latency": 300, "growth": 1300, "steps": 2}
TOXICITY = [
    ("latency", {"latency": 300, "toxicity": 40}),
    ("reset_peer", {"toxicity": 40}),
]


class Ledger:
    """A watchdog that only remembers its leases."""

    def __init__(self) -> None:
        self.leases: dict[str, Lease] = {}
        self.seen: list[str] = []

    def register(self, lease: Lease) -> None:
        self.leases[lease.key] = lease
        self.seen.append(lease.fault)

    def done(self, key: str) -> None:
        self.leases.pop(key, None)


class NoWatchdog:
    def register(self, lease: Lease) -> None:
        raise WatchdogError("it has ended")

    def done(self, key: str) -> None:
        raise WatchdogError("it has ended")


class Harmless(Proxies):
    """Says that it adds toxics, and adds none."""

    def add_toxic(self, proxy: str, name: str, kind: str, stream: str, *_: Any, **__: Any) -> ToxicState:
        """Add what bites where nothing is expected to, and nothing where something is."""
        if kind == "noop":
            return super().add_toxic(proxy, name, "latency", stream, {"latency": 300})
        return super().add_toxic(proxy, name, "noop", stream, {})

    def update_toxic(self, proxy: str, name: str, attributes: Any) -> ToxicState:
        return self.get(proxy).toxics[0]

    def set_enabled(self, proxy: str, enabled: bool) -> None:
        """Do nothing."""


def fault(kind: str, attributes: dict[str, int] | None = None, **more: Any) -> Fault:
    if not more.keys() & {"links", "system"}:
        more.setdefault("link", LINK)
    more.setdefault("duration", 30.0)
    made = Fault(id=f"{kind}/1", kind=kind, start=0, attributes=attributes or {}, **more)  # type: ignore[arg-type]
    assert validate(made) == []
    return made


def names(record: Record) -> list[str]:
    return [event["event"] for event in record.events(growing=True)]


@pytest.fixture
def address(proxies: Proxies, upstream: str) -> str:
    return proxies.create(LINK, upstream)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.mark.parametrize("stream", ["downstream", "upstream"])
@pytest.mark.parametrize(("kind", "attributes"), LINK_FAULTS + TOXICITY)
def test_every_kind_bites_and_heals(
    proxies: Proxies,
    address: str,
    events: EventLog,
    record: Record,
    ledger: Ledger,
    kind: str,
    attributes: dict[str, int],
    stream: str,
) -> None:
    life = Life(fault(kind, attributes, stream=stream), site=Site(proxies), watchdog=ledger, events=events)
    assert prepared(life).apply()
    assert list(ledger.leases) == [f"{kind}/1 on {LINK}"]
    if kind != "flap":
        assert not proxies.get(LINK).clean
    life.heal()
    assert proxies.get(LINK).clean
    assert (life.proved, life.healed, life.gone, ledger.leases) == (True, True, True, {})
    assert names(record) == ["fault_applied", "fault_read_back", "fault_proved", "fault_healed", "fault_gone"]
    assert {(event["fault"], event["link"]) for event in record.events()} == {(f"{kind}/1", LINK)}
    assert probe(address, PATIENT).ok


def test_a_latency_is_measured_on_the_link(
    proxies: Proxies, address: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    """The proof says how long a reply took, before the fault and under it."""

    def undelayed() -> bool:
        """Let the fault live once; tell whether the machine delayed nothing of it."""
        made = fault("latency", {"latency": 700}, duration=12.0)
        life = Life(made, site=Site(proxies), watchdog=ledger, events=events)
        life.apply()
        life.heal()
        if not (life.proved and life.gone):
            return False
        proved, gone = (
            [e["measured"] for e in record.events() if e["event"] == n][-1] for n in ("fault_proved", "fault_gone")
        )
        assert proved["seconds"] >= 0.699  # the embedded server counts milliseconds
        assert proved["expected_seconds"] == 0.7
        return proved["healthy_seconds"] < 0.2 and proved["seconds"] < 1.2 and gone["seconds"] < 0.2

    assert any(undelayed() for _ in range(5))  # a busy machine delays some of them


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("server", ["embedded"], indirect=True)
@pytest.mark.parametrize(("kind", "attributes"), LINK_FAULTS)
def test_a_fault_that_does_not_bite_is_unproved(
    server: Any,
    proxies: Proxies,
    address: str,
    events: EventLog,
    record: Record,
    ledger: Ledger,
    kind: str,
    attributes: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that takes the change without acting on it isn't believed, not even when it reads back well."""
    monkeypatch.setattr(ProxyLease, "held", lambda self: bool(names(record)) and not life_over[0])
    life_over = [False]
    duration = {"flap": 1.3, "brownout": 1.6, "slicer": 1.8}.get(kind, 1.1)
    made = fault(kind, SHORT_BROWNOUT if kind == "brownout" else attributes, duration=duration)
    life = Life(made, site=Site(Harmless(server.api, PATIENT)), watchdog=ledger, events=events)
    assert not prepared(life).apply()
    assert names(record) == ["fault_applied", "fault_read_back", "fault_unproved"]
    life_over[0] = True
    life.heal()
    assert not life.proved


def test_a_change_that_does_not_read_back_is_unproved(
    server: Any, proxies: Proxies, address: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    life = Life(fault("down"), site=Site(Harmless(server.api, PATIENT)), watchdog=ledger, events=events)
    assert not life.apply()
    assert names(record) == ["fault_applied", "fault_unproved"]
    assert "reads back" in record.events()[1]["reason"]
    life.heal()
    assert proxies.get(LINK).clean


def test_a_link_that_was_broken_before_proves_nothing(
    proxies: Proxies, events: EventLog, record: Record, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no whole reply came before the fault, its absence under the fault isn't the fault's doing."""
    monkeypatch.setattr("faults.part.GONE_PATIENCE", 0.3)
    proxies.create(LINK, "127.0.0.1:1")
    life = Life(fault("timeout", duration=1.1), site=Site(proxies), watchdog=ledger, events=events)
    assert not life.apply()
    life.heal()
    assert proxies.get(LINK).clean
    assert names(record)[-1] == "fault_not_gone"


def test_a_target_that_stood_still_for_a_moment_is_measured_again(
    proxies: Proxies, address: str, events: EventLog, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One silence isn't its health: the fault is proved all the same."""
    looks: list[float] = []
    measure = Part._measure

    def first_silent(part: Part, seconds: float) -> Measurement | None:
        looks.append(seconds)
        return Measurement("silent", seconds, 0) if len(looks) == 1 else measure(part, PATIENT)

    monkeypatch.setattr(Part, "_measure", first_silent)
    life = Life(fault("down"), site=Site(proxies), watchdog=ledger, events=events)
    assert life.apply()
    assert len(looks) == 2
    life.heal()


def test_healing_is_idempotent(
    proxies: Proxies, address: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    life = Life(fault("down"), site=Site(proxies), watchdog=ledger, events=events)
    life.apply()
    threads = [Thread(target=life.heal) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    life.heal()
    assert names(record).count("fault_healed") == names(record).count("fault_gone") == 1


def test_a_fault_that_is_healed_before_it_is_due_is_never_applied(
    proxies: Proxies, address: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    life = Life(fault("down"), site=Site(proxies), watchdog=ledger, events=events)
    life.heal()
    assert not life.apply()
    assert proxies.get(LINK).clean
    assert names(record) == ["fault_unproved"]
    assert ledger.seen == []


def test_healing_while_it_is_proved_ends_the_proof(
    proxies: Proxies, address: str, events: EventLog, record: Record, ledger: Ledger
) -> None:
    """Ctrl-C doesn't wait for a proof of 30 s."""
    life = Life(
        fault("latency", {"latency": 30_000}, duration=60.0), site=Site(proxies), watchdog=ledger, events=events
    )
    thread = Thread(target=life.apply)
    thread.start()
    eventually(lambda: "fault_read_back" in names(record))
    start = time.monotonic()
    life.heal()
    thread.join(PATIENT)
    assert not thread.is_alive()
    assert time.monotonic() - start < 25
    assert proxies.get(LINK).clean
    assert (life.proved, life.healed, life.gone) == (False, True, True)
    assert "fault_unproved" in names(record)


@pytest.mark.parametrize("kind", ["latency", "down"])
def test_a_fault_that_somebody_else_healed_was_released_early(
    proxies: Proxies, address: str, events: EventLog, record: Record, ledger: Ledger, kind: str
) -> None:
    attributes = {"latency": 100} if kind == "latency" else {}
    life = Life(fault(kind, attributes), site=Site(proxies), watchdog=ledger, events=events)
    life.apply()
    ledger.leases[f"{kind}/1 on {LINK}"].release()
    life.heal()
    assert names(record)[3:] == ["fault_released_early", "fault_healed", "fault_gone"]


def test_without_a_watchdog_nothing_is_applied(
    proxies: Proxies, address: str, events: EventLog, record: Record
) -> None:
    life = Life(fault("down"), site=Site(proxies), watchdog=NoWatchdog(), events=events)
    assert not life.apply()
    assert proxies.get(LINK).clean
    life.heal()
    assert names(record) == ["fault_unproved"]


def test_healing_that_fails_names_the_command_that_does_it(
    proxies: Proxies,
    address: str,
    events: EventLog,
    record: Record,
    ledger: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("faults.part.HEAL_PATIENCE", 0.3)
    life = Life(fault("latency", {"latency": 100}), site=Site(proxies), watchdog=ledger, events=events)
    life.apply()
    with monkeypatch.context() as broken:
        broken.setattr(proxies, "remove_toxic", _refuse)
        with pytest.raises(HealFailed, match=r"curl -X DELETE 'http://.*/citizen-%3Eprovince%3A01/toxics/fault-"):
            life.heal()
    assert list(ledger.leases) == [f"latency/1 on {LINK}"]
    assert names(record)[-1] == "fault_heal_failed"
    life.heal()
    assert proxies.get(LINK).clean
    assert life.gone


def _refuse(*_: object) -> None:
    raise ProxyError("no")


class OneProcess:
    """The process of one system, played by a server in a thread."""

    def __init__(self) -> None:
        self.server: Upstream | None = None
        self.port = next(free_ports())  # nobody else gets it while the process is dead
        self.restart("province:01")

    def kill(self, system: str) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None

    def restart(self, system: str) -> None:
        self.server = Upstream(("127.0.0.1", self.port), Healthz)
        Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def is_running(self, system: str) -> bool:
        return self.server is not None

    def pid(self, system: str) -> int:
        return os.getpid()


@pytest.fixture
def process() -> Iterator[OneProcess]:
    process = OneProcess()
    yield process
    process.kill("")


NO_PROXIES = Proxies("http://127.0.0.1:1")
KILL = fault("kill", link=None, system="province:01")


def test_a_killed_system_is_refused_and_comes_back(
    events: EventLog, record: Record, ledger: Ledger, process: OneProcess
) -> None:
    life = Life(
        KILL,
        site=Site(NO_PROXIES, process, {"province:01": f"127.0.0.1:{process.port}"}),
        watchdog=ledger,
        events=events,
    )
    assert prepared(life).apply()
    assert not process.is_running("province:01")
    life.heal()
    assert process.is_running("province:01")
    assert names(record) == ["fault_applied", "fault_read_back", "fault_proved", "fault_healed", "fault_gone"]
    assert record.events()[0]["system"] == "province:01"
    assert ledger.seen == []


@pytest.mark.parametrize(("silence", "proves"), [(0.001, False), (0.3, False), (0.7, True)])
def test_a_kill_is_proved_by_silence_that_lasts(silence: float, proves: bool) -> None:
    """Longer than a probe's that was cut off when the fault was over, and than a whole reply took before."""
    healthy = Measurement("ok", 0.2, 150)
    assert KINDS["kill"](KILL, Site(NO_PROXIES)).bites(Measurement("silent", silence, 0), healthy) is proves


def test_a_system_that_is_not_ours_is_not_killed(
    events: EventLog, record: Record, ledger: Ledger, process: OneProcess
) -> None:
    life = Life(
        KILL,
        site=Site(NO_PROXIES, None, {"province:01": f"127.0.0.1:{process.port}"}),
        watchdog=ledger,
        events=events,
    )
    assert not life.apply()
    assert "isn't ours" in record.events()[0]["reason"]


def test_the_table_names_every_kind_as_its_class_does() -> None:
    assert {name: kind.name for name, kind in KINDS.items()} == {name: name for name in KINDS}
    assert all(kind.summary for kind in KINDS.values())


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"kind": "latency"}, "needs latency"),
        ({"kind": "latency", "attributes": {"latency": 5}}, "latency = 5 of latency is out of range: 10 to 60000 ms"),
        ({"kind": "latency", "attributes": {"latency": 100, "delay": 1}}, "no attribute 'delay'"),
        ({"kind": "latency", "attributes": {"latency": 100, "jitter": 60}}, "jitter = 60 ms is more than half"),
        ({"kind": "latency", "attributes": {"latency": 6000}}, "doesn't fit into a duration of 4 s"),
        ({"kind": "reset_peer", "attributes": {"timeout": 4000}}, "doesn't fit"),
        ({"kind": "timeout", "duration": 0.5}, "too short"),
        ({"kind": "bandwidth", "attributes": {"rate": 1}, "duration": 1.0}, "too short"),
        ({"kind": "bandwidth", "attributes": {"rate": 0}}, "out of range"),
        ({"kind": "down", "link": None}, "breaks a link: give link"),
        ({"kind": "down", "system": "national"}, "breaks a link, not a system"),
        ({"kind": "kill"}, "breaks a system: give system"),
        ({"kind": "partition"}, "this is one"),
        ({"kind": "flap", "attributes": {"period": 3000}}, "less than twice"),
        ({"kind": "brownout", "attributes": {"latency": 500, "growth": 5000}}, "longer than the duration"),
        ({"kind": "brownout", "attributes": {"latency": 500, "growth": 3000}}, "shorter than twice latency"),
        ({"kind": "brownout", "attributes": {"latency": 100, "growth": 4000, "steps": 10}}, "can't be proved"),
        ({"kind": "slow_close", "attributes": {"delay": 100}, "stream": "upstream"}, "shows at the system only"),
        ({"kind": "slow_close", "attributes": {"delay": 4000}}, "doesn't fit"),
        ({"kind": "slicer", "attributes": {"average_size": 10, "size_variation": 6}}, "more than half"),
        ({"kind": "slicer", "attributes": {"average_size": 100_000, "delay": 100}}, "too short for pieces"),
        ({"kind": "slicer", "attributes": {"average_size": 1, "delay": 100_000}}, "duration = 4 s is too short"),
        ({"kind": "limit_data", "attributes": {"bytes": 0}}, "out of range"),
        ({"kind": "latency", "attributes": {"latency": 100, "toxicity": 0}}, "out of range"),
        ({"kind": "restart", "link": None, "system": "vneid", "attributes": {"pause": 5000}}, "doesn't fit"),
        ({"kind": "pause", "link": None, "system": "vneid", "duration": 0.5}, "too short"),
        (
            {"kind": "cpu-limit", "link": None, "system": "vneid", "attributes": {"share": 80, "period": 200}},
            "50 ms at least",
        ),
    ],
)
def test_attributes_that_make_no_sense_are_named(wrong: dict[str, Any], says: str) -> None:
    made = Fault(**{"id": "f", "link": LINK, "start": 0, "duration": 4.0, **wrong})
    problems = validate(made)
    assert any(says in problem for problem in problems), problems


def test_a_probe_tells_an_error_from_a_whole_reply() -> None:
    class Broken(Healthz):
        def do_GET(self) -> None:
            BaseHTTPRequestHandler.send_error(self, 503)

    with Upstream(("127.0.0.1", 0), Broken) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        assert probe(f"127.0.0.1:{server.server_address[1]}", PATIENT).outcome == "error"
        server.shutdown()


def test_a_fault_error_is_one_line() -> None:
    assert "\n" not in str(FaultError("a"))
