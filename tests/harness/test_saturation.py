"""A generator that can't keep up proves nothing; a system that is down fails."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from tests.conftest import SHORT, Running, changed, happened, members, wait_for
from tests.harness.test_run import verdict

pytestmark = pytest.mark.slow


def limit(process: psutil.Process, share: float, over: Event) -> None:
    """Let a process run for a share of the time only, as cpulimit does."""
    with suppress(psutil.NoSuchProcess):
        while not over.is_set():
            process.suspend()
            time.sleep(0.4 * (1 - share))
            process.resume()
            time.sleep(0.4 * share)


def test_a_starved_generator_is_inconclusive(tmp_path: Path, background: Callable[..., Running]) -> None:
    """With a tenth of its processor time the worker is late: not the system's fault, and the reason says so."""
    record = tmp_path / "record"
    running = background("run", SHORT, "--out", record, "--set", "limits.late_p99=0.1")
    wait_for(lambda: happened(record, "t0"), 60)
    (worker,) = [process for process in members(record) if "local-0" in process.cmdline()]
    over = Event()
    thread = Thread(target=limit, args=(worker, 0.1, over))
    thread.start()
    try:
        output, errors = running.process.communicate(timeout=110)
    finally:
        over.set()
        thread.join()
    assert running.process.returncode == 3, output + errors
    assert any("lateness p99" in reason and "add a worker" in reason for reason in verdict(record)["reasons"])


def test_a_total_outage_fails(tmp_path: Path, background: Callable[..., Running]) -> None:
    """Every system stands still, without any fault of ours: the run fails, although arrivals are cut off."""
    record = tmp_path / "record"
    changes = ["load.request_timeout=1.5", "load.grace=3", "drain.timeout=1", "faults=[]"]
    running = background("run", SHORT, "--out", record, *changed(*changes))
    wait_for(lambda: happened(record, "phase_started"), 60)
    systems = [process for process in members(record) if "mocks.serve" in process.cmdline()]
    for system in systems:
        system.suspend()
    output, errors = running.process.communicate(timeout=115)
    assert running.process.returncode == 1, output + errors
