"""Whatever happens to the conductor, within 6 s the network is clean."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from faults import watchdog_client
from faults.leases import ProxyLease, born, lives
from faults.probe import probe
from faults.server import Server
from faults.toxiproxy import Proxies, ProxyError
from faults.watchdog import Watch, end_processes
from faults.watchdog_client import Watchdog, WatchdogError
from model.record import EventLog, Record
from tests.faults.conftest import PATIENT, eventually

CONDUCTOR = Path(__file__).with_name("conductor.py")
CLEAN_WITHIN = 6.0  # seconds
Start = Callable[..., tuple["subprocess.Popen[bytes]", dict[str, Any]]]


@pytest.fixture
def conduct(server: Server, proxies: Proxies, upstream: str, record: Record) -> Iterator[Start]:
    """Start a conductor; returns it once its faults are on, with what it says about itself."""
    started: list[subprocess.Popen[bytes]] = []
    dummies: list[tuple[int, float, bool]] = []

    def start(delete: str = "keep", lease: float = 60.0) -> tuple["subprocess.Popen[bytes]", dict[str, Any]]:
        arguments = [server.api, str(record.path("events.jsonl")), upstream, delete, str(lease)]
        command = [sys.executable, str(CONDUCTOR), *arguments]
        conductor = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(conductor)
        assert conductor.stdout
        said = json.loads(conductor.stdout.readline())
        dummies.extend((pid, born(psutil.Process(pid)), False) for pid in said["pids"])
        assert said["proved"] == [True, True]
        assert not all(state.clean for state in proxies.all().values())
        return conductor, said

    yield start
    for conductor in started:
        conductor.kill()
        conductor.communicate(timeout=60)
    end_processes(dummies)


def clean(proxies: Proxies) -> bool:
    return all(state.clean for state in proxies.all().values())


def names(record: Record) -> list[str]:
    return [event["event"] for event in record.events(growing=True)]


def test_a_killed_conductor_leaves_nothing_behind(conduct: Start, proxies: Proxies, record: Record) -> None:
    def cleaned_up() -> float:
        """Kill a conductor; return the seconds until nothing of it is left."""
        proxies.delete_all(proxies.all())
        conductor, said = conduct()
        conductor.kill()
        killed = time.monotonic()
        eventually(lambda: clean(proxies))
        eventually(lambda: not any(lives(pid) for pid in [*said["pids"], said["watchdog"]]))
        return time.monotonic() - killed

    assert any(cleaned_up() < CLEAN_WITHIN for _ in range(3))  # a machine that stands still delays one of them
    assert len(proxies.all()) == 3
    healed = [event for event in record.events(growing=True) if event["event"] == "fault_healed"]
    assert {(event["fault"], event["link"], event["by"]) for event in healed} == {
        ("slow", "a->b", "watchdog"),
        ("cut", "c->d", "watchdog"),
    }
    lost = next(event for event in record.events(growing=True) if event["event"] == "conductor_lost")
    assert lost["t"] > 0
    for state in proxies.all().values():
        seen = (probe(state.listen, PATIENT) for _ in range(10))
        assert any(one.ok and one.seconds < 0.15 for one in seen)


def test_our_proxies_are_deleted_from_a_server_that_is_not_ours(conduct: Start, proxies: Proxies) -> None:
    proxies.create("theirs", "127.0.0.1:1")
    proxies.set_enabled("theirs", False)
    conductor, said = conduct("delete")
    conductor.kill()
    eventually(lambda: list(proxies.all()) == ["theirs"])
    eventually(lambda: not lives(said["watchdog"]))
    assert not proxies.get("theirs").enabled


def test_a_stopped_conductor_loses_its_faults_and_may_go_on(conduct: Start, proxies: Proxies, record: Record) -> None:
    def cleaned() -> tuple["subprocess.Popen[bytes]", dict[str, Any], float]:
        """Stop a conductor; return it, what it said, and the seconds until the network was clean."""
        proxies.delete_all(proxies.all())
        conductor, said = conduct(lease=5.0)
        proxies.remove_toxic("e->f", "stray")
        before = time.monotonic()
        conductor.send_signal(signal.SIGSTOP)
        eventually(lambda: clean(proxies))
        return conductor, said, time.monotonic() - before

    conductor, said, took = cleaned()
    for _ in range(2):
        if not 4 < took < CLEAN_WITHIN:  # a machine that stands still hurries one of them, or delays it
            conductor.kill()
            eventually(lambda pid=said["watchdog"]: not lives(pid))
            conductor, said, took = cleaned()
    assert 4 < took < CLEAN_WITHIN
    assert "lease_expired" in names(record)
    assert all(lives(pid) for pid in said["pids"])
    conductor.send_signal(signal.SIGCONT)
    conductor.communicate(b"\n", timeout=60)
    assert conductor.returncode == 0
    assert names(record).count("fault_released_early") == names(record).count("fault_gone") == 2
    assert lives(said["pids"][0])


def test_a_conductor_that_ends_well_leaves_the_processes_alone(
    conduct: Start, proxies: Proxies, record: Record
) -> None:
    conductor, said = conduct()
    conductor.communicate(b"\n", timeout=60)
    eventually(lambda: not lives(said["watchdog"]))
    assert "conductor_lost" not in names(record)
    assert all(lives(pid) for pid in said["pids"])


@pytest.fixture
def watchdog(record: Record) -> Iterator[Watchdog]:
    watchdog = Watchdog.start(record.path("events.jsonl"), lease=0.3)
    yield watchdog
    watchdog.close()


def test_signals_of_the_terminal_do_not_end_it(watchdog: Watchdog) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(watchdog.pid, number)
    watchdog.set_t0(1.0)
    assert watchdog.alive()
    assert os.getsid(watchdog.pid) == watchdog.pid


def test_it_starts_quickly() -> None:
    """What it loads takes time of every run, and memory: nothing of the load's or the judge's."""
    code = "import sys, faults.watchdog; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"gevent", "locust", "duckdb", "docker", "httpx", "jinja2", "typer"} & {*loaded}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_a_watchdog_that_fails_is_replaced_by_one_that_knows_as_much(
    proxies: Proxies, upstream: str, record: Record, monkeypatch: pytest.MonkeyPatch, how: int
) -> None:
    """The conductor notices, the record says so, and a stalled conductor's fault is healed by the new one."""
    proxies.create("a->b", upstream)
    watchdog = Watchdog.start(record.path("events.jsonl"), lease=4.0)
    watchdog.set_t0(time.monotonic())
    watchdog.register(ProxyLease("cut", "a->b", proxies, None))
    watchdog.register(ProxyLease("over", "a->b", proxies, "fault-over"))
    watchdog.done("over on a->b")
    proxies.set_enabled("a->b", False)
    first = watchdog.pid
    os.kill(first, how)
    monkeypatch.setattr(watchdog_client, "ANSWER", 1.0)
    eventually(lambda: "watchdog_started" in names(record), 60)
    assert watchdog.pid != first
    assert not lives(first)
    monkeypatch.setattr(watchdog, "_tell", lambda *_, **__: time.sleep(0.1))
    eventually(lambda: clean(proxies))
    lost = next(event for event in record.events(growing=True) if event["event"] == "watchdog_lost")
    expired = [event for event in record.events(growing=True) if event["event"] == "lease_expired"][-1]
    assert (lost["pid"], expired["faults"]) == (first, ["cut"])
    assert lost["t"] is not None
    monkeypatch.undo()
    watchdog.close()


def test_a_watchdog_that_cannot_be_replaced_takes_no_lease(
    watchdog: Watchdog, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    os.kill(watchdog.pid, signal.SIGKILL)
    eventually(lambda: not watchdog.alive())
    with pytest.raises(WatchdogError, match="didn't come up"):
        watchdog.register(ProxyLease("f", "a->b", Proxies("http://127.0.0.1:1"), None))


def test_a_watchdog_that_was_told_a_part_only_is_not_relied_on(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang() -> None:
        raise TimeoutError("no answer within 6 s")

    watchdog = Watchdog.start(record.path("events.jsonl"), lease=60.0)
    with watchdog._lock:  # no heartbeat in between
        with monkeypatch.context() as hanging:
            hanging.setattr(watchdog, "_repeat", hang)
            with pytest.raises(WatchdogError, match="didn't come up: no answer"):
                watchdog._replace("it has ended")
        half_told = watchdog.pid
        watchdog.register(ProxyLease("f", "a->b", Proxies("http://127.0.0.1:1"), None))
        assert watchdog.pid != half_told
    watchdog.close()
    assert names(record) == ["watchdog_lost", "watchdog_lost", "watchdog_started"]


def test_a_hung_server_that_is_not_ours_is_healed_when_it_answers_again(
    server: Server, proxies: Proxies, upstream: str, record: Record
) -> None:
    """Healing goes on after the conductor's death for as long as it takes, up to 30 s."""
    proxies.create("a->b", upstream)
    proxies.set_enabled("a->b", False)
    assert server.process
    code = (
        "import os, sys; from pathlib import Path; from faults.leases import ProxyLease;"
        "from faults.toxiproxy import Proxies; from faults.watchdog_client import Watchdog;"
        "w = Watchdog.start(Path(sys.argv[1])); w.watch_api(sys.argv[2], ['c->d']);"
        "w.register(ProxyLease('f', 'a->b', Proxies(sys.argv[2]), None)); print(w.pid, flush=True);"
        "os.kill(int(sys.argv[3]), 19); os._exit(1)"
    )
    command = [sys.executable, "-c", code, str(record.path("events.jsonl")), server.api, str(server.process.pid)]
    watchdog = int(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)
    try:
        eventually(lambda: "conductor_lost" in names(record))
        time.sleep(4)
    finally:
        server.process.send_signal(signal.SIGCONT)
    eventually(lambda: proxies.get("a->b").enabled)
    eventually(lambda: "fault_healed" in names(record))
    eventually(lambda: not lives(watchdog))  # and deletes nothing of the next test's


def test_healing_that_fails_is_written_down(record: Record) -> None:
    """A server that is gone when the conductor dies isn't passed over in silence."""
    code = (
        "import os, sys; from pathlib import Path; from faults.leases import ProxyLease;"
        "from faults.toxiproxy import Proxies; from faults.watchdog_client import Watchdog;"
        "w = Watchdog.start(Path(sys.argv[1]));"
        "w.register(ProxyLease('f', 'a->b', Proxies('http://127.0.0.1:1'), None)); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(record.path("events.jsonl"))], check=False)
    eventually(lambda: "fault_heal_failed" in names(record))
    failed = next(event for event in record.events(growing=True) if event["event"] == "fault_heal_failed")
    assert failed["link"] == "a->b"
    assert failed["by_hand"].startswith("curl ")


@dataclass(frozen=True, slots=True)
class Fickle(ProxyLease):
    """A change whose first release works, though its answer is lost."""

    on: list[bool] = field(default_factory=lambda: [True])

    def held(self) -> bool:
        return self.on[0]

    def release(self) -> None:
        was, self.on[0] = self.on[0], False
        if was:
            raise ProxyError("no answer within 1 s")


def test_a_release_whose_answer_is_lost_is_written_down_all_the_same(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faults.watchdog.PATIENCE", 30.0)
    monkeypatch.setattr("faults.watchdog.decode", lambda *_: Fickle("f", "a->b", Proxies("http://127.0.0.1:1"), None))
    events = EventLog(record.path("events.jsonl"))
    watching = Watch(events, lease=1.0)
    watching.take({"message": "lease"})
    watching.expire()
    events.close()
    assert names(record) == ["lease_expired", "fault_healed"]


def test_a_recycled_pid_is_never_hit() -> None:
    """A process whose creation time isn't the one that was registered is somebody else's."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    created = born(psutil.Process(process.pid))
    end_processes([(process.pid, created - 1, False)])
    assert process.poll() is None
    end_processes([(process.pid, created, False)])
    eventually(lambda: process.poll() is not None)


def test_orphans_of_a_session_are_ended() -> None:
    """A child whose parent has died already still belongs to the session that was registered."""
    code = (
        "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    created = born(psutil.Process(parent.pid))
    assert parent.stdout
    orphan = int(parent.stdout.readline())
    parent.wait(60)
    parent.stdout.close()
    assert lives(orphan)
    end_processes([(parent.pid, created, True)])
    eventually(lambda: not lives(orphan))
