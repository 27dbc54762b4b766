"""Whatever happens to the conductor: the network is clean within six seconds, and no process remains."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.leases import lives
from faults.server import start
from faults.toxiproxy import Proxies, ProxyError
from harness.ports import free_ports
from tests.conftest import BOTH_SERVERS, FOR_LONG, SHORT, Running, happened, members, pids_of, wait_for
from tests.harness.test_targets import answers

pytestmark = pytest.mark.slow
CLEAN_WITHIN = 6.0  # seconds


def dirty(api: str) -> list[str]:
    """Name the proxies that aren't clean; a server that is gone has none, of one that hangs nobody knows."""
    try:
        return [name for name, state in Proxies(api).all().items() if not state.clean]
    except ProxyError as error:
        return [str(error)] if answers(api.removeprefix("http://")) else []


def left(api: str) -> list[str]:
    """Name the proxies of a server that goes on running; one that doesn't answer may have some."""
    try:
        return [*Proxies(api).all()]
    except ProxyError as error:
        return [str(error)]


@pytest.mark.parametrize("server", BOTH_SERVERS)
def test_kill_9_of_the_conductor_leaves_nothing(
    server: str, tmp_path: Path, background: Callable[..., Running]
) -> None:
    """SIGKILL while two faults are on: clean within 6 s, and every process of the run is gone."""
    record = tmp_path / "record"
    running = background("run", SHORT, "--out", record, "--toxiproxy", server, *FOR_LONG)
    wait_for(lambda: happened(record, "fault_applied"), 60)
    api = json.loads((record / "stack.json").read_text())["toxiproxy"]["api"]
    wait_for(lambda: dirty(api), 30)
    pids = pids_of(record)
    running.process.kill()
    wait_for(lambda: not dirty(api), CLEAN_WITHIN)
    assert happened(record, "conductor_lost")
    wait_for(lambda: not any(map(lives, pids)), 30)
    wait_for(lambda: not members(record), 30)


@pytest.mark.parametrize("server", ["embedded"])
def test_kill_9_leaves_a_server_of_others_clean(
    server: str, tmp_path: Path, background: Callable[..., Running]
) -> None:
    """A Toxiproxy that runs already goes on running, without our toxics and without our proxies."""
    given = start(server, tmp_path / "toxiproxy.log")
    try:
        record = tmp_path / "record"
        running = background("run", SHORT, "--out", record, "--toxiproxy", given.api, *FOR_LONG)
        wait_for(lambda: happened(record, "fault_applied"), 60)
        running.process.kill()
        wait_for(lambda: not dirty(given.api), CLEAN_WITHIN)
        wait_for(lambda: not left(given.api), 30)
    finally:
        given.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_heals_and_reports(number: int, tmp_path: Path, background: Callable[..., Running]) -> None:
    """The faults are healed, what was measured is reported, and the exit code is 130."""
    record = tmp_path / "record"
    running = background("run", SHORT, "--out", record, *FOR_LONG)
    wait_for(lambda: happened(record, "fault_proved"), 60)
    code, output, errors = running.end(number)
    assert code == 130, output + errors
    assert happened(record, "fault_healed")
    assert (record / "report.html").stat().st_size > 0
    assert json.loads((record / "verdict.json").read_text())["verdict"] != "pass"
    assert not members(record)


def test_ctrl_c_before_the_load_leaves_nothing(tmp_path: Path, background: Callable[..., Running]) -> None:
    """While the stack comes up: exit code 130, one line, no process left. A worker that never joins holds the load."""
    record = tmp_path / "record"
    nobody = ["--expect-workers", 1, "--bind", f"127.0.0.1:{next(free_ports())}"]
    running = background("run", "cutover-morning", "--out", record, *nobody)
    wait_for(lambda: happened(record, "watchdog_started"), 60)
    code, _, errors = running.end()
    assert code == 130
    assert "interrupted" in errors
    assert not happened(record, "t0")
    assert not members(record)


def test_a_stopped_conductor_does_not_hold_its_faults(tmp_path: Path, background: Callable[..., Running]) -> None:
    """SIGSTOP for longer than a lease: the watchdog heals, and the run can't pass."""
    record = tmp_path / "record"
    running = background("run", SHORT, "--out", record, *FOR_LONG)
    wait_for(lambda: happened(record, "fault_applied"), 60)
    api = json.loads((record / "stack.json").read_text())["toxiproxy"]["api"]
    running.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: not dirty(api), 30)
    expired = happened(record, "lease_expired")
    running.process.send_signal(signal.SIGCONT)
    running.process.communicate(timeout=100)
    assert running.process.returncode != 0
    assert expired is not None
    assert expired["seconds"] < CLEAN_WITHIN
    assert not members(record)


def test_up_stops_on_ctrl_c(tmp_path: Path, background: Callable[..., Running]) -> None:
    """Up prints where everything is, and leaves nothing behind."""
    record = tmp_path / "record"
    running = background("up", SHORT, "--out", record)
    wait_for(lambda: happened(record, "stack_started"), 60)
    code, output, errors = running.end()
    assert code == 0, errors
    assert "province:79" in output
    assert not members(record)
