"""Faults on the clock: applied when due and allowed, skipped with a reason, healed at once when told."""

import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from model import blast
from model.drill import BlastRadius
from model.plan import Fault
from model.record import EventLog
from tests.conftest import wait_for
from tests.harness.fakes import FakeLife, fault, timeline_of, written
from tests.harness.plans import short_plan


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    log = EventLog(tmp_path / "events.jsonl")
    yield log
    log.close()


def one_at_a_time(faults: Iterable[Fault]) -> str | None:
    return "two" if len(list(faults)) > 1 else None


def test_a_fault_is_applied_when_it_is_due_and_healed_when_its_time_is_over(log: EventLog) -> None:
    """Without anybody's doing."""
    life = FakeLife(fault("a", 0.2, 0.2))
    timeline = timeline_of([life], log)
    timeline.start()
    wait_for(lambda: not timeline.pending, 30)
    assert life.applied is not None
    assert life.ended is not None
    assert life.applied - (log.t0 or 0) >= 0.2
    assert life.ended - (log.t0 or 0) >= 0.4


def test_a_fault_that_is_held_back_waits_for_every_release(log: EventLog) -> None:
    """It is applied as soon as nothing holds it any more."""
    life = FakeLife(fault("a", 0.0, 5))
    timeline = timeline_of([life], log)
    timeline.hold("one", ["a"])
    timeline.hold("other", ["a"])
    timeline.start()
    timeline.release("one")
    time.sleep(0.1)
    assert life.applied is None
    timeline.release("other")
    wait_for(lambda: life.applied, 30)
    timeline.heal()
    assert life.healed


def test_what_is_called_off_is_skipped_or_healed_at_once(log: EventLog, tmp_path: Path) -> None:
    """One is on and heals, one is still to come and is skipped with the reason; the call doesn't wait."""
    on, to_come = FakeLife(fault("on", 0.0, 60)), FakeLife(fault("to-come", 30, 1))
    on.may_heal.clear()
    timeline = timeline_of([on, to_come], log)
    timeline.start()
    wait_for(lambda: on.applied, 30)
    timeline.call_off("enough")
    assert not on.healed
    on.may_heal.set()
    wait_for(lambda: not timeline.pending, 30)
    assert on.healed
    assert to_come.applied is None
    assert written(tmp_path, "fault_skipped") == [{"fault": "to-come", "reason": "enough"}]


def test_only_the_named_faults_are_called_off(log: EventLog, tmp_path: Path) -> None:
    """The others keep to their time."""
    named, other = FakeLife(fault("named", 30, 1)), FakeLife(fault("other", 0.3, 30))
    timeline = timeline_of([named, other], log)
    timeline.start()
    timeline.call_off("no-go", ["named"])
    wait_for(lambda: other.applied, 30)
    assert timeline.active == {"other"}
    timeline.heal()
    assert named.applied is None
    assert [event["fault"] for event in written(tmp_path, "fault_skipped")] == ["named"]


def test_ending_a_run_skips_nothing(log: EventLog, tmp_path: Path) -> None:
    """Faults that an interrupted run doesn't come to aren't decisions."""
    life = FakeLife(fault("a", 30, 1))
    timeline = timeline_of([life], log)
    timeline.start()
    timeline.heal()
    assert life.applied is None
    assert not written(tmp_path, "fault_skipped")


def test_a_fault_that_exceeds_the_blast_radius_is_not_applied(log: EventLog, tmp_path: Path) -> None:
    """Another one should have healed by now, but hasn't: the plan's times don't count."""
    late, next_one = FakeLife(fault("late", 0.0, 0.1, "province:79")), FakeLife(fault("next", 0.3, 5, "province:01"))
    late.may_heal.clear()
    plan = short_plan()
    radius = partial(
        blast.excess,
        type(plan)(
            name="p", phases=plan.phases, load=plan.load, stack=plan.stack, blast_radius=BlastRadius(provinces=1)
        ),
    )
    timeline = timeline_of([late, next_one], log, radius)
    timeline.hold("its forerunner is on", ["next"])
    timeline.start()
    wait_for(lambda: late.applied, 30)
    timeline.release("its forerunner is on")
    (skipped,) = wait_for(lambda: written(tmp_path, "fault_skipped"), 30)
    assert skipped == {"fault": "next", "reason": "2 provinces at once, 1 allowed"}
    assert next_one.applied is None
    late.may_heal.set()
    timeline.heal()


def test_a_fault_gives_its_forerunner_a_moment_to_heal(
    log: EventLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back to back in the plan isn't both at once."""
    monkeypatch.setattr("harness.timeline.HEALING_TAKES", 30.0)
    first, second = FakeLife(fault("first", 0.0, 0.3)), FakeLife(fault("second", 0.3, 5))
    first.may_heal.clear()
    timeline = timeline_of([first, second], log, one_at_a_time)
    timeline.hold("its forerunner is on", ["second"])
    timeline.start()
    wait_for(lambda: first.applied, 30)
    timeline.release("its forerunner is on")
    time.sleep(0.5)
    assert second.applied is None
    first.may_heal.set()
    wait_for(lambda: second.applied, 30)
    assert not written(tmp_path, "fault_skipped")
    timeline.heal()
