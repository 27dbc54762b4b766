"""Faults inside systems that this harness didn't start: only by leave, healed by whoever is left, secrets nowhere."""

import base64
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from faults.control import Control, ControlError, Endpoint
from faults.kinds.base import FaultError
from harness import external
from harness.cli import read_campaign
from harness.errors import UsageError
from harness.gate import Gate
from model.plan import Fault, Plan
from model.targets import FaultControl, Target, Window
from tests.conftest import Running, happened, members, thongsuot, wait_for
from tests.harness.test_gate import Load
from tests.harness.test_run import verdict
from tests.harness.test_targets import PATIENT, holding
from tests.mocks.conftest import Stack
from tests.scenarios.outside import DAY, NOW, counting, leave, plan, targets
from tests.scenarios.servers import Handler, server

TOKEN, PASSWORD = "khoa-van-hanh-5508", "mat-khau-tai-2217"
ALLOWED = f"""{leave("S-1")}auth = {{ kind = "basic", user = "qa", file = "password.txt" }}
probe = "/procedures?limit=1"
[systems.national.control]
url = "http://ADDRESS/control/faults"
addresses = ["127.0.0.1/32"]
auth = {{ kind = "bearer", SECRET }}
[systems.national.control.authorised]
by = "the operators"
reference = "S-2"
date = 2025-07-01
[systems.national.control.window]
start = 2025-07-01T00:00:00+07:00
end = 2035-07-01T00:00:00+07:00
[[journeys.track]]
operation = "national.track"
system = "national"
path = "/procedures?limit=1"
[audit]
mode = "none"
"""
CAMPAIGN = """
name = "inside"
title = "Errors inside a stranger"
seed = 3
[stack]
provinces = ["01"]
[load.journeys]
track = 1
[[phases]]
name = "calm"
duration = 15
rate = 3
[steady_state]
window = 6
samples = 2
[[faults]]
id = "errors"
kind = "error-rate"
system = "national"
start = 6
duration = 8
attributes = { share = 100 }
"""


def written(folder: Path, address: str, *changes: tuple[str, str]) -> tuple[Path, Path]:
    """Write campaign and targets file; the control endpoint's secret is in a variable unless changed."""
    text = ALLOWED.replace("ADDRESS", address)
    for old, new in (*changes, ("SECRET", 'env = "OPS_TOKEN"')):
        assert old in text or old == "SECRET"
        text = text.replace(old, new)
    (folder / "targets.toml").write_text(text, encoding="utf-8")
    (folder / "inside.toml").write_text(CAMPAIGN, encoding="utf-8")
    (folder / "password.txt").write_text(f"{PASSWORD}\n", encoding="utf-8")
    return folder / "inside.toml", folder / "targets.toml"


def read(folder: Path, *changes: tuple[str, str]) -> Plan:
    campaign, allowed = written(folder, "127.0.0.1:9", *changes)
    return read_campaign(str(campaign), None, None, None, allowed)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Any]:
    """Start a portal that no stack of the harness knows."""
    (tmp_path / "stranger").mkdir()
    stack = Stack(tmp_path / "stranger", token=TOKEN).start("national")  # type: ignore[no-untyped-call]  # tests of mocks
    yield stack
    stack.stop()


def address(stranger: Any) -> str:
    return f"127.0.0.1:{stranger.ports['national']}"


def on(stranger: Any) -> list[str]:
    """Return the ids of the faults that the stranger has."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return [item["id"] for item in stranger.get("national", "/control/faults", headers=headers).json()["items"]]


def begin(start: Callable[..., Running], record: Path, files: tuple[Path, Path]) -> Running:
    words = ["--targets", files[1], "--out", record, "--yes", "S-1", "--workers", 1, "--toxiproxy", "embedded"]
    return start("run", files[0], *words, *PATIENT)


def test_a_fault_inside_a_stranger_is_proved_and_healed(
    tmp_path: Path, stranger: Any, background: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its control endpoint; no byte of the record has a secret, be it from the environment or from a file."""
    monkeypatch.setenv("OPS_TOKEN", TOKEN)
    record = tmp_path / "record"
    running = begin(background, record, written(tmp_path, address(stranger)))
    wait_for(lambda: happened(record, "fault_read_back"), 90)
    assert [name.partition("-")[2] for name in on(stranger)] == ["errors"]
    output, errors = running.process.communicate(timeout=110)
    assert running.process.returncode in (0, 3), output + errors
    assert on(stranger) == []
    (found,) = verdict(record)["faults"]
    assert (found["proved"], found["healed"]) == (True, True)
    assert happened(record, "fault_gone") is not None
    pair = base64.b64encode(f"qa:{PASSWORD}".encode()).decode()
    assert holding(record, TOKEN, PASSWORD, pair) == []
    assert not any(word in output + errors for word in (TOKEN, PASSWORD, pair))


def test_the_watchdog_heals_inside_a_stranger_when_the_conductor_is_killed(
    tmp_path: Path, stranger: Any, background: Callable[..., Running]
) -> None:
    """It has the lease and the secret, which is in no file of the record."""
    (tmp_path / "ops.txt").write_text(TOKEN, encoding="utf-8")
    record = tmp_path / "record"
    running = begin(background, record, written(tmp_path, address(stranger), ("SECRET", 'file = "ops.txt"')))
    wait_for(lambda: happened(record, "fault_read_back"), 90)
    assert len(on(stranger)) == 1
    os.kill(running.process.pid, signal.SIGKILL)
    wait_for(lambda: happened(record, "conductor_lost"), 60)
    healed = wait_for(lambda: happened(record, "fault_healed"), 60)
    assert (healed["fault"], healed["system"], healed["by"]) == ("errors", "national", "watchdog")
    assert on(stranger) == []
    wait_for(lambda: not members(record), 40)
    assert holding(record, TOKEN, PASSWORD) == []


def test_the_kill_switch_ends_a_fault_inside_a_stranger(
    tmp_path: Path, stranger: Any, background: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What switches it off is all that leaves; whether it is gone isn't asked, and the verdict is no failure."""
    monkeypatch.setenv("OPS_TOKEN", TOKEN)
    record = tmp_path / "record"
    running = begin(background, record, written(tmp_path, address(stranger)))
    wait_for(lambda: happened(record, "fault_proved"), 90)
    (tmp_path / "STOP").touch()
    output, errors = running.process.communicate(timeout=110)
    assert running.process.returncode == 3, output + errors
    assert on(stranger) == []
    assert happened(record, "fault_healed") is not None
    assert happened(record, "fault_gone") is None
    assert any("stopped by the kill switch at" in reason for reason in verdict(record)["reasons"])


LEAVE = """[systems.national.control.authorised]
by = "the operators"
reference = "S-2"
date = 2025-07-01
"""
LATE = ("[systems.national.control.window]\nstart = 2025", "[systems.national.control.window]\nstart = 2034")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('reference = "S-2"\n', ""), "systems.national.control.authorised.reference: is missing"),
        ((LEAVE, ""), "systems.national.control.authorised: is missing"),
        (LATE, "outside the window: it is "),
        (('"127.0.0.1/32"', '"127.0.0.2/32"'), "national control: 127.0.0.1 leads to 127.0.0.1, which the targets"),
        (("OPS_TOKEN", "NOT_SET_AT_ALL"), "environment variable NOT_SET_AT_ALL: holds no secret"),
    ],
)
def test_without_leave_nothing_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], said: str
) -> None:
    """No authorisation, outside its window, elsewhere than declared, no secret: exit 2, one line, not one request."""
    monkeypatch.setenv("OPS_TOKEN", TOKEN)
    with counting() as (where, heads):
        files = written(tmp_path, where, ("SECRET", 'env = "OPS_TOKEN"'), change)
        words = ["--targets", files[1], "--out", tmp_path / "record", "--yes", "S-1"]
        ended = thongsuot("run", files[0], *words)
    assert (ended.returncode, heads) == (2, [])
    assert said in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert not (tmp_path / "record").exists()


def test_a_run_that_would_outlast_the_leave_for_faults_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The load might go on, the fault might not."""
    monkeypatch.setenv("OPS_TOKEN", TOKEN)
    chosen = read(tmp_path, ("[systems.national.control.window]", "[systems.national.control.window]#"))
    end = datetime.fromisoformat("2035-06-30T23:59:55+07:00").timestamp()
    with pytest.raises(UsageError, match="the load would last until"):
        external.check(chosen, end)
    assert chosen.targets is not None
    sooner = Window(start=NOW - 2 * DAY, end=NOW)
    control = msgspec.structs.replace(chosen.targets.control("national"), window=sooner)
    one = msgspec.structs.replace(chosen.targets.target("national"), control=control)
    shorter = msgspec.structs.replace(chosen.targets, systems={"national": one})
    with pytest.raises(UsageError, match=r"and faults inside national are allowed from .*; shorten it$"):
        external.check(msgspec.structs.replace(chosen, targets=shorter), NOW.timestamp() - 5)


def inside(folder: Path, where: str, **changes: Any) -> Plan:
    """Return a plan with a fault inside a system at an address."""
    authorised = targets(f"http://{where}", folder).authorised
    leave: dict[str, Any] = {"window": Window(start=NOW - DAY, end=NOW + DAY), **changes}
    control = FaultControl(url=f"http://{where}", addresses=("127.0.0.1/32",), authorised=authorised, **leave)
    one = Target(url=f"http://{where}", addresses=("127.0.0.1/32",), probe="/a", control=control)
    fault = Fault(id="e", kind="error-rate", system="national", start=0, duration=2, attributes={"share": 100})
    allowed = targets(f"http://{where}", folder, systems={"national": one})
    return msgspec.structs.replace(plan(allowed), faults=(fault,))


def test_the_leave_for_faults_ends_while_the_load_goes_on(tmp_path: Path) -> None:
    """From then on nothing switches a fault on, renews or probes it; the load is told."""
    moment, load = [NOW.timestamp()], Load()
    gate = Gate(inside(tmp_path, "127.0.0.1:9"), load, lambda: moment[0])
    gate.admit("national")
    moment[0] += 86_390
    gate.admit("national")
    moment[0] += 20
    with pytest.raises(FaultError, match="the window is over"):
        gate.admit("national")
    ended = inside(tmp_path, "127.0.0.1:9", window=Window(start=NOW - 2 * DAY, end=NOW - DAY))
    with pytest.raises(FaultError, match=r"^guard: of faults inside national, the window is over$"):
        Gate(ended, load := Load(), NOW.timestamp).admit("national")
    assert load.forbidden == "guard: of faults inside national, the window is over"


def heard(reply: bytes) -> Handler:
    """Answer a request once its body, a JSON object, has come."""

    def handle(connection: socket.socket) -> None:
        data = b""
        while not data.endswith(b"}") and (more := connection.recv(65536)):
            data += more
        connection.sendall(reply)

    return handle


def test_what_a_stranger_says_back_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer with our secret in it doesn't get into the record by way of an error."""
    monkeypatch.setattr("faults.control.CALL", 30.0)
    reply = f"HTTP/1.1 500 X\r\nContent-Length: {len(TOKEN)}\r\n\r\n{TOKEN}".encode()
    with server(heard(reply)) as where:
        endpoint = Endpoint(where, "ops.example.vn", "/faults/", headers={"X-Key": TOKEN})
        with pytest.raises(ControlError) as refused:
            Control(endpoint).put("f", "error-rate", {})
    assert str(refused.value) == "ops.example.vn: PUT /faults/f: 500"
    assert TOKEN not in repr(endpoint)


def test_a_control_endpoint_is_verified_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is dialled at the address that was looked up, and must have a certificate for the name that was declared."""
    monkeypatch.setattr("faults.control.CALL", 30.0)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("ops.example.vn").configure_cert(tls)
    with server(heard(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), tls) as where:
        given = Endpoint(where, "ops.example.vn", "/faults/", tls=True, ca_file=str(tmp_path / "ca.pem"))
        Control(given).put("f", "error-rate", {})
        other = Endpoint(where, "other.example.vn", "/faults/", tls=True, ca_file=str(tmp_path / "ca.pem"))
        with pytest.raises(ssl.SSLCertVerificationError):
            Control(other).put("f", "error-rate", {})
