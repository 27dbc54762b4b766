"""A lease travels to the watchdog as a message, and undoes there what it undoes here."""

import json
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from faults.control import Control, Endpoint, of_ours
from faults.leases import ControlLease, Lease, LimitLease, ProxyLease, StopLease, born, decode, lives, stop_lease
from faults.toxiproxy import Proxies
from tests.faults.conftest import eventually

NO_PROXIES = Proxies("http://127.0.0.1:1")
LEASES = [
    ProxyLease("f", "a->b", NO_PROXIES, None),
    ProxyLease("f", "a->b", NO_PROXIES, "fault-f"),
    StopLease("f", "province:01", 12, 3.25),
    LimitLease("f", "province:01", 12, 3.25, (-1, 4096), 0),
    ControlLease("f", "province:01", of_ours("127.0.0.1:1", "t")),
    ControlLease("f", "national", Control(Endpoint("127.0.0.1:1", "a.vn", "/f/", True, "/ca.pem", {"X-Key": "t"}))),
]


@pytest.fixture
def nap() -> Iterator[psutil.Process]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.mark.parametrize("lease", LEASES, ids=lambda lease: type(lease).__name__)
def test_a_lease_is_the_same_after_its_journey(lease: Lease) -> None:
    message = json.loads(json.dumps(lease.as_message()))
    assert decode(message, lambda api: NO_PROXIES) == lease
    assert lease.by_hand
    assert "\n" not in lease.by_hand


def test_a_fault_holds_one_lease_per_target() -> None:
    """Leases of one fault on two links are told apart."""
    assert len({ProxyLease("f", link, NO_PROXIES, None).key for link in ("a->b", "c->d")}) == 2


def test_a_message_of_an_unknown_lease_is_refused() -> None:
    with pytest.raises(ValueError, match="no lease 'magic'"):
        decode({"lease": "magic", "fault": "f", "target": "a->b"}, Proxies)


def test_a_limit_is_given_back(nap: psutil.Process) -> None:
    """Twice is fine."""
    before = nap.rlimit(psutil.RLIMIT_AS)
    lease = LimitLease("f", "province:01", nap.pid, born(nap), (before[0], before[1]), 0)
    nap.rlimit(psutil.RLIMIT_AS, (1 << 30, before[1]))
    assert lease.held()
    for _ in range(2):
        lease.release()
        assert not lease.held()
    assert nap.rlimit(psutil.RLIMIT_AS) == before


def test_a_clock_that_is_set_changes_no_lease(nap: psutil.Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a process began is told from the machine's start, which a new wall clock moves as well."""
    lease = stop_lease("f", "province:01", nap.pid)
    boot_time = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot_time + 7)
    assert psutil.Process(nap.pid).create_time() != pytest.approx(lease.created + boot_time, abs=1)
    assert lease.process() == nap


def test_a_process_that_has_ended_holds_nothing(nap: psutil.Process) -> None:
    leases = [
        StopLease("f", "province:01", nap.pid, born(nap)),
        LimitLease("f", "province:01", nap.pid, born(nap), (-1, -1), 0),
    ]
    nap.kill()
    nap.wait()
    for lease in leases:
        lease.release()
        assert not lease.held()


def test_a_process_whose_first_thread_has_ended_lives_no_more_though_it_has_not_ended() -> None:
    """Nothing is held by it, and it doesn't run: whoever looks at both isn't told that somebody else released it."""
    source = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    process = subprocess.Popen([sys.executable, "-c", source])
    try:
        lease = LimitLease("f", "province:01", process.pid, born(psutil.Process(process.pid)), (-1, -1), 0)
        eventually(lambda: not lives(process.pid))
        assert process.poll() is None
        assert not lease.held()
    finally:
        process.kill()
        process.wait()
    assert not lives(process.pid)
