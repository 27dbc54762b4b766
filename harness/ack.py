"""`thongsuot ack`: acknowledge a step of a run that goes on, from another terminal."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.answers import FOLDER, drop
from harness.errors import UsageError
from harness.steps import Answer, answers
from model.drill import OperatorStep
from model.record import Record
from model.shape import did_you_mean

HEARD_WITHIN = 15.0
"""Seconds in which a run takes an answer, though it may stand still for as long as a lease lasts."""
OVER = ("load_stopped", "run_finished", "conductor_lost")


def acknowledge(folder: Path, name: str, answer: str | None, heard_within: float = HEARD_WITHIN) -> str:
    """Answer a step and wait until the run has taken it.

    Returns:
        What was acknowledged, for people.

    Raises:
        UsageError: There is nothing to acknowledge, or not so.
        RecordError: The folder isn't a run's.
    """
    record = Record(folder)
    step = _step(record, name)
    chosen = _chosen(step, answer)
    _refuse(record, step, record.events(growing=True))
    try:
        dropped = drop(record.path(FOLDER), step.id, chosen)
    except FileExistsError:
        raise UsageError(f"{name}: is being answered by somebody else") from None
    except FileNotFoundError:
        raise UsageError(f"{folder}: acknowledges its steps itself (--unattended)") from None
    except OSError as error:
        raise UsageError(f"{folder}: takes no answer from you ({error.strerror})") from None
    try:
        return _taken(record, step, heard_within)
    finally:
        dropped.unlink(missing_ok=True)


def _taken(record: Record, step: OperatorStep, within: float) -> str:
    """Wait until the run has taken the answer."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        events = record.events(growing=True)
        taken = _last(events, "step_acknowledged", step)
        if taken and taken["by"] == "command":
            return f"{step.id}: {taken['answer']}, {taken['seconds']:.1f} s after it was asked for"
        _refuse(record, step, events)
        time.sleep(0.05)
    raise UsageError(f"{record.directory}: takes no answer within {within:g} s; it isn't running, or it hangs")


def _step(record: Record, name: str) -> OperatorStep:
    steps = {step.id: step for step in record.plan().steps}
    if not steps:
        raise UsageError(f"{record.directory}: has no steps to acknowledge")
    if name not in steps:
        raise UsageError(f"{record.directory}: has no step {name}; {did_you_mean(name, steps)}")
    return steps[name]


def _chosen(step: OperatorStep, answer: str | None) -> Answer:
    """Return the answer, checked; a deed is done where nothing else is said."""
    possible = answers(step)
    found = next((one for one in possible if one == (answer or "done")), None)
    if found is None:
        what = "is a decision" if step.decision else "is no decision"
        raise UsageError(f"{step.id}: {what}; answer it with --answer {' or --answer '.join(possible)}")
    return found


def _refuse(record: Record, step: OperatorStep, events: Sequence[Mapping[str, Any]]) -> None:
    """Raise UsageError where the step can't be answered (any more, or yet)."""
    answered = _last(events, "step_acknowledged", step)
    if answered:
        raise UsageError(f"{step.id}: is answered already: {answered['answer']} ({answered['by']})")
    if _last(events, "step_missed", step):
        raise UsageError(f"{step.id}: was missed: nobody answered within {step.timeout:g} s")
    if any(event["event"] in OVER for event in events):
        raise UsageError(f"{record.directory}: is over; nothing waits for an answer")
    if not _last(events, "step_asked", step):
        raise UsageError(f"{step.id}: isn't asked for yet, but at {step.at:g} s")


def _last(events: Sequence[Mapping[str, Any]], name: str, step: OperatorStep) -> Mapping[str, Any] | None:
    found = [event for event in events if event["event"] == name and event.get("step") == step.id]
    return found[-1] if found else None
