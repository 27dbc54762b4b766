"""The engine treats arrivals as the plan says, and all that becomes of them is recorded."""

import csv
import gc
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from model.histogram import seconds_of
from model.plan import Load, Phase, Plan, Stack
from model.record import COLUMNS, Record
from scenarios.engine import Engine, Tally
from scenarios.recorder import Recorder
from scenarios.shares import Division
from tests.scenarios.servers import Handler, answering, server, silent, undelayed

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n"
REST = b'\r\n{"items": []}'


INVALID = "invalid"
"""What the reply above is: complete, but without the procedure that was looked for."""

PATIENT: dict[str, Any] = {
    "journeys": {"track": 1.0},
    "gaps": "constant",
    "connect_timeout": 60.0,
    "request_timeout": 60.0,
    "grace": 60.0,
}
"""A load that gives nothing up though the machine stands still for some seconds."""


def plan_for(load: Load, arrivals: int = 1) -> Plan:
    """Return a plan of so many arrivals, a tenth of a second apart."""
    phase = Phase(name="all", duration=arrivals / 10, rate=10)
    return Plan(name="p", seed=1, phases=(phase,), load=load, stack=Stack(provinces=("01",)))


def run(plan: Plan, folder: Path, address: str, certain: bool = True) -> Tally:
    """Run a plan's schedule against one address, however late it begins; returns what became of the arrivals."""
    recorder = Recorder(Record(folder), 0)
    engine = Engine(plan, recorder, dict.fromkeys(("national", "province:01"), address), "r")
    engine.shares.add(Division(0.0, (0,)))
    engine.certain = lambda: certain
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scenarios.engine.LATE_START", 60.0)
        try:
            return engine.run(monotonic() + 0.05)
        finally:
            recorder.close()
            gc.unfreeze()


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    lines = Record(folder).spool(table, "worker-0").read_text(encoding="utf-8").splitlines()
    return [dict(zip(COLUMNS[table], row, strict=True)) for row in csv.reader(lines)]


@pytest.mark.parametrize(
    ("first_byte_timeout", "handle", "outcome"),
    [(0.3, silent, "timeout"), (None, answering(b"", BEGUN + REST, pause=0.8), INVALID)],
)
def test_a_reply_that_has_not_begun_in_time_is_given_up(
    first_byte_timeout: float | None, handle: Handler, outcome: str, tmp_path: Path
) -> None:
    """``load.first_byte_timeout`` reaches the client; without it the whole request's time counts."""
    load = Load(first_byte_timeout=first_byte_timeout, **PATIENT)
    with server(handle) as address:
        tally = run(plan_for(load), tmp_path, address)
    assert (tally.started, tally.dropped, tally.unfinished, tally.broken) == (1, 0, 0, 0)
    samples = [row for row in rows(tmp_path, "samples") if row["kind"] == "service"]
    assert samples[0]["outcome"] == outcome
    assert seconds_of(int(samples[0]["bucket"])) < 29


def test_a_reply_that_has_begun_may_take_its_time(tmp_path: Path) -> None:
    """Behind the first byte the time-out of the whole request counts."""
    load = Load(first_byte_timeout=1.0, **PATIENT)

    def sample() -> dict[str, str]:
        folder = tmp_path / str(monotonic())
        with server(answering(BEGUN, REST, pause=1.3)) as address:
            run(plan_for(load), folder, address)
        return next(row for row in rows(folder, "samples") if row["kind"] == "service")

    found = undelayed(sample, lambda row: row["outcome"] == INVALID)
    assert found["outcome"] == INVALID
    assert seconds_of(int(found["bucket"])) > 1.2


def test_who_never_learns_whose_the_arrivals_are_starts_none_and_ends(tmp_path: Path) -> None:
    """The master isn't heard any more: the schedule is waited for, and is over then."""
    began = monotonic()
    tally = run(plan_for(Load(**PATIENT), 3), tmp_path, "127.0.0.1:1", certain=False)
    assert monotonic() - began > 0.3
    assert (tally.started, tally.dropped, tally.unfinished, tally.halted) == (0, 0, 0, None)


def test_every_arrival_is_recorded_whatever_became_of_it(tmp_path: Path) -> None:
    """One that found the cap reached is dropped, one that was in flight when the grace ended is unfinished."""
    load = Load(max_in_flight=1, **PATIENT | {"grace": 0.2})
    with server(silent) as address:
        tally = run(plan_for(load, 3), tmp_path, address)
    assert (tally.started, tally.dropped, tally.unfinished) == (1, 2, 1)
    found = {
        row["arrival"]: (row["outcome"], bool(row["started"]), bool(row["finished"]))
        for row in rows(tmp_path, "arrivals")
    }
    assert found == {
        "0": ("unfinished", True, False),
        "1": ("dropped", False, False),
        "2": ("dropped", False, False),
    }
