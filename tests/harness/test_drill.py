"""Drills: what is decided on each look, and whole runs of a small one."""

import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from harness.cli import read_campaign
from harness.drill import Drill
from harness.live import Live
from harness.metrics import RunCollector
from harness.progress import notices
from model.plan import Plan
from model.record import EventLog, Record
from scenarios.catalogue import OPERATIONS
from tests.conftest import COMMAND, SHORT, changed, events, happened, members, thongsuot, wait_for
from tests.harness.fakes import FakeLife, live_of, requests, timeline_of, written

DRILL = SHORT.with_name("drill.toml")


class Stage:
    """A drill with faults that break nothing, on a clock that the test turns."""

    def __init__(self, plan: Plan, folder: Path, unattended: bool = True) -> None:
        self.folder = folder
        self.told: list[str] = []
        self.log = EventLog(folder / "events.jsonl")
        self.lives = [FakeLife(msgspec.structs.replace(fault, start=0.0, duration=60)) for fault in plan.faults]
        self.timeline = timeline_of(self.lives, self.log)
        self.drill = Drill(plan, Record(folder), self.log, self.timeline, {}, self.told.append, unattended=unattended)
        self.timeline.start()

    def written(self, name: str) -> list[dict[str, Any]]:
        return written(self.folder, name)

    def close(self) -> None:
        self.drill.close()
        self.timeline.heal()
        self.log.close()


@pytest.fixture
def plan() -> Plan:
    return read_campaign(str(DRILL), None, None, None)


@pytest.fixture
def stage(plan: Plan, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(plan, tmp_path)
    yield stage
    stage.close()


def test_steady_systems_may_be_broken(stage: Stage, tmp_path: Path) -> None:
    """The fault waits for the decision on the steady state, and for the people's."""
    stage.drill.look(1.0, live_of(tmp_path, requests(0, 50)))
    assert stage.lives[0].applied is None
    stage.drill.look(2.1, live_of(tmp_path, requests(1, 50)))
    wait_for(lambda: stage.lives[0].applied, 30)
    (found,) = stage.written("steady_state")
    assert found["response_p95"] == pytest.approx(0.01, rel=0.01)
    assert {**found, "response_p95": 0} == {
        "steady": True,
        "samples": 100,
        "availability": 1.0,
        "response_p95": 0,
        "reasons": [],
    }
    acknowledged = [{**event, "seconds": 0} for event in stage.written("step_acknowledged")]
    assert acknowledged == [{"step": "begin", "answer": "go", "by": "unattended", "seconds": 0}]


def test_what_is_not_steady_is_not_broken(stage: Stage, tmp_path: Path) -> None:
    """It is decided once, told, and every fault is skipped with the reason."""
    stage.drill.look(2.1, live_of(tmp_path, requests(1, 50, ok=False)))
    stage.drill.look(2.3, live_of(tmp_path, requests(1, 5000)))
    (skipped,) = wait_for(lambda: stage.written("fault_skipped"), 30)
    assert skipped["reason"].startswith("not steady: 0.0% of the requests succeeded")
    (found,) = stage.written("steady_state")
    assert (found["steady"], found["response_p95"]) == (False, None)
    assert any("no fault is applied" in line for line in stage.told)


def test_a_stop_condition_fires_once_and_ends_every_fault(stage: Stage, tmp_path: Path) -> None:
    """The live view and the metrics say which."""
    stage.drill.look(2.1, live_of(tmp_path, requests(1, 50)))
    wait_for(lambda: stage.lives[0].applied, 30)
    live = live_of(tmp_path, requests(3, 50, ok=False))
    stage.drill.look(3.5, live)
    wait_for(lambda: stage.lives[0].healed, 30)
    stage.drill.look(3.7, live)
    assert stage.written("stop_fired") == [
        {"stop": "too many fail", "indicator": "error_ratio", "value": 0.5, "limit": 0.2, "province": None}
    ]
    assert (live.fired, live.stops) == ("too many fail", {"too many fail": pytest.approx(2 / 3), "lost": 0.0})


def test_nothing_is_stopped_that_is_over(stage: Stage, tmp_path: Path) -> None:
    """Once no fault is on nor to come, a condition has nothing to end."""
    stage.timeline.heal()
    stage.drill.look(3.5, live_of(tmp_path, requests(3, 50, ok=False)))
    assert not stage.written("stop_fired")


def test_open_steps_and_near_stops_are_shown(plan: Plan, tmp_path: Path) -> None:
    """In the live view, and as gauges that exist from the start."""
    live = Live(plan, Record(tmp_path))
    assert notices(live) == []
    registry = CollectorRegistry()
    registry.register(RunCollector(live, OPERATIONS))
    assert 'thongsuot_stop_fired{indicator="integrity",stop="lost"} 0.0' in generate_latest(registry).decode()
    live.open_steps = {"announce": 3.4}
    live.stops = {"too many fail": 0.15, "lost": 0.0}
    assert notices(live) == ["step announce: 3 s left", "too many fail at 0.15, stops above 0.2"]
    text = generate_latest(registry).decode()
    assert 'thongsuot_step_open{step="announce"} 1.0' in text
    assert 'thongsuot_step_open{step="begin"} 0.0' in text
    assert 'thongsuot_stop_value{indicator="error_ratio",stop="too many fail"} 0.15' in text
    live.fired = "too many fail"
    assert notices(live) == ["step announce: 3 s left", "stopped by too many fail"]


def test_plan_shows_what_makes_a_drill() -> None:
    """Purpose, blast radius used and allowed, steady state, stop conditions, steps, alerts."""
    ended = thongsuot("plan", DRILL)
    assert ended.returncode == 0, ended.stderr
    text = " ".join(ended.stdout.split())
    for words in (
        "drill F1: Do citizens come back when the portal does?",
        "2.5 portal 2 100.0%",
        "allowed at once 2 100.0%",
        "protected: payment",
        "steady state, 10 s before the first fault: at least 20 requests, 95.0% of them succeed",
        "more than 20.0% of the requests fail, over 3 s",
        "0.2 2.2 begin begin? portal ends, or isn't applied",
        "page requests answered 1.5 15 and 3 portal within 15 s",
    ):
        assert words in text, (words, text)


@pytest.mark.slow
def test_a_stop_condition_heals_and_the_run_goes_on(tmp_path: Path) -> None:
    """Unattended: the fault ends early, every arrival is sent, everything is read back."""
    record = tmp_path / "record"
    longer = ["phases.all.duration=15", "faults.portal.start=6.5", "faults.portal.duration=8"]
    patient = ["load.request_timeout=20", "load.grace=20", "steady_state.response_p95=20"]
    ended = thongsuot("run", DRILL, "--out", record, "--unattended", *changed(*longer, *patient))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "stop condition too many fail fired" in ended.stdout
    fired, healed = happened(record, "stop_fired"), happened(record, "fault_healed")
    assert fired is not None
    assert healed is not None
    assert fired["stop"] == "too many fail"
    assert 6.5 < fired["t"] <= healed["t"] < 14.0
    stopped = happened(record, "load_stopped")
    assert stopped is not None
    assert stopped["started"] == stopped["planned"] > 100
    assert all(event["complete"] for event in events(record) if event["event"] == "audit_read")
    steps = [(event["step"], event["answer"]) for event in events(record) if event["event"] == "step_acknowledged"]
    assert steps == [("begin", "go"), ("announce", "done")]
    assert (record / "report.html").stat().st_size > 0
    assert not members(record)


@pytest.mark.slow
def test_an_unsteady_run_breaks_nothing(tmp_path: Path) -> None:
    """The load goes on to its end; nobody answers, so both steps are missed."""
    record = tmp_path / "record"
    ended = thongsuot("run", DRILL, "--out", record, "--set", "steady_state.response_p95=0.00001")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "steady state: before the first fault" in ended.stdout
    assert not happened(record, "fault_applied")
    names = [event["event"] for event in events(record)]
    assert names.count("fault_skipped") == 1
    assert names.count("step_missed") == 2
    found, stopped = happened(record, "steady_state"), happened(record, "load_stopped")
    assert found is not None
    assert stopped is not None
    assert (found["steady"], stopped["started"]) == (False, stopped["planned"])
    assert "not steady" in ended.stderr
    assert f"thongsuot ack {record} begin --answer go (or no-go)\n" in ended.stderr
    assert not members(record)


@pytest.mark.slow
def test_people_answer_in_the_terminal_and_from_another_one(tmp_path: Path) -> None:
    """A typed no-go skips the fault; `ack` does the deed once, and is refused afterwards; Ctrl-C ends it all."""
    record = tmp_path / "record"
    waits = ["phases.all.duration=60", "faults.portal.start=40", "steps.begin.timeout=39", "steps.announce.timeout=50"]
    waits += ["steps.announce.at=8"]  # a question forgets what was typed before it
    keyboard, screen = pty.openpty()
    told = tmp_path / "told"
    with told.open("w", encoding="utf-8") as errors:
        running = subprocess.Popen(
            [COMMAND, "run", str(DRILL), "--out", str(record), *changed(*waits)],
            stdin=screen,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
    try:
        wait_for(lambda: b"type go or no-go" in told.read_bytes(), 60)  # earlier is too early
        os.write(keyboard, b"\nno-go\n")
        skipped = wait_for(lambda: happened(record, "fault_skipped"), 60)
        wait_for(lambda: [e for e in events(record) if e["event"] == "step_asked" and e["step"] == "announce"], 30)
        done = thongsuot("ack", record, "announce")
        again = thongsuot("ack", record, "announce")
        running.send_signal(signal.SIGINT)
        running.wait(60)
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
        os.close(keyboard)
        os.close(screen)
    assert running.returncode == 130
    assert skipped["reason"] == "begin: no-go"
    assert "Enter answers nothing; begin: go or no-go" in told.read_text(encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert again.returncode == 2
    assert "answered already: done (command)" in again.stderr
    answers = [(e["step"], e["answer"], e["by"]) for e in events(record) if e["event"] == "step_acknowledged"]
    assert answers == [("begin", "no-go", "terminal"), ("announce", "done", "command")]
    over = thongsuot("ack", record, "begin", "--answer", "go")
    assert (over.returncode, over.stderr.count("\n")) == (2, 1)
    assert not members(record)
