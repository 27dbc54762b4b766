"""Several workers, here and on other hosts: the same arrivals, and a lost share taken over.

Other hosts are network namespaces that the test makes: each worker has its own address on a bridge of its own.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import psutil
import pytest

from scenarios.schedule import due_times
from tests.conftest import COMMAND, LATER, SHORT, Running, changed, events, happened, members, thongsuot, wait_for
from tests.harness.plans import short_plan
from tests.harness.test_run import verdict

pytestmark = pytest.mark.slow


def rows(record: Path, query: str) -> list[tuple[Any, ...]]:
    """Query the sealed tables of a record; {} is its folder."""
    return duckdb.sql(query.format(record)).fetchall()


ARRIVALS = "SELECT arrival, round(intended, 6), journey, province, commune FROM '{}/arrivals.parquet' ORDER BY ALL"


def stall(record: Path) -> None:
    """Let a worker stand still from the beginning of the load on, for less time than after which it is lost."""
    wait_for(lambda: happened(record, "t0"), 60)
    (worker,) = [process for process in members(record) if "local-0" in process.cmdline()]
    worker.suspend()
    time.sleep(2.8)
    worker.resume()


@pytest.mark.timeout(300)
def test_one_two_and_four_workers_send_the_same_arrivals(tmp_path: Path, background: Callable[..., Running]) -> None:
    """Number, intended time, journey, province, commune of each depend neither on the workers nor on their stalls."""
    seen = []
    brief = changed("phases.surge.duration=2", "phases.recovery.duration=1", "faults=[]")
    for workers in (1, 2, 4):
        record = tmp_path / f"record-{workers}"
        running = background("run", SHORT, "--out", record, "--workers", workers, *brief)
        if workers < 4:
            stall(record)
        output, errors = running.process.communicate(timeout=110)
        assert running.process.returncode in (0, 1, 3), output + errors
        seen.append(rows(record, ARRIVALS))
        used = {worker for (worker,) in rows(record, "SELECT DISTINCT worker FROM '{}/arrivals.parquet'")}
        assert used == set(range(workers))
    assert seen[0] == seen[1] == seen[2]


def test_a_lost_share_is_taken_over_within_five_seconds(tmp_path: Path, background: Callable[..., Running]) -> None:
    """Of two workers one is killed: from five seconds later on the other sends the whole schedule; nothing is lost."""
    record = tmp_path / "record"
    longer = changed("phases.recovery.duration=10", "faults.cut-79.start=7", "faults.slow-01.start=7")
    running = background("run", SHORT, "--out", record, "--workers", 2, *longer)
    wait_for(lambda: happened(record, "fault_proved"), 60)
    killed = psutil.Process(next(p.pid for p in members(record) if "local-1" in p.cmdline()))
    killed.kill()
    moment = time.time()
    output, errors = running.process.communicate(timeout=110)
    assert running.process.returncode == 3, output + errors

    lost, divided = happened(record, "worker_lost"), happened(record, "shares_divided")
    assert lost is not None
    assert divided is not None
    assert lost["worker"] not in divided["workers"]
    assert len(divided["workers"]) == 1
    killed_at = moment - (divided["time"] - divided["t"])
    assert divided["start"] - killed_at < 5.0
    plan = short_plan("phases.recovery.duration=10")
    late = [number for number, due in enumerate(due_times(plan)) if due > killed_at + 5.0]
    sent = {arrival for (arrival,) in rows(record, "SELECT arrival FROM '{}/arrivals.parquet' WHERE outcome = 'ok'")}
    assert sent.issuperset(late)
    found = verdict(record)
    assert not found["integrity"]["lost"]
    assert any("worker" in reason for reason in found["reasons"])


def ip(*arguments: str) -> None:
    """Run one `ip` command; AssertionError with what it printed."""
    ended = subprocess.run(["ip", *arguments], check=False, capture_output=True, text=True)
    assert ended.returncode == 0, f"ip {' '.join(arguments)}: {ended.stderr.strip()}"


def can_make_namespaces() -> bool:
    return os.geteuid() == 0 and shutil.which("ip") is not None


class Hosts(NamedTuple):
    """Network namespaces that stand for other hosts, and the master's address on the bridge that joins them."""

    master: str
    names: list[str]


def free_subnet() -> int:
    """Take the first N whose bridge tsN isn't there yet: of several processes one alone can make it."""
    for subnet in range(256):
        taken = subprocess.run(["ip", "link", "add", f"ts{subnet}", "type", "bridge"], check=False, capture_output=True)
        if taken.returncode == 0:
            return subnet
    raise AssertionError("no bridge could be made: are there 256 already?")


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Make two network namespaces on a bridge and a subnet of their own.

    The kernel empties a namespace some time after its name is gone; our end of each pair is removed here, at once, so
    that whoever takes the subnet next finds its names free.
    """
    if not can_make_namespaces():
        assert os.environ.get("CI") != "true", "CI must be able to make network namespaces: root and iproute2"
        pytest.skip("network namespaces need root and iproute2")
    subnet = free_subnet()
    bridge, names = f"ts{subnet}", [f"ts{subnet}-1", f"ts{subnet}-2"]
    try:
        ip("addr", "add", f"10.87.{subnet}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number, name in enumerate(names, 2):
            ip("netns", "add", name)
            ip("link", "add", f"{name}v", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{name}v", "master", bridge, "up")
            ip("-n", name, "addr", "add", f"10.87.{subnet}.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        yield Hosts(f"10.87.{subnet}.1", names)
    finally:
        for name in names:
            subprocess.run(["ip", "link", "del", f"{name}v"], check=False, capture_output=True)
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)


class Distributed:
    """A run that waits for workers, and its workers in their namespaces."""

    def __init__(self, start: Callable[..., Running], record: Path, hosts: Hosts, duration: int, *changes: str) -> None:
        self.record = record
        options = changed(f"phases.recovery.duration={duration}", *changes)
        self.conductor = start("run", SHORT, "--out", record, "--expect-workers", 2, "--bind", hosts.master, *options)
        wait_for(lambda: happened(record, "stack_started"), 60)
        self.workers = [
            subprocess.Popen(
                ["ip", "netns", "exec", name, COMMAND, "worker", "--master", hosts.master, "--name", name],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            for name in hosts.names
        ]

    def end(self) -> tuple[int, str]:
        output, errors = self.conductor.process.communicate(timeout=110)
        return self.conductor.process.returncode, output + errors

    def close(self) -> None:
        for worker in self.workers:
            try:
                worker.communicate(timeout=40)
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.communicate()


def test_workers_on_other_hosts_send_and_deliver(
    tmp_path: Path, hosts: Hosts, background: Callable[..., Running]
) -> None:
    """Two workers with addresses of their own: pass, all rows delivered, clocks compared."""
    run = Distributed(background, tmp_path / "record", hosts, 6, *LATER)
    try:
        code, output = run.end()
    finally:
        run.close()
    assert code == 0, output
    assert [worker.returncode for worker in run.workers] == [0, 0]
    offsets = [event for event in events(run.record) if event["event"] == "clock_offset"]
    assert len(offsets) == 2
    assert all(abs(event["seconds"]) <= event["uncertainty"] + 0.005 for event in offsets)
    assert len(rows(run.record, ARRIVALS)) == verdict(run.record)["load"]["planned"]


def test_a_worker_that_is_killed_elsewhere_loses_no_acknowledgement(
    tmp_path: Path, hosts: Hosts, background: Callable[..., Running]
) -> None:
    """Its companion delivers what it had recorded; the other worker takes its share over."""
    run = Distributed(background, tmp_path / "record", hosts, 12, *LATER)
    try:
        wait_for(lambda: happened(run.record, "fault_proved"), 60)
        (child,) = [
            process
            for process in psutil.Process(run.workers[0].pid).children(recursive=True)
            if "scenarios.load" in process.cmdline()
        ]
        child.kill()
        code, output = run.end()
    finally:
        run.close()
    assert code == 3, output
    assert happened(run.record, "worker_lost")
    divided = happened(run.record, "shares_divided")
    assert divided is not None
    assert len(divided["workers"]) == 1
    integrity = verdict(run.record)["integrity"]
    assert not any(integrity[name] for name in ("lost", "phantom", "duplicated", "divergent", "regressed"))


def test_a_worker_that_is_cut_off_comes_back(tmp_path: Path, hosts: Hosts, background: Callable[..., Running]) -> None:
    """Cut off for some seconds its share is taken over; back again it gets a share, and delivers what it kept."""
    run = Distributed(background, tmp_path / "record", hosts, 14, "faults=[]")
    try:
        wait_for(lambda: any(event.get("phase") == "surge" for event in events(run.record)), 60)
        ip("-n", hosts.names[0], "link", "set", "eth0", "down")
        wait_for(lambda: happened(run.record, "worker_lost"), 60)
        ip("-n", hosts.names[0], "link", "set", "eth0", "up")
        wait_for(lambda: happened(run.record, "worker_back"), 60)
        code, output = run.end()
    finally:
        run.close()
    assert code in (1, 3), output
    divisions = [event["workers"] for event in events(run.record) if event["event"] == "shares_divided"]
    assert [len(workers) for workers in divisions] == [1, 2]
    integrity = verdict(run.record)["integrity"]
    assert not any(integrity[name] for name in ("lost", "phantom", "duplicated"))


def test_a_master_that_is_not_there_is_told() -> None:
    """One line, exit code 2, nothing left running."""
    ended = thongsuot("worker", "--master", "127.0.0.1:1")
    assert ended.returncode == 2
    assert "no master at 127.0.0.1:1" in ended.stderr


def test_another_version_and_a_second_worker_of_one_name_are_refused(
    tmp_path: Path, background: Callable[..., Running]
) -> None:
    """The master names the reason, and goes on waiting."""
    from harness.ports import free_ports

    port = next(free_ports())
    record = tmp_path / "record"
    background("run", SHORT, "--out", record, "--expect-workers", 2, "--bind", f"127.0.0.1:{port}")
    wait_for(lambda: happened(record, "stack_started"), 60)
    background("worker", "--master", f"127.0.0.1:{port}", "--name", "one")
    wait_for(lambda: happened(record, "worker_joined"), 60)
    twin = thongsuot("worker", "--master", f"127.0.0.1:{port}", "--name", "one")
    assert twin.returncode == 2
    assert "is there already" in twin.stderr
    program = (
        "import scenarios.version as v; v.fingerprint = lambda: 'other';"
        "import runpy; runpy.run_module('scenarios.load', run_name='__main__')"
    )
    arguments = ["worker", str(tmp_path), "--host", "127.0.0.1", "--port", str(port), "--name", "x"]
    with subprocess.Popen(
        [Path(COMMAND).parent / "python", "-c", program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.wait(60) == 2
        assert other.stdout is not None
        assert "install the same" in other.stdout.read()
