"""A real Prometheus beside a run: started where the program is found, asked at the end, stopped like every child.

That of a stack in containers is a container of it: harness/compose_monitor.py.

Configuration, rules and targets stay in the record's folder ``prometheus``; the data is removed when the run is over,
unless it is to be kept. ``metrics.om`` holds the same counters, exactly.
"""

import json
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.ports import LOOPBACK, free_ports
from harness.processes import TERMINATE_WITHIN, Guardian
from harness.prometheus_api import Api, PrometheusError
from model.plan import Plan
from model.record import EventLog, Record

PROGRAM = "prometheus"
FOLDER = "prometheus"
"""Of the record: configuration, rules, targets, and data that is to be kept."""
READY_WITHIN = 20.0
"""Seconds in which it must be ready."""
LOOK_AGAIN = 0.05
"""Seconds between two looks whether it is: there is nothing to wait on but its answer."""
SCRAPED_WITHIN = 15.0
"""Seconds in which one more scrape of the conductor must come."""
RETENTION = "36500d"
"""Blocks made of an old record's ``metrics.om`` aren't too old."""


def find() -> str:
    """Return the path of the program; raises UsageError where there is none."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise UsageError(f"--prometheus: there is no `{PROGRAM}` on PATH; on Debian: apt-get install prometheus")
    return found


class Prometheus:
    """A running Prometheus.

    Attributes:
        process: Of the program.
        url: ``http://127.0.0.1:PORT``.
    """

    def __init__(self, program: str, configuration: Path, data: Path, log: Path, guardian: Guardian) -> None:
        port = next(free_ports())
        self.url = f"http://{LOOPBACK}:{port}"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    program,
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={data}",
                    f"--storage.tsdb.retention.time={RETENTION}",
                    f"--web.listen-address={LOOPBACK}:{port}",
                    "--log.level=warn",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "GOMAXPROCS": "1"},
            )
        guardian.add_process(self.process.pid)
        self._log = log

    def wait(self) -> None:
        """Wait until it is ready; raises HarnessError where it doesn't come up."""
        if not becomes_ready(self.url, lambda: self.process.poll() is None):
            self.stop()
            raise HarnessError(f"prometheus didn't come up; see {self._log}")

    def stop(self) -> None:
        """End it: SIGTERM, then SIGKILL."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(TERMINATE_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def becomes_ready(url: str, runs: Callable[[], bool]) -> bool:
    """Wait until a Prometheus is ready; False where it doesn't run any more, or takes too long."""
    api, deadline = Api(url), time.monotonic() + READY_WITHIN
    while not api.ready():
        if not runs() or time.monotonic() > deadline:
            return False
        time.sleep(LOOK_AGAIN)
    return True


class NoMonitor:
    """No Prometheus is wanted."""

    def last_scrape(self) -> None:
        """Wait for nothing."""

    def ask(self) -> None:
        """Ask nobody."""


class Monitor(ABC):
    """The Prometheus of one run.

    Args:
        record: In whose folder it lives.
        events: Are told.
        conductor: ``host:port`` of the run's own metrics.
        keep: Whether its data stays in the record.

    Attributes:
        url: Where it is, once it is started.
    """

    def __init__(self, record: Record, events: EventLog, conductor: str, *, keep: bool) -> None:
        self.url = ""
        self._record = record
        self._events = events
        self._conductor = conductor
        self._keep = keep

    def start(self, plan: Plan, guardian: Guardian, systems: Mapping[str, str]) -> None:
        """Start it, and wait until it has scraped the conductor.

        Args:
            plan: Whose objectives become its rules.
            guardian: Ends it when the conductor dies.
            systems: Name -> ``host:port``.

        Raises:
            UsageError: The program isn't there.
            HarnessError: It didn't come up.
        """
        folder = self._record.path(FOLDER)
        write(plan, folder)
        write_systems(folder, systems)
        _write_json(folder / "targets" / "conductor.json", [{"targets": [self._conductor]}])
        self._launch(folder, guardian)
        self.settle()

    @abstractmethod
    def _launch(self, folder: Path, guardian: Guardian) -> None:
        """Start it on the configuration in a folder, note where it is, wait until it is ready."""

    @abstractmethod
    def stop(self) -> None:
        """End it; keep its data where it is to be kept."""

    def settle(self) -> None:
        """Wait for one more scrape of the conductor; raises HarnessError where none comes."""
        from reports.rules import CONDUCTOR

        since, api = time.time(), Api(self.url)
        up = f'up{{job="{CONDUCTOR}",instance="{self._conductor}"}}'
        scraped = f"timestamp({up}) and {up} == 1"  # of a comparison, timestamp() is the moment of the query
        _until(lambda: any(moment > since for moment in api.query(scraped, time.time()).values()))

    def last_scrape(self) -> None:
        """Wait for one more scrape: counters end after the load does. A Prometheus that is gone is noted."""
        try:
            self.settle()
        except HarnessError as error:
            self._events.write("prometheus_lost", reason=str(error))

    def ask(self) -> None:
        """Ask it for every objective and write what it says; a Prometheus that is gone says nothing."""
        from harness.promql import ask

        try:
            ask(self._record, self.url)
        except PrometheusError as error:
            self._events.write("prometheus_lost", reason=str(error))
            self._record.write_json("prometheus.json", [])


class LocalMonitor(Monitor):
    """A Prometheus as a process of this machine."""

    _prometheus: Prometheus | None = None

    def _launch(self, folder: Path, guardian: Guardian) -> None:
        log = self._record.path("logs/prometheus.log")
        self._prometheus = Prometheus(find(), folder / "prometheus.yml", folder / "data", log, guardian)
        self.url = self._prometheus.url
        self._events.write("prometheus_started", url=self.url, pid=self._prometheus.process.pid)
        self._prometheus.wait()

    def stop(self) -> None:
        """End it; remove its data, unless it is to be kept."""
        if self._prometheus:
            self._prometheus.stop()
        if not self._keep:
            shutil.rmtree(self._record.path(FOLDER) / "data", ignore_errors=True)


def write(plan: Plan, folder: Path) -> list[Path]:
    """Write ``prometheus.yml`` and ``rules.yml`` of a campaign; raises UsageError where the folder can't be used."""
    from reports import rules

    texts = {"prometheus.yml": rules.configuration(), "rules.yml": rules.text(plan)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: can't be written ({error.strerror}); name another folder with --out") from None
    return [folder / name for name in texts]


def write_systems(folder: Path, systems: Mapping[str, str]) -> None:
    """Write whom to scrape besides the conductor: name -> ``host:port``."""
    (folder / "targets").mkdir(exist_ok=True)
    targets = [{"targets": [address], "labels": {"target": name}} for name, address in systems.items()]
    _write_json(folder / "targets" / "systems.json", targets)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SCRAPED_WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"prometheus didn't scrape the conductor within {SCRAPED_WITHIN:.0f} s")
        time.sleep(0.1)
