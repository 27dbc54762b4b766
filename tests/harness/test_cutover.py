"""The conductor tells the systems what the clock holds: T_cutover, and when communes are connected."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import HarnessError
from harness.stack import LocalStack
from model.plan import Cutover
from model.plan import Stack as Systems
from model.record import EventLog, Record
from tests.conftest import TOKEN
from tests.harness.plans import short_plan
from tests.mocks.conftest import Stack, eventually


class Nobody:
    """A guardian that isn't needed: no process is started."""

    def add_process(self, pid: int) -> None:
        raise AssertionError(pid)


@pytest.fixture
def stack(tmp_path: Path) -> Any:
    made = Stack(tmp_path, provinces=("01", "79"), token=TOKEN).start()  # type: ignore[no-untyped-call]  # tests of mocks
    yield made
    made.stop()


def local(tmp_path: Path, running: Any, **changes: Any) -> LocalStack:
    """Return a stack that has started nothing: the systems are the test's own."""
    events = EventLog(tmp_path / "events.jsonl")
    made = LocalStack(
        msgspec.structs.replace(short_plan('stack.provinces=["01", "79"]'), **changes),
        Record(tmp_path),
        events,
        Nobody(),
    )
    made.addresses |= {name: f"127.0.0.1:{port}" for name, port in running.ports.items()}
    made.token = TOKEN
    return made


@pytest.mark.parametrize(("at", "redirect", "status"), [(60.0, 5.0, 200), (10.0, 30.0, 302), (10.0, 5.0, 410)])
def test_every_province_is_told(tmp_path: Path, stack: Any, at: float, redirect: float, status: int) -> None:
    """T_cutover is `at` seconds after t0, which was 20 s ago."""
    local(tmp_path, stack, cutover=Cutover(at=at, redirect=redirect)).announce_cutover(time.monotonic() - 20)
    assert [stack.get(name, "/portal").status_code for name in ("province:01", "province:79")] == [status, status]


def test_without_a_cutover_the_interfaces_stay_open(tmp_path: Path, stack: Any) -> None:
    local(tmp_path, stack, cutover=None).announce_cutover(time.monotonic() - 20)
    assert stack.get("province:01", "/portal").status_code == 200


def test_a_province_that_does_not_take_it_is_named(tmp_path: Path, stack: Any) -> None:
    made = local(tmp_path, stack, cutover=Cutover(at=1))
    made.token = "guess"  # noqa: S105  the wrong one
    with pytest.raises(HarnessError, match="province:01 didn't take T_cutover: 401"):
        made.announce_cutover(time.monotonic())


@pytest.mark.parametrize(("at", "connected"), [(10.0, True), (None, False)])
def test_portal_and_provinces_are_told_when_communes_are_connected(
    tmp_path: Path, at: float | None, connected: bool
) -> None:
    """10 s after a t0 of 20 s ago; or when the schedule ends that begins in ten minutes. The record says so."""
    stack = Stack(tmp_path, provinces=("01", "79"), token=TOKEN, unconnected=("00004",)).start()  # type: ignore[no-untyped-call]  # tests of mocks
    try:
        systems = Systems(provinces=("01", "79"), unconnected=("00004",), connected_at=at)
        made = local(tmp_path, stack, stack=systems)
        code = stack.intake(stack.officer())
        begins = -20.0 if connected else 600.0
        early = time.time() + begins
        made.announce_connection(time.monotonic() + begins)
        late = time.time() + begins
        if connected:
            eventually(lambda: stack.states("national", code))  # type: ignore[no-untyped-call]  # tests of mocks
            eventually(lambda: stack.pending("province:01") == 0)  # type: ignore[no-untyped-call]  # tests of mocks
        assert stack.pending("province:01") == (not connected)
        (event,) = [event for event in Record(tmp_path).events() if event["event"] == "communes_unconnected"]
        until = event["until"] - (10.0 if connected else short_plan().duration)
        assert event["communes"] == ["00004"]
        assert early - 1 <= until <= late + 1
    finally:
        stack.stop()
