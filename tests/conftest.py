"""What tests of several folders share."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
SHORT = Path(__file__).parent / "campaigns" / "short.toml"


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
