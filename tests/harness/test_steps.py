"""Steps: asked for on the clock, acknowledged or missed, and what a decision does to the faults that it guards."""

import os
import pty
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.ack import acknowledge
from harness.answers import FOLDER, Box, Terminal, drop
from harness.errors import UsageError
from harness.steps import Steps
from harness.timeline import Timeline
from model.drill import OperatorStep
from model.record import EventLog, Record, RecordError
from tests.conftest import wait_for
from tests.harness.fakes import FakeLife, fault, timeline_of, written
from tests.harness.plans import short_plan

DEED = OperatorStep(id="announce", text="announce it", at=1, timeout=5)
GUARD = OperatorStep(id="cut-over", text="cut over?", at=1, timeout=5, decision=True, guards=("a",))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.jsonl")
    yield log
    log.close()


@pytest.fixture
def faults() -> list[FakeLife]:
    return [FakeLife(fault("a", 0.0, 60)), FakeLife(fault("b", 0.0, 60))]


@pytest.fixture
def timeline(log: EventLog, faults: list[FakeLife]) -> Iterator[Timeline]:
    timeline = timeline_of(faults, log)
    yield timeline
    timeline.heal()


def test_a_deed_is_asked_for_once_and_acknowledged(log: EventLog, timeline: Timeline, tmp_path: Path) -> None:
    """With who answered and after how long; nothing is taken before it is asked, twice, or in another form."""
    asked: list[str] = []
    steps = Steps([DEED], log, timeline, lambda step: asked.append(step.id))
    steps.look(0.9)
    assert not steps.answer(0.9, "announce", "done", "command")
    steps.look(1.1)
    steps.look(1.3)
    assert asked == ["announce"]
    assert steps.left(3.1) == {"announce": pytest.approx(3.0)}
    assert not steps.answer(2.0, "announce", "go", "command")
    assert not steps.answer(2.0, "announcement", "done", "command")
    assert steps.answer(3.1, "announce", "done", "terminal")
    assert not steps.answer(3.2, "announce", "done", "command")
    steps.look(9.0)
    asked_for = {"step": "announce", "text": "announce it", "decision": False, "timeout": 5.0}
    assert written(tmp_path, "step_asked") == [asked_for]
    (done,) = written(tmp_path, "step_acknowledged")
    assert done == {"step": "announce", "answer": "done", "by": "terminal", "seconds": 2.0}
    assert not written(tmp_path, "step_missed")


def test_a_deed_that_nobody_does_is_missed_and_stops_nothing(
    log: EventLog, timeline: Timeline, faults: list[FakeLife], tmp_path: Path
) -> None:
    """Its time is counted from when it was asked for."""
    timeline.start()
    steps = Steps([DEED], log, timeline, lambda _: None)
    steps.look(1.0)
    steps.look(5.9)
    assert not written(tmp_path, "step_missed")
    steps.look(6.0)
    assert written(tmp_path, "step_missed") == [{"step": "announce"}]
    wait_for(lambda: all(life.applied for life in faults), 30)
    assert timeline.pending


def test_a_guarded_fault_waits_for_go(log: EventLog, timeline: Timeline, faults: list[FakeLife]) -> None:
    """The other one doesn't."""
    steps = Steps([GUARD], log, timeline, lambda _: None)
    timeline.start()
    wait_for(lambda: faults[1].applied, 30)
    assert faults[0].applied is None
    steps.look(1.0)
    assert steps.answer(2.0, "cut-over", "go", "command")
    wait_for(lambda: faults[0].applied, 30)


@pytest.mark.parametrize("silent", [False, True])
def test_no_go_and_silence_skip_what_is_guarded(
    silent: bool, log: EventLog, timeline: Timeline, faults: list[FakeLife], tmp_path: Path
) -> None:
    """With the reason; the other fault stays on."""
    steps = Steps([GUARD], log, timeline, lambda _: None)
    timeline.start()
    steps.look(1.0)
    if silent:
        steps.look(6.1)
    else:
        assert steps.answer(2.0, "cut-over", "no-go", "terminal")
    reason = "cut-over: nobody said go" if silent else "cut-over: no-go"
    (skipped,) = wait_for(lambda: written(tmp_path, "fault_skipped"), 30)
    assert skipped == {"fault": "a", "reason": reason}
    assert bool(written(tmp_path, "step_missed")) == silent
    wait_for(lambda: faults[1].applied, 30)
    assert faults[1].healed is False


def test_no_go_that_guards_nothing_ends_every_fault(log: EventLog, timeline: Timeline, faults: list[FakeLife]) -> None:
    """Those that are on are healed."""
    step = OperatorStep(id="go-on", text="go on?", at=1, timeout=5, decision=True)
    steps = Steps([step], log, timeline, lambda _: None)
    timeline.start()
    wait_for(lambda: all(life.applied for life in faults), 30)
    steps.look(1.0)
    assert steps.answer(2.0, "go-on", "no-go", "command")
    wait_for(lambda: all(life.healed for life in faults), 30)


def test_what_is_open_when_the_load_ends_is_missed(log: EventLog, timeline: Timeline, tmp_path: Path) -> None:
    """Nobody can answer it any more."""
    steps = Steps([DEED], log, timeline, lambda _: None)
    steps.look(1.0)
    steps.close()
    assert written(tmp_path, "step_missed") == [{"step": "announce"}]


@pytest.fixture
def typed() -> Iterator[tuple[int, int, Terminal]]:
    keyboard, screen = pty.openpty()
    with open(screen, encoding="utf-8", closefd=True) as stream:  # noqa: PTH123  a descriptor is no path
        yield keyboard, screen, Terminal(stream)
    os.close(keyboard)


def test_a_terminal_is_read_without_waiting(typed: tuple[int, int, Terminal]) -> None:
    """Whole lines only; what was typed before the question is forgotten."""
    keyboard, screen, terminal = typed
    read: list[str] = []
    assert terminal.listens
    assert terminal.lines() == []
    os.write(keyboard, b"go\n")
    assert wait_for(terminal.lines, 30) == ["go"]
    os.write(keyboard, b"NO-go \n\nhalf")
    wait_for(lambda: read.extend(terminal.lines()) or len(read) >= 2, 30)
    assert read == ["no-go", ""]
    os.write(keyboard, b" a line\n")
    assert wait_for(terminal.lines, 30) == ["half a line"]
    os.write(keyboard, b"too early\n")
    assert select.select([screen], [], [], 30)[0]
    terminal.forget()
    assert terminal.lines() == []


def test_what_is_no_terminal_is_never_read(tmp_path: Path) -> None:
    """A pipe or a file on standard input belongs to somebody else."""
    (tmp_path / "in").write_text("go\n")
    with (tmp_path / "in").open() as stream:
        terminal = Terminal(stream)
        assert not terminal.listens
        terminal.forget()
        assert terminal.lines() == []
        assert stream.read() == "go\n"


def test_an_answer_is_taken_once(tmp_path: Path) -> None:
    """What is no answer is thrown away, and nothing else in the record is touched."""
    box = Box(Record(tmp_path))
    folder = tmp_path / FOLDER
    drop(folder, "announce", "done")
    with pytest.raises(FileExistsError):
        drop(folder, "announce", "done")
    (folder / "strange.json").write_text('{"answer": "rm -rf"}')
    (folder / "torn.json").write_text('{"answ')
    assert list(box.take()) == [("announce", "done")]
    assert list(box.take()) == []


ASKED = OperatorStep(id="asked", text="do", at=1)
WAITING = OperatorStep(id="waiting", text="do", at=7)
DECISION = OperatorStep(id="decision", text="?", at=1, decision=True)


def test_what_can_not_be_acknowledged_is_told_in_one_line(tmp_path: Path) -> None:
    """No such run, unknown step, wrong answer, not asked for yet, nobody there, answered already, missed, over."""

    def error(step: str, answer: str | None = None) -> str:
        with pytest.raises(UsageError) as raised:
            acknowledge(tmp_path, step, answer, heard_within=0.2)
        return str(raised.value).replace(str(tmp_path), "RUN")

    with pytest.raises(RecordError, match=r"plan\.json: not there"):
        acknowledge(tmp_path, "asked", None)
    record = Record(tmp_path)
    plan = short_plan()
    record.write_plan(plan)
    assert error("asked") == "RUN: has no steps to acknowledge"
    record.write_plan(type(plan)(name="p", phases=plan.phases, load=plan.load, steps=(ASKED, WAITING, DECISION)))
    log = EventLog(tmp_path / "events.jsonl", 0.0)
    for step in ("asked", "decision"):
        log.write("step_asked", step=step)
    assert error("askd") == 'RUN: has no step askd; did you mean "asked"?'
    assert error("asked", "go") == "asked: is no decision; answer it with --answer done"
    assert error("decision") == "decision: is a decision; answer it with --answer go or --answer no-go"
    assert error("waiting") == "waiting: isn't asked for yet, but at 7 s"
    assert error("asked") == "RUN: acknowledges its steps itself (--unattended)"
    Box(record)
    assert error("asked") == "RUN: takes no answer within 0.2 s; it isn't running, or it hangs"
    assert not list((tmp_path / FOLDER).iterdir())
    log.write("step_acknowledged", step="asked", answer="done", by="terminal", seconds=1.0)
    assert error("asked") == "asked: is answered already: done (terminal)"
    log.write("step_missed", step="decision")
    assert error("decision", "go") == "decision: was missed: nobody answered within 60 s"
    log.write("load_stopped")
    assert error("waiting") == "RUN: is over; nothing waits for an answer"
    log.close()
