"""What tests of several folders share."""

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")

COMMAND = str(Path(sys.executable).parent / "thongsuot")
TOKEN = "only-for-tests"  # noqa: S105  opens nothing else: the control API of systems that tests start
BEARER = {"Authorization": f"Bearer {TOKEN}"}
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of systems that speak plain HTTP: without it each reads all certificates of the machine, 30 ms of CPU."""
SHORT = Path(__file__).parent / "campaigns" / "short.toml"
EARLIER = 0.9
"""Share of the other tests within which whole campaigns are started."""
LATER = [f"faults.{fault}.{value}" for fault in ("cut-79", "slow-01") for value in ("start=7", "duration=7.5")]
"""What lets the faults of SHORT begin and bite although a process stands still for some seconds; its end must be later
than 14.5 s."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread whole campaigns between the other modules: neither all at once on a few cores, nor a long one last."""
    slow = [item for item in items if item.get_closest_marker("slow")]
    others = [item for item in items if not item.get_closest_marker("slow")]
    items.clear()
    given = 0
    for _, module in groupby(others, key=lambda item: item.path):
        due = 1 + int(len(slow) * (len(items) - given) / (EARLIER * len(others)))
        items += slow[given:due]
        given = min(due, len(slow))
        items += module
    items += slow[given:]


def changed(*changes: str) -> list[str]:
    """Return the words of a command that change a campaign."""
    return [word for change in changes for word in ("--set", change)]


FOR_LONG = changed("phases.recovery.duration=6", *LATER)


def real_toxiproxy() -> bool:
    """Tell whether a real toxiproxy-server is found; in CI it must be."""
    from faults.server import find_real

    return find_real() is not None or os.environ.get("CI") == "true"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip a test where a program isn't found; in CI it must be."""
    missing = shutil.which(program) is None and os.environ.get("CI") != "true"
    return pytest.mark.skipif(missing, reason=f"no {program}: apt-get install {package}")


NEEDS_PROMTOOL = needs("promtool", "prometheus")
NEEDS_PROMETHEUS = needs("prometheus", "prometheus")


def promtool(*arguments: object, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end."""
    return subprocess.run(
        ["promtool", *map(str, arguments)], input=given, capture_output=True, text=True, check=False, timeout=60
    )


BOTH_SERVERS = [
    "embedded",
    pytest.param(
        "real",
        marks=[
            pytest.mark.real_toxiproxy,
            pytest.mark.skipif(not real_toxiproxy(), reason="no toxiproxy-server: make toxiproxy"),
        ],
    ),
]


def wait_for(condition: Callable[[], Any], seconds: float) -> Any:
    """Return the first true value of ``condition``; fail when there was none in time, nor in a last look after it."""
    deadline = time.monotonic() + seconds
    while True:
        last = time.monotonic() >= deadline
        value = condition()
        if value:
            return value
        assert not last, f"waited {seconds} s in vain"
        time.sleep(0.02)


def thongsuot(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False, timeout=110
    )


def events(record: Path) -> list[dict[str, Any]]:
    """Read the whole lines of a record's events; none where there is no record yet."""
    try:
        data = (record / "events.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


def happened(record: Path, event: str) -> dict[str, Any] | None:
    """Return the first event of that name, None before it has happened."""
    return next((entry for entry in events(record) if entry["event"] == event), None)


def pids_of(record: Path) -> set[int]:
    """Return the ids of all processes of the run that the record names."""
    return {entry["pid"] for entry in events(record) if "pid" in entry}


def members(record: Path) -> list[psutil.Process]:
    """Return the processes whose command line names the record's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(str(record) in word for word in process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


class Running:
    """A command that runs in the background, in a session of its own."""

    def __init__(self, *arguments: object, cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            start_new_session=True,
        )

    def end(self, number: int = signal.SIGINT, seconds: float = 60) -> tuple[int, str, str]:
        """Send a signal, wait, and return exit code, standard output and standard error."""
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, output, errors


@pytest.fixture
def background() -> Iterator[Callable[..., Running]]:
    """Start commands in the background; whatever still runs at the end of the test is ended."""
    started: list[Running] = []

    def start(*arguments: object, cwd: Path | None = None) -> Running:
        started.append(Running(*arguments, cwd=cwd))
        return started[-1]

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGCONT)
            running.process.kill()
        running.process.communicate()
