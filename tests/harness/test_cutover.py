"""The conductor tells the provinces when their old interfaces close."""

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import HarnessError
from harness.stack import LocalStack
from model.plan import Cutover
from model.record import EventLog, Record
from tests.harness.plans import short_plan
from tests.mocks.conftest import Stack

TOKEN = "only-for-tests"  # noqa: S105  opens nothing else


class Nobody:
    """A guardian that isn't needed: no process is started."""

    def add_process(self, pid: int) -> None:
        raise AssertionError(pid)


@pytest.fixture
def stack(tmp_path: Path) -> Any:
    made = Stack(tmp_path, provinces=("01", "79"), token=TOKEN).start()  # type: ignore[no-untyped-call]  # tests of mocks
    yield made
    made.stop()


def local(tmp_path: Path, stack: Any, **changes: Any) -> LocalStack:
    """Return a stack that has started nothing: the systems are the test's own."""
    events = EventLog(tmp_path / "events.jsonl")
    made = LocalStack(
        msgspec.structs.replace(short_plan('stack.provinces=["01", "79"]'), **changes),
        Record(tmp_path),
        events,
        Nobody(),
    )
    made.addresses |= {name: f"127.0.0.1:{port}" for name, port in stack.ports.items()}
    made.token = TOKEN
    events.close()
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
