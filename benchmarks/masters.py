"""Measures a real master that serves simulated workers; see `benchmarks.swarm`."""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import PATIENCE, SERVER_CORE, WARM_UP, Failed, running
from harness.ports import free_ports
from model.plan import Plan
from model.record import Record


@dataclass(frozen=True, slots=True)
class Mastered:
    """What a master did while its workers were at work.

    Attributes:
        cpu: CPU seconds, user and system, per second.
        rss: Resident MB at the end.
        kilobytes: Of rows, taken per second.
    """

    cpu: float
    rss: float
    kilobytes: float


def master(plan: Plan, count: int, seconds: float, least: int = 1) -> Mastered:
    """Let a real master serve simulated workers for so many seconds, and ``least`` bytes of rows; raises Failed."""
    with tempfile.TemporaryDirectory() as folder:
        record = Record(Path(folder))
        record.write_plan(plan)
        record.write_json("stack.json", {"systems": {}, "links": {}})
        port = next(free_ports())
        where = [folder, "--host", "127.0.0.1", "--port", str(port), "--expect", str(count), "--run", "b"]
        master = [sys.executable, "-m", "scenarios.load", "master", *where]
        swarm = [sys.executable, "-m", "benchmarks.swarm", str(port), str(count)]
        with running((master, {}), stdin=subprocess.PIPE) as served, running((swarm, {}), SERVER_CORE):
            served.say({"stack": True})
            served.await_line("ready")
            served.say({"begin": time.monotonic()})
            time.sleep(2 * WARM_UP)
            _await_rows(record, 1)
            before = (served.cpu(), _spooled(record), time.monotonic())
            time.sleep(seconds)
            _await_rows(record, before[1] + least)
            after = (served.cpu(), _spooled(record), time.monotonic())
            cpu, size, wall = (b - a for a, b in zip(before, after, strict=True))
            return Mastered(cpu / wall, served.rss() / 1e6, size / wall / 1000)


def _spooled(record: Record) -> int:
    """Return the bytes of all spools."""
    return sum(path.stat().st_size for path in record.directory.glob("*/worker-*.csv"))


def _await_rows(record: Record, size: int) -> None:
    """Wait until there are so many bytes of rows; raises Failed."""
    deadline = time.monotonic() + PATIENCE
    while _spooled(record) < size:
        if time.monotonic() > deadline:
            raise Failed("no rows came")
        time.sleep(0.05)
